/* SPDX-License-Identifier: Apache-2.0 */
#include "store/install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "host/buildid.h"
#include "host/osver.h"
#include "store/archive.h"
#include "store/build.h"
#include "store/label.h"
#include "store/manifest.h"
#include "store/measure.h"
#include "store/source.h"
#include "store/store.h"
#include "store/toolkit.h"
#include "store/tree.h"
#include "store/verify.h"

struct run {
	struct install_result *result;
	const struct install_options *o;
	struct sources sources;
	struct job *jobs;
	size_t n_jobs;
	uint64_t done, total; /* bytes of the sources of all trees */
};

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
	const char *store, *path;  /* of the tree */
	const char *parent, *name; /* in the store; a toolkit has no parent */
};

/* Of a tree's names some are NULL, as it is a driver's or a toolkit's. */
static bool same(const char *a, const char *b)
{
	return a && b && str_eq(a, b);
}

static bool belongs(const struct job *j, const struct source *s)
{
	if (j->tree.cuda)
		return s->name.kind == SOURCE_CUDA && same(s->name.version, j->tree.cuda);
	if (s->name.kind == SOURCE_CUDA || !same(s->name.version, j->tree.driver))
		return false;
	return s->name.kind != SOURCE_MODULES || same(s->name.os, j->tree.os);
}

static bool is_recorded(const struct manifest *m, const char *sha256)
{
	for (size_t i = 0; i < m->n_sources; i++)
		if (m->sources[i].sha256 && str_eq(m->sources[i].sha256, sha256))
			return true;
	return false;
}

/* Whether the tree is there, whole, and was made of these very archives: then nothing has to be unpacked. */
static bool is_installed(const struct job *j)
{
	cleanup_manifest struct manifest m = { .arena = ARENA_INIT };

	if (store_check_place(j->store, j->parent, j->name, NULL) < 0 || manifest_load(&m, j->path, NULL) < 0)
		return false;
	/* A directory has no digest: what it holds is compared. */
	for (size_t i = 0; i < j->run->sources.n; i++)
		if (belongs(j, &j->run->sources.v[i]) && !is_recorded(&m, j->run->sources.v[i].sha256))
			return false;
	return verify_is_whole(j->path);
}

static struct archive_source archive_of(const struct source *s)
{
	return (struct archive_source){ s->path, s->fd, s->offset, s->name.compression, false };
}

/* Of a .run's files: neither sources and documents, nor its own installer. */
static bool is_of_run(const char *path)
{
	static const char *const dirs[] = { "32/tls/", "32/", "tls/", "firmware/" };
	static const char *const tools[] = { "nvidia-installer", "nvidia-uninstall", "mkprecompiled" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (str_starts(path, dirs[i])) {
			path += strlen(dirs[i]);
			break;
		}
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		if (str_eq(path, tools[i]))
			return false;
	return !strchr(path, '/');
}

/* A file in the staging directory that is not yet in its place. */
struct unpacked {
	char name[256], temp[BUILD_NAME_MAX], hex[DIGEST_HEX];
	char path[512]; /* in its source, for messages */
	int fd;
	uint64_t size;
};

static int unpack(struct build *b, struct archive_stream *s, const struct archive_stream_entry *e, struct unpacked *u,
		  struct err *err)
{
	snprintf(u->name, sizeof(u->name), "%s", path_base(e->path));
	snprintf(u->path, sizeof(u->path), "%.511s", e->path);
	u->size = e->size;
	u->fd = build_new_file(b, u->temp, err);
	return u->fd < 0 ? u->fd : archive_stream_copy(s, u->fd, u->hex, err);
}

static int take(struct build *b, const struct source *src, const struct unpacked *u, bool yields, struct err *err)
{
	struct build_file f = { .name = u->name, .temp = u->temp, .fd = u->fd, .size = u->size, .sha256 = u->hex };

	f.shown = u->path;
	f.from_tools = src->name.kind == SOURCE_TOOLS;
	f.yields = yields;
	if (src->name.kind == SOURCE_MODULES)
		f.modules_dir = src->name.open ? "modules-open" : "modules";
	return build_take(b, &f, err);
}

/*
 * Drivers before 410 bring libnvidia-tls twice: for threads of before 2003, and below tls/ for those of today. The first is
 * held back until it is known whether there is the second.
 */
static bool is_old_tls(const struct source *src, const char *path)
{
	return src->name.kind == SOURCE_RUN && str_starts(path_base(path), "libnvidia-tls.so.") &&
	       !strstr(path, "tls/");
}

struct held {
	struct unpacked v[2]; /* for 64 and 32 bits */
	size_t n;
};

static int take_driver_file(struct build *b, const struct source *src, struct archive_stream *s,
			    const struct archive_stream_entry *e, struct held *held, struct err *err)
{
	struct unpacked u = { .fd = -EBADF };
	int r;

	if (!tree_is_file_name(path_base(e->path)))
		return err_set(err, ERR_ARCHIVE, 0, "%s: %s: no file name", src->path, e->path);
	r = unpack(b, s, e, &u, err);
	if (r == 0 && is_old_tls(src, e->path) && held->n < ARRAY_SIZE(held->v)) {
		held->v[held->n++] = u;
		return 0;
	}
	if (r == 0)
		r = take(b, src, &u, false, err);
	fd_close(u.fd);
	if (r < 0 && err && err->code == ERR_ARCHIVE && !str_starts(err->what, src->path))
		err_wrap(err, "%s", src->path);
	return r;
}

static int take_held(struct build *b, const struct source *src, struct held *held, int r, struct err *err)
{
	for (size_t i = 0; i < held->n; i++) {
		if (r == 0)
			r = take(b, src, &held->v[i], true, err);
		fd_close(held->v[i].fd);
	}
	return r;
}

struct step {
	struct run *run;
	const struct source *src;
};

static void report(void *data, uint64_t n)
{
	const struct step *step = data;
	const struct run *run = step->run;
	const struct install_progress p = { step->src->base, run->done + n, run->total };

	run->o->progress(run->o->data, &p);
}

static int open_stream(struct step *step, struct archive_stream **ret, struct err *err)
{
	const struct archive_source from = archive_of(step->src);
	int r = archive_stream_open(ret, &from, err);

	if (r == 0 && step->run->o->progress) {
		report(step, 0);
		archive_stream_watch(*ret, report, step);
	}
	return r;
}

/* A driver's files are told apart by their last component: its archives are flat or not, as their maker liked. */
static int extract_driver(struct run *run, struct build *b, const struct source *src, struct err *err)
{
	cleanup_archive_stream struct archive_stream *s = NULL;
	struct step step = { run, src };
	struct archive_stream_entry e;
	size_t ignored = b->ignored.n;
	struct held held = { .n = 0 };
	int r = open_stream(&step, &s, err);

	while (r >= 0 && (r = archive_stream_next(s, &e, err)) > 0) {
		if (e.type == ARCHIVE_STREAM_DIR || (src->name.kind == SOURCE_RUN && !is_of_run(e.path)))
			continue;
		if (e.type == ARCHIVE_STREAM_FILE)
			r = take_driver_file(b, src, s, &e, &held, err);
		else
			build_hint(b, path_base(e.path), path_base(e.target));
	}
	r = take_held(b, src, &held, r, err);
	/* What else a .run holds is known, and nobody misses it. */
	if (src->name.kind == SOURCE_RUN)
		b->ignored.n = ignored;
	run->done += src->size;
	return r;
}

/* An installed tree of the same driver; a damaged one is passed over. */
static int open_donor(struct job *j, struct build *b, struct manifest *donor, struct err *err)
{
	struct store s;
	int r = store_read(&s, j->run->o->conf, err);

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

	for (size_t i = 0; r == 0 && i < j->run->sources.n; i++) {
		const struct source *s = &j->run->sources.v[i];

		if (!belongs(j, s))
			continue;
		if (b->manifest.arch && !same(b->manifest.arch, s->name.arch))
			return err_set(err, ERR_SOURCE, 0, "%s: for another machine than the rest", s->path);
		b->manifest.arch = s->name.arch;
		libraries |= s->name.kind == SOURCE_LIBRARIES || s->name.kind == SOURCE_RUN;
		r = extract_driver(j->run, b, s, err);
		manifest_add_source(&b->manifest, s->base, s->sha256[0] ? s->sha256 : NULL);
	}
	if (r < 0 || libraries)
		return r;
	if (!b->donor) {
		err_set(err, ERR_SOURCE, 0, "no archive libraries-%s, and no installed tree of that driver",
			j->tree.driver);
		return err_hint(err, "name the driver's libraries-%s archive, or its .run file, too", j->tree.driver);
	}
	for (size_t i = 0; i < b->donor->n_sources; i++)
		if (!str_starts(b->donor->sources[i].name, "modules-"))
			manifest_add_source(&b->manifest, b->donor->sources[i].name, b->donor->sources[i].sha256);
	return build_take_donor(b, err);
}

/* The kernel that the modules are for can be known while it runs. */
static void add_build_id(const struct job *j, struct manifest *m)
{
	const struct install_options *o = j->run->o;
	char hex[BUILDID_HEX];
	const char *os;

	if (m->n_modules && osver_read(&m->arena, o->root, NULL, &os, NULL) == 0 && str_eq(os, j->tree.os) &&
	    buildid_read(o->conf->sys_root, hex))
		m->build_id = arena_strdup(&m->arena, hex);
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
		r = build_take_rest(b, j->path, err);
	if (r == 0) {
		add_build_id(j, &b->manifest);
		r = build_finish_driver(b, err);
	}
	fd_close(take_fd(b->donor_dir));
	b->donor = NULL;
	manifest_free(&donor);
	return r;
}

static int extract_cuda(struct run *run, struct build *b, const struct source *src, struct err *err)
{
	cleanup_archive_stream struct archive_stream *stream = NULL;
	struct step step = { run, src };
	int r = open_stream(&step, &stream, err);

	if (r == 0)
		r = toolkit_extract(b, stream, err);
	run->done += src->size;
	if (r < 0 && err && err->code == ERR_ARCHIVE && !str_starts(err->what, src->path))
		err_wrap(err, "%s", src->path);
	return r;
}

static int make_cuda(struct job *j, struct build *b, struct err *err)
{
	int r = 0;

	b->manifest.is_cuda = true;
	b->manifest.cuda = arena_strdup(&b->manifest.arena, j->tree.cuda);
	for (size_t i = 0; r == 0 && i < j->run->sources.n; i++) {
		const struct source *s = &j->run->sources.v[i];

		if (!belongs(j, s))
			continue;
		if (b->manifest.n_sources)
			return err_set(err, ERR_SOURCE, 0, "%s: a second archive of that version", s->path);
		b->manifest.arch = s->name.arch;
		manifest_add_source(&b->manifest, s->base, s->sha256[0] ? s->sha256 : NULL);
		r = extract_cuda(j->run, b, s, err);
	}
	return r < 0 ? r : toolkit_finish(b, err);
}

static bool has_modules(const struct run *run, const char *driver)
{
	for (size_t i = 0; i < run->sources.n; i++)
		if (run->sources.v[i].name.kind == SOURCE_MODULES && same(run->sources.v[i].name.version, driver))
			return true;
	return false;
}

/* The tree that a source leads to; false where another source of its driver says the OS version. */
static int tree_of(const struct run *run, const struct source *s, struct install_tree *ret, struct err *err)
{
	struct arena *a = &run->result->arena;
	int r;

	*ret = (struct install_tree){ 0 };
	if (s->name.kind == SOURCE_CUDA) {
		ret->cuda = arena_strdup(a, s->name.version);
		return 1;
	}
	ret->driver = arena_strdup(a, s->name.version);
	ret->os = arena_strdup(a, s->name.os);
	if (s->name.kind == SOURCE_MODULES)
		return 1;
	if (has_modules(run, s->name.version))
		return 0;
	r = osver_read(a, run->o->root, NULL, &ret->os, err);
	return r < 0 ? r : 1;
}

/* Whether an earlier source leads to the same tree. */
static bool has_job(const struct run *run, const struct install_tree *t)
{
	for (size_t i = 0; i < run->n_jobs; i++) {
		const struct install_tree *d = &run->jobs[i].tree;

		if (t->cuda ? same(d->cuda, t->cuda) : same(d->driver, t->driver) && same(d->os, t->os))
			return true;
	}
	return false;
}

static void add_job(struct run *run, const struct install_tree *tree)
{
	struct arena *a = &run->result->arena;
	const char *parent = tree->cuda ? NULL : tree->driver, *name = tree->cuda ? tree->cuda : tree->os;
	struct job *j;

	run->jobs = arena_grow(a, run->jobs, run->n_jobs, sizeof(*run->jobs));
	j = &run->jobs[run->n_jobs++];
	*j = (struct job){ .run = run, .tree = *tree, .parent = parent, .name = name };
	j->store = tree->cuda ? run->o->conf->cuda_store : run->o->conf->driver_store;
	j->path = arena_printf(a, "%s/%s%s%s", j->store, parent ? parent : "", parent ? "/" : "", name);
	j->tree.already = is_installed(j);
}

static int find_jobs(struct run *run, struct err *err)
{
	struct install_tree tree;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < run->sources.n; i++) {
		r = tree_of(run, &run->sources.v[i], &tree, err);
		if (r > 0 && !has_job(run, &tree))
			add_job(run, &tree);
	}
	return r < 0 ? r : 0;
}

/*
 * Each source once, as what it unpacks to, since the trees of a driver share its files; but while the second one is made, its
 * own copy is there too.
 */
static int check_room(struct run *run, struct err *err)
{
	struct measure_room rooms[] = { { .dir = run->o->conf->driver_store }, { .dir = run->o->conf->cuda_store } };

	for (size_t i = 0; i < run->sources.n; i++) {
		const struct source *s = &run->sources.v[i];
		unsigned times = 0;

		for (size_t k = 0; k < run->n_jobs; k++)
			times += !run->jobs[k].tree.already && belongs(&run->jobs[k], s);
		rooms[s->name.kind == SOURCE_CUDA].bytes += s->unpacked * (times > 1 ? 2 : times);
		run->total += s->size * times;
	}
	return measure_check(rooms, ARRAY_SIZE(rooms), err);
}

static int do_job(struct job *j, struct err *err)
{
	cleanup_build struct build b = BUILD_INIT;
	int r;

	if (j->tree.already) {
		r = build_settle(j->store, j->parent, err);
	} else {
		r = build_begin(&b, j->store, err);
		b.guard = j->run->o->guard;
		b.label = label_for_host(j->run->o->conf->sys_root);
		if (r == 0)
			r = j->tree.cuda ? make_cuda(j, &b, err) : make_driver(j, &b, err);
		if (r == 0)
			r = build_publish(&b, j->parent, j->name, &j->tree.already, err);
	}
	if (r == 0)
		add_result(j->run, &j->tree, &b.ignored);
	return r;
}

int install_run(struct install_result *ret, const struct install_options *o, char *const *sources, size_t n,
		struct err *err)
{
	struct run run = { .result = ret, .o = o };
	int r;

	*ret = (struct install_result){ .arena = ARENA_INIT };
	r = sources_open(&run.sources, sources, n, err);
	if (r == 0)
		r = find_jobs(&run, err);
	if (r == 0)
		r = check_room(&run, err);
	for (size_t i = 0; r == 0 && i < run.n_jobs; i++)
		r = do_job(&run.jobs[i], err);
	sources_close(&run.sources);
	return r;
}

void install_free(struct install_result *r)
{
	arena_free(&r->arena);
	*r = (struct install_result){ .arena = ARENA_INIT };
}
