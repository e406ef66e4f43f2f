/* SPDX-License-Identifier: Apache-2.0 */
#include "store/loaded.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define VERSION_FILE_MAX (16u << 10)

/*
 * "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Sat Jun ..." and
 * "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.261.03  Release Build ...":
 * the first word that is a version.
 */
const char *loaded_parse(const char *text, char *buf)
{
	const char *end = text + strcspn(text, "\n"), *word = strstr(text, "Module");

	while (word && word < end) {
		size_t n = strcspn(word, " \t\n");

		if (n < LOADED_MAX) {
			memcpy(buf, word, n);
			buf[n] = '\0';
			if (strchr(buf, '.') && str_is_version(buf))
				return buf;
		}
		word += n;
		word += strspn(word, " \t");
	}
	return NULL;
}

int loaded_read(const char *proc_root, char *buf)
{
	cleanup_free char *path = mem_printf("%s/driver/nvidia/version", proc_root);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, path, VERSION_FILE_MAX, &text, &len);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return r;
	return loaded_parse(text, buf) ? 1 : -EBADMSG;
}

const char *loaded_driver(const char *proc_root, char *buf)
{
	return loaded_read(proc_root, buf) > 0 ? buf : NULL;
}
