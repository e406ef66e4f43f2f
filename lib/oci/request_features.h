/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA_GDS, NVIDIA_MOFED, NVIDIA_GDRCOPY, NVIDIA_NVSWITCH: devices of other drivers that go with GPUs. */
#ifndef NVCOREOS_OCI_REQUEST_FEATURES_H
#define NVCOREOS_OCI_REQUEST_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "oci/request.h"
#include "oci/spec.h"

/*
 * Fills r->features with what is "enabled", or r->features_denied where variables do not count. -EINVAL with
 * ERR_VALUE for a value that is neither "enabled", "disabled" nor empty.
 */
int request_features_read(struct request *r, const struct spec *spec, bool environment_ok, struct err *err) must_check;

struct request_features_entry {
	enum request_feature bit;
	const char *variable; /* "NVIDIA_GDS" */
	const char *devices;  /* "/dev/nvidia-fs*", for messages */
};
/* The i-th of them; NULL at the end. */
const struct request_features_entry *request_features_entry(size_t i);

#endif
