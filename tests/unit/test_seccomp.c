/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call number, in every phase: outside the list below it kills. The list stands here a second time, by
 * hand, so that no slip in the table of seccomp.c goes unseen.
 */
#include "apply/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/filter.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "tap.h"

#define CALLS_END 600

struct call {
	long number, a, b, c;
};

/* What becomes of one system call in a child behind the filters from `first` to `last`: the signal that killed it, or 0. */
static int fate(int first, int last, const struct call *call)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		/* Some would wait for ever; and rt_sigreturn ends in a fault, which a sanitizer would explain by calls of its own. */
		alarm(1);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		signal(SIGILL, SIG_DFL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		for (int p = first; p <= last; p++)
			if ((p == SECCOMP_DECODE ? seccomp_enter(p, &err) : filter_enter(p, &err)) < 0)
				_exit(99);
		syscall(call->number, call->a, call->b, call->c, 0, 0, 0);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static const long everywhere[] = {
	SYS_brk,	  SYS_capget,  SYS_capset,  SYS_clock_gettime, SYS_close,    SYS_exit,
	SYS_exit_group,	  SYS_fchmod,  SYS_fcntl,   SYS_fstat,	       SYS_fstatfs,  SYS_futex,
	SYS_getegid,	  SYS_geteuid, SYS_getpid,  SYS_getrandom,     SYS_gettid,   SYS_gettimeofday,
	SYS_lseek,	  SYS_madvise, SYS_mkdirat, SYS_mmap,	       SYS_mprotect, SYS_mremap,
	SYS_munmap,	  SYS_openat2, SYS_read,    SYS_readlinkat,    SYS_renameat, SYS_restart_syscall,
	SYS_rt_sigaction, SYS_seccomp, SYS_sendto,  SYS_rt_sigreturn,  SYS_setfsgid, SYS_rt_sigprocmask,
	SYS_setfsuid,	  SYS_statx,   SYS_sysinfo, SYS_symlinkat,     SYS_tgkill,   SYS_newfstatat,
	SYS_unlinkat,	  SYS_write,   SYS_writev,  SYS_flock,	       SYS_ppoll,
#ifdef SYS_time
	SYS_time,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
};
static const long while_mounting[] = { SYS_mount_setattr, SYS_move_mount };
static const long outside[] = {
	SYS_fsconfig,  SYS_fsmount, SYS_fsopen,	    SYS_getdents64,
	SYS_open_tree, SYS_openat,  SYS_pidfd_open, SYS_pidfd_send_signal,
	SYS_uname,
#ifdef SYS_open
	SYS_lstat,     SYS_open,    SYS_readlink,   SYS_stat,
#endif
};

/* uretprobe and uprobe: the kernel lets them past every filter, and they do nothing but return into a probe of its own. */
#ifdef __x86_64__
static const long unfilterable[] = { 335, 336 };
#else
static const long unfilterable[] = { -1 };
#endif

static bool is_in(const long *list, size_t n, long number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == number)
			return true;
	return false;
}

static bool may(int phase, long number)
{
	return is_in(everywhere, ARRAY_SIZE(everywhere), number) ||
	       (phase <= SECCOMP_INSIDE && is_in(while_mounting, ARRAY_SIZE(while_mounting), number)) ||
	       (phase == SECCOMP_HOOK && is_in(outside, ARRAY_SIZE(outside), number));
}

/* Of a hook that starts in the container's namespaces: what it may not have of the other's list, and what it reads libraries with. */
static const long not_here[] = { SYS_open_tree, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_uname };

static bool may_here(long number)
{
	return number == SYS_pread64 || (may(SECCOMP_HOOK, number) && !is_in(not_here, ARRAY_SIZE(not_here), number));
}

static void try_all(int phase)
{
	for (long number = 0; number < CALLS_END; number++) {
		const struct call call = { number, -1, 0, 0 };
		int got;

		if (is_in(unfilterable, ARRAY_SIZE(unfilterable), number))
			continue;
		got = fate(SECCOMP_HOOK, phase, &call);

		/* What may be called fails in its own way; some need their arguments. */
		if (may(phase, number) ? got == SIGSYS : got != SIGSYS) {
			printf("# phase %d, system call %ld: %d\n", phase, number, got);
			CHECK_INT(got, may(phase, number) ? 0 : SIGSYS);
		}
	}
}

TEST(in_the_hook_every_call_outside_the_list_kills)
{
	try_all(SECCOMP_HOOK);
}

TEST(inside_a_container_every_call_outside_the_list_kills)
{
	try_all(SECCOMP_INSIDE);
}

TEST(while_files_are_written_every_call_outside_the_list_kills)
{
	try_all(SECCOMP_FILES);
}

TEST(in_the_containers_own_namespaces_every_call_outside_the_list_kills)
{
	for (long number = 0; number < CALLS_END; number++) {
		const struct call call = { number, -1, 0, 0 };
		int got;

		if (is_in(unfilterable, ARRAY_SIZE(unfilterable), number))
			continue;
		got = fate(SECCOMP_HERE, SECCOMP_HERE, &call);
		if (may_here(number) ? got == SIGSYS : got != SIGSYS) {
			printf("# system call %ld: %d\n", number, got);
			CHECK_INT(got, may_here(number) ? 0 : SIGSYS);
		}
	}
}

/* Of the hook's list, and one more, all that the child needs which unpacks archives. */
static const long decoding[] = {
	SYS_brk,	  SYS_clock_gettime, SYS_close,	  SYS_exit,	  SYS_exit_group,
	SYS_fstat,	  SYS_futex,	     SYS_getpid,  SYS_getrandom,  SYS_gettid,
	SYS_lseek,	  SYS_madvise,	     SYS_mmap,	  SYS_mprotect,	  SYS_mremap,
	SYS_munmap,	  SYS_read,	     SYS_write,	  SYS_writev,	  SYS_restart_syscall,
	SYS_rt_sigaction, SYS_rt_sigreturn,  SYS_sysinfo, SYS_newfstatat, SYS_rt_sigprocmask,
	SYS_pread64,	  SYS_openat, /* answers EACCES: see below */
};

TEST(while_an_archive_is_unpacked_every_call_outside_the_list_kills)
{
	for (long number = 0; number < CALLS_END; number++) {
		const struct call call = { number, -1, 0, 0 };
		bool allowed = is_in(decoding, ARRAY_SIZE(decoding), number);
		int got;

		if (is_in(unfilterable, ARRAY_SIZE(unfilterable), number))
			continue;
		got = fate(SECCOMP_DECODE, SECCOMP_DECODE, &call);
		if (allowed ? got == SIGSYS : got != SIGSYS) {
			printf("# system call %ld: %d\n", number, got);
			CHECK_INT(got, allowed ? 0 : SIGSYS);
		}
	}
}

TEST(what_unpacks_an_archive_opens_nothing)
{
	struct err err = ERR_INIT;
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_enter(SECCOMP_DECODE, &err) < 0)
			_exit(99);
		syscall(SYS_exit_group,
			syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY, 0) == -1 && errno == EACCES ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
}

TEST(what_unpacks_an_archive_asks_no_signals)
{
	static const struct {
		struct call call;
		int want;
	} rows[] = {
		{ { SYS_fcntl, -1, F_GETFD, 0 }, 0 },		{ { SYS_fcntl, -1, F_GETFL, 0 }, 0 },
		{ { SYS_fcntl, -1, F_SETOWN, 1 }, SIGSYS },	{ { SYS_fcntl, -1, F_SETOWN_EX, 0 }, SIGSYS },
		{ { SYS_fcntl, -1, F_SETSIG, 9 }, SIGSYS },	{ { SYS_fcntl, -1, F_SETFL, O_ASYNC }, SIGSYS },
		{ { SYS_fcntl, -1, F_NOTIFY, 1 }, SIGSYS },	{ { SYS_fcntl, -1, F_SETLEASE, 1 }, SIGSYS },
		{ { SYS_fcntl, -1, F_SETPIPE_SZ, 1 }, SIGSYS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!CHECK_INT(fate(SECCOMP_DECODE, SECCOMP_DECODE, &rows[i].call), rows[i].want))
			printf("# row %zu\n", i);
}

/* As abort does it; another process is another matter, be it the parent. */
TEST(what_unpacks_an_archive_signals_itself_only)
{
	for (int other = 0; other < 2; other++) {
		int status = -1;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			struct err err = ERR_INIT;
			pid_t to = other ? getppid() : getpid();

			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			if (seccomp_enter(SECCOMP_DECODE, &err) < 0)
				_exit(99);
			syscall(SYS_exit_group, syscall(SYS_tgkill, to, to, 0) == 0 ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		CHECK_INT(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), other ? SIGSYS : 0);
	}
}

TEST(arguments_count)
{
	static const struct {
		struct call call;
		int hook, inside, files;
	} rows[] = {
		{ { SYS_setns, -1, CLONE_NEWNS, 0 }, 0, SIGSYS, SIGSYS },
		{ { SYS_setns, -1, CLONE_NEWUSER, 0 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_setns, -1, CLONE_NEWNS | CLONE_NEWPID, 0 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_mknodat, -1, 0, S_IFREG | 0644 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_mknodat, -1, 0, S_IFCHR | 0644 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_mknodat, -1, 0, S_IFBLK | 0644 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_mmap, 0, 0, PROT_READ | PROT_WRITE }, 0, 0, 0 },
		{ { SYS_mmap, 0, 0, PROT_READ | PROT_EXEC }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_mprotect, 0, 0, PROT_READ | PROT_EXEC }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_bpf, BPF_PROG_QUERY, 0, 0 }, 0, SIGSYS, SIGSYS },
		{ { SYS_bpf, BPF_PROG_ATTACH, 0, 0 }, 0, SIGSYS, SIGSYS },
		{ { SYS_bpf, BPF_PROG_DETACH, 0, 0 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_bpf, BPF_MAP_CREATE, 0, 0 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_bpf, BPF_LINK_CREATE, 0, 0 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0 }, 0, 0, 0 },
		{ { SYS_prctl, PR_SET_DUMPABLE, 1, 0 }, SIGSYS, SIGSYS, SIGSYS },
		{ { SYS_prctl, PR_CAPBSET_DROP, 1, 0 }, SIGSYS, SIGSYS, SIGSYS },
	};

	static const struct call never_here[] = {
		{ SYS_setns, -1, CLONE_NEWNS, 0 },
		{ SYS_bpf, BPF_PROG_QUERY, 0, 0 },
		{ SYS_mknodat, -1, 0, S_IFREG | 0644 },
		{ SYS_mmap, 0, 0, PROT_READ | PROT_EXEC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(never_here); i++)
		CHECK_INT(fate(SECCOMP_HERE, SECCOMP_HERE, &never_here[i]), SIGSYS);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool ok = CHECK_INT(fate(SECCOMP_HOOK, SECCOMP_HOOK, &rows[i].call), rows[i].hook);

		ok &= CHECK_INT(fate(SECCOMP_HOOK, SECCOMP_INSIDE, &rows[i].call), rows[i].inside);
		ok &= CHECK_INT(fate(SECCOMP_HOOK, SECCOMP_FILES, &rows[i].call), rows[i].files);
		if (!ok)
			printf("# row %zu\n", i);
	}
}

/* By itself such a filter would let nearly everything pass. */
TEST(what_only_narrows_needs_a_list_before)
{
	for (int phase = SECCOMP_INSIDE; phase <= SECCOMP_FILES; phase++) {
		struct err err = ERR_INIT;

		CHECK_INT(filter_enter(phase, &err), -EINVAL);
		CHECK_INT(err.code, ERR_KERNEL);
		CHECK_INT(fate(SECCOMP_HOOK, phase, &(struct call){ SYS_mount, 0, 0, 0 }), SIGSYS);
	}
}

/* The C library reads the time zone with the first time that it writes: that must not be in a phase that opens nothing. */
TEST(the_log_is_written_in_every_phase)
{
	cleanup_free char *path = mem_printf("%s/log", tap_tmpdir()), *text = NULL;
	int status = -1;
	size_t len = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		clearenv();
		log_open("test", path, LOG_LEVEL_WARNING);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_enter(SECCOMP_FILES, &err) < 0)
			_exit(99);
		log_warning("said");
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	CHECK(fd_read_file_at(AT_FDCWD, path, 4096, &text, &len) == 0 && strstr(text, "said"));
}

TEST(before_modules_are_loaded_some_are_gone_already)
{
	static const long gone[] = { SYS_acct,
				     SYS_add_key,
				     SYS_adjtimex,
				     SYS_chroot,
				     SYS_clock_adjtime,
				     SYS_clock_settime,
				     SYS_fanotify_init,
				     SYS_io_uring_enter,
				     SYS_io_uring_register,
				     SYS_io_uring_setup,
				     SYS_kcmp,
				     SYS_kexec_load,
				     SYS_keyctl,
				     SYS_mount,
				     SYS_open_by_handle_at,
				     SYS_perf_event_open,
				     SYS_pivot_root,
				     SYS_process_vm_readv,
				     SYS_process_vm_writev,
				     SYS_ptrace,
				     SYS_quotactl,
				     SYS_reboot,
				     SYS_request_key,
				     SYS_sethostname,
				     SYS_setdomainname,
				     SYS_settimeofday,
				     SYS_swapoff,
				     SYS_swapon,
				     SYS_umount2,
				     SYS_unshare,
				     SYS_userfaultfd,
				     SYS_vhangup };
	static const long there[] = { SYS_execve, SYS_finit_module, SYS_clone3, SYS_openat, SYS_bpf };

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		const struct call call = { gone[i], -1, 0, 0 };

		if (!CHECK_INT(fate(SECCOMP_LOAD, SECCOMP_LOAD, &call), SIGSYS))
			printf("# system call %ld\n", gone[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		const struct call call = { there[i], -1, 0, 0 };

		if (!CHECK_INT(fate(SECCOMP_LOAD, SECCOMP_LOAD, &call), 0))
			printf("# system call %ld\n", there[i]);
	}
}

#ifdef __x86_64__
/* The kernel's third ABI has the same architecture in a filter's eyes, and other numbers. */
TEST(x32_numbers_kill)
{
	static const long numbers[] = { SYS_read, SYS_execve, 520 /* x32's own execve */, SYS_openat2 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct call call = { numbers[i] | 0x40000000, -1, 0, 0 };

		CHECK_INT(fate(SECCOMP_HOOK, SECCOMP_HOOK, &call), SIGSYS);
	}
}
#endif
