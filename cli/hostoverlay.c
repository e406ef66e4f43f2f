/* SPDX-License-Identifier: Apache-2.0 */
#include "hostoverlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "host/osver.h"
#include "mounts.h"
#include "store/loaded.h"
#include "store/store.h"

#define WORK "host-modules" /* below run-dir */
#define EXTRA "extra/nvcoreos"
#define DEPMOD "/sbin/depmod"
#define DEPMOD_TIMEOUT_S 120

/* The tree that the host is to see: its path, which lives in the arena. */
static int find_tree(const struct cli *cli, struct arena *a, const char **ret, struct err *err)
{
	char buf[LOADED_MAX];
	const char *driver = loaded_driver(cli->conf.proc_root, buf), *os;
	struct store s;
	int r = store_read(&s, &cli->conf, err);

	if (r < 0)
		return r;
	*ret = NULL;
	r = osver_read(a, cli->root, NULL, &os, err);
	if (!driver)
		driver = s.selected;
	for (size_t i = 0; r == 0 && driver && i < s.n_drivers; i++)
		if (str_eq(s.drivers[i].driver, driver) && str_eq(s.drivers[i].os, os))
			*ret = arena_printf(a, "%s/%s/%s", s.driver_path, driver, os);
	store_free(&s);
	if (r < 0 || *ret)
		return r;
	err_set(err, ERR_NO_TREE, 0, "driver %s for %s", driver ? driver : "(none is selected)", os);
	return err_hint(err, "install it, or select one with 'nvcoreos use'");
}

static bool is_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where the C library lies is where the loader looks without being told to. */
static const char *library_dir(const struct cli *cli, struct arena *a)
{
	static const char *const places[] = { "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu",
					      "lib64" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *dir = arena_printf(a, "%s/%s", cli->root, places[i]);
		struct stat st;

		if (is_dir(dir) && stat(arena_printf(a, "%s/libc.so.6", dir), &st) == 0)
			return dir;
	}
	return NULL;
}

static int check_read_only(const char *dir, struct err *err)
{
	struct statvfs vfs;

	if (statvfs(dir, &vfs) < 0)
		return err_set(err, ERR_HOST, errno, "%s", dir);
	if (vfs.f_flag & ST_RDONLY)
		return 0;
	err_set(err, ERR_HOST, 0, "%s can be written: packages are installed there", dir);
	return err_hint(err, "use --method ldconf");
}

static int cover(const struct cli *cli, struct hoststate *s, const struct mounts_overlay *o, struct err *err)
{
	int r = 0;

	const char *inside = o->target + strlen(cli->root);

	if (!strlist_has(&s->covers, inside)) {
		strlist_add(&s->arena, &s->covers, inside);
		r = hoststate_write(s, cli, err);
	}
	return r == 0 ? mounts_overlay(o, err) : r;
}

/* A tree's directory over the host's, which must be read-only. */
static int cover_with(const struct cli *cli, struct hoststate *s, const char *lower, const char *target,
		      struct err *err)
{
	const struct mounts_overlay o = { .target = target, .lower = lower };

	return is_dir(lower) ? cover(cli, s, &o, err) : 0;
}

static int run_depmod(const struct cli *cli, char *release, struct err *err)
{
	char name[] = DEPMOD, option[] = "-b";
	char *argv[5] = { name }, *envp[] = { NULL };
	const struct proc_program program = {
		.path = DEPMOD, .argv = argv, .envp = envp, .timeout_s = DEPMOD_TIMEOUT_S
	};
	struct proc_result result;
	size_t n = 1;
	int r;

	if (*cli->root) {
		argv[n++] = option;
		argv[n++] = (char *)cli->root;
	}
	argv[n] = release;
	r = proc_run(&program, &result, err);
	if (r < 0)
		return r;
	return result.status ? err_set(err, ERR_HOST, 0, DEPMOD ": %s", result.output) : 0;
}

/* Links to the tree's modules in the modules directory, which an overlay has made writable. */
static int link_modules(const char *modules, const char *target, struct err *err)
{
	cleanup_fd int to = fd_open_dir(target);
	DIR *d = opendir(modules);
	const struct dirent *e;
	int r = to < 0 ? to : fd_mkdir_p(to, EXTRA, 0755);

	while (r == 0 && d && (e = readdir(d))) {
		cleanup_free char *from = mem_printf("%s/%s", modules, e->d_name),
				  *name = mem_printf(EXTRA "/%s", e->d_name);

		if (e->d_name[0] != '.' && symlinkat(from, to, name) < 0 && errno != EEXIST)
			r = -errno;
	}
	if (d)
		closedir(d);
	return r < 0 ? err_set(err, ERR_HOST, -r, "%s/" EXTRA, target) : 0;
}

static const char *modules_dir(const struct cli *cli, struct arena *a, const char *release)
{
	static const char *const places[] = { "usr/lib/modules", "lib/modules" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *dir = arena_printf(a, "%s/%s/%s", cli->root, places[i], release);

		if (is_dir(dir))
			return dir;
	}
	return NULL;
}

static int cover_modules(const struct cli *cli, struct hoststate *s, const char *tree, struct err *err)
{
	const char *work = arena_printf(&s->arena, "%s/" WORK, cli->conf.run_dir), *target;
	const char *modules = arena_printf(&s->arena, "%s/modules", tree);
	struct mounts_overlay o = { .upper = arena_printf(&s->arena, "%s/upper", work),
				    .work = arena_printf(&s->arena, "%s/work", work) };
	struct utsname uts;
	int r;

	if (uname(&uts) < 0)
		return err_set(err, ERR_HOST, errno, "uname");
	if (!is_dir(modules))
		modules = arena_printf(&s->arena, "%s/modules-open", tree);
	target = modules_dir(cli, &s->arena, uts.release);
	if (!is_dir(modules) || !target)
		return 0;
	o.target = target;
	r = fd_mkdir_p(AT_FDCWD, o.upper, 0755);
	if (r == 0)
		r = fd_mkdir_p(AT_FDCWD, o.work, 0755);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "%s", work);
	r = cover(cli, s, &o, err);
	if (r == 0)
		r = link_modules(modules, target, err);
	return r == 0 ? run_depmod(cli, uts.release, err) : r;
}

static void remove_work(const struct cli *cli)
{
	cleanup_fd int run = fd_open_dir(cli->conf.run_dir);
	int r = run < 0 ? 0 : fd_remove_tree(run, WORK);

	if (r < 0)
		log_warning("%s/" WORK ": %s", cli->conf.run_dir, strerror(-r));
}

int hostoverlay_remove(const struct cli *cli, struct hoststate *s, struct err *err)
{
	int r = 0;

	for (size_t i = s->covers.n; r == 0 && i-- > 0;)
		r = mounts_uncover(arena_printf(&s->arena, "%s%s", cli->root, s->covers.v[i]), err);
	if (r == 0)
		remove_work(cli);
	return r;
}

struct places {
	const char *tree, *libraries, *programs;
};

static int find_places(const struct cli *cli, struct hoststate *s, struct places *ret, struct err *err)
{
	int r = find_tree(cli, &s->arena, &ret->tree, err);

	if (r < 0)
		return r;
	ret->libraries = library_dir(cli, &s->arena);
	ret->programs = arena_printf(&s->arena, "%s/usr/bin", cli->root);
	return ret->libraries ? 0 : err_set(err, ERR_HOST, 0, "%s/usr: no directory with libc.so.6", cli->root);
}

int hostoverlay_check(const struct cli *cli, struct hoststate *s, struct err *err)
{
	struct places p;
	int r = find_places(cli, s, &p, err);

	/* What is covered already is read-only. */
	if (r == 0)
		r = check_read_only(p.libraries, err);
	return r == 0 ? check_read_only(p.programs, err) : r;
}

int hostoverlay_apply(const struct cli *cli, struct hoststate *s, struct err *err)
{
	struct places p;
	int r = find_places(cli, s, &p, err);

	if (r == 0)
		r = hostoverlay_remove(cli, s, err);
	if (r == 0)
		r = hostoverlay_check(cli, s, err);
	if (r == 0)
		r = cover_with(cli, s, arena_printf(&s->arena, "%s/lib64", p.tree), p.libraries, err);
	if (r == 0)
		r = cover_with(cli, s, arena_printf(&s->arena, "%s/bin", p.tree), p.programs, err);
	return r == 0 ? cover_modules(cli, s, p.tree, err) : r;
}
