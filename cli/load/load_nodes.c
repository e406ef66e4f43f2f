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
#include "host/userns.h"
#include "load_caps.h"

#define MAJOR 195 /* the driver's for ever, should proc/devices not name it as we know it */
#define MINOR_CONTROL 255
#define MINOR_MODESET 254
#define MINOR_NVSWITCH_CONTROL 255
#define NVSWITCHES_MAX 64
#define CAPS_DIR "nvidia-caps"
#define IMEX_DIR "nvidia-caps-imex-channels"
#define MODE_USUAL 0666
#define ALL_MODES 07777
#define MODE_UNKNOWN 0600
#define TEMPORARY ".nvcoreos-node"

struct node {
	const char *dir; /* NULL: dev-root itself */
	char name[32];
	uint32_t major, minor;
	mode_t mode;
	uint32_t uid, gid;
};

struct maker {
	int dev;
	struct inventory_dir proc;
	const struct inventory *inv;
	struct arena arena;
	mode_t mode;
	uint32_t uid, gid;
	bool mend;
	struct load_nodes_done done;
	/* Where nodes are only looked at. */
	struct load_nodes *seen;
	struct arena *seen_arena;
	bool any_owner;
};

static bool has_owner_and_mode(const struct stat *st, const struct node *n)
{
	return (st->st_mode & ALL_MODES) == n->mode && st->st_uid == n->uid && st->st_gid == n->gid;
}

/* A symlink or anything else in its place is none, wherever it leads. fd (O_PATH), or -errno. */
static int open_right(int dirfd, const struct node *n, struct stat *st)
{
	cleanup_fd int fd = openat(dirfd, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(n->major, n->minor) ? take_fd(fd) : -ENODEV;
}

/* The very node that was looked at, whatever its name leads to by now. No mode is set on an O_PATH descriptor itself. */
static int mend(int fd, const struct node *n)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", n->uid, n->gid, AT_EMPTY_PATH) < 0 || chmod(path, n->mode) < 0)
		return -errno;
	return 0;
}

/* Made beside and renamed, so that nobody meets a node with a mode or owner that it will not keep. */
static int make_in(int dirfd, const struct node *n)
{
	int r = 0;

	if (unlinkat(dirfd, TEMPORARY, 0) < 0 && errno != ENOENT)
		return -errno;
	if (mknodat(dirfd, TEMPORARY, S_IFCHR, makedev(n->major, n->minor)) < 0)
		return -errno;
	if (fchownat(dirfd, TEMPORARY, n->uid, n->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
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

static const char *what_is_wrong(const struct maker *m, const char *name, const struct stat *st, const struct node *n)
{
	struct stat seen = *st;

	if (m->any_owner) {
		seen.st_uid = n->uid;
		seen.st_gid = n->gid;
	}
	if (!m->mend || has_owner_and_mode(&seen, n))
		return NULL;
	return arena_printf(m->seen_arena, "/dev/%s has mode %03o and owner %u:%u, and the driver says %03o and %u:%u",
			    name, st->st_mode & ALL_MODES, st->st_uid, st->st_gid, n->mode, n->uid, n->gid);
}

static void look_at_node(struct maker *m, const struct node *n)
{
	struct load_node seen = { .name = arena_printf(m->seen_arena, "%s%s%s", n->dir ? n->dir : "", n->dir ? "/" : "",
						       n->name) };
	struct err why = ERR_INIT;
	cleanup_fd int fd = inventory_open_node(m->dev, seen.name, n->major, n->minor, &why);
	struct stat st;

	seen.there = fd >= 0 && fstat(fd, &st) == 0;
	if (seen.there)
		seen.wrong = what_is_wrong(m, seen.name, &st, n);
	else
		seen.wrong = arena_printf(m->seen_arena, "/dev/%s is missing or wrong", seen.name);
	m->seen->v = arena_grow(m->seen_arena, m->seen->v, m->seen->n, sizeof(seen));
	m->seen->v[m->seen->n++] = seen;
}

static int make_or_mend(struct maker *m, int dir, const struct node *n)
{
	struct stat st = { 0 };
	cleanup_fd int fd = open_right(dir, n, &st);
	int r = 0;

	if (fd < 0) {
		r = make_in(dir, n);
		m->done.made += r == 0;
	} else if (m->mend && !has_owner_and_mode(&st, n)) {
		r = mend(fd, n);
		m->done.mended += r == 0;
	}
	return r;
}

static int make_node(struct maker *m, const struct node *n, struct err *err)
{
	cleanup_fd int dir = -EBADF;
	int r;

	if (m->seen) {
		look_at_node(m, n);
		return 0;
	}
	dir = open_subdir(m->dev, n->dir ? n->dir : ".");
	r = dir < 0 ? dir : make_or_mend(m, dir, n);
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
	struct node n = { .major = major, .minor = minor, .mode = m->mode, .uid = m->uid, .gid = m->gid };

	if (major == INVENTORY_NO_MAJOR)
		return 0;
	snprintf(n.name, sizeof(n.name), "%s", name);
	return make_node(m, &n, err);
}

static int make_gpus(struct maker *m, uint32_t major, struct err *err)
{
	int r = make(m, "nvidiactl", major, MINOR_CONTROL, err);

	for (size_t i = 0; r == 0 && i < m->inv->n_gpus; i++) {
		char name[32];

		snprintf(name, sizeof(name), "nvidia%u", m->inv->gpus[i].minor);
		r = make(m, name, major, m->inv->gpus[i].minor, err);
	}
	return r;
}

/* Their files tell no owner, and those of NVIDIA's own tools are root's, whoever has the GPUs. */
static int make_caps(struct maker *m, struct err *err)
{
	struct load_caps caps;
	int r = m->inv->major_caps == INVENTORY_NO_MAJOR ? -ENOENT : load_caps_read(&caps, &m->arena, m->proc.fd, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; r == 0 && i < caps.n; i++) {
		struct node n = {
			.dir = CAPS_DIR, .major = m->inv->major_caps, .minor = caps.v[i].minor, .mode = caps.v[i].mode
		};

		snprintf(n.name, sizeof(n.name), "nvidia-cap%u", n.minor);
		r = make_node(m, &n, err);
	}
	return r;
}

static int make_imex(struct maker *m, const struct config *conf, struct err *err)
{
	int r = 0;

	if (m->inv->major_imex == INVENTORY_NO_MAJOR)
		return 0;
	for (size_t i = 0; r == 0 && i < conf->n_imex_channels; i++) {
		struct node n = { .dir = IMEX_DIR,
				  .major = m->inv->major_imex,
				  .minor = conf->imex_channels[i],
				  .mode = m->mode,
				  .uid = m->uid,
				  .gid = m->gid };

		snprintf(n.name, sizeof(n.name), "channel%u", n.minor);
		r = make_node(m, &n, err);
	}
	return r;
}

/* A mode that is none must not become an open door: the driver meant to say something. */
static mode_t read_mode(const char *text, mode_t usual)
{
	uint32_t mode = usual;
	int r = inventory_text_number(text, "DeviceFileMode", 0777, &mode);

	if (r == 0 || r == -ENOENT)
		return mode;
	log_warning("DeviceFileMode of the driver is no mode: its nodes are root's alone");
	return MODE_UNKNOWN;
}

/* With the mode that the file in proc gives, if there is one. */
static int make_fabric_node(struct maker *m, const char *permissions, const char *name, uint32_t major, uint32_t minor,
			    struct err *err)
{
	const mode_t usual = m->mode;
	const char *text;
	int r = inventory_text_read(&m->proc, &m->arena, permissions, &text, err);

	if (r < 0)
		return r;
	if (text)
		m->mode = read_mode(text, usual);
	r = make(m, name, major, minor, err);
	m->mode = usual;
	return r;
}

/* No file tells the minors of switches: the driver counts them from 0. */
static int make_fabric(struct maker *m, struct err *err)
{
	static const char permissions[] = "driver/nvidia-nvswitch/permissions";
	const uint32_t major = m->inv->major_nvswitch;
	struct strlist switches;
	int r = inventory_text_list(&m->proc, &m->arena, "driver/nvidia-nvswitch/devices", &switches, err);

	/* The driver has that major on every machine. */
	if (r < 0 || !switches.n)
		return r;
	r = make_fabric_node(m, permissions, "nvidia-nvswitchctl", major, MINOR_NVSWITCH_CONTROL, err);
	for (size_t i = 0; r == 0 && i < switches.n && i < NVSWITCHES_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "nvidia-nvswitch%zu", i);
		r = make_fabric_node(m, permissions, name, major, (uint32_t)i, err);
	}
	if (r == 0)
		r = make_fabric_node(m, "driver/nvidia-nvlink/permissions", "nvidia-nvlink", m->inv->major_nvlink, 0,
				     err);
	return r;
}

/* Owner and mode as the administrator gave them to the module (NVreg_DeviceFileMode and its like). */
static void read_params(struct maker *m)
{
	const char *params = m->inv->proc_params;

	m->mode = MODE_USUAL;
	if (!params)
		return;
	m->mode = read_mode(params, MODE_USUAL);
	if (inventory_text_number(params, "DeviceFileUID", UINT32_MAX - 1, &m->uid) < 0)
		m->uid = 0;
	if (inventory_text_number(params, "DeviceFileGID", UINT32_MAX - 1, &m->gid) < 0)
		m->gid = 0;
}

static int make_all(struct maker *m, const struct config *conf, struct err *err)
{
	uint32_t major = m->inv->major != INVENTORY_NO_MAJOR ? m->inv->major : MAJOR;
	int r = make_gpus(m, major, err);

	if (r == 0)
		r = make(m, "nvidia-uvm", m->inv->major_uvm, 0, err);
	if (r == 0)
		r = make(m, "nvidia-uvm-tools", m->inv->major_uvm, 1, err);
	if (r == 0)
		r = make(m, "nvidia-modeset", major, MINOR_MODESET, err);
	if (r == 0)
		r = make_caps(m, err);
	if (r == 0)
		r = make_imex(m, conf, err);
	return r < 0 ? r : make_fabric(m, err);
}

int load_nodes_make(const struct hostroot *root, const struct config *conf, const struct inventory *inv, bool mend,
		    struct load_nodes_done *ret, struct err *err)
{
	struct maker m = { .dev = root->dev, .proc = { root->proc, "proc-root" }, .inv = inv, .arena = ARENA_INIT };
	int r;

	/* A driver that tells nothing must not open a node that somebody has closed. */
	m.mend = mend && inv->proc_params;
	read_params(&m);
	r = make_all(&m, conf, err);
	arena_free(&m.arena);
	*ret = m.done;
	return r;
}

int load_nodes_look(struct load_nodes *ret, struct arena *a, const struct hostroot *root, const struct config *conf,
		    const struct inventory *inv, struct err *err)
{
	struct maker m = { .dev = root->dev,
			   .proc = { root->proc, "proc-root" },
			   .inv = inv,
			   .arena = ARENA_INIT,
			   .mend = inv->proc_params,
			   .seen = ret,
			   .seen_arena = a,
			   .any_owner = !userns_is_first() };
	int r;

	*ret = (struct load_nodes){ 0 };
	read_params(&m);
	r = make_all(&m, conf, err);
	arena_free(&m.arena);
	return r;
}
