/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvcoreos-image: what the installer image runs. Puts the programs, the archives in the image, the unit and, where asked
 * for, the engine's configuration on the host whose root is mounted at /rootfs, and takes them away again.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image_files.h"
#include "image_run.h"

#define PROG "nvcoreos-image"
#define USAGE \
	"usage: docker run --rm --privileged -v /:/rootfs IMAGE [install|uninstall] [--use] " \
	"[--configure ENGINE]\nPuts nvcoreos and the drivers in the image on the host, or takes " \
	"nvcoreos away again.\n"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static noreturn_fn void out_of_memory(void)
{
	static const char line[] = PROG ": E01: out of memory: installing: free memory\n";

	(void)!write(STDERR_FILENO, line, sizeof(line) - 1);
	_exit(EXIT_FAILED);
}

struct options {
	const char *root, *archives, *engine;
	bool uninstall, use;
};

/* The archives that the image carries; none is fine. */
static int list_archives(struct arena *a, const char *path, struct strlist *ret, struct err *err)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : err_set(err, ERR_SOURCE, errno, "%s", path);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && strstr(e->d_name, ".tar."))
			strlist_add(a, ret, arena_printf(a, "%s/%s", path, e->d_name));
	closedir(d);
	return 0;
}

static int install_archives(const struct options *o, struct arena *a, struct err *err)
{
	struct strlist argv = { 0 }, found = { 0 };
	int r = list_archives(a, o->archives, &found, err);

	if (r < 0 || !found.n)
		return r;
	strlist_add(a, &argv, "install");
	if (o->use)
		strlist_add(a, &argv, "--use");
	for (size_t i = 0; i < found.n; i++)
		strlist_add(a, &argv, found.v[i]);
	return image_run_tool(o->root, argv.v, argv.n, err);
}

static int configure(const struct options *o, bool remove, struct err *err)
{
	const char *const argv[] = { "configure", o->engine, "--remove", "--all" };

	return image_run_tool(o->root, argv, remove ? 4 : 2, err);
}

static int install(const struct options *o, struct arena *a, struct err *err)
{
	int r = image_files_install(o->root, err);

	if (r == 0)
		r = install_archives(o, a, err);
	if (r == 0 && o->engine)
		r = configure(o, false, err);
	if (r == 0)
		printf("nvcoreos is installed in " NVCOREOS_PREFIX "%s%s%s\n",
		       o->engine ? ": restart the engine, on systemd 'systemctl restart " : "",
		       o->engine ? o->engine : "", o->engine ? "'" : "");
	return r;
}

static int uninstall(struct options *o, struct err *err)
{
	int r = 0;

	if (image_files_has_view(o->root)) {
		err_set(err, ERR_BUSY, EBUSY, "the host itself sees the driver");
		return err_hint(err, "run 'nvcoreos host disable' on the host, then uninstall");
	}
	/* Whoever configured it, and whenever: an engine that names a runtime which is gone starts no container. */
	for (size_t i = 0; r == 0 && image_files_engines[i]; i++) {
		o->engine = image_files_engines[i];
		if (image_files_has_engine(o->root, o->engine))
			r = configure(o, true, err);
		if (r == 0)
			image_files_tell_engine(o->root, o->engine);
	}
	if (r == 0)
		r = image_files_uninstall(o->root, err);
	if (r == 0)
		puts("nvcoreos is gone; drivers and toolkits stay in the store");
	return r;
}

static bool is_engine(const char *name)
{
	for (size_t i = 0; image_files_engines[i]; i++)
		if (str_eq(image_files_engines[i], name))
			return true;
	return false;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "configure", required_argument, NULL, 'c' },
					       { "use", no_argument, NULL, 'u' },
					       { "root", required_argument, NULL, 'r' },
					       { "archives", required_argument, NULL, 'a' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'c' && is_engine(optarg))
			o->engine = optarg;
		else if (c == 'r')
			o->root = optarg;
		else if (c == 'a')
			o->archives = optarg;
		else if (c == 'u')
			o->use = true;
		else
			return -EINVAL;
	}
	if (optind < argc && str_eq(argv[optind], "uninstall"))
		o->uninstall = true;
	else if (optind < argc && !str_eq(argv[optind], "install"))
		return -EINVAL;
	return argc - optind > 1 ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .root = "/rootfs", .archives = "/archives" };
	struct arena arena = ARENA_INIT;
	struct err err = ERR_INIT;
	char line[2 * ERR_MSG_MAX];
	int r;

	mem_set_oom_handler(out_of_memory);
	if (parse(argc, argv, &o) < 0) {
		fputs(USAGE, stderr);
		return EXIT_USAGE;
	}
	r = image_files_check_root(o.root, &err);
	if (r == 0)
		r = o.uninstall ? uninstall(&o, &err) : install(&o, &arena, &err);
	arena_free(&arena);
	if (r < 0)
		fprintf(stderr, PROG ": %s\n", err_line(&err, line, sizeof(line)));
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
