/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CDI specifications on a host, whoever wrote them: read as engines read them, and held against the host. Each file is
 * hostile: bounded, and what is wrong with it is a finding.
 */
#ifndef NVCOREOS_CLI_CDISPEC_H
#define NVCOREOS_CLI_CDISPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/json.h"

#define CDISPEC_FILE_MAX (4u << 20)
/* Of all directories together; what is not read of one more is a finding. */
#define CDISPEC_FILES_MAX 10000
/* Where engines look; of two files that define a name the one in the later directory counts. */
#define CDISPEC_DIR_STATIC "/etc/cdi"
#define CDISPEC_DIR_DYNAMIC "/run/cdi"

struct cdispec_file {
	const char *path;
	size_t dir;	  /* its directory's place in the list */
	struct json *doc; /* NULL: engines cannot take it */
	const char *why;  /* why not, or what of it they do not read: a sentence without its end; else NULL */
};

struct cdispec_set {
	struct arena arena;
	struct cdispec_file *files; /* by directory, then by name */
	size_t n_files, bytes;	    /* that were read */
};

struct cdispec_finding {
	const char *file, *device; /* device NULL: the file as a whole */
	const char *what;
};

struct cdispec_findings {
	struct arena arena;
	struct cdispec_finding *v; /* CDISPEC_FINDINGS_MAX at most; the last one then says that there are more */
	size_t n;
};
#define CDISPEC_FINDINGS_MAX 1000

/*
 * Parses one specification, in YAML or JSON, into the shape that CDI gives it (cdishape.h). The caller frees it; NULL with the
 * reason in why (of `size` bytes). Otherwise why is "", or says what of the text engines do not read.
 */
struct json *cdispec_parse(const char *text, size_t len, char *why, size_t size) must_check;
/* Adds its text to `out`, which cdispec_parse reads again. -ENOMEM with ERR_NOMEM. */
int cdispec_text(const struct json *doc, bool yaml, struct strbuf *out, struct err *err) must_check;
/* Whether engines read a file of this name, which ends in .yaml (*ret_yaml) or .json. */
bool cdispec_format(const char *path, bool *ret_yaml);

/* Reads the files in these directories below rootfd; a directory that is absent has none. -errno with ERR_IO. */
int cdispec_read(struct cdispec_set *ret, int rootfd, const struct strlist *dirs, struct err *err) must_check;
void cdispec_free(struct cdispec_set *s);

/* The name of the i-th device as users write it: "nvidia.com/gpu=0", in the arena. */
const char *cdispec_name(struct arena *a, const struct json *doc, size_t i);

/* Holds them against each other and against the host below rootfd. */
void cdispec_check(const struct cdispec_set *s, int rootfd, struct cdispec_findings *ret);
void cdispec_findings_free(struct cdispec_findings *f);

#endif
