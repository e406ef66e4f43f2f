/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define NAMED_MAX 5

struct search {
	const char *proc_root;
	const uint32_t *majors;
	size_t n_majors, found;
	struct strbuf names;
};

static bool holds(const struct search *s, const char *pid)
{
	cleanup_free char *path = mem_printf("%s/%s/fd", s->proc_root, pid);
	DIR *d = opendir(path);
	const struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) < 0 || !S_ISCHR(st.st_mode))
			continue;
		for (size_t i = 0; i < s->n_majors; i++)
			found |= major(st.st_rdev) == s->majors[i];
	}
	if (d)
		closedir(d);
	return found;
}

static void add(struct search *s, const char *pid)
{
	cleanup_free char *path = mem_printf("%s/%s/comm", s->proc_root, pid), *comm = NULL;
	size_t len;

	if (s->found++ >= NAMED_MAX)
		return;
	if (fd_read_file_at(AT_FDCWD, path, 64, &comm, &len) < 0)
		comm = mem_strdup("process");
	comm[strcspn(comm, "\n")] = '\0';
	strbuf_printf(&s->names, "%s%s (%s)", s->found > 1 ? ", " : "", comm, pid);
}

int users_check(const char *proc_root, const uint32_t *majors, size_t n, struct err *err)
{
	struct search s = { .proc_root = proc_root, .majors = majors, .n_majors = n, .names = STRBUF_INIT };
	DIR *d = opendir(proc_root);
	const struct dirent *e;
	uint64_t pid;
	int r = 0;

	if (!d)
		return err_set(err, ERR_HOST, errno, "%s", proc_root);
	while ((e = readdir(d)))
		if (str_to_u64(e->d_name, UINT32_MAX, &pid) == 0 && holds(&s, e->d_name))
			add(&s, e->d_name);
	closedir(d);
	if (s.found) {
		err_set(err, ERR_BUSY, EBUSY, "GPUs are in use by %s%s", s.names.buf,
			s.found > NAMED_MAX ? ", ..." : "");
		r = err_hint(err,
			     "end them (a persistence daemon: 'systemctl stop nvidia-persistenced'), then try again");
	}
	strbuf_free(&s.names);
	return r;
}
