/* SPDX-License-Identifier: Apache-2.0 */
#include "load_nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host/inventory_text.h"

#define MAJOR 195 /* the driver's for ever, should proc/devices not name it as we know it */
#define MINOR_CONTROL 255
#define MINOR_MODESET 254
#define CAPS_DIR "nvidia-caps"
#define TEMPORARY ".nvcoreos-node"

struct node {
	const char *dir; /* NULL: dev-root itself */
	char name[32];
	uint32_t major, minor;
	mode_t mode;
};

struct maker {
	int dev;
	const struct inventory *inv;
	mode_t mode;
	uint32_t uid, gid;
	int made;
};

/* A symlink or anything else in its place is not right, wherever it leads. */
static bool is_right(int dirfd, const struct node *n)
{
	struct stat st;

	return fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(n->major, n->minor);
}

/* Made beside and renamed, so that nobody meets a node with a mode or owner that it will not keep. */
static int make_in(const struct maker *m, int dirfd, const struct node *n)
{
	int r = 0;

	if (unlinkat(dirfd, TEMPORARY, 0) < 0 && errno != ENOENT)
		return -errno;
	if (mknodat(dirfd, TEMPORARY, S_IFCHR, makedev(n->major, n->minor)) < 0)
		return -errno;
	if (fchownat(dirfd, TEMPORARY, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dirfd, TEMPORARY, n->mode, 0) < 0 || renameat(dirfd, TEMPORARY, dirfd, n->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, TEMPORARY, 0);
	return r;
}

static int open_subdir(int dev, const char *name)
{
	int fd;

	if (mkdirat(dev, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dev, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* systemd looks there for devices when it writes device cgroups; udev makes no links for what sysfs does not show. */
static void make_link(const struct maker *m, const struct node *n)
{
	cleanup_fd int dir = open_subdir(m->dev, "char");
	char name[32], target[96], old[96];
	ssize_t len;
	int r;

	snprintf(name, sizeof(name), "%u:%u", n->major, n->minor);
	snprintf(target, sizeof(target), "../%s%s%s", n->dir ? n->dir : "", n->dir ? "/" : "", n->name);
	len = dir < 0 ? -1 : readlinkat(dir, name, old, sizeof(old) - 1);
	if (len > 0) {
		old[len] = '\0';
		if (str_eq(old, target))
			return;
	}
	r = dir < 0 ? dir : fd_replace_link(dir, name, target, 0);
	if (r < 0)
		log_warning("dev-root/char/%s: %s", name, strerror(-r));
}

static int make_node(struct maker *m, const struct node *n, struct err *err)
{
	cleanup_fd int dir = open_subdir(m->dev, n->dir ? n->dir : ".");
	int r = dir < 0 ? dir : 0;

	if (r == 0 && !is_right(dir, n)) {
		r = make_in(m, dir, n);
		m->made += r == 0;
	}
	if (r < 0) {
		err_set(err, ERR_NODE, -r, "dev-root/%s%s%s", n->dir ? n->dir : "", n->dir ? "/" : "", n->name);
		return err_hint(
			err, "make it a directory that root may write, and take away what stands in the node's place");
	}
	make_link(m, n);
	return 0;
}

static int make(struct maker *m, const char *name, uint32_t major, uint32_t minor, struct err *err)
{
	struct node n = { .major = major, .minor = minor, .mode = m->mode };

	if (major == INVENTORY_NO_MAJOR)
		return 0;
	snprintf(n.name, sizeof(n.name), "%s", name);
	return make_node(m, &n, err);
}

static int make_cap(struct maker *m, uint32_t minor, mode_t mode, struct err *err)
{
	struct node n = { .dir = CAPS_DIR, .major = m->inv->major_caps, .minor = minor, .mode = mode };

	if (n.major == INVENTORY_NO_MAJOR || minor == INVENTORY_NO_MAJOR)
		return 0;
	snprintf(n.name, sizeof(n.name), "nvidia-cap%u", minor);
	return make_node(m, &n, err);
}

static int make_gpu(struct maker *m, const struct inventory_gpu *gpu, uint32_t major, struct err *err)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "nvidia%u", gpu->minor);
	r = make(m, name, major, gpu->minor, err);
	for (size_t i = 0; r == 0 && i < gpu->n_mig; i++) {
		r = make_cap(m, gpu->mig[i].gi_minor, 0444, err);
		if (r == 0)
			r = make_cap(m, gpu->mig[i].ci_minor, 0444, err);
	}
	return r;
}

/* Owner and mode as the administrator gave them to the module (NVreg_DeviceFileMode and its like). */
static void read_params(struct maker *m)
{
	const char *params = m->inv->proc_params;
	uint32_t mode;

	m->mode = 0666;
	if (!params)
		return;
	if (inventory_text_number(params, "DeviceFileMode", 0777, &mode) == 0)
		m->mode = mode;
	if (inventory_text_number(params, "DeviceFileUID", UINT32_MAX - 1, &m->uid) < 0)
		m->uid = 0;
	if (inventory_text_number(params, "DeviceFileGID", UINT32_MAX - 1, &m->gid) < 0)
		m->gid = 0;
}

int load_nodes_make(int dev_root, const struct inventory *inv, struct err *err)
{
	struct maker m = { .dev = dev_root, .inv = inv };
	uint32_t major = inv->major != INVENTORY_NO_MAJOR ? inv->major : MAJOR;
	int r;

	read_params(&m);
	r = make(&m, "nvidiactl", major, MINOR_CONTROL, err);
	for (size_t i = 0; r == 0 && i < inv->n_gpus; i++)
		r = make_gpu(&m, &inv->gpus[i], major, err);
	if (r == 0)
		r = make(&m, "nvidia-uvm", inv->major_uvm, 0, err);
	if (r == 0)
		r = make(&m, "nvidia-uvm-tools", inv->major_uvm, 1, err);
	if (r == 0)
		r = make(&m, "nvidia-modeset", major, MINOR_MODESET, err);
	if (r == 0)
		r = make_cap(&m, inv->mig_config_minor, 0400, err);
	if (r == 0)
		r = make_cap(&m, inv->mig_monitor_minor, 0444, err);
	return r < 0 ? r : m.made;
}
