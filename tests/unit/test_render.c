/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/render.h"
#include "scene.h"

static const char request[] = "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=1\"],\"host\":\"three\",\"toolkits\":[\"12.2.2\"]}";

TEST(json_is_json_with_everything)
{
	static const char *const keys[] = { "driver", "cuda", "view",  "capabilities", "gpus",	"mounts", "nodes",
					    "ipc",    "proc", "links", "files",	       "cache", "notes" };
	struct strbuf out = STRBUF_INIT;
	char why[160] = "";
	struct json *j, *value;
	const char *key;
	void *iter = NULL;
	struct scene s;
	size_t n = 0;

	REQUIRE(scene_plan(&s, request) == 0);
	render_json(&s.plan, &out);
	CHECK(str_ends(out.buf, "}\n"));
	j = json_parse(out.buf, out.len, why, sizeof(why));
	CHECK_STR(why, "");
	for (; json_next(j, &iter, &key, &value); n++)
		CHECK_STR(key, n < ARRAY_SIZE(keys) ? keys[n] : "(nothing more)");
	CHECK_INT(n, ARRAY_SIZE(keys));
	CHECK_INT(json_len(json_get(j, "nodes")), s.plan.n_nodes);
	CHECK_INT(json_len(json_get(json_get(j, "cache"), "first")), s.plan.cache.n_first);
	json_free(j);
	strbuf_free(&out);
	scene_close(&s);
}

TEST(json_is_the_same_each_time)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	struct scene s, t;

	REQUIRE(scene_plan(&s, request) == 0);
	REQUIRE(scene_plan(&t, request) == 0);
	render_json(&s.plan, &a);
	render_json(&t.plan, &b);
	CHECK_STR(a.buf, b.buf);
	strbuf_free(&a);
	strbuf_free(&b);
	scene_close(&s);
	scene_close(&t);
}

TEST(text_says_what_and_why)
{
	static const char *const parts[] = {
		"driver 535.261.03, capabilities compute+utility\n",
		"CUDA toolkit 12.2.2\n",
		"  1 GPU-11111111-bbbb-4444-8888-000000000002 0000:41:00.0 NVIDIA A100-PCIE-40GB\n",
		"  /dev/nvidia0  195:0\n",
		"  /usr/local/nvidia  from /opt/nvidia/535.261.03/3975.2.0/views/compute+utility, read-only\n",
		"  /usr/bin/nvidia-smi -> /usr/local/nvidia/bin/nvidia-smi\n",
		"  /etc/ld.so.conf.d/00-nvcoreos.conf\n",
		"  /proc/driver/nvidia  with 1 GPU\n",
		"why\n",
	};
	struct strbuf out = STRBUF_INIT;
	struct scene s;

	REQUIRE(scene_plan(&s, request) == 0);
	render_text(&s.plan, &out);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!CHECK(strstr(out.buf, parts[i])))
			tap_check_str(out.buf, parts[i], __FILE__, __LINE__, "text");
	strbuf_free(&out);
	scene_close(&s);
}

TEST(text_keeps_a_terminal_safe)
{
	struct strbuf out = STRBUF_INIT;
	struct plan_gpu gpu = { .index = "0", .pci = "0000:01:00.0", .model = "GPU \x1b]0;x\x07" };
	struct plan p = { .driver = "535\x1b[2J", .gpus = &gpu, .n_gpus = 1 };

	render_text(&p, &out);
	CHECK(!strpbrk(out.buf, "\x1b\x07"));
	strbuf_free(&out);
}

TEST(an_empty_plan_renders)
{
	struct strbuf out = STRBUF_INIT;
	struct plan p = { .driver = NULL };

	render_json(&p, &out);
	CHECK(strstr(out.buf, "\"nodes\": []"));
	out.len = 0;
	render_text(&p, &out);
	CHECK(strstr(out.buf, "devices, and nothing else: none\n"));
	strbuf_free(&out);
}
