/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/require.h"
#include "tap.h"

static const struct require_facts facts = { "535.261.03", "12.2", "9.0", "Tesla", "GPU 0" };
static const struct require_facts unknown = { 0 };

static int check(const char *expression, const struct require_facts *f, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return require_check("NVIDIA_REQUIRE_CUDA", expression, f, err);
}

TEST(met_or_not)
{
	static const struct {
		const char *expression;
		bool met;
	} all[] = {
		{ "", true },
		{ "   ", true },
		{ "cuda>=12.2", true },
		{ "cuda>=12.3", false },
		{ "cuda>=12.10", false },
		{ "cuda>=9.2", true },
		{ "cuda>12.2", false },
		{ "cuda>12.1", true },
		{ "cuda<12.2", false },
		{ "cuda<12.10", true },
		{ "cuda<=12.2", true },
		{ "cuda=12.2.0", true },
		{ "cuda!=12.2.0", false },
		{ "cuda=12", false },
		{ "driver>=535.261.03", true },
		{ "driver=535.261.3", true },
		{ "driver<536", true },
		{ "driver>=535,driver<536", true },
		{ "driver>=525,driver<526", false },
		{ "arch>=7.0", true },
		{ "arch=9", true },
		{ "arch>=10.0", false },
		{ "brand=tesla", true },
		{ "brand=TESLA", true },
		{ "brand!=tesla", false },
		{ "brand!=geforce", true },
		{ "brand=geforce", false },
		{ "cuda>=99 brand=tesla,driver>=535,driver<536", true },
		{ "cuda>=99  brand=geforce   arch=9.0 ", true },
		{ "cuda>=99 brand=tesla,driver>=550,driver<551 brand=unknown,driver>=535,driver<536", false },
		/* Names, like brands, in any case; words that are no brand are some other GPU's. */
		{ "Cuda>=12,DRIVER>=535,Brand!=a.b,ARCH=9", true },
		{ "brand=\xd9\xa3 brand=%s%n brand=a=b", false },
		/* Empty terms count for nothing, and an alternative of nothing else holds. */
		{ "cuda>=12,", true },
		{ ",cuda>=99,,driver>=1", false },
		{ ",", true },
		/* Dots: several count as one, one at the end as none; any number of numbers. */
		{ "cuda=12..2.", true },
		{ "driver=535.261.03.0.0.0", true },
		{ "driver>=535.261.03.0.0.1", false },
		{ "cuda<18446744073709551614", true },
		{ "cuda!12", true },
		{ "cuda!12.2", false },
		/* What stands behind an alternative that holds, or behind a term that fails, is not looked at. */
		{ "cuda>=12 gpus=1", true },
		{ "cuda>=12 brand", true },
		{ "cuda>=99,gpus=1 cuda>=12", true },
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int r = check(all[i].expression, &facts, &err);

		tap_check_int(r, all[i].met ? 0 : -EINVAL, __FILE__, __LINE__, all[i].expression);
		CHECK_INT(err.code, all[i].met ? ERR_NONE : ERR_REQUIRE);
	}
}

TEST(malformed)
{
	static const char *const bad[] = {
		"cuda",
		"cuda>",
		"cuda>=",
		">=12",
		"=",
		"cuda>=12.x",
		"cuda==12",
		"cuda=>12",
		"cuda=<12",
		"cuda<>12",
		"cuda~12",
		"cuda >= 12",
		"cuda>=12\n",
		"cuda\t>=12",
		"cuda>=-1",
		"cuda>=.5",
		"cuda>=.",
		"cuda>=18446744073709551615",
		"cuda>=99999999999999999999999999999999999999",
		"gpus>=1",
		"cudaa>=1",
		"cud>=1",
		"abcdefghijklmnopqrstuvwxyz>=1",
		"brand>=tesla",
		"brand<tesla",
		"brand=",
		"cuda>=\xef\xbc\x91",
		"\xff\xfe",
		/* Behind an alternative that fails, and behind a term that holds. */
		"cuda>=99 gpus=1",
		"cuda>=12,gpus=1",
		"cuda>=99 brand",
		"cuda>=12,(",
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		tap_check_int(check(bad[i], &facts, &err), -EINVAL, __FILE__, __LINE__, bad[i]);
		CHECK_INT(err.code, ERR_REQUIRE);
		CHECK(str_starts(err.what, "NVIDIA_REQUIRE_CUDA: "));
		CHECK(strstr(err.hint, "NVIDIA_DISABLE_REQUIRE"));
	}
	CHECK_INT(require_check("X", "cuda", &facts, NULL), -EINVAL);
}

TEST(sentences)
{
	struct require_facts no_gpu = { "535.261.03", "12.2", NULL, NULL, NULL };
	struct err err;

	check("cuda>=99.0", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: cuda>=99.0 (driver 535.261.03 supports CUDA 12.2, GPU 0)");
	check("brand=tesla,driver>=550", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: driver>=550 (the driver is 535.261.03, GPU 0)");
	check("arch>=10", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: arch>=10 (compute capability is 9.0, GPU 0, driver 535.261.03)");
	check("brand=geforce", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: brand=geforce (brand is Tesla, GPU 0, driver 535.261.03)");
	check("brand=geforce,driver>=550", &no_gpu, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: driver>=550 (the driver is 535.261.03)");
	check("cuda>=13.0 brand=nvs,driver>=535 brand=tesla,driver>=550", &facts, &err);
	CHECK_STR(err.what,
		  "NVIDIA_REQUIRE_CUDA: cuda>=13.0 (driver 535.261.03 supports CUDA 12.2, GPU 0), and the last of 3 "
		  "alternatives fails at driver>=550");
	check("gpus=1", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: gpus=1: unknown property");
}

TEST(what_is_not_known_speaks_against_nothing)
{
	static const char *const all[] = { "cuda>=1",	"cuda!=1",  "driver<999",   "driver!=1", "cuda>=99,driver>=999",
					   "arch!=1.0", "brand!=x", "brand=unknown" };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		CHECK_INT(check(all[i], &unknown, &err), 0);
	CHECK_INT(check("", &unknown, &err), 0);
	CHECK_INT(check("gpus=1", &unknown, &err), -EINVAL);
}

/* What NVIDIA's images carry, branch by branch. */
#define TEN(lo, hi) \
	" brand=tesla,driver>=" lo ",driver<" hi " brand=unknown,driver>=" lo ",driver<" hi \
	" brand=nvidia,driver>=" lo ",driver<" hi " brand=nvidiartx,driver>=" lo ",driver<" hi \
	" brand=geforce,driver>=" lo ",driver<" hi " brand=geforcertx,driver>=" lo ",driver<" hi \
	" brand=quadro,driver>=" lo ",driver<" hi " brand=quadrortx,driver>=" lo ",driver<" hi \
	" brand=titan,driver>=" lo ",driver<" hi " brand=titanrtx,driver>=" lo ",driver<" hi
#define TWELVE(lo, hi) \
	" brand=unknown,driver>=" lo ",driver<" hi " brand=grid,driver>=" lo ",driver<" hi " brand=tesla,driver>=" lo \
	",driver<" hi " brand=nvidia,driver>=" lo ",driver<" hi " brand=quadro,driver>=" lo ",driver<" hi \
	" brand=quadrortx,driver>=" lo ",driver<" hi " brand=nvidiartx,driver>=" lo ",driver<" hi \
	" brand=vapps,driver>=" lo ",driver<" hi " brand=vpc,driver>=" lo ",driver<" hi " brand=vcs,driver>=" lo \
	",driver<" hi " brand=vws,driver>=" lo ",driver<" hi " brand=cloudgaming,driver>=" lo ",driver<" hi

static const char cuda_9_0[] = "cuda>=9.0";
static const char cuda_10_2[] = "cuda>=10.2 brand=tesla,driver>=384,driver<385 brand=tesla,driver>=396,driver<397 "
				"brand=tesla,driver>=410,driver<411 brand=tesla,driver>=418,driver<419";
static const char cuda_11_2[] =
	"cuda>=11.2 brand=tesla,driver>=418,driver<419 brand=tesla,driver>=440,driver<441 driver>=450,driver<451";
static const char cuda_11_4[] =
	"cuda>=11.4 brand=tesla,driver>=418,driver<419 brand=tesla,driver>=440,driver<441 driver>=450";
static const char cuda_11_8[] =
	"cuda>=11.8 brand=tesla,driver>=450,driver<451" TEN("470", "471") TEN("510", "511") TEN("515", "516");
static const char cuda_12_2[] = "cuda>=12.2" TEN("470", "471") TEN("525", "526");
static const char cuda_12_4[] = "cuda>=12.4" TEN("470", "471") TEN("525", "526") TEN("535", "536");
static const char cuda_12_9[] = "cuda>=12.9" TWELVE("535", "536") TWELVE("550", "551") TWELVE("560", "561")
	TWELVE("565", "566") TWELVE("570", "571");

TEST(images)
{
	static const struct {
		const char *image, *driver, *cuda, *brand;
		bool met;
	} all[] = {
		/* By what the driver itself supports. */
		{ cuda_9_0, "535.261.03", "12.2", "tesla", true },
		{ cuda_10_2, "535.261.03", "12.2", "geforce", true },
		{ cuda_12_2, "535.54.03", "12.2", "titan", true },
		{ cuda_12_4, "550.54.14", "12.4", "geforcertx", true },
		{ cuda_12_9, "580.65.06", "13.0", "geforce", true },
		/* By the branches on which their compat libraries run. */
		{ cuda_10_2, "418.226.00", "10.1", "Tesla", true },
		{ cuda_10_2, "418.226.00", "10.1", "quadro", false },
		{ cuda_10_2, "430.64", "10.1", "tesla", false },
		{ cuda_11_2, "450.248.02", "11.0", "geforce", true },
		{ cuda_11_2, "455.45.01", "11.1", "tesla", false },
		{ cuda_11_4, "455.45.01", "11.1", "geforce", true },
		{ cuda_11_8, "450.248.02", "11.0", "tesla", true },
		{ cuda_11_8, "450.248.02", "11.0", "geforce", false },
		{ cuda_11_8, "470.256.02", "11.4", "geforce", true },
		{ cuda_11_8, "495.46", "11.5", "tesla", false },
		{ cuda_12_4, "470.256.02", "11.4", "tesla", true },
		{ cuda_12_4, "535.261.03", "12.2", "nvidia", true },
		{ cuda_12_4, "535.261.03", "12.2", "unknown", true },
		{ cuda_12_4, "535.261.03", "12.2", "grid", false },
		{ cuda_12_4, "545.23.08", "12.3", "tesla", false },
		{ cuda_12_4, "536.1", "12.2", "tesla", false },
		{ cuda_12_4, "534.99", "12.1", "tesla", false },
		{ cuda_12_9, "535.261.03", "12.2", "grid", true },
		{ cuda_12_9, "535.261.03", "12.2", "NVIDIA", true },
		{ cuda_12_9, "535.261.03", "12.2", "geforcertx", false },
		{ cuda_12_9, "570.172.08", "12.8", "vws", true },
		{ cuda_12_9, "525.147.05", "12.0", "tesla", false },
		/* Where the brand is not known: any. */
		{ cuda_12_9, "535.261.03", "12.2", NULL, true },
		{ cuda_12_9, "525.147.05", "12.0", NULL, false },
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct require_facts f = { all[i].driver, all[i].cuda, "8.0", all[i].brand, "GPU 0" };
		int r = check(all[i].image, &f, &err);

		if (!tap_check_int(r, all[i].met ? 0 : -EINVAL, __FILE__, __LINE__, all[i].driver))
			printf("# %.12s brand %s\n", all[i].image, all[i].brand ? all[i].brand : "(not known)");
		CHECK(all[i].met ||
		      (strstr(err.what, all[i].driver) && strstr(err.what, "GPU 0") && strstr(err.what, "cuda>=")));
	}
}

TEST(long_expressions)
{
	struct strbuf b = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct err err;

	for (int i = 0; i < 3000; i++)
		strbuf_puts(&b, "brand=x,driver>=1 ");
	strbuf_puts(&b, "cuda>=12.2");
	CHECK_INT(check(b.buf, &facts, &err), 0);
	b.len = 0;
	while (b.len < 1 << 20)
		strbuf_puts(&b, " brand=x");
	CHECK_INT(check(b.buf, &facts, &err), -EINVAL);
	CHECK_INT(err.code, ERR_REQUIRE);
	strbuf_free(&b);
	for (int i = 0; i < 60000; i++)
		strbuf_putc(&b, '(');
	CHECK_INT(check(b.buf, &facts, &err), -EINVAL);
	CHECK(strlen(err.what) < 128);
	strbuf_free(&b);
	for (int i = 0; i < 100; i++)
		strbuf_putc(&b, '0');
	strbuf_puts(&b, "1");
	CHECK_INT(check(arena_printf(&a, "cuda>=%s", b.buf), &facts, &err), 0);
	CHECK_INT(check(arena_printf(&a, "cuda>=%s%s", b.buf, "11111111111111111111111111"), &facts, &err), -EINVAL);
	strbuf_free(&b);
	arena_free(&a);
}
