/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether modules fit a kernel: a decision over what was read of both, before anything is loaded. The kernel's own answers to
 * what does not fit are three errnos for a dozen causes; this names the symbol.
 */
#ifndef NVCOREOS_STORE_MODCHECK_H
#define NVCOREOS_STORE_MODCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"

struct modcheck_symbol {
	const char *name;
	uint64_t crc;	/* of its type (MODVERSIONS); 0: not known */
	bool weak;	/* may be missing */
	bool gpl;	/* for modules of a license that fits the GPL alone; false: it is not, or that is not known */
	const char *ns; /* namespace that a module must import; NULL: none, or not known */
};

struct modcheck_module {
	const char *name;     /* what it is to be, by its file's name: "nvidia_uvm" */
	const char *claimed;  /* what it calls itself, and so the kernel; NULL: it does not say */
	const char *vermagic; /* "" where it has none */
	const char *license;
	const char *version;	/* of the driver that it is of */
	bool open;		/* lies in modules-open */
	bool is_signed;		/* has a signature, whoever made it */
	struct strlist imports; /* namespaces */
	struct modcheck_symbol *needs, *exports;
	size_t n_needs, n_exports;
};

/* What the manifest of their tree says of modules. */
struct modcheck_origin {
	const char *driver;   /* NULL: not known, as the other */
	const char *build_id; /* of the kernel that they were installed for */
};

struct modcheck_kernel {
	const char *release;		 /* "6.1.0-50-amd64"; NULL: not known */
	const char *vermagic;		 /* of its own modules; NULL: not known */
	struct modcheck_symbol *symbols; /* what it and its modules export; sorted by modcheck_sort */
	size_t n_symbols;
	bool complete;	       /* what is not among them does not exist */
	const char *blacklist; /* its module_blacklist=: "nouveau,nvidia"; NULL: none, or not known */
	bool lax_namespaces;   /* takes modules that do not import what they use */
	const char *build_id;  /* GNU's, of the running one; NULL: not known */
	const char
		*wants_signature; /* why an unsigned module is refused: "the kernel is locked down"; NULL: it is not */
};

struct modcheck {
	struct arena arena;
	/* The first of each module's, printable: "nvidia_uvm: needs nvUvmInterface, which nothing exports". */
	struct strlist findings;
	size_t n_findings;     /* all of them */
	size_t needed;	       /* of those, about modules without which there is no GPU */
	size_t first_needed;   /* which of the findings is the first such */
	size_t of_one;	       /* those of the module that is looked at */
	size_t symbols;	       /* that were looked for */
	size_t versions;       /* of those, with a CRC on both sides */
	size_t unknown;	       /* not found where not all is known */
	size_t unsigned_ones;  /* findings that a signature would mend */
	size_t blacklisted;    /* findings that another command line of the kernel would mend */
	bool vermagic_unknown; /* and so of no module compared */
	bool undecided;	       /* nor does a version of a symbol or the same release tell that they fit */
	bool rebuilt;	       /* another build of the kernel ran when they were installed */
};

/* Sorts symbols by name; of one that comes twice what is known wins. */
void modcheck_sort(struct modcheck_symbol *symbols, size_t *n);
/*
 * Checks modules that are to be loaded together: each one's needs against the others' exports and the kernel's, versions,
 * vermagic (the first word only where CRCs decide), signatures, licenses and namespaces, and that none of the other flavour or of another driver is among them.
 * Another build of the kernel than that of the origin is a finding only where no CRC decides. modcheck_free is due.
 */
void modcheck_run(struct modcheck *ret, const struct modcheck_module *modules, size_t n,
		  const struct modcheck_kernel *kernel, const struct modcheck_origin *origin);
/* Whether the kernel's list of modules that it never takes has one; '-' and '_' are one in its name. */
bool modcheck_is_blacklisted(const char *list, const char *name);
void modcheck_free(struct modcheck *m);

#endif
