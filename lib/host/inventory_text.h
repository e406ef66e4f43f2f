/* SPDX-License-Identifier: Apache-2.0 */
/* How the files of inventory*.c read the host: small texts and listings below one of its roots. */
#ifndef NVCOREOS_HOST_INVENTORY_TEXT_H
#define NVCOREOS_HOST_INVENTORY_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define INVENTORY_TEXT_MAX (256u << 10)
/* The greatest numbers that a device can have. */
#define INVENTORY_TEXT_MAJOR_MAX ((1u << 12) - 1)
#define INVENTORY_TEXT_MINOR_MAX ((1u << 20) - 1)

struct inventory_dir {
	int fd;
	const char *label; /* what errors call it: "proc-root" */
};

/*
 * The whole file in the arena; *ret NULL where it is absent. -errno with ERR_HOST (too large, NUL bytes, not
 * readable).
 */
int inventory_text_read(const struct inventory_dir *d, struct arena *a, const char *path, const char **ret,
			struct err *err) must_check;
/* The names in a directory, without those that begin with a dot; none where it is absent. -errno with ERR_HOST. */
int inventory_text_list(const struct inventory_dir *d, struct arena *a, const char *path, struct strlist *ret,
			struct err *err) must_check;
/*
 * Copies the value of the line "key: value" without the blanks around it; false where no line has the key or it
 * does not fit.
 */
bool inventory_text_key(const char *text, const char *key, char *buf, size_t size);
/* The same for a number. 0, -ENOENT where there is no such line, -EINVAL. */
int inventory_text_number(const char *text, const char *key, uint32_t max, uint32_t *ret) must_check;
/* "226:128\n", a device's number as sysfs writes it. 0 or -EINVAL. */
int inventory_text_device(const char *text, uint32_t *major, uint32_t *minor) must_check;
/*
 * "GPU-" or "MIG-" and 36 characters of UUID; false for anything else, question marks too. Copied in lower case
 * into the arena.
 */
bool inventory_text_uuid(struct arena *a, const char *s, const char *prefix, const char **ret);
/*
 * "0000:01:00.0" (domain of 4 to 8 digits) as the kernel writes it: lower case, no leading zeros over four;
 * false for anything else.
 */
bool inventory_text_pci(struct arena *a, const char *s, const char **ret);

#endif
