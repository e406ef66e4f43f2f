/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/devprog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apply/bpf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "tap.h"

#define CHAR BPF_DEVCG_DEV_CHAR
#define BLOCK BPF_DEVCG_DEV_BLOCK
#define M BPF_DEVCG_ACC_MKNOD
#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE
#define STEPS 100000

/* --- a machine for the few instructions that device programs are made of ------------------------ */

static uint64_t alu(uint8_t code, uint64_t a, uint64_t b)
{
	switch (BPF_OP(code)) {
	case BPF_MOV:
		return b;
	case BPF_AND:
		return a & b;
	case BPF_RSH:
		return a >> (b & 63);
	case BPF_ADD:
		return a + b;
	default:
		printf("# alu %02x\n", code);
		abort();
	}
}

static bool taken(uint8_t code, uint64_t a, uint64_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	default:
		printf("# jump %02x\n", code);
		abort();
	}
}

/* What the program returns for one access; -1 where it runs off, or reads what nobody has set. */
static int run(const struct bpf_insn *p, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = { [1] = (uint64_t)(uintptr_t)ctx, [10] = 1 };
	bool set[11] = { [1] = true, [10] = true };

	for (size_t pc = 0, step = 0; pc < n && step < STEPS; pc++, step++) {
		const struct bpf_insn *i = &p[pc];
		uint8_t class = BPF_CLASS(i->code);
		bool by_reg = BPF_SRC(i->code) == BPF_X;
		uint64_t src = by_reg ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;

		if (i->code == (BPF_JMP | BPF_EXIT))
			return set[0] ? (int)r[0] : -1;
		if (class == BPF_LDX) {
			uint32_t word;

			if (i->src_reg != 1 || r[1] != (uint64_t)(uintptr_t)ctx || i->off < 0 || i->off > 8)
				return -1;
			memcpy(&word, (const char *)ctx + i->off, sizeof(word));
			r[i->dst_reg] = word;
		} else if (class == BPF_ALU64 || class == BPF_ALU) {
			if ((by_reg && !set[i->src_reg]) || (BPF_OP(i->code) != BPF_MOV && !set[i->dst_reg]))
				return -1;
			r[i->dst_reg] = alu(i->code, r[i->dst_reg], src);
			if (class == BPF_ALU)
				r[i->dst_reg] = (uint32_t)r[i->dst_reg];
		} else if (class == BPF_JMP) {
			if (BPF_OP(i->code) != BPF_JA && (!set[i->dst_reg] || (by_reg && !set[i->src_reg])))
				return -1;
			if (taken(i->code, r[i->dst_reg], src))
				pc = (size_t)((long)pc + i->off);
			continue;
		} else {
			return -1;
		}
		set[i->dst_reg] = true;
	}
	return -1;
}

static int ask(const struct bpf_insn *p, size_t n, uint32_t type, uint32_t access, uint32_t major, uint32_t minor)
{
	struct bpf_cgroup_dev_ctx ctx = { .access_type = access << 16 | type, .major = major, .minor = minor };

	return run(p, n, &ctx);
}

/* --- programs as engines write them ------------------------------------------------------------- */

#define INSN(c, d, s, o, i) \
	{ \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define LOAD(reg, field) INSN(BPF_LDX | BPF_MEM | BPF_W, reg, 1, field, 0)
#define MOVE(reg, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static const struct bpf_insn deny_all[] = { MOVE(0, 0), EXIT };
/* As runc's: r1 is used up; c 1:3 rwm, c *:* m, b 8:0 r; else 0. */
static const struct bpf_insn engine[] = {
	LOAD(2, 0),
	INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff),
	LOAD(3, 0),
	INSN(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16),
	LOAD(4, 4),
	LOAD(5, 8),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 6, BLOCK),
	INSN(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 4, 8),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 3, 0),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 2, R),
	MOVE(0, 1),
	EXIT,
	INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 7, CHAR),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 3, 0, 2, M),
	MOVE(0, 1),
	EXIT,
	INSN(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 3, 1),
	INSN(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 2, 3),
	MOVE(0, 1),
	EXIT,
	MOVE(0, 0),
	EXIT,
};
/* As runc's for a privileged container. */
static const struct bpf_insn allow_all[] = {
	LOAD(2, 0), INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff),
	LOAD(4, 4), INSN(BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 1),
	EXIT,
};

static const struct devprog_rule two[] = { { 195, 255 }, { 195, 1 } };

static bool is_ours(const struct devprog_rule *rules, size_t n, uint32_t type, uint32_t access, uint32_t major,
		    uint32_t minor)
{
	for (size_t i = 0; i < n; i++)
		if (type == CHAR && !(access & ~(R | W)) && major == rules[i].major && minor == rules[i].minor)
			return true;
	return false;
}

/* The one property: after the change exactly ours passes, and for all else the answer is the original's. How often not. */
static size_t differs(const struct bpf_insn *old, size_t n_old, const struct bpf_insn *new, size_t n_new,
		      const struct devprog_rule *rules, size_t n)
{
	static const uint32_t types[] = { 0, BLOCK, CHAR, 3, 0xffff };
	static const uint32_t majors[] = { 0,	1,   8,	    10,	    194,	   195,	      196,
					   508, 509, 0xfff, 0x1000, 195 + 0x10000, UINT32_MAX };
	static const uint32_t minors[] = {
		0, 1, 2, 3, 5, 7, 254, 255, 256, 0xfffff, 0x100000, 255 + 0x10000, UINT32_MAX
	};
	size_t n_pairs = ARRAY_SIZE(majors) * ARRAY_SIZE(minors), wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types) * 16 * n_pairs; i++) {
		uint32_t type = types[i / n_pairs / 16], access = i / n_pairs % 16;
		uint32_t maj = majors[i % n_pairs / ARRAY_SIZE(minors)], min = minors[i % ARRAY_SIZE(minors)];
		int want = is_ours(rules, n, type, access, maj, min) ? 1 : ask(old, n_old, type, access, maj, min);
		int got = ask(new, n_new, type, access, maj, min);

		if (got != want || (got != 0 && got != 1)) {
			if (!wrong++)
				printf("# type %u access %u %u:%u: %d, not %d\n", type, access, maj, min, got, want);
		}
	}
	return wrong;
}

static bool prepends(const struct bpf_insn *old, size_t n_old, const struct devprog_rule *rules, size_t n)
{
	cleanup_free struct bpf_insn *new = NULL;
	struct err err = ERR_INIT;
	size_t n_new = 0;

	return CHECK_INT(devprog_prepend(old, n_old, rules, n, &new, &n_new, &err), 1) &&
	       CHECK_INT(differs(old, n_old, new, n_new, rules, n), 0);
}

TEST(exactly_the_rules_are_added)
{
	static const struct devprog_rule many[] = { { 508, 2 }, { 195, 0 },   { 195, 1 },   { 195, 2 },
						    { 195, 3 }, { 195, 254 }, { 195, 255 }, { 509, 0xfffff },
						    { 10, 5 },	{ 0xfff, 0 } };

	CHECK(prepends(deny_all, ARRAY_SIZE(deny_all), two, ARRAY_SIZE(two)));
	CHECK(prepends(engine, ARRAY_SIZE(engine), two, ARRAY_SIZE(two)));
	CHECK(prepends(engine, ARRAY_SIZE(engine), many, ARRAY_SIZE(many)));
	CHECK(prepends(engine, ARRAY_SIZE(engine), two, 1));
	/* The machine tells a wrong program when it sees one. */
	CHECK(differs(deny_all, ARRAY_SIZE(deny_all), engine, ARRAY_SIZE(engine), two, 2) > 0);
}

TEST(a_second_time_changes_nothing_and_other_rules_join_the_first_prefix)
{
	static const struct devprog_rule third[] = { { 195, 1 }, { 508, 1 } };
	static const struct devprog_rule all[] = { { 195, 255 }, { 195, 1 }, { 508, 1 } };
	cleanup_free struct bpf_insn *once = NULL, *twice = NULL, *unused = NULL;
	struct devprog_rule seen[DEVPROG_RULES_MAX];
	struct err err = ERR_INIT;
	size_t n_once, n_twice, n;

	CHECK_INT(devprog_rules(engine, ARRAY_SIZE(engine), NULL), 0);
	REQUIRE(devprog_prepend(engine, ARRAY_SIZE(engine), two, 2, &once, &n_once, &err) == 1);
	CHECK_INT(n_once, DEVPROG_HEAD + 2 * DEVPROG_PER_RULE + ARRAY_SIZE(engine));
	CHECK_INT(devprog_rules(once, n_once, NULL), 2);
	CHECK_INT(devprog_prepend(once, n_once, two, 2, &unused, &n, &err), 0);
	CHECK_INT(devprog_prepend(once, n_once, two + 1, 1, &unused, &n, &err), 0);
	REQUIRE(devprog_prepend(once, n_once, third, 2, &twice, &n_twice, &err) == 1);
	CHECK_INT(n_twice, n_once + DEVPROG_PER_RULE);
	REQUIRE(devprog_rules(twice, n_twice, seen) == 3);
	CHECK(seen[0].major == 195 && seen[0].minor == 1 && seen[2].major == 508 && seen[2].minor == 1);
	CHECK_INT(differs(engine, ARRAY_SIZE(engine), twice, n_twice, all, 3), 0);
	/* A rule that is given twice stands there once. */
	CHECK_INT(devprog_prepend(once, n_once, (struct devprog_rule[]){ { 195, 1 }, { 195, 255 }, { 195, 1 } }, 3,
				  &unused, &n, &err),
		  0);
}

TEST(what_only_looks_like_our_prefix_is_part_of_the_original)
{
	cleanup_free struct bpf_insn *p = NULL;
	struct err err = ERR_INIT;
	size_t n;

	REQUIRE(devprog_prepend(engine, ARRAY_SIZE(engine), two, 2, &p, &n, &err) == 1);
	for (size_t i = 0; i < DEVPROG_HEAD + 2 * DEVPROG_PER_RULE; i++) {
		struct bpf_insn kept = p[i];

		p[i].off ^= 1;
		CHECK_INT(devprog_rules(p, n, NULL), 0);
		p[i] = kept;
		p[i].src_reg ^= 2;
		CHECK_INT(devprog_rules(p, n, NULL), 0);
		p[i] = kept;
	}
	for (size_t cut = 0; cut < DEVPROG_HEAD + 2 * DEVPROG_PER_RULE; cut++)
		CHECK_INT(devprog_rules(p, cut, NULL), 0);
	CHECK_INT(devprog_rules(p, n, NULL), 2);
	p[1].imm = 0;
	CHECK_INT(devprog_rules(p, n, NULL), 0);
	p[1].imm = -1;
	CHECK_INT(devprog_rules(p, n, NULL), 0);
	p[1].imm = DEVPROG_RULES_MAX + 1;
	CHECK_INT(devprog_rules(p, n, NULL), 0);
}

TEST(a_program_that_allows_everything_stays)
{
	static const struct bpf_insn alternative[] = { MOVE(0, 0), INSN(BPF_JMP | BPF_JA, 0, 0, 0, 0), MOVE(0, 1),
						       EXIT };
	cleanup_free struct bpf_insn *p = NULL;
	struct err err = ERR_INIT;
	size_t n;

	CHECK(devprog_allows_all(allow_all, ARRAY_SIZE(allow_all)));
	CHECK_INT(devprog_prepend(allow_all, ARRAY_SIZE(allow_all), two, 2, &p, &n, &err), 0);
	CHECK(!devprog_allows_all(deny_all, ARRAY_SIZE(deny_all)));
	CHECK(!devprog_allows_all(engine, ARRAY_SIZE(engine)));
	CHECK(!devprog_allows_all(alternative, ARRAY_SIZE(alternative)));
	CHECK(!devprog_allows_all(allow_all, 0));
	CHECK(!devprog_allows_all(allow_all, 1));
	CHECK_INT(devprog_prepend(engine, ARRAY_SIZE(engine), two, 0, &p, &n, &err), 0);
}

static void refuses(const struct bpf_insn *insns, size_t n_insns, const struct devprog_rule *rules, size_t n_rules,
		    int r, const char *word)
{
	cleanup_free struct bpf_insn *p = NULL;
	struct err err = ERR_INIT;
	size_t n;

	CHECK_INT(devprog_prepend(insns, n_insns, rules, n_rules, &p, &n, &err), r);
	CHECK_INT(err.code, ERR_CGROUP);
	if (!CHECK(strstr(err.what, word)))
		printf("# %s\n", err.what);
}

TEST(what_cannot_be_loaded_again_or_is_too_much_is_refused)
{
	static const struct bpf_insn helper[] = { INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 14), MOVE(0, 0), EXIT };
	static const struct bpf_insn map[] = { INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_MAP_FD, 0, 7),
					       INSN(0, 0, 0, 0, 0), MOVE(0, 0), EXIT };
	/* The second half of a wide constant is no instruction, whatever it looks like. */
	static const struct bpf_insn wide[] = { INSN(BPF_LD | BPF_IMM | BPF_DW, 2, 0, 0, 7), INSN(0, 0, 0, 0, 1),
						MOVE(0, 0), EXIT };
	cleanup_free struct devprog_rule *many = mem_zalloc((DEVPROG_RULES_MAX + 1) * sizeof(*many));
	cleanup_free struct bpf_insn *large = mem_zalloc(DEVPROG_INSNS_MAX * sizeof(*large)), *p = NULL;
	struct err err = ERR_INIT;
	size_t n;

	refuses(helper, ARRAY_SIZE(helper), two, 2, -EOPNOTSUPP, "calls other code");
	refuses(map, ARRAY_SIZE(map), two, 2, -EOPNOTSUPP, "map");
	CHECK_INT(devprog_prepend(wide, ARRAY_SIZE(wide), two, 2, &p, &n, &err), 1);
	refuses(deny_all, 2, (struct devprog_rule[]){ { 0x1000, 0 } }, 1, -EINVAL, "4096:0");
	refuses(deny_all, 2, (struct devprog_rule[]){ { 195, 0x100000 } }, 1, -EINVAL, "195:1048576");
	refuses(deny_all, 2, (struct devprog_rule[]){ { UINT32_MAX, UINT32_MAX } }, 1, -EINVAL,
		"4294967295:4294967295");
	for (uint32_t i = 0; i <= DEVPROG_RULES_MAX; i++)
		many[i] = (struct devprog_rule){ 508, i };
	refuses(deny_all, 2, many, DEVPROG_RULES_MAX + 1, -E2BIG, "4097 devices");
	for (size_t i = 0; i < DEVPROG_INSNS_MAX; i++)
		large[i] = deny_all[0];
	refuses(large, DEVPROG_INSNS_MAX, two, 2, -E2BIG, "65536 instructions");
	/* Two runs with different rules stop at the same limit. */
	free(take_ptr(p));
	REQUIRE(devprog_prepend(deny_all, 2, many, DEVPROG_RULES_MAX, &p, &n, &err) == 1);
	refuses(p, n, two, 2, -E2BIG, "are needed");
	CHECK_INT(ask(p, n, CHAR, R, 508, DEVPROG_RULES_MAX - 1), 1);
	CHECK_INT(ask(p, n, CHAR, R, 508, DEVPROG_RULES_MAX), 0);
}

/* --- the kernel ----------------------------------------------------------------------------------- */

/* Loads a program and reads it back: NULL where that is not permitted here. */
static struct bpf_insn *through_kernel(const struct bpf_insn *insns, size_t n, size_t *ret_n)
{
	cleanup_fd int prog = bpf_load(insns, n);
	struct bpf_insn *back;
	int r = prog < 0 ? prog : bpf_read(prog, &back, ret_n);

	if (r < 0)
		printf("# %zu instructions: %s\n", n, strerrorname_np(-r));
	return r < 0 ? NULL : back;
}

TEST(the_kernel_takes_it_and_gives_it_back_as_it_was)
{
	cleanup_free struct devprog_rule *many = mem_zalloc(DEVPROG_RULES_MAX * sizeof(*many));
	static const size_t counts[] = { 1, 2, 17, 256, DEVPROG_RULES_MAX };

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	for (uint32_t i = 0; i < DEVPROG_RULES_MAX; i++)
		many[i] = (struct devprog_rule){ i % 7 == 6 ? 508 : 195, i };
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		cleanup_free struct bpf_insn *made = NULL, *back = NULL, *unused = NULL;
		struct err err = ERR_INIT;
		size_t n_made, n_back = 0, n;

		REQUIRE(devprog_prepend(engine, ARRAY_SIZE(engine), many, counts[i], &made, &n_made, &err) == 1);
		back = through_kernel(made, n_made, &n_back);
		if (!back && i == 0) {
			tap_skip("no device programs here");
			return;
		}
		REQUIRE(back);
		CHECK_INT(n_back, n_made);
		CHECK_INT(devprog_rules(back, n_back, NULL), counts[i]);
		CHECK_INT(devprog_prepend(back, n_back, many, counts[i], &unused, &n, &err), 0);
	}
}
