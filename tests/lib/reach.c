/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach NAME: looks for processes of that name among all that it can see, until it is ended, and tries to get hold of each: its
 * program, root, directory, memory and descriptors. A line for each process: "seen PID", and "reached PID WHAT" where that worked.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int flags;
} parts[] = {
	{ "exe", O_RDONLY }, { "exe", O_WRONLY }, { "root", O_PATH },	   { "cwd", O_PATH },
	{ "mem", O_RDWR },   { "fd/0", O_PATH },  { "environ", O_RDONLY }, { "maps", O_RDONLY },
};

static int open_part(const char *pid, const char *part, int flags)
{
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, part);
	return open(path, flags | O_CLOEXEC);
}

static int has_name(const char *pid, const char *name)
{
	char comm[32] = "";
	int fd = open_part(pid, "comm", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && !strncmp(comm, name, strlen(name)) && comm[strlen(name)] == '\n';
}

/* As long as it lives: what cannot be reached now may be in its next phase. */
static void try_all(const char *pid, const char *name)
{
	int reached[sizeof(parts) / sizeof(*parts)] = { 0 };

	printf("seen %s\n", pid);
	while (has_name(pid, name))
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
			char byte;
			int fd = reached[i] ? -1 : open_part(pid, parts[i].name, parts[i].flags);

			/* An empty maps or environ was opened, but told nothing. */
			if (fd >= 0 && ((parts[i].flags & (O_PATH | O_WRONLY)) || read(fd, &byte, 1) == 1)) {
				reached[i] = 1;
				printf("reached %s %s\n", pid, parts[i].name);
			}
			if (fd >= 0)
				close(fd);
		}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("looking");
	for (;;) {
		DIR *proc = opendir("/proc");
		struct dirent *e;

		if (!proc)
			return 1;
		while ((e = readdir(proc)))
			if (isdigit((unsigned char)e->d_name[0]) && has_name(e->d_name, argv[1]))
				try_all(e->d_name, argv[1]);
		closedir(proc);
	}
}
