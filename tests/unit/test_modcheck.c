/* SPDX-License-Identifier: Apache-2.0 */
#include "store/modcheck.h"

#include "tap.h"

#define MAGIC "6.1.0-50-amd64 SMP preempt mod_unload modversions "

static struct modcheck_symbol kernel_symbols[] = {
	{ .name = "printk", .crc = 0x11 },   { .name = "kmalloc" },
	{ .name = "drm_open", .crc = 0x33 }, { .name = "module_layout", .crc = 0x44 },
	{ .name = "kmalloc", .crc = 0x22 },
};
static struct modcheck_kernel kernel;
static const struct modcheck_origin unknown;

static void kernel_make(void)
{
	kernel = (struct modcheck_kernel){
		.release = "6.1.0-50-amd64", .vermagic = MAGIC, .symbols = kernel_symbols, .complete = true
	};
	kernel.n_symbols = sizeof(kernel_symbols) / sizeof(kernel_symbols[0]);
	modcheck_sort(kernel.symbols, &kernel.n_symbols);
}

/* Checks two modules, of which the second needs `need`; the first finding, or NULL. */
static const char *first(struct modcheck *m, const struct modcheck_symbol *need, const char *vermagic)
{
	static struct modcheck_symbol nvidia_needs[] = { { .name = "printk", .crc = 0x11 },
							 { .name = "module_layout", .crc = 0x44 } };
	static struct modcheck_symbol nvidia_exports[] = { { .name = "nvUvmInterface", .crc = 0x55 } };
	const struct modcheck_module modules[] = {
		{ .name = "nvidia",
		  .vermagic = vermagic,
		  .license = "NVIDIA",
		  .version = "",
		  .needs = nvidia_needs,
		  .n_needs = 2,
		  .exports = nvidia_exports,
		  .n_exports = 1 },
		{ .name = "nvidia_uvm",
		  .vermagic = vermagic,
		  .license = "Dual MIT/GPL",
		  .version = "",
		  .needs = (struct modcheck_symbol *)need,
		  .n_needs = 1 },
	};

	modcheck_run(m, modules, 2, &kernel, &unknown);
	return m->findings.n ? m->findings.v[0] : NULL;
}

TEST(symbols)
{
	static const struct {
		struct modcheck_symbol need;
		const char *says; /* NULL: it fits */
	} cases[] = {
		{ { .name = "kmalloc", .crc = 0x22 }, NULL },
		{ { .name = "nvUvmInterface", .crc = 0x55 }, NULL },
		{ { .name = "nvUvmInterface" }, NULL },
		{ { .name = "nvUvmInterface", .crc = 0x56 },
		  "nvidia_uvm: needs another version of nvUvmInterface than this kernel has (CRC 0x00000056, not 0x00000055)" },
		{ { .name = "drm_open", .crc = 0x34 },
		  "nvidia_uvm: needs another version of drm_open than this kernel has (CRC 0x00000034, not 0x00000033)" },
		{ { .name = "ipmi_create_user", .crc = 0x1 },
		  "nvidia_uvm: needs ipmi_create_user, which nothing exports" },
		{ { .name = "ipmi_create_user", .crc = 0x1, .weak = true }, NULL },
	};

	kernel_make();
	CHECK_INT(kernel.n_symbols, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct modcheck m;
		const char *says = first(&m, &cases[i].need, MAGIC);

		CHECK_STR(says ? says : "fits", cases[i].says ? cases[i].says : "fits");
		CHECK_INT(m.findings.n, cases[i].says ? 1 : 0);
		CHECK_INT(m.symbols, 3);
		modcheck_free(&m);
	}
}

TEST(where_not_all_is_known_absence_proves_nothing)
{
	const struct modcheck_symbol need = { .name = "ipmi_create_user", .crc = 0x1 };
	struct modcheck m;

	kernel_make();
	kernel.complete = false;
	CHECK(!first(&m, &need, MAGIC));
	CHECK_INT(m.unknown, 1);
	CHECK_INT(m.versions, 2);
	modcheck_free(&m);
	kernel.n_symbols = 0;
	CHECK(!first(&m, &need, MAGIC));
	CHECK_INT(m.unknown, 3);
	modcheck_free(&m);
}

TEST(vermagic)
{
	static const struct {
		const char *module, *kernel;
		bool fits;
	} cases[] = {
		{ MAGIC, MAGIC, true },
		/* With versions the release does not count. */
		{ "6.1.0-49-amd64 SMP preempt mod_unload modversions ", MAGIC, true },
		{ "6.1.0-49-amd64 SMP preempt mod_unload modversions", MAGIC, true },
		{ "6.1.0-50-amd64 SMP mod_unload modversions ", MAGIC, false },
		{ "6.1.0-50-amd64 SMP preempt mod_unload ", MAGIC, false },
		{ "6.6.1 SMP mod_unload ", "6.6.1 SMP mod_unload ", true },
		{ "6.6.2 SMP mod_unload ", "6.6.1 SMP mod_unload ", false },
		/* It has versions, and the kernel does not look at them. */
		{ MAGIC, "6.1.0-50-amd64 SMP preempt mod_unload ", false },
		/* The kernel has versions, as its symbols show. */
		{ "6.1.0-50-amd64 SMP mod_unload ", NULL, false },
		{ "6.1.0-49-amd64 SMP preempt mod_unload modversions ", NULL, true },
		{ "", MAGIC, true },
	};
	const struct modcheck_symbol need = { .name = "printk", .crc = 0x11 };

	kernel_make();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct modcheck m;

		kernel.vermagic = cases[i].kernel;
		if (!CHECK_INT(first(&m, &need, cases[i].module) == NULL, cases[i].fits))
			CHECK_STR(cases[i].module, "");
		CHECK_INT(m.vermagic_unknown, !cases[i].kernel);
		modcheck_free(&m);
	}
}

/* The release counts where no version does; what is not known of the kernel is not compared. */
TEST(vermagic_without_versions)
{
	static const struct {
		const char *module, *kernel, *release;
		bool fits;
	} cases[] = {
		{ MAGIC, MAGIC, "6.1.0-50-amd64", true },
		{ "6.1.0-49-amd64 SMP preempt mod_unload modversions ", MAGIC, "6.1.0-50-amd64", false },
		{ "6.1.0-50-amd64 SMP mod_unload ", NULL, "6.1.0-50-amd64", true },
		{ "6.1.0-5 SMP mod_unload ", NULL, "6.1.0-50-amd64", false },
		{ "6.1.0-5 SMP mod_unload ", NULL, "6.1.0-5", true },
		{ "6.1.0-50-amd64 SMP mod_unload modversions ", NULL, "6.1.0-5", false },
		{ "6.1.0-5 SMP mod_unload ", NULL, NULL, true },
	};
	struct modcheck_symbol need = { .name = "printk" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct modcheck_module module = { .name = "nvidia",
							.vermagic = cases[i].module,
							.license = "NVIDIA",
							.version = "",
							.needs = &need,
							.n_needs = 1 };
		struct modcheck_symbol printk = { .name = "printk" };
		const struct modcheck_kernel k = { .release = cases[i].release,
						   .vermagic = cases[i].kernel,
						   .symbols = &printk,
						   .n_symbols = 1,
						   .complete = true };
		struct modcheck m;

		modcheck_run(&m, &module, 1, &k, &unknown);
		if (!CHECK_INT(m.findings.n == 0, cases[i].fits))
			CHECK_STR(cases[i].module, "");
		modcheck_free(&m);
	}
}

TEST(signatures_and_flavours)
{
	const struct modcheck_module modules[] = {
		{ .name = "nvidia", .vermagic = MAGIC, .license = "NVIDIA", .version = "", .is_signed = true },
		{ .name = "nvidia",
		  .vermagic = MAGIC,
		  .license = "NVIDIA",
		  .version = "",
		  .is_signed = true,
		  .open = true },
		{ .name = "nvidia_modeset",
		  .vermagic = MAGIC,
		  .license = "Dual MIT/GPL",
		  .version = "",
		  .is_signed = true },
		{ .name = "nvidia_uvm",
		  .vermagic = MAGIC,
		  .license = "Dual MIT/GPL",
		  .version = "",
		  .is_signed = true },
		{ .name = "nvidia_uvm", .vermagic = MAGIC, .license = "Dual MIT/GPL", .version = "" },
	};
	static const char *const says[] = {
		NULL, "nvidia: is of the proprietary flavour and lies among the open ones",
		"nvidia_modeset: is of the open flavour and lies among the proprietary ones", NULL,
		"nvidia_uvm: has no signature, and the kernel is locked down"
	};

	kernel_make();
	kernel.wants_signature = "the kernel is locked down";
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		struct modcheck m;

		modcheck_run(&m, &modules[i], 1, &kernel, &unknown);
		CHECK_STR(m.findings.n ? m.findings.v[0] : "fits", says[i] ? says[i] : "fits");
		modcheck_free(&m);
	}
}

TEST(licenses_and_namespaces)
{
	static const struct {
		const char *license, *need, *import;
		bool weak, lax;
		const char *says; /* NULL: it fits */
	} cases[] = {
		{ "NVIDIA", "printk", NULL, false, false, NULL },
		{ "NVIDIA", "gpl", NULL, false, false,
		  "nvidia: needs gpl, which this kernel gives to GPL-compatible modules alone (its license: \"NVIDIA\")" },
		{ "NVIDIA", "gpl", NULL, true, false, NULL },
		{ "Dual MIT/GPL", "gpl", NULL, false, false, NULL },
		{ "GPL v2", "gpl", NULL, false, false, NULL },
		{ "GPL v3", "gpl", NULL, false, false,
		  "nvidia: needs gpl, which this kernel gives to GPL-compatible modules alone (its license: \"GPL v3\")" },
		{ "NVIDIA", "dma", "DMA_BUF", false, false, NULL },
		{ "NVIDIA", "dma", "DMA", false, false,
		  "nvidia: needs dma of the namespace DMA_BUF, which it does not import" },
		{ "NVIDIA", "dma", NULL, false, false,
		  "nvidia: needs dma of the namespace DMA_BUF, which it does not import" },
		{ "NVIDIA", "dma", NULL, false, true, NULL },
		{ "GPL", "kvm", NULL, false, false, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct modcheck_symbol symbols[] = { { .name = "dma", .ns = "DMA_BUF" },
						     { .name = "gpl", .crc = 0x1 },
						     { .name = "gpl", .gpl = true },
						     { .name = "kvm", .ns = "module:kvm" },
						     { .name = "printk" } };
		struct modcheck_kernel k = { .vermagic = MAGIC, .symbols = symbols, .complete = true };
		struct modcheck_symbol need = { .name = cases[i].need, .weak = cases[i].weak };
		struct modcheck_module module = { .name = "nvidia",
						  .vermagic = MAGIC,
						  .license = cases[i].license,
						  .open = !str_eq(cases[i].license, "NVIDIA"),
						  .version = "",
						  .needs = &need,
						  .n_needs = 1 };
		struct arena a = ARENA_INIT;
		struct modcheck m;

		k.n_symbols = sizeof(symbols) / sizeof(symbols[0]);
		k.lax_namespaces = cases[i].lax;
		modcheck_sort(symbols, &k.n_symbols);
		if (cases[i].import)
			strlist_add(&a, &module.imports, cases[i].import);
		modcheck_run(&m, &module, 1, &k, &unknown);
		CHECK_STR(m.findings.n ? m.findings.v[0] : "fits", cases[i].says ? cases[i].says : "fits");
		modcheck_free(&m);
		arena_free(&a);
	}
}

/* nvidia is proprietary, nvidia_modeset uses it, and nvidia_drm uses nvidia_modeset. */
TEST(what_uses_a_proprietary_module_is_proprietary)
{
	static const struct {
		const char *license;
		const char *says; /* NULL: it fits */
	} cases[] = {
		{ "NVIDIA",
		  "nvidia_drm: needs gpl, which this kernel gives to GPL-compatible modules alone, and it uses the "
		  "proprietary nvidia_modeset" },
		{ "Dual MIT/GPL", NULL },
	};
	struct modcheck_symbol symbols[] = { { .name = "gpl", .gpl = true } };
	struct modcheck_symbol a = { .name = "a" }, b = { .name = "b" };
	struct modcheck_symbol drm_needs[] = { { .name = "gpl" }, { .name = "b" } };
	const struct modcheck_kernel k = { .vermagic = MAGIC, .symbols = symbols, .n_symbols = 1, .complete = true };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct modcheck_module modules[] = {
			{ .name = "nvidia_drm", .license = "Dual MIT/GPL", .needs = drm_needs, .n_needs = 2 },
			{ .name = "nvidia_modeset",
			  .license = "GPL",
			  .needs = &a,
			  .n_needs = 1,
			  .exports = &b,
			  .n_exports = 1 },
			{ .name = "nvidia", .license = cases[i].license, .exports = &a, .n_exports = 1 },
		};
		struct modcheck m;

		for (size_t n = 0; n < 3; n++) {
			modules[n].vermagic = modules[n].version = "";
			modules[n].open = !str_eq(cases[i].license, "NVIDIA");
		}
		modcheck_run(&m, modules, 3, &k, &unknown);
		CHECK_STR(m.findings.n ? m.findings.v[0] : "fits", cases[i].says ? cases[i].says : "fits");
		CHECK_INT(m.n_findings, cases[i].says ? 1 : 0);
		modcheck_free(&m);
	}
}

TEST(the_kernels_blacklist)
{
	CHECK(modcheck_is_blacklisted("nouveau,nvidia_uvm\n", "nvidia-uvm"));
	CHECK(modcheck_is_blacklisted("nvidia_uvm,x", "nvidia_uvm"));
	CHECK(!modcheck_is_blacklisted("nouveau,nvidia_uvm\n", "nvidia"));
	CHECK(!modcheck_is_blacklisted("(null)\n", "nvidia"));
	CHECK(!modcheck_is_blacklisted("", "nvidia"));
	CHECK(!modcheck_is_blacklisted("nvidia-uvm", "nvidia_uvm"));
	CHECK(!modcheck_is_blacklisted("a\nnvidia", "nvidia"));
}

TEST(the_version_of_the_configuration_comes_first)
{
	struct modcheck_symbol needs[] = { { .name = "printk", .crc = 0x12 },
					   { .name = "module_layout", .crc = 0x45 } };
	const struct modcheck_module module = {
		.name = "nvidia", .vermagic = MAGIC, .license = "NVIDIA", .version = "", .needs = needs, .n_needs = 2
	};
	struct modcheck m;

	kernel_make();
	modcheck_run(&m, &module, 1, &kernel, &unknown);
	REQUIRE(m.findings.n == 2);
	CHECK(strstr(m.findings.v[0], "module_layout") && strstr(m.findings.v[1], "printk"));
	modcheck_free(&m);
}

TEST(another_build_of_the_kernel)
{
	struct modcheck_symbol need = { .name = "printk", .crc = 0x11 };
	struct modcheck_module module = {
		.name = "nvidia", .vermagic = MAGIC, .license = "NVIDIA", .version = "", .needs = &need, .n_needs = 1
	};
	struct modcheck m;

	kernel_make();
	/* Of one of them it is not known. */
	modcheck_run(&m, &module, 1, &kernel, &(const struct modcheck_origin){ NULL, "aa" });
	CHECK(!m.rebuilt && !m.findings.n);
	modcheck_free(&m);
	kernel.build_id = "bb";
	modcheck_run(&m, &module, 1, &kernel, &unknown);
	CHECK(!m.rebuilt && !m.findings.n);
	modcheck_free(&m);
	modcheck_run(&m, &module, 1, &kernel, &(const struct modcheck_origin){ NULL, "bb" });
	CHECK(!m.rebuilt && !m.findings.n);
	modcheck_free(&m);
	/* Versions decide, where there are some. */
	modcheck_run(&m, &module, 1, &kernel, &(const struct modcheck_origin){ NULL, "aa" });
	CHECK(m.rebuilt && !m.findings.n);
	modcheck_free(&m);
	need.crc = 0;
	modcheck_run(&m, &module, 1, &kernel, &(const struct modcheck_origin){ NULL, "aa" });
	REQUIRE(m.rebuilt && m.findings.n == 1);
	CHECK_STR(
		m.findings.v[0],
		"nvidia: is of another build of this kernel (build id aa, not bb), and no versions tell whether it fits");
	modcheck_free(&m);
}

TEST(of_another_driver)
{
	static const struct {
		const char *module, *version, *driver;
		const char *says; /* NULL: it fits */
	} cases[] = {
		{ "nvidia", "535.261.03", "535.261.03", NULL },
		{ "nvidia", "550.163.01", "535.261.03", "nvidia: is of driver 550.163.01, not 535.261.03" },
		{ "nvidia_uvm", "550.163.01", "535.261.03", "nvidia_uvm: is of driver 550.163.01, not 535.261.03" },
		{ "nvidia", "550.163.01", NULL, NULL },
		{ "nvidia", "", "535.261.03", NULL },
		{ "nvidia", "none", "535.261.03", NULL },
		{ "gdrdrv", "2.4", "535.261.03", NULL },
	};

	kernel_make();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct modcheck_module module = {
			.name = cases[i].module, .vermagic = MAGIC, .license = "NVIDIA", .version = cases[i].version
		};
		struct modcheck m;

		modcheck_run(&m, &module, 1, &kernel, &(const struct modcheck_origin){ cases[i].driver, NULL });
		CHECK_STR(m.findings.n ? m.findings.v[0] : "fits", cases[i].says ? cases[i].says : "fits");
		modcheck_free(&m);
	}
}

TEST(each_misfit_is_named_and_all_are_counted)
{
	enum { MANY = 300 };
	static struct modcheck_symbol needs[MANY];
	const char *const names[] = { "nvidia_drm", "nvidia", "nvidia_uvm" };
	struct modcheck_module modules[3];
	struct arena a = ARENA_INIT;
	struct modcheck m;
	bool named = false;

	kernel_make();
	for (int i = 0; i < MANY; i++)
		needs[i].name = arena_printf(&a, "missing%d", i);
	for (int i = 0; i < 3; i++)
		modules[i] = (struct modcheck_module){ .name = names[i],
						       .vermagic = MAGIC,
						       .license = "NVIDIA",
						       .version = "",
						       .needs = needs,
						       .n_needs = MANY };
	modcheck_run(&m, modules, 3, &kernel, &unknown);
	CHECK_INT(m.n_findings, 3 * MANY);
	CHECK_INT(m.needed, 2 * MANY);
	REQUIRE(m.first_needed < m.findings.n);
	CHECK_STR(m.findings.v[m.first_needed], "nvidia: needs missing0, which nothing exports");
	CHECK(m.findings.n < 100);
	for (size_t i = 0; i < m.findings.n; i++)
		named |= str_eq(m.findings.v[i], "nvidia_uvm: needs missing0, which nothing exports");
	CHECK(named);
	modcheck_free(&m);
	arena_free(&a);
}

/* By the file's name it is known what a module is for, whatever stands in it. */
TEST(names_and_texts_of_the_file)
{
	static const struct modcheck_symbol needs[] = { { .name = "a\033[2Jb" } };
	struct modcheck_module module = {
		.name = "nvidia", .claimed = "drm\033c", .vermagic = MAGIC, .license = "NVIDIA", .version = ""
	};
	struct modcheck m;

	kernel_make();
	module.needs = (struct modcheck_symbol *)needs;
	module.n_needs = 1;
	modcheck_run(&m, &module, 1, &kernel, &unknown);
	REQUIRE(m.findings.n == 2);
	CHECK_STR(m.findings.v[0], "nvidia: calls itself drm\\x1bc");
	CHECK_STR(m.findings.v[1], "nvidia: needs a\\x1b[2Jb, which nothing exports");
	CHECK_INT(m.needed, 2);
	modcheck_free(&m);
	module.claimed = "nvidia";
	modcheck_run(&m, &module, 1, &kernel, &unknown);
	CHECK_INT(m.n_findings, 1);
	modcheck_free(&m);
}
