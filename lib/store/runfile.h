/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of NVIDIA's .run file (makeself): a shell script with a compressed tar archive behind it. It is read as text,
 * never executed.
 */
#ifndef NVCOREOS_STORE_RUNFILE_H
#define NVCOREOS_STORE_RUNFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define RUNFILE_HEADER_MAX (1u << 20)

struct runfile {
	uint64_t offset;   /* where the archive begins */
	char version[33];  /* of the driver; "": the header does not say */
	char arch[16];	   /* "x86_64", "aarch64"; "": likewise */
	uint64_t sum_from; /* from here to the end of the file its POSIX cksum is `sum` */
	uint32_t sum;	   /* 0: it has none */
	char md5[33];	   /* likewise from there; "": it has none */
	bool bad_sum;	   /* a checksum that is not understood */
};

/*
 * Parses the first bytes of such a file (at most RUNFILE_HEADER_MAX are looked at). The ways of
 * makeself to say where the archive begins are known: skip=<its first line> (NVIDIA's drivers), skip=<the header's last line>
 * or offset=`head -n <that> ...` beside filesizes= (makeself as it is).
 * False where it is no such file.
 */
bool runfile_parse(const char *data, size_t len, struct runfile *ret);
/*
 * Parses and checks the file in fd, whose offset stays: NVIDIA's archives are compressed without a checksum, so the
 * header's one is compared. -errno with ERR_ARCHIVE or ERR_SOURCE; `name` is for messages.
 */
int runfile_read(int fd, const char *name, struct runfile *ret, struct err *err) must_check;

#endif
