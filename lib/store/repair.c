/* SPDX-License-Identifier: Apache-2.0 */
#include "store/repair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "host/osver.h"
#include "store/store.h"

static bool is_leftover(const char *name)
{
	static const char *const ours[] = { ".staging-", REPAIR_REMOVED, ".state.json.", ".current." };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (str_starts(name, ours[i]))
			return true;
	return false;
}

/*
 * The writers' lock is the driver store's. Where two configurations share the CUDA store alone, a run that lives holds its staging
 * directory locked. And what was a tree a container may have taken before nobody found it any more.
 */
static bool may_go(const char *store, int storefd, const char *name, const struct guard *guard)
{
	cleanup_fd int fd = openat(storefd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *path = mem_printf("%s/%s", store, name);
	struct err why = ERR_INIT;

	if (fd < 0)
		return true;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return false;
	if (guard_ask(guard, path, path, &why) == 0)
		return true;
	log_warning("%s stays: %s", path, why.what);
	return false;
}

static void remove_leftovers(const char *store, const struct guard *guard)
{
	int fd = fd_open_dir(store);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(d))) {
		int r = is_leftover(e->d_name) && may_go(store, fd, e->d_name, guard) ? fd_remove_tree(fd, e->d_name)
										      : 0;

		if (r < 0)
			log_warning("%s/%s: %s", store, e->d_name, strerror(-r));
	}
	closedir(d);
}

static bool has_tree(const struct store *s, const char *driver, const char *os)
{
	for (size_t i = 0; i < s->n_drivers; i++)
		if (str_eq(s->drivers[i].driver, driver) && str_eq(s->drivers[i].os, os))
			return true;
	return false;
}

/* An OS version that was asked for by name is kept: only a link that contradicts the state is wrong. */
static bool current_fits(struct store *s)
{
	const char *slash = s->current ? strchr(s->current, '/') : NULL;
	const char *driver = slash ? arena_strndup(&s->arena, s->current, (size_t)(slash - s->current)) : NULL;

	return driver && str_eq(driver, s->selected) && has_tree(s, driver, slash + 1);
}

/* To the selected driver's tree for the OS version of `root`, if there is one. */
static int point_current(struct store *s, const char *root, struct err *err)
{
	const char *os;
	int r = osver_read(&s->arena, root, NULL, &os, err);

	if (r < 0 || !has_tree(s, s->selected, os) ||
	    (s->current && str_eq(s->current, arena_printf(&s->arena, "%s/%s", s->selected, os))))
		return r;
	return store_select(s, s->selected, os, err);
}

static int repair_current(const struct config *conf, const char *root, struct err *err)
{
	struct store s;
	int r = store_read(&s, conf, err);

	if (r < 0)
		return r;
	if (s.selected && !current_fits(&s))
		r = point_current(&s, root, err);
	store_free(&s);
	return r;
}

int repair_lock(const struct config *conf, const char *root, const struct guard *guard, struct err *err)
{
	const struct store paths = { .driver_path = conf->driver_store, .cuda_path = conf->cuda_store };
	struct err why = ERR_INIT;
	char line[ERR_MSG_MAX + 512];
	/* Looked at first: in a store that is another user's not even a lock is made. */
	int r = store_check_rights(&paths, err), lock = r < 0 ? r : store_lock(conf, err);

	if (lock < 0)
		return lock;
	remove_leftovers(conf->driver_store, guard);
	remove_leftovers(conf->cuda_store, guard);
	if (repair_current(conf, root, &why) < 0)
		log_warning("%s", err_line(&why, line, sizeof(line)));
	return lock;
}

int repair_follow_os(const struct config *conf, const char *root, const struct guard *guard, struct err *err)
{
	cleanup_fd int lock = repair_lock(conf, root, guard, err);
	struct store s;
	int r = lock < 0 ? lock : store_read(&s, conf, err);

	if (r < 0)
		return r;
	if (s.selected)
		r = point_current(&s, root, err);
	store_free(&s);
	return r;
}
