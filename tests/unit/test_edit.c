/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/edit.h"
#include "oci/json.h"
#include "oci/spec.h"
#include "tap.h"

#define DENY "{\"allow\":false,\"access\":\"rwm\"}"
#define RULE(major, minor) "{\"allow\":true,\"type\":\"c\",\"major\":" #major ",\"minor\":" #minor ",\"access\":\"rw\"}"
#define HOOK \
	"{\"path\":\"/opt/bin/nvcoreos-hook\",\"args\":[\"nvcoreos-hook\",\"--device-cgroup=none\",\"prestart\"]," \
	"\"env\":[\"PATH=/usr/sbin:/usr/bin:/sbin:/bin\"]}"
#define LD "/usr/local/nvidia/lib64"
#define NOTE "\"io.nvcoreos.edits\":"

static const char *const args[] = { "nvcoreos-hook", "--device-cgroup=none", "prestart", NULL };
static const struct edit_device two[] = { { 195, 255 }, { 195, 0 } }, other[] = { { 195, 1 } };
static const struct edit hook_only = { .hook_args = args,
				       .hook_path = "/opt/bin/nvcoreos-hook",
				       .hook_stage = "prestart" };
static const struct edit devices_only = { .devices = two, .n_devices = 2 };
static const struct edit ld_only = { .ld_library_path = LD };
static const struct edit all = { .devices = two,
				 .n_devices = 2,
				 .hook_args = args,
				 .hook_path = "/opt/bin/nvcoreos-hook",
				 .hook_stage = "prestart",
				 .ld_library_path = LD };

/* NULL on error. */
static char *apply(const char *text, const struct edit *edit, struct err *err)
{
	char *ret;
	size_t len;

	if (edit_apply(text, strlen(text), edit, &ret, &len, err) < 0)
		return NULL;
	CHECK_INT(strlen(ret), len);
	return ret;
}

static char *undo(const char *text, struct err *err)
{
	char *ret;
	size_t len;

	if (edit_undo(text, strlen(text), &ret, &len, err) < 0)
		return NULL;
	CHECK_INT(strlen(ret), len);
	return ret;
}

struct row {
	const char *text;
	const struct edit *edit;
	const char *applied;
	const char *undone; /* NULL: the text */
};

/* Applied twice gives the same bytes, and what comes out is a spec. */
static void check_row(const struct row *row)
{
	struct err err = ERR_INIT;
	cleanup_free char *once = apply(row->text, row->edit, &err), *twice = NULL, *undone = NULL, *again = NULL;
	struct spec s;

	if (!once) {
		CHECK_STR(err.what, row->applied);
		return;
	}
	CHECK_STR(once, row->applied);
	twice = apply(once, row->edit, &err);
	CHECK_STR(twice, row->applied);
	undone = undo(once, &err);
	CHECK_STR(undone, row->undone ? row->undone : row->text);
	again = undo(undone, &err);
	CHECK_STR(again, undone);
	REQUIRE(spec_parse(&s, once, strlen(once), &err) == 0);
	spec_free(&s);
}

TEST(device_rules)
{
	static const struct row rows[] = {
		{ "{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[" DENY "]}}}", &devices_only,
		  "{\"annotations\":{" NOTE "\"1 c=195:0,195:255\"},\"linux\":{\"resources\":{\"devices\":[" DENY
		  "," RULE(195, 0) "," RULE(195, 255) "]}}}",
		  NULL },
		/* An engine's equal rule stays. */
		{ "{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[" DENY " , " RULE(195, 0) " ]}}}",
		  &devices_only,
		  "{\"annotations\":{" NOTE "\"1 c=195:0,195:255\"},\"linux\":{\"resources\":{\"devices\":[" DENY
		  " , " RULE(195, 0) "," RULE(195, 0) "," RULE(195, 255) " ]}}}",
		  NULL },
		/* No list: deny-all first, and it stays. */
		{ "{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[ ]}}}", &devices_only,
		  "{\"annotations\":{" NOTE "\"1 c=195:0,195:255\"},\"linux\":{\"resources\":{\"devices\":[" DENY
		  "," RULE(195, 0) "," RULE(195, 255) " ]}}}",
		  "{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[" DENY " ]}}}" },
		{ "{\"linux\":{\"resources\":null},\"annotations\":{}}", &devices_only,
		  "{\"linux\":{\"resources\":{\"devices\":[" DENY
		  "," RULE(195, 0) "," RULE(195, 255) "]}},\"annotations\":{" NOTE "\"1 c=195:0,195:255\"}}",
		  "{\"linux\":{\"resources\":{\"devices\":[" DENY "]}},\"annotations\":{}}" },
		{ "{}", &devices_only,
		  "{\"linux\":{\"resources\":{\"devices\":[" DENY
		  "," RULE(195, 0) "," RULE(195, 255) "]}},\"annotations\":{" NOTE "\"1 c=195:0,195:255\"}}",
		  "{\"linux\":{\"resources\":{\"devices\":[" DENY "]}},\"annotations\":{}}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}

TEST(a_list_that_allows_all_gets_no_rules)
{
	static const struct {
		const char *list;
		bool added;
	} rows[] = {
		{ "{\"allow\":true,\"access\":\"rwm\"}", false },
		{ "{\"allow\":true}", false },
		{ "{\"allow\":true,\"type\":\"a\",\"major\":-1,\"minor\":null,\"access\":\"mwr\"}", false },
		{ DENY ",{\"allow\":true,\"type\":\"a\",\"access\":\"rwm\"}", false },
		{ "{\"allow\":true,\"access\":\"rwm\"}," RULE(1, 3), false },
		{ "{\"allow\":true,\"access\":\"rwm\"}," DENY, true },
		{ "{\"allow\":true,\"access\":\"rwm\"},{\"allow\":false,\"type\":\"c\",\"major\":195,\"access\":\"rwm\"}",
		  true },
		{ "{\"allow\":true,\"access\":\"rwm\"},{\"type\":\"c\",\"major\":195,\"access\":\"rwm\"}", true },
		{ "{\"allow\":true,\"type\":\"c\",\"access\":\"rwm\"}", true },
		{ "{\"allow\":true,\"type\":\"b\"}", true },
		{ "{\"allow\":true,\"access\":\"rw\"}", true },
		{ "{\"allow\":true,\"major\":195}", true },
		{ "{\"allow\":\"true\"}", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *text = mem_printf("{\"linux\":{\"resources\":{\"devices\":[%s]}}}", rows[i].list);
		struct err err = ERR_INIT;
		cleanup_free char *once = apply(text, &devices_only, &err), *undone = NULL;

		REQUIRE(once);
		if (!CHECK((strstr(once, RULE(195, 255)) != NULL) == rows[i].added))
			CHECK_STR(rows[i].list, once);
		CHECK(strstr(once, rows[i].added ? "\"1 c=195:0,195:255\"" : "\"1\""));
		undone = undo(once, &err);
		CHECK(undone && strncmp(undone, text, strlen(text) - 1) == 0);
	}
}

TEST(hook_entries)
{
	static const struct row rows[] = {
		{ "{\"annotations\":{},\"hooks\":{\"prestart\":[{\"path\":\"\\/proc/1/exe\"}],\"poststop\":[]}}",
		  &hook_only,
		  "{\"annotations\":{" NOTE
		  "\"1 stage=prestart\"},\"hooks\":{\"prestart\":[{\"path\":\"\\/proc/1/exe\"}," HOOK
		  "],\"poststop\":[]}}",
		  NULL },
		{ "{\"annotations\":{},\"hooks\":{\"prestart\":[]}}", &hook_only,
		  "{\"annotations\":{" NOTE "\"1 stage=prestart\"},\"hooks\":{\"prestart\":[" HOOK "]}}", NULL },
		{ "{\"annotations\":{\"a\":\"b\"}}", &hook_only,
		  "{\"annotations\":{\"a\":\"b\"," NOTE "\"1 stage=prestart\"},\"hooks\":{\"prestart\":[" HOOK "]}}",
		  "{\"annotations\":{\"a\":\"b\"},\"hooks\":{\"prestart\":[]}}" },
		/* Docker's own goes, others of a like name stay. */
		{ "{\"annotations\":{},\"hooks\":{\"prestart\":[{\"path\":\"/usr/bin/nvidia-container-runtime-hook\",\"args\":[\"nvidia-container-runtime-hook\",\"prestart\"]},"
		  "{\"path\":\"/x/nvcoreos-hook\",\"args\":[\"prestart\"]},{\"path\":\"/x/hook\",\"args\":[\"--device-cgroup=none\"]}]}}",
		  &hook_only,
		  "{\"annotations\":{" NOTE
		  "\"1 stage=prestart\"},\"hooks\":{\"prestart\":[{\"path\":\"/x/nvcoreos-hook\",\"args\":[\"prestart\"]},"
		  "{\"path\":\"/x/hook\",\"args\":[\"--device-cgroup=none\"]}," HOOK "]}}",
		  "{\"annotations\":{},\"hooks\":{\"prestart\":[{\"path\":\"/x/nvcoreos-hook\",\"args\":[\"prestart\"]},"
		  "{\"path\":\"/x/hook\",\"args\":[\"--device-cgroup=none\"]}]}}" },
	};
	struct edit later = hook_only;
	struct err err = ERR_INIT;
	cleanup_free char *once = NULL, *twice = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
	/* The stage may change from one run to the next. */
	later.hook_stage = "createRuntime";
	once = apply("{}", &hook_only, &err);
	twice = apply(once, &later, &err);
	CHECK_STR(twice, "{\"hooks\":{\"prestart\":[],\"createRuntime\":[" HOOK "]},\"annotations\":{" NOTE
			 "\"1 stage=createRuntime\"}}");
	later.hook_stage = "createContainer";
	CHECK(!apply("{}", &later, &err));
	CHECK_INT(err.code, ERR_SPEC);
}

/* Whatever another tool makes of our entry, it is found again; Docker's too. */
TEST(hooks_whose_names_are_written_with_escapes)
{
#define ESCAPED(name) \
	"{\"annotations\":{},\"hooks\":{\"prestart\":[{\"path\":\"\\/x\\/" name \
	"\",\"args\":[\"a\",\"--device-cgroup=non\\u0065\"]}]}}"
	cleanup_free char *ours = NULL, *dockers = NULL;
	struct err err = ERR_INIT;

	ours = undo(ESCAPED("nvcoreos\\u002dhook"), &err);
	CHECK_STR(ours, "{\"annotations\":{},\"hooks\":{\"prestart\":[]}}");
	dockers = apply(ESCAPED("nvidia-container-runtim\\u0065-hook"), &ld_only, &err);
	CHECK(dockers && strstr(dockers, "\"prestart\":[]"));
#undef ESCAPED
}

/* What else stands in an entry is the runtime's to judge; one that may be ours and cannot be read is not left there in silence. */
TEST(hooks_that_are_odd)
{
#define ODD(entry) "{\"annotations\":{},\"hooks\":{\"prestart\":[" entry "]}}"
#define OURS "\"path\":\"/x/nvcoreos-hook\",\"args\":[\"a\",\"--device-cgroup=none\"]"
	cleanup_free char *ours = NULL, *dockers = NULL;
	struct err err = ERR_INIT;

	ours = undo(ODD("{" OURS ",\"env\":[\"A=\xff\"],\"env\":[]}"), &err);
	CHECK_STR(ours, ODD(""));
	dockers = apply(ODD("{\"path\":\"/x/nvidia-container-runtime-hook\",\"timeout\":1,\"timeout\":1}"), &ld_only,
			&err);
	CHECK(dockers && strstr(dockers, "\"prestart\":[]"));
	CHECK(!undo(ODD("{},{" OURS ",\"path\":\"/x\"}"), &err));
	CHECK_INT(err.code, ERR_SPEC);
	CHECK(str_starts(err.what, "hooks.prestart[1]: "));
#undef OURS
#undef ODD
}

TEST(strings_are_escaped)
{
	static const char *const odd[] = { "nvcoreos-hook", "--config", "/a \"b\"\\\n\xc3\xa9", "--device-cgroup=none",
					   NULL };
	static const char *const bad[] = { "\xff", NULL };
	struct edit edit = hook_only;
	struct err err = ERR_INIT;
	cleanup_free char *once = NULL, *twice = NULL;

	edit.hook_args = odd;
	once = apply("{}", &edit, &err);
	REQUIRE(once);
	CHECK(strstr(once, "\"/a \\\"b\\\"\\\\\\n\xc3\xa9\""));
	twice = apply(once, &edit, &err);
	CHECK_STR(twice, once);
	edit.hook_args = bad;
	CHECK(!apply("{}", &edit, &err));
	edit.hook_args = args;
	edit.hook_path = "/\xff/nvcoreos-hook";
	CHECK(!apply("{}", &edit, &err));
}

TEST(library_path)
{
	static const struct row rows[] = {
		{ "{\"annotations\":{},\"process\":{\"env\":[\"A=b\"]}}", &ld_only,
		  "{\"annotations\":{" NOTE "\"1 ld-new=" LD "\"},\"process\":{\"env\":[\"A=b\",\"LD_LIBRARY_PATH=" LD
		  "\"]}}",
		  NULL },
		{ "{\"annotations\":{},\"process\":{\"env\":[\"LD_LIBRARY_PATH=/1\",\"LD_LIBRARY_PATH=\\/2:\\u00e9\",\"Z=\"]}}",
		  &ld_only,
		  "{\"annotations\":{" NOTE "\"1 ld-first=" LD
		  "\"},\"process\":{\"env\":[\"LD_LIBRARY_PATH=/1\",\"LD_LIBRARY_PATH=" LD ":\\/2:\\u00e9\",\"Z=\"]}}",
		  NULL },
		{ "{\"annotations\":{},\"process\":{\"env\":[\"LD_LIBRARY_PATH=\"]}}", &ld_only,
		  "{\"annotations\":{" NOTE "\"1 ld-first=" LD "\"},\"process\":{\"env\":[\"LD_LIBRARY_PATH=" LD
		  "\"]}}",
		  NULL },
		{ "{\"annotations\":{},\"process\":{\"env\":[\"LD_LIBRARY_PATH=" LD ":" LD "\"]}}", &ld_only,
		  "{\"annotations\":{" NOTE "\"1 ld-first=" LD "\"},\"process\":{\"env\":[\"LD_LIBRARY_PATH=" LD ":" LD
		  ":" LD "\"]}}",
		  NULL },
		{ "{\"annotations\":{},\"process\":{\"env\":[\"LD_LIBRARY\\u005fPATH=/1\"]}}", &ld_only,
		  "{\"annotations\":{" NOTE "\"1 ld-first=" LD "\"},\"process\":{\"env\":[\"LD_LIBRARY_PATH=" LD
		  ":/1\"]}}",
		  "{\"annotations\":{},\"process\":{\"env\":[\"LD_LIBRARY_PATH=/1\"]}}" },
		{ "{\"annotations\":{},\"process\":{\"env\":null}}", &ld_only,
		  "{\"annotations\":{" NOTE "\"1 ld-new=" LD "\"},\"process\":{\"env\":[\"LD_LIBRARY_PATH=" LD "\"]}}",
		  "{\"annotations\":{},\"process\":{\"env\":[]}}" },
	};
	static const char *const bad[] = {
		"", "/lib", LD ":", ":" LD, LD ":/tmp", "/usr/local/nvidia/../../tmp", LD "\"", "/usr/local/nvidia/a b"
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct edit edit = { .ld_library_path = bad[i] };

		CHECK(!apply("{}", &edit, &err));
		CHECK_INT(err.code, ERR_SPEC);
	}
}

TEST(everything_else_stays)
{
	static const struct row row = {
		" {\n\t\"process\" : { \"env\" : [ \"A=\\u0041\\/\" ],\"rlimits\":[{\"hard\":18446744073709551615,\"soft\":1.50e+3}]} ,\r\n"
		"\"unknown\":{\"x\":[ ],\"\\u0061\":-0},\"annotations\":{ \"q\" : \"io.nvcoreos.edits\" },"
		"\"hooks\":{\"prestart\":[ {\"path\":\"/a\\/b\"} ]},\"linux\":{\"resources\":{\"devices\":[\n" DENY
		"\n],\"zz\":1e400}}}\n\n",
		&all,
		" {\n\t\"process\" : { \"env\" : [ \"A=\\u0041\\/\",\"LD_LIBRARY_PATH=" LD
		"\" ],\"rlimits\":[{\"hard\":18446744073709551615,\"soft\":1.50e+3}]} ,\r\n"
		"\"unknown\":{\"x\":[ ],\"\\u0061\":-0},\"annotations\":{ \"q\" : \"io.nvcoreos.edits\"," NOTE
		"\"1 c=195:0,195:255 stage=prestart ld-new=" LD "\" },"
		"\"hooks\":{\"prestart\":[ {\"path\":\"/a\\/b\"}," HOOK
		" ]},\"linux\":{\"resources\":{\"devices\":[\n" DENY
		"," RULE(195, 0) "," RULE(195, 255) "\n],\"zz\":1e400}}}\n\n",
		NULL,
	};
	struct err err = ERR_INIT;
	cleanup_free char *once = apply(row.text, row.edit, &err), *twice = NULL, *undone = NULL;

	/* 1e400 is no number to spec_parse, but nothing that is not touched matters here. */
	CHECK_STR(once, row.applied);
	twice = apply(once, row.edit, &err);
	CHECK_STR(twice, once);
	undone = undo(once, &err);
	CHECK_STR(undone, row.text);
}

TEST(other_devices_take_the_place_of_the_first)
{
	static const char text[] =
		"{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[" DENY "," RULE(195, 255) "]}}}";
	struct edit edit = { .devices = other, .n_devices = 1 };
	struct err err = ERR_INIT;
	cleanup_free char *once = apply(text, &devices_only, &err), *twice = apply(once, &edit, &err),
			  *direct = apply(text, &edit, &err);

	CHECK_STR(twice, "{\"annotations\":{" NOTE "\"1 c=195:1\"},\"linux\":{\"resources\":{\"devices\":[" DENY
			 "," RULE(195, 255) "," RULE(195, 1) "]}}}");
	CHECK_STR(direct, twice);
}

TEST(rules_written_anew_by_another_tool_are_known)
{
	struct err err = ERR_INIT;
	cleanup_free char *undone =
		undo("{\"annotations\":{" NOTE "\"1 c=195:0\"},\"linux\":{\"resources\":{\"devices\":[" DENY
		     ", {\"access\": \"rw\", \"minor\": 0, \"major\": 195, \"type\": \"c\", \"allow\": true}]}}}",
		     &err);

	CHECK_STR(undone, "{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[" DENY "]}}}");
}

/* What an image's annotation says takes away rules of ours at most, and never leaves a list wider. */
TEST(hostile_annotations)
{
	static const struct {
		const char *note, *list, *want; /* want NULL: the list */
	} rows[] = {
		{ "\"rubbish\"", DENY "," RULE(1, 3), NULL },
		{ "7", DENY "," RULE(1, 3), NULL },
		{ "{\"a\":[]}", DENY, NULL },
		{ "null", DENY, NULL },
		{ "\"1 c=1:3\"", DENY "," RULE(1, 3), DENY },
		{ "\"\\u0031 c=1:3\"", DENY "," RULE(1, 3), DENY },
		{ "\"1 c=1:3\"", DENY, NULL },
		{ "\"1 c=1:3\"", RULE(1, 3), DENY },
		{ "\"1 c=1:3\"", "", NULL },
		{ "\"1 c=1:3\"", DENY ",{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\"}",
		  NULL },
		{ "\"1 c=1:3\"", DENY ",{\"allow\":true,\"type\":\"b\",\"major\":1,\"minor\":3,\"access\":\"rw\"}",
		  NULL },
		{ "\"1 c=1:3\"", DENY ",{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}",
		  NULL },
		{ "\"1 c=1:3\"",
		  DENY ",{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\",\"x\":1}", NULL },
		{ "\"1 c=1:3\"", DENY ",{\"allow\":true,\"type\":\"c\",\"major\":1,\"access\":\"rw\"},7,null,\"x\"",
		  NULL },
		{ "\"1 c=0:0-65535\"", DENY "," RULE(1, 3), NULL },
		{ "\"1 c=0:0-4294967295\"", DENY "," RULE(0, 3), NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *text =
			mem_printf("{\"annotations\":{" NOTE "%s},\"linux\":{\"resources\":{\"devices\":[%s]}}}",
				   rows[i].note, rows[i].list);
		cleanup_free char *want =
			mem_printf("{\"annotations\":{},\"linux\":{\"resources\":{\"devices\":[%s]}}}",
				   rows[i].want ? rows[i].want : rows[i].list);
		struct err err = ERR_INIT;
		cleanup_free char *undone = undo(text, &err);

		CHECK_STR(undone, want);
	}
}

TEST(hostile_library_paths)
{
	static const struct {
		const char *note, *entry, *want;
	} rows[] = {
		{ "ld-first=" LD, "LD_LIBRARY_PATH=/lib", NULL },
		{ "ld-first=" LD, "LD_LIBRARY_PATH=" LD "x:/lib", NULL },
		{ "ld-first=" LD, "LD_LIBRARY_PATH=", NULL },
		{ "ld-first=" LD, "LD_LIBRARY_PAT", NULL },
		{ "ld-first=/lib", "LD_LIBRARY_PATH=/lib:/x", NULL },
		{ "ld-new=" LD, "LD_LIBRARY_PATH=" LD ":/x", NULL },
		{ "ld-new=" LD, "LD_LIBRARY_PATH\\u003d" LD, NULL },
		{ "ld-first=" LD, "LD_LIBRARY_PATH=" LD "\\u003a/x", NULL },
		{ "ld-first=" LD, "LD_LIBRARY_PATH=" LD ":/x", "LD_LIBRARY_PATH=/x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *text =
			mem_printf("{\"annotations\":{" NOTE "\"1 %s\"},\"process\":{\"env\":[\"%s\"]}}", rows[i].note,
				   rows[i].entry);
		cleanup_free char *want = mem_printf("{\"annotations\":{},\"process\":{\"env\":[\"%s\"]}}",
						     rows[i].want ? rows[i].want : rows[i].entry);
		struct err err = ERR_INIT;
		cleanup_free char *undone = undo(text, &err);

		CHECK_STR(undone, want);
	}
}

TEST(many_rules_take_no_time)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	cleanup_free char *undone = NULL;

	strbuf_puts(&b, "{\"annotations\":{" NOTE "\"1 c=1:0-65535\"},\"linux\":{\"resources\":{\"devices\":[" DENY);
	for (int i = 0; i < 200000; i++)
		strbuf_printf(&b, ",{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":%d,\"access\":\"rw\"}",
			      i & 0xffff);
	strbuf_puts(&b, "]}}}");
	undone = undo(b.buf, &err);
	REQUIRE(undone);
	CHECK(strlen(undone) < b.len - 65536 * 60 && strlen(undone) > b.len - 65536 * 80);
}

TEST(wrong_types_are_named)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{ "", "no JSON object" },
		{ "[]", "no JSON object" },
		{ "{\"annotations\":[]}", "annotations is no object" },
		{ "{\"linux\":[]}", "linux is no object" },
		{ "{\"linux\":{\"resources\":7}}", "linux.resources is no object" },
		{ "{\"linux\":{\"resources\":{\"devices\":{}}}}", "linux.resources.devices is no array" },
		{ "{\"linux\":{\"resources\":{\"devices\":[" DENY ",7]}}}", "linux.resources.devices[1] is no object" },
		{ "{\"hooks\":[]}", "hooks is no object" },
		{ "{\"hooks\":{\"prestart\":{}}}", "hooks.prestart is no array" },
		{ "{\"process\":[]}", "process is no object" },
		{ "{\"process\":{\"env\":{}}}", "process.env is no array" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		CHECK(!apply(rows[i].text, &all, &err));
		CHECK_INT(err.code, ERR_SPEC);
		CHECK_STR(err.what, rows[i].what);
	}
}

TEST(a_text_without_edits_of_ours_is_given_back)
{
	static const char *const texts[] = {
		"{}", " { } ", "{\"annotations\":null}",
		"{\"annotations\":{\"a\":\"b\"},\"hooks\":{\"prestart\":[{}]},\"x\":18446744073709551615}"
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err err = ERR_INIT;
		cleanup_free char *undone = undo(texts[i], &err);

		CHECK_STR(undone, texts[i]);
	}
}

TEST(docker)
{
	cleanup_free char *text = NULL, *once = NULL, *undone = NULL;
	struct err err = ERR_INIT;
	struct spec s;
	size_t len;

	if (fd_read_file_at(AT_FDCWD, "tests/fixtures/oci/config/good/docker.json", SPEC_FILE_MAX, &text, &len) < 0) {
		tap_skip("not run in the source folder");
		return;
	}
	once = apply(text, &all, &err);
	REQUIRE(once && spec_parse(&s, once, strlen(once), &err) == 0);
	CHECK(s.cgroup_by_shim);
	CHECK_STR(spec_env(&s, "LD_LIBRARY_PATH"), LD);
	spec_free(&s);
	undone = undo(once, &err);
	REQUIRE(undone && str_ends(undone, ",\"annotations\":{}}"));
	CHECK(strncmp(undone, text, len - 1) == 0);
}

/* A small generator, so that each run is the same. */
static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

TEST(damaged_texts_never_crash)
{
	static const char text[] = "{\"process\":{\"env\":[\"LD_LIBRARY_PATH=" LD ":/x\"]},\"annotations\":{" NOTE
				   "\"1 c=195:0 ld-first=" LD "\"},"
				   "\"hooks\":{\"prestart\":[" HOOK "]},\"linux\":{\"resources\":{\"devices\":[" DENY
				   "," RULE(195, 0) "]}}}";
	static const char bytes[] = "{}[]\",:\\ 0n\xff";
	unsigned seed = 1;

	for (int i = 0; i < 20000; i++) {
		size_t len = sizeof(text) - 1 - (i % 3 ? 0 : next(&seed) % 200);
		cleanup_free char *copy = mem_alloc(len), *ret = NULL;
		struct err err = ERR_INIT;
		size_t ret_len = 0;

		memcpy(copy, text, len);
		for (unsigned n = next(&seed) % 4; n > 0; n--)
			copy[next(&seed) % len] = bytes[next(&seed) % (sizeof(bytes) - 1)];
		if (edit_apply(copy, len, &all, &ret, &ret_len, &err) < 0)
			CHECK_INT(err.code, ERR_SPEC);
	}
}
