/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devprogs DIR: the device programs attached to a cgroup of v2, a line each: how many rules of nvcoreos it begins with, and how
 * many instructions it has besides. Linked with libnvcoreos.a.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "apply/bpf.h"
#include "apply/devprog.h"

int main(int argc, char **argv)
{
	int cgroup = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	static struct bpf_attached a;

	if (cgroup < 0 || bpf_query(cgroup, false, &a) < 0) {
		fprintf(stderr, "usage: devprogs CGROUP\n");
		return 2;
	}
	for (uint32_t i = 0; i < a.n; i++) {
		struct bpf_insn *insns;
		size_t n, rules;

		if (bpf_read(bpf_open(a.ids[i]), &insns, &n) < 0)
			return 1;
		rules = devprog_rules(insns, n, NULL);
		printf("%zu rules, %zu\n", rules, n - (rules ? DEVPROG_HEAD + rules * DEVPROG_PER_RULE : 0));
		free(insns);
	}
	return 0;
}
