/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hostroot.h"

#include <errno.h>

#include "base/fd.h"

static int open_one(int *ret, const char *path, struct err *err)
{
	*ret = fd_open_dir(path);
	if (*ret >= 0)
		return 0;
	return err_set(err, ERR_HOST, -*ret, "%s", path);
}

static int open_all(struct hostroot *h, const struct config *conf, struct err *err)
{
	int r = open_one(&h->proc, conf->proc_root, err);

	if (r == 0)
		r = open_one(&h->sys, conf->sys_root, err);
	if (r == 0)
		r = open_one(&h->dev, conf->dev_root, err);
	if (r < 0)
		return r;
	h->run = fd_open_dir(conf->run_dir);
	if (h->run == -ENOENT)
		h->run = -EBADF;
	else if (h->run < 0)
		return err_set(err, ERR_HOST, -h->run, "%s", conf->run_dir);
	return 0;
}

int hostroot_open(struct hostroot *ret, const struct config *conf, struct err *err)
{
	int r;

	*ret = (struct hostroot)HOSTROOT_INIT;
	r = open_all(ret, conf, err);
	if (r < 0)
		hostroot_close(ret);
	return r;
}

void hostroot_close(struct hostroot *h)
{
	fd_close(h->proc);
	fd_close(h->sys);
	fd_close(h->dev);
	fd_close(h->run);
	*h = (struct hostroot)HOSTROOT_INIT;
}
