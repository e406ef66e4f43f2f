/* SPDX-License-Identifier: Apache-2.0 */
/* The words by which a container names GPUs. */
#ifndef NVCOREOS_OCI_REQUEST_DEVICES_H
#define NVCOREOS_OCI_REQUEST_DEVICES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/request.h"

#define REQUEST_DEVICES_MAX 64

/* The word without "nvidia.com/gpu=" or "runtime.nvidia.com/gpu=" before it; NULL where it is no such CDI name. */
const char *request_devices_cdi(const char *name);
/* Whether `name` is a CDI name of any vendor: vendor/class=device. */
bool request_devices_is_cdi_name(const char *name);

/*
 * Parses all words of one list into r->devices, in the request's arena; "all" and "none" must stand alone. -EINVAL
 * with ERR_VALUE naming the word that is not understood, empty, or there twice; r then has no device.
 */
int request_devices_parse(struct request *r, const struct strlist *words, struct err *err) must_check;

#endif
