/* SPDX-License-Identifier: Apache-2.0 */
/* etc/nvcoreos/host.json: what `host enable` has made on this host. */
#ifndef NVCOREOS_CLI_HOSTSTATE_H
#define NVCOREOS_CLI_HOSTSTATE_H

#include "base/mem.h"
#include "base/str.h"
#include "cli.h"
#include "hostview.h"

struct hoststate {
	struct arena arena;
	enum hostview_method method;
	struct strlist files;	/* paths below the root, that were not there before */
	struct strlist dirs;	/* likewise, the outer ones first */
	struct strlist digests; /* of all that was ever written to the files */
	bool cache;		/* there was no cache of the loader */
	struct strlist covers;	/* directories that overlays lie over, as the host calls them: without --root */
};

/* Reads it; absent: method NONE and nothing. hoststate_free is due either way. -errno with ERR_HOST. */
int hoststate_read(struct hoststate *ret, const struct cli *cli, struct err *err) must_check;
/* Writes it, before what it tells is made; its own directory is noted. */
int hoststate_write(struct hoststate *s, const struct cli *cli, struct err *err) must_check;
/* Notes a file, and its directories that are not there yet. */
void hoststate_note(struct hoststate *s, int rootfd, const char *path);
/* Removes it, and the directories that it was made with and that are empty. */
int hoststate_forget(const struct hoststate *s, const struct cli *cli, struct err *err) must_check;
void hoststate_free(struct hoststate *s);

#endif
