/* SPDX-License-Identifier: Apache-2.0 */
#include "load_flavour.h"

#include "base/str.h"

/* NVIDIA gives out device ids in ascending order of generations. */
#define TURING 0x1e00
#define BLACKWELL 0x2900
#define OPEN_BY_DEFAULT_SINCE "560"

static bool is_grace_hopper(uint32_t id)
{
	return id == 0x2342 || id == 0x2345 || id == 0x2348;
}

bool load_flavour_open_first(const char *driver, const uint32_t *ids, size_t n)
{
	bool open_only = false;

	for (size_t i = 0; i < n; i++) {
		if (ids[i] < TURING)
			return false;
		open_only = open_only || ids[i] >= BLACKWELL || is_grace_hopper(ids[i]);
	}
	return open_only || (n && str_version_cmp(driver, OPEN_BY_DEFAULT_SINCE) >= 0);
}
