/* SPDX-License-Identifier: Apache-2.0 */
/* The directories below which host facts are read, as fds: proc-root, sys-root and dev-root of the configuration. */
#ifndef NVCOREOS_HOST_HOSTROOT_H
#define NVCOREOS_HOST_HOSTROOT_H

#include "base/err.h"
#include "conf/config.h"

struct hostroot {
	int proc, sys, dev, run; /* run is -EBADF where run-dir does not exist (yet) */
};
#define HOSTROOT_INIT \
	{ \
		-EBADF, -EBADF, -EBADF, -EBADF \
	}

/* Opens them. -errno with ERR_HOST naming the directory that is missing. */
int hostroot_open(struct hostroot *ret, const struct config *conf, struct err *err) must_check;
void hostroot_close(struct hostroot *h);
#define cleanup_hostroot cleanup(hostroot_close)

#endif
