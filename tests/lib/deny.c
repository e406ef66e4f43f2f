/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny [-n] ERRNO CALL... -- PROGRAM ARG...: runs a program under a filter that answers these system calls with an error, as
 * an old kernel or another's filter does. With -n argv is empty.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char *none[] = { NULL };
	scmp_filter_ctx ctx;
	int i = 1, error, empty = argc > 1 && !strcmp(argv[1], "-n");

	i += empty;
	error = argc > i ? atoi(argv[i++]) : 0;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	for (; i < argc && strcmp(argv[i], "--"); i++) {
		int call = seccomp_syscall_resolve_name(argv[i]);

		if (call == __NR_SCMP_ERROR || seccomp_rule_add(ctx, SCMP_ACT_ERRNO((unsigned)error), call, 0) < 0) {
			fprintf(stderr, "deny: %s\n", argv[i]);
			return 2;
		}
	}
	if (i + 1 >= argc || seccomp_load(ctx) < 0) {
		fprintf(stderr, "usage: deny [-n] ERRNO CALL... -- PROGRAM ARG...\n");
		return 2;
	}
	execv(argv[i + 1], empty ? none : argv + i + 1);
	return 127;
}
