/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of this host's specifications: a host made of files with one GPU and its driver, and what stands on it. */
#ifndef NVCOREOS_TESTS_CDIHOST_H
#define NVCOREOS_TESTS_CDIHOST_H

#include <stdlib.h>
#include <sys/stat.h>

#include "../../cli/cdigen.h"
#include "fakehost.h"

/* NVIDIA's kind, and the names that its tool gives. */
static const struct cdigen cdihost_usual = { .vendor = CDI_VENDOR, .class = CDI_CLASS };

/* Makes the host, whose directory it returns, and the tool's --root of it. */
static inline const char *cdihost_begin(struct cli *cli)
{
	const char *dir = fakehost_make();

	fakehost_add_gpu(dir);
	fakehost_add_tree(dir);
	*cli = (struct cli){ .root = dir };
	config_init(&cli->conf);
	config_set_root(&cli->conf, dir);
	return dir;
}

static inline void cdihost_end(struct cli *cli)
{
	config_free(&cli->conf);
}

/* The text of that file, or "" where there is none; the caller frees it. */
static inline char *cdihost_content(const char *dir, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	char *text;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, 1 << 20, &text, &len) < 0 ? mem_strdup("") : text;
}

/* 0 where nothing stands there. */
static inline ino_t cdihost_inode(const char *dir, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

#endif
