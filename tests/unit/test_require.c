/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
		",",
		"cuda>=12,",
		",cuda>=12",
		"cuda>=12,,driver>=1",
		"cuda>=12.x",
		"cuda==12",
		"cuda=>12",
		"cuda=<12",
		"cuda<>12",
		"cuda!12",
		"cuda~12",
		"cuda >= 12",
		"cuda>=12\n",
		"cuda\t>=12",
		"cuda>=-1",
		"cuda>=1..2",
		"cuda>=1.2.3.4.5",
		"cuda>=99999999999999999999999999999999999999",
		"Cuda>=12",
		"gpus>=1",
		"cudaa>=1",
		"cud>=1",
		"abcdefghijklmnopqrstuvwxyz>=1",
		"brand>=tesla",
		"brand<tesla",
		"brand=",
		"brand=a.b",
		"brand=%s%n",
		"brand=\xd9\xa3",
		"cuda>=\xef\xbc\x91",
		"\xff\xfe",
		/* Behind an alternative that holds, and behind a term that fails. */
		"cuda>=12 gpus=1",
		"cuda>=99,gpus=1",
		"cuda>=12 brand",
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
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: arch>=10 (compute capability is 9.0, GPU 0)");
	check("brand=geforce", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: brand=geforce (brand is Tesla, GPU 0)");
	check("brand=geforce", &no_gpu, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: brand=geforce (brand is unknown)");
	check("cuda>=13.0 brand=nvs,driver>=535 brand=tesla,driver>=550", &facts, &err);
	CHECK_STR(err.what,
		  "NVIDIA_REQUIRE_CUDA: cuda>=13.0 (driver 535.261.03 supports CUDA 12.2, GPU 0), and the last of 3 "
		  "alternatives fails at driver>=550");
	check("gpus=1", &facts, &err);
	CHECK_STR(err.what, "NVIDIA_REQUIRE_CUDA: gpus=1: unknown property");
}

TEST(what_is_not_known_holds_nothing)
{
	static const char *const all[] = { "cuda>=1",	"cuda!=1",  "driver<999",   "driver!=1",
					   "arch!=1.0", "brand!=x", "brand=unknown" };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		CHECK_INT(check(all[i], &unknown, &err), -EINVAL);
	CHECK_INT(check("", &unknown, &err), 0);
}

TEST(long_expressions)
{
	struct strbuf b = STRBUF_INIT;
	struct err err;

	for (int i = 0; i < 3000; i++)
		strbuf_puts(&b, "brand=x,driver>=1 ");
	strbuf_puts(&b, "cuda>=12.2");
	CHECK_INT(check(b.buf, &facts, &err), 0);
	while (b.len < 1 << 20)
		strbuf_puts(&b, " brand=tesla");
	CHECK_INT(check(b.buf, &facts, &err), -EINVAL);
	CHECK_INT(err.code, ERR_REQUIRE);
	strbuf_free(&b);
	for (int i = 0; i < 60000; i++)
		strbuf_putc(&b, '(');
	CHECK_INT(check(b.buf, &facts, &err), -EINVAL);
	CHECK(strlen(err.what) < 128);
	strbuf_free(&b);
}
