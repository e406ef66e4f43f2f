/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree is made from: archives, NVIDIA's .run, directories, as they are named on a command line. */
#ifndef NVCOREOS_STORE_SOURCE_H
#define NVCOREOS_STORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/archive.h"
#include "store/digest.h"

/* SOURCE_RUN: all of a driver but its modules, laid out as in NVIDIA's .run. */
enum source_kind { SOURCE_LIBRARIES, SOURCE_TOOLS, SOURCE_MODULES, SOURCE_CUDA, SOURCE_RUN };

/* What the name of a source says. */
struct source_name {
	enum source_kind kind;
	char version[33]; /* of the driver, or of CUDA */
	char os[65];	  /* modules only */
	bool open;	  /* modules only */
	const char *arch; /* "x86_64" or "aarch64" */
	enum decoder_compression compression;
};
/* Parses "modules-3975.2.0-535.261.03-open-arm64.tar.xz". False where it is no such name. */
bool source_parse_name(const char *name, struct source_name *ret);
/* The same for a directory: without ".tar.xz", or as NVIDIA's .run calls it, "NVIDIA-Linux-x86_64-535.261.03". */
bool source_parse_dir_name(const char *name, struct source_name *ret);

struct source {
	const char *path, *base;
	int fd;
	char sha256[DIGEST_HEX]; /* "" for a directory */
	uint64_t size, offset;	 /* of the archive, or of all files of a directory; where in the file it begins */
	uint64_t unpacked;	 /* what it unpacks to, as far as that is known (measure.h) */
	struct source_name name;
};

struct sources {
	struct arena arena;
	struct source *v;
	size_t n;
};
#define SOURCES_INIT \
	{ \
		.arena = ARENA_INIT \
	}

/*
 * Opens what the arguments name: an archive, a .run file, a directory that holds what one of them would, or one that holds
 * archives. What is read later is these fds, so what is recorded is what was installed. -errno with ERR_SOURCE or
 * ERR_ARCHIVE; sources_close is due either way.
 */
int sources_open(struct sources *ret, char *const *args, size_t n, struct err *err) must_check;
void sources_close(struct sources *s);

#endif
