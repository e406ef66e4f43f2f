/* SPDX-License-Identifier: Apache-2.0 */
#include "store/classify.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "conf/capability.h"

#define BOTH (CAP_COMPUTE | CAP_GRAPHICS)

/* By the name before ".so". */
static const struct {
	const char *stem;
	unsigned capability;
	bool compat; /* libcuda and what its JIT loads: the set that a newer toolkit's compat directory replaces */
} libraries[] = {
	{ "libnvidia-ml", CAP_UTILITY, false },
	{ "libnvidia-cfg", CAP_UTILITY, false },
	{ "libnvidia-nscq", CAP_UTILITY, false },
	{ "libnvsdm", CAP_UTILITY, false },
	{ "libnvidia-sandboxutils", CAP_UTILITY, false },
	{ "libcuda", CAP_COMPUTE, true },
	{ "libcudadebugger", CAP_COMPUTE, true },
	{ "libnvidia-ptxjitcompiler", CAP_COMPUTE, true },
	{ "libnvidia-fatbinaryloader", CAP_COMPUTE, true },
	{ "libnvidia-nvvm", CAP_COMPUTE, true },
	{ "libnvidia-nvvm70", CAP_COMPUTE, true },
	{ "libnvidia-tileiras", CAP_COMPUTE, true },
	{ "libnvidia-opencl", CAP_COMPUTE, false },
	{ "libnvidia-compiler", CAP_COMPUTE, false },
	{ "libnvidia-pkcs11", CAP_COMPUTE, false },
	{ "libnvidia-pkcs11-openssl3", CAP_COMPUTE, false },
	/* The shader compilers of Vulkan and OpenGL need the first, GBM the second. */
	{ "libnvidia-gpucomp", BOTH, false },
	{ "libnvidia-allocator", BOTH, false },
	{ "libvdpau_nvidia", CAP_VIDEO, false },
	{ "libnvidia-encode", CAP_VIDEO, false },
	{ "libnvidia-opticalflow", CAP_VIDEO, false },
	{ "libnvcuvid", CAP_VIDEO, false },
	{ "libnvidia-eglcore", CAP_GRAPHICS, false },
	{ "libnvidia-glcore", CAP_GRAPHICS, false },
	{ "libnvidia-tls", CAP_GRAPHICS, false },
	{ "libnvidia-glsi", CAP_GRAPHICS, false },
	{ "libnvidia-fbc", CAP_GRAPHICS, false },
	{ "libnvidia-ifr", CAP_GRAPHICS, false },
	{ "libnvidia-rtcore", CAP_GRAPHICS, false },
	{ "libnvoptix", CAP_GRAPHICS, false },
	{ "libGLX_nvidia", CAP_GRAPHICS, false },
	{ "libEGL_nvidia", CAP_GRAPHICS, false },
	{ "libGLESv2_nvidia", CAP_GRAPHICS, false },
	{ "libGLESv1_CM_nvidia", CAP_GRAPHICS, false },
	{ "libnvidia-glvkspirv", CAP_GRAPHICS, false },
	{ "libnvidia-cbl", CAP_GRAPHICS, false },
	{ "libnvidia-api", CAP_GRAPHICS, false },
	{ "libnvidia-present", CAP_GRAPHICS, false },
	{ "libnvidia-vulkan-producer", CAP_GRAPHICS, false },
	{ "libnvidia-vksc-core", CAP_GRAPHICS, false },
	{ "libnvidia-egl-gbm", CAP_GRAPHICS, false },
	{ "libnvidia-egl-wayland", CAP_GRAPHICS, false },
	{ "libnvidia-egl-wayland2", CAP_GRAPHICS, false },
	{ "libnvidia-egl-xcb", CAP_GRAPHICS, false },
	{ "libnvidia-egl-xlib", CAP_GRAPHICS, false },
	{ "libnvidia-ngx", CAP_NGX, false },
};

/* Parts for the host's desktop, and vendor-neutral libraries, which images bring: kept, shown to no container. */
static const char *const host_libraries[] = {
	"libnvidia-gtk2", "libnvidia-gtk3", "libnvidia-wfb", "libglx",	       "libglxserver_nvidia", "nvidia_drv",
	"libGL",	  "libEGL",	    "libGLX",	     "libGLESv1_CM",   "libGLESv2",	      "libOpenGL",
	"libGLdispatch",  "libOpenCL",	    "libvdpau",	     "libvdpau_trace", "libXvMCNVIDIA",
};

static const struct {
	const char *name;
	unsigned capability; /* 0: the host's */
} programs[] = {
	{ "nvidia-smi", CAP_UTILITY },
	{ "nvidia-debugdump", CAP_UTILITY },
	{ "nvidia-persistenced", CAP_UTILITY },
	{ "nv-fabricmanager", CAP_UTILITY },
	{ "nvidia-imex", CAP_UTILITY },
	{ "nvidia-imex-ctl", CAP_UTILITY },
	{ "nvidia-cuda-mps-control", CAP_COMPUTE },
	{ "nvidia-cuda-mps-server", CAP_COMPUTE },
	{ "nvidia-modprobe", 0 },
	{ "nvidia-settings", 0 },
	{ "nvidia-xconfig", 0 },
	{ "nvidia-powerd", 0 },
	{ "nvidia-ngx-updater", 0 },
	{ "nvidia-pcc", 0 },
	{ "nvidia-bug-report.sh", 0 },
	{ "nvidia-sleep.sh", 0 },
};

#define EGL_PLATFORM "share/egl/egl_external_platform.d", "/usr/share/egl/egl_external_platform.d"
#define VULKAN_ICD "share/vulkan/icd.d", "/usr/share/vulkan/icd.d"

static const struct {
	const char *name, *dir, *link_dir;
	unsigned capability;
} shares[] = {
	{ "nvidia_icd.json", VULKAN_ICD, CAP_GRAPHICS },
	{ "nvidia_icd.x86_64.json", VULKAN_ICD, CAP_GRAPHICS },
	{ "nvidia_icd.i686.json", VULKAN_ICD, CAP_COMPAT32 },
	{ "nvidia_icd.aarch64.json", VULKAN_ICD, CAP_GRAPHICS },
	{ "nvidia_layers.json", "share/vulkan/implicit_layer.d", "/usr/share/vulkan/implicit_layer.d", CAP_GRAPHICS },
	{ "10_nvidia.json", "share/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d", CAP_GRAPHICS },
	{ "15_nvidia_gbm.json", EGL_PLATFORM, CAP_GRAPHICS },
	{ "10_nvidia_wayland.json", EGL_PLATFORM, CAP_GRAPHICS },
	{ "09_nvidia_wayland2.json", EGL_PLATFORM, CAP_GRAPHICS },
	{ "20_nvidia_xcb.json", EGL_PLATFORM, CAP_GRAPHICS },
	{ "20_nvidia_xlib.json", EGL_PLATFORM, CAP_GRAPHICS },
	{ "nvidia.icd", "share/OpenCL/vendors", "/etc/OpenCL/vendors", CAP_COMPUTE },
	{ "nvoptix.bin", "share/nvidia", "/usr/share/nvidia", CAP_GRAPHICS },
};

static const struct classify_alias aliases[] = {
	{ "libcuda.so.1", "libcuda.so", true },
	{ "libnvidia-opticalflow.so.1", "libnvidia-opticalflow.so", true },
	{ "libvdpau_nvidia.so.1", "libvdpau_nvidia.so", true },
	{ "libGLX_nvidia.so.0", "libGLX_indirect.so.0", true },
	/* Not the loader's, but where GBM_BACKENDS_PATH may point. */
	{ "libnvidia-allocator.so.1", "gbm/nvidia-drm_gbm.so", false },
};

/* The name before ".so" where that is followed by the end or a dot; 0 where there is none. */
static size_t stem_length(const char *name)
{
	const char *so = strstr(name, ".so");

	return so && (so[3] == '\0' || so[3] == '.') ? (size_t)(so - name) : 0;
}

static bool same(const char *word, const char *s, size_t n)
{
	return strlen(word) == n && memcmp(word, s, n) == 0;
}

static bool has_driver_suffix(const char *name, const char *driver)
{
	const char *so = strstr(name, ".so.");

	return so && str_eq(so + 4, driver);
}

static bool is_module(const char *name)
{
	return str_ends(name, ".ko") || str_ends(name, ".ko.xz") || str_ends(name, ".ko.zst") ||
	       str_ends(name, ".ko.gz");
}

static void set_dir(struct classify *c, const char *dir)
{
	snprintf(c->dir, sizeof(c->dir), "%s", dir);
}

static bool classify_library(const struct classify_input *in, size_t stem, struct classify *c)
{
	bool known = false;

	set_dir(c, in->elf->class == 32 ? "lib32" : "lib64");
	c->kind = MANIFEST_LIBRARY;
	for (size_t i = 0; i < ARRAY_SIZE(host_libraries); i++)
		if (same(host_libraries[i], in->name, stem))
			c->kind = MANIFEST_HOST;
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		if (!same(libraries[i].stem, in->name, stem))
			continue;
		known = true;
		c->capability = libraries[i].capability;
		c->compat = libraries[i].compat && in->elf->class == 64;
	}
	/* What a newer driver adds is shown to everyone rather than missed by someone. */
	if (!known && !has_driver_suffix(in->name, in->driver) && !str_starts(in->name, "libnv"))
		c->kind = MANIFEST_HOST;
	if (in->elf->class == 32)
		c->capability = CAP_COMPAT32;
	return true;
}

static bool classify_program_file(const struct classify_input *in, struct classify *c)
{
	set_dir(c, "bin");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!str_eq(programs[i].name, in->name))
			continue;
		c->kind = programs[i].capability ? MANIFEST_PROGRAM : MANIFEST_HOST;
		c->capability = programs[i].capability;
		return true;
	}
	c->kind = MANIFEST_HOST;
	return in->elf ? in->elf->executable : in->from_tools && str_starts(in->name, "nvidia-");
}

static bool classify_share_file(const struct classify_input *in, struct classify *c)
{
	c->kind = MANIFEST_SHARE;
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		if (!str_eq(shares[i].name, in->name))
			continue;
		set_dir(c, shares[i].dir);
		c->capability = shares[i].capability;
		c->link_dir = shares[i].link_dir;
		return true;
	}
	if (!str_starts(in->name, "nvidia-application-profiles-"))
		return false;
	set_dir(c, "share/nvidia");
	c->capability = CAP_GRAPHICS;
	c->link_dir = "/usr/share/nvidia";
	return true;
}

static bool classify_firmware(const struct classify_input *in, struct classify *c)
{
	if (!str_starts(in->name, "gsp") || !str_ends(in->name, ".bin"))
		return false;
	c->kind = MANIFEST_FIRMWARE;
	/* The kernel asks for nvidia/<driver>/gsp_*.bin below a firmware path. */
	snprintf(c->dir, sizeof(c->dir), "firmware/nvidia/%s", in->driver);
	return true;
}

bool classify_file(const struct classify_input *in, struct classify *ret)
{
	size_t stem = stem_length(in->name);

	*ret = (struct classify){ .kind = MANIFEST_HOST };
	if (in->modules_dir) {
		ret->kind = MANIFEST_MODULE;
		set_dir(ret, in->modules_dir);
		return is_module(in->name);
	}
	if (is_module(in->name))
		return false;
	if (in->elf && stem && !in->elf->executable)
		return classify_library(in, stem, ret);
	if (!in->elf && (classify_share_file(in, ret) || classify_firmware(in, ret)))
		return true;
	/* GSP firmware is an ELF file of another machine. */
	if (in->elf && classify_firmware(in, ret))
		return true;
	*ret = (struct classify){ .kind = MANIFEST_HOST };
	return !stem && classify_program_file(in, ret);
}

const char *classify_program(size_t i)
{
	return i < ARRAY_SIZE(programs) ? programs[i].name : NULL;
}

const char *classify_share(size_t i)
{
	return i < ARRAY_SIZE(shares) ? shares[i].name : NULL;
}

bool classify_is_unversioned(const char *name)
{
	static const char *const stems[] = { "libnvidia-api",	       "libnvidia-egl-gbm", "libnvidia-egl-wayland",
					     "libnvidia-egl-wayland2", "libnvidia-egl-xcb", "libnvidia-egl-xlib",
					     "libnvidia-nscq" };
	size_t stem = stem_length(name);

	for (size_t i = 0; stem && i < ARRAY_SIZE(stems); i++)
		if (same(stems[i], name, stem))
			return true;
	return false;
}

const struct classify_alias *classify_alias(size_t i)
{
	return i < ARRAY_SIZE(aliases) ? &aliases[i] : NULL;
}
