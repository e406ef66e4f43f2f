/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <stdio.h>
#include <unistd.h>

#include "base/str.h"
#include "conf/capability.h"
#include "tap.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void fill(struct manifest *m)
{
	*m = (struct manifest){
		.arena = ARENA_INIT, .driver = "535.261.03", .os = "3975.2.0", .arch = "x86_64", .cuda = "12.2"
	};
	manifest_add_file(m, &(struct manifest_file){ .path = "lib64/libcuda.so.535.261.03",
						      .size = 7,
						      .sha256 = SUM,
						      .class = 64,
						      .machine = 62,
						      .soname = "libcuda.so.1",
						      .kind = MANIFEST_LIBRARY,
						      .capability = CAP_COMPUTE,
						      .compat = true });
	manifest_add_file(m, &(struct manifest_file){
				     .path = "bin/nvidia-modprobe", .size = 5, .sha256 = SUM, .kind = MANIFEST_HOST });
	manifest_add_file(m, &(struct manifest_file){ .path = "lib64/libcuda.so.1",
						      .link = "libcuda.so.535.261.03",
						      .kind = MANIFEST_LIBRARY,
						      .capability = CAP_COMPUTE | CAP_GRAPHICS });
	manifest_add_module(m, &(struct manifest_module){ "modules/nvidia.ko", "nvidia", "proprietary", "535.261.03",
							  "6.6 SMP", "drm" });
	manifest_add_source(m, "libraries-535.261.03.tar.xz", SUM);
	manifest_add_source(m, "/", NULL);
	m->build_id = "00ff";
	manifest_sort(m);
}

TEST(round_trip)
{
	struct err err = ERR_INIT;
	struct manifest m, n;
	char *a, *b;

	fill(&m);
	a = manifest_dump(&m);
	REQUIRE(manifest_parse(&n, "/t", a, strlen(a), &err) == 0);
	b = manifest_dump(&n);
	CHECK_STR(b, a);
	CHECK_STR(n.files[0].path, "bin/nvidia-modprobe");
	CHECK_STR(n.files[1].link, "libcuda.so.535.261.03");
	CHECK_INT(n.files[1].capability, CAP_COMPUTE | CAP_GRAPHICS);
	CHECK(n.files[2].compat && n.files[2].kind == MANIFEST_LIBRARY);
	CHECK_STR(n.modules[0].depends, "drm");
	CHECK_STR(n.sources[1].sha256, NULL);
	CHECK_STR(n.build_id, "00ff");
	CHECK_INT(manifest_size(&n), 12);
	CHECK(manifest_same_files(&m, &n));
	CHECK(manifest_find(&n, "lib64/libcuda.so.1") == &n.files[1]);
	CHECK(!manifest_find(&n, "lib64"));
	n.files[0].sha256 = "x";
	CHECK(!manifest_same_files(&m, &n));
	free(a);
	free(b);
	manifest_free(&m);
	manifest_free(&n);
}

#define HEAD "{\"format\":1,\"kind\":\"driver\",\"driver\":\"1.2\",\"os\":\"x\","

TEST(refuses)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"format\":2,\"kind\":\"driver\",\"driver\":\"1.2\",\"os\":\"x\"}",
		"{\"format\":1,\"kind\":\"cuda\"}",
		"{\"format\":1,\"kind\":\"driver\",\"driver\":\"a\",\"os\":\"x\"}",
		HEAD "\"kernelBuildId\":\"\"}",
		HEAD "\"kernelBuildId\":\"abc\"}",
		HEAD "\"kernelBuildId\":\"0G\"}",
		HEAD "\"files\":{}}",
		HEAD "\"files\":[1]}",
		HEAD "\"files\":[{\"path\":\"x\"}]}",
		HEAD "\"files\":[{\"path\":\"../x\",\"sha256\":\"" SUM "\"}]}",
		HEAD "\"files\":[{\"path\":\"/x\",\"sha256\":\"" SUM "\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "0\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"size\":-1}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"kind\":\"virus\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"soname\":\"a/b\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"capability\":\"root\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"link\":\"\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"link\":\"y\",\"sha256\":\"2\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"link\":\"y\",\"size\":1}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"class\":33,\"machine\":62}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"class\":64,\"kind\":\"library\"}]}",
		HEAD "\"files\":[{\"path\":\"x\",\"sha256\":\"" SUM "\",\"machine\":62}]}",
		HEAD "\"files\":[{\"path\":\"lib64/x.so\",\"sha256\":\"" SUM "\",\"kind\":\"library\"}]}",
		HEAD "\"modules\":[{\"path\":\"modules/x.ko\",\"name\":\"x\",\"flavour\":\"sweet\"}]}",
		HEAD "\"source\":[{}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err err = ERR_INIT;
		struct manifest m;

		CHECK(manifest_parse(&m, "/t", texts[i], strlen(texts[i]), &err) < 0);
		CHECK_INT(err.code, ERR_TREE);
		manifest_free(&m);
	}
}

/* Every hard link of an archive is looked up, and whoever made the archive says how many there are. */
TEST(found_among_many_in_no_time)
{
	struct manifest m = { .arena = ARENA_INIT };
	char path[32];

	alarm(20);
	for (unsigned i = 0; i < 300000; i++) {
		snprintf(path, sizeof(path), "f%u", i);
		CHECK(!manifest_find(&m, path));
		manifest_add_file(&m, &(struct manifest_file){ .path = path, .link = "x" });
	}
	alarm(0);
	manifest_free(&m);
}

TEST(found_by_path_whatever_was_done_to_it)
{
	struct manifest m = { .arena = ARENA_INIT };
	char path[32];

	CHECK(!manifest_find(&m, "x"));
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "top/f%u", 999 - i);
		manifest_add_file(&m, &(struct manifest_file){ .path = path, .link = i % 2 ? "odd" : "even" });
	}
	manifest_add_file(&m, &(struct manifest_file){ .path = "top/f5", .link = "twice" });
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			const struct manifest_file *f;

			snprintf(path, sizeof(path), round < 2 ? "top/f%u" : "f%u", i);
			f = manifest_find(&m, path);
			REQUIRE(f && str_eq(f->path, path));
			CHECK(i == 5 || str_eq(f->link, (999 - i) % 2 ? "odd" : "even"));
		}
		CHECK(!manifest_find(&m, "top/f1000") && !manifest_find(&m, "") && !manifest_find(&m, "f"));
		if (round == 0)
			manifest_sort(&m);
		if (round == 1)
			manifest_strip(&m, 4);
	}
	manifest_free(&m);
}
