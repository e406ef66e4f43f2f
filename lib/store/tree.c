/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/json.h"
#include "store/treelist.h"

bool tree_is_file_name(const char *s)
{
	const char *p = s;

	if (s[0] == '.' && (!s[1] || (s[1] == '.' && !s[2])))
		return false;
	while (*p >= ' ' && *p <= '~' && *p != '/')
		p++;
	return !*p && p > s && p - s <= NAME_MAX;
}

bool tree_is_relative(const char *s)
{
	char part[NAME_MAX + 1];

	if (strlen(s) >= PATH_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(s, "/");

		if (n >= sizeof(part))
			return false;
		memcpy(part, s, n);
		part[n] = '\0';
		if (!tree_is_file_name(part))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

bool tree_capability_parse(const char *text, unsigned *ret)
{
	char word[CAPABILITY_NAME_MAX];
	unsigned set = 0;

	for (;;) {
		size_t n = strcspn(text, "+");
		unsigned bit;

		if (n >= sizeof(word))
			return false;
		memcpy(word, text, n);
		word[n] = '\0';
		bit = capability_from_word(word);
		if (!bit)
			return false;
		set |= bit;
		if (!text[n])
			break;
		text += n + 1;
	}
	*ret = set;
	return true;
}

/* The capabilities that the driver has files for, where display is graphics plus nodes. */
static unsigned folded(unsigned set)
{
	return set & CAP_DISPLAY ? (set & ~(unsigned)CAP_DISPLAY) | CAP_GRAPHICS : set;
}

unsigned tree_view_set(const struct tree *t, unsigned capabilities)
{
	return capability_view_set(capabilities) & folded(t->capabilities);
}

const char *tree_view_name(const struct tree *t, unsigned capabilities, bool compat, char *buf)
{
	unsigned set = tree_view_set(t, capabilities);
	char name[CAPABILITY_NAME_MAX];
	bool differs = false;

	for (size_t i = 0; compat && i < t->n_libraries; i++)
		if (t->libraries[i].compat && tree_view_shows(set, t->libraries[i].capability))
			differs = true;
	snprintf(buf, TREE_VIEW_MAX, "%s%s", capability_set_name(set, name), differs ? ".nocuda" : "");
	return buf;
}

bool tree_view_shows(unsigned capabilities, unsigned file_capability)
{
	return !file_capability || (capability_view_set(capabilities) & folded(file_capability));
}

struct parsing {
	struct tree *tree;
	struct err *err;
};

static int bad(const struct parsing *p, const char *what)
{
	return err_set(p->err, ERR_TREE, 0, "%s/" TREE_START ": %s", p->tree->path, what);
}

/* A string that must be there. */
static const char *get_name(const struct parsing *p, const struct json *j, const char *key, bool relative)
{
	const char *s = json_get_str(j, key, NULL);

	if (!s || !(relative ? tree_is_relative(s) : tree_is_file_name(s)))
		return NULL;
	return arena_strdup(&p->tree->arena, s);
}

/* Absent is every set (0). */
static bool get_capability(const struct json *j, unsigned *ret)
{
	const struct json *c = json_get(j, "capability");

	*ret = 0;
	if (!c)
		return true;
	return json_is_string(c) && tree_capability_parse(json_str(c), ret);
}

static int parse_library(const struct parsing *p, const struct json *j)
{
	struct tree *t = p->tree;
	struct tree_library l = { .compat = json_bool(json_get(j, "compat"), false) };
	int64_t class, machine;

	l.soname = get_name(p, j, "soname", false);
	l.dir = get_name(p, j, "dir", true);
	if (!l.soname || !l.dir || !get_capability(j, &l.capability) ||
	    !json_int(json_get(j, "class"), 32, 64, &class) || (class != 32 && class != 64) ||
	    !json_int(json_get(j, "machine"), 1, UINT16_MAX, &machine))
		return bad(p, "libraries");
	l.class = (unsigned)class;
	l.machine = (unsigned)machine;
	t->libraries = arena_grow(&t->arena, t->libraries, t->n_libraries, sizeof(l));
	t->libraries[t->n_libraries++] = l;
	return 0;
}

static int parse_program(const struct parsing *p, const struct json *j)
{
	struct tree *t = p->tree;
	struct tree_program program = { .name = get_name(p, j, "name", false) };

	if (!program.name || !get_capability(j, &program.capability))
		return bad(p, "programs");
	t->programs = arena_grow(&t->arena, t->programs, t->n_programs, sizeof(program));
	t->programs[t->n_programs++] = program;
	return 0;
}

static int parse_link(const struct parsing *p, const struct json *j)
{
	struct tree *t = p->tree;
	struct tree_link link = { .target = get_name(p, j, "target", true) };
	const char *path = json_get_str(j, "path", "");

	if (!link.target || path[0] != '/' || !tree_is_relative(path + 1) || !get_capability(j, &link.capability))
		return bad(p, "links");
	link.path = arena_strdup(&t->arena, path);
	t->links = arena_grow(&t->arena, t->links, t->n_links, sizeof(link));
	t->links[t->n_links++] = link;
	return 0;
}

static int parse_dir(const struct parsing *p, const struct json *j)
{
	const char *s = json_str(j);

	if (!s || !tree_is_relative(s))
		return bad(p, "dirs");
	strlist_add(&p->tree->arena, &p->tree->dirs, s);
	return 0;
}

static int parse_capability(const struct parsing *p, const struct json *j)
{
	unsigned bit = json_is_string(j) ? capability_from_word(json_str(j)) : 0;

	p->tree->capabilities |= bit;
	return bit ? 0 : bad(p, "capabilities");
}

typedef int element_fn(const struct parsing *p, const struct json *j);

/* An absent array is an empty one. */
static int parse_array(const struct parsing *p, const struct json *root, const char *key, element_fn *fn)
{
	const struct json *a = json_get(root, key);
	size_t n = json_len(a);
	int r = 0;

	if (a && !json_is_array(a))
		return bad(p, key);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = fn(p, json_at(a, i));
	return r;
}

static int parse_head(const struct parsing *p, const struct json *root)
{
	struct tree *t = p->tree;
	const char *kind = json_get_str(root, "kind", ""), *cuda = json_get_str(root, "cuda", NULL);
	const char *driver = json_get_str(root, "driver", ""), *os = json_get_str(root, "os", "");
	int64_t format;

	if (!json_int(json_get(root, "format"), TREE_FORMAT, TREE_FORMAT, &format))
		return bad(p, "format");
	t->is_cuda = str_eq(kind, "cuda");
	if (!t->is_cuda && !str_eq(kind, "driver"))
		return bad(p, "kind");
	if (cuda ? !str_is_version(cuda) : t->is_cuda)
		return bad(p, "cuda");
	t->cuda = cuda ? arena_strdup(&t->arena, cuda) : NULL;
	if (t->is_cuda)
		return 0;
	if (!str_is_version(driver) || !str_is_name(os))
		return bad(p, str_is_version(driver) ? "os" : "driver");
	t->driver = arena_strdup(&t->arena, driver);
	t->os = arena_strdup(&t->arena, os);
	return 0;
}

static int parse_all(const struct parsing *p, const struct json *root)
{
	static const struct {
		const char *key;
		element_fn *fn;
	} arrays[] = {
		{ "capabilities", parse_capability },
		{ "libraries", parse_library },
		{ "programs", parse_program },
		{ "links", parse_link },
		{ "dirs", parse_dir },
	};
	int r = parse_head(p, root);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(arrays); i++)
		r = parse_array(p, root, arrays[i].key, arrays[i].fn);
	return r;
}

/* The text becomes the tree's, or is freed. */
static int parse(struct tree *ret, const char *path, char *text, size_t len, bool head, struct err *err)
{
	struct parsing p = { ret, err };
	char why[160];
	cleanup_json struct json *root = NULL;
	cleanup_strbuf struct strbuf rest = STRBUF_INIT;
	const char *behind, *document = text;
	size_t from;
	int r;

	*ret = (struct tree){ .arena = ARENA_INIT, .text = text };
	ret->path = arena_strdup(&ret->arena, path);
	if (head ? treelist_skip(text, len, &from, &behind) : treelist_read(ret, text, len, &from, &behind)) {
		strbuf_add(&rest, text, from);
		strbuf_puts(&rest, behind);
		document = rest.buf;
		len = rest.len;
	}
	root = json_parse(document, len, why, sizeof(why));
	r = root ? parse_all(&p, root) : bad(&p, why);
	if (r < 0)
		tree_free(ret);
	return r;
}

int tree_parse(struct tree *ret, const char *path, const char *text, size_t len, struct err *err)
{
	char *copy = mem_alloc(len + !len);

	memcpy(copy, text, len);
	return parse(ret, path, copy, len, false, err);
}

static int load(struct tree *ret, const char *path, bool head, struct err *err)
{
	cleanup_free char *text = NULL;
	cleanup_free char *file = mem_printf("%s/" TREE_START, path);
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, file, TREE_START_MAX, &text, &len);

	*ret = (struct tree){ .arena = ARENA_INIT };
	if (r < 0)
		return err_set(err, ERR_TREE, -r, "%s", file);
	return parse(ret, path, take_ptr(text), len, head, err);
}

int tree_load(struct tree *ret, const char *path, struct err *err)
{
	return load(ret, path, false, err);
}

int tree_load_head(struct tree *ret, const char *path, struct err *err)
{
	return load(ret, path, true, err);
}

static void set_capability(struct json *j, unsigned capability)
{
	char buf[CAPABILITY_NAME_MAX];

	if (capability)
		json_set_str(j, "capability", capability_set_name(capability, buf));
}

static struct json *dump_libraries(const struct tree *t)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < t->n_libraries; i++) {
		const struct tree_library *l = &t->libraries[i];
		struct json *j = json_new_object();

		json_set_str(j, "soname", l->soname);
		json_set_str(j, "dir", l->dir);
		json_set_int(j, "class", l->class);
		json_set_int(j, "machine", l->machine);
		set_capability(j, l->capability);
		if (l->compat)
			json_set_bool(j, "compat", true);
		json_append(a, j);
	}
	return a;
}

static struct json *dump_programs(const struct tree *t)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < t->n_programs; i++) {
		struct json *j = json_new_object();

		json_set_str(j, "name", t->programs[i].name);
		set_capability(j, t->programs[i].capability);
		json_append(a, j);
	}
	return a;
}

static struct json *dump_links(const struct tree *t)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < t->n_links; i++) {
		struct json *j = json_new_object();

		json_set_str(j, "path", t->links[i].path);
		json_set_str(j, "target", t->links[i].target);
		set_capability(j, t->links[i].capability);
		json_append(a, j);
	}
	return a;
}

/* Of the machine of its libraries; a tree without any says what this one is built for. */
static const char *arch(const struct tree *t)
{
	for (size_t i = 0; i < t->n_libraries; i++)
		if (t->libraries[i].class == 64)
			return t->libraries[i].machine == 183 ? "aarch64" : "x86_64";
#ifdef __aarch64__
	return "aarch64";
#else
	return "x86_64";
#endif
}

static void dump_driver(const struct tree *t, struct json *root)
{
	struct json *caps = json_new_array();

	for (unsigned bit = 1; bit <= CAP_ALL; bit <<= 1)
		if (t->capabilities & bit)
			json_append(caps, json_new_string(capability_word(bit)));
	json_set(root, "capabilities", caps);
	json_set(root, "libraries", dump_libraries(t));
	json_set(root, "programs", dump_programs(t));
	json_set(root, "links", dump_links(t));
}

static void dump_toolkit(const struct tree *t, struct json *root)
{
	struct json *dirs = json_new_array();

	for (size_t i = 0; i < t->dirs.n; i++)
		json_append(dirs, json_new_string(t->dirs.v[i]));
	json_set(root, "dirs", dirs);
	json_set(root, "libraries", dump_libraries(t));
}

char *tree_dump(const struct tree *t)
{
	cleanup_json struct json *root = json_new_object();

	json_set_int(root, "format", TREE_FORMAT);
	json_set_str(root, "kind", t->is_cuda ? "cuda" : "driver");
	if (!t->is_cuda) {
		json_set_str(root, "driver", t->driver);
		json_set_str(root, "os", t->os);
	}
	json_set_str(root, "arch", arch(t));
	if (t->cuda)
		json_set_str(root, "cuda", t->cuda);
	if (t->is_cuda)
		dump_toolkit(t, root);
	else
		dump_driver(t, root);
	return json_dump(root, 0);
}

void tree_free(struct tree *t)
{
	arena_free(&t->arena);
	free(t->text);
	*t = (struct tree){ .arena = ARENA_INIT };
}
