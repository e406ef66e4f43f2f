/* SPDX-License-Identifier: Apache-2.0 */
#include "store/modcheck.h"

#include <stdlib.h>
#include <string.h>

#define LAYOUT "module_layout"
#define FINDINGS_OF_ONE 20

static int by_name(const void *a, const void *b)
{
	const struct modcheck_symbol *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	/* One whose CRC is known comes first. */
	return c ? c : (x->crc == 0) - (y->crc == 0);
}

static void merge(struct modcheck_symbol *first, const struct modcheck_symbol *other)
{
	first->gpl |= other->gpl;
	if (!first->ns)
		first->ns = other->ns;
}

void modcheck_sort(struct modcheck_symbol *symbols, size_t *n)
{
	size_t kept = 0;

	if (*n)
		qsort(symbols, *n, sizeof(*symbols), by_name);
	for (size_t i = 0; i < *n; i++)
		if (!kept || !str_eq(symbols[kept - 1].name, symbols[i].name))
			symbols[kept++] = symbols[i];
		else
			merge(&symbols[kept - 1], &symbols[i]);
	*n = kept;
}

static int by_name_only(const void *a, const void *b)
{
	const struct modcheck_symbol *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* What is optional loads or does not: nobody goes without GPUs because his kernel has no drm. */
static bool is_needed(const char *name)
{
	return str_eq(name, "nvidia") || str_eq(name, "nvidia_uvm");
}

static void finding(struct modcheck *m, const char *module, const char *text)
{
	char line[1024];

	m->n_findings++;
	if (is_needed(module) && !m->needed++)
		m->first_needed = m->findings.n;
	if (m->of_one++ >= FINDINGS_OF_ONE)
		return;
	/* Names come from the files, and this goes to a terminal. */
	str_escape(arena_printf(&m->arena, "%s: %s", module, text), line, sizeof(line));
	strlist_add(&m->arena, &m->findings, line);
}

/* Among the modules' own exports, and which one's it is; NULL: none of them has it. */
static const struct modcheck_symbol *find_sibling(const struct modcheck_module *modules, size_t n, const char *name,
						  size_t *owner)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < modules[i].n_exports; k++)
			if (str_eq(modules[i].exports[k].name, name)) {
				*owner = i;
				return &modules[i].exports[k];
			}
	return NULL;
}

static bool fits_gpl(const char *license)
{
	static const char *const fit[] = { "GPL",	   "GPL v2",	   "GPL and additional rights",
					   "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL" };

	for (size_t i = 0; i < ARRAY_SIZE(fit); i++)
		if (str_eq(license, fit[i]))
			return true;
	return false;
}

/* Whether the kernel lets the module use what it has. */
static void check_right(struct modcheck *m, const struct modcheck_module *module, const struct modcheck_symbol *found,
			const struct modcheck_kernel *kernel)
{
	/* Names of modules, not a namespace. */
	bool listed = found->ns && str_starts(found->ns, "module:");

	if (found->gpl && !fits_gpl(module->license))
		finding(m, module->name,
			arena_printf(
				&m->arena,
				"needs %s, which this kernel gives to GPL-compatible modules alone (its license: \"%s\")",
				found->name, module->license));
	if (found->ns && *found->ns && !listed && !kernel->lax_namespaces && !strlist_has(&module->imports, found->ns))
		finding(m, module->name,
			arena_printf(&m->arena, "needs %s of the namespace %s, which it does not import", found->name,
				     found->ns));
}

static void check_symbol(struct modcheck *m, const struct modcheck_module *module, const struct modcheck_symbol *need,
			 const struct modcheck_symbol *found, const struct modcheck_kernel *kernel)
{
	m->symbols++;
	if (!found && need->weak)
		return;
	if (!found && !kernel->complete) {
		m->unknown++;
		return;
	}
	if (!found) {
		finding(m, module->name, arena_printf(&m->arena, "needs %s, which nothing exports", need->name));
		return;
	}
	if (!need->weak)
		check_right(m, module, found, kernel);
	if (!found->crc || !need->crc)
		return;
	m->versions++;
	if (found->crc != need->crc)
		finding(m, module->name,
			arena_printf(&m->arena,
				     "needs another version of %s than this kernel has (CRC 0x%08llx, not 0x%08llx)",
				     need->name, (unsigned long long)need->crc, (unsigned long long)found->crc));
}

struct checking {
	struct modcheck *out;
	const struct modcheck_module *modules;
	size_t n;
	const struct modcheck_kernel *kernel;
};

static const struct modcheck_symbol *find_kernels(const struct checking *c, const struct modcheck_symbol *need)
{
	const struct modcheck_kernel *k = c->kernel;

	return k->n_symbols ? bsearch(need, k->symbols, k->n_symbols, sizeof(*need), by_name_only) : NULL;
}

static void check_need(const struct checking *c, const struct modcheck_module *module,
		       const struct modcheck_symbol *need)
{
	size_t owner;
	const struct modcheck_symbol *found = find_sibling(c->modules, c->n, need->name, &owner);

	check_symbol(c->out, module, need, found ? found : find_kernels(c, need), c->kernel);
}

/* Of the others, the first proprietary one that a module uses, by `proprietary`; NULL: none. */
static const char *find_proprietary(const struct checking *c, size_t i, const bool *proprietary)
{
	const struct modcheck_module *module = &c->modules[i];
	size_t owner;

	for (size_t k = 0; k < module->n_needs; k++)
		if (find_sibling(c->modules, c->n, module->needs[k].name, &owner) && owner != i && proprietary[owner])
			return c->modules[owner].name;
	return NULL;
}

static const char *find_gpl(const struct checking *c, const struct modcheck_module *module)
{
	size_t owner;

	for (size_t k = 0; k < module->n_needs; k++) {
		const struct modcheck_symbol *need = &module->needs[k], *found;

		if (need->weak || find_sibling(c->modules, c->n, need->name, &owner))
			continue;
		found = find_kernels(c, need);
		if (found && found->gpl)
			return found->name;
	}
	return NULL;
}

/*
 * Since Linux 5.9 a module that uses a proprietary one counts as proprietary too, whatever its license, and gets nothing that is for
 * GPL-compatible modules.
 */
static void check_inherited(const struct checking *c)
{
	bool *proprietary = arena_alloc(&c->out->arena, (c->n ? c->n : 1) * sizeof(*proprietary));

	for (size_t i = 0; i < c->n; i++)
		proprietary[i] = !fits_gpl(c->modules[i].license);
	/* Each round carries it one module further. */
	for (size_t round = 1; round < c->n; round++)
		for (size_t i = 0; i < c->n; i++)
			proprietary[i] = proprietary[i] || find_proprietary(c, i, proprietary);
	for (size_t i = 0; i < c->n; i++) {
		const struct modcheck_module *module = &c->modules[i];
		const char *owner = fits_gpl(module->license) ? find_proprietary(c, i, proprietary) : NULL;
		const char *gpl = owner ? find_gpl(c, module) : NULL;

		c->out->of_one = 0;
		if (gpl)
			finding(c->out, module->name,
				arena_printf(
					&c->out->arena,
					"needs %s, which this kernel gives to GPL-compatible modules alone, and it uses the proprietary %s",
					gpl, owner));
	}
}

/* The one that stands for the kernel's configuration comes first: what is said of it says most. */
static void check_symbols(const struct checking *c, const struct modcheck_module *module)
{
	for (size_t k = 0; k < module->n_needs; k++)
		if (str_eq(module->needs[k].name, LAYOUT))
			check_need(c, module, &module->needs[k]);
	for (size_t k = 0; k < module->n_needs; k++)
		if (!str_eq(module->needs[k].name, LAYOUT))
			check_need(c, module, &module->needs[k]);
}

/* Behind the first word, the release. */
static const char *flags_of(const char *vermagic)
{
	const char *space = strchr(vermagic, ' ');

	return space ? space + 1 : "";
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static bool is_same_text(const char *a, const char *b)
{
	size_t n = strlen(a), k = strlen(b);

	/* Most end with a blank. */
	while (n && a[n - 1] == ' ')
		n--;
	while (k && b[k - 1] == ' ')
		k--;
	return n == k && strncmp(a, b, n) == 0;
}

static bool has_versions(const struct modcheck_symbol *symbols, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (symbols[i].crc)
			return true;
	return false;
}

static bool is_same_release(const char *a, const char *b)
{
	size_t n = strcspn(a, " ");

	return strcspn(b, " ") == n && strncmp(a, b, n) == 0;
}

/* Where the kernel's own is not known, what else is may tell. */
static const char *misfit_by_rest(struct modcheck *m, const struct modcheck_module *module,
				  const struct modcheck_kernel *kernel)
{
	const char *mine = module->vermagic;
	bool versions = has_word(mine, "modversions");
	bool same = kernel->release && is_same_release(mine, kernel->release);

	m->vermagic_unknown = true;
	m->undecided |= !same;
	if (!versions && has_versions(kernel->symbols, kernel->n_symbols))
		return arena_printf(&m->arena, "is built for \"%s\", without versions, and this kernel has them", mine);
	/* With versions on both sides the release does not count, and whether the kernel has them is not known. */
	if (versions && has_versions(module->needs, module->n_needs))
		return NULL;
	if (!kernel->release || same)
		return NULL;
	return arena_printf(&m->arena, "is built for \"%s\", and this kernel is \"%s\"", mine, kernel->release);
}

/* As the kernel compares: the release does not count where the module has versions and the kernel looks at them. */
static void check_vermagic(struct modcheck *m, const struct modcheck_module *module,
			   const struct modcheck_kernel *kernel)
{
	const char *mine = module->vermagic, *theirs = kernel->vermagic, *text = NULL;
	bool fits;

	if (!*mine)
		return;
	if (theirs) {
		fits = has_word(theirs, "modversions") && has_versions(module->needs, module->n_needs)
			       ? is_same_text(flags_of(mine), flags_of(theirs))
			       : is_same_text(mine, theirs);
		if (!fits)
			text = arena_printf(&m->arena, "is built for \"%s\", and this kernel is \"%s\"", mine, theirs);
	} else {
		text = misfit_by_rest(m, module, kernel);
	}
	if (text)
		finding(m, module->name, text);
}

/* By what NVIDIA's own say: nothing else tells the flavours apart, their symbols are the same. */
static void check_flavour(struct modcheck *m, const struct modcheck_module *module)
{
	bool tells = str_eq(module->name, "nvidia") || str_eq(module->name, "nvidia_modeset");
	const char *other = module->open ? "NVIDIA" : "Dual MIT/GPL";

	if (!tells || !str_eq(module->license, other))
		return;
	finding(m, module->name,
		arena_printf(&m->arena, "is of the %s flavour and lies among the %s ones",
			     module->open ? "proprietary" : "open", module->open ? "open" : "proprietary"));
}

/* What it is loaded as must be what it is taken for. */
static void check_name(struct modcheck *m, const struct modcheck_module *module)
{
	if (module->claimed && !str_eq(module->claimed, module->name))
		finding(m, module->name, arena_printf(&m->arena, "calls itself %s", module->claimed));
}

/* As when they are installed: what has no version is not the driver's own. */
static void check_driver(struct modcheck *m, const struct modcheck_module *module, const char *driver)
{
	if (!driver || !str_starts(module->name, "nvidia") || !str_is_version(module->version) ||
	    str_eq(module->version, driver))
		return;
	finding(m, module->name, arena_printf(&m->arena, "is of driver %s, not %s", module->version, driver));
}

bool modcheck_is_blacklisted(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	for (const char *p = list; *p && *p != '\n'; p += len + (p[len] == ',')) {
		size_t i = 0;

		len = strcspn(p, ",\n");
		while (len == n && i < n && (p[i] == name[i] || (p[i] == '_' && name[i] == '-')))
			i++;
		if (len == n && i == n)
			return true;
	}
	return false;
}

static void check_build(struct modcheck *m, const char *name, const char *mine, const char *theirs)
{
	m->rebuilt = mine && theirs && !str_eq(mine, theirs);
	if (m->rebuilt && !m->versions)
		finding(m, name,
			arena_printf(
				&m->arena,
				"is of another build of this kernel (build id %s, not %s), and no versions tell whether it fits",
				mine, theirs));
}

void modcheck_run(struct modcheck *ret, const struct modcheck_module *modules, size_t n,
		  const struct modcheck_kernel *kernel, const struct modcheck_origin *origin)
{
	const struct checking c = { ret, modules, n, kernel };

	*ret = (struct modcheck){ .arena = ARENA_INIT };
	for (size_t i = 0; i < n; i++) {
		ret->of_one = 0;
		check_name(ret, &modules[i]);
		check_driver(ret, &modules[i], origin->driver);
		check_vermagic(ret, &modules[i], kernel);
		check_flavour(ret, &modules[i]);
		if (kernel->blacklist && modcheck_is_blacklisted(kernel->blacklist, modules[i].name)) {
			ret->blacklisted++;
			finding(ret, modules[i].name, "is in module_blacklist= of the kernel's command line");
		}
		if (kernel->wants_signature && !modules[i].is_signed) {
			ret->unsigned_ones++;
			finding(ret, modules[i].name,
				arena_printf(&ret->arena, "has no signature, and %s", kernel->wants_signature));
		}
		check_symbols(&c, &modules[i]);
	}
	check_inherited(&c);
	ret->of_one = 0;
	ret->undecided &= !ret->versions;
	if (n)
		check_build(ret, modules[0].name, origin->build_id, kernel->build_id);
}

void modcheck_free(struct modcheck *m)
{
	arena_free(&m->arena);
	*m = (struct modcheck){ .arena = ARENA_INIT };
}
