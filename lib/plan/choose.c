/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/choose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static bool is_current(const struct store *s, const struct store_driver *d)
{
	const char *rest = s->current ? str_after(s->current, d->driver) : NULL;

	return rest && rest[0] == '/' && str_eq(rest + 1, d->os);
}

/* "470.256.02, 535.261.03"; the store's list is sorted, so doubles stand side by side. */
static void installed_drivers(const struct store *s, struct strbuf *out)
{
	const char *last = "";

	for (size_t i = 0; i < s->n_drivers; i++) {
		if (str_eq(s->drivers[i].driver, last))
			continue;
		strbuf_printf(out, "%s%s", *last ? ", " : "", s->drivers[i].driver);
		last = s->drivers[i].driver;
	}
	if (!out->len)
		strbuf_puts(out, "none");
}

static const struct store_driver *choose_current(const struct store *s, struct err *err)
{
	cleanup_strbuf struct strbuf installed = STRBUF_INIT;

	for (size_t i = 0; i < s->n_drivers; i++)
		if (is_current(s, &s->drivers[i]))
			return &s->drivers[i];
	installed_drivers(s, &installed);
	err_set(err, ERR_NO_TREE, 0, "no driver is loaded and '%s/current' names no installed tree, installed: %s",
		s->driver_path, installed.buf);
	if (s->n_drivers)
		err_hint(err, "run 'nvcoreos use %s'", s->drivers[s->n_drivers - 1].driver);
	return NULL;
}

const struct store_driver *choose_driver(const struct store *s, const struct inventory *inv, const char *os,
					 struct err *err)
{
	cleanup_strbuf struct strbuf installed = STRBUF_INIT;
	const struct store_driver *any = NULL;

	if (!inv->driver)
		return choose_current(s, err);
	for (size_t i = 0; i < s->n_drivers; i++) {
		const struct store_driver *d = &s->drivers[i];

		if (!str_eq(d->driver, inv->driver))
			continue;
		if (str_eq(d->os, os))
			return d;
		if (!any || !is_current(s, any))
			any = d;
	}
	if (any)
		return any;
	installed_drivers(s, &installed);
	err_set(err, ERR_NO_TREE, 0, "driver %s is loaded, installed: %s", inv->driver, installed.buf);
	err_hint(err, "run 'nvcoreos import', or 'nvcoreos install' with the archives of %s", inv->driver);
	return NULL;
}

static int compare_majors(const char *a, const char *b)
{
	char x[32], y[32];

	snprintf(x, sizeof(x), "%.*s", (int)strcspn(a, "."), a);
	snprintf(y, sizeof(y), "%.*s", (int)strcspn(b, "."), b);
	return str_version_cmp(x, y);
}

/* Every toolkit of the driver's major and of older ones runs (CUDA's minor version compatibility). */
static bool driver_allows(const char *driver_cuda, const char *toolkit)
{
	return !driver_cuda || compare_majors(toolkit, driver_cuda) <= 0;
}

/* "12.4.1" for "12.4.1", "12.4" and "12". */
static bool is_of_branch(const char *version, const char *wanted)
{
	const char *rest = str_after(version, wanted);

	return rest && (*rest == '\0' || *rest == '.');
}

static int choose_version(const struct store *s, const char *wanted, const char **ret, struct err *err)
{
	for (size_t i = s->n_toolkits; i-- > 0;) {
		if (!is_of_branch(s->toolkits[i], wanted))
			continue;
		*ret = s->toolkits[i];
		return 0;
	}
	err_set(err, ERR_CUDA_UNKNOWN, 0, "%s", wanted);
	if (s->n_toolkits)
		err_hint(err, "installed are %s to %s, see 'nvcoreos list'", s->toolkits[0],
			 s->toolkits[s->n_toolkits - 1]);
	return -ENOENT;
}

/* What an automatic choice never overrides: it must not make a start fail that would do without a toolkit. */
static const char *reason_for_none(const struct request *req, const struct rootfacts *facts)
{
	const struct rootfacts_path *target = rootfacts_get(facts, ROOTFACTS_CUDA);

	if (!(req->capabilities & (CAP_COMPUTE | CAP_VIDEO)))
		return "No CUDA toolkit: compute is not asked for.";
	if (facts->has_cuda)
		return "No CUDA toolkit: the image has its own.";
	/* It would cover them. */
	if (facts->compat)
		return "No CUDA toolkit: the image has CUDA's compatibility libraries in its place.";
	if (!facts->known || !target)
		return NULL;
	if ((target->kind == ROOTFACTS_DIR || target->kind == ROOTFACTS_ABSENT) && target->on_root)
		return NULL;
	if (!target->on_root)
		return "No CUDA toolkit: a volume covers the place of /usr/local/cuda.";
	return "No CUDA toolkit: /usr/local/cuda in the image is no directory.";
}

static const char *wanted_cuda(const struct config *conf, const struct request *req)
{
	return req->cuda ? req->cuda : conf->cuda;
}

bool choose_cuda_minds_image(const struct store *s, const struct config *conf, const struct request *req)
{
	const char *wanted = wanted_cuda(conf, req);

	return !str_eq(wanted, "none") && (s->n_toolkits || !str_eq(wanted, "auto"));
}

int choose_cuda(const struct store *s, const struct config *conf, const struct request *req,
		const struct rootfacts *facts, const char *driver_cuda, const char **ret, const char **why,
		struct err *err)
{
	const char *wanted = wanted_cuda(conf, req);

	*ret = NULL;
	*why = NULL;
	if (str_eq(wanted, "none")) {
		*why = req->cuda ? "No CUDA toolkit: the container asks for none." : "No CUDA toolkit: cuda=none.";
		return 0;
	}
	/* A container's own word wins over what its image holds; the configuration's version does not. */
	if (req->cuda && !str_eq(wanted, "auto"))
		return choose_version(s, wanted, ret, err);
	*why = reason_for_none(req, facts);
	if (*why)
		return 0;
	if (!str_eq(wanted, "auto"))
		return choose_version(s, wanted, ret, err);
	for (size_t i = s->n_toolkits; i-- > 0;) {
		bool current = s->current_cuda && str_eq(s->toolkits[i], s->current_cuda);

		if (driver_allows(driver_cuda, s->toolkits[i]) && (current || !*ret))
			*ret = s->toolkits[i];
	}
	if (!*ret)
		*why = s->n_toolkits ? "No CUDA toolkit: every installed one needs a newer driver."
				     : "No CUDA toolkit: none is installed.";
	return 0;
}
