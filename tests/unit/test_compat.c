/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose libcuda and whose toolkit a container gets, and in which order its loader looks: each row of
 * tests/golden/compat.table is a root made of files, probed, planned, and compared with what the row says.
 * GOLDEN_ACCEPT=1 writes the answers anew.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scene.h"

#define TABLE "tests/golden/compat.table"

enum column { DRIVER, GPU, COMPAT, IMAGE, INSTALLED, SAYS, N_COLUMNS };

struct row {
	char *cell[N_COLUMNS];
	char *answer;
};

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " ");
	for (n = strlen(s); n && s[n - 1] == ' '; n--)
		s[n - 1] = '\0';
	return s;
}

/* Cuts the line up. */
static bool parse_row(char *line, struct row *r)
{
	char *arrow = strstr(line, "=>");

	if (!arrow)
		return false;
	*arrow = '\0';
	r->answer = trim(arrow + 2);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		char *cell = strsep(&line, "|");

		if (!cell)
			return false;
		r->cell[i] = trim(cell);
	}
	return !line;
}

/* "550.54.15" is a file, "1->550.54.15" a link, "550.54.15/" a directory: names behind "libcuda.so.". */
static void make_compat(const char *root, const char *cuda, const char *cell)
{
	char words[512], path[512], *save = NULL;

	snprintf(words, sizeof(words), "%s", cell);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *to = strstr(w, "->");

		if (to) {
			char beside[64];

			*to = '\0';
			snprintf(beside, sizeof(beside), "libcuda.so.%s", to + 2);
			snprintf(path, sizeof(path), "%s/%s/compat/libcuda.so.%s", root, cuda, w);
			CHECK(symlink(to[2] == '/' ? to + 2 : beside, path) == 0);
			continue;
		}
		snprintf(path, sizeof(path), "%s/compat/libcuda.so.%s%s", cuda, w, str_ends(w, "/") ? "in" : "");
		tap_write(root, path, w);
	}
}

/* As in NVIDIA's images /usr/local/cuda is a link; where the cell says dir it is a directory, without a toolkit. */
static void make_root(const char *root, const struct row *r)
{
	bool own = str_eq(r->cell[IMAGE], "own"), compat = !str_eq(r->cell[COMPAT], "-");
	const char *cuda = str_eq(r->cell[IMAGE], "dir") ? "usr/local/cuda" : "usr/local/cuda-12.4";
	char path[300];

	tap_write(root, strstr(r->cell[SAYS], "libc=musl") ? "lib/ld-musl-x86_64.so.1" : "lib64/ld-linux-x86-64.so.2",
		  "");
	if (own) {
		snprintf(path, sizeof(path), "%s/lib64/libcudart.so.12", cuda);
		tap_write(root, path, "");
	}
	if (compat) {
		snprintf(path, sizeof(path), "%s/compat/README", cuda);
		tap_write(root, path, "");
		make_compat(root, cuda, r->cell[COMPAT]);
	}
	snprintf(path, sizeof(path), "%s/usr/local/cuda", root);
	if ((own || compat) && !str_eq(r->cell[IMAGE], "dir"))
		CHECK(symlink("cuda-12.4", path) == 0);
}

static struct json *words_of(const char *cell)
{
	struct json *list = json_new_array();
	char words[256], *save = NULL;

	snprintf(words, sizeof(words), "%s", str_eq(cell, "-") ? "" : cell);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		json_append(list, json_new_string(w));
	return list;
}

/* Capital letters are the container's variables, small ones the configuration's keys. */
static struct json *make_input(const struct row *r)
{
	struct json *in = json_new_object(), *env = json_new_array();
	struct strbuf conf = STRBUF_INIT;
	char words[256], *save = NULL;

	snprintf(words, sizeof(words), "%s", r->cell[SAYS]);
	json_append(env, json_new_string("NVIDIA_VISIBLE_DEVICES=all"));
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (isupper(*w))
			json_append(env, json_new_string(w));
		else if (!str_starts(w, "libc="))
			strbuf_printf(&conf, "%s\n", w);
	}
	json_set(in, "env", env);
	json_set_str(in, "config", conf.buf ? conf.buf : "");
	json_set(in, "toolkits", words_of(r->cell[INSTALLED]));
	strbuf_free(&conf);
	return in;
}

/* The scene's own root is replaced by one of files, its driver and its GPU by those of the row. */
static int open_row(struct scene *s, const struct row *r, const char *root)
{
	struct rootfacts_ask ask = { .cuda = true };
	char *driver, *cuda;
	int fd, e;

	e = scene_open(s, make_input(r));
	if (e < 0)
		return e;
	driver = arena_strdup(&s->arena, r->cell[DRIVER]);
	cuda = strchr(driver, ' ');
	*cuda++ = '\0';
	s->driver.driver = driver;
	s->driver.cuda = cuda;
	s->inventory.gpus[0].brand = str_eq(r->cell[GPU], "-") ? NULL : r->cell[GPU];
	rootfacts_free(&s->facts);
	tree_free(&s->toolkit);
	s->in.toolkit = NULL;
	plan_candidates(&s->arena, &ask.paths, &s->driver, s->request.capabilities, s->request.features);
	fd = fd_open_dir(root);
	e = rootfacts_collect(&s->facts, fd, &s->spec, &ask, &s->err);
	fd_close(fd);
	if (e == 0)
		e = scene_toolkit(s);
	return e < 0 ? e : plan_make(&s->plan, &s->in, &s->err);
}

/* The directories of a loader's file, separated by spaces. */
static void add_dirs(struct strbuf *out, const char *content)
{
	while (content && *content) {
		size_t n = strcspn(content, "\n");

		if (n && *content != '#')
			strbuf_printf(out, " %.*s", (int)n, content);
		content += n + (content[n] == '\n');
	}
}

static const char *cached(const struct plan *p, const char *soname)
{
	for (size_t i = 0; i < p->cache.n_first; i++)
		if (p->cache.first[i].class == 64 && str_eq(p->cache.first[i].soname, soname))
			return p->cache.first[i].path;
	return NULL;
}

static void answer(struct scene *s, struct strbuf *out)
{
	const char *libcuda = cached(&s->plan, "libcuda.so.1");
	bool image = libcuda && str_starts(libcuda, "/usr/local/cuda/compat/");
	struct strbuf dirs = STRBUF_INIT;

	add_dirs(&dirs, scene_file(s, PLAN_CONF_FILE));
	if (scene_file(s, PLAN_CUDA_CONF_FILE)) {
		strbuf_puts(&dirs, " ...");
		add_dirs(&dirs, scene_file(s, PLAN_CUDA_CONF_FILE));
	}
	strbuf_printf(out, "libcuda %s%s, toolkit %s%s%s%s",
		      image	? "of the image "
		      : libcuda ? "of the driver"
				: "-",
		      image ? s->facts.compat : "", s->in.toolkit ? "of the host " : "",
		      s->in.toolkit	  ? s->toolkit.cuda
		      : s->facts.has_cuda ? "of the image"
					  : "-",
		      dirs.len ? ":" : "", dirs.len ? dirs.buf : "");
	/* What is written twice must say the same: the view, the cache, the directories. */
	CHECK_INT(image, str_ends(s->plan.view, ".nocuda"));
	CHECK_INT(image, dirs.len && str_starts(dirs.buf, " /usr/local/cuda/compat /usr/local/nvidia/lib64"));
	CHECK(!image || str_starts(cached(&s->plan, "libnvidia-ptxjitcompiler.so.1"), "/usr/local/cuda/compat/"));
	strbuf_free(&dirs);
}

static void plan_row(const struct row *r, struct strbuf *out)
{
	const char *root = tap_tmpdir();
	char line[ERR_MSG_MAX + 512];
	struct scene s;
	int e;

	make_root(root, r);
	e = open_row(&s, r, root);
	if (e < 0)
		strbuf_puts(out, err_line(&s.err, line, sizeof(line)));
	else
		answer(&s, out);
	scene_close(&s);
}

static void run_line(const char *line, int number, struct strbuf *all)
{
	char *copy = mem_strdup(line), *arrow = strstr(line, "=>");
	struct strbuf got = STRBUF_INIT;
	struct row r;

	if (!*line || *line == '#') {
		strbuf_printf(all, "%s\n", line);
	} else if (CHECK(arrow && parse_row(copy, &r))) {
		plan_row(&r, &got);
		if (!getenv("GOLDEN_ACCEPT"))
			tap_check_str(got.buf, r.answer, TABLE, number, "answer");
		strbuf_printf(all, "%.*s=> %s\n", (int)(arrow - line), line, got.buf);
	}
	strbuf_free(&got);
	free(copy);
}

TEST(table)
{
	struct strbuf all = STRBUF_INIT;
	char *text = NULL, *rest;
	int number = 0, dir;
	size_t len;

	REQUIRE(fd_read_file_at(AT_FDCWD, TABLE, 1 << 20, &text, &len) == 0);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n")) && (rest || *line);)
		run_line(line, ++number, &all);
	CHECK(number > 60);
	if (getenv("GOLDEN_ACCEPT")) {
		dir = fd_open_dir("tests/golden");
		CHECK(dir >= 0 && fd_replace_file(dir, "compat.table", all.buf, all.len, 0644, 0) == 0);
		fd_close(dir);
	}
	strbuf_free(&all);
	free(text);
}
