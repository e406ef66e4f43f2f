/* SPDX-License-Identifier: Apache-2.0 */
#include "store/install.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/manifest.h"
#include "store_fixture.h"
#include "tap.h"

#define DRIVER "535.261.03"
#define TREE DRIVER "/3975.2.0"

struct world {
	const char *root, *in, *out; /* the host, files to pack, archives */
	struct config conf;
};

static void world_make(struct world *w)
{
	w->root = tap_tmpdir();
	w->in = tap_tmpdir();
	w->out = tap_tmpdir();
	tap_write(w->root, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	config_init(&w->conf);
	config_set_root(&w->conf, w->root);
}

/* Packs in/<sub> to an archive of that name; the path, which the caller frees. */
static char *pack(const struct world *w, const char *sub, const char *name)
{
	cleanup_free char *from = mem_printf("%s/%s", w->in, sub);
	char *to = mem_printf("%s/%s", w->out, name);

	CHECK(fixture_archive(to, from));
	return to;
}

static char *pack_libraries(const struct world *w)
{
	cleanup_free char *link = mem_printf("%s/lib/libnvidia-ml.so", w->in);

	fixture_library(w->in, "lib/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	fixture_library(w->in, "lib/deep/libnvidia-ml.so." DRIVER, "libnvidia-ml.so.1", NULL);
	fixture_library(w->in, "lib/libnvidia-opencl.so." DRIVER, "libnvidia-opencl.so.1", NULL);
	fixture_write(w->in, "lib/README", "x", 1, 0644);
	unlink(link);
	CHECK(symlink("deep/../libnvidia-ml.so.1", link) == 0);
	return pack(w, "lib", "libraries-" DRIVER ".tar.bz2");
}

static char *pack_modules(const struct world *w, const char *os, const char *open)
{
	cleanup_free char *name = mem_printf("modules-%s-" DRIVER "%s.tar.gz", os, open);

	FIXTURE_MODULE(w->in, "mod/nvidia.ko", DRIVER);
	return pack(w, "mod", name);
}

static int run(struct world *w, struct install_result *ret, char *a, char *b, char *c, struct err *err)
{
	char *sources[] = { a, b, c };

	return install_run(ret, &(struct install_options){ .conf = &w->conf, .root = w->root }, sources,
			   c   ? 3
			   : b ? 2
			       : 1,
			   err);
}

TEST(a_driver_from_its_archives)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;
	struct manifest m;
	const char *store;

	world_make(&w);
	store = w.conf.driver_store;
	cleanup_free char *lib = pack_libraries(&w), *mod = pack_modules(&w, "3975.2.0", ""),
			  *open = pack_modules(&w, "3975.2.0", "-open");
	CHECK_INT(run(&w, &r, lib, mod, open, &err), 0);
	CHECK_STR(err.what, "");
	REQUIRE(r.n_trees == 1 && r.ignored.n == 1);
	CHECK(!r.trees[0].already);
	CHECK_STR(r.ignored.v[0], DRIVER ": README");
	install_free(&r);
	CHECK(fixture_exists(store, TREE "/modules/nvidia.ko") &&
	      fixture_exists(store, TREE "/modules-open/nvidia.ko"));
	CHECK_STR(fixture_readlink(store, TREE "/lib64/libnvidia-ml.so"), "libnvidia-ml.so.1");
	CHECK(fixture_exists(store, TREE "/share/OpenCL/vendors/nvidia.icd"));
	cleanup_free char *tree = mem_printf("%s/" TREE, store);
	REQUIRE(manifest_load(&m, tree, &err) == 0);
	CHECK_STR(m.cuda, "12.2");
	REQUIRE(m.n_modules == 2 && m.n_sources == 3);
	CHECK_STR(m.modules[0].flavour, "open");
	CHECK_STR(m.modules[1].vermagic, "6.6.1 SMP");
	manifest_free(&m);
	/* Again: nothing to do; only a part of it: likewise. */
	CHECK_INT(run(&w, &r, lib, mod, open, &err), 0);
	CHECK(r.n_trees == 1 && r.trees[0].already);
	install_free(&r);
	CHECK(!fixture_has_staging(store));
	config_free(&w.conf);
}

/* Of modules for the kernel that runs it is known which build that is. */
TEST(the_build_of_the_kernel_is_kept)
{
	static const struct {
		const char *os;
		bool known;
	} cases[] = { { "3975.2.0", true }, { "4000.1.0", false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct install_result r;
		struct manifest m;
		struct world w;

		world_make(&w);
		fixture_write(w.root, "sys/kernel/notes", "\4\0\0\0\2\0\0\0\3\0\0\0GNU\0\1\xab", 18, 0644);
		cleanup_free char *lib = pack_libraries(&w), *mod = pack_modules(&w, cases[i].os, "");
		REQUIRE(run(&w, &r, lib, mod, NULL, &err) == 0);
		install_free(&r);
		cleanup_free char *tree = mem_printf("%s/" DRIVER "/%s", w.conf.driver_store, cases[i].os);
		REQUIRE(manifest_load(&m, tree, &err) == 0);
		CHECK_STR(m.build_id, cases[i].known ? "01ab" : NULL);
		manifest_free(&m);
		config_free(&w.conf);
	}
}

TEST(another_os_version_shares_the_files)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;
	const char *store;

	world_make(&w);
	store = w.conf.driver_store;
	cleanup_free char *lib = pack_libraries(&w), *mod = pack_modules(&w, "4000.1.0", ""),
			  *third = pack_modules(&w, "4100.0.0", "");
	CHECK_INT(run(&w, &r, lib, NULL, NULL, &err), 0);
	install_free(&r);
	CHECK_INT(run(&w, &r, mod, NULL, NULL, &err), 0);
	install_free(&r);
	CHECK_INT(run(&w, &r, lib, third, NULL, &err), 0);
	CHECK_INT(r.n_trees, 1);
	install_free(&r);
	for (int i = 0; i < 2; i++) {
		const char *os = i ? "4100.0.0" : "4000.1.0";
		cleanup_free char *a = mem_printf(DRIVER "/%s/lib64/libcuda.so." DRIVER, os);
		cleanup_free char *b = mem_printf(DRIVER "/%s/views/compute/lib64/libcuda.so.1", os);
		cleanup_free char *k = mem_printf(DRIVER "/%s/modules/nvidia.ko", os);

		CHECK_INT(fixture_inode(store, a), fixture_inode(store, TREE "/lib64/libcuda.so." DRIVER));
		CHECK(fixture_exists(store, b) && fixture_exists(store, k));
	}
	CHECK(!fixture_exists(store, TREE "/modules"));
	config_free(&w.conf);
}

TEST(modules_alone_need_libraries)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;

	world_make(&w);
	cleanup_free char *mod = pack_modules(&w, "3975.2.0", "");
	CHECK(run(&w, &r, mod, NULL, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	CHECK_INT(r.n_trees, 0);
	install_free(&r);
	CHECK(!fixture_exists(w.conf.driver_store, DRIVER) && !fixture_has_staging(w.conf.driver_store));
	config_free(&w.conf);
}

TEST(other_content_is_refused)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;

	world_make(&w);
	cleanup_free char *lib = pack_libraries(&w);
	CHECK_INT(run(&w, &r, lib, NULL, NULL, &err), 0);
	install_free(&r);
	fixture_library(w.in, "lib/libcuda.so." DRIVER, "libcuda.so.1", "changed");
	cleanup_free char *other = pack(&w, "lib", "libraries-" DRIVER ".tar.xz");
	CHECK_INT(run(&w, &r, other, NULL, NULL, &err), -EEXIST);
	install_free(&r);
	CHECK(!fixture_has_staging(w.conf.driver_store));
	config_free(&w.conf);
}

TEST(a_broken_archive_leaves_nothing)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;
	struct stat st;

	world_make(&w);
	cleanup_free char *lib = pack_libraries(&w);
	REQUIRE(stat(lib, &st) == 0 && truncate(lib, st.st_size / 2) == 0);
	CHECK(run(&w, &r, lib, NULL, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	install_free(&r);
	CHECK(!fixture_exists(w.conf.driver_store, DRIVER) && !fixture_has_staging(w.conf.driver_store));
	config_free(&w.conf);
}

TEST(a_directory_with_its_libraries_in_lib64)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;

	world_make(&w);
	fixture_library(w.in, "driver/lib64/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	fixture_library(w.in, "driver/lib64/vdpau/libvdpau_nvidia.so." DRIVER, "libvdpau_nvidia.so.1", NULL);
	cleanup_free char *dir = mem_printf("%s/driver", w.in);
	CHECK_INT(run(&w, &r, dir, NULL, NULL, &err), 0);
	CHECK_STR(err.what, "");
	CHECK_INT(r.n_trees, 1);
	CHECK(fixture_exists(w.conf.driver_store, TREE "/lib64/libcuda.so." DRIVER));
	CHECK(fixture_exists(w.conf.driver_store, TREE "/lib64/libvdpau_nvidia.so." DRIVER));
	install_free(&r);
	config_free(&w.conf);
}

TEST(what_is_refused_in_a_directory_is_named_as_it_can_be_found)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;

	world_make(&w);
	fixture_library(w.in, "driver/lib64/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	fixture_write(w.in, "driver/lib64/vdpau/libvdpau_nvidia.so." DRIVER, "\177ELF\2\1\1", 7, 0644);
	cleanup_free char *dir = mem_printf("%s/driver", w.in), *file = mem_printf("%s/lib64/libcuda.so." DRIVER, dir);
	cleanup_free char *damaged = mem_printf("%s: lib64/vdpau/libvdpau_nvidia.so." DRIVER ": damaged ELF file", dir);
	cleanup_free char *setuid = mem_printf("%s: lib64/libcuda.so." DRIVER ": its mode ", dir);
	CHECK(run(&w, &r, dir, NULL, NULL, &err) < 0);
	install_free(&r);
	CHECK_INT(err.code, ERR_ARCHIVE);
	CHECK_STR(err.what, damaged);
	CHECK_INT(chmod(file, 04755), 0);
	CHECK(run(&w, &r, dir, NULL, NULL, &err) < 0);
	install_free(&r);
	if (!CHECK(str_starts(err.what, setuid)))
		printf("# %s\n", err.what);
	config_free(&w.conf);
}

TEST(a_directory_and_what_is_none)
{
	struct world w;
	struct err err = ERR_INIT;
	struct install_result r;

	world_make(&w);
	cleanup_free char *lib = pack_libraries(&w);
	CHECK_INT(run(&w, &r, (char *)w.out, NULL, NULL, &err), 0);
	CHECK_INT(r.n_trees, 1);
	install_free(&r);
	CHECK(run(&w, &r, (char *)w.in, NULL, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	install_free(&r);
	CHECK(run(&w, &r, (char *)"/nonexistent/cuda-1.2.tar.xz", NULL, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	install_free(&r);
	config_free(&w.conf);
}
