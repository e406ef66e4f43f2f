/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/mnt.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

static int put(int dir, const char *name, const char *text, struct err *err)
{
	cleanup_fd int fd = -EBADF;
	int r;

	if (!text)
		return 0;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	return r < 0 ? err_set(err, ERR_MOUNT, -r, "driver/nvidia/%s", name) : 0;
}

static int make_dir(int dir, const char *name, struct err *err)
{
	return mkdirat(dir, name, 0755) < 0 ? err_set(err, ERR_MOUNT, errno, "driver/nvidia/%s", name) : 0;
}

/* PCI addresses have no slash: the plan was checked. */
static int put_gpu(int dir, const struct plan_proc_gpu *gpu, struct err *err)
{
	cleanup_free char *path = mem_printf("gpus/%s/information", gpu->pci);
	cleanup_free char *parent = mem_strndup(path, (size_t)(path_base(path) - 1 - path));
	int r = make_dir(dir, parent, err);

	return r < 0 ? r : put(dir, path, gpu->information, err);
}

/* capabilities/<path> with its directories; several share theirs. */
static int put_cap(int dir, const struct plan_proc_cap *cap, struct err *err)
{
	cleanup_free char *path = mem_printf("capabilities/%s", cap->path);
	cleanup_free char *text =
		mem_printf("DeviceFileMinor: %u\nDeviceFileMode: 292\nDeviceFileModify: 0\n", cap->minor);

	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(dir, path, 0755) < 0 && errno != EEXIST)
			return err_set(err, ERR_MOUNT, errno, "driver/nvidia/%s", path);
		*p = '/';
	}
	return put(dir, path, text, err);
}

int procfs_fill(int dir, const struct plan_proc *p, struct err *err)
{
	int r = put(dir, "version", p->version, err);

	if (r == 0)
		r = put(dir, "params", p->params, err);
	if (r == 0)
		r = put(dir, "registry", p->registry, err);
	if (r == 0)
		r = make_dir(dir, "gpus", err);
	for (size_t i = 0; r == 0 && i < p->n_gpus; i++)
		r = put_gpu(dir, &p->gpus[i], err);
	for (size_t i = 0; r == 0 && i < p->n_caps; i++)
		r = put_cap(dir, &p->caps[i], err);
	return r;
}

int procfs_build(const struct plan_proc *p, struct err *err)
{
	cleanup_fd int tree = mnt_tmpfs(err);
	int r;

	if (tree < 0)
		return tree;
	r = procfs_fill(tree, p, err);
	if (r == 0)
		r = mnt_seal(tree, err);
	return r < 0 ? r : take_fd(tree);
}
