/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/attr.h"

static struct {
	const char *call; /* NULL: none fails */
	unsigned left;	  /* calls until the one that fails */
	int errnum;
	bool on; /* those after it fail too */
	unsigned n_failed;
	char failed[32];
} fault;

static struct {
	const char *calls[4];
	unsigned n;
} pretended;

static void arm(const char *call, unsigned nth, int errnum, bool on)
{
	fault.call = call;
	fault.left = nth;
	fault.errnum = errnum;
	fault.on = on;
	fault.n_failed = 0;
	fault.failed[0] = '\0';
}

void faults_arm(const char *call, unsigned nth, int errnum)
{
	arm(call, nth, errnum, false);
}

void faults_arm_from(const char *call, unsigned nth, int errnum)
{
	arm(call, nth, errnum, true);
}

unsigned faults_disarm(void)
{
	fault.call = NULL;
	return fault.n_failed;
}

void faults_pretend(const char *call)
{
	if (pretended.n == ARRAY_SIZE(pretended.calls))
		abort();
	pretended.calls[pretended.n++] = call;
}

const char *faults_failed(void)
{
	return fault.failed;
}

static bool is_armed(const char *call, int *ret_r)
{
	if (!fault.call || (strcmp(fault.call, FAULTS_ANY) != 0 && strcmp(fault.call, call) != 0))
		return false;
	/* A clock does not fail. */
	if (strcmp(fault.call, FAULTS_ANY) == 0 && strcmp(call, "clock_gettime") == 0)
		return false;
	if (fault.left > 1) {
		fault.left--;
		return false;
	}
	if (fault.n_failed && !fault.on)
		return false;
	fault.n_failed++;
	snprintf(fault.failed, sizeof(fault.failed), "%s", call);
	*ret_r = fault.errnum ? -1 : 0;
	if (fault.errnum)
		errno = fault.errnum;
	return true;
}

/* Whether this call is not made; *ret_r is what it returns then, with errno set. */
static bool fails(const char *call, int *ret_r)
{
	if (is_armed(call, ret_r))
		return true;
	for (unsigned i = 0; i < pretended.n; i++)
		if (strcmp(pretended.calls[i], call) == 0) {
			*ret_r = 0;
			return true;
		}
	return false;
}

/* One function in the place of another that returns -1 where it fails; `args` in brackets with types and without. */
#define WRAP(type, call, symbol, args, names) \
	type __real_##symbol args; \
	type __wrap_##symbol args; \
	type __wrap_##symbol args \
	{ \
		int r; \
\
		return fails(call, &r) ? (type)r : __real_##symbol names; \
	}

WRAP(int, "fchmod", fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, "fchown", fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(int, "flock", flock, (int fd, int operation), (fd, operation))
WRAP(int, "clock_nanosleep", clock_nanosleep,
     (clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left), (clock, flags, wanted, left))
WRAP(int, "stat", stat64, (const char *path, void *st), (path, st))
WRAP(int, "fstatat", fstatat64, (int dir, const char *path, void *st, int flags), (dir, path, st, flags))
WRAP(int, "fstat", fstat64, (int fd, void *st), (fd, st))
WRAP(int, "fstatfs", fstatfs64, (int fd, void *fs), (fd, fs))
WRAP(int, "fsync", fsync, (int fd), (fd))
WRAP(int, "mkdirat", mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode))
WRAP(int, "mknodat", mknodat, (int dir, const char *name, mode_t mode, dev_t dev), (dir, name, mode, dev))
WRAP(int, "poll", poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
WRAP(ssize_t, "read", read, (int fd, void *buf, size_t n), (fd, buf, n))
WRAP(ssize_t, "write", write, (int fd, const void *buf, size_t n), (fd, buf, n))
WRAP(int, "renameat", renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, "renameat2", renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags))
WRAP(int, "symlinkat", symlinkat, (const char *target, int dir, const char *name), (target, dir, name))
WRAP(int, "setns", setns, (int fd, int type), (fd, type))
/* Of the libraries that are linked only their calls in our code are seen, not what these call in turn. */
WRAP(int, "cap_set_proc", cap_set_proc, (void *caps), (caps))

/* Neither tells an error: that one failed is seen by the id that it did not take. */
int __real_setfsuid(uid_t uid);
int __wrap_setfsuid(uid_t uid);
int __wrap_setfsuid(uid_t uid)
{
	int r;

	return __real_setfsuid(fails("setfsuid", &r) ? (uid_t)-1 : uid);
}

int __real_setfsgid(gid_t gid);
int __wrap_setfsgid(gid_t gid);
int __wrap_setfsgid(gid_t gid)
{
	int r;

	return __real_setfsgid(fails("setfsgid", &r) ? (gid_t)-1 : gid);
}

/* An old kernel's says that it went well and leaves out what it does not know. */
int __real_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret);
int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret);
int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r;

	if (!fails("statx", &r))
		return __real_statx(dir, path, flags, mask, ret);
	memset(ret, 0, sizeof(*ret));
	return r;
}

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r;

	if (!fails("clock_gettime", &r))
		return __real_clock_gettime(clock, ret);
	*ret = (struct timespec){ .tv_sec = INT32_MAX };
	return r;
}

/* Only an open that may make a file has a mode. */
#define WRAP_OPEN(call, symbol, args, names, names_mode) \
	int __real_##symbol args; \
	int __wrap_##symbol args; \
	int __wrap_##symbol args \
	{ \
		mode_t mode; \
		va_list ap; \
		int r; \
\
		if (fails(call, &r)) \
			return r; \
		if (!(flags & O_CREAT)) \
			return __real_##symbol names; \
		va_start(ap, flags); \
		mode = va_arg(ap, mode_t); \
		va_end(ap); \
		return __real_##symbol names_mode; \
	}

WRAP_OPEN("open", open64, (const char *path, int flags, ...), (path, flags), (path, flags, mode))
WRAP_OPEN("openat", openat64, (int dir, const char *path, int flags, ...), (dir, path, flags), (dir, path, flags, mode))

static const char *syscall_name(long n)
{
	static const struct {
		long n;
		const char *name;
	} names[] = {
		{ SYS_fsconfig, "fsconfig" },
		{ SYS_fsmount, "fsmount" },
		{ SYS_fsopen, "fsopen" },
		{ SYS_mount_setattr, "mount_setattr" },
		{ SYS_move_mount, "move_mount" },
		{ SYS_open_tree, "open_tree" },
		{ SYS_openat2, "openat2" },
		{ SYS_pidfd_open, "pidfd_open" },
		{ SYS_pidfd_send_signal, "pidfd_send_signal" },
		{ SYS_seccomp, "seccomp" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].n == n)
			return names[i].name;
	return "syscall";
}

long __real_syscall(long n, ...);
long __wrap_syscall(long n, ...);
long __wrap_syscall(long n, ...)
{
	long a[6];
	va_list ap;
	int r;

	if (fails(syscall_name(n), &r))
		return r;
	/* What was not given is read and handed on too: the kernel does not look at it. */
	va_start(ap, n);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return __real_syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
