/* SPDX-License-Identifier: Apache-2.0 */
/* This host's specification, on a host made of files: made, written, and made anew. */
#include "cdigen.h"

#include <unistd.h>

#include "cdifile.h"
#include "cdihost.h"

#define SECOND "proc/driver/nvidia/gpus/0000:81:00.0/information"
#define SECOND_TEXT \
	"Model: \t\t NVIDIA A100\nGPU UUID: \t GPU-22222222-aaaa-4444-8888-000000000001\nDevice Minor: \t 1\n"

TEST(paths_are_those_of_the_host_at_root)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;

	cdihost_begin(&cli);
	REQUIRE(cdigen_text(&cli, &cdihost_usual, false, &out, &err) == 0);
	CHECK(!strstr(out.buf, cli.root) && !strstr(out.buf, "hostPath"));
	CHECK(strstr(out.buf, "\"/dev/nvidia0\"") && strstr(out.buf, "\"GPU-11111111-aaaa-4444-8888-000000000001\""));
	CHECK(strstr(out.buf, "\"path\": \"" NVCOREOS_PREFIX "/bin/nvcoreos-hook\""));
	cdihost_end(&cli);
}

TEST(a_configuration_that_was_named_is_the_hooks_too)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;

	const char *dir = cdihost_begin(&cli);

	cli.conf.file = arena_printf(&cli.conf.arena, "%s/etc/x.conf", dir);
	REQUIRE(cdigen_text(&cli, &cdihost_usual, true, &out, &err) == 0);
	CHECK(strstr(out.buf, "    - --config\n    - /etc/x.conf\n    - --cdi\n"));
	cdihost_end(&cli);
}

/* Of --root, wherever one stands, and by one name. */
TEST(a_configuration_named_from_here)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	cleanup_free char *etc = mem_printf("%s/etc", dir), *back = getcwd(NULL, 0);

	REQUIRE(back && chdir(etc) == 0);
	cli.conf.file = "../etc/./x.conf";
	CHECK_INT(cdigen_text(&cli, &cdihost_usual, true, &out, &err), 0);
	REQUIRE(chdir(back) == 0);
	CHECK(out.buf && strstr(out.buf, "    - --config\n    - /etc/x.conf\n    - --cdi\n"));
	cdihost_end(&cli);
}

TEST(no_gpu)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	char line[ERR_MSG_MAX + 512];
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	cleanup_free char *gpus = mem_printf("%s/proc/driver/nvidia", dir);

	REQUIRE(fd_remove_tree(AT_FDCWD, gpus) == 0);
	CHECK(cdigen_text(&cli, &cdihost_usual, true, &out, &err) < 0);
	CHECK_INT(err.code, ERR_NO_GPU);
	/* No word of containers, of which there are none. */
	CHECK_STR(err_line(&err, line, sizeof(line)),
		  "E20: no NVIDIA GPU on this host: the PCI bus shows none: there is nothing to name");
	cdihost_end(&cli);
}

TEST(no_driver_installed)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	cleanup_free char *tree = mem_printf("%s/opt/nvidia/535.261.03/3975.2.0/start.json", dir);

	cleanup_free char *os = mem_printf("%s/opt/nvidia/535.261.03/3975.2.0", dir),
			  *driver = mem_printf("%s/opt/nvidia/535.261.03", dir);

	CHECK(unlink(tree) == 0 && rmdir(os) == 0 && rmdir(driver) == 0);
	CHECK(cdigen_text(&cli, &cdihost_usual, true, &out, &err) < 0);
	CHECK_INT(err.code, ERR_NO_TREE);
	CHECK_INT(out.len, 0);
	cdihost_end(&cli);
}

static void generate(const struct cli *cli, const struct cdigen *g, const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct err err = ERR_INIT;

	REQUIRE(cdigen_text(cli, g, str_ends(path, ".yaml"), &text, &err) == 0);
	REQUIRE(cdifile_write(cli, path, &text, &err) == 1);
}

TEST(refreshed_where_it_is)
{
	struct cdigen other = {
		.vendor = "example.org", .class = "cards", .strategies = { CDI_TYPE_INDEX, CDI_UUID }, .n_strategies = 2
	};
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	/* Nothing is there, and nothing comes. */
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	CHECK(!cdihost_inode(dir, "etc/cdi") && !cdihost_inode(dir, "run/cdi"));
	generate(&cli, &cdihost_usual, "/etc/cdi/nvcoreos.yaml");
	generate(&cli, &other, "/run/cdi/nvcoreos.json");
	generate(&cli, &cdihost_usual, "/etc/cdi/mine.yaml");
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	ino_t before = cdihost_inode(dir, "etc/cdi/nvcoreos.yaml");

	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	CHECK(cdihost_inode(dir, "etc/cdi/nvcoreos.yaml") == before);
	tap_write(dir, SECOND, SECOND_TEXT);
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	cleanup_free char *yaml = cdihost_content(dir, "etc/cdi/nvcoreos.yaml"),
			  *json = cdihost_content(dir, "run/cdi/nvcoreos.json"),
			  *mine = cdihost_content(dir, "etc/cdi/mine.yaml");

	CHECK(strstr(yaml, "- name: \"1\"\n") && strstr(yaml, "- name: 1-graphics\n") &&
	      strstr(yaml, "- name: GPU-22222222-aaaa-4444-8888-000000000001\n"));
	CHECK(strstr(json, "\"example.org/cards\"") && strstr(json, "\"gpu1\"") && strstr(json, "\"gpu1-graphics\"") &&
	      !strstr(json, "\"name\": \"1\""));
	CHECK(*mine && !strstr(mine, "GPU-22222222"));
	cdihost_end(&cli);
}

#define MIG "proc/driver/nvidia/capabilities/gpu0/mig/gi1/access"

/* A GPU whose MIG devices are half made: "all" alone has a name, and the others come by the names that were asked for. */
TEST(the_names_are_remembered)
{
	static const struct cdigen asked[] = {
		{ .vendor = "a.b", .class = "c", .strategies = { CDI_TYPE_INDEX }, .n_strategies = 1 },
		{ .vendor = "a.b", .class = "d", .strategies = { CDI_UUID, CDI_TYPE_INDEX }, .n_strategies = 2 },
	};
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	tap_write(dir, MIG, "DeviceFileMinor: 12\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
	generate(&cli, &asked[0], "/etc/cdi/nvcoreos.yaml");
	generate(&cli, &asked[1], "/etc/cdi/nvcoreos.json");
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	tap_write(dir, SECOND, SECOND_TEXT);
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	cleanup_free char *yaml = cdihost_content(dir, "etc/cdi/nvcoreos.yaml"),
			  *json = cdihost_content(dir, "etc/cdi/nvcoreos.json");

	CHECK(strstr(yaml, "kind: a.b/c\n") && strstr(yaml, "- name: gpu1\n") && !strstr(yaml, "- name: \"1\"\n") &&
	      !strstr(yaml, "- name: GPU-"));
	CHECK(strstr(json, "\"a.b/d\"") && strstr(json, "\"GPU-22222222-aaaa-4444-8888-000000000001-all\"") &&
	      strstr(json, "\"gpu1\"") && !strstr(json, "\"1\""));
	cdihost_end(&cli);
}

/* What its hook reads, whoever refreshes it, and by what. */
TEST(the_configuration_is_kept)
{
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	tap_write(dir, "etc/x.conf", "default-capabilities=graphics\n");
	cli.conf.file = arena_printf(&cli.conf.arena, "%s/etc/x.conf", dir);
	generate(&cli, &cdihost_usual, "/etc/cdi/nvcoreos.yaml");
	cli.conf.file = NULL;
	generate(&cli, &cdihost_usual, "/run/cdi/nvcoreos.yaml");
	cli.conf.file = arena_printf(&cli.conf.arena, "%s/etc/y.conf", dir);
	tap_write(dir, SECOND, SECOND_TEXT);
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	cleanup_free char *named = cdihost_content(dir, "etc/cdi/nvcoreos.yaml"),
			  *plain = cdihost_content(dir, "run/cdi/nvcoreos.yaml");

	CHECK(strstr(named, "- name: \"1\"\n") && strstr(named, "    - --config\n    - /etc/x.conf\n"));
	CHECK(strstr(plain, "- name: \"1\"\n") && !strstr(plain, "--config"));
	/* Its capabilities, too: no unified memory. */
	const char *first = strstr(named, "- name: \"1\"\n"), *next = first ? strstr(first, "- name: 1-") : NULL,
		   *uvm = first ? strstr(first, "nvidia-uvm") : NULL;

	CHECK(next && (!uvm || uvm > next));
	cdihost_end(&cli);
}

TEST(what_is_not_ours_is_left_alone)
{
	static const char others[] =
		"cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: a\n  containerEdits: {env: [A=b]}\ncontainerEdits:\n  hooks:\n"
		"  - {hookName: createContainer, path: /usr/bin/nvidia-cdi-hook}\n";
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	tap_write(dir, "etc/cdi/nvcoreos.yaml", others);
	tap_write(dir, "run/cdi/nvcoreos.json", "{");
	CHECK_INT(cdigen_refresh(&cli, &err), 0);
	cleanup_free char *yaml = cdihost_content(dir, "etc/cdi/nvcoreos.yaml"),
			  *json = cdihost_content(dir, "run/cdi/nvcoreos.json");

	CHECK_STR(yaml, others);
	CHECK_STR(json, "{");
	cdihost_end(&cli);
}

/* One that cannot be made anew keeps no other from it. */
TEST(the_first_failure_is_told)
{
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	tap_write(
		dir, "etc/cdi/nvcoreos-imex.yaml",
		"cdiVersion: 0.5.0\nkind: nvidia.com/imex-channel\ndevices:\n- name: \"0\"\n  containerEdits: {env: [A=b]}\n");
	generate(&cli, &cdihost_usual, "/run/cdi/nvcoreos.yaml");
	tap_write(dir, SECOND, SECOND_TEXT);
	CHECK(cdigen_refresh(&cli, &err) < 0);
	CHECK_INT(err.code, ERR_NODE);
	CHECK(str_starts(err.what, "/etc/cdi/nvcoreos-imex.yaml: "));
	cleanup_free char *yaml = cdihost_content(dir, "run/cdi/nvcoreos.yaml");

	CHECK(strstr(yaml, "GPU-22222222"));
	cdihost_end(&cli);
}
