/* SPDX-License-Identifier: Apache-2.0 */
#include "store/start.h"

#include "conf/capability.h"
#include "tap.h"

static void add(struct manifest *m, const char *path, enum manifest_kind kind, unsigned capability, const char *soname)
{
	manifest_add_file(m, &(struct manifest_file){ .path = path,
						      .kind = kind,
						      .capability = capability,
						      .soname = soname,
						      .sha256 = "",
						      .class = soname ? 64 : 0,
						      .machine = soname ? 62 : 0 });
}

TEST(driver)
{
	struct manifest m = { .arena = ARENA_INIT, .driver = "1.2", .os = "x" };
	struct tree t;

	add(&m, "lib64/libnvidia-gpucomp.so.1.2", MANIFEST_LIBRARY, CAP_COMPUTE | CAP_GRAPHICS,
	    "libnvidia-gpucomp.so.1.2");
	add(&m, "lib64/libcuda.so.1.2", MANIFEST_LIBRARY, CAP_COMPUTE, "libcuda.so.1");
	add(&m, "lib64/libnolink.so.1.2", MANIFEST_LIBRARY, CAP_NGX, "libnolink.so.1");
	manifest_add_file(&m, &(struct manifest_file){ .path = "lib64/libcuda.so.1",
						       .link = "libcuda.so.1.2",
						       .kind = MANIFEST_LIBRARY });
	manifest_add_file(&m, &(struct manifest_file){
				      .path = "lib64/libcuda.so", .link = "libcuda.so.1", .kind = MANIFEST_LIBRARY });
	add(&m, "bin/nvidia-smi", MANIFEST_PROGRAM, CAP_UTILITY, NULL);
	add(&m, "bin/nvidia-modprobe", MANIFEST_HOST, 0, NULL);
	add(&m, "share/OpenCL/vendors/nvidia.icd", MANIFEST_SHARE, CAP_COMPUTE, NULL);
	start_driver(&t, &m, "/t");
	/* No graphics by the one file that both need. */
	CHECK_INT(t.capabilities, CAP_COMPUTE | CAP_UTILITY | CAP_NGX);
	CHECK_INT(m.files[0].capability, CAP_COMPUTE);
	REQUIRE(t.n_libraries == 3 && t.n_programs == 1 && t.n_links == 1);
	CHECK_STR(t.libraries[1].soname, "libcuda.so.1");
	CHECK_STR(t.libraries[2].soname, "libcuda.so");
	CHECK_STR(t.programs[0].name, "nvidia-smi");
	CHECK_STR(t.links[0].path, "/etc/OpenCL/vendors/nvidia.icd");
	tree_free(&t);
	manifest_free(&m);
}

TEST(toolkit)
{
	struct manifest m = { .arena = ARENA_INIT, .is_cuda = true, .cuda = "12.4" };
	struct tree t;

	add(&m, "lib64/libcudart.so.12.4", MANIFEST_FILE, 0, "libcudart.so.12");
	add(&m, "lib64/stubs/libcuda.so", MANIFEST_FILE, 0, "libcuda.so.1");
	add(&m, "bin/nvcc", MANIFEST_FILE, 0, NULL);
	start_toolkit(&t, &m, "/t");
	REQUIRE(t.is_cuda && t.dirs.n == 1);
	CHECK_STR(t.dirs.v[0], "lib64");
	REQUIRE(t.n_libraries == 1);
	CHECK_STR(t.libraries[0].soname, "libcudart.so.12");
	tree_free(&t);
	manifest_free(&m);
}
