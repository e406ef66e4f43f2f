/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_json.h"

#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "host/inventory_mig.h"
#include "host/inventory_text.h"
#include "oci/json.h"

#define GPUS_MAX 64
#define BRAND_MAX 64

static bool absent(const struct json *j)
{
	return !j || json_is_null(j);
}

/* MIG-<uuid>, or the older MIG-GPU-<uuid>/<gi>/<ci>. */
static bool take_mig_uuid(struct arena *a, const char *s, const char **ret)
{
	const char *slash = strchr(s, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	const char *head;
	char gi[8];
	uint64_t v;

	if (inventory_text_uuid(a, s, "MIG-", ret))
		return true;
	if (!second || second - slash > 4 || str_to_u64(second + 1, 255, &v) < 0)
		return false;
	snprintf(gi, sizeof(gi), "%.*s", (int)(second - slash - 1), slash + 1);
	if (str_to_u64(gi, 255, &v) < 0)
		return false;
	head = arena_strndup(a, s, (size_t)(slash - s));
	if (!inventory_text_uuid(a, head, "MIG-GPU-", &head))
		return false;
	*ret = arena_printf(a, "%s%s", head, slash);
	return true;
}

static bool is_brand(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return n > 0 && n <= BRAND_MAX;
}

static bool mig_is_valid(struct arena *a, const struct json *j)
{
	const struct json *uuid = json_get(j, "uuid");
	const char *canonical;
	int64_t v;

	return json_is_object(j) && json_int(json_get(j, "gi"), 0, 255, &v) &&
	       json_int(json_get(j, "ci"), 0, 255, &v) && json_int(json_get(j, "index"), 0, 255, &v) &&
	       (absent(uuid) || (json_is_string(uuid) && take_mig_uuid(a, json_str(uuid), &canonical)));
}

/* NULL, or the member that is wrong. */
static const char *check_gpu(struct arena *a, const struct json *j)
{
	const struct json *uuid = json_get(j, "uuid"), *brand = json_get(j, "brand"), *arch = json_get(j, "arch");
	const struct json *mig = json_get(j, "mig");
	const char *s;

	if (!json_is_object(j) || !inventory_text_pci(a, json_get_str(j, "pci", ""), &s))
		return "pci";
	if (!absent(uuid) && !(json_is_string(uuid) && inventory_text_uuid(a, json_str(uuid), "GPU-", &s)))
		return "uuid";
	if (!absent(brand) && !(json_is_string(brand) && is_brand(json_str(brand))))
		return "brand";
	if (!absent(arch) && !(json_is_string(arch) && str_is_version(json_str(arch))))
		return "arch";
	if (!absent(mig) && (!json_is_array(mig) || json_len(mig) > INVENTORY_MIG_MAX))
		return "mig";
	for (size_t i = 0; i < json_len(mig); i++)
		if (!mig_is_valid(a, json_at(mig, i)))
			return "mig";
	return NULL;
}

static int check_document(struct arena *a, const struct json *doc, const char *driver, char *why, size_t size)
{
	const struct json *gpus = json_get(doc, "gpus");
	struct strlist seen = { 0 };
	int64_t format;

	if (!json_int(json_get(doc, "format"), INVENTORY_JSON_FORMAT, INVENTORY_JSON_FORMAT, &format))
		return snprintf(why, size, "format is not %d", INVENTORY_JSON_FORMAT), -EINVAL;
	if (!driver || !str_eq(json_get_str(doc, "driver", ""), driver))
		return snprintf(why, size, "driver is not the loaded one"), -EINVAL;
	if (!json_is_array(gpus) || json_len(gpus) > GPUS_MAX)
		return snprintf(why, size, "gpus is no list of %d at most", GPUS_MAX), -EINVAL;
	for (size_t i = 0; i < json_len(gpus); i++) {
		const char *wrong = check_gpu(a, json_at(gpus, i)), *pci;

		if (!wrong && inventory_text_pci(a, json_get_str(json_at(gpus, i), "pci", ""), &pci)) {
			if (strlist_has(&seen, pci))
				wrong = "pci, given twice";
			strlist_add(a, &seen, pci);
		}
		if (wrong)
			return snprintf(why, size, "gpus[%zu]: %s", i, wrong), -EINVAL;
	}
	return 0;
}

static const struct json *find_mig(const struct json *list, const struct inventory_mig *mig)
{
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *j = json_at(list, i);
		int64_t gi = -1, ci = -1;

		if (json_int(json_get(j, "gi"), 0, 255, &gi) && json_int(json_get(j, "ci"), 0, 255, &ci) &&
		    gi == (int64_t)mig->gi && ci == (int64_t)mig->ci)
			return j;
	}
	return NULL;
}

static bool has_index(const struct inventory_mig *mig, size_t n, int64_t index)
{
	for (size_t i = 0; i < n; i++)
		if ((int64_t)mig[i].index == index)
			return true;
	return false;
}

static void apply_mig(struct arena *a, struct inventory_gpu *gpu, const struct json *list)
{
	struct inventory_mig *taken;
	bool all = true;

	if (!gpu->n_mig)
		return;
	taken = arena_alloc(a, gpu->n_mig * sizeof(*taken));
	for (size_t i = 0; i < gpu->n_mig; i++) {
		const struct json *j = find_mig(list, &gpu->mig[i]);
		const char *uuid = json_str(json_get(j, "uuid"));
		int64_t index = 0;

		taken[i] = gpu->mig[i];
		if (uuid && !take_mig_uuid(a, uuid, &taken[i].uuid))
			taken[i].uuid = NULL;
		if (!json_int(json_get(j, "index"), 0, 255, &index) || has_index(taken, i, index))
			all = false;
		taken[i].index = (uint32_t)index;
	}
	/* Indices of two sources could name one instance twice, so they come from the file for all or for none. */
	for (size_t i = 0; i < gpu->n_mig && !all; i++)
		taken[i].index = gpu->mig[i].index;
	gpu->mig = taken;
}

static void apply_gpu(struct arena *a, struct inventory_gpu *gpu, const struct json *j)
{
	const char *uuid = NULL, *text = json_str(json_get(j, "uuid"));

	if (text && !inventory_text_uuid(a, text, "GPU-", &uuid))
		uuid = NULL;
	/* Another card sits in this slot now: nothing of the entry is true of it. */
	if (gpu->uuid && uuid && !str_eq(gpu->uuid, uuid))
		return;
	if (!gpu->uuid)
		gpu->uuid = uuid;
	text = json_str(json_get(j, "brand"));
	gpu->brand = text ? arena_strdup(a, text) : NULL;
	text = json_str(json_get(j, "arch"));
	gpu->arch = text ? arena_strdup(a, text) : NULL;
	apply_mig(a, gpu, json_get(j, "mig"));
}

int inventory_json_apply(struct inventory *inv, const char *text, size_t len, char *why, size_t size)
{
	struct json *doc cleanup_json = json_parse(text, len, why, size);
	struct json *gpus = json_get(doc, "gpus");
	int r;

	if (!doc)
		return -EINVAL;
	r = check_document(&inv->arena, doc, inv->driver, why, size);
	for (size_t i = 0; i < json_len(gpus) && r == 0; i++) {
		const char *pci;

		if (!inventory_text_pci(&inv->arena, json_get_str(json_at(gpus, i), "pci", ""), &pci))
			continue;
		for (size_t k = 0; k < inv->n_gpus; k++)
			if (str_eq(inv->gpus[k].pci, pci))
				apply_gpu(&inv->arena, &inv->gpus[k], json_at(gpus, i));
	}
	return r;
}
