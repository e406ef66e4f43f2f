/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values: a function returns 0 (or a count) or a negative errno, and where it takes a
 * `struct err *` it has set the whole sentence too. Only the mains print it.
 *
 * The sentence is  E<nn>: <what>: <path or value>[: <system's reason>]: <what to do>
 * <what> and the default <what to do> stand in the table of err.c; the numbers are a stable
 * interface and are never given out twice.
 */
#ifndef NVCOREOS_BASE_ERR_H
#define NVCOREOS_BASE_ERR_H

#include "base/attr.h"

enum err_code {
	ERR_NONE = 0,
	ERR_NOMEM = 1,		 /* out of memory */
	ERR_USAGE = 2,		 /* command line */
	ERR_CONF = 3,		 /* nvcoreos.conf: syntax or value */
	ERR_CONF_KEY = 4,	 /* nvcoreos.conf: unknown key */
	ERR_IO = 5,		 /* reading or writing a file of the host */
	ERR_KERNEL = 6,		 /* a system call that is needed is missing or forbidden */
	ERR_PRIVILEGE = 7,	 /* not root, or a capability is missing */
	ERR_ENDED = 8,		 /* ended by a signal before its work was done */
	ERR_STATE = 10,		 /* OCI state on stdin */
	ERR_SPEC = 11,		 /* config.json */
	ERR_BUNDLE = 12,	 /* bundle directory */
	ERR_VALUE = 13,		 /* a value that the container asked with */
	ERR_GPU_UNKNOWN = 14,	 /* GPU asked for is not there */
	ERR_CAPABILITY = 15,	 /* NVIDIA_DRIVER_CAPABILITIES */
	ERR_REQUIRE = 16,	 /* NVIDIA_REQUIRE_* not met or malformed */
	ERR_NOT_PRIVILEGED = 17, /* asks for what only a privileged container may have */
	ERR_CUDA_UNKNOWN = 18,	 /* CUDA version asked for is not installed */
	ERR_NO_GPU = 20,	 /* no NVIDIA GPU on this host */
	ERR_NOT_LOADED = 21,	 /* kernel modules are not loaded */
	ERR_LOAD = 22,		 /* loading the modules failed */
	ERR_NO_TREE = 23,	 /* no installed driver fits */
	ERR_TREE = 24,		 /* a tree is damaged or incomplete */
	ERR_NODE = 25,		 /* device node missing or wrong */
	ERR_HOST = 26,		 /* unexpected content below proc-root, sys-root, run-dir */
	ERR_NAMESPACE = 30,	 /* entering the container's namespaces */
	ERR_ROOTFS = 31,	 /* the container's root directory */
	ERR_TARGET = 32,	 /* a path in the container cannot be used as a target */
	ERR_FOREIGN_MOUNT = 33,	 /* a volume stands where something must be made */
	ERR_MOUNT = 34,		 /* mounting */
	ERR_WRITE = 35,		 /* writing a file of ours in the container */
	ERR_CGROUP = 36,	 /* device cgroup */
	ERR_RUNTIME = 40,	 /* low-level runtime not found or not started */
	ERR_ARCHIVE = 50,	 /* an archive is not what it should be */
	ERR_SOURCE = 51,	 /* what to install or import was not found or not understood */
	ERR_STORE = 52,		 /* the store cannot be read or written */
	ERR_TREE_NAME = 53,	 /* TREE on a command line */
	ERR_BUSY = 54,		 /* in use, or another nvcoreos is at work */
	ERR_ENGINE = 55,	 /* an engine's configuration */
	ERR_UNDECIDED = 56,	 /* more than one answer: the user must choose */
	ERR_UNLOAD = 57,	 /* the modules stay in the kernel */
	ERR_MISFIT = 58,	 /* verify: modules do not fit a kernel */
	ERR_UNPROVEN = 59,	 /* verify: whether modules fit a kernel is not known */
};

#define ERR_MSG_MAX 1024

/* Plain data: no allocation, so it crosses a pipe and survives a fork. Starts as ERR_INIT. */
struct err {
	enum err_code code;
	int errnum;		/* positive errno, 0 where no system call failed */
	char what[ERR_MSG_MAX]; /* path or value, escaped: printable bytes only */
	char hint[256];		/* what to do; empty: the table's */
};
#define ERR_INIT \
	{ \
		.code = ERR_NONE \
	}

/*
 * Sets *err (NULL is allowed: nothing is kept) and returns -errnum, or -EINVAL where errnum is 0. fmt names
 * the path or value; bytes that are not printable ASCII come out escaped, long values are cut.
 */
int err_set(struct err *err, enum err_code code, int errnum, const char *fmt, ...) printf_format(4, 5);
/* Replaces the table's advice by a better one; returns -errnum again, so it can end a function. */
int err_hint(struct err *err, const char *fmt, ...) printf_format(2, 3);
/* Puts "fmt: " before the path or value of an error that is set; returns -errnum again. */
int err_wrap(struct err *err, const char *fmt, ...) printf_format(2, 3);
/* Writes "E13: ...: ...: ..." without a newline into buf (always terminated) and returns buf. */
const char *err_line(const struct err *err, char *buf, unsigned long size);
/* The table: the short what of a code, and its default advice. NULL for a number that is not given out. */
const char *err_code_what(enum err_code code);
const char *err_code_hint(enum err_code code);

#endif
