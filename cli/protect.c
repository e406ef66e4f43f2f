/* SPDX-License-Identifier: Apache-2.0 */
#include "protect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "mounts.h"
#include "slots.h"
#include "starts.h"
#include "store/loaded.h"

struct protect {
	struct arena arena;
	const struct store *store;
	const char *root, *os;
	char loaded[LOADED_MAX];
	struct strlist slots; /* OS versions that are there beside the running one, where the OS keeps them so */
	struct mounts *mounts;
};

int protect_read(struct protect **ret, const struct cli *cli, const struct store *s, const char *os, struct err *err)
{
	struct protect *p;
	int r = s->state_error;

	if (r < 0) {
		err_set(err, ERR_STORE, -r, "%s/state.json: what is selected is not known", s->driver_path);
		err_hint(err, "select a driver with 'nvcoreos use'");
		return r;
	}
	p = mem_zalloc(sizeof(*p));
	p->arena = (struct arena)ARENA_INIT;
	p->store = s;
	p->root = cli->root;
	p->os = os;
	p->loaded[0] = '\0';
	r = loaded_read(cli->conf.proc_root, p->loaded);
	if (r < 0)
		err_set(err, ERR_HOST, -r, "%s/driver/nvidia/version", cli->conf.proc_root);
	else
		r = slots_read(&p->arena, cli->root, cli->conf.dev_root, &p->slots, err);
	if (r == 0)
		r = mounts_read(&p->mounts, cli->conf.proc_root, err);
	if (r < 0)
		protect_free(p);
	else
		*ret = p;
	return r;
}

static bool same(const char *a, const char *b)
{
	return a && str_eq(a, b);
}

/* Where an OS version is called after its kernel: whether that kernel is installed still. */
static bool has_kernel(const struct protect *p, const char *os)
{
	static const char *const places[] = { "/lib/modules", "/usr/lib/modules" };
	cleanup_fd int root = fd_open_dir(*p->root ? p->root : "/");
	struct utsname uts;
	size_t prefix;
	bool found = false;

	if (root < 0 || uname(&uts) < 0 || !str_ends(p->os, uts.release))
		return false;
	prefix = strlen(p->os) - strlen(uts.release);
	if (strncmp(os, p->os, prefix) != 0 || !str_is_name(os + prefix))
		return false;
	for (size_t i = 0; !found && i < ARRAY_SIZE(places); i++) {
		cleanup_free char *path = mem_printf("%s/%s", places[i], os + prefix);
		cleanup_fd int fd = path_open(root, path, O_PATH | O_DIRECTORY);

		found = fd >= 0;
	}
	return found;
}

/*
 * Whether this host may still boot that OS version: the running one; a newer one, which is or will be staged for the next boot; what
 * is in another slot. Where the OS has no slots that can be read, of the older ones the newest stays for that.
 */
static bool is_bootable(const struct protect *p, const char *os)
{
	if (str_version_cmp(os, p->os) >= 0 || has_kernel(p, os))
		return true;
	if (p->slots.n)
		return strlist_has(&p->slots, os);
	for (size_t i = 0; i < p->store->n_drivers; i++) {
		const char *other = p->store->drivers[i].os;

		if (str_version_cmp(other, p->os) < 0 && str_version_cmp(other, os) > 0)
			return false;
	}
	return true;
}

/* A start takes a tree of another OS version where a driver has none for this one. */
static bool has_tree_here(const struct protect *p, const char *driver)
{
	for (size_t i = 0; i < p->store->n_drivers; i++)
		if (str_eq(p->store->drivers[i].driver, driver) && str_eq(p->store->drivers[i].os, p->os))
			return true;
	return false;
}

/* Why a tree that is mounted nowhere may not go. */
static const char *why_needed(struct protect *p, const struct store_tree *t)
{
	const char *more = "";

	if (t->is_cuda)
		return same(p->store->current_cuda, t->cuda) ? "it is the current toolkit" : NULL;
	if (same(p->store->current, arena_printf(&p->arena, "%s/%s", t->driver, t->os)))
		return "it is current";
	if (!str_eq(t->os, p->os) && has_tree_here(p, t->driver)) {
		if (!is_bootable(p, t->os))
			return NULL;
		more = ", and this host may boot its OS version";
	}
	if (str_eq(p->loaded, t->driver))
		return arena_printf(&p->arena, "its modules are loaded%s", more);
	if (same(p->store->selected, t->driver))
		return arena_printf(&p->arena, "it is selected%s", more);
	if (same(p->store->previous, t->driver))
		return arena_printf(&p->arena, "it is what rollback goes back to%s", more);
	return NULL;
}

int protect_why(struct protect *p, const struct store_tree *t, const char **ret, struct err *err)
{
	pid_t pid;
	int r = mounts_user(p->mounts, t->path, &pid, err);

	*ret = NULL;
	if (r < 0)
		return r;
	*ret = pid ? arena_printf(&p->arena, "it is mounted for process %d", (int)pid) : why_needed(p, t);
	return 0;
}

int protect_check(const struct cli *cli, const struct store *s, const char *os, const struct store_tree *t,
		  struct err *err)
{
	struct protect *p;
	const char *why;
	int r = protect_read(&p, cli, s, os, err);

	if (r < 0)
		return r;
	r = protect_why(p, t, &why, err);
	if (why) {
		r = t->is_cuda ? err_set(err, ERR_BUSY, EBUSY, "cuda/%s: %s", t->cuda, why)
			       : err_set(err, ERR_BUSY, EBUSY, "%s/%s: %s", t->driver, t->os, why);
		err_hint(err, "remove it when that is over");
	}
	protect_free(p);
	return r;
}

void protect_free(struct protect *p)
{
	if (!p)
		return;
	mounts_free(p->mounts);
	arena_free(&p->arena);
	free(p);
}

static int may_go(const void *data, const char *path, const char *was, struct err *err)
{
	const struct cli *cli = data;
	struct mounts *m = NULL;
	pid_t user = 0;
	int r;

	if (was)
		starts_wait(cli->conf.proc_root);
	r = mounts_read(&m, cli->conf.proc_root, err);
	if (r < 0)
		return r;
	r = mounts_user(m, path, &user, err);
	mounts_free(m);
	if (r < 0 || !user)
		return r;
	err_set(err, ERR_BUSY, EBUSY, "%s: it is mounted for process %d", was ? was : path, (int)user);
	return err_hint(err, "end the containers that use it, then do it again");
}

struct guard protect_guard(const struct cli *cli)
{
	return (struct guard){ .may_go = may_go, .data = cli };
}
