/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities by phase (design rule 7): effective ones are empty but where a phase needs one, and what no later
 * phase needs is given up for good. The sets are measured minima.
 */
#ifndef NVCOREOS_APPLY_CAPS_H
#define NVCOREOS_APPLY_CAPS_H

#include "base/err.h"

enum caps_phase {
	CAPS_READ,   /* a bundle or an image's directories that mode bits close to root too: DAC_READ_SEARCH */
	CAPS_LOAD,   /* nvcoreos-load: SYS_MODULE, MKNOD, CHOWN, FOWNER, DAC_OVERRIDE */
	CAPS_ENTER,  /* a container's mount namespace: SYS_ADMIN, SYS_CHROOT, SYS_PTRACE; DAC_READ_SEARCH to its root */
	CAPS_CGROUP, /* device cgroup v1: SYS_ADMIN */
	CAPS_BPF,    /* and v2: SYS_ADMIN, and NET_ADMIN where the first does not imply it (Linux 6.1) */
	CAPS_MOUNT,  /* open_tree, mount_setattr, fsmount, move_mount: SYS_ADMIN */
	CAPS_OWN,    /* fsuid and fsgid of the container's root: SETUID, SETGID */
	CAPS_WRITE,  /* files in directories of the image that mode bits close to root too: DAC_OVERRIDE, FOWNER */
};
/* A set of phases, for caps_keep. */
#define CAPS_BIT(phase) (1u << (phase))
#define CAPS_ALL (CAPS_BIT(CAPS_WRITE + 1) - 1)

/* Takes every capability out of the effective set; permitted ones stay. -errno with ERR_PRIVILEGE. */
int caps_lower(struct err *err) must_check;
/* Raises exactly those of a phase. -EPERM with ERR_PRIVILEGE naming the first that is not permitted. */
int caps_raise(enum caps_phase phase, struct err *err) must_check;
/* Gives back every permitted capability (before another program is started). */
int caps_restore(struct err *err) must_check;
/*
 * For the hook, once, at its start: empties effective, inheritable and ambient sets, and narrows permitted and
 * bounding ones to what the phases need. -errno with ERR_PRIVILEGE.
 */
int caps_limit(struct err *err) must_check;
/* Gives up, for good, what none of these phases (CAPS_BIT) needs; effective is empty afterwards. -errno with ERR_PRIVILEGE. */
int caps_keep(unsigned phases, struct err *err) must_check;
/*
 * For a child that becomes nvcoreos-load: permitted and effective are what CAPS_LOAD needs, as far as they are
 * permitted, and no program that it becomes gets more. 0 or -errno.
 */
int caps_become_loader(void) must_check;

#endif
