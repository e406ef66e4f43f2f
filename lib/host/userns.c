/* SPDX-License-Identifier: Apache-2.0 */
#include "host/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* The kernel gives its first user namespace this inode, as part of its interface (linux/nsfs.h, USER_NS_INIT_INO). */
#define FIRST_INO 0xEFFFFFFDU
/* The kernel takes 340 lines. */
#define MAP_MAX (64u << 10)

bool userns_is_first(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) < 0 || st.st_ino == FIRST_INO;
}

static int map_line(const char *line, uint64_t ret[3])
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist words = { 0 };

	strlist_split(&a, &words, line, " \t", false);
	if (words.n != 3)
		return -EINVAL;
	for (size_t i = 0; i < 3; i++)
		if (str_to_u64(words.v[i], UINT32_MAX, &ret[i]) < 0)
			return -EINVAL;
	return 0;
}

int userns_map_root(const char *text, uint32_t *ret)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist lines = { 0 };
	uint64_t v[3];

	strlist_split(&a, &lines, text, "\n", false);
	for (size_t i = 0; i < lines.n; i++) {
		if (map_line(lines.v[i], v) < 0)
			return -EINVAL;
		if (v[0] == 0 && v[2] > 0) {
			*ret = (uint32_t)v[1];
			return 0;
		}
	}
	return -EINVAL;
}

static int read_map(pid_t pid, const char *name, uint32_t *ret, struct err *err)
{
	cleanup_free char *path = mem_printf("/proc/%d/%s", (int)pid, name);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, path, MAP_MAX, &text, &len);

	if (r < 0)
		return err_set(err, ERR_NAMESPACE, -r, "%s", path);
	if (userns_map_root(text, ret) == 0)
		return 0;
	err_set(err, ERR_NAMESPACE, 0, "%s does not map 0", path);
	return err_hint(err, "give the container's user namespace a root");
}

int userns_root_of(pid_t pid, uint32_t *ret_uid, uint32_t *ret_gid, struct err *err)
{
	cleanup_free char *path = mem_printf("/proc/%d/ns/user", (int)pid);
	struct stat theirs, ours;
	int r;

	*ret_uid = *ret_gid = 0;
	/* A kernel without user namespaces has no such file: then everybody has the same. */
	if (stat("/proc/self/ns/user", &ours) < 0)
		return errno == ENOENT ? 0 : err_set(err, ERR_NAMESPACE, errno, "/proc/self/ns/user");
	if (stat(path, &theirs) < 0)
		return err_set(err, ERR_NAMESPACE, errno, "%s", path);
	if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
		return 0;
	/* Read from here the second column is in our own ids, however the namespaces are nested. */
	r = read_map(pid, "uid_map", ret_uid, err);
	return r < 0 ? r : read_map(pid, "gid_map", ret_gid, err);
}
