/* SPDX-License-Identifier: Apache-2.0 */
#include "host/osver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "conf/keyval.h"

#define OS_RELEASE_MAX (256u << 10)
#define OS_RELEASE "os-release"

struct release {
	struct arena *a;
	const char *id, *version_id, *ostree_version;
};

static int take_assignment(void *data, const char *key, const char *value, unsigned line, struct err *err)
{
	struct release *rel = data;
	const char **field = NULL;

	(void)line;
	(void)err;
	if (str_eq(key, "ID"))
		field = &rel->id;
	else if (str_eq(key, "VERSION_ID"))
		field = &rel->version_id;
	else if (str_eq(key, "OSTREE_VERSION"))
		field = &rel->ostree_version;
	if (field)
		*field = *value ? arena_strdup(rel->a, value) : NULL;
	return 0;
}

/* The name of a directory and of archives is made of it, so every byte that such a name may not have is replaced. */
static int make_name(char *raw, struct arena *a, const char **ret, struct err *err)
{
	for (char *p = raw; *p; p++) {
		char one[] = { *p, '\0' };

		if (*p != '.' && !str_is_name(one))
			*p = '_';
	}
	if (!str_is_name(raw))
		return err_set(err, ERR_HOST, 0, "OS version '%s' of %s makes no name of 64 bytes at most", raw,
			       OS_RELEASE);
	*ret = arena_strdup(a, raw);
	return 0;
}

int osver_parse(struct arena *a, const char *text, size_t len, const char *kernel, const char **ret, struct err *err)
{
	struct release rel = { .a = a };
	cleanup_free char *name = NULL;
	struct utsname uts;
	int r;

	r = keyval_parse(OS_RELEASE, text, len, take_assignment, &rel, err);
	if (r < 0) {
		if (err)
			err->code = ERR_HOST;
		return r;
	}
	if (rel.id && (str_eq(rel.id, "flatcar") || str_eq(rel.id, "coreos"))) {
		if (!rel.version_id)
			return err_set(err, ERR_HOST, 0, "%s of %s has no VERSION_ID", OS_RELEASE, rel.id);
		name = mem_strdup(rel.version_id);
		return make_name(name, a, ret, err);
	}
	if (rel.ostree_version) {
		name = mem_strdup(rel.ostree_version);
		return make_name(name, a, ret, err);
	}
	if (!kernel) {
		if (uname(&uts) < 0)
			return err_set(err, ERR_HOST, errno, "uname");
		kernel = uts.release;
	}
	name = mem_printf("%s-%s%s%s", rel.id ? rel.id : "linux", rel.version_id ? rel.version_id : "",
			  rel.version_id ? "-" : "", kernel);
	return make_name(name, a, ret, err);
}

/* Inside the root, because --root may name another host's whose links are absolute; this host's for AT_FDCWD. */
static int read_release(int rootfd, const char *path, char **ret, size_t *ret_len)
{
	cleanup_fd int fd = -EBADF;
	struct stat st;

	if (rootfd == AT_FDCWD)
		return fd_read_file_at(AT_FDCWD, path, OS_RELEASE_MAX, ret, ret_len);
	fd = path_open(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return fd_read_sized(fd, st.st_size, OS_RELEASE_MAX, ret, ret_len);
}

int osver_read(struct arena *a, const char *root, const char *kernel, const char **ret, struct err *err)
{
	static const char *const places[] = { "/etc/os-release", "/usr/lib/os-release" };
	cleanup_fd int rootfd = *root ? fd_open_dir(root) : AT_FDCWD;
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = -ENOENT;

	if (*root && rootfd < 0)
		return err_set(err, ERR_HOST, -rootfd, "%s", root);
	for (size_t i = 0; i < ARRAY_SIZE(places) && r == -ENOENT; i++) {
		r = read_release(rootfd, places[i], &text, &len);
		if (r < 0 && r != -ENOENT)
			return err_set(err, r == -ENOSYS ? ERR_KERNEL : ERR_HOST, -r, "%s%s", root, places[i]);
	}
	if (r < 0) {
		err_set(err, ERR_HOST, -r, "%s/etc/os-release and %s/usr/lib/os-release", root, root);
		return err_hint(err, "the host must have one of them");
	}
	return osver_parse(a, text, len, kernel, ret, err);
}
