/* SPDX-License-Identifier: Apache-2.0 */
/* A container whose root is a directory, for the tests of inside.c. */
#ifndef NVCOREOS_TESTS_INSIDE_ROOT_H
#define NVCOREOS_TESTS_INSIDE_ROOT_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/inside.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

static inline struct container container_at(const char *dir)
{
	struct container c = CONTAINER_INIT;

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	return c;
}

static inline bool has(const char *dir, const char *path, const char *content)
{
	char full[4096];
	cleanup_free char *text = NULL;
	size_t len;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	return fd_read_file_at(AT_FDCWD, full, 4096, &text, &len) == 0 && strcmp(text, content) == 0;
}

/* The mount at /dev as rootfacts finds it; 1, which is none, where there is no /dev. */
static inline uint64_t dev_mount(const struct container *c)
{
	cleanup_fd int fd = path_open(c->rootfd, "/dev", O_PATH);
	uint64_t id = 1;

	return fd >= 0 && path_mount_id(fd, &id) == 0 ? id : 1;
}

#endif
