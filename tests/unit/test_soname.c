/* SPDX-License-Identifier: Apache-2.0 */
#include "store/soname.h"

#include "store_fixture.h"
#include "tap.h"

static void add(struct manifest *m, const char *path, const char *soname)
{
	manifest_add_file(
		m, &(struct manifest_file){ .path = path, .soname = soname, .sha256 = "", .kind = MANIFEST_LIBRARY });
}

TEST(links)
{
	static const struct soname_hint hints[] = {
		{ "libx.so", "libx.so.2" },
		{ "libx.so.2", "libx.so.1" },
		{ "libnone.so", "libabsent.so" },
		{ "libcuda.so.1", "libx.so.1" },
	};
	const char *dir = tap_tmpdir();
	cleanup_fd int fd = fd_open_dir(dir);
	struct manifest m = { .arena = ARENA_INIT, .driver = "1.2" };
	struct err err = ERR_INIT;
	size_t n;

	REQUIRE(mkdirat(fd, "lib64", 0755) == 0 && mkdirat(fd, "lib32", 0755) == 0);
	add(&m, "lib64/libx.so.1.0.9", "libx.so.1");
	add(&m, "lib64/libx.so.1.2", "libx.so.1");
	add(&m, "lib64/libcuda.so.1.2", "libcuda.so.1");
	add(&m, "lib32/libcuda.so.1.2", "libcuda.so.1");
	add(&m, "lib64/libnvidia-allocator.so.1.2", "libnvidia-allocator.so.1");
	add(&m, "lib64/libfull.so.1.2", "libfull.so.1.2");
	REQUIRE(soname_links(fd, &m, hints, ARRAY_SIZE(hints), &err) == 0);
	/* The file of the driver's version has a SONAME that two claim. */
	CHECK_STR(fixture_readlink(dir, "lib64/libx.so.1"), "libx.so.1.2");
	CHECK_STR(fixture_readlink(dir, "lib64/libx.so.2"), "libx.so.1");
	CHECK_STR(fixture_readlink(dir, "lib64/libx.so"), "libx.so.2");
	CHECK_STR(fixture_readlink(dir, "lib64/libcuda.so.1"), "libcuda.so.1.2");
	CHECK_STR(fixture_readlink(dir, "lib32/libcuda.so"), "libcuda.so.1");
	CHECK_STR(fixture_readlink(dir, "lib64/gbm/nvidia-drm_gbm.so"), "../libnvidia-allocator.so.1");
	CHECK(!fixture_exists(dir, "lib64/libnone.so") && !fixture_exists(dir, "lib64/libfull.so.1.2"));
	n = m.n_files;
	CHECK_INT(soname_links(fd, &m, hints, ARRAY_SIZE(hints), &err), 0);
	CHECK_INT(m.n_files, n);
	manifest_free(&m);
}
