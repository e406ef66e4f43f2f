/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/scan.h"

#include <string.h>

#include "base/attr.h"
#include "oci/spec.h"

/* Variables as they stand in process.env: the quote before keeps names that only end alike out. */
static const char *const variables[] = {
	"\"NVIDIA_VISIBLE_DEVICES=",	 "\"CUDA_VERSION=", "\"DOCKER_RESOURCE_GPU=", "\"DOCKER_RESOURCE_NVIDIA_GPU=",
	"\"DOCKER_RESOURCE_NVIDIA-GPU=",
};

/* Device lists by mounts, CDI names in annotations and mounts, and what an earlier run of ours left. */
static const char *const words[] = { "nvidia-container-devices", "nvidia.com/", SPEC_EDITS_ANNOTATION };

static bool starts(const char *text, const char *end, const char *word)
{
	return (size_t)(end - text) >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

/* Whether the variable stands anywhere with a value that asks for something: not empty, not "void". */
static bool asks(const char *text, size_t len, const char *variable)
{
	const char *end = text + len, *p = text;

	while ((p = memmem(p, (size_t)(end - p), variable, strlen(variable)))) {
		p += strlen(variable);
		if (!starts(p, end, "\"") && !starts(p, end, "void\""))
			return true;
	}
	return false;
}

bool scan_has_request(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (asks(text, len, variables[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (memmem(text, len, words[i], strlen(words[i])))
			return true;
	return false;
}
