/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Taken away at the start, from nvcoreos-load too. */
static const int never[] = {
	SCMP_SYS(acct),
	SCMP_SYS(add_key),
	SCMP_SYS(adjtimex),
	SCMP_SYS(chroot),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(clock_settime),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(ioperm),
	SCMP_SYS(iopl),
	SCMP_SYS(kcmp),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(mount),
	SCMP_SYS(nfsservctl),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(quotactl),
	SCMP_SYS(reboot),
	SCMP_SYS(request_key),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(settimeofday),
	SCMP_SYS(swapoff),
	SCMP_SYS(swapon),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(vhangup),
};

#define HOOK (1u << SECCOMP_HOOK)
#define INSIDE (1u << SECCOMP_INSIDE)
#define FILES (1u << SECCOMP_FILES)
#define HERE (1u << SECCOMP_HERE)
#define ALL (HOOK | HERE | INSIDE | FILES)
#define DECODE (1u << SECCOMP_DECODE)
#define EVERY (ALL | DECODE)

/* What may be called in which phase, whatever its arguments. */
static const struct {
	int call;
	unsigned phases;
} calls[] = {
	/* What every C program calls; sysinfo is qsort's, futex and tgkill are abort's. (musl's abort calls tkill: it ends by SIGSYS.) */
	{ SCMP_SYS(brk), EVERY },
	{ SCMP_SYS(clock_gettime), EVERY },
	{ SCMP_SYS(close), EVERY },
	{ SCMP_SYS(exit), EVERY },
	{ SCMP_SYS(exit_group), EVERY },
	{ SCMP_SYS(fcntl), ALL },
	{ SCMP_SYS(futex), EVERY },
	{ SCMP_SYS(getpid), EVERY },
	{ SCMP_SYS(getrandom), EVERY },
	{ SCMP_SYS(gettid), EVERY },
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(lseek), EVERY },
	{ SCMP_SYS(madvise), EVERY },
	{ SCMP_SYS(mremap), EVERY },
	{ SCMP_SYS(munmap), EVERY },
	{ SCMP_SYS(poll), ALL },
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(read), EVERY },
	{ SCMP_SYS(restart_syscall), EVERY },
	{ SCMP_SYS(rt_sigaction), EVERY },
	{ SCMP_SYS(rt_sigprocmask), EVERY },
	{ SCMP_SYS(rt_sigreturn), EVERY },
	{ SCMP_SYS(sysinfo), EVERY },
	{ SCMP_SYS(tgkill), ALL },
	{ SCMP_SYS(time), ALL },
	{ SCMP_SYS(write), EVERY },
	{ SCMP_SYS(writev), EVERY },
	/* The journal's socket is open by then. */
	{ SCMP_SYS(sendto), ALL },
	/* Capabilities, and the filters that follow. */
	{ SCMP_SYS(capget), ALL },
	{ SCMP_SYS(capset), ALL },
	{ SCMP_SYS(getegid), ALL },
	{ SCMP_SYS(geteuid), ALL },
	{ SCMP_SYS(seccomp), ALL },
	{ SCMP_SYS(setfsgid), ALL },
	{ SCMP_SYS(setfsuid), ALL },
	/* Files of the container: resolved, looked at, made, replaced. */
	{ SCMP_SYS(fchmod), ALL },
	{ SCMP_SYS(flock), ALL },
	{ SCMP_SYS(fstat), EVERY },
	{ SCMP_SYS(fstatfs), ALL },
	{ SCMP_SYS(mkdirat), ALL },
	{ SCMP_SYS(newfstatat), EVERY },
	{ SCMP_SYS(openat2), ALL },
	{ SCMP_SYS(readlinkat), ALL },
	{ SCMP_SYS(renameat), ALL },
	{ SCMP_SYS(statx), ALL },
	{ SCMP_SYS(symlinkat), ALL },
	{ SCMP_SYS(unlinkat), ALL },
	/* Detached mounts find their places. */
	{ SCMP_SYS(mount_setattr), HOOK | HERE | INSIDE },
	{ SCMP_SYS(move_mount), HOOK | HERE | INSIDE },
	/* The host is read, sources are cloned, the container is entered. */
	{ SCMP_SYS(fsconfig), HOOK | HERE },
	{ SCMP_SYS(fsmount), HOOK | HERE },
	{ SCMP_SYS(fsopen), HOOK | HERE },
	{ SCMP_SYS(getdents64), HOOK | HERE },
	/* As stat: what musl makes of fstatat where there is no directory to it. */
	{ SCMP_SYS(lstat), HOOK | HERE },
	{ SCMP_SYS(open), HOOK | HERE },
	{ SCMP_SYS(open_tree), HOOK },
	{ SCMP_SYS(openat), HOOK | HERE },
	{ SCMP_SYS(pidfd_open), HOOK },
	{ SCMP_SYS(pidfd_send_signal), HOOK },
	{ SCMP_SYS(readlink), HOOK | HERE },
	{ SCMP_SYS(stat), HOOK | HERE },
	{ SCMP_SYS(uname), HOOK },
	/* The end of a gzip archive; libraries of a container. */
	{ SCMP_SYS(pread64), HERE | DECODE },
};

/* What may be called with some arguments only: those for which (argument & mask) == value. */
static const struct {
	int call;
	unsigned phases, argument;
	uint64_t mask, value;
} limited[] = {
	{ SCMP_SYS(mmap), EVERY, 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), EVERY, 2, PROT_EXEC, 0 },
	/* Nothing of a descriptor is changed there: by F_SETOWN others would get signals. */
	{ SCMP_SYS(fcntl), DECODE, 1, UINT32_MAX, F_GETFD },
	{ SCMP_SYS(fcntl), DECODE, 1, UINT32_MAX, F_GETFL },
	{ SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_SET_NO_NEW_PRIVS },
	{ SCMP_SYS(setns), HOOK, 1, UINT32_MAX, CLONE_NEWNS },
	/* The device cgroup (v2): programs are read back and replaced, never detached. */
	{ SCMP_SYS(bpf), HOOK, 0, UINT32_MAX, BPF_PROG_QUERY },
	{ SCMP_SYS(bpf), HOOK, 0, UINT32_MAX, BPF_PROG_GET_FD_BY_ID },
	{ SCMP_SYS(bpf), HOOK, 0, UINT32_MAX, BPF_OBJ_GET_INFO_BY_FD },
	{ SCMP_SYS(bpf), HOOK, 0, UINT32_MAX, BPF_PROG_LOAD },
	{ SCMP_SYS(bpf), HOOK, 0, UINT32_MAX, BPF_PROG_ATTACH },
};

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int take_away(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(never); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, never[i], 0);
	return r;
}

static bool has_limited(int call, unsigned phase)
{
	for (size_t i = 0; i < ARRAY_SIZE(limited); i++)
		if (limited[i].call == call && (limited[i].phases & phase))
			return true;
	return false;
}

static int kill_call(scmp_filter_ctx ctx, int call)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, call, 0);

	/* bpf is limited in several ways. */
	return r == -EEXIST ? 0 : r;
}

/* What the hook's lists have and this phase does not. The list goes on deciding over all else: each filter that is loaded counts. */
static int narrow(scmp_filter_ctx ctx, unsigned phase)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++)
		if ((calls[i].phases & ALL) && !(calls[i].phases & phase))
			r = kill_call(ctx, calls[i].call);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(limited); i++)
		if ((limited[i].phases & ALL) && !has_limited(limited[i].call, phase))
			r = kill_call(ctx, limited[i].call);
	return r;
}

static int allow(scmp_filter_ctx ctx, unsigned phase)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++)
		if (calls[i].phases & phase)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i].call, 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(limited); i++)
		if (limited[i].phases & phase)
			r = seccomp_rule_add(
				ctx, SCMP_ACT_ALLOW, limited[i].call, 1,
				SCMP_CMP(limited[i].argument, SCMP_CMP_MASKED_EQ, limited[i].mask, limited[i].value));
	/* abort's, of itself: all that runs as nobody would be in its reach. */
	if (r == 0 && (phase & DECODE))
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_CMP(0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)getpid()));
	/* libarchive looks for character sets where a name is not ASCII: it is to go on without, and the name is refused. */
	if (r == 0 && (phase & DECODE))
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
	return r;
}

/* *ret_r is 0 or -errno; what is returned is to be released either way. */
static scmp_filter_ctx make(enum seccomp_phase phase, int *ret_r)
{
	const uint32_t kill = SCMP_ACT_KILL_PROCESS;
	const bool narrows = phase == SECCOMP_INSIDE || phase == SECCOMP_FILES;
	scmp_filter_ctx ctx = seccomp_init(phase == SECCOMP_LOAD || narrows ? SCMP_ACT_ALLOW : kill);

	*ret_r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, kill) : -ENOMEM;
	/* The kernel asks the filter of every call's number when it is loaded: a tree answers sooner than a row. */
	if (*ret_r == 0)
		*ret_r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (*ret_r == 0)
		*ret_r = phase == SECCOMP_LOAD ? take_away(ctx)
			 : narrows	       ? narrow(ctx, 1u << phase)
					       : allow(ctx, 1u << phase);
	return ctx;
}

int seccomp_enter(enum seccomp_phase phase, struct err *err)
{
	int r;
	cleanup(release) scmp_filter_ctx ctx = make(phase, &r);

	if (r == 0)
		r = seccomp_load(ctx);
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "loading a seccomp filter") : 0;
}

int seccomp_write(enum seccomp_phase phase, int fd)
{
	int r;
	cleanup(release) scmp_filter_ctx ctx = make(phase, &r);

	return r < 0 ? r : seccomp_export_bpf(ctx, fd);
}
