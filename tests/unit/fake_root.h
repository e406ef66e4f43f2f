/* SPDX-License-Identifier: Apache-2.0 */
/* A container's root of files, for the tests of rootfacts.c. */
#ifndef NVCOREOS_TESTS_FAKE_ROOT_H
#define NVCOREOS_TESTS_FAKE_ROOT_H

#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/rootfacts.h"
#include "tap.h"

struct fixture {
	const char *dir;
	int root;
	struct arena arena;
	struct rootfacts_ask ask;
	struct spec spec;
	struct rootfacts facts;
	struct err err;
};

static inline void free_fixture(struct fixture *f)
{
	fd_close(f->root);
	rootfacts_free(&f->facts);
	spec_free(&f->spec);
	arena_free(&f->arena);
}
#define cleanup_fixture cleanup(free_fixture)

/* mounts: the members of config.json's list, "" for none. */
static inline void set_mounts(struct fixture *f, const char *mounts)
{
	cleanup_free char *text =
		mem_printf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"mounts\":[%s]}", mounts);

	spec_free(&f->spec);
	if (!CHECK_INT(spec_parse(&f->spec, text, strlen(text), &f->err), 0))
		printf("# %s\n", f->err.what);
}

static inline void make_fixture(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->dir = tap_tmpdir();
	f->root = fd_open_dir(f->dir);
	f->ask.cuda = true;
	CHECK(f->root >= 0);
	set_mounts(f, "");
}

static inline int collect(struct fixture *f)
{
	rootfacts_free(&f->facts);
	f->err = (struct err)ERR_INIT;
	return rootfacts_collect(&f->facts, f->root, &f->spec, &f->ask, &f->err);
}

static inline void add_dir(struct fixture *f, const char *path)
{
	CHECK_INT(fd_mkdir_p(f->root, path, 0755), 0);
}

static inline void add_link(struct fixture *f, const char *target, const char *path)
{
	CHECK(symlinkat(target, f->root, path) == 0);
}

static inline void ask(struct fixture *f, const char *path)
{
	strlist_add(&f->arena, &f->ask.paths, path);
}

#endif
