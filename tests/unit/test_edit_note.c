/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/edit_note.h"
#include "tap.h"

TEST(what_is_written_is_read)
{
	struct edit_device devices[] = { { 195, 0 }, { 195, 1 }, { 195, 2 }, { 195, 255 }, { 234, 0 }, { 235, 1 } };
	struct edit_note n = { .devices = devices,
			       .n_devices = 6,
			       .ld = (char *)"/usr/local/nvidia/lib64:/usr/local/cuda/lib64",
			       .ld_new = true };
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	cleanup_edit_note struct edit_note got = { 0 };
	cleanup_free char *value = NULL;

	edit_note_write(&n, "prestart", &b);
	CHECK_STR(b.buf, "\"io.nvcoreos.edits\":\"1 c=195:0-2,195:255,234:0,235:1 stage=prestart "
			 "ld-new=/usr/local/nvidia/lib64:/usr/local/cuda/lib64\"");
	value = mem_strndup(strchr(b.buf, ':') + 2, b.len - strlen("\"io.nvcoreos.edits\":\"\""));
	edit_note_parse(&got, value);
	REQUIRE(got.n_devices == 6);
	CHECK(memcmp(got.devices, devices, sizeof(devices)) == 0);
	CHECK(got.ld_new);
	CHECK_STR(got.ld, n.ld);
}

TEST(little)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct edit_note n = { 0 };

	edit_note_write(&n, NULL, &b);
	CHECK_STR(b.buf, "\"io.nvcoreos.edits\":\"1\"");
	edit_note_parse(&n, "1");
	CHECK(!n.ld && n.n_devices == 0);
	edit_note_parse(&n, "1 ld-first=/usr/local/nvidia/lib64");
	CHECK_STR(n.ld, "/usr/local/nvidia/lib64");
	CHECK(!n.ld_new);
	edit_note_free(&n);
}

TEST(lies_count_as_nothing)
{
	static const char *const bad[] = {
		"",
		"2",
		"1 ",
		" 1",
		"1  c=1:1",
		"1 c=",
		"1 c=,",
		"1 c=1:1,",
		"1 c=1",
		"1 c=1:",
		"1 c=:1",
		"1 c=1:2-",
		"1 c=1:2-1",
		"1 c=-1:0",
		"1 c=1:0x1",
		"1 c=1:00",
		"1 c=99999999999:0",
		"1 c=4294967296:0",
		"1 c=1:0-4294967295",
		"1 c=1:0-65535,1:70000",
		"1 c=1:1 c=2:2",
		"1 c=1:1 x",
		"1 c=1:1 ld-first=",
		"1 c=1:1 ld-first=/lib",
		"1 c=1:1 ld-first=/usr/local/nvidia/../..",
		"1 c=1:1 ld-first=/usr/local/nvidia/lib:",
		"1 c=1:1 ld-new=/usr/local/nvidia/lib:/lib",
		"1 c=1:1 ld-new=/usr/local/nvidia/l\"ib",
		"1 c=1:1 ld-new=/usr/local/nvidia/a ld-first=/usr/local/nvidia/a",
		"1 ld-first=/usr/local/nvidia/a c=1:1;",
		"1 c=1:1\n",
		"1 c=\xd9\xa3:1",
		"{}",
		"null",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct edit_note n = { 0 };

		edit_note_parse(&n, bad[i]);
		if (!CHECK(!n.devices && n.n_devices == 0 && !n.ld))
			CHECK_STR(bad[i], "taken");
		edit_note_free(&n);
	}
}

TEST(sizes)
{
	enum { HUGE = 4 << 20 };
	cleanup_free char *text = mem_alloc(HUGE + 1);
	struct edit_note n = { 0 };

	edit_note_parse(&n, "1 c=1:0-65535");
	CHECK_INT(n.n_devices, EDIT_NOTE_DEVICES_MAX);
	edit_note_free(&n);
	memset(text, ' ', HUGE);
	text[0] = '1';
	text[HUGE] = '\0';
	edit_note_parse(&n, text);
	text[1 << 19] = '\0';
	edit_note_parse(&n, text);
	for (size_t i = 4; i + 4 < 1 << 19; i += 4)
		memcpy(text + i, "1:1,", 4);
	memcpy(text, "1 c=", 4);
	edit_note_parse(&n, text);
	CHECK_INT(n.n_devices, 0);
	edit_note_parse(&n, NULL);
	CHECK(!n.devices);
}
