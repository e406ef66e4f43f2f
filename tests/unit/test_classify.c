/* SPDX-License-Identifier: Apache-2.0 */
#include "store/classify.h"

#include "conf/capability.h"
#include "tap.h"

#define DRIVER "535.261.03"

static const struct elf_facts lib64 = { .class = 64, .machine = 62, .type = 3 };
static const struct elf_facts lib32 = { .class = 32, .machine = 3, .type = 3 };
static const struct elf_facts program = { .class = 64, .machine = 62, .type = 3, .executable = true };
static const struct elf_facts object = { .class = 64, .machine = 62, .type = 1 };

TEST(table)
{
	static const struct {
		const char *name;
		const struct elf_facts *elf;
		const char *dir; /* NULL: left out */
		enum manifest_kind kind;
		unsigned capability;
		bool compat;
	} cases[] = {
		{ "libcuda.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_COMPUTE, true },
		{ "libcuda.so." DRIVER, &lib32, "lib32", MANIFEST_LIBRARY, CAP_COMPAT32, false },
		{ "libcuda.so", &lib64, "lib64", MANIFEST_LIBRARY, CAP_COMPUTE, true },
		{ "libnvidia-ptxjitcompiler.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_COMPUTE, true },
		{ "libnvidia-opencl.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_COMPUTE, false },
		{ "libnvidia-ml.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_UTILITY, false },
		{ "libnvcuvid.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_VIDEO, false },
		{ "libvdpau_nvidia.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_VIDEO, false },
		{ "libGLX_nvidia.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_GRAPHICS, false },
		{ "libnvidia-api.so.1", &lib64, "lib64", MANIFEST_LIBRARY, CAP_GRAPHICS, false },
		{ "libnvidia-ngx.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_NGX, false },
		{ "libnvidia-gpucomp.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, CAP_COMPUTE | CAP_GRAPHICS,
		  false },
		{ "libnvidia-unheard-of.so." DRIVER, &lib64, "lib64", MANIFEST_LIBRARY, 0, false },
		{ "libnvidia-gtk3.so." DRIVER, &lib64, "lib64", MANIFEST_HOST, 0, false },
		{ "libnvidia-wfb.so." DRIVER, &lib64, "lib64", MANIFEST_HOST, 0, false },
		{ "libGL.so.1.7.0", &lib64, "lib64", MANIFEST_HOST, 0, false },
		{ "libOpenCL.so.1.0.0", &lib64, "lib64", MANIFEST_HOST, 0, false },
		{ "nvidia_drv.so", &lib64, "lib64", MANIFEST_HOST, 0, false },
		{ "libevil.so.1", &lib64, "lib64", MANIFEST_HOST, 0, false },
		{ "nvidia-smi", &program, "bin", MANIFEST_PROGRAM, CAP_UTILITY, false },
		{ "nvidia-cuda-mps-server", &program, "bin", MANIFEST_PROGRAM, CAP_COMPUTE, false },
		{ "nvidia-modprobe", &program, "bin", MANIFEST_HOST, 0, false },
		{ "new-tool", &program, "bin", MANIFEST_HOST, 0, false },
		{ "nvidia-bug-report.sh", NULL, "bin", MANIFEST_HOST, 0, false },
		{ "gsp_ga10x.bin", &object, "firmware/nvidia/" DRIVER, MANIFEST_FIRMWARE, 0, false },
		{ "gsp.bin", NULL, "firmware/nvidia/" DRIVER, MANIFEST_FIRMWARE, 0, false },
		{ "nvidia_icd.json", NULL, "share/vulkan/icd.d", MANIFEST_SHARE, CAP_GRAPHICS, false },
		{ "nvidia.icd", NULL, "share/OpenCL/vendors", MANIFEST_SHARE, CAP_COMPUTE, false },
		{ "nvoptix.bin", NULL, "share/nvidia", MANIFEST_SHARE, CAP_GRAPHICS, false },
		{ "nvidia-application-profiles-" DRIVER "-rc", NULL, "share/nvidia", MANIFEST_SHARE, CAP_GRAPHICS,
		  false },
		{ "README.txt", NULL, NULL, 0, 0, false },
		{ "libcuda.so." DRIVER, NULL, NULL, 0, 0, false },
		{ "nvidia.ko", &object, NULL, 0, 0, false },
		{ "other.bin", NULL, NULL, 0, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct classify_input in = { .name = cases[i].name, .driver = DRIVER, .elf = cases[i].elf };
		struct classify c;
		bool known = classify_file(&in, &c);

		CHECK_STR(known ? c.dir : NULL, cases[i].dir);
		if (!known || !cases[i].dir)
			continue;
		CHECK_INT(c.kind, cases[i].kind);
		CHECK_INT(c.capability, cases[i].capability);
		CHECK_INT(c.compat, cases[i].compat);
	}
}

TEST(modules)
{
	static const struct {
		const char *name;
		bool known;
	} cases[] = { { "nvidia.ko", true },
		      { "nvidia-uvm.ko.xz", true },
		      { "nvidia.ko.zst", true },
		      { "Module.symvers", false },
		      { "libcuda.so.1", false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct classify_input in = { .name = cases[i].name, .driver = DRIVER, .modules_dir = "modules-open" };
		struct classify c;

		CHECK_INT(classify_file(&in, &c), cases[i].known);
		if (cases[i].known)
			CHECK_STR(c.dir, "modules-open");
	}
}

TEST(links)
{
	struct classify_input in = { .name = "nvidia.icd", .driver = DRIVER };
	struct classify c;

	REQUIRE(classify_file(&in, &c));
	CHECK_STR(c.link_dir, "/etc/OpenCL/vendors");
	in.name = "15_nvidia_gbm.json";
	REQUIRE(classify_file(&in, &c));
	CHECK_STR(c.link_dir, "/usr/share/egl/egl_external_platform.d");
	CHECK(classify_is_unversioned("libnvidia-api.so.1"));
	CHECK(classify_is_unversioned("libnvidia-egl-wayland.so.1.1.11"));
	CHECK(!classify_is_unversioned("libnvidia-ml.so.1"));
}
