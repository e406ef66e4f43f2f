/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "conf/capability.h"
#include "host/buildid.h"
#include "oci/json.h"
#include "store/tree.h"

static const char *const kinds[] = { "file", "library", "program", "share", "firmware", "module", "host" };

static const char *copy(struct manifest *m, const char *s)
{
	return s ? arena_strdup(&m->arena, s) : NULL;
}

/* FNV-1a */
static size_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

/* The slot of a path: that which has it, or the free one where it goes. The size is a power of two. */
static uint32_t *slot(const struct manifest *m, const char *path)
{
	size_t i = hash(path) & (m->index_size - 1);

	while (m->index[i] && !str_eq(m->files[m->index[i] - 1].path, path))
		i = (i + 1) & (m->index_size - 1);
	return &m->index[i];
}

/* Enters files from `first` on. Of a path that comes twice the first stays, as a search from the front would find it. */
static void enter(struct manifest *m, size_t first)
{
	for (size_t i = first; i < m->n_files; i++) {
		uint32_t *s = slot(m, m->files[i].path);

		if (!*s)
			*s = (uint32_t)(i + 1);
	}
}

static void make_index(struct manifest *m)
{
	size_t size = 64;

	while (size < m->n_files * 2)
		size *= 2;
	if (size > m->index_size)
		m->index = arena_alloc(&m->arena, size * sizeof(*m->index));
	else
		memset(m->index, 0, m->index_size * sizeof(*m->index));
	m->index_size = size > m->index_size ? size : m->index_size;
	enter(m, 0);
}

void manifest_add_file(struct manifest *m, const struct manifest_file *f)
{
	struct manifest_file *d;

	m->files = arena_grow(&m->arena, m->files, m->n_files, sizeof(*m->files));
	d = &m->files[m->n_files++];
	*d = *f;
	d->path = copy(m, f->path);
	d->link = copy(m, f->link);
	d->sha256 = copy(m, f->sha256);
	d->soname = copy(m, f->soname);
	if (m->n_files * 2 > m->index_size)
		make_index(m);
	else
		enter(m, m->n_files - 1);
}

void manifest_add_module(struct manifest *m, const struct manifest_module *module)
{
	struct manifest_module *d;

	m->modules = arena_grow(&m->arena, m->modules, m->n_modules, sizeof(*m->modules));
	d = &m->modules[m->n_modules++];
	d->path = copy(m, module->path);
	d->name = copy(m, module->name);
	d->flavour = copy(m, module->flavour);
	d->version = copy(m, module->version);
	d->vermagic = copy(m, module->vermagic);
	d->depends = copy(m, module->depends);
}

void manifest_add_source(struct manifest *m, const char *name, const char *sha256)
{
	m->sources = arena_grow(&m->arena, m->sources, m->n_sources, sizeof(*m->sources));
	m->sources[m->n_sources++] = (struct manifest_source){ copy(m, name), copy(m, sha256) };
}

const char *manifest_source_names(struct manifest *m)
{
	const char *names = "";

	for (size_t i = 0; i < m->n_sources; i++)
		names = arena_printf(&m->arena, "%s%s%s", names, i ? ", " : "", m->sources[i].name);
	return names;
}

struct manifest_file *manifest_find(const struct manifest *m, const char *path)
{
	uint32_t i = m->index_size ? *slot(m, path) : 0;

	return i ? &m->files[i - 1] : NULL;
}

void manifest_strip(struct manifest *m, size_t n)
{
	for (size_t i = 0; i < m->n_files; i++)
		m->files[i].path += n;
	make_index(m);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct manifest_file *)a)->path, ((const struct manifest_file *)b)->path);
}

static int by_module_path(const void *a, const void *b)
{
	return strcmp(((const struct manifest_module *)a)->path, ((const struct manifest_module *)b)->path);
}

void manifest_sort(struct manifest *m)
{
	if (m->n_files)
		qsort(m->files, m->n_files, sizeof(*m->files), by_path);
	if (m->n_modules)
		qsort(m->modules, m->n_modules, sizeof(*m->modules), by_module_path);
	make_index(m);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? str_eq(a, b) : a == b;
}

bool manifest_same_files(const struct manifest *a, const struct manifest *b)
{
	if (a->n_files != b->n_files)
		return false;
	for (size_t i = 0; i < a->n_files; i++)
		if (!str_eq(a->files[i].path, b->files[i].path) || !same_text(a->files[i].link, b->files[i].link) ||
		    !same_text(a->files[i].sha256, b->files[i].sha256))
			return false;
	return true;
}

bool manifest_is_program(const struct manifest *m, const struct manifest_file *f)
{
	return !f->link && (m->is_cuda ? f->executable : str_starts(f->path, "bin/"));
}

uint64_t manifest_size(const struct manifest *m)
{
	uint64_t size = 0;

	for (size_t i = 0; i < m->n_files; i++)
		size += m->files[i].link ? 0 : m->files[i].size;
	return size;
}

static int bad(const char *tree, const char *what, struct err *err)
{
	return err_set(err, ERR_TREE, 0, "%s/" TREE_MANIFEST ": %s", tree, what);
}

static bool is_sha256(const char *s)
{
	return strspn(s, "0123456789abcdef") == 64 && !s[64];
}

static bool parse_kind(const char *word, enum manifest_kind *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!str_eq(kinds[i], word))
			continue;
		*ret = (enum manifest_kind)i;
		return true;
	}
	return false;
}

/* An absent number is 0. */
static bool get_number(const struct json *j, const char *key, int64_t max, int64_t *ret)
{
	const struct json *v = json_get(j, key);

	*ret = 0;
	return !v || json_int(v, 0, max, ret);
}

static bool parse_file(struct manifest *m, const struct json *j)
{
	struct manifest_file f = {
		.path = json_get_str(j, "path", ""),
		.link = json_get_str(j, "link", NULL),
		.sha256 = json_get_str(j, "sha256", NULL),
		.soname = json_get_str(j, "soname", NULL),
		.compat = json_bool(json_get(j, "compat"), false),
		.executable = json_bool(json_get(j, "executable"), false),
	};
	const char *capability = json_get_str(j, "capability", NULL);
	int64_t size, class, machine;

	if (!tree_is_relative(f.path) || (f.soname && !tree_is_file_name(f.soname)) ||
	    (capability && !tree_capability_parse(capability, &f.capability)) ||
	    !parse_kind(json_get_str(j, "kind", "file"), &f.kind) || !get_number(j, "size", INT64_MAX, &size) ||
	    !get_number(j, "class", 64, &class) || !get_number(j, "machine", UINT16_MAX, &machine))
		return false;
	/* A link has no content of its own to be checked against. */
	if (f.link ? !*f.link || f.sha256 || size : !f.sha256 || !is_sha256(f.sha256))
		return false;
	/* What start.json is made of it must be readable. */
	if ((class ? class != 32 && class != 64 : machine != 0) || (f.kind == MANIFEST_LIBRARY && !f.link && !machine))
		return false;
	f.size = (uint64_t)size;
	f.class = (unsigned)class;
	f.machine = (unsigned)machine;
	manifest_add_file(m, &f);
	return true;
}

static bool parse_module(struct manifest *m, const struct json *j)
{
	struct manifest_module module = {
		.path = json_get_str(j, "path", ""),
		.name = json_get_str(j, "name", ""),
		.flavour = json_get_str(j, "flavour", ""),
		.version = json_get_str(j, "version", ""),
		.vermagic = json_get_str(j, "vermagic", ""),
		.depends = json_get_str(j, "depends", ""),
	};

	if (!tree_is_relative(module.path) || !tree_is_file_name(module.name) ||
	    !(str_eq(module.flavour, "open") || str_eq(module.flavour, "proprietary")))
		return false;
	manifest_add_module(m, &module);
	return true;
}

static bool parse_source(struct manifest *m, const struct json *j)
{
	const char *name = json_get_str(j, "name", NULL), *sha256 = json_get_str(j, "sha256", NULL);

	if (!name || (sha256 && !is_sha256(sha256)))
		return false;
	manifest_add_source(m, name, sha256);
	return true;
}

static bool parse_head(struct manifest *m, const struct json *root)
{
	const char *kind = json_get_str(root, "kind", ""), *cuda = json_get_str(root, "cuda", NULL);
	const char *build_id = json_get_str(root, "kernelBuildId", NULL);
	int64_t format;

	if (!json_int(json_get(root, "format"), MANIFEST_FORMAT, MANIFEST_FORMAT, &format))
		return false;
	m->is_cuda = str_eq(kind, "cuda");
	m->driver = copy(m, json_get_str(root, "driver", NULL));
	m->os = copy(m, json_get_str(root, "os", NULL));
	m->arch = copy(m, json_get_str(root, "arch", NULL));
	m->cuda = copy(m, cuda);
	m->build_id = copy(m, build_id);
	if ((cuda && !str_is_version(cuda)) || (build_id && !buildid_is(build_id)))
		return false;
	if (m->is_cuda)
		return cuda != NULL;
	return str_eq(kind, "driver") && m->driver && str_is_version(m->driver) && m->os && str_is_name(m->os);
}

int manifest_parse(struct manifest *ret, const char *tree, const char *text, size_t len, struct err *err)
{
	static const struct {
		const char *key;
		bool (*parse)(struct manifest *m, const struct json *j);
	} arrays[] = { { "files", parse_file }, { "modules", parse_module }, { "source", parse_source } };
	char why[160];
	cleanup_json struct json *root = json_parse(text, len, why, sizeof(why));
	const char *wrong = NULL;

	*ret = (struct manifest){ .arena = ARENA_INIT };
	if (!root)
		return bad(tree, why, err);
	if (!parse_head(ret, root))
		wrong = "format, kind or version";
	for (size_t i = 0; !wrong && i < ARRAY_SIZE(arrays); i++) {
		const struct json *a = json_get(root, arrays[i].key);
		size_t n = json_len(a);

		if ((a && !json_is_array(a)) || n > MANIFEST_FILES_MAX)
			wrong = arrays[i].key;
		for (size_t k = 0; !wrong && k < n; k++)
			if (!arrays[i].parse(ret, json_at(a, k)))
				wrong = arrays[i].key;
	}
	if (!wrong)
		return 0;
	manifest_free(ret);
	return bad(tree, wrong, err);
}

int manifest_load(struct manifest *ret, const char *tree, struct err *err)
{
	cleanup_free char *file = mem_printf("%s/" TREE_MANIFEST, tree);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, file, MANIFEST_MAX, &text, &len);

	*ret = (struct manifest){ .arena = ARENA_INIT };
	if (r < 0)
		return err_set(err, ERR_TREE, -r, "%s", file);
	return manifest_parse(ret, tree, text, len, err);
}

static void set_text(struct json *j, const char *key, const char *value)
{
	if (value && *value)
		json_set_str(j, key, value);
}

static struct json *dump_file(const struct manifest_file *f)
{
	struct json *j = json_new_object();
	char buf[CAPABILITY_NAME_MAX];

	json_set_str(j, "path", f->path);
	if (f->link) {
		json_set_str(j, "link", f->link);
	} else {
		json_set_int(j, "size", (int64_t)f->size);
		json_set_str(j, "sha256", f->sha256);
	}
	if (f->kind != MANIFEST_FILE)
		json_set_str(j, "kind", kinds[f->kind]);
	if (f->class) {
		json_set_int(j, "class", f->class);
		json_set_int(j, "machine", f->machine);
	}
	set_text(j, "soname", f->soname);
	if (f->capability)
		json_set_str(j, "capability", capability_set_name(f->capability, buf));
	if (f->compat)
		json_set_bool(j, "compat", true);
	if (f->executable)
		json_set_bool(j, "executable", true);
	return j;
}

static struct json *dump_module(const struct manifest_module *m)
{
	struct json *j = json_new_object();

	json_set_str(j, "path", m->path);
	json_set_str(j, "name", m->name);
	json_set_str(j, "flavour", m->flavour);
	set_text(j, "version", m->version);
	set_text(j, "vermagic", m->vermagic);
	json_set_str(j, "depends", m->depends ? m->depends : "");
	return j;
}

char *manifest_dump(const struct manifest *m)
{
	cleanup_json struct json *root = json_new_object();
	struct json *files = json_new_array(), *modules = json_new_array(), *sources = json_new_array();

	json_set_int(root, "format", MANIFEST_FORMAT);
	json_set_str(root, "kind", m->is_cuda ? "cuda" : "driver");
	set_text(root, "driver", m->driver);
	set_text(root, "os", m->os);
	set_text(root, "arch", m->arch);
	set_text(root, "cuda", m->cuda);
	set_text(root, "kernelBuildId", m->build_id);
	for (size_t i = 0; i < m->n_files; i++)
		json_append(files, dump_file(&m->files[i]));
	for (size_t i = 0; i < m->n_modules; i++)
		json_append(modules, dump_module(&m->modules[i]));
	for (size_t i = 0; i < m->n_sources; i++) {
		struct json *j = json_new_object();

		json_set_str(j, "name", m->sources[i].name);
		set_text(j, "sha256", m->sources[i].sha256);
		json_append(sources, j);
	}
	json_set(root, "files", files);
	json_set(root, "modules", modules);
	json_set(root, "source", sources);
	return json_dump(root, 1);
}

void manifest_free(struct manifest *m)
{
	arena_free(&m->arena);
	*m = (struct manifest){ .arena = ARENA_INIT };
}
