/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_allow on cgroup v2 stopped at each of its system calls: what holds there, and what a death there leaves. */
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "apply/cgroup.h"
#include "apply/devprog.h"
#include "base/mem.h"
#include "devcgroup.h"

#define INSN(c, d, s, o, i) \
	{ \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define MOVE(reg, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define STEPS_MAX 2000

static struct plan_node nodes[] = { { "nvidiactl", 195, 255 }, { "nvidia1", 195, 1 } };
static const struct plan plan = { .nodes = nodes, .n_nodes = 2 };
static const struct bpf_insn deny_all[] = { MOVE(0, 0), EXIT };
/* Allows 10:200 alone: what another writer brings. */
static const struct bpf_insn writers[] = {
	INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 4, 0),
	INSN(BPF_LDX | BPF_MEM | BPF_W, 3, 1, 8, 0),
	MOVE(0, 0),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, 10),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 3, 0, 1, 200),
	MOVE(0, 1),
	EXIT,
};

struct scene {
	struct devcgroup c;
	pid_t init, hook;
	int left; /* how often the other writer still comes */
};

static bool scene_make(struct scene *s, int programs)
{
	*s = (struct scene){ .init = -1 };
	if (!devcgroup_make(&s->c, devcgroup_v2(), "")) {
		tap_skip("needs root and cgroup v2");
		return false;
	}
	for (int i = 0; i < programs; i++)
		CHECK(devcgroup_attach(s->c.fd, deny_all, ARRAY_SIZE(deny_all), BPF_F_ALLOW_MULTI));
	s->init = devcgroup_init(&s->c);
	return true;
}

static void scene_end(struct scene *s)
{
	devcgroup_end(s->init);
	devcgroup_remove(&s->c);
}

static uint32_t programs(const struct scene *s)
{
	struct bpf_attached a;

	return bpf_query(s->c.fd, false, &a) == 0 ? a.n : UINT32_MAX;
}

/* Called at entry and exit of each system call of the hook; false ends the hook there. */
typedef bool step_fn(struct scene *s, int step, const struct __ptrace_syscall_info *info);

/* Runs cgroup_allow in a child: its -errno, or -1000 where `fn` ended it. *ret_steps: how many stops there were. */
static int walk(struct scene *s, step_fn *fn, int *ret_steps)
{
	int status = 0, steps = 0;
	bool ended = false;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(-devcgroup_allow(s->init, NULL, &plan, &err));
	}
	s->hook = pid;
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (!WIFEXITED(status) && !WIFSIGNALED(status)) {
		struct __ptrace_syscall_info info = { 0 };

		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);
		if (!ended && !fn(s, steps++, &info)) {
			kill(pid, SIGKILL);
			ended = true;
		}
	}
	if (ret_steps)
		*ret_steps = steps;
	return ended ? -1000 : WIFEXITED(status) ? -WEXITSTATUS(status) : -2000 - WTERMSIG(status);
}

/* The same without anybody looking. */
static int run(struct scene *s)
{
	struct err err = ERR_INIT, unused = ERR_INIT;
	int r = devcgroup_allow(s->init, NULL, &plan, &err);

	CHECK_INT(caps_restore(&unused), 0);
	return r;
}

static bool look(struct scene *s, int step, const struct __ptrace_syscall_info *info)
{
	bool ok = CHECK_INT(programs(s), 2);

	ok &= CHECK(devcgroup_closed_otherwise(&s->c));
	if (!ok)
		printf("# at step %d, system call %llu\n", step, (unsigned long long)info->entry.nr);
	return true;
}

TEST(never_a_moment_with_wider_rights)
{
	struct scene s;
	int steps = 0;

	if (!scene_make(&s, 2))
		return;
	CHECK_INT(walk(&s, look, &steps), 0);
	CHECK(steps > 50);
	printf("# looked at %d times\n", steps);
	CHECK(devcgroup_opens(&s.c, 195, 255));
	scene_end(&s);
}

static int die_at;

static bool die(struct scene *s, int step, const struct __ptrace_syscall_info *info)
{
	(void)s;
	(void)info;
	return step != die_at;
}

TEST(killed_at_each_system_call_and_run_again)
{
	int r = -1000;

	for (die_at = 0; r == -1000 && die_at < STEPS_MAX; die_at++) {
		struct scene s;
		bool ok;

		if (!scene_make(&s, 2))
			return;
		r = walk(&s, die, NULL);
		ok = CHECK_INT(programs(&s), 2);
		ok &= CHECK(devcgroup_closed_otherwise(&s.c));
		if (r == -1000) {
			ok &= CHECK_INT(run(&s), 0);
			ok &= CHECK(devcgroup_opens(&s.c, 195, 255) && devcgroup_opens(&s.c, 195, 1));
		}
		if (!ok)
			printf("# killed at step %d\n", die_at);
		scene_end(&s);
	}
	CHECK_INT(r, 0);
	printf("# killed at %d points\n", die_at - 1);
}

/* How often init was there when it was asked for: before and after its cgroup is found, and before the first change. */
#define ANSWERS 3
static int answers;

static bool end_init(struct scene *s, int step, const struct __ptrace_syscall_info *info)
{
	static bool asked;

	if (info->op == PTRACE_SYSCALL_INFO_ENTRY)
		asked = info->entry.nr == SYS_pidfd_send_signal;
	else if (asked && step <= die_at)
		answers++;
	if (step == die_at) {
		devcgroup_end(s->init);
		s->init = -1;
	}
	return true;
}

TEST(init_ends_at_each_system_call)
{
	int refused = 0, done = 0;

	for (die_at = 0; die_at < STEPS_MAX; die_at++) {
		struct scene s;
		int steps, r;
		bool answered;

		answers = 0;
		if (!scene_make(&s, 2))
			return;
		r = walk(&s, end_init, &steps);
		answered = answers == ANSWERS;
		/* The number may be another's as soon as init has ended: nothing is done by it. */
		if (!CHECK(answered ? r == 0 : r < 0 && r > -1000) || !CHECK_INT(programs(&s), 2) ||
		    !CHECK(devcgroup_closed_otherwise(&s.c)) || !CHECK_INT(devcgroup_opens(&s.c, 195, 255), answered))
			printf("# init ended at step %d: %d\n", die_at, r);
		refused += r < 0;
		done += r == 0;
		scene_end(&s);
		if (steps <= die_at + 1)
			break;
	}
	CHECK(refused > 0 && done > 0);
}

#ifdef __x86_64__
static int fail_with;

/* The die_at'th stop, if a system call begins there, ends with an error instead: it is not made. */
static bool fail(struct scene *s, int step, const struct __ptrace_syscall_info *info)
{
	static bool failing;
	bool memory = info->op == PTRACE_SYSCALL_INFO_ENTRY &&
		      (info->entry.nr == SYS_brk || info->entry.nr == SYS_mmap || info->entry.nr == SYS_exit_group);

	if (info->op == PTRACE_SYSCALL_INFO_ENTRY && step == die_at && !memory)
		failing = ptrace(PTRACE_POKEUSER, s->hook, offsetof(struct user_regs_struct, orig_rax), -1L) == 0;
	else if (info->op == PTRACE_SYSCALL_INFO_EXIT && failing)
		failing =
			ptrace(PTRACE_POKEUSER, s->hook, offsetof(struct user_regs_struct, rax), (long)-fail_with) != 0;
	return true;
}

TEST(each_system_call_fails_and_success_is_never_false)
{
	static const int errors[] = { EIO, EPERM, ENOENT, EAGAIN };
	int refused = 0, done = 0;

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
		for (die_at = 0; die_at < STEPS_MAX; die_at += 2) {
			struct scene s;
			int steps, r;

			fail_with = errors[e];
			if (!scene_make(&s, 2))
				return;
			r = walk(&s, fail, &steps);
			if (!CHECK(r <= 0 && r > -1000) || !CHECK_INT(programs(&s), 2) ||
			    !CHECK(devcgroup_closed_otherwise(&s.c)) ||
			    !CHECK(r < 0 || devcgroup_opens(&s.c, 195, 255)))
				printf("# step %d fails with %s: %d\n", die_at, strerrorname_np(fail_with), r);
			refused += r < 0;
			done += r == 0;
			scene_end(&s);
			if (steps <= die_at + 2)
				break;
		}
	printf("# refused %d times, done %d times\n", refused, done);
	CHECK(refused > done);
}
#endif

/* Before each replacement that the hook asks for, another one replaces all programs, as long as s->left says. */
static bool intervene(struct scene *s, int step, const struct __ptrace_syscall_info *info)
{
	cleanup_fd int new = -EBADF;
	struct bpf_attached a;

	(void)step;
	if (info->op != PTRACE_SYSCALL_INFO_ENTRY || info->entry.nr != SYS_bpf ||
	    info->entry.args[0] != BPF_PROG_ATTACH || s->left-- <= 0)
		return true;
	new = bpf_load(writers, ARRAY_SIZE(writers));
	CHECK(new >= 0 && bpf_query(s->c.fd, false, &a) == 0 && a.n == 1);
	{
		cleanup_fd int old = bpf_open(a.ids[0]);

		CHECK_INT(bpf_replace(s->c.fd, new, old), 0);
	}
	return true;
}

TEST(hostile_87_another_writer_at_the_same_time)
{
	for (int times = 0; times <= 3; times++) {
		struct scene s;

		if (!scene_make(&s, 1))
			return;
		s.left = times;
		CHECK_INT(walk(&s, intervene, NULL), times < 3 ? 0 : -EBUSY);
		CHECK_INT(programs(&s), 1);
		/* What the other one wrote is never lost, and after three times it is all there is. */
		CHECK_INT(devcgroup_opens(&s.c, 10, 200), times > 0);
		CHECK_INT(devcgroup_opens(&s.c, 195, 255), times < 3);
		CHECK(devcgroup_closed_otherwise(&s.c));
		scene_end(&s);
	}
}
