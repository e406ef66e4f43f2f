/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `configure` on a root directory of the test's own. */
#ifndef NVCOREOS_TEST_CONFIGURE_HOST_H
#define NVCOREOS_TEST_CONFIGURE_HOST_H

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "../../cli/cli.h"
#include "tap.h"

#define RUNTIME NVCOREOS_PREFIX "/bin/nvcoreos-runtime"

struct host {
	struct cli cli;
	const char *dir;
	struct err err;
};

static void host_init(struct host *h)
{
	/* Below a test's root, so without its slash. */
	static const char *const runtime = RUNTIME;

	*h = (struct host){ .dir = tap_tmpdir(), .err = ERR_INIT };
	h->cli = (struct cli){ .root = h->dir, .quiet = true };
	config_init(&h->cli.conf);
	tap_write(h->dir, runtime + 1, "");
}

#define RUN(h, ...) run(h, (const char *[]){ "configure", __VA_ARGS__, NULL })
static int run(struct host *h, const char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	h->err = (struct err)ERR_INIT;
	return verb_configure(&h->cli, argc, (char **)argv, &h->err);
}

/* What stands at this path below the root; valid until the next call. */
static const char *content(const struct host *h, const char *path)
{
	static char buf[8192];
	cleanup_free char *full = mem_printf("%s%s", h->dir, path), *text = NULL;
	size_t len;

	if (fd_read_file_at(AT_FDCWD, full, sizeof(buf) - 1, &text, &len) < 0)
		return "absent";
	memcpy(buf, text, len + 1);
	return buf;
}

#endif
