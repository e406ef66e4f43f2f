/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/request_devices.h"

#include <stdint.h>
#include <string.h>

#define UUID_LEN 36
/* Far over any index there is, far from where adding to one would wrap. */
#define INDEX_MAX INT32_MAX
#define SHOWN 128

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *lower(struct arena *a, const char *s)
{
	char *copy = arena_strdup(a, s);

	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'F')
			*p += 'a' - 'A';
	return copy;
}

/* Bytes at the start of s that can be those of a UUID, dashes in their places. */
static size_t uuid_len(const char *s)
{
	size_t n = 0;

	for (; n < UUID_LEN && s[n]; n++) {
		bool dash = n == 8 || n == 13 || n == 18 || n == 23;

		if (dash ? s[n] != '-' : !is_hex(s[n]))
			break;
	}
	return n;
}

static bool parse_gpu_uuid(struct request *r, const char *uuid, struct request_device *d)
{
	size_t n = uuid_len(uuid);

	if (uuid[n] || n < 8)
		return false;
	d->kind = REQUEST_UUID;
	d->text = arena_printf(&r->arena, "GPU-%s", lower(&r->arena, uuid));
	return true;
}

/* "/3/0": GPU instance and compute instance of the older form of MIG names. */
static bool is_instance_pair(struct request *r, const char *s)
{
	struct strlist parts = { 0 };
	uint64_t v;

	strlist_split(&r->arena, &parts, s, "/", true);
	return parts.n == 3 && !*parts.v[0] && str_to_u64(parts.v[1], 127, &v) == 0 &&
	       str_to_u64(parts.v[2], 127, &v) == 0;
}

static bool parse_mig_uuid(struct request *r, const char *rest, struct request_device *d)
{
	const char *gpu = str_after(rest, "GPU-"), *uuid = gpu ? gpu : rest;

	if (uuid_len(uuid) != UUID_LEN)
		return false;
	if (gpu ? !is_instance_pair(r, gpu + UUID_LEN) : uuid[UUID_LEN] != '\0')
		return false;
	d->kind = REQUEST_MIG_UUID;
	d->text = arena_printf(&r->arena, "MIG-%s%s", gpu ? "GPU-" : "", lower(&r->arena, uuid));
	return true;
}

/* [domain:]bus:device.function, as /sys and nvidia-smi write it. */
static bool parse_pci(struct request *r, const char *word, struct request_device *d)
{
	struct strlist parts = { 0 };
	uint64_t v[4] = { 0 };
	size_t at;

	strlist_split(&r->arena, &parts, word, ":.", true);
	if (parts.n != 3 && parts.n != 4)
		return false;
	at = parts.n - 3;
	if (strlen(parts.v[at]) != 2 || strlen(parts.v[at + 1]) != 2 || strlen(parts.v[at + 2]) != 1)
		return false;
	if (at == 1 &&
	    (strlen(parts.v[0]) < 4 || strlen(parts.v[0]) > 8 || str_to_hex(parts.v[0], UINT32_MAX, &v[0]) < 0))
		return false;
	/* The separators: the last one is the dot, all others are colons. */
	if (strcspn(word, ".") != strlen(word) - 2)
		return false;
	if (str_to_hex(parts.v[at], 0xff, &v[1]) < 0 || str_to_hex(parts.v[at + 1], 0x1f, &v[2]) < 0 ||
	    str_to_hex(parts.v[at + 2], 7, &v[3]) < 0)
		return false;
	d->kind = REQUEST_PCI;
	d->text = arena_printf(&r->arena, "%04x:%02x:%02x.%x", (unsigned)v[0], (unsigned)v[1], (unsigned)v[2],
			       (unsigned)v[3]);
	return true;
}

static bool parse_index(struct request *r, const char *word, struct request_device *d)
{
	struct strlist parts = { 0 };
	uint64_t index, mig = 0;

	strlist_split(&r->arena, &parts, word, ":", true);
	if (parts.n > 2 || str_to_u64(parts.v[0], INDEX_MAX, &index) < 0 ||
	    (parts.n == 2 && str_to_u64(parts.v[1], INDEX_MAX, &mig) < 0))
		return false;
	d->kind = parts.n == 2 ? REQUEST_MIG_INDEX : REQUEST_INDEX;
	d->index = (uint32_t)index;
	d->mig = (uint32_t)mig;
	d->text = arena_strdup(&r->arena, word);
	return true;
}

static bool parse_device(struct request *r, const char *word, struct request_device *d)
{
	const char *rest = str_after(word, "GPU-");

	if (rest)
		return parse_gpu_uuid(r, rest, d);
	rest = str_after(word, "MIG-");
	if (rest)
		return parse_mig_uuid(r, rest, d);
	return strchr(word, '.') ? parse_pci(r, word, d) : parse_index(r, word, d);
}

static int refuse(struct request *r, struct err *err, const char *word, const char *why)
{
	r->devices = NULL;
	r->n_devices = 0;
	err_set(err, ERR_VALUE, 0, "%.*s%s: %s", SHOWN, word, strlen(word) > SHOWN ? "..." : "", why);
	return err_hint(err, "give all, none, or indices, UUIDs and PCI addresses separated by commas, each once");
}

static int add_word(struct request *r, const char *written, size_t n_words, struct err *err)
{
	struct request_device d = { .kind = REQUEST_ALL, .text = "all" };
	const char *word = request_devices_cdi(written);

	if (!word)
		word = written;
	if (!*word)
		return refuse(r, err, *written ? written : "''", "an entry is empty");
	if (str_eq(word, "all") || str_eq(word, "none") || str_eq(word, "void")) {
		if (n_words > 1)
			return refuse(r, err, written, "must stand alone");
		if (str_eq(word, "none"))
			return 0;
	}
	if (!str_eq(word, "all") && !parse_device(r, word, &d))
		return refuse(r, err, written, "not a device");
	for (size_t i = 0; i < r->n_devices; i++)
		if (r->devices[i].kind == d.kind && str_eq(r->devices[i].text, d.text))
			return refuse(r, err, written, "named twice");
	r->devices = arena_grow(&r->arena, r->devices, r->n_devices, sizeof(*r->devices));
	r->devices[r->n_devices++] = d;
	return 0;
}

int request_devices_parse(struct request *r, const struct strlist *words, struct err *err)
{
	r->devices = NULL;
	r->n_devices = 0;
	if (words->n > REQUEST_DEVICES_MAX) {
		err_set(err, ERR_VALUE, 0, "%zu devices", words->n);
		return err_hint(err, "name %d devices at most, or all", REQUEST_DEVICES_MAX);
	}
	for (size_t i = 0; i < words->n; i++) {
		int e = add_word(r, words->v[i], words->n, err);

		if (e < 0)
			return e;
	}
	return 0;
}

const char *request_devices_cdi(const char *name)
{
	const char *rest = str_after(name, "runtime.");

	return str_after(rest ? rest : name, "nvidia.com/gpu=");
}

/* A run of letters, digits and `more` that begins and ends with a letter or digit, and is followed by `end`. */
static const char *skip_part(const char *s, const char *more, char end)
{
	const char *p = s;

	while (is_alnum(*p) || (*p && strchr(more, *p)))
		p++;
	if (p == s || *p != end || !is_alnum(s[0]) || !is_alnum(p[-1]))
		return NULL;
	return p + (end != '\0');
}

bool request_devices_is_cdi_name(const char *name)
{
	const char *s = skip_part(name, "_-.", '/');

	s = s ? skip_part(s, "_-", '=') : NULL;
	return s && skip_part(s, "_-.:", '\0');
}
