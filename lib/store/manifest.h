/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.json: every file of a tree with what it is, and where it came from.
 * {"format":1,"kind":"driver","driver":..,"os":..,"arch":..,"cuda":..,"kernelBuildId":..,
 *  "files":[{"path":..,"size":..,"sha256":..,"kind":..,"class":..,"machine":..,"soname":..,"capability":..,
 *            "compat":true,"executable":true}, {"path":..,"link":..,"kind":..,"capability":..}],
 *  "modules":[{"path":..,"name":..,"flavour":..,"version":..,"vermagic":..,"depends":..}],
 *  "source":[{"name":..,"sha256":..}]}
 */
#ifndef NVCOREOS_STORE_MANIFEST_H
#define NVCOREOS_STORE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define MANIFEST_FORMAT 1
#define MANIFEST_MAX (128u << 20)
#define MANIFEST_FILES_MAX 400000

enum manifest_kind {
	MANIFEST_FILE, /* of a toolkit */
	MANIFEST_LIBRARY,
	MANIFEST_PROGRAM,
	MANIFEST_SHARE,
	MANIFEST_FIRMWARE,
	MANIFEST_MODULE,
	MANIFEST_HOST, /* a part of the driver that no container is shown */
};

struct manifest_file {
	const char *path; /* in the tree */
	const char *link; /* what a symlink says; NULL: a regular file */
	uint64_t size;
	const char *sha256; /* hexadecimal; NULL for a symlink */
	enum manifest_kind kind;
	unsigned class, machine; /* 0: no ELF file */
	const char *soname;	 /* NULL: none */
	unsigned capability;	 /* 0: every set */
	bool compat;
	bool executable; /* a toolkit's file that runs */
};

struct manifest_module {
	const char *path, *name, *flavour;	  /* "proprietary" or "open" */
	const char *version, *vermagic, *depends; /* "" where it does not say */
};

struct manifest_source {
	const char *name, *sha256; /* of an archive; sha256 NULL for a directory that was imported */
};

struct manifest {
	struct arena arena;
	bool is_cuda;
	const char *driver, *os, *arch, *cuda; /* as in struct tree; NULL where there is none */
	const char *build_id; /* of the kernel that ran when modules for it were installed; NULL: not known */
	struct manifest_file *files;
	size_t n_files;
	struct manifest_module *modules;
	size_t n_modules;
	struct manifest_source *sources;
	size_t n_sources;
	uint32_t *index; /* of manifest_find: positions in files by hash, 0: none, else one more than it */
	size_t index_size;
};

/* Adds a copy; strings are copied into the arena. */
void manifest_add_file(struct manifest *m, const struct manifest_file *f);
void manifest_add_module(struct manifest *m, const struct manifest_module *module);
void manifest_add_source(struct manifest *m, const char *name, const char *sha256);
/* The names of the sources with commas between them, for messages; in the manifest's arena. */
const char *manifest_source_names(struct manifest *m);
/* The entry of a path, or NULL. */
struct manifest_file *manifest_find(const struct manifest *m, const char *path);
/* Whether a file of it has to be executable: a driver's programs lie in bin. */
bool manifest_is_program(const struct manifest *m, const struct manifest_file *f);
/* Takes the first n bytes off every path: all begin with the same directory. */
void manifest_strip(struct manifest *m, size_t n);
/* Sorts files and modules by path: the order in which they are written. */
void manifest_sort(struct manifest *m);
/* Whether both list the same files with the same content. Both are sorted. */
bool manifest_same_files(const struct manifest *a, const struct manifest *b);
/* The bytes of all regular files. */
uint64_t manifest_size(const struct manifest *m);

/* Reads <tree>/manifest.json. -errno with ERR_TREE. */
int manifest_load(struct manifest *ret, const char *tree, struct err *err) must_check;
int manifest_parse(struct manifest *ret, const char *tree, const char *text, size_t len, struct err *err) must_check;
/* The text of manifest.json; the caller frees it. */
char *manifest_dump(const struct manifest *m) must_check;
void manifest_free(struct manifest *m);
#define cleanup_manifest cleanup(manifest_free)

#endif
