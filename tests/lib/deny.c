/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny [-n|-l] ERRNO CALL... -- PROGRAM ARG...: runs a program under a filter that answers these system calls with an error,
 * as an old kernel or another's filter does. With -n argv is empty; with -l a Landlock domain, which forbids mounts, is around.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int enter_landlock(void)
{
	/* Of what it handles, nothing is allowed: no start makes a socket. */
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	return fd < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1
								    : (int)syscall(SYS_landlock_restrict_self, fd, 0);
}

int main(int argc, char **argv)
{
	char *none[] = { NULL };
	scmp_filter_ctx ctx;
	int i = 1, error, empty = argc > 1 && !strcmp(argv[1], "-n"), landlock = argc > 1 && !strcmp(argv[1], "-l");

	i += empty || landlock;
	if (landlock && enter_landlock() < 0) {
		perror("deny: landlock");
		return 3;
	}
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
