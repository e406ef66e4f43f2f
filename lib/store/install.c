/* SPDX-License-Identifier: Apache-2.0 */
#include "store/install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "host/osver.h"
#include "store/archive.h"
#include "store/build.h"
#include "store/digest.h"
#include "store/manifest.h"
#include "store/store.h"
#include "store/toolkit.h"
#include "store/tree.h"

struct source {
	const char *path, *base;
	int fd;
	char sha256[DIGEST_HEX];
	struct install_name name;
};

struct run {
	struct install_result *result;
	const struct config *conf;
	const char *root;
	struct source *sources;
	size_t n;
};

/* Cuts a suffix off s; whether it was there. */
static bool cut(char *s, const char *suffix)
{
	if (!str_ends(s, suffix))
		return false;
	s[strlen(s) - strlen(suffix)] = '\0';
	return true;
}

static bool parse_modules(char *s, struct install_name *ret)
{
	char *dash;

	ret->open = cut(s, "-open");
	dash = strrchr(s, '-');
	if (!dash || !str_is_version(dash + 1))
		return false;
	*dash = '\0';
	if (!str_is_name(s) || s[0] == '.')
		return false;
	memcpy(ret->version, dash + 1, strlen(dash + 1) + 1);
	memcpy(ret->os, s, strlen(s) + 1);
	return true;
}

bool install_parse_name(const char *name, struct install_name *ret)
{
	static const char *const prefixes[] = { "libraries-", "tools-", "modules-", "cuda-" };
	char s[192];
	unsigned kind = 0;

	*ret = (struct install_name){ .arch = "x86_64" };
	while (kind < ARRAY_SIZE(prefixes) && !str_starts(name, prefixes[kind]))
		kind++;
	if (kind == ARRAY_SIZE(prefixes) || strlen(name) >= sizeof(s))
		return false;
	ret->kind = (enum install_kind)kind;
	memcpy(s, name + strlen(prefixes[kind]), strlen(name) - strlen(prefixes[kind]) + 1);
	if (!cut(s, ".tar.bz2") && !cut(s, ".tar.xz") && !cut(s, ".tar.gz") && !cut(s, ".tar.zst"))
		return false;
	if (cut(s, "-arm64"))
		ret->arch = "aarch64";
	if (ret->kind == INSTALL_MODULES)
		return parse_modules(s, ret);
	if (!str_is_version(s))
		return false;
	memcpy(ret->version, s, strlen(s) + 1);
	return true;
}

static int open_source(struct run *run, int dirfd, const char *name, const char *path, struct err *err)
{
	struct arena *a = &run->result->arena;
	struct source *s;
	struct stat st;
	int r;

	run->sources = arena_grow(a, run->sources, run->n, sizeof(*run->sources));
	s = &run->sources[run->n++];
	*s = (struct source){ .path = arena_strdup(a, path), .base = arena_strdup(a, path_base(path)) };
	s->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_set(err, ERR_SOURCE, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SOURCE, 0, "%s: no regular file", path);
	if (!install_parse_name(s->base, &s->name)) {
		err_set(err, ERR_SOURCE, 0, "%s: no archive by its name", path);
		return err_hint(
			err,
			"archives are called libraries-<driver>, tools-<driver>, modules-<os-version>-<driver>[-open] or "
			"cuda-<version>, [-arm64], .tar.bz2, .tar.xz, .tar.gz or .tar.zst");
	}
	/* What is read later is this fd, so what is recorded is what was installed. */
	r = digest_fd(s->fd, s->sha256, NULL);
	return r < 0 ? err_set(err, ERR_SOURCE, -r, "%s", path) : 0;
}

static int open_directory(struct run *run, const char *path, struct err *err)
{
	int fd = fd_open_dir(path);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct install_name name;
	struct dirent *e;
	size_t before = run->n;
	int r = 0;

	if (!d) {
		fd_close(fd);
		return err_set(err, ERR_SOURCE, fd < 0 ? -fd : ENOMEM, "%s", path);
	}
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0) {
		cleanup_free char *full = mem_printf("%s/%s", path, e->d_name);

		if (install_parse_name(e->d_name, &name))
			r = open_source(run, fd, e->d_name, full, err);
	}
	if (r == 0 && errno)
		r = err_set(err, ERR_SOURCE, errno, "%s", path);
	closedir(d);
	return r == 0 && run->n == before ? err_set(err, ERR_SOURCE, 0, "%s: no archives in it", path) : r;
}

static int open_sources(struct run *run, char *const *sources, size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct stat st;

		if (stat(sources[i], &st) == 0 && S_ISDIR(st.st_mode))
			r = open_directory(run, sources[i], err);
		else
			r = open_source(run, AT_FDCWD, sources[i], sources[i], err);
	}
	return r;
}

static void add_result(struct run *run, const struct install_tree *tree, const struct strlist *ignored)
{
	struct install_result *ret = run->result;

	ret->trees = arena_grow(&ret->arena, ret->trees, ret->n_trees, sizeof(*ret->trees));
	ret->trees[ret->n_trees++] = *tree;
	for (size_t i = 0; i < ignored->n; i++) {
		const char *name = tree->cuda ? tree->cuda : tree->driver;

		strlist_add(&ret->arena, &ret->ignored, arena_printf(&ret->arena, "%s: %s", name, ignored->v[i]));
	}
}

/* One tree that is to be made. */
struct job {
	struct run *run;
	struct install_tree tree;
	const char *store, *path; /* of the tree */
};

/* Of a tree's names some are NULL, as it is a driver's or a toolkit's. */
static bool same(const char *a, const char *b)
{
	return a && b && str_eq(a, b);
}

static bool belongs(const struct job *j, const struct source *s)
{
	if (j->tree.cuda)
		return s->name.kind == INSTALL_CUDA && same(s->name.version, j->tree.cuda);
	if (s->name.kind == INSTALL_CUDA || !same(s->name.version, j->tree.driver))
		return false;
	return s->name.kind != INSTALL_MODULES || same(s->name.os, j->tree.os);
}

static bool is_recorded(const struct manifest *m, const char *sha256)
{
	for (size_t i = 0; i < m->n_sources; i++)
		if (m->sources[i].sha256 && str_eq(m->sources[i].sha256, sha256))
			return true;
	return false;
}

/* Whether the tree is there and was made of these very archives: then nothing has to be unpacked. */
static bool is_installed(const struct job *j)
{
	cleanup_manifest struct manifest m = { .arena = ARENA_INIT };

	if (manifest_load(&m, j->path, NULL) < 0)
		return false;
	for (size_t i = 0; i < j->run->n; i++)
		if (belongs(j, &j->run->sources[i]) && !is_recorded(&m, j->run->sources[i].sha256))
			return false;
	return true;
}

static int extract_file(struct build *b, struct archive_stream *s, const struct archive_stream_entry *e,
			struct build_file *f, struct err *err)
{
	char temp[BUILD_NAME_MAX], hex[DIGEST_HEX];
	cleanup_fd int fd = build_new_file(b, temp, err);
	int r;

	if (fd < 0)
		return fd;
	r = archive_stream_copy(s, fd, hex, err);
	if (r < 0)
		return r;
	f->temp = temp;
	f->fd = fd;
	f->size = e->size;
	f->sha256 = hex;
	return build_take(b, f, err);
}

/* Paths of a driver's archive are never used on disk: its files are told apart by their last component. */
static int extract_driver(struct build *b, const struct source *src, struct err *err)
{
	cleanup_archive_stream struct archive_stream *s = NULL;
	struct archive_stream_entry e;
	int r = archive_stream_open(&s, src->fd, src->base, err);

	while (r >= 0 && (r = archive_stream_next(s, &e, err)) > 0) {
		struct build_file f = { .name = path_base(e.path), .from_tools = src->name.kind == INSTALL_TOOLS };

		if (src->name.kind == INSTALL_MODULES)
			f.modules_dir = src->name.open ? "modules-open" : "modules";
		if (e.type == ARCHIVE_STREAM_DIR)
			continue;
		if (e.type != ARCHIVE_STREAM_FILE) {
			build_hint(b, f.name, path_base(e.target));
			continue;
		}
		if (!tree_is_file_name(f.name))
			r = err_set(err, ERR_ARCHIVE, 0, "%s: %s: no file name", src->base, e.path);
		else if ((r = extract_file(b, s, &e, &f, err)) < 0 && err && err->code == ERR_ARCHIVE &&
			 !str_starts(err->what, src->base))
			r = err_wrap(err, "%s", src->base);
	}
	return r;
}

/* An installed tree of the same driver; a damaged one is passed over. */
static int open_donor(struct job *j, struct build *b, struct manifest *donor, struct err *err)
{
	struct store s;
	int r = store_read(&s, j->run->conf, err);

	for (size_t i = s.n_drivers; r == 0 && !b->donor && i-- > 0;) {
		cleanup_free char *path = NULL;

		if (!same(s.drivers[i].driver, j->tree.driver))
			continue;
		path = mem_printf("%s/%s/%s", s.driver_path, s.drivers[i].driver, s.drivers[i].os);
		if (manifest_load(donor, path, NULL) < 0)
			continue;
		b->donor_dir = fd_open_dir(path);
		if (b->donor_dir >= 0)
			b->donor = donor;
		else
			manifest_free(donor);
	}
	store_free(&s);
	return r;
}

static int fill_driver(struct job *j, struct build *b, struct err *err)
{
	bool libraries = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->run->n; i++) {
		const struct source *s = &j->run->sources[i];

		if (!belongs(j, s))
			continue;
		if (b->manifest.arch && !same(b->manifest.arch, s->name.arch))
			return err_set(err, ERR_SOURCE, 0, "%s: for another machine than the rest", s->path);
		b->manifest.arch = s->name.arch;
		libraries |= s->name.kind == INSTALL_LIBRARIES;
		r = extract_driver(b, s, err);
		manifest_add_source(&b->manifest, s->base, s->sha256);
	}
	if (r < 0 || libraries)
		return r;
	if (!b->donor) {
		err_set(err, ERR_SOURCE, 0, "no archive libraries-%s, and no installed tree of that driver",
			j->tree.driver);
		return err_hint(err, "name the driver's libraries-%s archive too", j->tree.driver);
	}
	for (size_t i = 0; i < b->donor->n_sources; i++)
		if (!str_starts(b->donor->sources[i].name, "modules-"))
			manifest_add_source(&b->manifest, b->donor->sources[i].name, b->donor->sources[i].sha256);
	return build_take_donor(b, err);
}

static int make_driver(struct job *j, struct build *b, struct err *err)
{
	struct manifest donor = { .arena = ARENA_INIT };
	int r = open_donor(j, b, &donor, err);

	b->manifest.driver = arena_strdup(&b->manifest.arena, j->tree.driver);
	b->manifest.os = arena_strdup(&b->manifest.arena, j->tree.os);
	if (r == 0)
		r = fill_driver(j, b, err);
	if (r == 0)
		r = build_finish_driver(b, err);
	fd_close(take_fd(b->donor_dir));
	b->donor = NULL;
	manifest_free(&donor);
	return r;
}

static int make_cuda(struct job *j, struct build *b, struct err *err)
{
	int r = 0;

	b->manifest.is_cuda = true;
	b->manifest.cuda = arena_strdup(&b->manifest.arena, j->tree.cuda);
	for (size_t i = 0; r == 0 && i < j->run->n; i++) {
		const struct source *s = &j->run->sources[i];
		cleanup_archive_stream struct archive_stream *stream = NULL;

		if (!belongs(j, s))
			continue;
		if (b->manifest.n_sources)
			return err_set(err, ERR_SOURCE, 0, "%s: a second archive of that version", s->path);
		b->manifest.arch = s->name.arch;
		manifest_add_source(&b->manifest, s->base, s->sha256);
		r = archive_stream_open(&stream, s->fd, s->base, err);
		if (r == 0)
			r = toolkit_extract(b, stream, err);
		if (r < 0 && err && err->code == ERR_ARCHIVE && !str_starts(err->what, s->base))
			err_wrap(err, "%s", s->base);
	}
	return r < 0 ? r : toolkit_finish(b, err);
}

static int install_tree(struct run *run, const struct install_tree *tree, struct err *err)
{
	struct job j = { .run = run, .tree = *tree };
	cleanup_build struct build b = BUILD_INIT;
	const char *parent = tree->cuda ? NULL : tree->driver, *name = tree->cuda ? tree->cuda : tree->os;
	int r = 0;

	j.store = tree->cuda ? run->conf->cuda_store : run->conf->driver_store;
	j.path = arena_printf(&run->result->arena, "%s/%s%s%s", j.store, parent ? parent : "", parent ? "/" : "", name);
	j.tree.already = is_installed(&j);
	if (j.tree.already) {
		r = build_settle(j.store, parent, err);
	} else {
		r = build_begin(&b, j.store, err);
		if (r == 0)
			r = tree->cuda ? make_cuda(&j, &b, err) : make_driver(&j, &b, err);
		if (r == 0)
			r = build_publish(&b, parent, name, &j.tree.already, err);
	}
	if (r == 0)
		add_result(run, &j.tree, &b.ignored);
	return r;
}

/* Whether an earlier source leads to the same tree. */
static bool is_done(const struct run *run, const struct install_tree *t)
{
	for (size_t i = 0; i < run->result->n_trees; i++) {
		const struct install_tree *d = &run->result->trees[i];

		if (t->cuda ? same(d->cuda, t->cuda) : same(d->driver, t->driver) && same(d->os, t->os))
			return true;
	}
	return false;
}

static bool has_modules(const struct run *run, const char *driver)
{
	for (size_t i = 0; i < run->n; i++)
		if (run->sources[i].name.kind == INSTALL_MODULES && same(run->sources[i].name.version, driver))
			return true;
	return false;
}

/* The tree that a source leads to; false where another source of its driver says the OS version. */
static int tree_of(const struct run *run, const struct source *s, struct install_tree *ret, struct err *err)
{
	struct arena *a = &run->result->arena;
	int r;

	*ret = (struct install_tree){ 0 };
	if (s->name.kind == INSTALL_CUDA) {
		ret->cuda = arena_strdup(a, s->name.version);
		return 1;
	}
	ret->driver = arena_strdup(a, s->name.version);
	ret->os = arena_strdup(a, s->name.os);
	if (s->name.kind == INSTALL_MODULES)
		return 1;
	if (has_modules(run, s->name.version))
		return 0;
	r = osver_read(a, run->root, NULL, &ret->os, err);
	return r < 0 ? r : 1;
}

int install_run(struct install_result *ret, const struct config *conf, const char *root, char *const *sources, size_t n,
		struct err *err)
{
	struct run run = { .result = ret, .conf = conf, .root = root };
	struct install_tree tree;
	int r;

	*ret = (struct install_result){ .arena = ARENA_INIT };
	r = open_sources(&run, sources, n, err);
	for (size_t i = 0; r >= 0 && i < run.n; i++) {
		r = tree_of(&run, &run.sources[i], &tree, err);
		if (r > 0 && !is_done(&run, &tree))
			r = install_tree(&run, &tree, err);
	}
	for (size_t i = 0; i < run.n; i++)
		fd_close(run.sources[i].fd);
	return r < 0 ? r : 0;
}

void install_free(struct install_result *r)
{
	arena_free(&r->arena);
	*r = (struct install_result){ .arena = ARENA_INIT };
}
