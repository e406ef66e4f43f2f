/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "mounts.h"
#include "tap.h"

/* Where the test's own directory is in its file system, as mountinfo names it: "8:1 /tmp/x". */
static struct place {
	char dev[32], root[4096];
} place;

static void put(const char *dir, const char *name, const char *text)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0);
}

/* A process with a mount namespace of its own, in which `line` is mounted. */
static void process(const char *proc, int pid, const char *line)
{
	cleanup_free char *dir = mem_printf("%s/%d", proc, pid), *ns = mem_printf("%s/ns", dir);

	CHECK_INT(mkdir(dir, 0755), 0);
	CHECK_INT(mkdir(ns, 0755), 0);
	put(ns, "mnt", "");
	put(dir, "mountinfo", line);
}

/* The kernel's own answer for a bind mount would do; without the right to mount, our mountinfo's longest entry does. */
static void find_place(const char *dir)
{
	cleanup_free char *real = realpath(dir, NULL), *text = NULL;
	size_t len, best = 0;

	CHECK_INT(fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1u << 20, &text, &len), 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char dev[32], root[2048], target[2048];
		size_t n;

		if (sscanf(line, "%*d %*d %31s %2047s %2047s", dev, root, target) != 3)
			continue;
		n = strcmp(target, "/") == 0 ? 0 : strlen(target);
		if (strncmp(real, target, n) != 0 || real[n] != '/' || n + 1 < best)
			continue;
		best = n + 1;
		snprintf(place.dev, sizeof(place.dev), "%s", dev);
		snprintf(place.root, sizeof(place.root), "%s%s", strcmp(root, "/") == 0 ? "" : root, real + n);
	}
	CHECK(best > 0);
}

static char *line_of(const char *dev, const char *root)
{
	return mem_printf("36 25 %s %s /usr/local/nvidia ro,nosuid - ext4 /dev/x rw\n", dev, root);
}

static pid_t user_of(const char *proc, const char *path)
{
	struct mounts *m = NULL;
	struct err err = ERR_INIT;
	pid_t pid = -1;

	CHECK_INT(mounts_read(&m, proc, &err), 0);
	CHECK_INT(mounts_user(m, path, &pid, &err), 0);
	mounts_free(m);
	return pid;
}

TEST(a_tree_that_is_mounted_is_found_in_any_namespace)
{
	static const struct {
		const char *below, *dev;
		int pid;
	} cases[] = {
		{ "/tree/views/compute+utility", NULL, 77 },
		{ "/tree", NULL, 77 },
		{ "/tree//deleted", NULL, 77 },
		{ "/tree2", NULL, 0 },	  /* another one, whose name begins so */
		{ "", NULL, 0 },	  /* the whole store */
		{ "/tree", "0:9999", 0 }, /* the same path of another file system */
	};
	const char *dir = tap_tmpdir();
	cleanup_free char *tree = mem_printf("%s/tree", dir);

	find_place(dir);
	CHECK_INT(mkdir(tree, 0755), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cleanup_free char *proc = mem_printf("%s/proc%zu", dir, i);
		cleanup_free char *root = mem_printf("%s%s", place.root, cases[i].below);
		cleanup_free char *line = line_of(cases[i].dev ? cases[i].dev : place.dev, root);

		CHECK_INT(mkdir(proc, 0755), 0);
		process(proc, 5, "25 1 8:1 / / rw - ext4 /dev/root rw\n");
		process(proc, 77, line);
		CHECK_INT(user_of(proc, tree), cases[i].pid);
	}
}

TEST(processes_that_end_are_passed_over_and_others_are_not)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *proc = mem_printf("%s/proc", dir), *gone = mem_printf("%s/9", proc);
	cleanup_free char *half = mem_printf("%s/10", proc), *ns = mem_printf("%s/10/ns", proc);
	cleanup_free char *bad = mem_printf("%s/10/mountinfo", proc);
	static const char *const damaged[] = { "36 25 8:1 /a /b rw - ext4 /dev/x rw\n37 36 8:",
					       "36 25 8:1 /a /b rw - ext4 /dev/x rw\n37 36 8:\n", "nonsense\n" };
	struct mounts *m = NULL;
	struct err err = ERR_INIT;
	pid_t pid;

	CHECK_INT(mkdir(proc, 0755), 0);
	CHECK_INT(mkdir(gone, 0755), 0);
	CHECK_INT(mkdir(half, 0755), 0);
	CHECK_INT(mkdir(ns, 0755), 0);
	put(ns, "mnt", "");
	CHECK_INT(user_of(proc, dir), 0);
	/* Cut off, or not understood: what is missing could be what matters. */
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		put(half, "mountinfo", damaged[i]);
		err = (struct err)ERR_INIT;
		CHECK(mounts_read(&m, proc, &err) < 0);
		CHECK_INT(err.code, ERR_HOST);
	}
	CHECK_INT(unlink(bad), 0);
	err = (struct err)ERR_INIT;
	/* A directory cannot be read as a file: nobody knows what is mounted. */
	CHECK_INT(mkdir(bad, 0755), 0);
	CHECK(mounts_read(&m, proc, &err) < 0);
	CHECK_INT(err.code, ERR_HOST);
	CHECK(mounts_read(&m, bad, NULL) == 0);
	CHECK(mounts_user(m, "/nonexistent/tree", &pid, &err) < 0);
	mounts_free(m);
	mounts_free(NULL);
}
