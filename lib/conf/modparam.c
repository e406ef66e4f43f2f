/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/modparam.h"

#include <stdbool.h>
#include <string.h>

#define VALUE_MAX 256

static const struct {
	const char *module;
	const char *parameters; /* between blanks */
} allowed[] = {
	{ "nvidia",
	  " NVreg_CoherentGPUMemoryMode NVreg_CreateImexChannel0 NVreg_DeviceFileGID NVreg_DeviceFileMode NVreg_DeviceFileUID"
	  " NVreg_DynamicPowerManagement NVreg_DynamicPowerManagementVideoMemoryThreshold NVreg_EnableGpuFirmware"
	  " NVreg_EnableGpuFirmwareLogs NVreg_EnableMSI NVreg_EnableNonblockingOpen NVreg_EnablePCIERelaxedOrderingMode"
	  " NVreg_EnablePCIeGen3 NVreg_EnableResizableBar NVreg_EnableS0ixPowerManagement NVreg_EnableStreamMemOPs"
	  " NVreg_EnableUserNUMAManagement NVreg_ExcludedGpus NVreg_GrdmaPciTopoCheckOverride NVreg_ImexChannelCount"
	  " NVreg_InitializeSystemMemoryAllocations NVreg_NvLinkDisable NVreg_OpenRmEnableUnsupportedGpus"
	  " NVreg_PreserveVideoMemoryAllocations NVreg_RegistryDwords NVreg_RegistryDwordsPerDevice"
	  " NVreg_RestrictProfilingToAdminUsers NVreg_S0ixPowerManagementVideoMemoryThreshold NVreg_TemporaryFilePath"
	  " NVreg_UsePageAttributeTable " },
	{ "nvidia_uvm", " uvm_ats_mode uvm_disable_hmm uvm_global_oversubscription uvm_perf_prefetch_enable"
			" uvm_perf_thrashing_enable " },
	{ "nvidia_modeset", " disable_hdmi_frl disable_vrr_memclk_switch hdmi_deepcolor opportunistic_display_sync"
			    " output_rounding_fix vblank_sem_control " },
	{ "nvidia_drm", " fbdev modeset " },
	{ "nvidia_peermem", " peerdirect_support persistent_api_support " },
};

/* Whether the first n bytes of a word are that module's name. */
static bool names_module(const char *word, size_t n, const char *module)
{
	if (strlen(module) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (word[i] != module[i] && !(strchr("-_", word[i]) && strchr("-_", module[i])))
			return false;
	return true;
}

static bool is_listed(const char *list, const char *name, size_t n)
{
	for (const char *p = list + 1; *p; p = strchr(p, ' ') + 1)
		if (strncmp(p, name, n) == 0 && p[n] == ' ')
			return true;
	return false;
}

/* The kernel splits at blanks and takes quotes away. */
static bool is_value(const char *v)
{
	size_t n = strlen(v);

	for (size_t i = 0; i < n; i++)
		if (v[i] <= ' ' || v[i] > '~' || strchr("\"'\\", v[i]))
			return false;
	return n > 0 && n < VALUE_MAX;
}

const char *modparam_check(const char *word)
{
	const char *dot = strchr(word, '.'), *name = dot ? dot + 1 : "", *equals = strchr(name, '=');

	if (!dot || !equals || equals == name)
		return "give each as module.parameter=value, such as nvidia.NVreg_EnableGpuFirmware=0";
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		if (!names_module(word, (size_t)(dot - word), allowed[i].module))
			continue;
		if (!is_listed(allowed[i].parameters, name, (size_t)(equals - name)))
			return "no parameter of that module that may be set here; nvcoreos.conf lists them";
		return is_value(equals + 1) ? NULL : "give a value of printable characters without quotes";
	}
	return "the modules are nvidia, nvidia-uvm, nvidia-modeset, nvidia-drm and nvidia-peermem";
}

static bool is_for_us(const char *word)
{
	const char *dot = strchr(word, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(allowed); i++)
		if (names_module(word, (size_t)(dot - word), allowed[i].module))
			return true;
	return false;
}

void modparam_of_kernel(struct arena *a, const char *cmdline, struct strlist *ret, struct strlist *refused)
{
	struct strlist words = { 0 };

	strlist_split(a, &words, cmdline, " \t\n", false);
	/* What follows is for the first process. */
	for (size_t i = 0; i < words.n && !str_eq(words.v[i], "--"); i++)
		if (is_for_us(words.v[i]))
			strlist_add(a, modparam_check(words.v[i]) ? refused : ret, words.v[i]);
}

const char *modparam_of(struct arena *a, const struct strlist *words, const char *module, const char *own)
{
	const char *text = own;

	for (size_t i = 0; i < words->n; i++) {
		const char *dot = strchr(words->v[i], '.');

		if (dot && names_module(words->v[i], (size_t)(dot - words->v[i]), module))
			text = arena_printf(a, "%s%s%s", text, *text ? " " : "", dot + 1);
	}
	return text;
}
