/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "apply/cgroup_paths.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#define CGROUP_FILE_MAX (64u << 10)
#define MOUNTINFO_MAX (64u << 20)

static int read_paths(const char *file, struct cgroup_paths *ret, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, file, CGROUP_FILE_MAX, &text, &len);

	*ret = (struct cgroup_paths){ NULL, NULL };
	return r < 0 ? err_set(err, ERR_CGROUP, -r, "%s", file) : cgroup_paths_parse(ret, text, len, err);
}

/* The top of a mount; -ESTALE where another file system lies over it. */
static int open_top(const struct cgroup_mount *m)
{
	cleanup_fd int fd = fd_open_dir(m->target);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (st.st_dev != m->dev || fs.f_type != (m->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return -ESTALE;
	return take_fd(fd);
}

static int open_through(const struct cgroup_mount *m, const char *beneath)
{
	cleanup_fd int top = open_top(m);

	return top < 0 ? top : path_open_beneath(top, beneath, O_RDONLY | O_DIRECTORY);
}

/* Opens the cgroup `path` of a hierarchy through the first mount that shows it. */
static int open_cgroup(const char *mountinfo, bool v2, const char *path, struct err *err)
{
	cleanup_free char *copy = mem_strdup(mountinfo);
	struct cgroup_mount m;
	char *rest = copy;
	int why = -ENOENT;

	while (cgroup_paths_mount(&rest, &m)) {
		const char *beneath = m.v2 == v2 ? cgroup_paths_in(m.root, path) : NULL;
		int fd;

		if (!beneath)
			continue;
		fd = open_through(&m, beneath);
		if (fd >= 0)
			return fd;
		why = fd;
	}
	return err_set(err, ERR_CGROUP, -why, "no mount here of cgroup %s shows %s", v2 ? "v2" : "v1's devices", path);
}

static int open_levels(struct cgroup_place *ret, const char *mountinfo, bool v2, size_t own, struct err *err)
{
	char part[PATH_MAX];

	for (size_t end = own;; end += 1 + strcspn(ret->path + end + 1, "/")) {
		int fd;

		if (ret->n_levels == CGROUP_LEVELS_MAX)
			return err_set(err, ERR_CGROUP, ELOOP, "%s", ret->path);
		snprintf(part, sizeof(part), "%.*s", (int)end, ret->path);
		fd = open_cgroup(mountinfo, v2, part, err);
		if (fd < 0)
			return fd;
		ret->levels[ret->n_levels++] = fd;
		if (!ret->path[end])
			return 0;
	}
}

/* A cgroup that holds others beside the one on the way to init is not the container's, nor is what is above it. */
static int drop_foreign(struct cgroup_place *p, struct err *err)
{
	size_t first = 0;

	for (size_t i = 0; i + 1 < p->n_levels; i++) {
		struct stat st;

		if (fstat(p->levels[i], &st) < 0)
			return err_set(err, ERR_CGROUP, errno, "%s", p->path);
		/* Two links are its own, each cgroup in it has one more. */
		if (st.st_nlink != 3)
			first = i + 1;
	}
	for (size_t i = 0; i < first; i++)
		fd_close(p->levels[i]);
	p->n_levels -= first;
	memmove(p->levels, p->levels + first, p->n_levels * sizeof(*p->levels));
	return 0;
}

static int find(struct cgroup_place *ret, bool v2, const char *path, const char *self, const char *cgroups_path,
		const char *mountinfo, struct err *err)
{
	struct err unused = ERR_INIT;
	int r;

	/* The topmost cgroup is above everybody. */
	if (!path || path_is_below(self ? self : "/", path))
		return 0;
	ret->path = mem_strdup(path);
	r = open_levels(ret, mountinfo, v2, cgroup_paths_own(path, cgroups_path), err);
	if (r == 0)
		r = drop_foreign(ret, err);
	if (r == 0 && v2 && self)
		ret->self = open_cgroup(mountinfo, v2, self, &unused);
	return r;
}

static int find_both(struct cgroup_places *ret, const struct cgroup_paths *init, const char *cgroups_path,
		     struct err *err)
{
	cleanup(cgroup_paths_free) struct cgroup_paths self = { NULL, NULL };
	cleanup_free char *mountinfo = NULL;
	size_t len;
	int r = read_paths("/proc/self/cgroup", &self, err);

	if (r < 0)
		return r;
	r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, &len);
	if (r < 0)
		return err_set(err, ERR_CGROUP, -r, "/proc/self/mountinfo");
	r = find(&ret->v1, false, init->v1, self.v1, cgroups_path, mountinfo, err);
	return r < 0 ? r : find(&ret->v2, true, init->v2, self.v2, cgroups_path, mountinfo, err);
}

int cgroup_find_alive(const struct cgroup_place *p, struct err *err)
{
	/* EPERM: it is there, and another user's. */
	if (syscall(SYS_pidfd_send_signal, p->pidfd, 0, NULL, 0) < 0 && errno != EPERM)
		return err_set(err, ERR_CGROUP, errno, "init %d has ended", (int)p->pid);
	return 0;
}

int cgroup_find(struct cgroup_places *ret, pid_t pid, int pidfd, const char *cgroups_path, struct err *err)
{
	cleanup(cgroup_paths_free) struct cgroup_paths init = { NULL, NULL };
	char file[64];
	int r;

	ret->v1 = ret->v2 = (struct cgroup_place){ .self = -EBADF, .pid = pid, .pidfd = pidfd };
	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	r = cgroup_find_alive(&ret->v1, err);
	if (r == 0)
		r = read_paths(file, &init, err);
	if (r == 0)
		r = find_both(ret, &init, cgroups_path, err);
	if (r < 0)
		return r;
	/* What was read by pid was init's only if init is still there. */
	return cgroup_find_alive(&ret->v1, err);
}

static void close_place(struct cgroup_place *p)
{
	free(p->path);
	for (size_t i = 0; i < p->n_levels; i++)
		fd_close(p->levels[i]);
	fd_close(p->self);
	*p = (struct cgroup_place){ .self = -EBADF };
}

void cgroup_find_close(struct cgroup_places *p)
{
	close_place(&p->v1);
	close_place(&p->v2);
}
