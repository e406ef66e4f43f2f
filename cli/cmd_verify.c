/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos verify: installed trees against their manifests, and their modules against the kernel. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/str.h"
#include "cli.h"
#include "host/osver.h"
#include "modprove.h"
#include "oci/json.h"
#include "store/manifest.h"
#include "store/remove.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/verify.h"

struct job {
	struct cli *cli;
	struct json *trees;
	const char *kernel; /* --kernel; NULL: the running one */
	const char *os;	    /* that runs */
	size_t checked, damaged, unfit, unproven;
	/* Of the damaged ones; of those whose modules do not fit; of those where that is not known. */
	const char *first, *first_unfit, *first_unproven;
};

/* What a tree's modules came to; findings of both flavours. */
struct proof {
	struct arena arena;
	struct strlist findings;
	size_t n_findings, symbols, versions, unknown;
	bool done, rebuilt, vermagic_unknown;
	bool none;	      /* it has no modules */
	const char *unproven; /* why it could not be done; NULL: it was, or there is nothing to prove */
};

static struct json *findings_json(const struct strlist *findings)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < findings->n; i++)
		json_append(array, json_new_string(findings->v[i]));
	return array;
}

static void add_json(struct job *j, const char *name, const struct verify *v, const struct proof *p)
{
	struct json *row = json_new_object();

	json_set_str(row, "tree", name);
	json_set_bool(row, "whole", v->n_findings == 0);
	json_set_int(row, "files", (int64_t)v->files);
	json_set_int(row, "findings", (int64_t)v->n_findings);
	json_set(row, "found", findings_json(&v->findings));
	if (p->done) {
		struct json *modules = json_new_object();

		json_set_bool(modules, "fit", p->n_findings == 0 && !p->unproven);
		json_set_int(modules, "findings", (int64_t)p->n_findings);
		json_set_int(modules, "symbols", (int64_t)p->symbols);
		json_set_int(modules, "versions", (int64_t)p->versions);
		json_set_int(modules, "unknown", (int64_t)p->unknown);
		json_set_bool(modules, "vermagic", !p->vermagic_unknown);
		json_set_bool(modules, "rebuilt", p->rebuilt);
		json_set(modules, "found", findings_json(&p->findings));
		json_set(row, "modules", modules);
	}
	if (p->unproven)
		json_set_str(row, "unproven", p->unproven);
	json_append(j->trees, row);
}

static void print_text(const char *name, const struct verify *v, const struct proof *p)
{
	if (!v->n_findings)
		printf("%s: whole (%zu files)\n", name, v->files);
	for (size_t i = 0; i < v->findings.n; i++)
		printf("%s: %s\n", name, v->findings.v[i]);
	if (v->n_findings > v->findings.n)
		printf("%s: and %zu more\n", name, v->n_findings - v->findings.n);
	for (size_t i = 0; i < p->findings.n; i++)
		printf("%s: %s\n", name, p->findings.v[i]);
	if (p->n_findings > p->findings.n)
		printf("%s: and %zu more about its modules\n", name, p->n_findings - p->findings.n);
	if (p->none)
		printf("%s: has no modules\n", name);
	if (p->unproven)
		printf("%s: its modules are not proven: %s\n", name, p->unproven);
	if (p->done && !p->n_findings && !p->unproven) {
		printf("%s: its modules fit the kernel (%zu symbols, %zu of them with versions", name, p->symbols,
		       p->versions);
		if (p->unknown)
			printf("; %zu are not known here", p->unknown);
		if (p->vermagic_unknown)
			printf("; vermagic is not proven: this kernel's is not known here");
		if (p->rebuilt)
			printf("; another build of this kernel ran when they were installed");
		printf(")\n");
	}
}

/* The path or value, and the system's reason. */
static const char *text_of(struct arena *a, const struct err *why)
{
	return why->errnum > 0 ? arena_printf(a, "%s: %s", why->what, strerror(why->errnum))
			       : arena_strdup(a, why->what);
}

/* A module that is none is a finding; a running kernel that tells nothing of itself keeps nobody from the rest. */
static int take_failure(const struct job *j, struct proof *p, int r, const struct err *why, struct err *err)
{
	if (why->code == ERR_LOAD) {
		p->done = true;
		p->n_findings++;
		strlist_add(&p->arena, &p->findings, text_of(&p->arena, why));
		return 0;
	}
	if (why->code == ERR_HOST && !j->kernel) {
		p->unproven = text_of(&p->arena, why);
		return 0;
	}
	if (err)
		*err = *why;
	return r;
}

/* One flavour's directory. */
static int prove_dir(struct job *j, struct proof *p, const char *tree, const struct manifest *manifest, bool open,
		     struct err *err)
{
	const struct kernelsyms_source src = { j->cli->root, j->cli->conf.proc_root, j->cli->conf.sys_root, j->kernel };
	cleanup_free char *dir = mem_printf("%s/%s", tree, open ? "modules-open" : "modules");
	const struct modcheck_origin origin = { manifest->driver, manifest->build_id };
	struct err why = ERR_INIT;
	struct modcheck m;
	int r = modprove_dir(&m, dir, open, &origin, &src, &why), failed = 0;

	/* Of a kernel that tells nothing, what the modules say of themselves is known all the same. */
	if (r < 0)
		failed = take_failure(j, p, r, &why, err);
	if (r == 0 || (r < 0 && r != -ENODATA))
		return failed;
	p->done |= r > 0 || m.n_findings;
	p->n_findings += m.n_findings;
	p->symbols += m.symbols;
	p->versions += m.versions;
	p->unknown += m.unknown;
	p->rebuilt |= m.rebuilt;
	p->vermagic_unknown |= m.vermagic_unknown;
	if (m.undecided && !p->unproven)
		p->unproven = "neither a version of a symbol nor the release tells";
	for (size_t i = 0; i < m.findings.n; i++)
		strlist_add(&p->arena, &p->findings, m.findings.v[i]);
	modcheck_free(&m);
	return failed;
}

/* Whether the files that would be parsed are those that were installed. */
static bool modules_are_whole(const struct verify *v)
{
	for (size_t i = 0; i < v->findings.n; i++)
		if (str_starts(v->findings.v[i], "modules") || str_starts(v->findings.v[i], TREE_MANIFEST))
			return false;
	return v->n_findings == v->findings.n;
}

/* Modules for another OS version than the running one have another kernel, which must be named. */
static int prove(struct job *j, struct proof *p, const char *os, const char *tree, const struct verify *v,
		 struct err *err)
{
	struct manifest m cleanup_manifest = { .arena = ARENA_INIT };
	int r;

	if (!os || (!j->kernel && !str_eq(os, j->os)))
		return 0;
	if (!modules_are_whole(v)) {
		p->unproven = "the tree is damaged";
		return 0;
	}
	r = manifest_load(&m, tree, err);
	if (r < 0)
		return r;
	r = prove_dir(j, p, tree, &m, false, err);
	if (r == 0)
		r = prove_dir(j, p, tree, &m, true, err);
	p->none = r == 0 && !p->done && !p->unproven;
	return r;
}

static int check(struct job *j, const char *name, const char *os, const char *path, struct err *err)
{
	struct proof p = { .arena = ARENA_INIT };
	struct verify v;
	int r;

	verify_tree(&v, path);
	r = prove(j, &p, os, path, &v, err);
	if (r == 0) {
		j->checked++;
		if (v.n_findings && !j->damaged++)
			j->first = name;
		if (p.n_findings && !j->unfit++)
			j->first_unfit = name;
		if (p.unproven && !j->unproven++)
			j->first_unproven = name;
		if (j->cli->json)
			add_json(j, name, &v, &p);
		else if (!j->cli->quiet)
			print_text(name, &v, &p);
	}
	verify_free(&v);
	arena_free(&p.arena);
	return r;
}

static int check_one(struct job *j, struct store *s, const char *wanted, struct err *err)
{
	struct store_tree t = { 0 };
	int r = store_find(s, wanted, j->os, &t, err);

	if (r < 0)
		return r;
	return check(j, remove_name(&s->arena, &t), t.is_cuda ? NULL : t.os, t.path, err);
}

static int check_all(struct job *j, struct store *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_drivers; i++) {
		const char *name = arena_printf(&s->arena, "%s/%s", s->drivers[i].driver, s->drivers[i].os);

		r = check(j, name, s->drivers[i].os, arena_printf(&s->arena, "%s/%s", s->driver_path, name), err);
	}
	for (size_t i = 0; r == 0 && i < s->n_toolkits; i++)
		r = check(j, arena_printf(&s->arena, "cuda/%s", s->toolkits[i]), NULL,
			  arena_printf(&s->arena, "%s/%s", s->cuda_path, s->toolkits[i]), err);
	return r;
}

static const char *others(size_t n)
{
	return n > 1 ? " and others" : "";
}

/* What is worst decides. What is not known is no success: who asks wants to know before he reboots. */
static int judge(const struct job *j, struct err *err)
{
	if (j->damaged) {
		err_set(err, ERR_TREE, 0, "%s%s", j->first, others(j->damaged));
		return err_hint(err,
				"select another with 'nvcoreos use', 'nvcoreos remove' this one, and install it again");
	}
	if (j->unfit) {
		err_set(err, ERR_MISFIT, 0, "%s%s", j->first_unfit, others(j->unfit));
		return j->kernel ? err_hint(err, "install modules that are built for that kernel") : -EINVAL;
	}
	return j->unproven ? err_set(err, ERR_UNPROVEN, 0, "%s%s", j->first_unproven, others(j->unproven)) : 0;
}

static int finish(struct job *j, struct err *err)
{
	if (j->cli->json) {
		cleanup_json struct json *root = json_new_object();
		cleanup_free char *text = NULL;

		json_set(root, "trees", j->trees);
		text = json_dump(root, 2);
		puts(text);
	} else if (!j->checked && !j->cli->quiet) {
		puts("nothing is installed");
	}
	return judge(j, err);
}

/* It is looked at where there are modules to prove; that it is there at all, always. */
static int check_kernel(const char *path, struct err *err)
{
	struct stat st;

	if (!path || stat(path, &st) == 0)
		return 0;
	err_set(err, ERR_HOST, errno, "%s", path);
	return kernelsyms_hint(err);
}

static int verify(struct job *j, struct store *s, const char *wanted, struct err *err)
{
	int r = check_kernel(j->kernel, err);

	if (r == 0)
		r = osver_read(&s->arena, j->cli->root, NULL, &j->os, err);

	if (r == 0)
		r = wanted ? check_one(j, s, wanted, err) : check_all(j, s, err);
	return r == 0 ? finish(j, err) : r;
}

int verb_verify(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "kernel", required_argument, NULL, 'k' }, { 0 } };
	struct job j = { .cli = cli };
	struct store s;
	int r, c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'k')
			return err_set(err, ERR_USAGE, 0, "verify %s", argv[optind - 1]);
		j.kernel = optarg;
	}
	if (argc - optind > 1)
		return err_set(err, ERR_USAGE, 0, "verify: one TREE, or none for all");
	r = store_read(&s, &cli->conf, err);
	if (r < 0)
		return r;
	j.trees = json_new_array();
	r = verify(&j, &s, optind < argc ? argv[optind] : NULL, err);
	/* finish gave it to what it printed. */
	if (!cli->json || (r < 0 && !j.damaged && !j.unfit && !j.unproven))
		json_free(j.trees);
	store_free(&s);
	return r;
}
