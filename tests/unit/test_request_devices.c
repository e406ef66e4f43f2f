/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "oci/request.h"
#include "oci/request_devices.h"
#include "tap.h"

#define UUID "2d4e8a1c-0b6f-4a3d-9c77-1f2e3d4c5b6a"

/* "all", "0,0:1,GPU-..." as parsed, "-" for no device. */
static const char *devices(const struct request *r)
{
	static char buf[4096];
	size_t o = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < r->n_devices; i++)
		o += (size_t)snprintf(buf + o, sizeof(buf) - o, "%s%s", i ? "," : "", r->devices[i].text);
	return r->n_devices ? buf : "-";
}

TEST(device_words)
{
	static const struct {
		const char *list, *want;
		enum request_kind kind;
	} good[] = {
		{ "all", "all", REQUEST_ALL },
		{ "none", "-", 0 },
		{ "0", "0", REQUEST_INDEX },
		{ "0,1", "0,1", REQUEST_INDEX },
		{ "15", "15", REQUEST_INDEX },
		{ "0:0", "0:0", REQUEST_MIG_INDEX },
		{ "3:12", "3:12", REQUEST_MIG_INDEX },
		{ "GPU-" UUID, "GPU-" UUID, REQUEST_UUID },
		{ "GPU-2D4E8A1C-0B6F-4A3D-9C77-1F2E3D4C5B6A", "GPU-" UUID, REQUEST_UUID },
		{ "GPU-2d4e8a1c", "GPU-2d4e8a1c", REQUEST_UUID },
		{ "GPU-2d4e8a1c-0b", "GPU-2d4e8a1c-0b", REQUEST_UUID },
		{ "MIG-" UUID, "MIG-" UUID, REQUEST_MIG_UUID },
		{ "MIG-GPU-" UUID "/3/0", "MIG-GPU-" UUID "/3/0", REQUEST_MIG_UUID },
		{ "0000:01:00.0", "0000:01:00.0", REQUEST_PCI },
		{ "00000000:0A:00.0", "0000:0a:00.0", REQUEST_PCI },
		{ "01:00.0", "0000:01:00.0", REQUEST_PCI },
		{ "10000:01:1f.7", "10000:01:1f.7", REQUEST_PCI },
		{ "nvidia.com/gpu=0", "0", REQUEST_INDEX },
		{ "nvidia.com/gpu=0,runtime.nvidia.com/gpu=1:0", "0,1:0", REQUEST_INDEX },
		{ "nvidia.com/gpu=all", "all", REQUEST_ALL },
		{ "runtime.nvidia.com/gpu=GPU-" UUID, "GPU-" UUID, REQUEST_UUID },
		{ "nvidia.com/gpu=none", "-", 0 },
	};
	struct request r = { 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		tap_check_int(request_parse_devices(&r, good[i].list, &err), 0, __FILE__, __LINE__, good[i].list);
		tap_check_str(devices(&r), good[i].want, __FILE__, __LINE__, good[i].list);
		if (r.n_devices)
			CHECK_INT(r.devices[0].kind, good[i].kind);
	}
	CHECK_INT(request_parse_devices(&r, "7:3", &err), 0);
	CHECK_INT(r.devices[0].index, 7);
	CHECK_INT(r.devices[0].mig, 3);
	request_free(&r);
}

/* clang-format off */
static const char *const hostile[] = {
	"../../dev/sda", "/dev/sda", "0/../1", "$(x)", "`x`", "%s%n", "0 ", " 0", "0, 1", "0\t", "0\n", "\n",
	" ", "0,,1", ",", "0,", ",0", "0,0", "0:1,0:1", "01:00.0,0000:01:00.0", "GPU-2d4e8a1c,GPU-2D4E8A1C",
	"nvidia.com/gpu=0,0", "-1", "+1", "01", "00", "0x0", "1e0", "1.0", "4294967295", "4294967296",
	"18446744073709551616", "\xd9\xa3", "\xef\xbc\x90", "0,sda", "sda,0", "0,../x", "all,0", "0,all",
	"all,all", "none,0", "0,none", "void,0", "0,void", "none,none", "ALL", "None", "0:", ":0", "0:0:0",
	":", "0;1", "0|1", "0-3", "gpu0", "GPU-", "GPU", "GPU-2d4e8a1", "GPU-2d4e8a1g", "GPU-2d4e8a1c0",
	"gpu-2d4e8a1c", "GPU-????????", "GPU--2d4e8a1c", "GPU-" UUID "0", "GPU-" UUID "/0", "GPU-" UUID "\n",
	"MIG-", "MIG-2d4e8a1c", "MIG-" UUID "/0/0", "MIG-GPU-" UUID, "MIG-GPU-" UUID "/0",
	"MIG-GPU-" UUID "/0/", "MIG-GPU-" UUID "/../0", "MIG-GPU-" UUID "/0/0/0", "MIG-GPU-" UUID "/01/0",
	"MIG-GPU-" UUID "x/0/0", "MIG-GPU-" UUID "/128/0", "1:0.0", "01:00", "01:00.8", "01:20.0",
	"01:00.00", "gg:00.0", "01.00.0", "01.00:0", "000:01:00.0", "000000000:01:00.0", "g000:01:00.0", ":01:00.0",
	"0000:01:00.0.0", "0000:0000:01:00.0", ".", "..", "...", "nvidia.com/gpu=", "nvidia.com/gpu",
	"nvidia.com/gpu=..", "nvidia.com/gpu=0=1", "nvidia.com/gpu=nvidia.com/gpu=0", "nvidia.com/nic=0",
	"evil.com/gpu=0", "runtime.nvidia.com/gpu=/", "0\x1b[2J", "/var/run/nvidia-container-devices",
};
/* clang-format on */

static void parse_env(struct request *ret, const char *value, int *r, struct err *err)
{
	cleanup_free char *assignment = mem_printf("NVIDIA_VISIBLE_DEVICES=%s", value);
	struct spec spec;
	struct config conf;

	spec_init(&spec);
	config_init(&conf);
	spec_add_env(&spec, assignment);
	/* What would make it a legacy image, were the value taken for none. */
	spec_add_env(&spec, "CUDA_VERSION=12.4.1");
	*err = (struct err)ERR_INIT;
	*r = request_parse(ret, &spec, &conf, err);
	config_free(&conf);
	spec_free(&spec);
}

/* The whole value is refused, and nothing of it is granted. */
TEST(hostile_values)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct request req;
		struct err err;
		int r;

		parse_env(&req, hostile[i], &r, &err);
		tap_check_int(r, -EINVAL, __FILE__, __LINE__, hostile[i]);
		CHECK_INT(err.code, ERR_VALUE);
		CHECK(str_starts(err.what, "NVIDIA_VISIBLE_DEVICES"));
		CHECK(!strpbrk(err.what, "\n\x1b"));
		CHECK(!req.wanted);
		CHECK_INT(req.n_devices, 0);
		CHECK_INT(req.capabilities, 0);
		request_free(&req);
	}
}

TEST(the_word_is_named)
{
	char word[130];
	struct request r = { 0 };
	struct err err = ERR_INIT;

	CHECK_INT(request_parse_devices(&r, "0,,1", &err), -EINVAL);
	CHECK_STR(err.what, "'': an entry is empty");
	CHECK_INT(request_parse_devices(&r, "0,sd\na,1", &err), -EINVAL);
	CHECK_STR(err.what, "sd\\x0aa: not a device");
	CHECK_INT(request_parse_devices(&r, "0,all", &err), -EINVAL);
	CHECK_STR(err.what, "all: must stand alone");
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	CHECK_INT(request_parse_devices(&r, word, &err), -EINVAL);
	CHECK_INT(strlen(err.what), 128 + strlen("...: not a device"));
	request_free(&r);
}

TEST(hostile_sizes)
{
	cleanup_free char *big = mem_zalloc(65537);
	struct strbuf list = STRBUF_INIT;
	struct request r = { 0 };
	struct err err;
	int e;

	memset(big, '1', 65536);
	parse_env(&r, big, &e, &err);
	CHECK_INT(e, -EINVAL);
	CHECK_INT(err.code, ERR_VALUE);
	CHECK(strlen(err.what) < 200);
	for (int i = 0; i < 64; i++)
		strbuf_printf(&list, "%s%d", i ? "," : "", i);
	CHECK_INT(request_parse_devices(&r, list.buf, &err), 0);
	CHECK_INT(r.n_devices, 64);
	strbuf_puts(&list, ",64");
	CHECK_INT(request_parse_devices(&r, list.buf, &err), -EINVAL);
	CHECK_INT(r.n_devices, 0);
	for (int i = 65; i < 10000; i++)
		strbuf_printf(&list, ",%d", i);
	CHECK_INT(request_parse_devices(&r, list.buf, &err), -EINVAL);
	CHECK_INT(request_parse_devices(&r, "", &err), -EINVAL);
	CHECK_INT(request_parse_devices(&r, "void", &err), -EINVAL);
	CHECK_INT(request_parse_devices(&r, "x", NULL), -EINVAL);
	strbuf_free(&list);
	request_free(&r);
}

TEST(cdi_names)
{
	static const char *const good[] = { "nvidia.com/gpu=0", "a/b=c", "v.e-n_d/c-l_s=d.e:v_1-2" };
	static const char *const bad[] = { "",	      "/",	"=",	  "/=",	     "a",	"a/b",
					   "a/b=",    "a/=c",	"/b=c",	  "a/b/c=d", "a/b=c=d", "a/b=c/d",
					   "a/b.c=d", ".a/b=c", "a./b=c", "a/-b=c",  "a/b=.",	"a/b=..",
					   "a/b=c ",  "a/b={",	" a/b=c", "a b/c=d", "a/b=c,d", "a/b=\xd9\xa3" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		tap_check(request_devices_is_cdi_name(good[i]), __FILE__, __LINE__, good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		tap_check(!request_devices_is_cdi_name(bad[i]), __FILE__, __LINE__, bad[i]);
	CHECK_STR(request_devices_cdi("nvidia.com/gpu=7"), "7");
	CHECK_STR(request_devices_cdi("runtime.nvidia.com/gpu=all"), "all");
	CHECK_STR(request_devices_cdi("runtime.runtime.nvidia.com/gpu=all"), NULL);
	CHECK_STR(request_devices_cdi("nvidia.com/gpus=7"), NULL);
	CHECK_STR(request_devices_cdi("0"), NULL);
}
