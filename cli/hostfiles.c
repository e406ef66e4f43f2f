/* SPDX-License-Identifier: Apache-2.0 */
#include "hostfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "rootfile.h"
#include "store/digest.h"

#define LD_CONF "/etc/ld.so.conf"
#define LD_CONF_D "/etc/ld.so.conf.d/00-nvcoreos.conf"
#define PROFILE "/etc/profile.d/nvcoreos.sh"
#define LD_CACHE "/etc/ld.so.cache"
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

#define LOADER_HINT(how) how " the line 'include /etc/ld.so.conf.d/*.conf', or use --method overlay"

/* It may be a link into a read-only /usr. */
static int check_loader(int rootfd, struct err *err)
{
	cleanup_fd int fd = path_open(rootfd, LD_CONF, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd < 0 ? fd : fd_read_all(fd, 1 << 20, &text, &len);

	if (r < 0) {
		err_set(err, ERR_HOST, -r, LD_CONF);
		return r == -ENOENT ? err_hint(err, LOADER_HINT("make it with")) : r;
	}
	if (includes_directory(text))
		return 0;
	err_set(err, ERR_HOST, 0, LD_CONF ": does not read " LD_CONF_D);
	return err_hint(err, LOADER_HINT("add to it"));
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

/* s as one word of the shell. */
static void put_quoted(struct strbuf *b, const char *s)
{
	strbuf_putc(b, '\'');
	for (; *s; s++)
		if (*s == '\'')
			strbuf_puts(b, "'\\''");
		else
			strbuf_putc(b, *s);
	strbuf_putc(b, '\'');
}

static char *profile_text(const char *store)
{
	cleanup_free char *dir = mem_printf("%s/current/bin", store);
	cleanup_strbuf struct strbuf word = STRBUF_INIT;

	put_quoted(&word, dir);
	return mem_printf(MARK "case :$PATH: in\n*:%s:*) ;;\n*) PATH=$PATH:%s ;;\nesac\n", word.buf, word.buf);
}

/* What enable writes to a path, which the caller frees; NULL for a path that it does not write. */
static char *text_of(const struct cli *cli, const char *path)
{
	const char *store = store_of(cli);

	if (str_eq(path, LD_CONF_D))
		return mem_printf(MARK "%s/current/lib64\n%s/current/lib32\n", store, store);
	return str_eq(path, PROFILE) ? profile_text(store) : NULL;
}

static const char *digest_of(const char *text, size_t len, char hex[DIGEST_HEX])
{
	struct digest *d = digest_new();

	digest_add(d, text, len);
	return digest_end(d, hex);
}

/* 1: as nvcoreos writes or wrote it, 0: not there; -EEXIST with ERR_HOST where it is somebody else's, or no longer ours. */
static int is_ours(int rootfd, const struct cli *cli, const struct hoststate *s, const char *path, struct err *err)
{
	struct rootfile f cleanup(rootfile_free) = { .text = STRBUF_INIT };
	cleanup_free char *text = text_of(cli, path);
	int r = rootfile_read(rootfd, path, ERR_HOST, &f, err);
	char hex[DIGEST_HEX], now[DIGEST_HEX];

	if (r < 0 || !f.exists)
		return r;
	digest_of(f.text.buf ? f.text.buf : "", f.text.len, hex);
	if (strlist_has(&s->digests, hex) || (text && str_eq(hex, digest_of(text, strlen(text), now))))
		return 1;
	err_set(err, ERR_HOST, 0, "%s: %s", path,
		strlist_has(&s->files, path) ? "changed since nvcoreos wrote it" : "not made by nvcoreos");
	err_hint(err, "move it away, or use --method overlay");
	return -EEXIST;
}

/* Of is_ours: something else than the file that was written stands there. */
static bool is_another(int r)
{
	return r == -EEXIST || r == -ELOOP || r == -EISDIR || r == -EINVAL || r == -EFBIG;
}

/* What somebody has made his own stays. */
static int write_file(int rootfd, const struct cli *cli, const struct hoststate *s, const char *path, struct err *err)
{
	struct rootfile f cleanup(rootfile_free) = { .text = STRBUF_INIT };
	cleanup_free char *text = text_of(cli, path);
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	int r = is_ours(rootfd, cli, s, path, err);

	if (is_another(r)) {
		log_warning("%s stays: it was changed", path);
		return 0;
	}
	if (r >= 0)
		r = rootfile_read(rootfd, path, ERR_HOST, &f, err);
	if (r < 0 || !text || (f.exists && str_eq(f.text.buf ? f.text.buf : "", text)))
		return r;
	strbuf_puts(&b, text);
	return rootfile_write(rootfd, &f, &b, err);
}

int hostfiles_check(const struct cli *cli, const struct hoststate *s, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	int r = root < 0 ? root : check_loader(root, err);

	if (r == 0)
		r = is_ours(root, cli, s, LD_CONF_D, err);
	if (r >= 0)
		r = is_ours(root, cli, s, PROFILE, err);
	return r < 0 ? r : 0;
}

static void note(const struct cli *cli, struct hoststate *s, int rootfd, const char *path)
{
	cleanup_free char *text = text_of(cli, path);
	char hex[DIGEST_HEX];

	hoststate_note(s, rootfd, path);
	if (text && !strlist_has(&s->digests, digest_of(text, strlen(text), hex)))
		strlist_add(&s->arena, &s->digests, arena_strdup(&s->arena, hex));
}

int hostfiles_apply(const struct cli *cli, struct hoststate *s, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err), cache = -EBADF;
	bool enabled = s->files.n > 0;
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 256];
	int r;

	if (root < 0)
		return root;
	cache = path_open(root, LD_CACHE, O_PATH | O_NOFOLLOW);
	s->cache = enabled ? s->cache : cache == -ENOENT;
	note(cli, s, root, LD_CONF_D);
	note(cli, s, root, PROFILE);
	r = hoststate_write(s, cli, err);
	if (r == 0)
		r = write_file(root, cli, s, LD_CONF_D, err);
	if (r == 0)
		r = write_file(root, cli, s, PROFILE, err);
	if (r < 0 || !enabled)
		return r == 0 ? run_ldconfig(cli, err) : r;
	/* The files are there as before: a program of the host that is missing (in the installer image) stops nothing. */
	if (run_ldconfig(cli, &local) < 0)
		fprintf(stderr, "the loader's cache is as it was: %s\n", err_line(&local, line, sizeof(line)));
	return 0;
}

/* What somebody has made his own stays. */
static int remove_file(int rootfd, const struct cli *cli, const struct hoststate *s, const char *path, struct err *err)
{
	int r = is_ours(rootfd, cli, s, path, err);

	if (is_another(r)) {
		fprintf(stderr, "%s stays: it was changed\n", path);
		return 0;
	}
	return r < 0 ? r : rootfile_remove(rootfd, path, err);
}

int hostfiles_remove(const struct cli *cli, struct hoststate *s, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 256];
	int r = root < 0 ? root : 0;

	for (size_t i = 0; r == 0 && i < s->files.n; i++)
		r = remove_file(root, cli, s, s->files.v[i], err);
	if (r < 0 || !s->files.n)
		return r;
	if ((s->cache ? rootfile_remove(root, LD_CACHE, &local) : run_ldconfig(cli, &local)) < 0)
		fprintf(stderr, "the loader's cache is as it was: %s\n", err_line(&local, line, sizeof(line)));
	return 0;
}
