/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "apply/caps.h"
#include "apply/filter.h"
#include "apply/inside.h"
#include "apply/ldso.h"
#include "apply/made.h"
#include "apply/mnt.h"
#include "apply/procfs.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

enum source_kind { SOURCE_DIR, SOURCE_NODE, SOURCE_SHOWN, SOURCE_PROC };

/* A detached tree and where it goes. */
struct source {
	enum source_kind kind;
	int tree;
	int at;		    /* the target, once it is open */
	const char *target; /* path in the container; a node's name below /dev */
	dev_t rdev;
	mode_t mode;
	dev_t dev; /* what the tree shows, to know it again in the container */
	ino_t ino;
};

struct sources {
	struct source *v;
	size_t n;
	uint64_t contained[3]; /* mounts that were made slaves: what is mounted on them stays in the container */
	size_t n_contained;
	bool last;
};

static void sources_free(struct sources *s)
{
	for (size_t i = 0; !s->last && i < s->n; i++) {
		fd_close(s->v[i].tree);
		fd_close(s->v[i].at);
	}
	free(s->v);
}

/* The tree is src's from now on. */
static void add_source(struct sources *s, struct source src)
{
	src.at = -EBADF;
	s->v[s->n++] = src;
}

static int clone_dir(struct sources *s, const struct plan_mount *m, struct err *err)
{
	cleanup_fd int tree = mnt_clone(AT_FDCWD, m->source, MNT_FILES, m->source, err);
	struct stat st;

	if (tree == -ENOENT)
		return err_set(err, ERR_TREE, ENOENT, "%s", m->source);
	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ERR_TREE, ENOTDIR, "%s", m->source);
	add_source(s, (struct source){ .kind = SOURCE_DIR,
				       .tree = take_fd(tree),
				       .target = m->target,
				       .dev = st.st_dev,
				       .ino = st.st_ino });
	return 0;
}

/* A node below a directory is reached step by step; the others are where they are. */
static int clone_node(struct sources *s, int dev_root, const struct plan_node *n, struct err *err)
{
	const bool deep = strchr(n->name, '/');
	cleanup_fd int node = deep ? inventory_open_node(dev_root, n->name, n->major, n->minor, err) : -EBADF;
	cleanup_fd int tree = -EBADF;
	int r = 0;

	if (deep && node < 0)
		return node;
	tree = mnt_clone(deep ? node : dev_root, deep ? "" : n->name, MNT_NODE, n->name, err);
	if (tree == -ENOENT)
		return err_set(err, ERR_NODE, ENOENT, "/dev/%s", n->name);
	if (tree >= 0 && !deep)
		r = inventory_check_node(tree, n->name, n->major, n->minor, err);
	if (tree < 0 || r < 0)
		return tree < 0 ? tree : r;
	add_source(s, (struct source){ .kind = SOURCE_NODE,
				       .tree = take_fd(tree),
				       .target = n->name,
				       .rdev = makedev(n->major, n->minor) });
	return 0;
}

/* In a directory where others may write too (/tmp) anybody could have put it there. */
static bool is_anybodys(const char *path, const struct stat *st)
{
	cleanup_free char *parent = mem_strndup(path, (size_t)(path_base(path) - path));
	struct stat dir;

	return st->st_uid != 0 && (fstatat(AT_FDCWD, parent, &dir, 0) < 0 || (dir.st_mode & (S_IWGRP | S_IWOTH)));
}

/* A socket whose daemon does not run, or a file that the host does not have, is no reason to refuse a start. */
static int clone_shown(struct sources *s, const char *path, enum mnt_kind kind, struct err *err)
{
	cleanup_fd int fd = openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	mode_t type = kind == MNT_SOCKET ? S_IFSOCK : S_IFREG;
	struct stat st;
	int tree;

	if (fd < 0 || fstat(fd, &st) < 0 || ((st.st_mode & S_IFMT) != type && !S_ISDIR(st.st_mode))) {
		log_warning("%s is not there and left out", path);
		return 0;
	}
	if (is_anybodys(path, &st)) {
		log_warning("%s belongs to user %u and is left out", path, st.st_uid);
		return 0;
	}
	tree = mnt_clone(fd, "", kind, path, err);
	if (tree < 0)
		return tree;
	add_source(s, (struct source){ .kind = SOURCE_SHOWN,
				       .tree = tree,
				       .target = path,
				       .mode = st.st_mode,
				       .dev = st.st_dev,
				       .ino = st.st_ino });
	return 0;
}

static int clone_all(struct sources *s, const struct apply_input *in, struct err *err)
{
	const struct plan *p = in->plan;
	int r = 0;

	s->v = mem_zalloc((p->n_mounts + p->n_nodes + p->n_ipc + p->n_shown + 1) * sizeof(*s->v));
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
		r = clone_dir(s, &p->mounts[i], err);
	for (size_t i = 0; r == 0 && i < p->n_nodes; i++)
		r = clone_node(s, in->host->dev, &p->nodes[i], err);
	for (size_t i = 0; r == 0 && i < p->n_ipc; i++)
		r = clone_shown(s, p->ipc[i].path, MNT_SOCKET, err);
	for (size_t i = 0; r == 0 && i < p->n_shown; i++)
		r = clone_shown(s, p->shown[i].path, MNT_FILES, err);
	if (r == 0 && p->proc.wanted) {
		int tree = procfs_build(&p->proc, err);

		if (tree < 0)
			return tree;
		add_source(s, (struct source){ .kind = SOURCE_PROC, .tree = tree, .target = PLAN_PROC_DIR });
	}
	return r;
}

/* mount: fd's, 0 where nobody has asked. */
static int contain(struct sources *s, int fd, uint64_t mount, const char *path, struct err *err)
{
	int contained, r = 0;

	if (fd < 0)
		return 0;
	contained = mnt_contain(fd, err);
	if (contained <= 0)
		return contained;
	if (!mount)
		r = path_mount_id(fd, &mount);
	s->contained[s->n_contained++] = mount;
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "statx of %s", path) : 0;
}

/*
 * What is mounted here must not be seen on the host, even where the engine shares mounts (a volume with rshared
 * makes the whole root shared). The three mounts that we work on are made slaves; a target on any other one
 * that is shared is refused.
 */
static int contain_all(struct sources *s, const struct container *c, struct err *err)
{
	/* Not through a link: an image may have put one into a volume. */
	cleanup_fd int proc = path_open(c->rootfd, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW);
	int r = contain(s, c->rootfd, 0, "/", err);

	if (r == 0)
		r = contain(s, c->dev, c->dev_mount, "/dev", err);
	return r < 0 ? r : contain(s, proc, 0, "/proc", err);
}

static int refuse_shared(const struct sources *s, int proc_self, uint64_t own, const char *what, struct err *err)
{
	int r;

	for (size_t i = 0; i < s->n_contained; i++)
		if (s->contained[i] == own)
			return 0;
	r = mnt_is_shared(proc_self, own);
	if (r > 0) {
		err_set(err, ERR_FOREIGN_MOUNT, EPERM, "%s lies on a volume whose mounts are shared with the host",
			what);
		return err_hint(err, "mount that volume without rshared");
	}
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "mount of %s", what) : 0;
}

/* Nothing where the container's /proc has none; and a directory of that name elsewhere is not it. */
static int open_proc(const struct container *c, const char *path, struct path_facts *seen)
{
	cleanup_fd int fd = path_open(c->rootfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC || path_look(fd, "", seen) < 0)
		return -ENOENT;
	return take_fd(fd);
}

/* The target as an fd, and what it is; -ENOENT without an error where there is nothing to do. */
static int open_target(const struct apply_input *in, const struct source *s, struct path_facts *seen, struct err *err)
{
	const struct container *c = in->container;
	int fd = -EBADF, r;

	switch (s->kind) {
	case SOURCE_DIR:
		/* NVIDIA's images have a link here, to the directory of their version. */
		return inside_target_dir(c, s->target, str_eq(s->target, PLAN_CUDA_DIR), seen, err);
	case SOURCE_SHOWN:
		return inside_target_ipc(c, s->target, s->mode, seen, err);
	case SOURCE_NODE:
		r = inside_target_node(c, s->target, s->rdev, in->facts->dev_mount, &fd, seen, err);
		return r < 0 ? r : r == INSIDE_NODE_THERE ? -ENOENT : fd;
	case SOURCE_PROC:
	default:
		return open_proc(c, s->target, seen);
	}
}

/* Opens the target of one source, made where it is missing; none where there is nothing to do. */
static int find_place(const struct apply_input *in, const struct sources *all, struct source *s, struct err *err)
{
	cleanup_fd int target = -EBADF;
	struct path_facts f;
	int r;

	err->code = ERR_NONE;
	target = open_target(in, s, &f, err);
	if (target < 0)
		return err->code == ERR_NONE ? 0 : target;
	/* An earlier hook has mounted the very same thing there (prestart and createRuntime both configured). */
	if (s->kind != SOURCE_PROC && s->kind != SOURCE_NODE && f.dev == s->dev && f.ino == s->ino)
		return 0;
	r = refuse_shared(all, in->container->proc_self, f.mount, s->target, err);
	if (r == 0)
		s->at = take_fd(target);
	return r;
}

static int attach(struct sources *sources, struct err *err)
{
	int r = caps_raise(CAPS_MOUNT, err);

	for (size_t i = 0; r == 0 && i < sources->n; i++)
		if (sources->v[i].at >= 0)
			r = mnt_move(sources->v[i].tree, sources->v[i].at, sources->v[i].target, err);
	/* The next step begins by lowering them, for good. */
	return r;
}

static int write_loader_files(const struct apply_input *in, struct err *err)
{
	cleanup_free char *cache = NULL;
	const struct plan *p = in->plan;
	size_t len = 0;
	int r = container_own_begin(in->container, err);

	if (r < 0)
		return r;
	r = inside_links(in->container, p->links, p->n_links, err);
	for (size_t i = 0; r == 0 && i < p->n_files; i++)
		r = inside_write(in->container, p->files[i].path, p->files[i].content, strlen(p->files[i].content),
				 err);
	if (r == 0 && p->cache.wanted)
		r = ldso_read(in->container, &cache, &len, err);
	/* With no right it is taken apart. */
	container_own_end(in->container);
	if (r == 0 && p->cache.wanted)
		r = ldso_replace(in->container, p, cache, len, err);
	return r;
}

/* Conveniences: programs find the nodes by other ways too, and a start does not fail for them. */
static void make_dev_links(const struct apply_input *in)
{
	const struct plan *p = in->plan;

	for (size_t i = 0; !in->loader_only && i < p->n_dev_links; i++) {
		struct err err = ERR_INIT;

		if (inside_dev_link(in->container, p->dev_links[i].name, p->dev_links[i].target, in->facts->dev_mount,
				    &err) < 0)
			log_warning("/dev/%s is left out: %s", p->dev_links[i].name, err.what);
	}
}

/* held: in->container, whose /dev is let go when all that goes there has its place. */
static int attach_all(const struct apply_input *in, struct container *held, struct sources *sources, struct err *err)
{
	int r = caps_raise(CAPS_MOUNT, err);

	if (r == 0 && sources->n)
		r = contain_all(sources, in->container, err);
	/* These take the place of those. */
	if (r == 0)
		r = container_own_begin(in->container, err);
	if (r < 0)
		return r;
	/* All places before the first mount: on what is mounted, nothing could be taken back. */
	for (size_t i = 0; r == 0 && i < sources->n; i++)
		r = find_place(in, sources, &sources->v[i], err);
	if (r == 0)
		make_dev_links(in);
	container_own_end(in->container);
	fd_close(take_fd(held->dev));
	return r < 0 ? r : attach(sources, err);
}

/* Each step in the container's namespace begins by giving up what only the steps before it needed. */
static int change_container(const struct apply_input *in, struct container *held, struct sources *sources,
			    struct err *err)
{
	int r = caps_keep(CAPS_BIT(CAPS_MOUNT) | CAPS_BIT(CAPS_OWN) | CAPS_BIT(CAPS_WRITE), err);

	if (r == 0) {
		container_hold_dev(held);
		r = filter_enter(SECCOMP_INSIDE, err);
	}
	if (r == 0)
		r = attach_all(in, held, sources, err);
	if (r == 0)
		r = caps_keep(CAPS_BIT(CAPS_OWN) | CAPS_BIT(CAPS_WRITE), err);
	if (r == 0)
		r = filter_enter(SECCOMP_FILES, err);
	return r < 0 ? r : write_loader_files(in, err);
}

/* After a failure what was made is taken away again; a mount that stands keeps its place, and ends with the container. */
static void take_back(const struct container *c)
{
	struct err ignored = ERR_INIT;

	if (!c->made->n || container_own_begin(c, &ignored) < 0)
		return;
	made_undo(c->made);
	container_own_end(c);
}

int apply_plan(const struct apply_input *in, struct err *err)
{
	cleanup(sources_free) struct sources sources = { .last = in->last };
	cleanup(made_free) struct made made = MADE_INIT(in->container->rootfd);
	struct container c = *in->container;
	struct apply_input noting = *in;
	int r = caps_raise(CAPS_MOUNT, err);

	c.made = &made;
	noting.container = &c;
	if (r == 0 && !in->loader_only)
		r = clone_all(&sources, in, err);
	if (r == 0)
		r = container_join(in->container, err);
	if (r == 0)
		r = change_container(&noting, &c, &sources, err);
	if (r < 0)
		take_back(&c);
	fd_close(c.dev);
	return r;
}
