/* SPDX-License-Identifier: Apache-2.0 */
#include "store/label.h"

#include <errno.h>
#include <fts.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/mem.h"

/* container-selinux: what containers may read and execute, and not write. */
#define LABEL "system_u:object_r:container_ro_file_t:s0"

const char *label_for_host(const char *sys_root)
{
	cleanup_free char *enforce = mem_printf("%s/fs/selinux/enforce", sys_root);
	struct stat st;

	return stat(enforce, &st) == 0 ? LABEL : NULL;
}

int label_tree(const char *path, const char *label, struct err *err)
{
	char *roots[] = { (char *)path, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *e;
	int r = 0;

	if (!fts)
		return err_set(err, ERR_STORE, errno, "%s", path);
	while (r == 0 && (e = fts_read(fts))) {
		if (e->fts_info == FTS_DP)
			continue;
		/* With its NUL, as the kernel's own tools write it. */
		if (lsetxattr(e->fts_path, "security.selinux", label, strlen(label) + 1, 0) < 0 && errno != ENOTSUP)
			r = err_set(err, ERR_STORE, errno, "%s: SELinux label", e->fts_path);
	}
	fts_close(fts);
	return r;
}
