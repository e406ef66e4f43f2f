/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CDI specifications (SPEC.md of the Container Device Interface), by which engines hand out devices by name and without the
 * shim: for each name its device nodes, and one createRuntime hook that does the rest. Pure.
 *
 * The hook is told nothing of names: it finds the nodes that the engine gives in config.json, where no image can add one, and
 * several names together are the sum of their nodes. Nodes have no numbers here: engines take those of the host's
 * node at each start, so that none is ever stale.
 */
#ifndef NVCOREOS_PLAN_CDI_H
#define NVCOREOS_PLAN_CDI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/config.h"
#include "host/inventory.h"
#include "oci/json.h"

#define CDI_VENDOR "nvidia.com"
#define CDI_CLASS "gpu"
#define CDI_CLASS_IMEX "imex-channel"

/* How GPUs and MIG devices are called, as NVIDIA's tool calls them. */
enum cdi_strategy {
	CDI_INDEX,	/* 0, 0:1 */
	CDI_UUID,	/* GPU-..., MIG-... */
	CDI_TYPE_INDEX, /* gpu0, mig0:1 */
	CDI_STRATEGIES,
};

struct cdi_input {
	const struct config *conf; /* hook-path, default-capabilities, imex-channels */
	const char *dev_root;	   /* where engines find the nodes */
	const char *config_file;   /* what the hook is to read, absolute; NULL: the default file */
	const struct inventory *inventory;
	const char *vendor, *class; /* CDI_CLASS_IMEX: the channels; any other: the GPUs */
	enum cdi_strategy strategies[CDI_STRATEGIES];
	size_t n_strategies;
};

/*
 * The specification; the caller frees *ret. Each GPU or MIG device has a name by each strategy, and so has "all". Those have
 * the nodes of default-capabilities; names by the first strategy, and "all", also come with "-utility", "-compute", "-video",
 * "-graphics", "-display" and "-all" behind them, which have those of that set and tell the hook so. A MIG device draws nothing, and
 * has no "-graphics" and no "-display". -errno with ERR_NO_GPU, ERR_NOT_LOADED, ERR_NODE (no IMEX channel is configured,
 * too), ERR_USAGE (vendor or class is no such word).
 */
int cdi_make(struct json **ret, const struct cdi_input *in, struct err *err) must_check;
/*
 * What cdi_make was given for a specification of ours: the strategies, in their order (their number; 0: it does not say),
 * and the file that the hook is to read (NULL: the default file; the document's).
 */
size_t cdi_strategies(const struct json *doc, enum cdi_strategy ret[CDI_STRATEGIES]);
const char *cdi_config_file(const struct json *doc);
/* "index", "uuid", "type-index"; false for any other word. */
bool cdi_strategy_from_word(const char *word, enum cdi_strategy *ret);
/* The lowest version of CDI that has all that this specification uses: "0.3.0" to "1.1.0". Whatever is no object counts as not there. */
const char *cdi_version(struct json *doc);
/* Whether engines know this version: "0.3.0". */
bool cdi_version_is_known(const char *version);
/* Whether text[0..len) may stand before (vendor) or behind (class) the slash of a kind. */
bool cdi_is_vendor(const char *text, size_t len);
bool cdi_is_class(const char *text, size_t len);
/* Whether a device may be called so. */
bool cdi_is_name(const char *name);

#endif
