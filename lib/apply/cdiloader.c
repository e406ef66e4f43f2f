/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cdiloader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/caps.h"
#include "apply/inside.h"
#include "apply/ldcache.h"
#include "apply/ldso.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

#define CONF_MAX 65536
#define SEARCHED_MAX 256 /* directories that a cache names: real ones name a dozen */

/* A file of ours from an earlier start, in lines; none where there is none. What it says is the container's word. */
static bool read_lines(const struct container *c, const char *path, struct arena *a, struct strlist *ret)
{
	struct stat st;
	cleanup_fd int fd = inside_open(c, path, O_NOFOLLOW, &st);
	cleanup_free char *text = NULL;
	size_t len;

	if (fd < 0 || fd_read_all(fd, CONF_MAX, &text, &len) < 0)
		return false;
	strlist_split(a, ret, text, "\n", false);
	return true;
}

/* Whether what a line of ours says may be taken for a directory. */
static bool is_folder(const char *line)
{
	char norm[PATH_MAX];

	return path_normalize(line, norm, sizeof(norm)) == 0 && str_eq(norm, line);
}

static int look_at_compat(struct cdiloader *l, const struct container *c, struct err *err)
{
	struct arena *a = &l->compat.arena;
	struct strlist lines = { NULL, 0 };
	int r = 0;

	if (!read_lines(c, CDILOADER_COMPAT_FILE, a, &lines))
		return 0;
	for (size_t i = 0; r == 0 && i < lines.n; i++)
		if (is_folder(lines.v[i]))
			r = cdilibs_add(&l->compat, c, lines.v[i], true, err);
	return r;
}

static bool stat_dir(const struct container *c, const char *path, struct stat *ret)
{
	cleanup_fd int fd = path_open(c->rootfd, path, O_PATH | O_DIRECTORY);

	return fd >= 0 && fstat(fd, ret) == 0;
}

/* The directories of the container's own cache: those that its loader searches and has found something in. */
static int find_searched(const struct container *c, struct arena *a, struct strlist *ret, struct err *err)
{
	cleanup_free char *text = NULL;
	struct ldcache cache = { 0 };
	size_t len = 0;
	int r = ldso_read(c, &text, &len, err);

	if (r < 0)
		return r;
	ldcache_parse(&cache, text, text ? len : 0);
	for (size_t i = 0; i < cache.n_entries && ret->n < SEARCHED_MAX; i++) {
		char dir[PATH_MAX];

		if (path_parent(cache.entries[i]->path, dir, sizeof(dir)) == 0 && !strlist_has(ret, dir))
			strlist_add(a, ret, dir);
	}
	ldcache_free(&cache);
	return 0;
}

/* By what the names lead to: where /lib is a link, a cache says /lib and a folder /usr/lib. */
static bool is_searched(const struct container *c, const struct strlist *searched, const char *folder)
{
	struct stat own, other;

	if (!stat_dir(c, folder, &own))
		return false;
	for (size_t i = 0; i < searched->n; i++)
		if (stat_dir(c, searched->v[i], &other) && own.st_dev == other.st_dev && own.st_ino == other.st_ino)
			return true;
	return false;
}

int cdiloader_look(struct cdiloader *ret, const struct container *c, const struct strlist *folders, struct err *err)
{
	struct arena *a = &ret->libs.arena;
	struct strlist before = { NULL, 0 }, searched = { NULL, 0 };
	int r;

	*ret = (struct cdiloader){ .had_file = false };
	ret->had_file = read_lines(c, CDILOADER_FILE, a, &before);
	r = find_searched(c, a, &searched, err);
	if (r == 0)
		r = caps_raise(CAPS_READ, err);
	if (r == 0)
		r = look_at_compat(ret, c, err);
	for (size_t i = 0; r == 0 && i < folders->n; i++) {
		const char *folder = folders->v[i];

		r = cdilibs_add(&ret->libs, c, folder, false, err);
		if (!strlist_has(&ret->added, folder) &&
		    (strlist_has(&before, folder) || !is_searched(c, &searched, folder)))
			strlist_add(a, &ret->added, folder);
	}
	return r < 0 ? r : caps_lower(err);
}

void cdiloader_free(struct cdiloader *l)
{
	cdilibs_free(&l->libs);
	cdilibs_free(&l->compat);
}

/* What has no place of the container's own is left out, and all of a root that is read-only, as crun has made it by now; else r. */
static int left_out(int r, const char *path, struct err *err)
{
	const bool read_only = r == -EROFS && err->code == ERR_WRITE;

	if (r >= 0 || (!read_only && err->code != ERR_FOREIGN_MOUNT && err->code != ERR_TARGET))
		return r;
	log_warning("%s is left out: %s", path,
		    read_only ? "the root is read-only" : "a volume or something of the image's is in its way");
	err->code = ERR_NONE;
	return 0;
}

static int put(const struct container *c, const char *path, const char *text, struct err *err)
{
	return left_out(inside_write(c, path, text, strlen(text), err), path, err);
}

/* For an image that has an ldconfig and nothing that would make it read our file. */
static int put_top(const struct container *c, const struct rootfacts *facts, struct err *err)
{
	return facts->lacks_conf ? put(c, ROOTFACTS_CONF, PLAN_CONF_INCLUDE "\n", err) : 0;
}

static int put_file(const struct cdiloader *l, const struct container *c, const struct rootfacts *facts,
		    struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int r;

	if (!l->added.n && !l->had_file)
		return 0;
	strbuf_puts(&text, PLAN_CONF_HEAD);
	for (size_t i = 0; i < l->added.n; i++)
		strbuf_printf(&text, "%s\n", l->added.v[i]);
	r = put(c, CDILOADER_FILE, text.buf, err);
	return r < 0 ? r : put_top(c, facts, err);
}

static void add_entries(struct arena *a, struct plan_cache *cache, const struct cdilibs *libs)
{
	for (size_t i = 0; i < libs->n; i++)
		cache->first[cache->n_first++] = (struct plan_cache_library){
			.soname = libs->v[i].soname,
			.path = arena_printf(a, "%s/%s", libs->v[i].folder, libs->v[i].name),
			.class = libs->v[i].class,
			.machine = libs->v[i].machine,
		};
}

static int put_cache(const struct cdiloader *l, const struct container *c, const struct rootfacts *facts,
		     struct err *err)
{
	struct plan p = { .cache = { .wanted = true } };
	int r;

	if (rootfacts_get(facts, ROOTFACTS_CACHE)->kind == ROOTFACTS_DIR) {
		log_warning("%s is left out: it is a directory", ROOTFACTS_CACHE);
		return 0;
	}
	if (!l->libs.n && !l->compat.n)
		return 0;
	p.cache.first = arena_alloc(&p.arena, (l->libs.n + l->compat.n) * sizeof(*p.cache.first));
	add_entries(&p.arena, &p.cache, &l->compat);
	add_entries(&p.arena, &p.cache, &l->libs);
	r = left_out(ldso_update(c, &p, err), ROOTFACTS_CACHE, err);
	plan_free(&p);
	return r;
}

/* Only where nothing is found by that name: what leads elsewhere is the image's, or was asked for by a link of its own. */
static int link_soname(const struct container *c, const struct cdilibs_lib *lib, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", lib->folder, lib->soname);
	cleanup_fd int there = path_open(c->rootfd, path, O_PATH);

	if (there != -ENOENT)
		return 0;
	return left_out(inside_link(c, path, lib->name, err), path, err);
}

int cdiloader_update(const struct cdiloader *l, const struct container *c, const struct rootfacts *facts,
		     struct err *err)
{
	int r = 0;

	if (facts->libc != ROOTFACTS_GLIBC) {
		log_info("the image has no glibc: no loader files are written");
		return 0;
	}
	for (size_t i = 0; r == 0 && i < l->libs.n; i++)
		r = link_soname(c, &l->libs.v[i], err);
	if (r == 0)
		r = put_file(l, c, facts, err);
	return r < 0 ? r : put_cache(l, c, facts, err);
}

int cdiloader_find_compat(struct cdilibs *l, const struct container *c, const char *dir, const char **ret,
			  struct err *err)
{
	int r = caps_raise(CAPS_READ, err);

	*ret = NULL;
	if (r == 0)
		r = cdilibs_add(l, c, dir, true, err);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const char *version = str_after(l->v[i].name, "libcuda.so.");

		/* One number is the SONAME's. */
		if (version && str_is_version(version) && strchr(version, '.') &&
		    (!*ret || str_version_cmp(version, *ret) > 0))
			*ret = version;
	}
	return r < 0 ? r : caps_lower(err);
}

int cdiloader_name_compat(const struct container *c, const struct rootfacts *facts, const char *dir, struct err *err)
{
	cleanup_free char *text = mem_printf("%s%s%s", PLAN_CONF_HEAD, dir ? dir : "", dir ? "\n" : "");
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist lines = { NULL, 0 };
	int r;

	if (facts->libc != ROOTFACTS_GLIBC || (!dir && !read_lines(c, CDILOADER_COMPAT_FILE, &a, &lines)))
		return 0;
	r = put(c, CDILOADER_COMPAT_FILE, text, err);
	return r < 0 ? r : put_top(c, facts, err);
}
