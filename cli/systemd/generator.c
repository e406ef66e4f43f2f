/* SPDX-License-Identifier: Apache-2.0 */
#include "generator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../modtree.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "host/osver.h"
#include "store/store.h"

#define ALIAS "nvidia.service"
#define UNIT "nvcoreos.service"

/* Where systemd looks for it, in its order; the names below these are the host's, whatever `root` is. */
static const char *const unit_dirs[] = {
	"/etc/systemd/system",	   "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
};

/* 1, 0 or -errno. */
static int is_ours_to_load(const char *root, const char *kernel, const struct config *conf, struct err *err)
{
	cleanup_arena struct arena arena = ARENA_INIT;
	const struct store_driver *tree = NULL;
	struct store store;
	const char *os;
	int r = osver_read(&arena, root, kernel, &os, err);

	if (r < 0)
		return r;
	r = store_read(&store, conf, err);
	if (r == 0)
		tree = store_to_load(&store, os);
	/* Without modules in the tree the kernel's own are loaded, and whoever puts those there must run. */
	if (tree) {
		struct modtree has =
			modtree_look(arena_printf(&arena, "%s/%s/%s", store.driver_path, tree->driver, tree->os));

		r = modtree_has(&has, conf->module_flavour);
	}
	store_free(&store);
	return r;
}

/* NULL where there is none, or where the first one is masked: empty, or no file. */
static char *find_unit(const char *root)
{
	cleanup_fd int rootfd = fd_open_dir(*root ? root : "/");

	for (size_t i = 0; rootfd >= 0 && i < ARRAY_SIZE(unit_dirs); i++) {
		cleanup_free char *path = mem_printf("%s/" UNIT, unit_dirs[i]);
		cleanup_fd int fd = path_open(rootfd, path, O_PATH);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0)
			return S_ISREG(st.st_mode) && st.st_size > 0 ? take_ptr(path) : NULL;
	}
	return NULL;
}

static bool is_wanted_in(int rootfd, const char *dir)
{
	int fd = path_open(rootfd, dir, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool found = false;

	if (!d) {
		fd_close(fd);
		return false;
	}
	while (!found && (e = readdir(d))) {
		cleanup_free char *link = mem_printf("%s/" UNIT, e->d_name);
		struct stat st;

		/* Where the link leads does not count, as with systemd: the unit is the first of that name. */
		found = (str_ends(e->d_name, ".wants") || str_ends(e->d_name, ".requires")) &&
			fstatat(dirfd(d), link, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
	}
	closedir(d);
	return found;
}

/* Under the alias a unit of the OS's that wants its own would start ours, whatever the administrator has said of it. */
static bool is_enabled(const char *root)
{
	cleanup_fd int rootfd = fd_open_dir(*root ? root : "/");

	for (size_t i = 0; rootfd >= 0 && i < ARRAY_SIZE(unit_dirs); i++)
		if (is_wanted_in(rootfd, unit_dirs[i]))
			return true;
	return false;
}

int generator_link(const char *root, const char *kernel, const struct config *conf, const char *dir, struct err *err)
{
	cleanup_free char *unit = find_unit(root);
	cleanup_fd int dirfd = -EBADF;
	int r = unit && is_enabled(root) ? is_ours_to_load(root, kernel, conf, err) : 0;

	if (r <= 0)
		return r;
	dirfd = fd_open_dir(dir);
	r = dirfd < 0 ? dirfd : fd_replace_link(dirfd, ALIAS, unit, 0);
	return r < 0 ? err_set(err, ERR_IO, -r, "%s/" ALIAS, dir) : 1;
}
