/* SPDX-License-Identifier: Apache-2.0 */
/* What the installer image puts on a host beside the trees: the programs, their configuration, links, systemd's units. */
#ifndef NVCOREOS_CLI_IMAGE_FILES_H
#define NVCOREOS_CLI_IMAGE_FILES_H

#include <stdbool.h>

#include "base/err.h"

/* Whether `root` is the root of an operating system. -errno with ERR_SOURCE. */
int image_files_check_root(const char *root, struct err *err) must_check;
/*
 * Copies PREFIX of the image to the host, where one rename puts it in place of an older one, and makes the link to the tool,
 * nvcoreos.conf and, where there is systemd, units and what belongs to them: those that are not there yet, and those that are
 * still as an older image made them. Units of NVIDIA's daemons only where the host has none of these names. What was made is
 * remembered in PREFIX. -errno with ERR_IO.
 */
int image_files_install(const char *root, struct err *err) must_check;
/*
 * Takes away what is remembered: links that are still ours, files that nobody changed, directories that are empty, and PREFIX at
 * last. -errno with ERR_IO.
 */
int image_files_uninstall(const char *root, struct err *err) must_check;
/* Whether `nvcoreos host enable` has made files or mounts there: what they name would be gone. */
bool image_files_has_view(const char *root);
/* The engines that nvcoreos can configure, ended by NULL. */
extern const char *const image_files_engines[];
/* Whether that engine's configuration names nvcoreos, under any name, or `nvcoreos configure` has left something beside it. */
bool image_files_has_engine(const char *root, const char *engine);
/* Names on stdout the files that do by now: they will name a program that is gone. */
void image_files_tell_engine(const char *root, const char *engine);

#endif
