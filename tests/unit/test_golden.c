/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden plans: each directory of tests/golden holds input.json (see scene.h) and plan.json, what the
 * planner makes of it, byte for byte; where it refuses, plan.json is {"error": <the line>}, where the
 * container is left alone {"wanted": false}. GOLDEN_ACCEPT=1 writes them anew.
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "plan/render.h"
#include "scene.h"

#define GOLDEN "tests/golden"
#define CASES_MAX 256

static char *cases[CASES_MAX];
static int n_cases, next_case;

static void say(struct strbuf *out, const char *key, struct json *value)
{
	struct json *o = json_new_object();
	char *text;

	json_set(o, key, value);
	text = json_dump(o, 2);
	strbuf_printf(out, "%s\n", text);
	free(text);
	json_free(o);
}

static void make(const char *name, struct strbuf *out)
{
	char path[512], line[ERR_MSG_MAX + 512];
	struct scene s;
	int r;

	snprintf(path, sizeof(path), GOLDEN "/%s/input.json", name);
	r = scene_open(&s, scene_read(path));
	if (r == 0 && !s.request.wanted) {
		say(out, "wanted", json_new_bool(false));
		scene_close(&s);
		return;
	}
	if (r == 0)
		r = plan_make(&s.plan, &s.in, &s.err);
	if (r == 0)
		r = plan_check(&s.plan, &s.in, &s.err);
	if (r == 0)
		render_json(&s.plan, out);
	else
		say(out, "error", json_new_string(err_line(&s.err, line, sizeof(line))));
	scene_close(&s);
}

static void accept(const char *name, const struct strbuf *got)
{
	char path[512];
	int dir;

	snprintf(path, sizeof(path), GOLDEN "/%s", name);
	dir = fd_open_dir(path);
	CHECK(dir >= 0 && fd_replace_file(dir, "plan.json", got->buf, got->len, 0644, 0) == 0);
	fd_close(dir);
}

static void show_difference(const char *name, const char *got, const char *want)
{
	int line = 1;

	while (*got && *want) {
		size_t g = strcspn(got, "\n"), w = strcspn(want, "\n");

		if (g != w || memcmp(got, want, g) != 0)
			break;
		got += g + (got[g] == '\n');
		want += w + (want[w] == '\n');
		line++;
	}
	printf("# %s/plan.json:%d\n# - %.*s\n# + %.*s\n", name, line, (int)strcspn(want, "\n"), want,
	       (int)strcspn(got, "\n"), got);
}

static void run_case(void)
{
	const char *name = cases[next_case++], *accepting = getenv("GOLDEN_ACCEPT");
	struct strbuf got = STRBUF_INIT, again = STRBUF_INIT;
	char path[512], *want = NULL;
	size_t len;

	make(name, &got);
	make(name, &again);
	CHECK_STR(again.buf, got.buf);
	snprintf(path, sizeof(path), GOLDEN "/%s/plan.json", name);
	if (accepting && str_eq(accepting, "1")) {
		accept(name, &got);
	} else if (fd_read_file_at(AT_FDCWD, path, 1 << 20, &want, &len) < 0) {
		printf("# %s is missing: GOLDEN_ACCEPT=1 writes it\n", path);
		CHECK(want);
	} else if (!CHECK(str_eq(got.buf, want))) {
		show_difference(name, got.buf, want);
	}
	free(want);
	strbuf_free(&got);
	strbuf_free(&again);
}

static int is_case(const struct dirent *d)
{
	char path[512];

	snprintf(path, sizeof(path), GOLDEN "/%.200s/input.json", d->d_name);
	return d->d_name[0] != '.' && access(path, R_OK) == 0;
}

static void __attribute__((constructor)) register_cases(void)
{
	struct dirent **found = NULL;
	int n = scandir(GOLDEN, &found, is_case, alphasort);

	for (int i = 0; i < n; i++) {
		if (n_cases < CASES_MAX) {
			cases[n_cases] = mem_strdup(found[i]->d_name);
			tap_register(cases[n_cases++], run_case);
		}
		free(found[i]);
	}
	free(found);
}

TEST(there_are_cases)
{
	CHECK(n_cases >= 15);
	for (int i = 0; i < n_cases; i++)
		free(cases[i]);
}
