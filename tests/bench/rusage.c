/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rusage FILE PROGRAM ARG...: runs it, with this program's input and output, and adds a line to FILE:
 * "<CPU µs, user and system> <peak memory KiB>". Its exit status is the program's. To be linked statically: the
 * kernel counts what a process was before execve into its peak.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long long micro(struct timeval tv)
{
	return tv.tv_sec * 1000000LL + tv.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int fd, status;
	pid_t pid;

	if (argc < 3)
		return 125;
	pid = vfork();
	if (pid == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 125;
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || dprintf(fd, "%lld %ld\n", micro(usage.ru_utime) + micro(usage.ru_stime), usage.ru_maxrss) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
