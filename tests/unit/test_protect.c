/* SPDX-License-Identifier: Apache-2.0 */
#include "protect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "store_fixture.h"
#include "tap.h"

struct world {
	const char *dir;
	struct cli cli;
	struct store store;
	struct err err;
};

static void make(struct world *w)
{
	*w = (struct world){ .dir = tap_tmpdir() };
	w->cli.root = w->dir;
	config_init(&w->cli.conf);
	config_set_root(&w->cli.conf, w->dir);
	tap_write(w->dir, "proc/none", "");
}

static void tree(const struct world *w, const char *name)
{
	cleanup_free char *path = mem_printf("opt/%s/start.json", name);

	tap_write(w->dir, path, "{}");
}

static void loaded(const struct world *w, const char *driver)
{
	cleanup_free char *text = mem_printf("NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s  Sat\n", driver);

	tap_write(w->dir, "proc/driver/nvidia/version", text);
}

/* Why TREE may not go, as the caller's string; "" where it may. */
static char *why(struct world *w, const char *name, const char *os)
{
	struct protect *p = NULL;
	struct store_tree t;
	char *said = NULL;

	if (!CHECK_INT(store_read(&w->store, &w->cli.conf, &w->err), 0))
		return NULL;
	if (CHECK_INT(store_find(&w->store, name, os, &t, &w->err), 0) &&
	    CHECK_INT(protect_read(&p, &w->cli, &w->store, os, &w->err), 0)) {
		const char *s = NULL;

		CHECK_INT(protect_why(p, &t, &s, &w->err), 0);
		said = mem_strdup(s ? s : "");
		protect_free(p);
	}
	store_free(&w->store);
	return said;
}

static void expect(struct world *w, const char *name, const char *os, const char *want)
{
	cleanup_free char *said = why(w, name, os);

	CHECK_STR(said, want);
}

TEST(what_a_start_would_take_stays)
{
	struct world w;

	make(&w);
	tree(&w, "nvidia/535.98/1000.0.0");
	tree(&w, "nvidia/550.10/2000.0.0");
	tree(&w, "nvidia/560.1/1500.0.0");
	loaded(&w, "535.98");
	/* A driver without a tree for this OS version is served by another one's. */
	expect(&w, "535.98/1000.0.0", "3000.0.0", "its modules are loaded");
	tap_write(w.dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"560.1\",\"previous\":\"550.10\"}");
	expect(&w, "560.1/1500.0.0", "3000.0.0", "it is selected");
	expect(&w, "550.10/2000.0.0", "3000.0.0", "it is what rollback goes back to");
	tree(&w, "nvidia/535.98/3000.0.0");
	expect(&w, "535.98/3000.0.0", "3000.0.0", "its modules are loaded");
	expect(&w, "535.98/1000.0.0", "3000.0.0", "");
	config_free(&w.cli.conf);
}

TEST(what_this_host_may_still_boot_stays)
{
	struct world w;
	struct utsname uts;
	cleanup_free char *running = NULL;

	make(&w);
	tap_write(w.dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"535.98\"}");
	tree(&w, "nvidia/535.98/1000.0.0");
	tree(&w, "nvidia/535.98/2000.0.0");
	tree(&w, "nvidia/535.98/3000.0.0");
	tree(&w, "nvidia/535.98/4000.0.0");
	expect(&w, "535.98/1000.0.0", "3000.0.0", "");
	expect(&w, "535.98/2000.0.0", "3000.0.0", "it is selected, and this host may boot its OS version");
	expect(&w, "535.98/3000.0.0", "3000.0.0", "it is selected");
	expect(&w, "535.98/4000.0.0", "3000.0.0", "it is selected, and this host may boot its OS version");
	/* Named after kernels: those that are installed. */
	REQUIRE(uname(&uts) == 0);
	running = mem_printf("debian-12-%s", uts.release);
	{
		cleanup_free char *name = mem_printf("nvidia/535.98/%s", running);

		tree(&w, name);
	}
	tree(&w, "nvidia/535.98/debian-12-0.1.0-1-amd64");
	tree(&w, "nvidia/535.98/debian-12-0.2.0-1-amd64");
	expect(&w, "535.98/debian-12-0.1.0-1-amd64", running, "");
	tap_write(w.dir, "lib/modules/0.1.0-1-amd64/modules.dep", "");
	expect(&w, "535.98/debian-12-0.1.0-1-amd64", running, "it is selected, and this host may boot its OS version");
	config_free(&w.cli.conf);
}

TEST(what_nobody_needs_may_go)
{
	struct world w;

	make(&w);
	tree(&w, "nvidia/535.98/3000.0.0");
	tree(&w, "cuda/12.4.1");
	tree(&w, "cuda/11.8.0");
	expect(&w, "535.98/3000.0.0", "3000.0.0", "");
	expect(&w, "cuda/11.8.0", "3000.0.0", "");
	{
		cleanup_free char *link = mem_printf("%s/opt/cuda/current", w.dir);

		CHECK_INT(symlink("12.4.1", link), 0);
	}
	expect(&w, "cuda/12.4.1", "3000.0.0", "it is the current toolkit");
	config_free(&w.cli.conf);
}

static void refused(struct world *w, enum err_code code)
{
	struct protect *p = NULL;
	struct err err = ERR_INIT;

	REQUIRE(store_read(&w->store, &w->cli.conf, &w->err) == 0);
	CHECK(protect_read(&p, &w->cli, &w->store, "3000.0.0", &err) < 0);
	CHECK_INT(err.code, code);
	store_free(&w->store);
}

TEST(what_is_not_known_protects_everything)
{
	struct world w;

	make(&w);
	tree(&w, "nvidia/535.98/3000.0.0");
	/* A version that cannot be read is not "nothing is loaded". */
	tap_write(w.dir, "proc/driver/nvidia/version/x", "");
	refused(&w, ERR_HOST);
	{
		cleanup_free char *driver = mem_printf("%s/proc/driver", w.dir);

		CHECK_INT(fd_remove_tree(AT_FDCWD, driver), 0);
	}
	tap_write(w.dir, "proc/driver/nvidia/version", "nothing like it\n");
	refused(&w, ERR_HOST);
	loaded(&w, "535.98");
	tap_write(w.dir, "opt/nvidia/state.json", "{");
	refused(&w, ERR_STORE);
	config_free(&w.cli.conf);
}

TEST(checked_anew)
{
	struct world w;
	struct store_tree t;

	make(&w);
	tree(&w, "cuda/12.4.1");
	REQUIRE(store_read(&w.store, &w.cli.conf, &w.err) == 0);
	REQUIRE(store_find(&w.store, "cuda/12", "3000.0.0", &t, &w.err) == 0);
	CHECK_INT(protect_check(&w.cli, &w.store, "3000.0.0", &t, &w.err), 0);
	tree(&w, "nvidia/535.98/3000.0.0");
	loaded(&w, "535.98");
	store_free(&w.store);
	REQUIRE(store_read(&w.store, &w.cli.conf, &w.err) == 0);
	REQUIRE(store_find(&w.store, "535", "3000.0.0", &t, &w.err) == 0);
	CHECK_INT(protect_check(&w.cli, &w.store, "3000.0.0", &t, &w.err), -EBUSY);
	CHECK_INT(w.err.code, ERR_BUSY);
	CHECK_STR(w.err.what, "535.98/3000.0.0: its modules are loaded");
	store_free(&w.store);
	config_free(&w.cli.conf);
}
