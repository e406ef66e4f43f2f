/* SPDX-License-Identifier: Apache-2.0 */
/* This host's specification, on a host made of files: made, written, and made anew. */
#include "cdigen.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakehost.h"

#define SECOND "proc/driver/nvidia/gpus/0000:81:00.0/information"
#define SECOND_TEXT \
	"Model: \t\t NVIDIA A100\nGPU UUID: \t GPU-22222222-aaaa-4444-8888-000000000001\nDevice Minor: \t 1\n"

static const struct cdigen usual = { .vendor = CDI_VENDOR, .class = CDI_CLASS };

static const char *begin(struct cli *cli)
{
	const char *dir = fakehost_make();

	fakehost_add_gpu(dir);
	fakehost_add_tree(dir);
	*cli = (struct cli){ .root = dir };
	config_init(&cli->conf);
	config_set_root(&cli->conf, dir);
	return dir;
}

static char *content(const char *dir, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	char *text;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, 1 << 20, &text, &len) < 0 ? mem_strdup("") : text;
}

static ino_t inode(const char *dir, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

TEST(paths_are_those_of_the_host_at_root)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;

	begin(&cli);
	REQUIRE(cdigen_text(&cli, &usual, false, &out, &err) == 0);
	CHECK(!strstr(out.buf, cli.root) && !strstr(out.buf, "hostPath"));
	CHECK(strstr(out.buf, "\"/dev/nvidia0\"") && strstr(out.buf, "\"GPU-11111111-aaaa-4444-8888-000000000001\""));
	CHECK(strstr(out.buf, "\"path\": \"" NVCOREOS_PREFIX "/bin/nvcoreos-hook\""));
	config_free(&cli.conf);
}

TEST(a_configuration_that_was_named_is_the_hooks_too)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;

	const char *dir = begin(&cli);

	cli.conf.file = arena_printf(&cli.conf.arena, "%s/etc/x.conf", dir);
	REQUIRE(cdigen_text(&cli, &usual, true, &out, &err) == 0);
	CHECK(strstr(out.buf, "    - --config\n    - /etc/x.conf\n    - --cdi\n"));
	config_free(&cli.conf);
}

TEST(no_driver_installed)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = begin(&cli);
	cleanup_free char *tree = mem_printf("%s/opt/nvidia/535.261.03/3975.2.0/start.json", dir);

	cleanup_free char *os = mem_printf("%s/opt/nvidia/535.261.03/3975.2.0", dir),
			  *driver = mem_printf("%s/opt/nvidia/535.261.03", dir);

	CHECK(unlink(tree) == 0 && rmdir(os) == 0 && rmdir(driver) == 0);
	CHECK(cdigen_text(&cli, &usual, true, &out, &err) < 0);
	CHECK_INT(err.code, ERR_NO_TREE);
	CHECK_INT(out.len, 0);
	config_free(&cli.conf);
}

TEST(written_once)
{
	cleanup_strbuf struct strbuf a = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = begin(&cli);
	ino_t first;

	strbuf_puts(&a, "text\n");
	CHECK_INT(cdigen_write(&cli, "/etc/cdi/x.yaml", &a, &err), 1);
	first = inode(dir, "etc/cdi/x.yaml");
	CHECK(first);
	CHECK_INT(cdigen_write(&cli, "/etc/cdi/x.yaml", &a, &err), 0);
	CHECK(inode(dir, "etc/cdi/x.yaml") == first);
	strbuf_puts(&a, "more\n");
	CHECK_INT(cdigen_write(&cli, "/etc/cdi/x.yaml", &a, &err), 1);
	cleanup_free char *got = content(dir, "etc/cdi/x.yaml");

	CHECK_STR(got, "text\nmore\n");
	config_free(&cli.conf);
}

static void generate(const struct cli *cli, const struct cdigen *g, const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct err err = ERR_INIT;

	REQUIRE(cdigen_text(cli, g, str_ends(path, ".yaml"), &text, &err) == 0);
	REQUIRE(cdigen_write(cli, path, &text, &err) == 1);
}

TEST(refreshed_where_it_is)
{
	struct cdigen other = {
		.vendor = "example.org", .class = "cards", .strategies = { CDI_TYPE_INDEX, CDI_UUID }, .n_strategies = 2
	};
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = begin(&cli);

	/* Nothing is there, and nothing comes. */
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	CHECK(!inode(dir, "etc/cdi") && !inode(dir, "run/cdi"));
	generate(&cli, &usual, "/etc/cdi/nvcoreos.yaml");
	generate(&cli, &other, "/run/cdi/nvcoreos.json");
	generate(&cli, &usual, "/etc/cdi/mine.yaml");
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	ino_t before = inode(dir, "etc/cdi/nvcoreos.yaml");

	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	CHECK(inode(dir, "etc/cdi/nvcoreos.yaml") == before);
	tap_write(dir, SECOND, SECOND_TEXT);
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	cleanup_free char *yaml = content(dir, "etc/cdi/nvcoreos.yaml"), *json = content(dir, "run/cdi/nvcoreos.json"),
			  *mine = content(dir, "etc/cdi/mine.yaml");

	CHECK(strstr(yaml, "- name: \"1\"\n") && strstr(yaml, "- name: 1-graphics\n") &&
	      strstr(yaml, "- name: GPU-22222222-aaaa-4444-8888-000000000001\n"));
	CHECK(strstr(json, "\"example.org/cards\"") && strstr(json, "\"gpu1\"") && strstr(json, "\"gpu1-graphics\"") &&
	      !strstr(json, "\"name\": \"1\""));
	CHECK(*mine && !strstr(mine, "GPU-22222222"));
	config_free(&cli.conf);
}

TEST(what_is_not_ours_is_left_alone)
{
	static const char others[] =
		"cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: a\n  containerEdits: {env: [A=b]}\ncontainerEdits:\n  hooks:\n"
		"  - {hookName: createContainer, path: /usr/bin/nvidia-cdi-hook}\n";
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = begin(&cli);

	tap_write(dir, "etc/cdi/nvcoreos.yaml", others);
	tap_write(dir, "run/cdi/nvcoreos.json", "{");
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	cleanup_free char *yaml = content(dir, "etc/cdi/nvcoreos.yaml"), *json = content(dir, "run/cdi/nvcoreos.json");

	CHECK_STR(yaml, others);
	CHECK_STR(json, "{");
	config_free(&cli.conf);
}

/* One that cannot be made anew keeps no other from it. */
TEST(the_first_failure_is_told)
{
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = begin(&cli);

	tap_write(
		dir, "etc/cdi/nvcoreos-imex.yaml",
		"cdiVersion: 0.5.0\nkind: nvidia.com/imex-channel\ndevices:\n- name: \"0\"\n  containerEdits: {env: [A=b]}\n");
	generate(&cli, &usual, "/run/cdi/nvcoreos.yaml");
	tap_write(dir, SECOND, SECOND_TEXT);
	CHECK(cdigen_refresh(&cli, &err) < 0);
	CHECK_INT(err.code, ERR_NODE);
	CHECK(str_starts(err.what, "/etc/cdi/nvcoreos-imex.yaml: "));
	cleanup_free char *yaml = content(dir, "run/cdi/nvcoreos.yaml");

	CHECK(strstr(yaml, "GPU-22222222"));
	config_free(&cli.conf);
}
