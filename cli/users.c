/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define NAMED_MAX 5
#define COMM_MAX 15

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

/* The kernel cuts a name off, and "nvidia-persiste" is no name of a unit; the program's file has the whole one. */
static const char *whole_name(const struct search *s, const char *pid, const char *comm, char exe[PATH_MAX])
{
	cleanup_free char *path = mem_printf("%s/%s/exe", s->proc_root, pid);
	ssize_t n = strlen(comm) < COMM_MAX ? 0 : readlink(path, exe, PATH_MAX - 1);
	const char *slash;

	if (n <= 0)
		return comm;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	return slash && str_starts(slash + 1, comm) ? slash + 1 : comm;
}

static void add(struct search *s, const char *pid)
{
	cleanup_free char *path = mem_printf("%s/%s/comm", s->proc_root, pid), *comm = NULL;
	char exe[PATH_MAX];
	size_t len;

	if (s->found++ >= NAMED_MAX)
		return;
	if (fd_read_file_at(AT_FDCWD, path, 64, &comm, &len) < 0)
		comm = mem_strdup("process");
	comm[strcspn(comm, "\n")] = '\0';
	strbuf_printf(&s->names, "%s%s (%s)", s->found > 1 ? ", " : "", whole_name(s, pid, comm, exe), pid);
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
