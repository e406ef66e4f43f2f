/* SPDX-License-Identifier: Apache-2.0 */
#include "select.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/str.h"
#include "hostview.h"
#include "host/osver.h"
#include "store/loaded.h"
#include "store/manifest.h"

static int select_cuda(struct cli *cli, struct store *s, const char *version, struct err *err)
{
	int r = store_select_cuda(s, version, err);

	if (r == 0 && !cli->quiet && !cli->json)
		printf("%s/current -> %s\n", s->cuda_path, version);
	return r;
}

/* What was selected is selected: that the host does not see it is said, and another matter. */
static void refresh_host(const struct cli *cli)
{
	struct err err = ERR_INIT;
	char line[ERR_MSG_MAX + 512];

	if (hostview_refresh(cli, &err) == 0)
		return;
	err_line(&err, line, sizeof(line));
	log_warning("what the host itself sees is as it was: %s", line);
	fprintf(stderr, "what the host itself sees is as it was: %s\n", line);
}

int select_tree(struct cli *cli, struct store *s, const struct select_tree *t, struct err *err)
{
	char buf[LOADED_MAX];
	const char *loaded = loaded_driver(cli->conf.proc_root, buf);
	int r;

	if (t->cuda)
		return select_cuda(cli, s, t->cuda, err);
	r = store_select(s, t->driver, t->os, err);
	if (r < 0)
		return r;
	refresh_host(cli);
	if (cli->quiet || cli->json)
		return 0;
	printf("%s/current -> %s/%s\n", s->driver_path, t->driver, t->os);
	if (loaded && !str_eq(loaded, t->driver))
		printf("driver %s is loaded: this takes effect after a reboot, or with 'nvcoreos use --now %s'\n",
		       loaded, t->driver);
	return 0;
}

/* A tree for another OS version is for another boot: it is not made current unless asked for. */
static bool is_for_here(struct cli *cli, struct store *s, const struct select_tree *t)
{
	const char *os;

	return osver_read(&s->arena, cli->root, NULL, &os, NULL) < 0 || str_eq(os, t->os);
}

/* A tree of another machine's files (installed into an image, or by mistake) is not made current unless asked for. */
static bool is_for_machine(const struct store *s, const struct select_tree *t)
{
	cleanup_free char *path = t->cuda ? mem_printf("%s/%s", s->cuda_path, t->cuda)
					  : mem_printf("%s/%s/%s", s->driver_path, t->driver, t->os);
	cleanup_manifest struct manifest m = { .arena = ARENA_INIT };
	struct utsname uts;

	return manifest_load(&m, path, NULL) < 0 || !m.arch || uname(&uts) < 0 || str_eq(m.arch, uts.machine);
}

int select_installed(struct cli *cli, const struct select_tree *t, bool use, struct err *err)
{
	struct store s;
	int r = store_read(&s, &cli->conf, err);

	if (r < 0)
		return r;
	if (use || (is_for_machine(&s, t) && (t->cuda ? !s.current_cuda : !s.current && is_for_here(cli, &s, t))))
		r = select_tree(cli, &s, t, err);
	else if (!cli->quiet && !cli->json &&
		 !(t->cuda ? str_eq(s.current_cuda, t->cuda) : s.selected && str_eq(s.selected, t->driver)))
		printf("to select it: nvcoreos use %s%s%s%s\n", t->cuda ? "cuda/" : t->driver, t->cuda ? t->cuda : "/",
		       t->cuda ? "" : t->os, "");
	store_free(&s);
	return r;
}
