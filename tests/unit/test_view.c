/* SPDX-License-Identifier: Apache-2.0 */
#include "store/view.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "conf/capability.h"
#include "store/soname.h"
#include "store/start.h"
#include "store_fixture.h"
#include "tap.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void add(struct manifest *m, const char *path, enum manifest_kind kind, unsigned capability, const char *soname)
{
	struct manifest_file f = {
		.path = path, .kind = kind, .capability = capability, .soname = soname, .sha256 = SUM
	};

	if (kind == MANIFEST_LIBRARY) {
		f.class = 64;
		f.machine = 62;
	}
	f.compat = capability == CAP_COMPUTE;
	manifest_add_file(m, &f);
}

static void fill(const char *dir, struct manifest *m)
{
	*m = (struct manifest){ .arena = ARENA_INIT, .driver = "1.2", .os = "x" };
	tap_write(dir, "lib64/libcuda.so.1.2", "c");
	tap_write(dir, "lib64/libnvidia-ml.so.1.2", "m");
	tap_write(dir, "lib64/libnvidia-gtk3.so.1.2", "g");
	tap_write(dir, "bin/nvidia-smi", "s");
	add(m, "lib64/libcuda.so.1.2", MANIFEST_LIBRARY, CAP_COMPUTE, "libcuda.so.1");
	add(m, "lib64/libnvidia-ml.so.1.2", MANIFEST_LIBRARY, CAP_UTILITY, "libnvidia-ml.so.1");
	add(m, "lib64/libnvidia-gtk3.so.1.2", MANIFEST_HOST, 0, NULL);
	add(m, "bin/nvidia-smi", MANIFEST_PROGRAM, CAP_UTILITY, NULL);
}

TEST(views)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int fd = fd_open_dir(dir);
	struct err err = ERR_INIT;
	struct manifest m;
	struct tree t;

	fill(dir, &m);
	REQUIRE(soname_links(fd, &m, NULL, 0, &err) == 0);
	start_driver(&t, &m, dir);
	REQUIRE(view_make(fd, &m, &t, &err) == 0);
	/* Hard links, of symlinks too. */
	CHECK_INT(fixture_inode(dir, "views/compute/lib64/libcuda.so.1.2"), fixture_inode(dir, "lib64/libcuda.so.1.2"));
	CHECK_INT(fixture_inode(dir, "views/compute/lib64/libcuda.so.1"), fixture_inode(dir, "lib64/libcuda.so.1"));
	CHECK_INT(fixture_inode(dir, "views/compute/lib64/glibc-hwcaps/x86-64-v3/libcuda.so.1"),
		  fixture_inode(dir, "lib64/libcuda.so.1.2"));
	CHECK_STR(fixture_readlink(dir, "views/compute/lib"), "lib64");
	CHECK_STR(fixture_readlink(dir, "views/compute/lib64/libcuda.so"), "libcuda.so.1");
	CHECK(!fixture_exists(dir, "views/compute/lib64/libnvidia-ml.so.1"));
	CHECK(fixture_exists(dir, "views/compute+utility/bin/nvidia-smi"));
	CHECK(!fixture_exists(dir, "views/compute+utility/lib64/libnvidia-gtk3.so.1.2"));
	CHECK(fixture_exists(dir, "views/compute+utility.nocuda/lib64/libnvidia-ml.so.1"));
	CHECK(!fixture_exists(dir, "views/compute+utility.nocuda/lib64/libcuda.so.1"));
	CHECK(!fixture_exists(dir, "views/compute.nocuda/lib64/glibc-hwcaps/x86-64-v2/libcuda.so.1"));
	CHECK(fixture_exists(dir, "views/none/lib32"));
	/* Only what differs. */
	CHECK(!fixture_exists(dir, "views/graphics"));
	CHECK(!fixture_exists(dir, "views/utility.nocuda"));
	tree_free(&t);
	manifest_free(&m);
}

/* Modules of the X server where no loader looks, and libgbm's backend; and where their links go. */
TEST(graphics)
{
	static const struct tree_link want[] = {
		{ "/usr/lib64/gbm/nvidia-drm_gbm.so", "lib64/gbm/nvidia-drm_gbm.so", CAP_GRAPHICS },
		{ "/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so",
		  "xorg/extensions/libglxserver_nvidia.so.1.2", CAP_GRAPHICS },
		{ "/usr/lib64/xorg/modules/drivers/nvidia_drv.so", "xorg/drivers/nvidia_drv.so", CAP_GRAPHICS },
	};
	static const char *const host[] = { "lib64/libglxserver_nvidia.so.1.2", "lib64/nvidia_drv.so",
					    "lib32/libglxserver_nvidia.so.1.2" };
	const char *dir = tap_tmpdir();
	cleanup_fd int fd = fd_open_dir(dir);
	struct err err = ERR_INIT;
	struct manifest m;
	struct tree t;

	fill(dir, &m);
	tap_write(dir, "lib64/libnvidia-allocator.so.1.2", "a");
	tap_write(dir, "lib64/libGLX_nvidia.so.1.2", "x");
	add(&m, "lib64/libnvidia-allocator.so.1.2", MANIFEST_LIBRARY, CAP_COMPUTE | CAP_GRAPHICS,
	    "libnvidia-allocator.so.1");
	add(&m, "lib64/libGLX_nvidia.so.1.2", MANIFEST_LIBRARY, CAP_GRAPHICS, "libGLX_nvidia.so.0");
	for (size_t i = 0; i < ARRAY_SIZE(host); i++) {
		struct manifest_file f = {
			.path = host[i], .kind = MANIFEST_HOST, .class = i < 2 ? 64 : 32, .sha256 = SUM
		};

		tap_write(dir, host[i], "h");
		manifest_add_file(&m, &f);
	}
	REQUIRE(soname_links(fd, &m, NULL, 0, &err) == 0);
	manifest_sort(&m);
	start_driver(&t, &m, dir);
	REQUIRE(view_make(fd, &m, &t, &err) == 0);
	REQUIRE(t.n_links == ARRAY_SIZE(want));
	for (size_t i = 0; i < t.n_links; i++) {
		CHECK_STR(t.links[i].path, want[i].path);
		CHECK_STR(t.links[i].target, want[i].target);
		CHECK_INT(t.links[i].capability, want[i].capability);
	}
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		cleanup_free char *path = mem_printf("views/graphics/%s", want[i].target);

		CHECK(fixture_exists(dir, path));
	}
	CHECK_INT(fixture_inode(dir, "views/graphics/xorg/drivers/nvidia_drv.so"),
		  fixture_inode(dir, "lib64/nvidia_drv.so"));
	CHECK(!fixture_exists(dir, "views/graphics/lib64/nvidia_drv.so"));
	CHECK(!fixture_exists(dir, "views/compute/xorg"));
	/* None of them is a library of the loader's. */
	for (size_t i = 0; i < t.n_libraries; i++)
		CHECK(!strstr(t.libraries[i].soname, "gbm") && !strstr(t.libraries[i].soname, "glxserver") &&
		      !strstr(t.libraries[i].soname, "drv"));
	tree_free(&t);
	manifest_free(&m);
}

TEST(a_missing_file_is_an_error)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int fd = fd_open_dir(dir);
	struct err err = ERR_INIT;
	struct manifest m;
	struct tree t;

	fill(dir, &m);
	add(&m, "bin/nvidia-debugdump", MANIFEST_PROGRAM, CAP_UTILITY, NULL);
	start_driver(&t, &m, dir);
	CHECK(view_make(fd, &m, &t, &err) < 0);
	CHECK_INT(err.code, ERR_STORE);
	tree_free(&t);
	manifest_free(&m);
}

TEST(copies)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *a = mem_printf("%s/a", dir), *b = mem_printf("%s/b", dir);
	cleanup_fd int in = -EBADF, out = -EBADF;
	char buf[8] = "";

	tap_write(dir, "a", "hello");
	in = open(a, O_RDONLY | O_CLOEXEC);
	out = open(b, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(view_copy(in, out), 0);
	CHECK_INT(pread(out, buf, 7, 0), 5);
	CHECK_STR(buf, "hello");
}
