/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kconfig.h"

#include <string.h>

#include "base/str.h"

#define PREFIX_CONFIG "CONFIG_"

bool kconfig_is_set(const char *config, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = config; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (str_starts(p, PREFIX_CONFIG) && strncmp(p + strlen(PREFIX_CONFIG), name, n) == 0 &&
		    str_starts(p + strlen(PREFIX_CONFIG) + n, "=y"))
			return true;
	}
	return false;
}

bool kconfig_is_random(const char *config)
{
	/* The second is the name before Linux 5.19. */
	return kconfig_is_set(config, "RANDSTRUCT") || kconfig_is_set(config, "GCC_PLUGIN_RANDSTRUCT");
}

/* Linux 5.16 has PREEMPT_BUILD for what was PREEMPT, and sets both where PREEMPT is chosen. */
static const char *preemption(const char *config)
{
	if (kconfig_is_set(config, "PREEMPT_BUILD") || kconfig_is_set(config, "PREEMPT"))
		return "preempt ";
	return kconfig_is_set(config, "PREEMPT_RT") ? "preempt_rt " : "";
}

static const char *machine(const char *config)
{
	if (kconfig_is_set(config, "X86_64"))
		return "";
	return kconfig_is_set(config, "ARM64") ? "aarch64" : NULL;
}

const char *kconfig_vermagic(struct arena *a, const char *config, const char *release, const char *seed)
{
	const char *arch = machine(config);
	bool random = kconfig_is_random(config);

	if (!arch || (random && !seed))
		return NULL;
	return arena_printf(a, "%s %s%s%s%s%s%s", release, kconfig_is_set(config, "SMP") ? "SMP " : "",
			    preemption(config), kconfig_is_set(config, "MODULE_UNLOAD") ? "mod_unload " : "",
			    kconfig_is_set(config, "MODVERSIONS") ? "modversions " : "", arch, random ? seed : "");
}
