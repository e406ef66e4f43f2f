/* SPDX-License-Identifier: Apache-2.0 */
#include "../../cli/modset.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "tap.h"

TEST(what_is_there)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *absent = mem_printf("%s/x", dir), *old = mem_printf("%s/nvidia-uvm.ko.xz", dir),
			  *text = NULL;
	struct modset s cleanup_modset = MODSET_INIT;
	struct err err = ERR_INIT;
	size_t len;

	CHECK_INT(modset_open(&s, absent, &err), 0);
	modset_close(&s);
	tap_write(dir, "nvidia-uvm.ko.xz", "u");
	tap_write(dir, "nvidia.ko", "n");
	tap_write(dir, "nvidia_drm.ko.zst", "d");
	tap_write(dir, "README", "r");
	tap_write(dir, ".nvidia.ko", "hidden");
	REQUIRE(modset_open(&s, dir, &err) == 1 && s.n == 3);
	CHECK_STR(s.v[0].name, "nvidia");
	CHECK_STR(s.v[1].file, "nvidia-uvm.ko.xz");
	CHECK(modset_find(&s, "nvidia_uvm") == &s.v[1] && modset_find(&s, "nvidia-drm") == &s.v[2]);
	CHECK(!modset_find(&s, "nvidia-") && !modset_find(&s, "nvidi") && !modset_find(&s, ""));
	/* What was opened stays what it was, whatever stands there now. */
	REQUIRE(unlink(old) == 0);
	tap_write(dir, "nvidia-uvm.ko.xz", "another");
	CHECK_INT(fd_read_all(s.v[1].fd, 10, &text, &len), 0);
	CHECK_STR(text, "u");
}

TEST(what_is_no_module_file)
{
	static const char *const names[] = { "nvidia.ko.gz", "nvidia.koala", "nvidia.ko.xz.old" };

	for (size_t i = 0; i < ARRAY_SIZE(names) + 3; i++) {
		const char *dir = tap_tmpdir();
		cleanup_free char *path = mem_printf("%s/nvidia.ko", dir);
		struct modset s cleanup_modset = MODSET_INIT;
		struct err err = ERR_INIT;

		if (i < ARRAY_SIZE(names))
			tap_write(dir, names[i], "x");
		else if (i == ARRAY_SIZE(names))
			CHECK_INT(mkdir(path, 0755), 0);
		else if (i == ARRAY_SIZE(names) + 1)
			CHECK_INT(symlink("/etc/passwd", path), 0);
		else
			CHECK_INT(mkfifo(path, 0600), 0);
		CHECK(modset_open(&s, dir, &err) < 0);
		CHECK_INT(err.code, ERR_LOAD);
		CHECK(strstr(err.what, "nvidia.ko") != NULL);
	}
}
