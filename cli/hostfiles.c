/* SPDX-License-Identifier: Apache-2.0 */
#include "hostfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "rootfile.h"

#define LD_CONF "/etc/ld.so.conf"
#define LD_CONF_D "/etc/ld.so.conf.d/00-nvcoreos.conf"
#define PROFILE "/etc/profile.d/nvcoreos.sh"
#define LDCONFIG "/sbin/ldconfig"
#define LDCONFIG_TIMEOUT_S 120

/* The store as the host calls it, without --root. */
static const char *store_of(const struct cli *cli)
{
	const char *inside = str_after(cli->conf.driver_store, cli->root);

	return *cli->root && inside && *inside == '/' ? inside : cli->conf.driver_store;
}

/* "include ld.so.conf.d/X.conf /etc/other/X.conf": whether one of the patterns is our file's. */
static bool includes_ours(const char *line, size_t len)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist words = { 0 };

	strlist_split(&a, &words, arena_strndup(&a, line, len), " \t", false);
	for (size_t i = 1; i < words.n && str_eq(words.v[0], "include"); i++) {
		const char *pattern = words.v[i][0] == '/' ? words.v[i] : arena_printf(&a, "/etc/%s", words.v[i]);

		if (fnmatch(pattern, LD_CONF_D, FNM_PATHNAME) == 0)
			return true;
	}
	return false;
}

static bool includes_directory(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (includes_ours(text, len))
			return true;
		text += len;
		text += *text == '\n';
	}
	return false;
}

/* It may be a link into a read-only /usr. */
static int check_loader(int rootfd, struct err *err)
{
	cleanup_fd int fd = path_open(rootfd, LD_CONF, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd < 0 ? fd : fd_read_all(fd, 1 << 20, &text, &len);

	if (r < 0)
		return err_set(err, ERR_HOST, -r, LD_CONF);
	if (includes_directory(text))
		return 0;
	err_set(err, ERR_HOST, 0, LD_CONF ": does not read " LD_CONF_D);
	return err_hint(err, "add 'include /etc/ld.so.conf.d/*.conf' to it, or use --method overlay");
}

static int run_ldconfig(const struct cli *cli, struct err *err)
{
	char name[] = LDCONFIG, option[] = "-r";
	char *argv[] = { name, *cli->root ? option : NULL, (char *)cli->root, NULL }, *envp[] = { NULL };
	const struct proc_program program = {
		.path = LDCONFIG, .argv = argv, .envp = envp, .timeout_s = LDCONFIG_TIMEOUT_S
	};
	struct proc_result result;
	int r = proc_run(&program, &result, err);

	if (r < 0)
		return r;
	return result.status ? err_set(err, ERR_HOST, 0, LDCONFIG ": %s", result.output) : 0;
}

#define MARK "# nvcoreos: 'nvcoreos host disable' removes it.\n"

/* 1: ours, 0: not there; -EEXIST with ERR_HOST where it is somebody else's. */
static int is_ours(int rootfd, const char *path, struct err *err)
{
	struct rootfile f cleanup(rootfile_free) = { .text = STRBUF_INIT };
	int r = rootfile_read(rootfd, path, ERR_HOST, &f, err);

	if (r < 0 || !f.exists)
		return r;
	if (f.text.buf && str_starts(f.text.buf, MARK))
		return 1;
	err_set(err, ERR_HOST, EEXIST, "%s: not made by nvcoreos", path);
	return err_hint(err, "move it away, or use --method overlay");
}

static int write_file(int rootfd, const char *path, const char *text, struct err *err)
{
	struct rootfile f cleanup(rootfile_free) = { .text = STRBUF_INIT };
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	int r = rootfile_read(rootfd, path, ERR_HOST, &f, err);

	if (r < 0 || (f.exists && str_eq(f.text.buf ? f.text.buf : "", text)))
		return r;
	strbuf_puts(&b, text);
	return rootfile_write(rootfd, &f, &b, err);
}

int hostfiles_check(const struct cli *cli, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	int r = root < 0 ? root : check_loader(root, err);

	if (r == 0)
		r = is_ours(root, LD_CONF_D, err);
	if (r >= 0)
		r = is_ours(root, PROFILE, err);
	return r < 0 ? r : 0;
}

int hostfiles_apply(const struct cli *cli, struct hoststate *s, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	const char *store = store_of(cli);
	cleanup_free char *dirs = mem_printf(
		"# nvcoreos: 'nvcoreos host disable' removes it.\n%s/current/lib64\n%s/current/lib32\n", store, store);
	cleanup_free char *profile = mem_printf(
		MARK "case :$PATH: in\n*:%s/current/bin:*) ;;\n*) PATH=$PATH:%s/current/bin ;;\nesac\n", store, store);
	bool enabled = s->files.n > 0;
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 256];
	int r = root < 0 ? root : hostfiles_check(cli, err);

	if (r < 0)
		return r;
	hoststate_note(s, root, LD_CONF_D);
	hoststate_note(s, root, PROFILE);
	r = hoststate_write(s, cli, err);
	if (r == 0)
		r = write_file(root, LD_CONF_D, dirs, err);
	if (r == 0)
		r = write_file(root, PROFILE, profile, err);
	if (r < 0 || !enabled)
		return r == 0 ? run_ldconfig(cli, err) : r;
	/* The files are there as before: a program of the host that is missing (in the installer image) stops nothing. */
	if (run_ldconfig(cli, &local) < 0)
		fprintf(stderr, "the loader's cache is as it was: %s\n", err_line(&local, line, sizeof(line)));
	return 0;
}

/* What somebody has made his own stays. */
static int remove_file(int rootfd, const char *path, struct err *err)
{
	struct err local = ERR_INIT;

	if (is_ours(rootfd, path, &local) == -EEXIST) {
		fprintf(stderr, "%s stays: it was changed\n", path);
		return 0;
	}
	return rootfile_remove(rootfd, path, err);
}

int hostfiles_remove(const struct cli *cli, struct hoststate *s, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 256];
	int r = root < 0 ? root : 0;

	for (size_t i = 0; r == 0 && i < s->files.n; i++)
		r = remove_file(root, s->files.v[i], err);
	if (r == 0 && s->files.n && run_ldconfig(cli, &local) < 0)
		fprintf(stderr, "the loader's cache is as it was: %s\n", err_line(&local, line, sizeof(line)));
	return r;
}
