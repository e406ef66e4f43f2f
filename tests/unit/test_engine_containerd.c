/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's config.toml as text: its versions, what is copied, refused and taken back. */
#include "engine_containerd.h"

#include <stdio.h>

#include "tap.h"
#include "tomledit.h"

#define OURS "/opt/nvcoreos/bin/nvcoreos-runtime"

static const struct engine_containerd plain = { .file = "config.toml", .name = "nvcoreos", .path = OURS };
static const struct engine_containerd with_all = {
	.file = "config.toml",
	.name = "nvcoreos",
	.path = OURS,
	.set_default = true,
	.cdi = true,
};

static void set(struct strbuf *b, const char *text)
{
	strbuf_free(b);
	strbuf_puts(b, text);
}

static const char *text_of(const struct strbuf *b)
{
	return b->buf ? b->buf : "";
}

/* Added, it says `want` besides (as JSON); once more changes nothing; removed it is what it was, byte for byte. */
static void there_and_back(const struct engine_containerd *e, const char *before, const char *want)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT, once = STRBUF_INIT;
	cleanup_json struct json *facts = NULL;
	cleanup_free char *text = NULL;
	struct err err = ERR_INIT;
	bool was_new;

	set(&b, before);
	CHECK_INT(engine_containerd_add(&b, e, &err), 0);
	facts = tomledit_facts(&b, "f", &err);
	text = json_dump(facts, 0);
	CHECK_STR(text, want);
	set(&once, b.buf);
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_STR(b.buf, once.buf);
	CHECK_INT(engine_containerd_remove(&b, e, &was_new, &err), 0);
	CHECK_STR(text_of(&b), before);
	CHECK_INT(engine_containerd_remove(&b, e, &was_new, &err), 0);
	CHECK_STR(text_of(&b), before);
	CHECK(!was_new);
}

#define V1 "cri"
#define V2 "io.containerd.grpc.v1.cri"
#define V3 "io.containerd.cri.v1.runtime"
#define RUNC "\"runc\":{\"runtime_type\":\"io.containerd.runc.v2\"}"
#define NV "\"nvcoreos\":{\"options\":{\"BinaryName\":\"" OURS "\"},\"runtime_type\":\"io.containerd.runc.v2\"}"

TEST(versions)
{
	/* Until 1.7 the built-in runc would be gone. */
	there_and_back(&plain, "",
		       "{\"plugins\":{\"" V2 "\":{\"containerd\":{\"runtimes\":{" NV "," RUNC "}}}},\"version\":2}");
	there_and_back(&plain, "# nothing\n",
		       "{\"plugins\":{\"" V2 "\":{\"containerd\":{\"runtimes\":{" NV "," RUNC "}}}},\"version\":2}");
	there_and_back(&plain, "root = '/r'\n",
		       "{\"plugins\":{\"" V1 "\":{\"containerd\":{\"runtimes\":{" NV "," RUNC "}}}},\"root\":\"/r\"}");
	there_and_back(&plain, "version = 1",
		       "{\"plugins\":{\"" V1 "\":{\"containerd\":{\"runtimes\":{" NV "," RUNC "}}}},\"version\":1}");
	there_and_back(&plain, "version = 2\r\n",
		       "{\"plugins\":{\"" V2 "\":{\"containerd\":{\"runtimes\":{" NV "," RUNC "}}}},\"version\":2}");
	there_and_back(&plain, "version = 3\n",
		       "{\"plugins\":{\"" V3 "\":{\"containerd\":{\"runtimes\":{" NV "}}}},\"version\":3}");
	there_and_back(&with_all, "\xef\xbb\xbfversion = 4",
		       "{\"plugins\":{\"" V3
		       "\":{\"containerd\":{\"default_runtime_name\":\"nvcoreos\",\"runtimes\":{" NV
		       "}},\"enable_cdi\":true}},\"version\":4}");
}

#define TABLE2 "[plugins.\"" V2 "\".containerd"

/* As the default runtime is, whichever that is: pods fail without SystemdCgroup where the kubelet uses systemd. */
TEST(copies_the_default_runtime)
{
	static const char before[] = "version = 2\n[plugins.\"" V2 "\"]\nenable_cdi = false # off\n" TABLE2
				     "]\n\tdefault_runtime_name = 'runc'\n" TABLE2
				     ".runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n"
				     "base_runtime_spec = '/etc/base.json'\ncni_conf_dir = ''\ncni_max_conf_num = 0\n"
				     "pod_annotations = ['a', \"b\\n\"]\nprivileged = false\n" TABLE2
				     ".runtimes.runc.options]\nSystemdCgroup = true\nBinaryName = '/usr/bin/runc'\n"
				     "Root = ''\nNoPivotRoot = false\n";
	static const char want[] =
		"{\"plugins\":{\"" V2 "\":{\"containerd\":{\"default_runtime_name\":\"nvcoreos\",\"runtimes\":{"
		"\"nvcoreos\":{\"base_runtime_spec\":\"/etc/base.json\","
		"\"options\":{\"BinaryName\":\"" OURS "\",\"SystemdCgroup\":true},"
		"\"pod_annotations\":[\"a\",\"b\\n\"],\"runtime_type\":\"io.containerd.runc.v2\"},"
		"\"runc\":{\"base_runtime_spec\":\"/etc/base.json\",\"cni_conf_dir\":\"\",\"cni_max_conf_num\":0,"
		"\"options\":{\"BinaryName\":\"/usr/bin/runc\",\"NoPivotRoot\":false,\"Root\":\"\",\"SystemdCgroup\":true},"
		"\"pod_annotations\":[\"a\",\"b\\n\"],\"privileged\":false,\"runtime_type\":\"io.containerd.runc.v2\"}}},"
		"\"enable_cdi\":true}},\"version\":2}";

	there_and_back(&with_all, before, want);
	/* Kata's options are none of runc's. */
	there_and_back(&plain,
		       "version = 2\n" TABLE2 "]\ndefault_runtime_name = 'kata'\n" TABLE2
		       ".runtimes.kata]\nruntime_type = 'io.containerd.kata.v2'\nx = 1\n",
		       "{\"plugins\":{\"" V2
		       "\":{\"containerd\":{\"default_runtime_name\":\"kata\",\"runtimes\":{\"kata\":"
		       "{\"runtime_type\":\"io.containerd.kata.v2\",\"x\":1}," NV "}}}},\"version\":2}");
}

TEST(two_names)
{
	struct engine_containerd other = plain, first_one = plain, third = plain;
	cleanup_strbuf struct strbuf b = STRBUF_INIT, first = STRBUF_INIT, both = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new;

	other.name = "nvidia";
	set(&b, "version = 2");
	CHECK_INT(engine_containerd_add(&b, &with_all, &err), 0);
	set(&first, b.buf);
	CHECK_INT(engine_containerd_add(&b, &other, &err), 0);
	set(&both, b.buf);
	/* One default is ours already. */
	other.set_default = true;
	CHECK(engine_containerd_add(&b, &other, &err) < 0);
	CHECK(strstr(err.hint, "--remove --name nvcoreos"));
	CHECK_STR(b.buf, both.buf);
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(b.buf, first.buf);
	/* In the other order: what the first one has brought, and the other stands on, is the other's then. */
	set(&b, both.buf);
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK(strstr(b.buf, "enable_cdi = true") && strstr(b.buf, ".runtimes.runc]"));
	CHECK(strstr(b.buf, ".runtimes.nvidia]") && !strstr(b.buf, "runtimes.nvcoreos]") && !strstr(b.buf, "default_"));
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(b.buf, "version = 2");
	/* Where neither brought anything that the other needs. */
	set(&b, "[plugins.cri.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n");
	set(&first, b.buf);
	other.set_default = false;
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_INT(engine_containerd_add(&b, &other, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK(strstr(b.buf, ".runtimes.nvidia]") && !strstr(b.buf, ".runtimes.nvcoreos]"));
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(b.buf, first.buf);
	/* The first one once more, behind the other: nothing changes; and with more, the version stays above all tables. */
	set(&b, "");
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_INT(engine_containerd_add(&b, &other, &err), 0);
	set(&both, b.buf);
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_STR(b.buf, both.buf);
	CHECK_INT(engine_containerd_add(&b, &with_all, &err), 0);
	CHECK(strstr(b.buf, "version = 2\n") && strstr(b.buf, "enable_cdi = true"));
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(text_of(&b), "");
	/* Of three the first goes first; the version stands above the others' tables, and behind a mark of the byte order. */
	set(&b, "\xef\xbb\xbf# x");
	third.name = "gpu";
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_INT(engine_containerd_add(&b, &other, &err), 0);
	CHECK_INT(engine_containerd_add(&b, &third, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK(str_starts(b.buf, "\xef\xbb\xbf# nvcoreos: begin gpu\nversion = 2\n# nvcoreos: end gpu\n# x\n"));
	CHECK_INT(engine_containerd_remove(&b, &third, &was_new, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(text_of(&b), "\xef\xbb\xbf# x");
	/* A file of ours alone, and the version with it. */
	set(&b, "");
	first_one.is_new = true;
	CHECK_INT(engine_containerd_add(&b, &first_one, &err), 0);
	CHECK_INT(engine_containerd_add(&b, &other, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK(strstr(b.buf, "version = 2\n") && strstr(b.buf, ".runtimes.runc]"));
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(text_of(&b), "");
	CHECK(was_new);
}

/* A line that turned CDI on is put back, and the other one turns it on again. */
TEST(cdi_of_two)
{
	static const char before[] = "version = 2\n[plugins.\"" V2 "\"]\n  enable_cdi = false # why\n" TABLE2
				     ".runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n";
	struct engine_containerd other = plain, cdi = plain;
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new;

	other.name = "nvidia";
	other.cdi = cdi.cdi = true;
	set(&b, before);
	CHECK_INT(engine_containerd_add(&b, &cdi, &err), 0);
	CHECK_INT(engine_containerd_add(&b, &other, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK(strstr(b.buf, "\n  enable_cdi = true\n"));
	CHECK_INT(engine_containerd_remove(&b, &other, &was_new, &err), 0);
	CHECK_STR(b.buf, before);
}

/* A runtime that somebody else has put there gets nothing of ours when ours goes. */
TEST(one_by_hand)
{
	static const char before[] =
		"version = 2\n" TABLE2 ".runtimes.mine.options]\nBinaryName = '/x/bin/nvcoreos-runtime'\n";
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new;

	set(&b, before);
	CHECK_INT(engine_containerd_add(&b, &with_all, &err), 0);
	CHECK(strstr(b.buf, "enable_cdi = true"));
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK_STR(b.buf, before);
}

/* `from` in the text becomes `to`. */
static void edit(struct strbuf *b, const char *from, const char *to)
{
	cleanup_free char *text = mem_strdup(b->buf);
	char *at = strstr(text, from);

	REQUIRE(at);
	*at = '\0';
	set(b, text);
	strbuf_printf(b, "%s%s", to, at + strlen(from));
}

/* A line of ours that says something else by now, and comments between the marks, stay. */
TEST(keeps_what_others_wrote)
{
	static const char before[] = "version = 2\n" TABLE2 "]\ndefault_runtime_name = 'runc'\n";
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new;

	set(&b, before);
	CHECK_INT(engine_containerd_add(&b, &with_all, &err), 0);
	edit(&b, "default_runtime_name = \"nvcoreos\"", "default_runtime_name = \"kata\" # mine");
	edit(&b, TABLE2 ".runtimes.nvcoreos]", "  # look here\n\n" TABLE2 ".runtimes.nvcoreos]");
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK_STR(b.buf, "version = 2\n" TABLE2 "]\ndefault_runtime_name = \"kata\" # mine\n  # look here\n\n");
}

/* What somebody has said of our runtime holds, when more is asked for too. */
TEST(keeps_options)
{
	static const char before[] = "version = 2\n";
	cleanup_strbuf struct strbuf b = STRBUF_INIT, once = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new;

	set(&b, before);
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	edit(&b, "BinaryName", "Root = '/r'\nBinaryName");
	set(&once, b.buf);
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_STR(b.buf, once.buf);
	CHECK_INT(engine_containerd_add(&b, &with_all, &err), 0);
	CHECK(strstr(b.buf, "Root = \"/r\"\n") && strstr(b.buf, "enable_cdi = true"));
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK_STR(b.buf, before);
}

/* Tables of others between the marks are nobody's to lose, and marks in a text are no marks. */
TEST(adds_only_ours)
{
	static const char *const kept[] = {
		"version = 2\n# nvcoreos: begin nvcoreos\n[grpc]\ngid = 1\n# nvcoreos: end nvcoreos\n",
		"version = 2\na = '''\n# nvcoreos: begin nvcoreos\n# nvcoreos: end nvcoreos\n'''\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		struct err err = ERR_INIT;

		set(&b, kept[i]);
		CHECK(engine_containerd_add(&b, &with_all, &err) < 0);
		CHECK_INT(err.code, ERR_ENGINE);
		CHECK_STR(b.buf, kept[i]);
	}
}

TEST(a_new_file)
{
	struct engine_containerd e = plain;
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new = false;

	e.is_new = true;
	CHECK_INT(engine_containerd_add(&b, &e, &err), 0);
	/* Options that come later do not forget it. */
	CHECK_INT(engine_containerd_add(&b, &with_all, &err), 0);
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK(was_new);
	CHECK_STR(text_of(&b), "");
}

TEST(refuses)
{
	static const char *const cases[] = {
		"version = ",
		"version = '2'\n",
		"version = 5\n",
		"version = 0\n",
		"version = 2.5\n",
		"version = 2\n" TABLE2 ".runtimes.nvcoreos]\nruntime_type = 'io.containerd.kata.v2'\n",
		"version = 2\n" TABLE2 ".runtimes.nvcoreos.options]\nBinaryName = '/usr/bin/other'\n",
		"version = 2\n" TABLE2 "]\nruntimes = { runc = { runtime_type = 'x' } }\n",
		"version = 2\n" TABLE2 "]\nruntimes = 1\n",
		"version = 2\nplugins = []\n",
		"version = 2\n" TABLE2 "]\n'default_runtime_name' = 'runc'\n",
		"version = 2\nplugins.\"" V2 "\".enable_cdi = false\n",
		"version = 2\n# nvcoreos: begin nvcoreos\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		struct err err = ERR_INIT;

		set(&b, cases[i]);
		if (!(engine_containerd_add(&b, &with_all, &err) < 0))
			printf("# %s\n", cases[i]);
		CHECK_INT(err.code, ERR_ENGINE);
		CHECK(strstr(err.what, "config.toml"));
		CHECK_STR(b.buf, cases[i]);
	}
}

/* What somebody has put between the marks is not ours to take. */
TEST(removes_only_ours)
{
	static const char *const kept[] = {
		"version = 2\n# nvcoreos: begin nvcoreos\n[grpc]\ngid = 1\n# nvcoreos: end nvcoreos\n",
		"version = 2\na = '''\n# nvcoreos: begin nvcoreos\n# nvcoreos: end nvcoreos\n'''\n",
	};
	static const char by_hand[] = "version = 2\n" TABLE2 ".runtimes.nvcoreos.options]\nBinaryName = '" OURS "'\n";
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		set(&b, kept[i]);
		CHECK(engine_containerd_remove(&b, &plain, &was_new, &err) < 0);
		CHECK_INT(err.code, ERR_ENGINE);
		CHECK_STR(b.buf, kept[i]);
	}
	/* Only the mark was ours. */
	set(&b, "version = 2\n# nvcoreos: nvcoreos: the next line is new\nroot = '/r'\n");
	CHECK_INT(engine_containerd_remove(&b, &plain, &was_new, &err), 0);
	CHECK_STR(b.buf, "version = 2\nroot = '/r'\n");
	set(&b, by_hand);
	CHECK_INT(engine_containerd_add(&b, &plain, &err), 0);
	CHECK_STR(b.buf, by_hand);
	/* It is ours and cannot be taken out: that is not to be called gone. */
	CHECK(engine_containerd_remove(&b, &plain, &was_new, &err) < 0);
	CHECK(strstr(err.what, "outside the marks"));
	CHECK_STR(b.buf, by_hand);
}
