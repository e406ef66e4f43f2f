/* SPDX-License-Identifier: Apache-2.0 */
/* The GNU build id of the running kernel: on some systems one release string names several kernels. */
#ifndef NVCOREOS_HOST_BUILDID_H
#define NVCOREOS_HOST_BUILDID_H

#include <stdbool.h>
#include <stddef.h>

#define BUILDID_HEX 129 /* of at most 64 bytes, and a NUL; the usual ones have 20 */

/* Reads <sys_root>/kernel/notes. False where it is not there, or holds none. */
bool buildid_read(const char *sys_root, char hex[BUILDID_HEX]);
/* The same from the notes themselves (ELF, of this machine's byte order). */
bool buildid_parse(const void *notes, size_t len, char hex[BUILDID_HEX]);
/* Whether a text is one: lower-case hexadecimal digits of whole bytes. */
bool buildid_is(const char *text);

#endif
