/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities by phase (design rule 7): effective ones are empty but where a phase needs one. The sets are
 * measured minima. In a process that holds none (an unprivileged user) raising is an error only when the
 * phase's work then fails, so missing capabilities are reported here, by name.
 */
#ifndef NVCOREOS_APPLY_CAPS_H
#define NVCOREOS_APPLY_CAPS_H

#include "base/err.h"

enum caps_phase {
	CAPS_ENTER,  /* a container's mount namespace: SYS_ADMIN, SYS_CHROOT, SYS_PTRACE; DAC_READ_SEARCH to its root */
	CAPS_MOUNT,  /* open_tree, mount_setattr, fsmount, move_mount: SYS_ADMIN */
	CAPS_OWN,    /* fsuid and fsgid of the container's root: SETUID, SETGID */
	CAPS_WRITE,  /* files in directories of the image that mode bits close to root too: DAC_OVERRIDE, FOWNER */
	CAPS_CGROUP, /* device cgroup: SYS_ADMIN */
	CAPS_READ,   /* a bundle or an image's directories that mode bits close to root too: DAC_READ_SEARCH */
};

/* Takes every capability out of the effective set; permitted ones stay. -errno with ERR_PRIVILEGE. */
int caps_lower(struct err *err) must_check;
/* Raises exactly those of a phase. -EPERM with ERR_PRIVILEGE naming the first that is not permitted. */
int caps_raise(enum caps_phase phase, struct err *err) must_check;
/* Gives back every permitted capability (before another program is started). */
int caps_restore(struct err *err) must_check;
/*
 * For the hook: empties inheritable and ambient sets, and narrows permitted and bounding ones to what the
 * phases need and what a loader of modules needs.
 */
int caps_limit(struct err *err) must_check;

#endif
