/* SPDX-License-Identifier: Apache-2.0 */
/* The small texts of proc that stand in no inventory, and the helpers that read them. */
#include <errno.h>

#include "apply/load.h"
#include "fuzz.h"
#include "host/inventory_text.h"
#include "store/loaded.h"

FUZZ(text)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct fuzz_input in = { data, size };
	cleanup_free char *status = fuzz_part(&in), *map = fuzz_part(&in);
	char version[LOADED_MAX], value[16];
	const char *out = NULL, *again = NULL;
	struct err err = ERR_INIT;
	uint32_t number = 0;
	int r = load_may(*status ? status : NULL, *map ? map : NULL, &err);

	MUST(r == 0 || r == -EPERM);
	if (r < 0)
		fuzz_refused(&err, ERR_PRIVILEGE, ERR_NONE);
	MUST(!loaded_parse(status, version) || fuzz_matches(version, "^[0-9]+(\\.[0-9]+){1,3}$"));
	if (inventory_text_key(status, "Model", value, sizeof(value)))
		MUST(!strchr(value, '\n') && strlen(value) < sizeof(value) && strstr(status, value));
	r = inventory_text_number(status, "DeviceFileMinor", 255, &number);
	MUST((r == 0 || r == -ENOENT || r == -EINVAL) && number <= 255);
	/* Both come out canonical: once more changes nothing. */
	if (inventory_text_uuid(&a, map, "GPU-", &out))
		MUST(inventory_text_uuid(&a, out, "GPU-", &again) && str_eq(out, again));
	if (inventory_text_pci(&a, map, &out))
		MUST(inventory_text_pci(&a, out, &again) && str_eq(out, again));
}
