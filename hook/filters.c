/* SPDX-License-Identifier: Apache-2.0 */
/* Part of the build: prints the hook's filters, as libseccomp makes them, for lib/apply/filter.c. */
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <unistd.h>

#include "apply/seccomp.h"

static int print(enum seccomp_phase phase, const char *name)
{
	struct sock_filter op;
	int fds[2], r = pipe(fds);

	if (r == 0)
		r = seccomp_write(phase, fds[1]);
	if (r < 0)
		return r;
	close(fds[1]);
	printf("static const struct sock_filter %s[] = {\n", name);
	while (read(fds[0], &op, sizeof(op)) == (ssize_t)sizeof(op))
		printf("\t{ %#x, %u, %u, %#x },\n", op.code, op.jt, op.jf, op.k);
	puts("};");
	close(fds[0]);
	return 0;
}

int main(void)
{
	if (print(SECCOMP_LOAD, "for_load") < 0 || print(SECCOMP_HOOK, "for_hook") < 0 ||
	    print(SECCOMP_HERE, "for_here") < 0 || print(SECCOMP_INSIDE, "for_inside") < 0 ||
	    print(SECCOMP_FILES, "for_files") < 0) {
		fputs("filters: libseccomp cannot make them\n", stderr);
		return 1;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
