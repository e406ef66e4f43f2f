/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/modparam.h"

#include <stdio.h>

#include "tap.h"

TEST(known_parameters_are_taken)
{
	static const char *const words[] = {
		"nvidia.NVreg_EnableGpuFirmware=0",
		"nvidia.NVreg_RegistryDwords=RMForcePcieConfigSave=1;PowerMizer=2",
		"nvidia.NVreg_CoherentGPUMemoryMode=driver",
		"nvidia-drm.modeset=1",
		"nvidia_drm.fbdev=0",
		"nvidia-uvm.uvm_disable_hmm=1",
		"nvidia_modeset.vblank_sem_control=0",
		"nvidia-peermem.peerdirect_support=1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		CHECK_STR(modparam_check(words[i]), NULL);
}

TEST(others_are_not)
{
	static const struct {
		const char *word, *advice;
	} cases[] = {
		{ "", "give each as" },
		{ "modeset=1", "give each as" },
		{ "nvidia.NVreg_EnableMSI", "give each as" },
		{ "nvidia.=1", "give each as" },
		{ "nouveau.modeset=0", "the modules are" },
		{ ".modeset=0", "the modules are" },
		{ "nvidia-dr.modeset=0", "the modules are" },
		{ "nvidia-drmm.modeset=0", "the modules are" },
		{ "nvidia.modeset=1", "no parameter" },
		{ "nvidia.NVreg_EnableMS=1", "no parameter" },
		{ "nvidia.NVreg_EnableMSII=1", "no parameter" },
		{ "nvidia-uvm. =1", "no parameter" },
		/* What nvcoreos sets itself, and what takes the GPUs from the driver. */
		{ "nvidia.NVreg_ModifyDeviceFiles=1", "no parameter" },
		{ "nvidia.NVreg_RegisterPCIDriver=0", "no parameter" },
		{ "nvidia.NVreg_EnableMSI=", "give a value" },
		{ "nvidia.NVreg_EnableMSI=1\t2", "give a value" },
		{ "nvidia.NVreg_EnableMSI=\"1 NVreg_ModifyDeviceFiles=1\"", "give a value" },
		{ "nvidia.NVreg_EnableMSI=\xc3\xa9", "give a value" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *said = modparam_check(cases[i].word);

		if (!CHECK(said && str_starts(said, cases[i].advice)))
			printf("# %s: %s\n", cases[i].word, said ? said : "taken");
	}
}

TEST(each_module_gets_its_own)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist words = { 0 };

	CHECK_STR(modparam_of(&a, &words, "nvidia", "x=1"), "x=1");
	CHECK_STR(modparam_of(&a, &words, "nvidia-uvm", ""), "");
	strlist_add(&a, &words, "nvidia.NVreg_EnableMSI=0");
	strlist_add(&a, &words, "nvidia_drm.modeset=1");
	strlist_add(&a, &words, "nvidia-drm.fbdev=1");
	CHECK_STR(modparam_of(&a, &words, "nvidia", "x=1"), "x=1 NVreg_EnableMSI=0");
	CHECK_STR(modparam_of(&a, &words, "nvidia-drm", ""), "modeset=1 fbdev=1");
	CHECK_STR(modparam_of(&a, &words, "nvidia-uvm", ""), "");
}

TEST(the_kernels_command_line_has_a_say_too)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist taken = { 0 }, refused = { 0 };

	modparam_of_kernel(
		&a,
		"BOOT_IMAGE=/boot/vmlinuz quiet nvidia nvidia.NVreg_EnableMSI=0 nvidia-drm.modeset=0 nvidiafb.x=1 "
		"nvidia.NVreg_ModifyDeviceFiles=1 nvidia_uvm.uvm_disable_hmm drm.debug=1 -- nvidia.NVreg_DeviceFileGID=1\n",
		&taken, &refused);
	REQUIRE(CHECK_INT(taken.n, 2) && CHECK_INT(refused.n, 2));
	CHECK_STR(taken.v[0], "nvidia.NVreg_EnableMSI=0");
	CHECK_STR(taken.v[1], "nvidia-drm.modeset=0");
	CHECK_STR(refused.v[0], "nvidia.NVreg_ModifyDeviceFiles=1");
	CHECK_STR(refused.v[1], "nvidia_uvm.uvm_disable_hmm");
}
