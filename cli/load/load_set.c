/* SPDX-License-Identifier: Apache-2.0 */
#include "load_set.h"

#include <errno.h>

#include "../modprove.h"
#include "base/log.h"
#include "base/path.h"
#include "store/digest.h"
#include "store/manifest.h"

static int check_sum(const struct modset *set, const struct modset_file *f, const struct manifest *m, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", path_base(set->dir), f->file);
	const struct manifest_file *known = manifest_find(m, path);
	char hex[DIGEST_HEX];
	int r;

	if (!known || !known->sha256)
		return err_set(err, ERR_LOAD, 0, "%s/%s: the tree's manifest has no such file", set->dir, f->file);
	r = digest_fd(f->fd, hex, NULL);
	if (r < 0)
		return err_set(err, ERR_LOAD, -r, "%s/%s", set->dir, f->file);
	if (str_eq(hex, known->sha256))
		return 0;
	err_set(err, ERR_LOAD, 0, "%s/%s: damaged: its content is not what the tree's manifest says", set->dir,
		f->file);
	return err_hint(err, "install the modules again");
}

static int check_sums(const struct modset *set, const struct manifest *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->n; i++)
		r = check_sum(set, &set->v[i], m, err);
	return r;
}

static int refuse_unfit(const struct modcheck *m, struct err *err)
{
	const char *first;

	if (!m->needed)
		return 0;
	first = m->findings.v[m->first_needed];
	if (m->needed > 1)
		err_set(err, ERR_LOAD, 0, "%s (and %zu more)", first, m->needed - 1);
	else
		err_set(err, ERR_LOAD, 0, "%s", first);
	err_hint(err, "%s; 'nvcoreos verify' names all",
		 m->blacklisted == m->n_findings     ? "take it out of module_blacklist= and reboot"
		 : m->unsigned_ones == m->n_findings ? "sign the modules with a key that the kernel trusts"
						     : "install the modules of this OS version");
	return -EINVAL;
}

static int check_fit(const struct modset *set, bool open, const struct manifest *manifest, const struct config *conf,
		     struct err *err)
{
	const struct kernelsyms_source src = { "", conf->proc_root, conf->sys_root, NULL };
	const struct modcheck_origin origin = { manifest->driver, manifest->build_id };
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 256];
	struct modcheck m;
	bool blind;
	int r = modprove_set(&m, set, open, &origin, &src, &local);

	if (r < 0 && r != -ENODATA) {
		if (err)
			*err = local;
		return r;
	}
	blind = r < 0;
	if (m.rebuilt)
		log_info("the modules were installed for another build of this kernel");
	r = refuse_unfit(&m, err);
	if (r == 0 && blind)
		log_warning("the modules are loaded unproven: %s", err_line(&local, line, sizeof(line)));
	else if (r == 0 && m.undecided)
		log_warning("the modules are loaded unproven: neither a version of a symbol nor the release tells");
	modcheck_free(&m);
	return r;
}

int load_set_prove(const struct modset *set, const char *tree, bool open, const struct config *conf, struct err *err)
{
	struct manifest m cleanup_manifest = { .arena = ARENA_INIT };
	int r = manifest_load(&m, tree, err);

	if (r == 0)
		r = check_sums(set, &m, err);
	return r < 0 ? r : check_fit(set, open, &m, conf, err);
}
