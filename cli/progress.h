/* SPDX-License-Identifier: Apache-2.0 */
/* How far an installation is, on stderr: a bar on a terminal, now and then a line elsewhere. */
#ifndef NVCOREOS_CLI_PROGRESS_H
#define NVCOREOS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/install.h"

struct progress {
	bool terminal;
	unsigned columns;
	int64_t started, shown; /* milliseconds of CLOCK_MONOTONIC; shown 0: never */
};

/* Looks what stderr is. */
void progress_begin(struct progress *p);
/* What install_run calls; data is a struct progress. Writes when it is time to. */
void progress_show(void *data, const struct install_progress *now);
/* Takes the bar away. */
void progress_end(struct progress *p);

/*
 * The text of a bar, at most `columns` wide, or of a line (columns 0), into buf: bytes, rate and time left after `ms`
 * milliseconds.
 */
void progress_text(const struct install_progress *now, int64_t ms, unsigned columns, char *buf, size_t size);

#endif
