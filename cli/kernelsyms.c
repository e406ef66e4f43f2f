/* SPDX-License-Identifier: Apache-2.0 */
#include "kernelsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/str.h"
#include "host/buildid.h"
#include "kernelheaders.h"

#define TEXT_MAX (64u << 20)
#define VERMAGIC_MAX 256

struct reader {
	struct arena *a;
	struct modcheck_kernel *kernel;
	struct modcheck_symbol *wanted; /* sorted; their crc is what was found so far */
	size_t n_wanted, left;		/* left: without one */
	char vermagic[VERMAGIC_MAX];
};

static struct modcheck_symbol *add(struct reader *r, const char *name, size_t len, uint64_t crc)
{
	struct modcheck_kernel *k = r->kernel;

	k->symbols = arena_grow(r->a, k->symbols, k->n_symbols, sizeof(*k->symbols));
	k->symbols[k->n_symbols] = (struct modcheck_symbol){ .name = arena_strndup(r->a, name, len), .crc = crc };
	return &k->symbols[k->n_symbols++];
}

/* --- Module.symvers: "0x12345678\tname\tmodule\tEXPORT_SYMBOL_GPL\tnamespace" ------------------- */

/* A field of a line: where it begins, and behind it the next; NULL behind the last. */
static const char *next_field(const char *field)
{
	const char *tab = strchr(field, '\t');

	return tab ? tab + 1 : NULL;
}

/* Behind the name: the module, who may use it, the namespace; before Linux 5.6 the namespace came first. */
static void take_export(struct reader *r, struct modcheck_symbol *s, const char *name)
{
	const char *module = next_field(name), *third = module ? next_field(module) : NULL, *export = third, *ns = NULL;

	if (export && !str_starts(export, "EXPORT_")) {
		ns = module;
		export = next_field(export);
	} else if (export) {
		ns = next_field(export);
	}
	s->gpl = export && str_starts(export, "EXPORT_SYMBOL_GPL");
	if (ns && strcspn(ns, "\t"))
		s->ns = arena_strndup(r->a, ns, strcspn(ns, "\t"));
}

int kernelsyms_hint(struct err *err)
{
	return err_hint(err,
			"name the headers' directory of the kernel, its Module.symvers, or its directory of modules");
}

static int read_symvers(struct reader *r, const char *path, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int e = fd_read_file_at(AT_FDCWD, path, TEXT_MAX, &text, &len);

	if (e < 0) {
		err_set(err, ERR_HOST, -e, "%s", path);
		return kernelsyms_hint(err);
	}
	for (char *line = text, *next; line && *line; line = next) {
		char *tab = strchr(line, '\t');
		uint64_t crc = 0;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!tab || tab - line < 3 || !str_starts(line, "0x"))
			continue;
		*tab = '\0';
		if (str_to_hex(line + 2, UINT32_MAX, &crc) == 0)
			take_export(r, add(r, tab + 1, strcspn(tab + 1, "\t"), crc), tab + 1);
	}
	r->kernel->complete = r->kernel->n_symbols > 0;
	if (r->kernel->complete)
		return 0;
	err_set(err, ERR_HOST, 0, "%s: no Module.symvers", path);
	return kernelsyms_hint(err);
}

/* --- a directory of modules ---------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct modcheck_symbol *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void take_version(void *data, const char *name, uint64_t crc)
{
	struct reader *r = data;
	const struct modcheck_symbol key = { .name = name };
	struct modcheck_symbol *found = bsearch(&key, r->wanted, r->n_wanted, sizeof(key), by_name);

	if (!found || found->crc || !crc)
		return;
	found->crc = crc;
	r->left--;
	add(r, name, strlen(name), crc);
}

static void take_nothing(void *data, const char *name, uint64_t crc)
{
	(void)data;
	(void)name;
	(void)crc;
}

static bool is_module(const char *name)
{
	return str_ends(name, ".ko") || str_ends(name, ".ko.xz") || str_ends(name, ".ko.zst") ||
	       str_ends(name, ".ko.gz");
}

/* What the driver needs most lies below drivers/gpu: then it is found early. */
static int gpu_first(const FTSENT **a, const FTSENT **b)
{
	static const char *const early[] = { "gpu", "drm", "video", "drivers" };

	for (size_t i = 0; i < ARRAY_SIZE(early); i++) {
		bool x = str_eq((*a)->fts_name, early[i]), y = str_eq((*b)->fts_name, early[i]);

		if (x != y)
			return x ? -1 : 1;
	}
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Whether one of the kernel's own modules need still be read. */
static bool is_due(const struct reader *r, bool vermagic_only)
{
	return vermagic_only ? !r->vermagic[0] : r->left > 0;
}

/* The kernel's own: what others put into extra, updates or misc may be built for another. */
static void read_versions(struct reader *r, struct kmodfile *k, const char *dir, bool vermagic_only)
{
	cleanup_free char *own = mem_printf("%s/kernel", dir);
	char *roots[] = { own, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, gpu_first);
	const FTSENT *e;

	while (fts && is_due(r, vermagic_only) && (e = fts_read(fts)))
		if (e->fts_info == FTS_F && is_module(e->fts_name))
			(void)!kmodfile_versions(k, e->fts_path, r->vermagic, sizeof(r->vermagic),
						 vermagic_only ? take_nothing : take_version, r);
	if (fts)
		fts_close(fts);
}

/* "alias symbol:drm_open drm": names that the kernel's own modules export. */
static void read_aliases(struct reader *r, const char *dir)
{
	cleanup_free char *path = mem_printf("%s/modules.symbols", dir), *text = NULL;
	size_t len;

	if (fd_read_file_at(AT_FDCWD, path, TEXT_MAX, &text, &len) < 0)
		return;
	for (const char *p = strstr(text, "alias symbol:"); p; p = strstr(p, "alias symbol:")) {
		p += strlen("alias symbol:");
		add(r, p, strcspn(p, " \n"), 0);
	}
}

/* The address at the beginning of the line that `p` is in; 0: not known, as for who is not root. */
static uint64_t address_of(const char *text, const char *p)
{
	char hex[17];
	uint64_t at = 0;
	size_t n;

	while (p > text && p[-1] != '\n')
		p--;
	n = strcspn(p, " ");
	if (n >= sizeof(hex))
		return 0;
	memcpy(hex, p, n);
	hex[n] = '\0';
	return str_to_hex(hex, UINT64_MAX, &at) == 0 ? at : 0;
}

static uint64_t address_named(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? address_of(text, p) : 0;
}

/* "ffffffff81e0 r __ksymtab_printk": names of the kernel's and of loaded modules'. Whether there are any. */
static bool read_kallsyms(struct reader *r, const char *proc_root)
{
	cleanup_free char *path = mem_printf("%s/kallsyms", proc_root), *text = NULL;
	static const char mark[] = " __ksymtab_";
	size_t len, before = r->kernel->n_symbols;
	uint64_t gpl, gpl_end;

	if (fd_read_file_at(AT_FDCWD, path, TEXT_MAX, &text, &len) < 0)
		return false;
	/* What is for GPL-compatible modules alone stands together. */
	gpl = address_named(text, " __start___ksymtab_gpl\n");
	gpl_end = address_named(text, " __stop___ksymtab_gpl\n");
	for (const char *p = strstr(text, mark); p; p = strstr(p, mark)) {
		uint64_t at = address_of(text, p);

		p += strlen(mark);
		add(r, p, strcspn(p, " \t\n"), 0)->gpl = at >= gpl && at < gpl_end;
	}
	return r->kernel->n_symbols > before;
}

/* All that the modules need, once each, without a CRC. */
static void collect_wanted(struct reader *r, const struct modcheck_module *modules, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += modules[i].n_needs;
	r->wanted = arena_alloc(r->a, (total ? total : 1) * sizeof(*r->wanted));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < modules[i].n_needs; k++)
			r->wanted[r->n_wanted++] = (struct modcheck_symbol){ .name = modules[i].needs[k].name };
	modcheck_sort(r->wanted, &r->n_wanted);
	r->left = r->n_wanted;
}

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static const char *modules_dir(struct arena *a, const char *root, const char *release)
{
	static const char *const places[] = { "lib/modules", "usr/lib/modules" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *dir = arena_printf(a, "%s/%s/%s", root, places[i], release);

		if (exists(dir))
			return dir;
	}
	return NULL;
}

/* Of the kernel's own lists: it and its modules. */
static int read_running(struct reader *r, struct kmodfile *k, const struct kernelsyms_source *src, struct err *err)
{
	const char *dir = modules_dir(r->a, src->root, r->kernel->release);
	bool kallsyms = read_kallsyms(r, src->proc_root);

	if (dir) {
		read_versions(r, k, dir, false);
		read_aliases(r, dir);
	}
	r->kernel->complete = kallsyms;
	if (r->kernel->n_symbols)
		return 0;
	err_set(err, ERR_HOST, 0, "%s/kallsyms and %s/lib/modules/%s tell no symbol", src->proc_root, src->root,
		r->kernel->release);
	return err_hint(err, "name the kernel's Module.symvers with --kernel");
}

/* Module.symvers, and the headers that it lies in. */
static int read_headers(struct reader *r, const char *symvers, struct err *err)
{
	const char *slash = strrchr(symvers, '/');
	int e = read_symvers(r, symvers, err);

	if (e == 0)
		kernelheaders_read(r->a, r->kernel,
				   slash ? arena_strndup(r->a, symvers, (size_t)(slash - symvers) + 1) : ".");
	return e;
}

static int read_named(struct reader *r, struct kmodfile *k, const char *path, struct err *err)
{
	static const char *const places[] = { "Module.symvers", "build/Module.symvers" };
	struct stat st;

	if (stat(path, &st) < 0) {
		err_set(err, ERR_HOST, errno, "%s", path);
		return kernelsyms_hint(err);
	}
	if (!S_ISDIR(st.st_mode))
		return read_headers(r, path, err);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *file = arena_printf(r->a, "%s/%s", path, places[i]);

		if (!exists(file))
			continue;
		/* What its own modules say is better than what can be told by the headers. */
		read_versions(r, k, path, true);
		return read_headers(r, file, err);
	}
	read_versions(r, k, path, false);
	read_aliases(r, path);
	if (r->kernel->n_symbols || r->vermagic[0])
		return 0;
	err_set(err, ERR_HOST, 0, "%s: neither Module.symvers nor modules in it", path);
	return kernelsyms_hint(err);
}

static bool starts_with(const char *path, const char *word)
{
	cleanup_free char *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, 4096, &text, &len) == 0 && str_starts(text, word);
}

/* Whether, and why, the running kernel refuses unsigned modules. */
static const char *signature_policy(struct arena *a, const char *sys_root)
{
	const char *lockdown = arena_printf(a, "%s/kernel/security/lockdown", sys_root);
	cleanup_free char *text = NULL;
	size_t len;

	if (starts_with(arena_printf(a, "%s/module/module/parameters/sig_enforce", sys_root), "Y"))
		return "the kernel takes signed modules only (module.sig_enforce)";
	if (fd_read_file_at(AT_FDCWD, lockdown, 4096, &text, &len) == 0 && !strstr(text, "[none]"))
		return "the kernel is locked down";
	return NULL;
}

/* Of the running kernel, as it took it. */
static const char *read_blacklist(struct arena *a, const char *sys_root)
{
	const char *path = arena_printf(a, "%s/module/kernel/parameters/module_blacklist", sys_root);
	cleanup_free char *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, 65536, &text, &len) == 0 ? arena_strdup(a, text) : NULL;
}

int kernelsyms_name(struct arena *a, struct modcheck_kernel *ret, const struct kernelsyms_source *src, struct err *err)
{
	struct utsname uts;

	*ret = (struct modcheck_kernel){ 0 };
	if (uname(&uts) < 0)
		return err_set(err, ERR_HOST, errno, "uname");
	/* Of another kernel its own words alone count: a directory may have any name. */
	ret->release = src->kernel ? NULL : arena_strdup(a, uts.release);
	if (!src->kernel) {
		ret->wants_signature = signature_policy(a, src->sys_root);
		ret->blacklist = read_blacklist(a, src->sys_root);
	}
	return 0;
}

int kernelsyms_read(struct arena *a, struct modcheck_kernel *ret, struct kmodfile *k,
		    const struct kernelsyms_source *src, const struct modcheck_module *wanted, size_t n_wanted,
		    struct err *err)
{
	struct reader r = { .a = a, .kernel = ret };
	char build_id[BUILDID_HEX];
	int e = kernelsyms_name(a, ret, src, err);

	if (e < 0)
		return e;
	collect_wanted(&r, wanted, n_wanted);
	if (!src->kernel && buildid_read(src->sys_root, build_id))
		ret->build_id = arena_strdup(a, build_id);
	e = src->kernel ? read_named(&r, k, src->kernel, err) : read_running(&r, k, src, err);
	if (e < 0)
		return e;
	if (r.vermagic[0]) {
		ret->vermagic = arena_strdup(a, r.vermagic);
		if (src->kernel)
			ret->release = arena_strndup(a, r.vermagic, strcspn(r.vermagic, " "));
	}
	modcheck_sort(ret->symbols, &ret->n_symbols);
	return 0;
}
