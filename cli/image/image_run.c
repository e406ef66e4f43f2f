/* SPDX-License-Identifier: Apache-2.0 */
#include "image_run.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/mem.h"

#define TOOL NVCOREOS_PREFIX "/bin/nvcoreos"

int image_run_tool(const char *root, const char *const *args, size_t n, struct err *err)
{
	cleanup_free char **argv = mem_zalloc((n + 4) * sizeof(*argv));
	char *envp[] = { NULL };
	int r, status = 0;
	pid_t pid;

	argv[0] = (char *)TOOL;
	argv[1] = (char *)"--root";
	argv[2] = (char *)root;
	for (size_t i = 0; i < n; i++)
		argv[3 + i] = (char *)args[i];
	r = posix_spawn(&pid, TOOL, NULL, NULL, argv, envp);
	if (r)
		return err_set(err, ERR_IO, r, TOOL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, ERR_IO, errno, TOOL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	err_set(err, ERR_IO, 0, TOOL " %s", args[0]);
	return err_hint(err, "what it said before this line tells why");
}
