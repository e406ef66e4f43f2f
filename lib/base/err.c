/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const struct {
	enum err_code code;
	const char *what, *hint;
} table[] = {
	{ ERR_NOMEM, "out of memory", "give the container engine more memory" },
	{ ERR_USAGE, "wrong usage", "see --help" },
	{ ERR_CONF, "configuration cannot be used",
	  "correct the file: the keys and their values stand in nvcoreos.conf as it is installed" },
	{ ERR_CONF_KEY, "unknown configuration key", "the keys stand in nvcoreos.conf as it is installed" },
	{ ERR_IO, "file cannot be used", "check the path and its permissions" },
	{ ERR_KERNEL, "kernel does not offer a system call",
	  "Linux 5.12 or newer is needed, and an outer seccomp filter must allow it" },
	{ ERR_PRIVILEGE, "not permitted", "run as root" },
	{ ERR_ENDED, "ended by a signal", "start the container again" },
	{ ERR_STATE, "OCI state is not valid", "call nvcoreos-hook from an OCI runtime" },
	{ ERR_SPEC, "config.json cannot be used", "the engine must write a valid OCI bundle" },
	{ ERR_BUNDLE, "bundle cannot be used", "check the bundle directory" },
	{ ERR_VALUE, "value not understood", "see the README for what a container may say" },
	{ ERR_GPU_UNKNOWN, "unknown GPU", "see 'nvcoreos gpus' for what this host has" },
	{ ERR_CAPABILITY, "unknown driver capability",
	  "use compute, utility, video, graphics, display, ngx, compat32 or all" },
	{ ERR_REQUIRE, "requirement not met", "install a newer driver or set NVIDIA_DISABLE_REQUIRE=1" },
	{ ERR_NOT_PRIVILEGED, "only for privileged containers", "take it out, or give the container CAP_SYS_ADMIN" },
	{ ERR_CUDA_UNKNOWN, "CUDA version is not installed", "see 'nvcoreos list', or install its archive" },
	{ ERR_NO_GPU, "no NVIDIA GPU on this host",
	  "start without a GPU request, or set no-gpu=ignore in nvcoreos.conf" },
	{ ERR_NOT_LOADED, "NVIDIA kernel modules are not loaded", "run 'nvcoreos load'" },
	{ ERR_LOAD, "loading the NVIDIA kernel modules failed", "see 'dmesg' and run 'nvcoreos load'" },
	{ ERR_NO_TREE, "no installed driver fits", "run 'nvcoreos install' or 'nvcoreos import'" },
	{ ERR_TREE, "installed tree is damaged", "install it again" },
	{ ERR_NODE, "device node is missing or wrong", "run 'nvcoreos load'" },
	{ ERR_HOST, "host facts cannot be read", "check proc-root, sys-root and run-dir in nvcoreos.conf" },
	{ ERR_NAMESPACE, "container cannot be entered", "it may have ended already" },
	{ ERR_ROOTFS, "container's root cannot be used", "check root.path in config.json" },
	{ ERR_TARGET, "path in the container cannot be used", "remove it from the image" },
	{ ERR_FOREIGN_MOUNT, "a volume is in the way", "mount the volume elsewhere, or make the path in it" },
	{ ERR_MOUNT, "mounting failed", "see the kernel's reason" },
	{ ERR_WRITE, "writing in the container's root failed", "check space and permissions of the container's layer" },
	{ ERR_CGROUP, "device cgroup cannot be changed",
	  "start the container with nvcoreos-runtime, or set device-cgroup=none" },
	{ ERR_RUNTIME, "no low-level runtime", "install runc, or set low-level-runtimes in nvcoreos.conf" },
	{ ERR_ARCHIVE, "archive refused", "get the archive again, or build it anew" },
	{ ERR_SOURCE, "nothing to install there", "name archives, a directory or a driver root" },
	{ ERR_STORE, "store cannot be used", "check driver-store and cuda-store in nvcoreos.conf" },
	{ ERR_TREE_NAME, "no such tree", "see 'nvcoreos list'" },
	{ ERR_BUSY, "in use", "try again later" },
	{ ERR_ENGINE, "engine configuration cannot be used", "correct the file first" },
	{ ERR_UNDECIDED, "more than one answer", "say which" },
	{ ERR_UNLOAD, "unloading the NVIDIA kernel modules failed", "see 'dmesg', or reboot" },
	{ ERR_MISFIT, "modules do not fit the kernel", "install the modules of this OS version" },
	{ ERR_UNPROVEN, "modules are not proven", "name the kernel's headers with --kernel" },
};

const char *err_code_what(enum err_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == code)
			return table[i].what;
	return NULL;
}

const char *err_code_hint(enum err_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == code)
			return table[i].hint;
	return NULL;
}

static int err_return(const struct err *err)
{
	return err && err->errnum > 0 ? -err->errnum : -EINVAL;
}

int err_set(struct err *err, enum err_code code, int errnum, const char *fmt, ...)
{
	char raw[ERR_MSG_MAX];
	va_list ap;

	if (!err)
		return errnum > 0 ? -errnum : -EINVAL;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	err->code = code;
	err->errnum = errnum;
	err->hint[0] = '\0';
	str_escape(raw, err->what, sizeof(err->what));
	return err_return(err);
}

int err_hint(struct err *err, const char *fmt, ...)
{
	char raw[sizeof(err->hint)];
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, err->hint, sizeof(err->hint));
	return err_return(err);
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char raw[ERR_MSG_MAX], old[ERR_MSG_MAX];
	va_list ap;
	size_t n;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	memcpy(old, err->what, sizeof(old));
	str_escape(raw, err->what, sizeof(err->what));
	n = strlen(err->what);
	snprintf(err->what + n, sizeof(err->what) - n, ": %s", old);
	return err_return(err);
}

/* The reason, where it says more than the code's own words: "in use" is busy, "no such tree" does not exist. */
static const char *reason(const struct err *err)
{
	int e = err->errnum;

	if (e <= 0 || (err->code == ERR_BUSY && (e == EBUSY || e == EWOULDBLOCK)) ||
	    (err->code == ERR_TREE_NAME && e == ENOENT))
		return NULL;
	return strerror(e);
}

const char *err_line(const struct err *err, char *buf, unsigned long size)
{
	const char *what = err_code_what(err->code), *hint = err_code_hint(err->code), *why = reason(err);

	snprintf(buf, size, "E%02d: %s: %s%s%s: %s", (int)err->code, what ? what : "error", err->what, why ? ": " : "",
		 why ? why : "",
		 err->hint[0] ? err->hint
		 : hint	      ? hint
			      : "");
	return buf;
}
