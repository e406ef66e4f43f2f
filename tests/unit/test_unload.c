/* SPDX-License-Identifier: Apache-2.0 */
#include "unload.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakehost.h"

#define ALL_MAJORS \
	"Character devices:\n195 nvidia\n510 nvidia-uvm\n509 nvidia-caps\n508 nvidia-caps-imex-channels\n507 nvidia-nvswitch\n" \
	"1 nvidia-nvlink\n\nBlock devices:\n  8 sd\n"

/* A host whose driver has every major that one may have, the last of them that of /dev/null; the program says what it was told. */
static void make_cli(struct cli *cli, const char *dir)
{
	cleanup_free char *program = mem_printf("%s/libexec/nvcoreos-load", dir);

	fakehost_add_gpu(dir);
	tap_write(dir, "proc/devices", ALL_MAJORS);
	tap_write(dir, "libexec/nvcoreos-load", "#!/bin/sh\necho \"$@\"\n");
	CHECK_INT(chmod(program, 0755), 0);
	*cli = (struct cli){ .root = "" };
	config_init(&cli->conf);
	config_set_root(&cli->conf, dir);
	cli->conf.libexec_dir = arena_printf(&cli->conf.arena, "%s/libexec", dir);
}

TEST(every_major_of_the_driver_counts)
{
	const char *dir = fakehost_make();
	cleanup_free char *fd = NULL;
	struct proc_result res;
	struct err err = ERR_INIT;
	struct cli cli;

	make_cli(&cli, dir);
	CHECK_INT(unload_modules(&cli, &res, &err), 0);
	CHECK_STR(res.output, "--unload\n");
	tap_write(dir, "proc/12/comm", "python3\n");
	tap_write(dir, "proc/12/fd/0", "");
	fd = mem_printf("%s/proc/12/fd/3", dir);
	CHECK_INT(symlink("/dev/null", fd), 0);
	CHECK(unload_modules(&cli, &res, &err) < 0);
	CHECK_INT(err.code, ERR_BUSY);
	CHECK_STR(err.what, "GPUs are in use by python3 (12)");
	config_free(&cli.conf);
}
