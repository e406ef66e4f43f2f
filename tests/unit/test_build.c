/* SPDX-License-Identifier: Apache-2.0 */
#include "store/build.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "faults.h"
#include "store/digest.h"
#include "store_fixture.h"
#include "tap.h"

#define DRIVER "535.261.03"

/* Stages what lies at dir/path and takes it as `name`. */
static int take(struct build *b, const char *dir, const char *path, const char *name, const char *modules,
		struct err *err)
{
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	cleanup_free char *text = NULL;
	char temp[BUILD_NAME_MAX], hex[DIGEST_HEX];
	struct build_file f = { .name = name, .temp = temp, .sha256 = hex, .modules_dir = modules };
	cleanup_fd int fd = build_new_file(b, temp, err);
	size_t len;

	if (fd < 0 || fd_read_file_at(AT_FDCWD, full, 1 << 20, &text, &len) < 0 || fd_write_all(fd, text, len) < 0 ||
	    digest_fd(fd, hex, &f.size) < 0)
		return -EIO;
	f.fd = fd;
	return build_take(b, &f, err);
}

static void begin(struct build *b, const char *store, struct err *err)
{
	if (CHECK(build_begin(b, store, err) == 0)) {
		b->manifest.driver = DRIVER;
		b->manifest.os = "os";
	}
}

TEST(a_driver)
{
	const char *dir = tap_tmpdir(), *in = tap_tmpdir();
	struct build b = BUILD_INIT;
	struct err err = ERR_INIT;
	bool already = true;

	fixture_library(in, "cuda", "libcuda.so.1", NULL);
	FIXTURE_MODULE(in, "ko", DRIVER);
	begin(&b, dir, &err);
	CHECK_INT(take(&b, in, "cuda", "libcuda.so." DRIVER, NULL, &err), 0);
	CHECK_INT(take(&b, in, "ko", "nvidia.ko", "modules", &err), 0);
	CHECK_INT(take(&b, in, "cuda", "README.so", NULL, &err), 0);
	build_hint(&b, "libcuda.so.9", "libcuda.so.1");
	build_hint(&b, "..", "libcuda.so.1");
	REQUIRE(build_finish_driver(&b, &err) == 0);
	CHECK_INT(build_publish(&b, DRIVER, "os", &already, &err), 0);
	CHECK(!already);
	build_free(&b);
	CHECK_STR(fixture_readlink(dir, DRIVER "/os/lib64/libcuda.so.1"), "libcuda.so." DRIVER);
	CHECK_STR(fixture_readlink(dir, DRIVER "/os/lib64/libcuda.so.9"), "libcuda.so.1");
	CHECK(fixture_exists(dir, DRIVER "/os/modules/nvidia.ko"));
	CHECK(fixture_exists(dir, DRIVER "/os/start.json"));
	CHECK(!fixture_exists(dir, DRIVER "/os/.in"));
	CHECK(!fixture_has_staging(dir));
}

TEST(refuses)
{
	const char *dir = tap_tmpdir(), *in = tap_tmpdir();
	struct build b = BUILD_INIT;
	struct err err = ERR_INIT;

	fixture_library(in, "one", "libcuda.so.1", "1");
	fixture_library(in, "two", "libcuda.so.1", "2");
	FIXTURE_MODULE(in, "ko", "550.54");
	fixture_write(in, "broken", "\177ELF\2\1\1\0", 8, 0644);
	begin(&b, dir, &err);
	CHECK_INT(take(&b, in, "one", "libcuda.so." DRIVER, NULL, &err), 0);
	CHECK_INT(take(&b, in, "one", "libcuda.so." DRIVER, NULL, &err), 0);
	CHECK(take(&b, in, "two", "libcuda.so." DRIVER, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	CHECK(take(&b, in, "ko", "nvidia.ko", "modules", &err) < 0);
	CHECK_STR(err.what, "nvidia.ko: of driver 550.54, not " DRIVER);
	/* Packed in a way that the kernel's own tools take, and load does not. */
	CHECK(take(&b, in, "broken", "nvidia.ko.gz", "modules", &err) < 0);
	CHECK_STR(err.what, "nvidia.ko.gz: a kernel module packed with gzip");
	CHECK_STR(err.hint, "pack it as .ko.xz or .ko.zst, or leave it unpacked");
	CHECK(take(&b, in, "broken", "libnvidia-ml.so." DRIVER, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	build_free(&b);
	CHECK(!fixture_has_staging(dir));
}

TEST(nothing_is_no_driver)
{
	const char *dir = tap_tmpdir();
	struct build b = BUILD_INIT;
	struct err err = ERR_INIT;

	begin(&b, dir, &err);
	CHECK(build_finish_driver(&b, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	build_free(&b);
	CHECK(!fixture_has_staging(dir));
}

TEST(same_and_other)
{
	const char *dir = tap_tmpdir(), *in = tap_tmpdir();
	struct err err = ERR_INIT;

	fixture_library(in, "l0", "libcuda.so.1", "1");
	fixture_library(in, "l2", "libcuda.so.1", "2");
	for (int i = 0; i < 3; i++) {
		struct build b = BUILD_INIT;
		bool already = false;
		int r;

		begin(&b, dir, &err);
		CHECK_INT(take(&b, in, i == 2 ? "l2" : "l0", "libcuda.so." DRIVER, NULL, &err), 0);
		REQUIRE(build_finish_driver(&b, &err) == 0);
		r = build_publish(&b, DRIVER, "os", &already, &err);
		CHECK_INT(r, i == 2 ? -EEXIST : 0);
		CHECK_INT(already, i == 1);
		build_free(&b);
	}
	CHECK(strstr(err.hint, "nvcoreos remove") != NULL);
	CHECK(!fixture_has_staging(dir));
}

TEST(a_damaged_tree_is_replaced)
{
	static const char *const damage[] = { DRIVER "/os/start.json", DRIVER "/os/manifest.json" };
	const char *dir = tap_tmpdir(), *in = tap_tmpdir();
	struct err err = ERR_INIT;

	fixture_library(in, "l0", "libcuda.so.1", "1");
	for (size_t i = 0; i <= ARRAY_SIZE(damage); i++) {
		struct build b = BUILD_INIT;
		bool already = true;

		begin(&b, dir, &err);
		CHECK_INT(take(&b, in, "l0", "libcuda.so." DRIVER, NULL, &err), 0);
		REQUIRE(build_finish_driver(&b, &err) == 0);
		CHECK_INT(build_publish(&b, DRIVER, "os", &already, &err), 0);
		CHECK(!already);
		build_free(&b);
		CHECK(!fixture_has_staging(dir));
		if (i < ARRAY_SIZE(damage))
			tap_write(dir, damage[i], "{");
	}
}

/* A container took the old tree in the last moment; *data: the way back is closed too. */
static int refuse_moved(const void *data, const char *path, const char *was, struct err *err)
{
	const bool *closed = data;

	if (!was)
		return 0;
	CHECK(strstr(path, "/.staging-") && str_ends(was, "/" DRIVER "/os"));
	if (*closed)
		faults_arm("renameat2", 1, EIO);
	return err_set(err, ERR_BUSY, EBUSY, "%s: it is mounted", was);
}

/* Completes the tree of one library by a second one. */
static int complete(const char *dir, const char *in, bool closed, struct err *err)
{
	const struct guard guard = { refuse_moved, &closed };
	struct build b = BUILD_INIT;
	bool already = false;
	int r;

	begin(&b, dir, err);
	b.guard = &guard;
	CHECK_INT(take(&b, in, "l0", "libcuda.so." DRIVER, NULL, err), 0);
	CHECK_INT(take(&b, in, "l1", "libnvidia-ml.so." DRIVER, NULL, err), 0);
	CHECK_INT(build_finish_driver(&b, err), 0);
	r = build_publish(&b, DRIVER, "os", &already, err);
	build_free(&b);
	return r;
}

TEST(a_tree_that_may_not_be_replaced_is_back_or_stays_whole_beside_the_new_one)
{
	static const char more[] = DRIVER "/os/lib64/libnvidia-ml.so." DRIVER;
	const char *dir = tap_tmpdir(), *in = tap_tmpdir();
	struct err err = ERR_INIT;
	struct build b = BUILD_INIT;
	bool already = false;

	fixture_library(in, "l0", "libcuda.so.1", "1");
	fixture_library(in, "l1", "libnvidia-ml.so.1", "1");
	begin(&b, dir, &err);
	CHECK_INT(take(&b, in, "l0", "libcuda.so." DRIVER, NULL, &err), 0);
	REQUIRE(build_finish_driver(&b, &err) == 0);
	REQUIRE(build_publish(&b, DRIVER, "os", &already, &err) == 0);
	build_free(&b);

	CHECK_INT(complete(dir, in, false, &err), -EBUSY);
	CHECK(fixture_exists(dir, DRIVER "/os/start.json") && !fixture_exists(dir, more));
	CHECK(!fixture_has_staging(dir));
	CHECK(!strstr(err.hint, "moved back"));

	CHECK_INT(complete(dir, in, true, &err), -EBUSY);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(err.code, ERR_BUSY);
	CHECK(strstr(err.hint, "could not be moved back (Input/output error), stays as .staging-"));
	CHECK(fixture_exists(dir, DRIVER "/os/start.json") && fixture_exists(dir, more));
	CHECK(fixture_has_staging(dir));
}

TEST(a_driver_under_another_name_is_refused)
{
	const char *dir = tap_tmpdir(), *in = tap_tmpdir();
	struct build b = BUILD_INIT;
	struct err err = ERR_INIT;

	fixture_library(in, "l0", "libcuda.so.1", "1");
	begin(&b, dir, &err);
	CHECK_INT(take(&b, in, "l0", "libcuda.so.470.1.1", NULL, &err), 0);
	CHECK(build_finish_driver(&b, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	build_free(&b);
	CHECK(!fixture_has_staging(dir));
}
