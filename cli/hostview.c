/* SPDX-License-Identifier: Apache-2.0 */
#include "hostview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hostfiles.h"
#include "hostoverlay.h"
#include "hoststate.h"
#include "rootfile.h"

static int apply(const struct cli *cli, struct hoststate *s, struct err *err)
{
	return s->method == HOSTVIEW_OVERLAY ? hostoverlay_apply(cli, s, err) : hostfiles_apply(cli, s, err);
}

int hostview_disable(const struct cli *cli, struct err *err)
{
	struct hoststate s;
	int r = hoststate_read(&s, cli, err);

	if (r == 0)
		r = hostoverlay_remove(cli, &s, err);
	if (r == 0)
		r = hostfiles_remove(cli, &s, err);
	if (r == 0)
		r = hoststate_forget(&s, cli, err);
	hoststate_free(&s);
	return r;
}

/* Whether the method can do here, before another one that works is given up. */
static int check(const struct cli *cli, struct hoststate *s, enum hostview_method method, struct err *err)
{
	return method == HOSTVIEW_OVERLAY ? hostoverlay_check(cli, s, err) : hostfiles_check(cli, s, err);
}

static int change(const struct cli *cli, struct hoststate *s, struct err *err)
{
	int r = hostview_disable(cli, err);

	hoststate_free(s);
	return r == 0 ? hoststate_read(s, cli, err) : r;
}

int hostview_enable(const struct cli *cli, enum hostview_method method, struct err *err)
{
	struct err unused = ERR_INIT;
	struct hoststate s;
	int r = hoststate_read(&s, cli, err);
	bool was = s.method == method;

	if (r == 0)
		r = check(cli, &s, method, err);
	if (r == 0 && s.method != HOSTVIEW_NONE && !was)
		r = change(cli, &s, err);
	if (r < 0) {
		hoststate_free(&s);
		return r;
	}
	s.method = method;
	r = apply(cli, &s, err);
	hoststate_free(&s);
	/* Half of it is no use, and was not there before. */
	if (r < 0 && !was && hostview_disable(cli, &unused) < 0)
		log_warning("what was made of it stays: 'nvcoreos host disable' removes it");
	return r;
}

int hostview_refresh(const struct cli *cli, struct err *err)
{
	struct hoststate s;
	int r = hoststate_read(&s, cli, err);

	if (r == 0 && s.method != HOSTVIEW_NONE)
		r = apply(cli, &s, err);
	hoststate_free(&s);
	return r;
}
