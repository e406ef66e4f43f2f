/* SPDX-License-Identifier: Apache-2.0 */
/* A specification's file: one nvcoreos at a time makes them, and whoever reads one sees it whole. */
#ifndef NVCOREOS_CLI_CDIFILE_H
#define NVCOREOS_CLI_CDIFILE_H

#include "base/err.h"
#include "base/str.h"
#include "cli.h"

/*
 * Waits until no other nvcoreos reads, makes and writes specifications or the facts that they are made of, two minutes at most. The
 * lock is held until the fd is closed. -errno with ERR_BUSY. Who may not make files in run-dir, and writes somewhere else for
 * himself, goes without: -EBADF and no error, and fd_close takes that.
 */
int cdifile_lock(const struct cli *cli, struct err *err) must_check;
/*
 * Makes `path` below --root hold the text, whole, by one rename and synced, with the mode and owner of what it replaces, or 0644; a
 * file that holds it already is not touched. Several at once are all served; what a killed one has left beside it goes.
 * 1: written, 0: as it was; -errno with ERR_IO.
 */
int cdifile_write(const struct cli *cli, const char *path, const struct strbuf *text, struct err *err) must_check;

#endif
