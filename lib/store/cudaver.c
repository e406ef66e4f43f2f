/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cudaver.h"

#include <stddef.h>
#include <string.h>

#include "base/attr.h"

static const struct {
	const char *branch, *cuda;
} table[] = {
#define DRIVER_FILES_CUDA
#include "driver-files.inc"
#undef DRIVER_FILES_CUDA
};

const char *cudaver_of_driver(const char *driver)
{
	size_t n = strcspn(driver, ".");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strlen(table[i].branch) == n && memcmp(table[i].branch, driver, n) == 0)
			return table[i].cuda;
	return NULL;
}
