/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kconfig.h"

#include "tap.h"

TEST(lines)
{
	static const char config[] =
		"#\n# CONFIG_RT=y\nCONFIG_SMP=y\nCONFIG_X86_64_SMP=y\nCONFIG_MODULE=m\nCONFIG_LAST=y";

	CHECK(kconfig_is_set(config, "SMP"));
	CHECK(kconfig_is_set(config, "LAST"));
	CHECK(!kconfig_is_set(config, "X86_64"));
	CHECK(!kconfig_is_set(config, "RT"));
	CHECK(!kconfig_is_set(config, "MODULE"));
	CHECK(!kconfig_is_set("", "SMP"));
	CHECK(kconfig_is_set("CONFIG_SMP=y", "SMP"));
}

#define X86 "CONFIG_X86_64=y\n"

TEST(vermagic)
{
	static const struct {
		const char *config, *seed;
		const char *magic; /* NULL: it cannot be told */
	} cases[] = {
		{ X86, NULL, "6.1.0 " },
		{ X86 "CONFIG_SMP=y\nCONFIG_PREEMPT_BUILD=y\nCONFIG_MODULE_UNLOAD=y\nCONFIG_MODVERSIONS=y\n", NULL,
		  "6.1.0 SMP preempt mod_unload modversions " },
		{ X86 "CONFIG_SMP=y\nCONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_PREEMPT_DYNAMIC=y\n", NULL, "6.1.0 SMP " },
		{ X86 "CONFIG_PREEMPT=y\n", NULL, "6.1.0 preempt " },
		{ X86 "CONFIG_PREEMPT_RT=y\nCONFIG_MODVERSIONS=y\n", NULL, "6.1.0 preempt_rt modversions " },
		{ X86 "CONFIG_PREEMPT_RT=y\nCONFIG_PREEMPT_BUILD=y\n", NULL, "6.1.0 preempt " },
		{ "CONFIG_ARM64=y\nCONFIG_SMP=y\n", NULL, "6.1.0 SMP aarch64" },
		{ X86 "CONFIG_RANDSTRUCT=y\nCONFIG_SMP=y\n", "RANDSTRUCT_ab", "6.1.0 SMP RANDSTRUCT_ab" },
		{ X86 "CONFIG_GCC_PLUGIN_RANDSTRUCT=y\n", NULL, NULL },
		{ X86 "CONFIG_RANDSTRUCT_NONE=y\n", "RANDSTRUCT_ab", "6.1.0 " },
		{ "CONFIG_RISCV=y\n", NULL, NULL },
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *magic = kconfig_vermagic(&a, cases[i].config, "6.1.0", cases[i].seed);

		if (!CHECK_STR(magic ? magic : "unknown", cases[i].magic ? cases[i].magic : "unknown"))
			CHECK_STR(cases[i].config, "");
	}
	arena_free(&a);
}
