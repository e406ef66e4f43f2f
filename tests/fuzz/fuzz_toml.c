/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's config.toml: our runtime in it and out of it again, whatever it says. */
#include "../../cli/engine_containerd.h"
#include "../../cli/tomledit.h"
#include "fuzz.h"

#define OURS "/opt/nvcoreos/bin/nvcoreos-runtime"

static void set(struct strbuf *b, const void *data, size_t size)
{
	strbuf_free(b);
	strbuf_add(b, data, size);
}

static bool same(const struct strbuf *a, const void *data, size_t size)
{
	return a->len == size && (size == 0 || memcmp(a->buf, data, size) == 0);
}

static void refused(const struct strbuf *b, const struct fuzz_input *in, const struct err *err)
{
	fuzz_refused(err, ERR_ENGINE, ERR_NONE);
	MUST(same(b, in->data, in->size));
}

static bool has_runtime(const struct strbuf *b, const char *name)
{
	cleanup_json struct json *facts = tomledit_facts(b, "f", NULL);
	struct json *plugin, *value;
	const char *key;
	void *iter = NULL;
	bool found = false;

	MUST(facts);
	plugin = json_get(facts, "plugins");
	while (json_next(plugin, &iter, &key, &value)) {
		struct json *entry = json_get(json_get(json_get(value, "containerd"), "runtimes"), name);

		found |= str_eq(json_get_str(json_get(entry, "options"), "BinaryName", ""), OURS);
	}
	return found;
}

FUZZ(toml)
{
	static const char *const names[] = { "nvcoreos", "a.b", "nvidia" };
	struct fuzz_input in = { data, size };
	unsigned flags = fuzz_byte(&in);
	struct engine_containerd e = {
		.file = "f",
		.name = names[(flags >> 3) % ARRAY_SIZE(names)],
		.path = OURS,
		.set_default = flags & 1,
		.cdi = flags & 2,
		.is_new = flags & 4,
	};
	cleanup_strbuf struct strbuf b = STRBUF_INIT, once = STRBUF_INIT;
	struct err err = ERR_INIT;
	bool was_new, marked, by_hand;

	set(&b, in.data, in.size);
	marked = in.size && memmem(in.data, in.size, "# nvcoreos: ", 12);
	/* A runtime of ours that somebody else has put there: it stays, and so does the error. */
	by_hand = engine_containerd_remove(&b, &e, &was_new, &err) < 0;
	if (by_hand)
		refused(&b, &in, &err);
	else
		MUST(marked || same(&b, in.data, in.size));
	set(&b, in.data, in.size);
	err = (struct err)ERR_INIT;
	if (engine_containerd_add(&b, &e, &err) < 0) {
		refused(&b, &in, &err);
		return;
	}
	MUST(has_runtime(&b, e.name) || memmem(in.data, in.size, "nvcoreos-runtime", 16));
	/* Once more changes nothing, and all of it can be taken back. */
	set(&once, b.buf, b.len);
	MUST(engine_containerd_add(&b, &e, &err) == 0);
	MUST(same(&b, once.buf, once.len));
	if (marked)
		return;
	err = (struct err)ERR_INIT;
	MUST((engine_containerd_remove(&b, &e, &was_new, &err) < 0) == by_hand);
	MUST(by_hand ? same(&b, once.buf, once.len) : same(&b, in.data, in.size));
}
