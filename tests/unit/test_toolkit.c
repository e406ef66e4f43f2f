/* SPDX-License-Identifier: Apache-2.0 */
#include "store/toolkit.h"

#include <unistd.h>

#include "store/install.h"
#include "store_fixture.h"
#include "tap.h"

struct world {
	const char *root, *in;
	char *archive;
	struct config conf;
};

static void world_make(struct world *w)
{
	w->root = tap_tmpdir();
	w->in = tap_tmpdir();
	w->archive = mem_printf("%s/cuda-12.4.1.tar.gz", tap_tmpdir());
	config_init(&w->conf);
	config_set_root(&w->conf, w->root);
}

static int install(struct world *w, struct err *err)
{
	struct install_result r;
	int e = install_run(&r, &(struct install_options){ .conf = &w->conf, .root = w->root }, &w->archive, 1, err);

	install_free(&r);
	return e;
}

static void world_free(struct world *w)
{
	CHECK(!fixture_has_staging(w->conf.cuda_store));
	config_free(&w->conf);
	free(w->archive);
}

TEST(installs)
{
	struct err err = ERR_INIT;
	struct world w;
	struct tree t;

	world_make(&w);
	fixture_library(w.in, "cuda-12.4.1/targets/x86_64-linux/lib/libcudart.so.12.4.99", "libcudart.so.12", NULL);
	fixture_library(w.in, "cuda-12.4.1/targets/x86_64-linux/lib/stubs/libcuda.so", "libcuda.so.1", NULL);
	fixture_write(w.in, "cuda-12.4.1/bin/nvcc", "#!", 2, 0755);
	cleanup_free char *link = mem_printf("%s/cuda-12.4.1/lib64", w.in),
			  *one = mem_printf("%s/cuda-12.4.1/bin/nvcc", w.in);
	cleanup_free char *two = mem_printf("%s/cuda-12.4.1/bin/nvcc2", w.in);
	REQUIRE(symlink("targets/x86_64-linux/lib", link) == 0 && linkat(-1, one, -1, two, 0) == 0);
	REQUIRE(fixture_archive(w.archive, w.in));
	REQUIRE(install(&w, &err) == 0);
	CHECK(fixture_exists(w.conf.cuda_store, "12.4.1/bin/nvcc2"));
	CHECK_STR(fixture_readlink(w.conf.cuda_store, "12.4.1/lib64"), "targets/x86_64-linux/lib");
	CHECK_STR(fixture_readlink(w.conf.cuda_store, "12.4.1/targets/x86_64-linux/lib/libcudart.so.12"),
		  "libcudart.so.12.4.99");
	cleanup_free char *path = mem_printf("%s/12.4.1", w.conf.cuda_store);
	REQUIRE(tree_load(&t, path, &err) == 0);
	REQUIRE(t.is_cuda && t.dirs.n == 1 && t.n_libraries == 1);
	CHECK_STR(t.dirs.v[0], "targets/x86_64-linux/lib");
	CHECK_STR(t.libraries[0].soname, "libcudart.so.12");
	tree_free(&t);
	CHECK_INT(install(&w, &err), 0);
	world_free(&w);
}

/* Archives that no well-meaning tar would make. */
TEST(hostile_archives_leave_nothing)
{
	static const char *const transforms[] = { "s,^\\./x$,../escape,",
						  "s,^\\./x$,/tmp/nvcoreos-escape,",
						  "s,^\\./x$,a/../../escape,",
						  "s,^\\./x$,start.json,",
						  "s,^\\./x$,y/z,",
						  "s,^\\./x$,y," };

	for (size_t i = 0; i < ARRAY_SIZE(transforms); i++) {
		struct err err = ERR_INIT;
		struct world w;

		world_make(&w);
		fixture_write(w.in, "x", "evil", 4, 0644);
		fixture_write(w.in, "y", "file", 4, 0644);
		const char *const argv[] = { "tar", "-czPf", w.archive, "--transform", transforms[i],
					     "-C",  w.in,    "./y",	"./x",	       NULL };
		REQUIRE(fixture_tar(argv));
		CHECK(install(&w, &err) < 0);
		CHECK_INT(err.code, ERR_ARCHIVE);
		CHECK(!fixture_exists(w.conf.cuda_store, "12.4.1") && !fixture_exists(w.conf.cuda_store, "escape"));
		CHECK(!fixture_exists(w.root, "opt/escape"));
		world_free(&w);
	}
}

TEST(hostile_links_leave_nothing)
{
	static const char *const targets[][2] = {
		{ "/etc", "x" },
		{ "../..", "x" },
		/* Each stays inside as text; the second through the first does not. */
		{ ".", "deep/s/.." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct err err = ERR_INIT;
		struct world w;

		world_make(&w);
		fixture_write(w.in, "deep/d/x", "x", 1, 0644);
		cleanup_free char *a = mem_printf("%s/deep/s", w.in), *b = mem_printf("%s/l", w.in);
		REQUIRE(symlink(i == 2 ? "../." : targets[i][0], a) == 0 && symlink(targets[i][1], b) == 0);
		REQUIRE(fixture_archive(w.archive, w.in));
		CHECK(install(&w, &err) < 0);
		CHECK_INT(err.code, ERR_ARCHIVE);
		CHECK(!fixture_exists(w.conf.cuda_store, "12.4.1"));
		world_free(&w);
	}
}

TEST(a_link_that_is_written_through)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	fixture_write(w.in, "b/etc/x", "evil", 4, 0644);
	cleanup_free char *link = mem_printf("%s/a", w.in);
	REQUIRE(symlink("b", link) == 0);
	/* First the link etc -> b, then a file etc/x. */
	const char *const argv[] = { "tar", "-czf", w.archive, "--transform", "s,^a$,etc,;s,^b/etc,etc,",
				     "-C",  w.in,   "a",       "b/etc/x",     NULL };
	REQUIRE(fixture_tar(argv));
	CHECK(install(&w, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	world_free(&w);
}
