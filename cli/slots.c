/* SPDX-License-Identifier: Apache-2.0 */
#include "slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "apply/device.h"
#include "base/fd.h"
#include "base/path.h"
#include "host/osver.h"

#define OS_RELEASE_MAX 65536

struct slots {
	struct arena *arena;
	struct strlist *ret;
};

static int add_text(struct slots *s, const char *where, const char *text, size_t len, struct err *err)
{
	const char *os;
	int r = osver_parse(s->arena, text, len, NULL, &os, err);

	if (r < 0)
		return err_wrap(err, "%s", where);
	if (!strlist_has(s->ret, os))
		strlist_add(s->arena, s->ret, os);
	return 0;
}

/* --- ostree -------------------------------------------------------------------- */

/* One deployment; what is no directory with an os-release (its .origin file) is passed over. */
static int add_deployment(struct slots *s, int rootfd, const char *path, struct err *err)
{
	cleanup_free char *file = mem_printf("%s/usr/lib/os-release", path), *text = NULL;
	cleanup_fd int fd = path_open(rootfd, file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	size_t len;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	r = fd < 0 ? fd : fd_read_all(fd, OS_RELEASE_MAX, &text, &len);
	return r < 0 ? err_set(err, ERR_HOST, -r, "/%s", file) : add_text(s, file, text, len, err);
}

static DIR *open_dir(int rootfd, const char *path)
{
	int fd = path_open(rootfd, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		fd_close(fd);
	return d;
}

static int add_deployments(struct slots *s, int rootfd, const char *path, struct err *err)
{
	DIR *d = open_dir(rootfd, path);
	const struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		cleanup_free char *deployment = mem_printf("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.')
			r = add_deployment(s, rootfd, deployment, err);
	}
	if (d)
		closedir(d);
	return r;
}

static int add_ostree(struct slots *s, const char *root, struct err *err)
{
	cleanup_fd int rootfd = fd_open_dir(*root ? root : "/");
	DIR *d = rootfd < 0 ? NULL : open_dir(rootfd, "ostree/deploy");
	const struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		cleanup_free char *path = mem_printf("ostree/deploy/%s/deploy", e->d_name);

		if (e->d_name[0] != '.')
			r = add_deployments(s, rootfd, path, err);
	}
	if (d)
		closedir(d);
	return r;
}

/* --- Flatcar ------------------------------------------------------------------- */

static int read_partition(const char *device, char **ret, size_t *ret_len)
{
	cleanup_fd int tree = device_open(device), fd = -EBADF;

	if (tree < 0)
		return tree;
	fd = path_open(tree, "lib/os-release", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? fd : fd_read_all(fd, OS_RELEASE_MAX, ret, ret_len);
}

static int add_partition(struct slots *s, const char *dev_root, const char *label, struct err *err)
{
	cleanup_free char *device = mem_printf("%s/disk/by-partlabel/%s", dev_root, label), *text = NULL;
	struct stat st;
	size_t len = 0;
	int r;

	if (stat(device, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, ERR_HOST, errno, "%s", device);
	r = read_partition(device, &text, &len);
	/* The one that runs, below its dm-verity; or one that was never written, on a machine that has had no update. */
	if (r == -EBUSY || r == -EINVAL)
		return 0;
	if (r < 0)
		return err_set(err, ERR_HOST, -r, "%s: the other OS version cannot be read", device);
	return add_text(s, device, text, len, err);
}

int slots_read(struct arena *a, const char *root, const char *dev_root, struct strlist *ret, struct err *err)
{
	struct slots s = { .arena = a, .ret = ret };
	int r = add_ostree(&s, root, err);

	if (r == 0)
		r = add_partition(&s, dev_root, "USR-A", err);
	return r == 0 ? add_partition(&s, dev_root, "USR-B", err) : r;
}
