/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device programs of cgroup v2: whatever an engine attached, after ours is put before it exactly the planned devices
 * are allowed besides, by running both programs.
 */
#include <stddef.h>

#include "apply/devprog.h"
#include "fuzz.h"

#define ENGINE_RULES_MAX 8
#define UNKNOWN (-1)

struct machine {
	uint64_t r[11];
	bool set[11];
};

static bool operate(struct machine *m, const struct bpf_insn *i, uint64_t src)
{
	uint64_t v = m->r[i->dst_reg];

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		v = src;
		break;
	case BPF_AND:
		v &= src;
		break;
	case BPF_RSH:
		v >>= src & 63;
		break;
	default:
		return false;
	}
	if (BPF_OP(i->code) != BPF_MOV && !m->set[i->dst_reg])
		return false;
	m->r[i->dst_reg] = BPF_CLASS(i->code) == BPF_ALU ? (uint32_t)v : v;
	m->set[i->dst_reg] = true;
	return true;
}

/* 1: jumps, 0: goes on, UNKNOWN. */
static int branch(const struct machine *m, const struct bpf_insn *i, uint64_t src)
{
	if (BPF_OP(i->code) == BPF_JA)
		return 1;
	if (!m->set[i->dst_reg])
		return UNKNOWN;
	if (BPF_OP(i->code) == BPF_JEQ)
		return m->r[i->dst_reg] == src;
	return BPF_OP(i->code) == BPF_JNE ? m->r[i->dst_reg] != src : UNKNOWN;
}

/* What the program answers; UNKNOWN where the kernel would have refused it, or it does what is not done here. */
static int run(const struct bpf_insn *p, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	struct machine m = { .set = { [1] = true } };

	for (size_t pc = 0, steps = 0; pc < n && steps < 4096; pc++, steps++) {
		const struct bpf_insn *i = &p[pc];
		unsigned class = BPF_CLASS(i->code);
		bool by_register = BPF_SRC(i->code) == BPF_X;
		uint64_t src;

		if (i->dst_reg > 9 || i->src_reg > 9)
			return UNKNOWN;
		src = by_register ? m.r[i->src_reg] : (uint64_t)(int64_t)i->imm;
		if (i->code == (BPF_JMP | BPF_EXIT))
			return m.set[0] ? (int)(m.r[0] & 1) : UNKNOWN;
		if (i->code == (BPF_LDX | BPF_MEM | BPF_W)) {
			uint32_t word;

			/* The context stands in r1 until the program takes the register for itself; 0 stands for it here. */
			if (i->src_reg != 1 || m.r[1] || i->off < 0 || i->off > 8 || i->off % 4)
				return UNKNOWN;
			memcpy(&word, (const char *)ctx + i->off, sizeof(word));
			m.r[i->dst_reg] = word;
			m.set[i->dst_reg] = true;
		} else if (by_register && !m.set[i->src_reg]) {
			return UNKNOWN;
		} else if (class == BPF_ALU64 || class == BPF_ALU) {
			if (!operate(&m, i, src))
				return UNKNOWN;
		} else if (class == BPF_JMP) {
			int jump = branch(&m, i, src);

			if (jump == UNKNOWN || (jump && i->off < 0))
				return UNKNOWN;
			pc += jump ? (size_t)i->off : 0;
		} else {
			return UNKNOWN;
		}
	}
	return UNKNOWN;
}

struct program {
	struct bpf_insn *v;
	size_t n;
};

static void emit(struct program *p, int code, unsigned dst, unsigned src, int off, int imm)
{
	p->v = mem_realloc_array(p->v, p->n + 1, sizeof(*p->v));
	p->v[p->n++] = (struct bpf_insn){
		.code = (uint8_t)code, .dst_reg = dst & 15u, .src_reg = src & 15u, .off = (int16_t)off, .imm = imm
	};
}

/* One rule of an engine: jumps over its end where it does not speak of the device. */
static void emit_rule(struct program *p, struct fuzz_input *in)
{
	unsigned what = fuzz_byte(in), access = fuzz_byte(in) & 7u;
	int major = (int)fuzz_byte(in), minor = (int)fuzz_byte(in);

	emit(p, BPF_JMP | BPF_JNE | BPF_K, 2, 0, 7, what & 1 ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int)access);
	emit(p, BPF_JMP | BPF_JNE | BPF_X, 1, 3, 4, 0);
	emit(p, BPF_JMP | (what & 2 ? BPF_JNE : BPF_JA) | BPF_K, 4, 0, what & 2 ? 3 : 0, what & 2 ? major : 0);
	emit(p, BPF_JMP | (what & 4 ? BPF_JNE : BPF_JA) | BPF_K, 5, 0, what & 4 ? 2 : 0, what & 4 ? minor : 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, what >> 3 & 1);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void engine_program(struct program *p, struct fuzz_input *in)
{
	unsigned last = fuzz_byte(in) & 1u;

	emit(p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
	for (unsigned i = 0; in->size && i < ENGINE_RULES_MAX; i++)
		emit_rule(p, in);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, (int)last);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void raw_program(struct program *p, struct fuzz_input *in)
{
	p->n = in->size / sizeof(*p->v);
	p->v = mem_alloc(p->n * sizeof(*p->v));
	if (p->n)
		memcpy(p->v, in->data, p->n * sizeof(*p->v));
}

static bool is_planned(const struct devprog_rule *rules, size_t n, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].major == major && rules[i].minor == minor)
			return true;
	return false;
}

/* Every kind of access to the devices of the plan and to some others. */
static void compare(const struct program *old, const struct program *new, const struct devprog_rule *rules, size_t n)
{
	static const uint32_t accesses[] = { BPF_DEVCG_ACC_READ, BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
					     BPF_DEVCG_ACC_MKNOD, 7 };

	for (size_t i = 0; i < n + 2; i++)
		for (unsigned what = 0; what < 2 * ARRAY_SIZE(accesses); what++) {
			uint32_t major = i < n ? rules[i].major : (uint32_t)i, access = accesses[what / 2];
			uint32_t type = what & 1 ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;
			struct bpf_cgroup_dev_ctx c = { access << 16 | type, major, i < n ? rules[i].minor : 3 };
			int before = run(old->v, old->n, &c), after = run(new->v, new->n, &c);

			if (type == BPF_DEVCG_DEV_CHAR && !(access & BPF_DEVCG_ACC_MKNOD) &&
			    is_planned(rules, n, c.major, c.minor))
				MUST(after == 1 || (old->v == new->v &&before == UNKNOWN));
			else
				MUST(before == UNKNOWN || after == before);
		}
}

/* Puts rules before `p`, which becomes the new program. */
static void prepend(struct program *p, const struct devprog_rule *rules, size_t n)
{
	struct program new = { NULL, 0 };
	struct bpf_insn *again = NULL;
	struct err err = ERR_INIT;
	size_t again_n, had = devprog_rules(p->v, p->n, NULL);
	int r = devprog_prepend(p->v, p->n, rules, n, &new.v, &new.n, &err);

	if (r < 0) {
		fuzz_refused(&err, ERR_CGROUP, ERR_NONE);
		return;
	}
	if (r == 0) {
		compare(p, p, rules, n);
		return;
	}
	compare(p, &new, rules, n);
	MUST(new.n > p->n &&devprog_rules(new.v, new.n, NULL) > had);
	MUST(devprog_prepend(new.v, new.n, rules, n, &again, &again_n, &err) == 0);
	free(p->v);
	*p = new;
}

FUZZ(devprog)
{
	struct fuzz_input in = { data, size };
	unsigned flags = fuzz_byte(&in);
	struct devprog_rule rules[8];
	struct program p = { NULL, 0 };
	size_t n = 1 + (flags & 7u), first = flags >> 3 & 3u;

	for (size_t i = 0; i < n; i++)
		rules[i] = (struct devprog_rule){ fuzz_byte(&in) << (flags >> 5 & 2u), fuzz_byte(&in) };
	if (flags & 128)
		raw_program(&p, &in);
	else
		engine_program(&p, &in);
	if (first && first < n)
		prepend(&p, rules, first);
	prepend(&p, rules, n);
	free(p.v);
}
