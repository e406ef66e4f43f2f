/* SPDX-License-Identifier: Apache-2.0 */
#include "starts.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* A hook ends itself after thirty. */
#define SECONDS_MAX 35
#define PAUSE_MS 20

/* Under its two names; the kernel keeps fifteen bytes of one. */
static bool is_hook(int proc, const char *pid)
{
	cleanup_free char *path = mem_printf("%s/comm", pid), *comm = NULL;
	size_t len;

	return fd_read_file_at(proc, path, 64, &comm, &len) == 0 &&
	       (str_eq(comm, "nvcoreos-hook\n") || str_eq(comm, "nvidia-containe\n"));
}

static void find_hooks(int proc, struct arena *a, struct strlist *ret)
{
	int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (strspn(e->d_name, "0123456789") == strlen(e->d_name) && is_hook(proc, e->d_name))
			strlist_add(a, ret, e->d_name);
	closedir(d);
}

void starts_wait(const char *proc_root)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	cleanup_fd int proc = fd_open_dir(proc_root);
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist hooks = { 0 };
	size_t i = 0;

	if (proc < 0)
		return;
	find_hooks(proc, &a, &hooks);
	for (unsigned n = 0; i < hooks.n && n < SECONDS_MAX * 1000 / PAUSE_MS; n++) {
		while (i < hooks.n && !is_hook(proc, hooks.v[i]))
			i++;
		if (i < hooks.n)
			nanosleep(&pause, NULL);
	}
}
