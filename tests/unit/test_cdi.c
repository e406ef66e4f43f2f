/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CDI specifications of the hosts in tests/golden/common.json, compared byte for byte with tests/golden/cdi/<name>, as YAML or as
 * JSON by the name's ending; where none can be made, the file holds the error's line. GOLDEN_ACCEPT=1 writes them anew.
 */
#include "plan/cdi.h"

#include "plan/cdi_plan.h"

#include <stdlib.h>

#include "cdispec.h"
#include "scene.h"

#define GOLDEN "tests/golden/cdi"

struct made {
	struct scene scene;
	struct cdi_input in;
	struct json *doc;
	struct err err;
	int r;
};

static void make(struct made *m, const char *host, const char *conf)
{
	struct json *text = json_new_object();

	*m = (struct made){ .r = 0 };
	json_set_str(text, "host", host);
	json_set_str(text, "config", conf);
	/* Nothing is asked: the scene is opened up to the request, and the host comes after. */
	REQUIRE(scene_open(&m->scene, text) == 0);
	scene_inventory(&m->scene);
	m->in = (struct cdi_input){ .conf = &m->scene.conf,
				    .dev_root = m->scene.conf.dev_root,
				    .inventory = &m->scene.inventory,
				    .vendor = CDI_VENDOR,
				    .class = CDI_CLASS,
				    .strategies = { CDI_INDEX, CDI_UUID },
				    .n_strategies = 2 };
}

static void finish(struct made *m)
{
	json_free(m->doc);
	scene_close(&m->scene);
}

static void check_golden(const char *name, const struct strbuf *got)
{
	const char *accepting = getenv("GOLDEN_ACCEPT");
	char path[256], *want = NULL;
	size_t len;
	int dir;

	if (accepting && str_eq(accepting, "1")) {
		dir = fd_open_dir(GOLDEN);
		CHECK(dir >= 0 && fd_replace_file(dir, name, got->buf, got->len, 0644, 0) == 0);
		fd_close(dir);
		return;
	}
	snprintf(path, sizeof(path), GOLDEN "/%s", name);
	if (CHECK(fd_read_file_at(AT_FDCWD, path, 1 << 20, &want, &len) == 0) && !CHECK(str_eq(got->buf, want)))
		printf("# %s is another\n", path);
	free(want);
}

/* What engines will read is what was meant, and takes our own check. */
static void check_document(const struct json *doc, const char *name)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	cleanup_json struct json *again = NULL;
	struct err err = ERR_INIT;
	char why[256] = "";
	bool yaml;

	REQUIRE(cdispec_format(name, &yaml) && cdispec_text(doc, yaml, &out, &err) == 0);
	check_golden(name, &out);
	again = cdispec_parse(out.buf, out.len, why, sizeof(why));
	cleanup_free char *a = json_dump(doc, 0), *b = again ? json_dump(again, 0) : mem_strdup(why);

	CHECK_STR(b, a);
}

static void compare(struct made *m, const char *name)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	char line[ERR_MSG_MAX + 512];

	m->r = cdi_make(&m->doc, &m->in, &m->err);
	if (m->r == 0) {
		check_document(m->doc, name);
		return;
	}
	strbuf_printf(&out, "%s\n", err_line(&m->err, line, sizeof(line)));
	check_golden(name, &out);
}

TEST(one_gpu)
{
	struct made m;

	make(&m, "one", "");
	compare(&m, "one.yaml");
	finish(&m);
}

TEST(three_gpus_in_json)
{
	struct made m;

	make(&m, "three", "default-capabilities=utility\ndev-root=/host/dev\n");
	m.in.config_file = "/host/etc/nvcoreos.conf";
	compare(&m, "three.json");
	finish(&m);
}

TEST(mig_devices)
{
	struct made m;

	make(&m, "mig", "");
	compare(&m, "mig.yaml");
	finish(&m);
}

TEST(other_names)
{
	struct made m;

	make(&m, "mig", "");
	m.in.strategies[0] = CDI_TYPE_INDEX;
	m.in.n_strategies = 1;
	m.in.vendor = "example.org";
	m.in.class = "cards";
	compare(&m, "type-index.yaml");
	/* None begins with a digit: older engines read it too. */
	CHECK_STR(json_get_str(m.doc, "cdiVersion", ""), "0.3.0");
	finish(&m);
}

TEST(imex_channels)
{
	struct made m;

	make(&m, "one", "imex-channels=0 7\n");
	m.in.class = CDI_CLASS_IMEX;
	compare(&m, "imex.yaml");
	finish(&m);
}

/* A golden plan as a specification: what its JSON says of nodes and mounts, and the hook for the rest. */
static void compare_plan(const char *scene, const char *name, const char *library_path)
{
	cleanup_free char *path = mem_printf("tests/golden/%s/input.json", scene);
	cleanup_json struct json *doc = NULL;
	struct cdi_plan_input in;
	struct scene s;

	REQUIRE(scene_open(&s, scene_read(path)) == 0 && plan_make(&s.plan, &s.in, &s.err) == 0);
	in = (struct cdi_plan_input){ .plan = &s.plan,
				      .conf = &s.conf,
				      .dev_root = s.conf.dev_root,
				      .config_file = library_path ? "/etc/other.conf" : NULL,
				      .root = library_path ? "/opt" : "",
				      .library_path = library_path };
	doc = cdi_plan_make(&in);
	check_document(doc, name);
	scene_close(&s);
}

TEST(plans)
{
	compare_plan("everything", "plan.yaml", NULL);
	/* No place for the loader's files, another root of the host's, and a search path that the container has already. */
	compare_plan("volume-etc", "plan.json", "/image/lib");
}

TEST(what_cannot_be_made)
{
	static const struct {
		const char *host, *class;
		enum err_code code;
	} cases[] = {
		{ "none", "gpu", ERR_NO_GPU },	     { "unloaded", "gpu", ERR_NOT_LOADED },
		{ "no-uvm", "gpu", ERR_NOT_LOADED }, { "one", CDI_CLASS_IMEX, ERR_NODE },
		{ "mig", "a/b", ERR_USAGE },	     { "mig", "", ERR_USAGE },
		{ "mig", "0gpu", ERR_USAGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct made m;

		make(&m, cases[i].host, "");
		m.in.class = cases[i].class;
		CHECK(cdi_make(&m.doc, &m.in, &m.err) < 0);
		CHECK_INT(m.err.code, cases[i].code);
		CHECK(!m.doc);
		finish(&m);
	}
}

TEST(imex_channels_that_the_kernel_does_not_know)
{
	struct made m;

	make(&m, "mig", "imex-channels=0\n");
	m.in.class = CDI_CLASS_IMEX;
	CHECK(cdi_make(&m.doc, &m.in, &m.err) < 0);
	CHECK_INT(m.err.code, ERR_NODE);
	finish(&m);
}

TEST(lowest_version)
{
	static const struct {
		const char *text, *version;
	} cases[] = {
		{ "{}", "0.3.0" },
		{ "[]", "0.3.0" },
		{ "{\"kind\":\"a/b\",\"devices\":[{\"name\":\"a0\"}]}", "0.3.0" },
		{ "{\"containerEdits\":{\"mounts\":[{\"hostPath\":\"/a\"}]}}", "0.3.0" },
		{ "{\"containerEdits\":{\"mounts\":[{\"type\":\"bind\"}]}}", "0.4.0" },
		{ "{\"kind\":\"a/b\",\"devices\":[{\"name\":\"0\"}]}", "0.5.0" },
		{ "{\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"hostPath\":\"/a\"}]}}]}",
		  "0.5.0" },
		{ "{\"kind\":\"a/b.c\"}", "0.6.0" },
		{ "{\"kind\":\"a.d/b\"}", "0.3.0" },
		{ "{\"annotations\":{}}", "0.6.0" },
		{ "{\"devices\":[{\"name\":\"0\",\"annotations\":{}}]}", "0.6.0" },
		{ "{\"containerEdits\":{\"additionalGids\":[1]}}", "0.7.0" },
		{ "{\"devices\":[{\"containerEdits\":{\"intelRdt\":{}}}]}", "0.7.0" },
		{ "{\"containerEdits\":{\"intelRdt\":{\"schemata\":[]}}}", "1.1.0" },
		{ "{\"devices\":[{\"containerEdits\":{\"intelRdt\":{\"enableMonitoring\":true}}}]}", "1.1.0" },
		{ "{\"containerEdits\":{\"netDevices\":[]},\"devices\":[{\"name\":\"0\"}]}", "1.1.0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[160] = "";
		cleanup_json struct json *doc = json_parse(cases[i].text, strlen(cases[i].text), why, sizeof(why));

		REQUIRE(doc);
		CHECK_STR(cdi_version(doc), cases[i].version);
	}
	CHECK(cdi_version_is_known("0.1.0") && cdi_version_is_known("1.1.0"));
	CHECK(!cdi_version_is_known("") && !cdi_version_is_known("0.3") && !cdi_version_is_known("2.0.0"));
}

/* What a file that stands there was made with, and what somebody made of it. */
TEST(what_it_was_made_with)
{
	static const struct {
		const char *hook, *words, *config;
	} cases[] = {
		{ "{}", "", NULL },
		{ "{\"env\":[\"A=b\",\"NVCOREOS_CDI_NAMES=type-index,uuid\"],\"args\":[\"h\",\"--config\",\"/x\",\"--cdi\"]}",
		  "21", "/x" },
		{ "{\"env\":[\"NVCOREOS_CDI_NAMES=uuid,uuid,x,index,uuid,type-index\"],\"args\":[\"--config\"]}", "102",
		  NULL },
		{ "{\"env\":[\"NVCOREOS_CDI_NAMES=\"],\"args\":[\"--cdi\"]}", "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *text = mem_printf("{\"containerEdits\":{\"hooks\":[%s]}}", cases[i].hook);
		enum cdi_strategy s[CDI_STRATEGIES];
		char why[160], words[8] = "";
		cleanup_json struct json *doc = json_parse(text, strlen(text), why, sizeof(why));
		size_t n = cdi_strategies(doc, s);

		for (size_t k = 0; k < n && k < CDI_STRATEGIES; k++)
			words[k] = (char)('0' + s[k]);
		CHECK_STR(words, cases[i].words);
		CHECK_STR(cdi_config_file(doc) ? cdi_config_file(doc) : "-", cases[i].config ? cases[i].config : "-");
	}
	CHECK_INT(cdi_strategies(NULL, NULL), 0);
}

TEST(words)
{
	enum cdi_strategy s = CDI_STRATEGIES;

	CHECK(cdi_strategy_from_word("type-index", &s) && s == CDI_TYPE_INDEX);
	CHECK(cdi_strategy_from_word("index", &s) && s == CDI_INDEX);
	CHECK(!cdi_strategy_from_word("", &s) && !cdi_strategy_from_word("Index", &s));
	CHECK(cdi_is_name("0:1") && cdi_is_name("GPU-1.a_b") && cdi_is_name("a"));
	CHECK(!cdi_is_name("") && !cdi_is_name("-a") && !cdi_is_name("a:") && !cdi_is_name("a/b") &&
	      !cdi_is_name("a b"));
	CHECK(cdi_is_vendor("nvidia.com", 10) && !cdi_is_vendor("0x", 2) && !cdi_is_vendor(".a", 2));
	CHECK(!cdi_is_vendor("a\0b", 3) && !cdi_is_class("a:b", 3));
}
