/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the look at its raw bytes, the parser, and the request in it. */
#include <limits.h>

#include "fuzz.h"
#include "oci/scan.h"
#include "oci/spec.h"
#include "oracle.h"

static void check_spec(const struct spec *s, const char *text, size_t size, bool escapes)
{
	static const char admin[] = "CAP_SYS_ADMIN";

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];

		MUST(fuzz_is_normal(m->destination) && strlen(m->destination) < PATH_MAX);
		MUST(m->source);
		MUST(str_eq(m->destination, "/") || spec_mount_over(s, m->destination));
	}
	for (size_t i = 0; i < s->env.n; i++)
		MUST(strchr(s->env.v[i], '='));
	MUST(!s->root_path || (s->root_path[0] && !str_eq(s->root_path, "/") && strlen(s->root_path) < PATH_MAX));
	MUST(!s->privileged || escapes || memmem(text, size, admin, strlen(admin)));
}

/* The same document with each character of a string as an escape: of such nothing is left out before it is parsed. */
static void escape_all(const char *text, size_t size, struct strbuf *ret)
{
	bool inside = false;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		/* An escape stays as it is, with its digits. */
		size_t kept = inside && c == '\\' ? (i + 1 < size && text[i + 1] == 'u' ? 6 : 2) : 0;

		if (c == '"')
			inside = !inside;
		if (kept > size - i)
			kept = size - i;
		if (kept) {
			strbuf_add(ret, text + i, kept);
			i += kept - 1;
		} else if (inside && c >= ' ' && c < 0x7f && c != '"') {
			strbuf_printf(ret, "\\u%04x", c);
		} else {
			strbuf_putc(ret, text[i]);
		}
	}
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? str_eq(a, b) : a == b;
}

/* What is found with the rest left out is what a parse of all of it finds. */
static void check_whole(const struct spec *s, const struct spec *whole)
{
	MUST(s->env.n == whole->env.n && s->n_mounts == whole->n_mounts && s->n_nodes == whole->n_nodes);
	MUST(s->n_annotations == whole->n_annotations && s->privileged == whole->privileged);
	MUST(s->own_mount_ns == whole->own_mount_ns && s->sandbox == whole->sandbox);
	MUST(s->cgroup_by_shim == whole->cgroup_by_shim && s->by_cdi == whole->by_cdi);
	MUST(same_text(s->cgroups_path, whole->cgroups_path) && same_text(s->root_path, whole->root_path));
	for (size_t i = 0; i < s->env.n; i++)
		MUST(str_eq(s->env.v[i], whole->env.v[i]));
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *a = &s->mounts[i], *b = &whole->mounts[i];

		MUST(str_eq(a->destination, b->destination) && a->bind == b->bind && a->tmpfs == b->tmpfs);
		MUST(str_eq(a->source, SPEC_NULL_SOURCE) == str_eq(b->source, SPEC_NULL_SOURCE));
	}
}

static void compare_with_whole(const struct spec *s, int r, const char *text, size_t size)
{
	cleanup_strbuf struct strbuf escaped = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct spec whole;

	escape_all(text, size, &escaped);
	if (spec_parse(&whole, escaped.buf ? escaped.buf : "", escaped.len, &err) < 0)
		return;
	/* Whoever takes all of it takes a part of it. */
	MUST(r == 0);
	check_whole(s, &whole);
	spec_free(&whole);
}

FUZZ(spec)
{
	const char *text = (const char *)data;
	/* A name that is written with escapes is not found in the raw bytes, which grants nothing. */
	bool escapes = size && memchr(text, '\\', size), asked = scan_has_request(text, size);
	struct err err = ERR_INIT;
	struct config conf;
	struct spec s;
	int parsed = spec_parse(&s, text, size, &err);

	compare_with_whole(&s, parsed, text, size);
	if (parsed < 0) {
		fuzz_refused(&err, ERR_SPEC, ERR_NONE);
		return;
	}
	check_spec(&s, text, size, escapes);
	config_init(&conf);
	for (unsigned i = 0; i < 4; i++) {
		struct request r;

		conf.accept_environment = i & 1 ? CONFIG_ACCEPT_PRIVILEGED : CONFIG_ACCEPT_ALL;
		conf.accept_mounts = !(i & 2);
		if (!oracle_request(&r, &s, &conf))
			continue;
		MUST(!r.wanted || asked || escapes);
		request_free(&r);
	}
	config_free(&conf);
	spec_free(&s);
}
