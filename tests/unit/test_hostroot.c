/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hostroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tap.h"

struct fixture {
	struct config conf;
	char proc[300], sys[300], dev[300], run[300];
};

static void make_fixture(struct fixture *f)
{
	const char *dir = tap_tmpdir();

	config_init(&f->conf);
	snprintf(f->proc, sizeof(f->proc), "%s/proc", dir);
	snprintf(f->sys, sizeof(f->sys), "%s/sys", dir);
	snprintf(f->dev, sizeof(f->dev), "%s/dev", dir);
	snprintf(f->run, sizeof(f->run), "%s/run", dir);
	f->conf.proc_root = f->proc;
	f->conf.sys_root = f->sys;
	f->conf.dev_root = f->dev;
	f->conf.run_dir = f->run;
	CHECK(mkdir(f->proc, 0755) == 0 && mkdir(f->sys, 0755) == 0 && mkdir(f->dev, 0755) == 0);
}

TEST(run_may_be_absent)
{
	struct hostroot h cleanup_hostroot = HOSTROOT_INIT;
	struct err err = ERR_INIT;
	struct fixture f;

	make_fixture(&f);
	CHECK_INT(hostroot_open(&h, &f.conf, &err), 0);
	CHECK(h.proc >= 0 && h.sys >= 0 && h.dev >= 0);
	CHECK(fcntl(h.proc, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(h.run, -EBADF);
	hostroot_close(&h);
	CHECK_INT(h.proc, -EBADF);
	CHECK(mkdir(f.run, 0755) == 0);
	CHECK_INT(hostroot_open(&h, &f.conf, &err), 0);
	CHECK(h.run >= 0);
	config_free(&f.conf);
}

TEST(missing_directory_is_named)
{
	struct hostroot h cleanup_hostroot = HOSTROOT_INIT;
	struct err err = ERR_INIT;
	struct fixture f;

	make_fixture(&f);
	CHECK(rmdir(f.sys) == 0);
	CHECK_INT(hostroot_open(&h, &f.conf, &err), -ENOENT);
	CHECK_INT(err.code, ERR_HOST);
	CHECK_STR(err.what, f.sys);
	CHECK_INT(h.proc, -EBADF);
	CHECK(mkdir(f.sys, 0755) == 0);
	tap_write(f.run, "x", "");
	snprintf(f.run + strlen(f.run), 3, "/x");
	CHECK_INT(hostroot_open(&h, &f.conf, &err), -ENOTDIR);
	CHECK_STR(err.what, f.run);
	CHECK_INT(h.proc, -EBADF);
	config_free(&f.conf);
}
