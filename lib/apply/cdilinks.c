/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cdilinks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "apply/inside.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

#define DEV "/dev/"

static bool leads_to(int fd, const char *target)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return str_eq(text, target);
}

/* A file that an engine has mounted where a link would stand: a rename cannot take its place, and need not. */
static bool is_mounted(const struct container *c, const char *path, int there)
{
	char parent[PATH_MAX];
	cleanup_fd int dir = -EBADF;
	uint64_t a = 0, b = 0;

	if (path_parent(path, parent, sizeof(parent)) < 0)
		return false;
	dir = path_open(c->rootfd, parent, O_PATH | O_DIRECTORY);
	return dir >= 0 && path_mount_id(dir, &a) == 0 && path_mount_id(there, &b) == 0 && a != b;
}

static int make(const struct container *c, const struct cdilinks_link *l, uint64_t own_dev, struct err *err)
{
	cleanup_fd int there = path_open(c->rootfd, l->path, O_PATH | O_NOFOLLOW);
	int r;

	if (there >= 0 && leads_to(there, l->target))
		return 0;
	if (there >= 0 && is_mounted(c, l->path, there)) {
		log_warning("%s is left out: something is mounted there", l->path);
		return 0;
	}
	r = str_starts(l->path, DEV) ? inside_dev_link(c, l->path + strlen(DEV), l->target, own_dev, err)
				     : inside_link(c, l->path, l->target, err);
	if (r == -EXDEV && err->code == ERR_FOREIGN_MOUNT) {
		log_warning("%s is left out: its place is in a volume", l->path);
		err->code = ERR_NONE;
		return 0;
	}
	/* crun has made a root read-only by now that shall be so. */
	if (r == -EROFS && err->code == ERR_WRITE) {
		log_warning("%s is left out: the root is read-only", l->path);
		err->code = ERR_NONE;
		return 0;
	}
	return r;
}

int cdilinks_make(const struct container *c, const struct cdilinks_link *links, size_t n, uint64_t own_dev,
		  struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = make(c, &links[i], own_dev, err);
	return r;
}
