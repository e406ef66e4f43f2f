/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_text.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "tap.h"

TEST(keys)
{
	static const char text[] = "Model: \t NVIDIA A100 \nEmpty:\nModel: second\nMinor:12\nLast: x";
	char value[16];
	uint32_t n = 7;

	CHECK(inventory_text_key(text, "Model", value, sizeof(value)));
	CHECK_STR(value, "NVIDIA A100");
	CHECK(inventory_text_key(text, "Empty", value, sizeof(value)));
	CHECK_STR(value, "");
	CHECK(inventory_text_key(text, "Last", value, sizeof(value)));
	CHECK_STR(value, "x");
	CHECK(!inventory_text_key(text, "Mod", value, sizeof(value)));
	CHECK(!inventory_text_key(text, "odel", value, sizeof(value)));
	CHECK(!inventory_text_key(text, "Model", value, sizeof("NVIDIA A100") - 1));
	CHECK(!inventory_text_key("", "Model", value, sizeof(value)));
	CHECK_INT(inventory_text_number(text, "Minor", 12, &n), 0);
	CHECK_INT(n, 12);
	CHECK_INT(inventory_text_number(text, "Minor", 11, &n), -EINVAL);
	CHECK_INT(inventory_text_number(text, "Model", 12, &n), -EINVAL);
	CHECK_INT(inventory_text_number(text, "None", 12, &n), -ENOENT);
}

TEST(identities)
{
	static const struct {
		const char *in, *want;
	} uuids[] = {
		{ "GPU-0123ABCD-1111-2222-3333-44444444abcd", "GPU-0123abcd-1111-2222-3333-44444444abcd" },
		{ "GPU-0123abcd-1111-2222-3333-44444444abc", NULL },
		{ "GPU-0123abcd-1111-2222-3333-44444444abcde", NULL },
		{ "GPU-0123abcd-1111-2222-3333+44444444abcd", NULL },
		{ "GPU-0123abcg-1111-2222-3333-44444444abcd", NULL },
		{ "gpu-0123abcd-1111-2222-3333-44444444abcd", NULL },
		{ "GPU-", NULL },
		{ "", NULL },
	}, addresses[] = {
		{ "0000:01:00.0", "0000:01:00.0" },
		{ "00000000:C1:1F.7", "0000:c1:1f.7" },
		{ "0001f000:01:00.0", "1f000:01:00.0" },
		{ "000:01:00.0", NULL },
		{ "000000000:01:00.0", NULL },
		{ "0000:1:00.0", NULL },
		{ "0000:001:00.0", NULL },
		{ "0000:01:00", NULL },
		{ "0000:01:00.8", NULL },
		{ "0000:01:00.00", NULL },
		{ "0000:01:00.", NULL },
		{ "0000", NULL },
		{ "", NULL },
		{ "../../etc", NULL },
	};
	struct arena a cleanup_arena = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
		const char *got = NULL;

		CHECK_INT(inventory_text_uuid(&a, uuids[i].in, "GPU-", &got), uuids[i].want != NULL);
		CHECK_STR(got, uuids[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		const char *got = NULL;

		CHECK_INT(inventory_text_pci(&a, addresses[i].in, &got), addresses[i].want != NULL);
		CHECK_STR(got, addresses[i].want);
	}
}

TEST(absent_is_no_error)
{
	const char *path = tap_tmpdir(), *text = "x";
	struct inventory_dir d = { fd_open_dir(path), "proc-root" };
	struct arena a cleanup_arena = ARENA_INIT;
	struct err err = ERR_INIT;
	struct strlist names = { 0 };

	REQUIRE(d.fd >= 0);
	CHECK_INT(inventory_text_read(&d, &a, "none/file", &text, &err), 0);
	CHECK(!text);
	CHECK_INT(inventory_text_list(&d, &a, "none", &names, &err), 0);
	CHECK_INT(names.n, 0);
	tap_write(path, "dir/.hidden", "");
	tap_write(path, "dir/seen", "text\n");
	CHECK_INT(inventory_text_list(&d, &a, "dir", &names, &err), 0);
	CHECK_INT(names.n, 1);
	CHECK_INT(inventory_text_read(&d, &a, "dir/seen", &text, &err), 0);
	CHECK_STR(text, "text\n");
	CHECK_INT(inventory_text_list(&d, &a, "dir/seen", &names, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_HOST);
	CHECK_STR(err.what, "proc-root/dir/seen");
	CHECK_INT(inventory_text_read(&d, &a, "dir", &text, &err), -EISDIR);
	fd_close(d.fd);
}
