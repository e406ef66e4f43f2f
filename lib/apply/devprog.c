/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/devprog.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAJOR_MAX 0xfffu
#define MINOR_MAX 0xfffffu
#define LOAD_WORD (BPF_LDX | BPF_MEM | BPF_W)
#define LOAD_IMM64 (BPF_LD | BPF_IMM | BPF_DW)

static struct bpf_insn insn(int code, unsigned dst, unsigned src, size_t off, int imm)
{
	return (struct bpf_insn){
		.code = (uint8_t)code, .dst_reg = dst & 15u, .src_reg = src & 15u, .off = (int16_t)off, .imm = imm
	};
}

/*
 * Every operation is 64 bits wide and no branch can be decided beforehand, so that the kernel gives back what was loaded
 * and the prefix is known again.
 */
static void put_head(struct bpf_insn *p, size_t n_rules)
{
	size_t rules = n_rules * DEVPROG_PER_RULE;

	p[0] = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_5, 0, 0, DEVPROG_MARK);
	p[1] = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_5, 0, 0, (int)n_rules);
	p[2] = insn(LOAD_WORD, BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	p[3] = insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	p[4] = insn(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	p[5] = insn(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, rules + 5, BPF_DEVCG_DEV_CHAR);
	p[6] = insn(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	p[7] = insn(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, ~(BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE));
	p[8] = insn(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, rules + 2, 0);
	p[9] = insn(LOAD_WORD, BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	p[10] = insn(LOAD_WORD, BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

static void put_rule(struct bpf_insn *p, const struct devprog_rule *r)
{
	p[0] = insn(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, 3, (int)r->major);
	p[1] = insn(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 2, (int)r->minor);
	p[2] = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
	p[3] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static bool same(const struct bpf_insn *a, const struct bpf_insn *b, size_t n)
{
	return memcmp(a, b, n * sizeof(*a)) == 0;
}

static size_t prefix_len(size_t n_rules)
{
	return n_rules ? DEVPROG_HEAD + n_rules * DEVPROG_PER_RULE : 0;
}

size_t devprog_rules(const struct bpf_insn *insns, size_t n, struct devprog_rule *ret)
{
	struct bpf_insn want[DEVPROG_HEAD];
	size_t n_rules;

	if (n < DEVPROG_HEAD || insns[0].imm != DEVPROG_MARK || insns[1].imm < 1 || insns[1].imm > DEVPROG_RULES_MAX)
		return 0;
	n_rules = (size_t)insns[1].imm;
	put_head(want, n_rules);
	if (n < prefix_len(n_rules) || !same(insns, want, DEVPROG_HEAD))
		return 0;
	insns += DEVPROG_HEAD;
	for (size_t i = 0; i < n_rules; i++, insns += DEVPROG_PER_RULE) {
		struct devprog_rule rule = { (uint32_t)insns[0].imm, (uint32_t)insns[1].imm };

		put_rule(want, &rule);
		if (!same(insns, want, DEVPROG_PER_RULE))
			return 0;
		if (ret)
			ret[i] = rule;
	}
	return n_rules;
}

int devprog_allows_all(const struct bpf_insn *insns, size_t n)
{
	const struct bpf_insn one = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
	const struct bpf_insn one32 = insn(BPF_ALU | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);

	if (n < 2 || insns[n - 1].code != (BPF_JMP | BPF_EXIT))
		return 0;
	if (!same(&insns[n - 2], &one, 1) && !same(&insns[n - 2], &one32, 1))
		return 0;
	for (size_t i = 0; i < n - 1; i++)
		if (BPF_CLASS(insns[i].code) == BPF_JMP || BPF_CLASS(insns[i].code) == BPF_JMP32)
			return 0;
	return 1;
}

/*
 * The kernel shows a helper as an address and a map as an id: loaded again they would be something else. What has neither
 * means the same wherever it is loaded.
 */
static int check_reloadable(const struct bpf_insn *insns, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t class = BPF_CLASS(insns[i].code);

		if ((class == BPF_JMP || class == BPF_JMP32) && BPF_OP(insns[i].code) == BPF_CALL)
			return err_set(err, ERR_CGROUP, EOPNOTSUPP, "its device program calls other code");
		if (insns[i].code != LOAD_IMM64)
			continue;
		if (insns[i].src_reg)
			return err_set(err, ERR_CGROUP, EOPNOTSUPP, "its device program uses a map");
		i++;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct devprog_rule *x = a, *y = b;

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	return x->minor < y->minor ? -1 : x->minor > y->minor;
}

/* Sorts; a second rule for one device would be dead code, which the kernel takes out. Returns how many are left. */
static size_t unique(struct devprog_rule *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), compare);
	for (size_t i = 0; i < n; i++)
		if (!kept || compare(&v[kept - 1], &v[i]) != 0)
			v[kept++] = v[i];
	return kept;
}

static int check_rules(const struct devprog_rule *rules, size_t n, struct err *err)
{
	if (n > DEVPROG_RULES_MAX)
		return err_set(err, ERR_CGROUP, E2BIG, "%zu devices, %d at most", n, DEVPROG_RULES_MAX);
	for (size_t i = 0; i < n; i++)
		if (rules[i].major > MAJOR_MAX || rules[i].minor > MINOR_MAX)
			return err_set(err, ERR_CGROUP, EINVAL, "device %u:%u", rules[i].major, rules[i].minor);
	return 0;
}

int devprog_prepend(const struct bpf_insn *insns, size_t n, const struct devprog_rule *rules, size_t n_rules,
		    struct bpf_insn **ret_insns, size_t *ret_n, struct err *err)
{
	cleanup_free struct devprog_rule *all = mem_alloc(sizeof(*all) * 2 * DEVPROG_RULES_MAX);
	size_t had = devprog_rules(insns, n, all), before = prefix_len(had), len;
	struct bpf_insn *p;
	int r = check_rules(rules, n_rules, err);

	if (r == 0)
		r = check_reloadable(insns, n, err);
	if (r < 0)
		return r;
	if (!n_rules || devprog_allows_all(insns + before, n - before))
		return 0;
	memcpy(all + had, rules, n_rules * sizeof(*all));
	n_rules = unique(all, had + n_rules);
	if (n_rules == had)
		return 0;
	len = prefix_len(n_rules);
	if (n_rules > DEVPROG_RULES_MAX || n - before > DEVPROG_INSNS_MAX - len)
		return err_set(err, ERR_CGROUP, E2BIG, "its device program has %zu instructions, %zu more are needed",
			       n, len);
	*ret_n = len + n - before;
	*ret_insns = p = mem_alloc(*ret_n * sizeof(*p));
	put_head(p, n_rules);
	for (size_t i = 0; i < n_rules; i++)
		put_rule(p + DEVPROG_HEAD + i * DEVPROG_PER_RULE, &all[i]);
	memcpy(p + len, insns + before, (n - before) * sizeof(*p));
	return 1;
}
