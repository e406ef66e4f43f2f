/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree while it is made: a directory <store>/.staging-<pid>-<n> that one rename turns into the tree, or that is
 * removed with all it holds. The caller holds the store's lock, and what dead runs left is gone (repair.h).
 */
#ifndef NVCOREOS_STORE_BUILD_H
#define NVCOREOS_STORE_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/guard.h"
#include "store/manifest.h"
#include "store/soname.h"
#include "store/tree.h"

#define BUILD_NAME_MAX 16
#define BUILD_HINTS_MAX 1000 /* a driver has a tenth of that */

struct build {
	struct arena arena;
	const char *store;	  /* the store's path */
	int storefd, dir, in;	  /* the store, the tree, its .in (where files lie until it is known what they are) */
	char staging[48];	  /* "" once it is published */
	struct manifest manifest; /* driver, os, arch or cuda are set by the caller */
	unsigned next;
	struct soname_hint *hints;
	size_t n_hints;
	struct strlist ignored; /* names of files that are no part of a driver */
	int donor_dir;		/* an installed tree of the same driver whose files are shared; -EBADF: none */
	const struct manifest *donor;
	const char *label;	   /* SELinux's for all of it (label.h); NULL: none */
	const struct guard *guard; /* NULL: a tree is replaced whoever uses it */
};
#define BUILD_INIT \
	{ \
		.arena = ARENA_INIT, .storefd = -EBADF, .dir = -EBADF, .in = -EBADF, .donor_dir = -EBADF \
	}

/* Makes the staging directory (the store too, where it is absent). -errno with ERR_STORE. */
int build_begin(struct build *b, const char *store, struct err *err) must_check;

/* A name in .in that nothing has yet. */
void build_new_name(struct build *b, char name[BUILD_NAME_MAX]);
/* A new empty file in .in, open for reading and writing; its name goes to `name`. -errno with ERR_STORE. */
int build_new_file(struct build *b, char name[BUILD_NAME_MAX], struct err *err) must_check;

struct build_file {
	const char *name;  /* what it is called, without directories */
	const char *shown; /* in messages; NULL: its name */
	const char *temp;  /* in .in */
	int fd;		   /* it, open for reading */
	uint64_t size;
	const char *sha256;
	bool from_tools;
	bool yields;		 /* to another file in its place, which is then kept */
	const char *modules_dir; /* "modules", "modules-open", or NULL */
	bool shared;		 /* a hard link to a file of the host: its mode is left alone */
};
/*
 * Moves a file of a driver to its place and enters it into the manifest; one that is no part of a driver is
 * removed and goes to b->ignored. -errno with ERR_ARCHIVE where it is damaged, of another machine or driver, or
 * there already with other content.
 */
int build_take(struct build *b, const struct build_file *f, struct err *err) must_check;
/* Remembers a link for soname_links; names that are none are passed over, and what comes after the first BUILD_HINTS_MAX. */
void build_hint(struct build *b, const char *name, const char *target);
/* Takes all files of the donor but its modules. */
int build_take_donor(struct build *b, struct err *err) must_check;
/*
 * Takes what the tree at `path`, in whose place the new one comes, has and the new one has not yet: archives of one driver may come one
 * after the other. What is damaged there is left out, and logged; without a tree it does nothing. -errno with ERR_STORE.
 */
int build_take_rest(struct build *b, const char *path, struct err *err) must_check;

/* Links, views, start.json and manifest.json of a driver. */
int build_finish_driver(struct build *b, struct err *err) must_check;
/* start.json and manifest.json of any tree. */
int build_write(struct build *b, const struct tree *t, struct err *err) must_check;
/*
 * Syncs and renames it to <store>/<parent>/<name> (parent NULL: <store>/<name>). Where a tree of the same files is there already,
 * *ret_already is set instead. A damaged one (verify.h), and one that has nothing but what the new one has too, changes places with it, if
 * the guard allows; -EEXIST with ERR_STORE where it is another. The manifest must be sorted.
 */
int build_publish(struct build *b, const char *parent, const char *name, bool *ret_already, struct err *err) must_check;
/*
 * Makes sure that a tree which is in its place is there after a power cut too: the run that put it there may have been
 * killed, or failed, before its directories were on disk. -errno with ERR_STORE.
 */
int build_settle(const char *store, const char *parent, struct err *err) must_check;
/* Removes what was not published, and closes. */
void build_free(struct build *b);
#define cleanup_build cleanup(build_free)

#endif
