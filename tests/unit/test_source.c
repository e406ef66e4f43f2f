/* SPDX-License-Identifier: Apache-2.0 */
#include "store/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store_fixture.h"
#include "tap.h"

TEST(names)
{
	static const struct {
		const char *name;
		int kind; /* -1: none */
		const char *version, *os;
		bool open, arm;
	} cases[] = {
		{ "libraries-535.261.03.tar.bz2", SOURCE_LIBRARIES, "535.261.03", "", false, false },
		{ "tools-367.57.tar.xz", SOURCE_TOOLS, "367.57", "", false, false },
		{ "modules-3975.2.0-535.261.03.tar.zst", SOURCE_MODULES, "535.261.03", "3975.2.0", false, false },
		{ "modules-3975.2.0-535.261.03-open.tar.gz", SOURCE_MODULES, "535.261.03", "3975.2.0", true, false },
		{ "modules-debian-12-6.1.0-50-arm64-535.261.03-open-arm64.tar.gz", SOURCE_MODULES, "535.261.03",
		  "debian-12-6.1.0-50-arm64", true, true },
		{ "cuda-12.4.1.tar.xz", SOURCE_CUDA, "12.4.1", "", false, false },
		{ "cuda-12.4.1-arm64.tar.xz", SOURCE_CUDA, "12.4.1", "", false, true },
		{ "libraries-535.tar", -1, NULL, NULL, false, false },
		{ "libraries-.tar.xz", -1, NULL, NULL, false, false },
		{ "libraries-../x.tar.xz", -1, NULL, NULL, false, false },
		{ "modules-535.261.03.tar.xz", -1, NULL, NULL, false, false },
		{ "modules-..-535.261.03.tar.xz", -1, NULL, NULL, false, false },
		{ "modules-.hidden-535.261.03.tar.xz", -1, NULL, NULL, false, false },
		{ "NVIDIA-Linux-x86_64-535.261.03.run", -1, NULL, NULL, false, false },
		{ "", -1, NULL, NULL, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct source_name n;

		if (!CHECK_INT(source_parse_name(cases[i].name, &n), cases[i].kind >= 0) || cases[i].kind < 0)
			continue;
		CHECK_INT(n.kind, cases[i].kind);
		CHECK_STR(n.version, cases[i].version);
		CHECK_STR(n.os, cases[i].os);
		CHECK_INT(n.open, cases[i].open);
		CHECK_STR(n.arch, cases[i].arm ? "aarch64" : "x86_64");
	}
}

TEST(names_of_directories)
{
	static const struct {
		const char *name;
		int kind; /* -1: none */
		const char *version;
		bool arm;
	} cases[] = {
		{ "libraries-535.261.03", SOURCE_LIBRARIES, "535.261.03", false },
		{ "cuda-12.4.1-arm64", SOURCE_CUDA, "12.4.1", true },
		{ "NVIDIA-Linux-x86_64-535.261.03", SOURCE_RUN, "535.261.03", false },
		{ "NVIDIA-Linux-x86_64-535.261.03-no-compat32", SOURCE_RUN, "535.261.03", false },
		{ "NVIDIA-Linux-aarch64-550.90.07", SOURCE_RUN, "550.90.07", true },
		{ "NVIDIA-Linux-x86_64-", -1, NULL, false },
		{ "NVIDIA-Linux-ppc64le-535.1", -1, NULL, false },
		{ "libraries-535.261.03.tar.xz", -1, NULL, false },
		{ "Downloads", -1, NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct source_name n;

		if (!CHECK_INT(source_parse_dir_name(cases[i].name, &n), cases[i].kind >= 0) || cases[i].kind < 0)
			continue;
		CHECK_INT(n.kind, cases[i].kind);
		CHECK_STR(n.version, cases[i].version);
		CHECK_STR(n.arch, cases[i].arm ? "aarch64" : "x86_64");
	}
}

static int open_one(struct sources *s, const char *dir, const char *name, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	char *args[] = { path };

	return sources_open(s, args, 1, err);
}

TEST(opens_what_there_is)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct sources s;

	tap_write(dir, "many/libraries-535.98.tar.xz", "x");
	tap_write(dir, "many/tools-535.98.tar.xz", "yy");
	tap_write(dir, "many/README", "no source");
	tap_write(dir, "unpacked/lib64/libcuda.so.550.54.15", "x");
	tap_write(dir, "NVIDIA-Linux-aarch64-535.98/libcuda.so.535.98", "x");
	tap_write(dir, "empty/README", "x");
	REQUIRE(open_one(&s, dir, "many/", &err) == 0);
	REQUIRE(s.n == 2 && s.v[0].sha256[0] && s.v[1].size + s.v[0].size == 3);
	sources_close(&s);
	REQUIRE(open_one(&s, dir, "unpacked", &err) == 0);
	REQUIRE(s.n == 1 && !s.v[0].sha256[0]);
	CHECK_INT(s.v[0].name.kind, SOURCE_LIBRARIES);
	CHECK_STR(s.v[0].name.version, "550.54.15");
	sources_close(&s);
	REQUIRE(open_one(&s, dir, "NVIDIA-Linux-aarch64-535.98///", &err) == 0);
	CHECK_STR(s.v[0].base, "NVIDIA-Linux-aarch64-535.98");
	CHECK_STR(s.v[0].name.arch, "aarch64");
	sources_close(&s);
	CHECK(open_one(&s, dir, "empty", &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	sources_close(&s);
	CHECK(open_one(&s, dir, "absent", &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	sources_close(&s);
	CHECK(open_one(&s, dir, "many/README", &err) < 0);
	CHECK(strstr(err.hint, "NVIDIA-Linux-<machine>") != NULL);
	sources_close(&s);
}
