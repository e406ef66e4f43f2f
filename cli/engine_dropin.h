/* SPDX-License-Identifier: Apache-2.0 */
/* Engines that read a directory of small files beside their own: ours is written whole, and goes whole. */
#ifndef NVCOREOS_CLI_ENGINE_DROPIN_H
#define NVCOREOS_CLI_ENGINE_DROPIN_H

#include "engine.h"
#include "oci/json.h"
#include "tomledit.h"

/* Which files an engine reads, in which order; later ones win key by key. */
struct engine_dropin {
	const char *files[2]; /* before the directory; NULL: none */
	const char *dir;
	const char *suffix; /* of the files in it that count */
};

/* The path of our file in dir for the runtime ask->name, in the arena. */
const char *engine_dropin_path(const struct engine_ask *ask, const char *dir, const char *suffix);

/* Adds the names of the runtimes that have a file of ours in dir. */
void engine_dropin_names(const struct engine_ask *ask, const struct engine *engine, const char *dir, const char *suffix,
			 struct strlist *names);

/*
 * What all files say together, to be freed with json_free. In the place of our own file stands `ours`, or nothing where it is
 * NULL. NULL with ERR_ENGINE where one cannot be read or is no TOML.
 */
struct json *engine_dropin_facts(const struct engine_ask *ask, const struct engine_dropin *d, const char *own,
				 const struct json *ours, struct err *err) must_check;

/* Puts what `from` says into `into`: tables are merged, anything else is replaced. */
void engine_dropin_merge(struct json *into, struct json *from);

/* Puts the head that says whose it is into the empty text of our file. */
void engine_dropin_head(const struct engine *engine, struct strbuf *text);
/* -EINVAL with ERR_ENGINE where the file was not written by this. A file that is not there is fine. */
int engine_dropin_check(const struct engine *engine, const struct engine_file *f, struct err *err) must_check;

/*
 * For --remove: warns of a file that has our name and stays, else of a runtime whose program (NULL: there is none) is ours
 * still.
 */
void engine_dropin_warn(const struct engine_ask *ask, const struct engine_file *f, const char *program,
			struct engine_plan *plan);

/*
 * The file, which is about to say `ours`, stays as it is where it said all of that before (`was`). -EINVAL with ERR_ENGINE where
 * it said something else besides, which would be lost.
 */
int engine_dropin_settle(struct engine_file *f, struct json *was, struct json *ours, struct err *err) must_check;

/* An engine that is configured by such a file alone. */
struct engine_dropin_style {
	const struct engine *engine;
	const char *vendor; /* the file below /usr that is read first, or NULL */
	const char *suffix;
	const char *const *defaults; /* the table of the default's key */
	size_t n_defaults;
	const char *key;
	const char *const *runtimes; /* the table of runtimes */
	size_t n_runtimes;
	/*
	 * Notes the runtime; others: what all files but ours say; was: what ours said. What the user has to know goes into warnings,
	 * in ask's arena.
	 */
	void (*add)(struct tomledit *t, const struct engine_ask *ask, struct json *others, struct json *was,
		    struct strlist *warnings);
	/* The program of a runtime; what is borrowed lives as long as the entry. */
	const char *(*program)(const struct json *entry);
};

/* Names and plan for it, as struct engine has them. */
void engine_dropin_style_names(const struct engine_dropin_style *s, const struct engine_ask *ask,
			       struct strlist *names);
int engine_dropin_plan(const struct engine_dropin_style *s, const struct engine_ask *ask, struct engine_plan *plan,
		       struct err *err) must_check;

#endif
