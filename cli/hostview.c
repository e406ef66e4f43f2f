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

int hostview_enable(const struct cli *cli, enum hostview_method method, struct err *err)
{
	struct hoststate s;
	int r = hoststate_read(&s, cli, err);

	if (r == 0 && s.method != HOSTVIEW_NONE && s.method != method) {
		hoststate_free(&s);
		r = hostview_disable(cli, err);
		if (r == 0)
			r = hoststate_read(&s, cli, err);
	}
	if (r < 0)
		return r;
	s.method = method;
	r = apply(cli, &s, err);
	hoststate_free(&s);
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
