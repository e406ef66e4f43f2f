/* SPDX-License-Identifier: Apache-2.0 */
/* This host's CDI specifications: made, written, and made anew where the operator has put one. */
#ifndef NVCOREOS_CLI_CDIGEN_H
#define NVCOREOS_CLI_CDIGEN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "cli.h"
#include "plan/cdi.h"

struct cdigen {
	const char *vendor, *class;
	enum cdi_strategy strategies[CDI_STRATEGIES];
	size_t n_strategies; /* 0: index and uuid, as NVIDIA's tool */
};

/*
 * Adds the text of the specification to `out`. -errno with the errors of cdi_make, inventory_read and store_read, and with
 * ERR_NO_TREE where no installed driver fits: each start by it would fail.
 */
int cdigen_text(const struct cli *cli, const struct cdigen *g, bool yaml, struct strbuf *out,
		struct err *err) must_check;
/* A path as engines and hook of the host at --root have it. */
const char *cdigen_inside_root(const struct cli *cli, const char *path);
/* The configuration file as the hook is to read it, absolute; NULL for the default one. The caller frees it. -errno with ERR_IO. */
int cdigen_config_file(const struct cli *cli, char **ret, struct err *err) must_check;
/*
 * Writes anew what stands at the places of our own specifications (nvcoreos.yaml, nvcoreos.json, nvcoreos-imex.yaml and
 * nvcoreos-imex.json in /etc/cdi and /run/cdi) and was written by nvcoreos: with the vendor, the class, the ways of naming and the
 * configuration that it has now. Where there is none, nothing is done. -errno with the first error, which names the file.
 * To be called under cdifile_lock.
 */
int cdigen_refresh(const struct cli *cli, struct err *err) must_check;
/* The same under the lock, after another driver was loaded: what goes wrong is told on stderr, and is no failure of that. */
void cdigen_follow(const struct cli *cli);

#endif
