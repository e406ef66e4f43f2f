/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos host: the host itself sees the driver, or no longer. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli.h"
#include "hostview.h"
#include "protect.h"
#include "store/repair.h"

static int parse_method(const char *word, enum hostview_method *ret)
{
	*ret = str_eq(word, "ldconf") ? HOSTVIEW_LDCONF : str_eq(word, "overlay") ? HOSTVIEW_OVERLAY : HOSTVIEW_NONE;
	return *ret == HOSTVIEW_NONE ? -EINVAL : 0;
}

static int run(struct cli *cli, bool enable, enum hostview_method method, struct err *err)
{
	const struct guard guard = protect_guard(cli);
	cleanup_fd int lock = repair_lock(&cli->conf, cli->root, &guard, err);
	int r;

	if (lock < 0)
		return lock;
	r = enable ? hostview_enable(cli, method, err) : hostview_disable(cli, err);
	if (r == 0 && !cli->quiet && !cli->json)
		printf("the host %s the driver%s\n", enable ? "sees" : "no longer sees",
		       method == HOSTVIEW_OVERLAY && enable
			       ? ", until the next boot: 'nvcoreos load' puts it there again"
			       : "");
	return r;
}

int verb_host(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "method", required_argument, NULL, 'm' }, { 0 } };
	enum hostview_method method = HOSTVIEW_LDCONF;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'm')
			return err_set(err, ERR_USAGE, 0, "host %s", argv[optind - 1]);
		if (parse_method(optarg, &method) < 0)
			return err_set(err, ERR_USAGE, 0, "host --method %s: ldconf or overlay", optarg);
	}
	if (argc - optind != 1 || !(str_eq(argv[optind], "enable") || str_eq(argv[optind], "disable")))
		return err_set(err, ERR_USAGE, 0, "host: enable or disable");
	return run(cli, str_eq(argv[optind], "enable"), method, err);
}
