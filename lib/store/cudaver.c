/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cudaver.h"

#include <stddef.h>
#include <string.h>

#include "base/attr.h"

/*
 * As cuDriverGetVersion answers and the toolkits' release notes say. Reading it out of libcuda without loading it
 * would mean to disassemble: the number is an immediate operand there.
 */
static const struct {
	const char *branch, *cuda;
} table[] = {
	{ "367", "8.0" },  { "375", "8.0" },  { "384", "9.0" },	 { "387", "9.1" },  { "390", "9.1" },
	{ "396", "9.2" },  { "410", "10.0" }, { "418", "10.1" }, { "440", "10.2" }, { "450", "11.0" },
	{ "455", "11.1" }, { "460", "11.2" }, { "465", "11.3" }, { "470", "11.4" }, { "495", "11.5" },
	{ "510", "11.6" }, { "515", "11.7" }, { "520", "11.8" }, { "525", "12.0" }, { "530", "12.1" },
	{ "535", "12.2" }, { "545", "12.3" }, { "550", "12.4" }, { "555", "12.5" }, { "560", "12.6" },
	{ "565", "12.7" }, { "570", "12.8" }, { "575", "12.9" }, { "580", "13.0" },
};

const char *cudaver_of_driver(const char *driver)
{
	size_t n = strcspn(driver, ".");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strlen(table[i].branch) == n && memcmp(table[i].branch, driver, n) == 0)
			return table[i].cuda;
	return NULL;
}
