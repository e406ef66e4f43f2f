/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/request_features.h"

#include <string.h>

#include "base/attr.h"
#include "base/str.h"

static const struct request_features_entry entries[] = {
	{ REQUEST_GDS, "NVIDIA_GDS", "/dev/nvidia-fs*" },
	{ REQUEST_MOFED, "NVIDIA_MOFED", "/dev/infiniband/uverbs* and rdma_cm" },
	{ REQUEST_GDRCOPY, "NVIDIA_GDRCOPY", "/dev/gdrdrv" },
	{ REQUEST_NVSWITCH, "NVIDIA_NVSWITCH", "/dev/nvidia-nvswitch*" },
};

const struct request_features_entry *request_features_entry(size_t i)
{
	return i < ARRAY_SIZE(entries) ? &entries[i] : NULL;
}

int request_features_read(struct request *r, const struct spec *spec, bool environment_ok, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const char *value = spec_env(spec, entries[i].variable);

		if (!value || !*value || str_eq(value, "disabled"))
			continue;
		if (!str_eq(value, "enabled")) {
			err_set(err, ERR_VALUE, 0, "%s: %.128s%s", entries[i].variable, value,
				strlen(value) > 128 ? "..." : "");
			return err_hint(err, "give enabled, or leave it unset");
		}
		/* An image can say it as well as its user. */
		*(environment_ok ? &r->features : &r->features_denied) |= entries[i].bit;
	}
	return 0;
}
