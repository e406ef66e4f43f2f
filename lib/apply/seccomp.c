/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>

/* clang-format off */
/* Taken away at the start, from nvcoreos-load too. */
static const int never[] = {
	SCMP_SYS(acct), SCMP_SYS(add_key), SCMP_SYS(adjtimex), SCMP_SYS(chroot), SCMP_SYS(clock_adjtime),
	SCMP_SYS(clock_settime), SCMP_SYS(fanotify_init), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(io_uring_setup), SCMP_SYS(ioperm), SCMP_SYS(iopl),
	SCMP_SYS(kcmp), SCMP_SYS(kexec_file_load), SCMP_SYS(kexec_load), SCMP_SYS(keyctl),
	SCMP_SYS(lookup_dcookie), SCMP_SYS(mount), SCMP_SYS(nfsservctl), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(perf_event_open), SCMP_SYS(pivot_root), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(ptrace), SCMP_SYS(quotactl), SCMP_SYS(reboot),
	SCMP_SYS(request_key), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(settimeofday),
	SCMP_SYS(swapoff), SCMP_SYS(swapon), SCMP_SYS(umount2), SCMP_SYS(unshare), SCMP_SYS(userfaultfd),
	SCMP_SYS(vhangup),
};

/* What files of the container need, and what every C program needs. */
static const int files[] = {
	SCMP_SYS(brk), SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(fchmod), SCMP_SYS(fcntl),
	SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(fsync), SCMP_SYS(futex), SCMP_SYS(getegid),
	SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpid), SCMP_SYS(getrandom), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(lseek), SCMP_SYS(madvise), SCMP_SYS(mkdirat), SCMP_SYS(mknodat),
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(newfstatat),
	SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(prctl), SCMP_SYS(pread64), SCMP_SYS(read),
	SCMP_SYS(readlinkat), SCMP_SYS(renameat), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(seccomp), SCMP_SYS(sendto),
	SCMP_SYS(setfsgid), SCMP_SYS(setfsuid), SCMP_SYS(statx), SCMP_SYS(sysinfo), SCMP_SYS(symlinkat), SCMP_SYS(tgkill),
	SCMP_SYS(unlinkat), SCMP_SYS(write), SCMP_SYS(writev),
};

/* What reading host and container and making the mounts need besides. */
static const int apply[] = {
	SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fsopen), SCMP_SYS(getdents64), SCMP_SYS(mount_setattr),
	SCMP_SYS(move_mount), SCMP_SYS(open), SCMP_SYS(open_tree), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(readlink), SCMP_SYS(setns),
	SCMP_SYS(stat), SCMP_SYS(uname),
};

/* clang-format on */

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int add(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(ctx, action, calls[i], 0);
	return r;
}

int seccomp_enter(enum seccomp_phase phase, struct err *err)
{
	const uint32_t kill = SCMP_ACT_KILL_PROCESS;
	cleanup(release) scmp_filter_ctx ctx = seccomp_init(phase == SECCOMP_START ? SCMP_ACT_ALLOW : kill);
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, kill);
	if (r == 0 && phase == SECCOMP_START)
		r = add(ctx, kill, never, ARRAY_SIZE(never));
	if (r == 0 && phase != SECCOMP_START)
		r = add(ctx, SCMP_ACT_ALLOW, files, ARRAY_SIZE(files));
	if (r == 0 && phase == SECCOMP_APPLY)
		r = add(ctx, SCMP_ACT_ALLOW, apply, ARRAY_SIZE(apply));
	if (r == 0)
		r = seccomp_load(ctx);
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "loading a seccomp filter") : 0;
}
