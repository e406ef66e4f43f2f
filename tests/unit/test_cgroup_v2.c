/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_allow on cgroup v2: programs read back, ours before them, replaced. */
#include "apply/cgroup_v2.h"

#include <sched.h>
#include <sys/capability.h>
#include <sys/mount.h>

#include "apply/cgroup.h"
#include "base/mem.h"
#include "base/str.h"
#include "devcgroup.h"

static struct plan_node nodes[] = { { "nvidiactl", 195, 255 }, { "nvidia1", 195, 1 } };
static const struct plan plan = { .nodes = nodes, .n_nodes = 2 };

#define INSN(c, d, s, o, i) \
	{ \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define MOVE(reg, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MULTI BPF_F_ALLOW_MULTI

static const struct bpf_insn deny_all[] = { MOVE(0, 0), EXIT };
static const struct bpf_insn allow_all[] = { MOVE(0, 1), EXIT };
/* Only major 1. */
static const struct bpf_insn major_one[] = {
	INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 4, 0),
	MOVE(0, 0),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 1, 1),
	MOVE(0, 1),
	EXIT,
};
/* Asks a helper of the kernel: bpf_get_prandom_u32. */
static const struct bpf_insn with_helper[] = { INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 7), MOVE(0, 0), EXIT };

#define ATTACH(c, insns, flags) devcgroup_attach((c)->fd, insns, ARRAY_SIZE(insns), flags)

#define NEED_V2(c, name) \
	if (!devcgroup_make(&(c), devcgroup_v2(), name)) { \
		tap_skip("needs root and cgroup v2"); \
		return; \
	}

static int allow(pid_t pid, const char *cgroups_path, struct err *err)
{
	struct err restoring = ERR_INIT;
	int r;

	*err = (struct err)ERR_INIT;
	r = devcgroup_allow(pid, cgroups_path, &plan, err);
	CHECK_INT(caps_restore(&restoring), 0);
	return r;
}

static struct bpf_attached attached(const struct devcgroup *c)
{
	struct bpf_attached a;

	CHECK_INT(bpf_query(c->fd, false, &a), 0);
	return a;
}

static bool unchanged(const struct devcgroup *c, const struct bpf_attached *before)
{
	struct bpf_attached a = attached(c);

	return a.n == before->n && memcmp(a.ids, before->ids, a.n * sizeof(a.ids[0])) == 0;
}

/* Our rules in the i-th program. */
static size_t rules_in(const struct devcgroup *c, uint32_t i)
{
	struct bpf_attached a = attached(c);
	cleanup_fd int prog = i < a.n ? bpf_open(a.ids[i]) : -EBADF;
	cleanup_free struct bpf_insn *insns = NULL;
	size_t n;

	return prog >= 0 && bpf_read(prog, &insns, &n) == 0 ? devprog_rules(insns, n, NULL) : 0;
}

TEST(exactly_the_nodes_are_allowed_and_a_second_hook_changes_nothing)
{
	struct bpf_attached once;
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V2(c, "");
	pid = devcgroup_init(&c);
	REQUIRE(ATTACH(&c, deny_all, MULTI));
	CHECK(!devcgroup_opens(&c, 195, 255) && devcgroup_closed_otherwise(&c));
	CHECK_INT(allow(pid, NULL, &err), 0);
	once = attached(&c);
	CHECK_INT(once.n, 1);
	CHECK_INT(once.flags, MULTI);
	CHECK_INT(rules_in(&c, 0), 2);
	CHECK(devcgroup_opens(&c, 195, 255) && devcgroup_opens(&c, 195, 1));
	CHECK(devcgroup_closed_otherwise(&c));
	CHECK_INT(allow(pid, NULL, &err), 0);
	CHECK(unchanged(&c, &once));
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(each_of_several_programs_gets_the_rules)
{
	struct bpf_attached before, after;
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V2(c, "");
	pid = devcgroup_init(&c);
	REQUIRE(ATTACH(&c, deny_all, MULTI) && ATTACH(&c, major_one, MULTI) && ATTACH(&c, allow_all, MULTI));
	before = attached(&c);
	CHECK_INT(allow(pid, NULL, &err), 0);
	after = attached(&c);
	CHECK_INT(after.n, 3);
	CHECK_INT(rules_in(&c, 0), 2);
	CHECK_INT(rules_in(&c, 1), 2);
	/* What allows everything stays as it is. */
	CHECK_INT(rules_in(&c, 2), 0);
	CHECK_INT(after.ids[2], before.ids[2]);
	CHECK(devcgroup_opens(&c, 195, 255) && devcgroup_opens(&c, 195, 1) && devcgroup_closed_otherwise(&c));
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(without_a_program_nothing_is_attached)
{
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V2(c, "");
	pid = devcgroup_init(&c);
	CHECK_INT(allow(pid, NULL, &err), 0);
	CHECK_INT(attached(&c).n, 0);
	CHECK(devcgroup_opens(&c, 195, 255));
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(a_cgroup_of_the_runtime_below_the_containers)
{
	struct bpf_attached before;
	struct devcgroup c, sub;
	struct err err = ERR_INIT;
	char path[64];
	pid_t pid;

	NEED_V2(c, "");
	snprintf(path, sizeof(path), "nvcoreos-unit-%d", (int)getpid());
	REQUIRE(ATTACH(&c, major_one, MULTI) && devcgroup_make(&sub, devcgroup_v2(), "/container"));
	pid = devcgroup_init(&sub);
	before = attached(&c);
	/* Not said to be the container's: not ours to open. */
	CHECK_INT(allow(pid, NULL, &err), -EPERM);
	CHECK_INT(err.code, ERR_CGROUP);
	CHECK(strstr(err.what, "/container has no device rules of its own"));
	CHECK(unchanged(&c, &before) && attached(&sub).n == 0);
	CHECK_INT(allow(pid, path, &err), 0);
	CHECK_INT(rules_in(&c, 0), 2);
	CHECK_INT(attached(&sub).n, 0);
	CHECK(devcgroup_opens(&sub, 195, 255) && !devcgroup_opens(&sub, 195, 2));
	/* Both have programs. */
	REQUIRE(ATTACH(&sub, deny_all, MULTI));
	CHECK(!devcgroup_opens(&sub, 195, 255));
	CHECK_INT(allow(pid, path, &err), 0);
	CHECK(devcgroup_opens(&sub, 195, 255) && devcgroup_closed_otherwise(&sub));
	devcgroup_end(pid);
	devcgroup_remove(&sub);
	devcgroup_remove(&c);
}

TEST(a_cgroup_that_others_lie_in_is_not_the_containers)
{
	struct devcgroup c, sub, other;
	struct bpf_attached before;
	struct err err = ERR_INIT;
	char path[64];
	pid_t pid;

	NEED_V2(c, "");
	snprintf(path, sizeof(path), "/nvcoreos-unit-%d", (int)getpid());
	REQUIRE(ATTACH(&c, major_one, MULTI) && devcgroup_make(&sub, devcgroup_v2(), "/container") &&
		devcgroup_make(&other, devcgroup_v2(), "/other"));
	pid = devcgroup_init(&sub);
	before = attached(&c);
	CHECK_INT(allow(pid, path, &err), -EPERM);
	CHECK(unchanged(&c, &before));
	CHECK(!devcgroup_opens(&other, 195, 255));
	devcgroup_end(pid);
	devcgroup_remove(&sub);
	devcgroup_remove(&other);
	devcgroup_remove(&c);
}

/* Rules above both, as in a machine that is itself a container. */
TEST(what_holds_for_the_engine_too_is_not_refused)
{
	struct devcgroup c, engine, sub;
	int status = 0;
	pid_t pid, child;

	NEED_V2(c, "");
	REQUIRE(ATTACH(&c, major_one, MULTI) && devcgroup_make(&engine, devcgroup_v2(), "/engine") &&
		devcgroup_make(&sub, devcgroup_v2(), "/sub"));
	pid = devcgroup_init(&sub);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		struct err err = ERR_INIT;

		_exit(devcgroup_put(engine.dir, "cgroup.procs", "0") && allow(pid, "/x", &err) == 0 ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_INT(rules_in(&c, 0), 0);
	devcgroup_end(pid);
	devcgroup_remove(&sub);
	devcgroup_remove(&engine);
	devcgroup_remove(&c);
}

/* --- hostile 86 ----------------------------------------------------------------------------------- */

/* The container's programs cannot be replaced: one error that says why, and nothing has changed. */
static void is_refused(const struct devcgroup *c, int r, const char *word)
{
	struct bpf_attached before = attached(c);
	struct err err = ERR_INIT;
	pid_t pid = devcgroup_init(c);

	CHECK_INT(allow(pid, NULL, &err), r);
	CHECK_INT(err.code, ERR_CGROUP);
	if (!CHECK(strstr(err.what, word)))
		printf("# %s\n", err.what);
	CHECK(unchanged(c, &before));
	CHECK(devcgroup_closed_otherwise(c));
	devcgroup_end(pid);
}

TEST(hostile_86_as_many_programs_as_a_cgroup_holds)
{
	struct devcgroup c;

	NEED_V2(c, "");
	for (int i = 0; i < BPF_ATTACHED_MAX; i++)
		CHECK(ATTACH(&c, deny_all, MULTI));
	CHECK(!ATTACH(&c, deny_all, MULTI));
	is_refused(&c, -E2BIG, "replacing device program");
	devcgroup_remove(&c);
}

TEST(hostile_86_sixty_three_programs_are_replaced)
{
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V2(c, "");
	for (int i = 0; i < BPF_ATTACHED_MAX - 1; i++)
		CHECK(ATTACH(&c, major_one, MULTI));
	pid = devcgroup_init(&c);
	CHECK_INT(allow(pid, NULL, &err), 0);
	CHECK_INT(attached(&c).n, BPF_ATTACHED_MAX - 1);
	CHECK(devcgroup_opens(&c, 195, 255) && !devcgroup_opens(&c, 195, 2));
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(hostile_86_a_program_without_allow_multi)
{
	static const unsigned flags[] = { 0, BPF_F_ALLOW_OVERRIDE };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct devcgroup c;

		NEED_V2(c, "");
		REQUIRE(ATTACH(&c, deny_all, flags[i]));
		is_refused(&c, -EOPNOTSUPP, "without ALLOW_MULTI");
		devcgroup_remove(&c);
	}
}

TEST(hostile_86_a_program_attached_by_a_link)
{
	struct devcgroup c;
	int link;

	NEED_V2(c, "");
	link = devcgroup_link(c.fd, deny_all, ARRAY_SIZE(deny_all));
	REQUIRE(link >= 0);
	is_refused(&c, -EOPNOTSUPP, "by a link");
	close(link);
	devcgroup_remove(&c);
}

TEST(hostile_86_programs_that_cannot_be_loaded_again)
{
	static struct bpf_insn large[DEVPROG_INSNS_MAX - 8];
	struct devcgroup c, d;

	NEED_V2(c, "");
	REQUIRE(ATTACH(&c, with_helper, MULTI));
	is_refused(&c, -EOPNOTSUPP, "calls other code");
	devcgroup_remove(&c);
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		large[i] = deny_all[0];
	large[ARRAY_SIZE(large) - 1] = deny_all[1];
	NEED_V2(d, "");
	REQUIRE(ATTACH(&d, large, MULTI));
	is_refused(&d, -E2BIG, "instructions");
	devcgroup_remove(&d);
}

/* How many instructions the kernel's verifier goes through; 0 where it refuses. */
static unsigned verified(const struct bpf_insn *insns, size_t n)
{
	static char log[4096];
	const char *processed;
	union bpf_attr attr;
	cleanup_fd int prog = -EBADF;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	attr.log_level = 4; /* the count alone */
	attr.log_buf = (uint64_t)(uintptr_t)log;
	attr.log_size = sizeof(log);
	prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	processed = strstr(log, "processed ");
	return prog >= 0 && processed ? (unsigned)strtoul(processed + strlen("processed "), NULL, 10) : 0;
}

#define BITS 17
#define VERIFIED_MAX 1000000
/*
 * A program that denies all, and hard to verify: it sums bits of the major in all ways and compares the sum, so no two of the
 * 2^BITS ways are alike. Each of the `more` instructions is gone through twice.
 */
static size_t put_ways(struct bpf_insn *p, size_t more)
{
	size_t n = 0;

	p[n++] = (struct bpf_insn)MOVE(0, 0);
	p[n++] = (struct bpf_insn)MOVE(6, 0);
	p[n++] = (struct bpf_insn)INSN(BPF_LDX | BPF_MEM | BPF_W, 7, 1, 4, 0);
	for (int i = 0; i < BITS; i++) {
		p[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_MOV | BPF_X, 8, 7, 0, 0);
		p[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_AND | BPF_K, 8, 0, 0, 1 << i);
		p[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, 1, 0);
		p[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_ADD | BPF_K, 6, 0, 0, 1 << i);
		for (size_t j = 0; i == 0 && j < more; j++)
			p[n++] = (struct bpf_insn)MOVE(0, 0);
		/* Comes closer to the limit. */
		if (i == BITS - 3 || i == BITS - 2)
			p[n++] = (struct bpf_insn)MOVE(0, 0);
	}
	p[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_JNE | BPF_K, 6, 0, 1, 12345);
	p[n++] = (struct bpf_insn)MOVE(0, 0);
	p[n++] = (struct bpf_insn)EXIT;
	return n;
}

/* There is room for ours, which do not multiply what is behind them; and then there is not. */
static void at_the_limit(void)
{
	static struct bpf_insn p[2 * DEVPROG_INSNS_MAX];
	struct err err = ERR_INIT;
	struct devcgroup c;
	size_t n = put_ways(p, 0);
	unsigned had, full = 0;
	pid_t pid;

	NEED_V2(c, "");
	had = verified(p, n);
	if (CHECK(had > VERIFIED_MAX - DEVPROG_INSNS_MAX * 2 + 1000) && CHECK(devcgroup_attach(c.fd, p, n, MULTI))) {
		pid = devcgroup_init(&c);
		CHECK_INT(allow(pid, NULL, &err), 0);
		CHECK(devcgroup_opens(&c, 195, 255) && devcgroup_closed_otherwise(&c));
		devcgroup_end(pid);
	}
	devcgroup_remove(&c);
	NEED_V2(c, "");
	if (had) {
		n = put_ways(p, (VERIFIED_MAX - had) / 2 - 2);
		full = verified(p, n);
	}
	printf("# %u instructions are gone through, then %u\n", had, full);
	if (CHECK(full > VERIFIED_MAX - 10) && CHECK(devcgroup_attach(c.fd, p, n, MULTI)))
		is_refused(&c, -E2BIG, "cannot be loaded again with 2 rules of ours");
	devcgroup_remove(&c);
}

/* Six programs of a million instructions: too slow for each run. */
static void __attribute__((constructor)) register_at_the_limit(void)
{
	if (getenv("NVCOREOS_SLOW"))
		tap_register("hostile_86_a_program_that_the_kernel_only_just_takes", at_the_limit);
}

/* --- capabilities ----------------------------------------------------------------------------------- */

/* Runs fn with exactly these capabilities in a child; what it returns. */
static int with_caps(const cap_value_t *caps, int n, int (*fn)(const struct devcgroup *), const struct devcgroup *c)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		cap_t set = cap_init();

		if (!set || (n && cap_set_flag(set, CAP_PERMITTED, n, caps, CAP_SET) < 0) ||
		    (n && cap_set_flag(set, CAP_EFFECTIVE, n, caps, CAP_SET) < 0) || cap_set_proc(set) < 0)
			_exit(255);
		_exit(fn(c));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int query_and_load(const struct devcgroup *c)
{
	struct bpf_attached a;
	int r = bpf_query(c->fd, false, &a);
	cleanup_fd int prog = -EBADF;

	if (r < 0)
		return -r;
	prog = bpf_load(deny_all, ARRAY_SIZE(deny_all));
	return prog < 0 ? -prog : 0;
}

static int read_back(const struct devcgroup *c)
{
	struct bpf_attached a;
	int r = bpf_query(c->fd, false, &a), prog;

	if (r < 0)
		return 255;
	prog = bpf_open(a.ids[0]);
	return prog < 0 ? -prog : 0;
}

static int read_only(const struct devcgroup *c)
{
	struct bpf_insn *insns;
	size_t n;

	return -bpf_read(c->fd, &insns, &n);
}

TEST(what_the_phase_has_is_enough_and_less_is_not)
{
	static const cap_value_t phase[] = { CAP_SYS_ADMIN, CAP_NET_ADMIN }, bpf[] = { CAP_BPF, CAP_NET_ADMIN };
	struct devcgroup c, prog = { .fd = -EBADF };
	int r;

	NEED_V2(c, "");
	REQUIRE(ATTACH(&c, deny_all, MULTI));
	CHECK_INT(with_caps(phase, 2, query_and_load, &c), 0);
	CHECK_INT(with_caps(phase, 2, read_back, &c), 0);
	/* The first alone is not enough on Linux 6.1, and is on 6.18. */
	r = with_caps(phase, 1, query_and_load, &c);
	CHECK(r == 0 || r == EPERM);
	printf("# CAP_SYS_ADMIN alone: %s\n", r ? strerrorname_np(r) : "enough");
	CHECK_INT(with_caps(phase + 1, 1, query_and_load, &c), EPERM);
	/* These two do all but the one thing that finds the engine's program. */
	CHECK_INT(with_caps(bpf, 2, query_and_load, &c), 0);
	CHECK_INT(with_caps(bpf, 2, read_back, &c), EPERM);
	CHECK_INT(with_caps(bpf, 0, query_and_load, &c), EPERM);
	/* hostile 86: the kernel hides the instructions from who may not see them; so does a hardened one from all. */
	prog.fd = bpf_open(attached(&c).ids[0]);
	CHECK_INT(with_caps(bpf, 2, read_only, &prog), 0);
	CHECK_INT(with_caps(bpf, 0, read_only, &prog), EOPNOTSUPP);
	fd_close(prog.fd);
	CHECK_INT(bpf_read(c.fd, &(struct bpf_insn *){ NULL }, &(size_t){ 0 }), -EINVAL);
	devcgroup_remove(&c);
}

/* --- hostile 90 ----------------------------------------------------------------------------------- */

TEST(hostile_90_the_grant_ends_with_the_cgroup)
{
	struct devcgroup c, anew;
	struct err err = ERR_INIT;
	uint32_t id;
	pid_t pid;
	int r = 0;

	NEED_V2(c, "");
	pid = devcgroup_init(&c);
	REQUIRE(ATTACH(&c, deny_all, MULTI));
	CHECK_INT(allow(pid, NULL, &err), 0);
	id = attached(&c).ids[0];
	/* As long as the cgroup is there it holds, whoever is in it. */
	devcgroup_end(pid);
	CHECK(devcgroup_opens(&c, 195, 255));
	devcgroup_remove(&c);
	for (int i = 0; i < 300 && r >= 0; i++) {
		r = bpf_open(id);
		fd_close(r);
		if (r >= 0)
			usleep(10000);
	}
	CHECK_INT(r, -ENOENT);
	/* The next cgroup of that name knows nothing of it. */
	NEED_V2(anew, "");
	REQUIRE(ATTACH(&anew, deny_all, MULTI));
	CHECK(!devcgroup_opens(&anew, 195, 255));
	devcgroup_remove(&anew);
}

/* --- namespaces (hostile 84) ------------------------------------------------------------------------ */

/* The hook in cgroup namespace `c`, with a mount of its own where `fresh`. The child's answer: -errno of cgroup_allow. */
static int from_namespace(const struct devcgroup *c, pid_t init, bool fresh)
{
	const char *dir = tap_tmpdir();
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;
		int r;

		if (!devcgroup_put(c->dir, "cgroup.procs", "0") || unshare(CLONE_NEWCGROUP | CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(255);
		if (fresh && mount("cgroup2", dir, "cgroup2", 0, NULL) < 0)
			_exit(254);
		r = allow(init, NULL, &err);
		if (r < 0)
			printf("# %s\n", err.what);
		fflush(stdout);
		_exit(-r);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(hostile_84_the_hook_in_a_cgroup_namespace_of_its_own)
{
	struct devcgroup c, mine, other;
	pid_t in_mine, in_other;

	NEED_V2(c, "");
	REQUIRE(devcgroup_make(&mine, devcgroup_v2(), "/mine") && devcgroup_make(&other, devcgroup_v2(), "-other"));
	REQUIRE(ATTACH(&mine, deny_all, MULTI) && ATTACH(&other, deny_all, MULTI));
	in_mine = devcgroup_init(&mine);
	in_other = devcgroup_init(&other);
	/* The mounts from before lie outside of the namespace and cannot show what is in it. */
	CHECK_INT(from_namespace(&c, in_mine, false), ENOENT);
	CHECK(!devcgroup_opens(&mine, 195, 255));
	CHECK_INT(from_namespace(&c, in_other, true), EXDEV);
	CHECK_INT(rules_in(&other, 0), 0);
	CHECK_INT(from_namespace(&c, in_mine, true), 0);
	CHECK(devcgroup_opens(&mine, 195, 255) && devcgroup_closed_otherwise(&mine));
	devcgroup_end(in_mine);
	devcgroup_end(in_other);
	devcgroup_remove(&mine);
	devcgroup_remove(&other);
	devcgroup_remove(&c);
}

/* The hook where the only mount of cgroup2 shows `c` as its top, or where a tmpfs with the same names lies over that. */
static int from_partial_mount(const struct devcgroup *c, pid_t init, bool covered)
{
	const char *dir = tap_tmpdir();
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(c->dir, dir, NULL, MS_BIND, NULL) < 0 || umount2(devcgroup_v2(), MNT_DETACH) < 0)
			_exit(255);
		if (covered && (mount("tmpfs", dir, "tmpfs", 0, NULL) < 0 || chdir(dir) < 0 || mkdir("sub", 0755) < 0))
			_exit(254);
		_exit(-allow(init, NULL, &err));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(hostile_84_a_mount_that_shows_only_a_part_of_the_hierarchy)
{
	struct devcgroup c, sub;
	pid_t pid;

	NEED_V2(c, "");
	REQUIRE(devcgroup_make(&sub, devcgroup_v2(), "/sub") && ATTACH(&sub, deny_all, MULTI));
	pid = devcgroup_init(&sub);
	CHECK_INT(from_partial_mount(&c, pid, true), ESTALE);
	CHECK(!devcgroup_opens(&sub, 195, 255));
	CHECK_INT(from_partial_mount(&c, pid, false), 0);
	CHECK(devcgroup_opens(&sub, 195, 255));
	devcgroup_end(pid);
	devcgroup_remove(&sub);
	devcgroup_remove(&c);
}
