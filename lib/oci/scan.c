/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/scan.h"

#include <string.h>

#include "base/attr.h"
#include "oci/spec.h"

static const char *const names[] = {
	"NVIDIA_VISIBLE_DEVICES",   "CUDA_VERSION=", "DOCKER_RESOURCE_",
	"nvidia-container-devices", "nvidia.com/",   "cdi.k8s.io/",
	SPEC_EDITS_ANNOTATION,
};

bool scan_has_request(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (memmem(text, len, names[i], strlen(names[i])))
			return true;
	return false;
}
