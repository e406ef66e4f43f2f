/* SPDX-License-Identifier: Apache-2.0 */
/* The driver as the host itself sees it, beside the containers: by the loader's configuration, or by overlays. */
#ifndef NVCOREOS_CLI_HOSTVIEW_H
#define NVCOREOS_CLI_HOSTVIEW_H

#include "cli.h"

enum hostview_method {
	HOSTVIEW_NONE,
	/* ld.so.conf.d names the store's current/lib64 and lib32, profile.d its bin: a host whose /etc can be written */
	HOSTVIEW_LDCONF,
	/*
	 * The tree's files appear in /usr/lib64 (or Debian's multiarch directory), /usr/bin and the kernel's modules directory: a
	 * host whose /usr cannot be written. Until the next boot: 'load' puts them there again.
	 */
	HOSTVIEW_OVERLAY,
};

/*
 * Makes the host below --root see the driver. What is made is recorded first (etc/nvcoreos/host.json), so that disable undoes a
 * run that was killed too. Enabling again, by either method, is fine. The caller holds the store's lock. -errno with ERR_HOST,
 * ERR_IO, ERR_MOUNT, ERR_NO_TREE.
 */
int hostview_enable(const struct cli *cli, enum hostview_method method, struct err *err) must_check;
/* Undoes it: the host is as it was. Not enabled is no error. */
int hostview_disable(const struct cli *cli, struct err *err) must_check;
/* After current or the loaded driver has changed: what the host sees follows, where it is enabled. */
int hostview_refresh(const struct cli *cli, struct err *err) must_check;

#endif
