/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cdilibs.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "apply/ldcache.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/statx.h"
#include "base/str.h"
#include "host/elf.h"

struct search {
	struct cdilibs *l;
	const char *folder; /* in the arena */
	int dir, proc_self;
	uint64_t root; /* the mount of the container's root */
	bool own;
};

/* What ldconfig looks at. */
static bool is_library_name(const char *name)
{
	return (str_starts(name, "lib") || str_starts(name, "ld-")) && strstr(name, ".so");
}

/* Told without opening it: links lead to files that are looked at themselves. */
static bool is_wanted(const struct search *s, const char *name)
{
	struct statx sx;

	if (statx(s->dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID, &sx) < 0)
		return false;
	return S_ISREG(sx.stx_mode) && (s->own || ((sx.stx_mask & STATX_MNT_ID) && sx.stx_mnt_id != s->root));
}

/* 0, or a reason why it is no library for the loader's cache. */
static int read_facts(const struct search *s, const char *name, struct elf_facts *ret)
{
	cleanup_fd int seen = path_open(s->dir, name, O_PATH | O_NOFOLLOW), fd = -EBADF;
	struct stat st;
	int r;

	if (seen < 0)
		return seen;
	/* A volume's owner may have exchanged it meanwhile. */
	fd = path_reopen(s->proc_self, seen, &st);
	if (fd < 0)
		return fd;
	r = elf_read(fd, ret);
	if (r == 0 && (ret->type != ET_DYN || ret->executable || !ldcache_flags(ret->class, ret->machine)))
		r = -ENOEXEC;
	return r;
}

static void look_at(const struct search *s, const char *name)
{
	struct cdilibs *l = s->l;
	struct elf_facts facts;
	int r;

	if (!is_library_name(name) || !is_wanted(s, name))
		return;
	r = read_facts(s, name, &facts);
	if (r < 0 && r != -ENOEXEC)
		log_warning("%s/%s is left out of the loader's cache: %s", s->folder, name, strerror(-r));
	if (r < 0)
		return;
	l->v = arena_grow(&l->arena, l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = (struct cdilibs_lib){ .folder = s->folder,
					     .name = arena_strdup(&l->arena, name),
					     .soname = arena_strdup(&l->arena, facts.soname[0] ? facts.soname : name),
					     .class = facts.class,
					     .machine = facts.machine };
}

/* A directory has no order. Of our own, as names' numbers may wrap: no order that qsort may rely on. */
static void sort_from(struct cdilibs *l, size_t first)
{
	for (size_t i = first; i < l->n; i++) {
		struct cdilibs_lib lib = l->v[i];
		size_t k = i;

		for (; k > first && ldcache_compare_names(l->v[k - 1].name, lib.name) < 0; k--)
			l->v[k] = l->v[k - 1];
		l->v[k] = lib;
	}
}

/* Takes dir over. */
static void read_names(struct search *s, DIR *dir)
{
	size_t first = s->l->n, left = CDILIBS_NAMES;
	struct dirent *e;

	s->dir = dirfd(dir);
	while (left && s->l->n < CDILIBS_MAX && (e = readdir(dir))) {
		left--;
		look_at(s, e->d_name);
	}
	if (!left || s->l->n == CDILIBS_MAX)
		log_warning("%s in the container has very many files, some were not looked at", s->folder);
	closedir(dir);
	sort_from(s->l, first);
}

int cdilibs_add(struct cdilibs *l, const struct container *c, const char *folder, bool own, struct err *err)
{
	cleanup_fd int fd = path_open(c->rootfd, folder, O_RDONLY | O_DIRECTORY);
	struct search s = { .l = l, .proc_self = c->proc_self, .own = own };
	DIR *dir;
	int r;

	if (fd == -ENOSYS)
		return err_set(err, ERR_KERNEL, ENOSYS, "openat2");
	if (fd < 0) {
		log_debug("%s in the container: %s", folder, strerror(-fd));
		return 0;
	}
	r = path_mount_id(c->rootfd, &s.root);
	if (r < 0)
		return err_set(err, ERR_KERNEL, -r, "statx of the container's root");
	dir = fdopendir(fd);
	if (!dir)
		return err_set(err, ERR_ROOTFS, errno, "%s", folder);
	/* The directory's by now. */
	(void)take_fd(fd);
	s.folder = arena_strdup(&l->arena, folder);
	read_names(&s, dir);
	return 0;
}

void cdilibs_free(struct cdilibs *l)
{
	arena_free(&l->arena);
	*l = (struct cdilibs){ .n = 0 };
}
