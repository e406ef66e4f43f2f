/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apply/devprog.h"
#include "base/mem.h"

#define LOAD_TRIES 5
#define PROG_NAME "nvcoreos"

/* The kernel takes an attr of any size whose tail is zero: an older one than the header's understands it too. */
static int call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

int bpf_query(int cgroup, bool effective, struct bpf_attached *ret)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	memset(ret, 0, sizeof(*ret));
	attr.query.target_fd = (uint32_t)cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.query_flags = effective ? BPF_F_QUERY_EFFECTIVE : 0;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ret->ids;
	attr.query.prog_cnt = BPF_EFFECTIVE_MAX;
	r = call(BPF_PROG_QUERY, &attr);
	if (r < 0)
		return r;
	ret->n = attr.query.prog_cnt;
	ret->flags = attr.query.attach_flags;
	return 0;
}

int bpf_open(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	/* An fd of a program is close-on-exec. */
	return call(BPF_PROG_GET_FD_BY_ID, &attr);
}

static int get_info(int prog, struct bpf_prog_info *info)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)prog;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uint64_t)(uintptr_t)info;
	return call(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int bpf_read(int prog, struct bpf_insn **ret, size_t *ret_n)
{
	cleanup_free struct bpf_insn *insns = NULL;
	struct bpf_prog_info info = { 0 };
	uint32_t len;
	int r = get_info(prog, &info);

	if (r < 0)
		return r;
	if (info.type != BPF_PROG_TYPE_CGROUP_DEVICE)
		return -EINVAL;
	len = info.xlated_prog_len;
	if (len == 0 || len % sizeof(*insns))
		return -EOPNOTSUPP;
	if (len / sizeof(*insns) > DEVPROG_INSNS_MAX)
		return -E2BIG;
	insns = mem_zalloc(len);
	info = (struct bpf_prog_info){ .xlated_prog_len = len, .xlated_prog_insns = (uint64_t)(uintptr_t)insns };
	r = get_info(prog, &info);
	if (r < 0)
		return r;
	/* A hardened kernel keeps the length and takes the pointer away. */
	if (info.xlated_prog_len != len || !info.xlated_prog_insns)
		return -EOPNOTSUPP;
	*ret = take_ptr(insns);
	*ret_n = len / sizeof(**ret);
	return 0;
}

int bpf_load(const struct bpf_insn *insns, size_t n)
{
	union bpf_attr attr;
	int r = -EAGAIN;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	memcpy(attr.prog_name, PROG_NAME, sizeof(PROG_NAME));
	/* EAGAIN: a signal came while the verifier was at work. */
	for (int i = 0; i < LOAD_TRIES && r == -EAGAIN; i++)
		r = call(BPF_PROG_LOAD, &attr);
	return r;
}

int bpf_replace(int cgroup, int prog, int old)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI | BPF_F_REPLACE;
	attr.replace_bpf_fd = (uint32_t)old;
	return call(BPF_PROG_ATTACH, &attr);
}
