/* SPDX-License-Identifier: Apache-2.0 */
#include "image_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "image_copy.h"
#include "../rootfile.h"

#define SHARE NVCOREOS_PREFIX "/share/nvcoreos"
#define TOOL NVCOREOS_PREFIX "/bin/nvcoreos"
/* The directories that were made for what is outside PREFIX, one a line. */
#define RECORD "made"
#define CONF NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf"
#define UNIT "nvcoreos.service"
#define UNITS "/etc/systemd/system"
#define WANTS UNITS "/multi-user.target.wants"
#define DOCKER "/etc/docker/daemon.json"

static const char *const link_dirs[] = { "/usr/local/bin", "/opt/bin" };
/* Those that may be missing on a host, parents first. */
static const char *const dirs[] = {
	NVCOREOS_SYSCONFDIR "/nvcoreos", "/etc/docker", "/etc/systemd", UNITS, WANTS, "/usr/local/bin",
};

static bool is_there(int rootfd, const char *path)
{
	cleanup_fd int fd = path_open(rootfd, path, O_PATH);

	return fd >= 0;
}

int image_files_check_root(const char *root, struct err *err)
{
	cleanup_fd int fd = fd_open_dir(root);

	if (fd >= 0 && (is_there(fd, "/etc/os-release") || is_there(fd, "/usr/lib/os-release")))
		return 0;
	err_set(err, ERR_SOURCE, fd < 0 ? -fd : 0, "%s: no root of an operating system", root);
	return err_hint(err, "mount the host's root there: docker run --privileged -v /:%s IMAGE", root);
}

/* A file of ours in the image goes to `path` on the host, unless something stands there. */
static int put_file(int rootfd, const char *from, const char *path, struct err *err)
{
	struct rootfile there;
	struct strbuf text = STRBUF_INIT;
	char *content = NULL;
	size_t len;
	int r = rootfile_read(rootfd, path, ERR_IO, &there, err);

	if (r < 0 || there.exists) {
		rootfile_free(&there);
		return r;
	}
	r = fd_read_file_at(AT_FDCWD, from, 1u << 20, &content, &len);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "%s", from);
	strbuf_add(&text, content, len);
	free(content);
	r = rootfile_write(rootfd, &there, &text, err);
	strbuf_free(&text);
	return r;
}

/* Removes the host's file where it is still what the image's (by now the host's own) copy says. */
static int take_file(int rootfd, const char *copy, const char *path, struct err *err)
{
	struct rootfile ours = { 0 }, there = { 0 };
	int r = rootfile_read(rootfd, copy, ERR_IO, &ours, err);

	if (r == 0)
		r = rootfile_read(rootfd, path, ERR_IO, &there, err);
	if (r == 0 && there.exists) {
		if (ours.exists && ours.text.len == there.text.len &&
		    memcmp(ours.text.buf, there.text.buf, there.text.len) == 0)
			r = rootfile_remove(rootfd, path, err);
		else
			printf("%s stays: it was changed\n", path);
	}
	rootfile_free(&ours);
	rootfile_free(&there);
	return r;
}

static int put_link(int rootfd, const char *path, const char *target, struct err *err)
{
	cleanup_free char *there = rootfile_target(rootfd, path);

	/* A program of somebody's is not ours to replace. */
	if (there && !str_eq(there, target)) {
		printf("%s stays as it is: it is not ours\n", path);
		return 0;
	}
	return there ? 0 : rootfile_link(rootfd, path, target, err);
}

static int take_link(int rootfd, const char *path, const char *target, struct err *err)
{
	cleanup_free char *there = rootfile_target(rootfd, path);

	return there && str_eq(there, target) ? rootfile_remove(rootfd, path, err) : 0;
}

static int put_outside(int rootfd, struct err *err)
{
	const char *bin = rootfile_can_make(rootfd, link_dirs[0]) ? link_dirs[0] : link_dirs[1];
	cleanup_free char *link = mem_printf("%s/nvcoreos", bin);
	int r = put_file(rootfd, SHARE "/nvcoreos.conf", CONF, err);

	if (r == 0)
		r = put_link(rootfd, link, TOOL, err);
	if (r < 0 || (!is_there(rootfd, "/usr/lib/systemd/system") && !is_there(rootfd, "/lib/systemd/system")))
		return r;
	r = put_file(rootfd, SHARE "/systemd/" UNIT, UNITS "/" UNIT, err);
	return r < 0 ? r : put_link(rootfd, WANTS "/" UNIT, UNITS "/" UNIT, err);
}

/* The directories that are not there yet, to be taken away again; what an earlier run has noted stays noted. */
static char *record_of(int rootfd, const char *before)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "%s", before);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		cleanup_free char *line = mem_printf("%s\n", dirs[i]);

		if (!is_there(rootfd, dirs[i]) && !strstr(text.buf ? text.buf : "", line))
			strbuf_printf(&text, "%s", line);
	}
	return text.buf ? text.buf : mem_strdup("");
}

int image_files_install(const char *root, struct err *err)
{
	cleanup_fd int rootfd = rootfile_open_root(root, err);
	struct rootfile before;
	cleanup_free char *record = NULL;
	int r;

	if (rootfd < 0)
		return rootfd;
	r = rootfile_read(rootfd, NVCOREOS_PREFIX "/" RECORD, ERR_IO, &before, err);
	if (r < 0)
		return r;
	record = record_of(rootfd, before.text.len ? before.text.buf : "");
	rootfile_free(&before);
	/* The record first: what is made after it can always be undone. */
	r = image_copy_prefix(rootfd, NVCOREOS_PREFIX, RECORD, record, err);
	return r < 0 ? r : put_outside(rootfd, err);
}

/* Deepest first; one that holds something by now stays. */
static void remove_dirs(int rootfd, const char *record)
{
	for (size_t i = ARRAY_SIZE(dirs); i-- > 0;) {
		cleanup_free char *line = mem_printf("%s\n", dirs[i]);
		char parent[PATH_MAX];
		cleanup_fd int dir = -EBADF;

		if (!strstr(record, line) || path_parent(dirs[i], parent, sizeof(parent)) < 0)
			continue;
		dir = path_open(rootfd, parent, O_PATH | O_DIRECTORY);
		if (dir >= 0 && unlinkat(dir, path_base(dirs[i]), AT_REMOVEDIR) < 0 && errno != ENOENT)
			printf("%s stays: %s\n", dirs[i], strerror(errno));
	}
}

int image_files_uninstall(const char *root, struct err *err)
{
	cleanup_fd int rootfd = rootfile_open_root(root, err);
	struct rootfile record = { 0 };
	int r = rootfd < 0 ? rootfd : rootfile_read(rootfd, NVCOREOS_PREFIX "/" RECORD, ERR_IO, &record, err);

	if (r == 0)
		r = take_link(rootfd, WANTS "/" UNIT, UNITS "/" UNIT, err);
	if (r == 0)
		r = take_file(rootfd, SHARE "/systemd/" UNIT, UNITS "/" UNIT, err);
	if (r == 0)
		r = take_file(rootfd, SHARE "/nvcoreos.conf", CONF, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(link_dirs); i++) {
		cleanup_free char *link = mem_printf("%s/nvcoreos", link_dirs[i]);

		r = take_link(rootfd, link, TOOL, err);
	}
	if (r == 0)
		remove_dirs(rootfd, record.text.len ? record.text.buf : "");
	rootfile_free(&record);
	return r < 0 ? r : image_copy_remove(rootfd, NVCOREOS_PREFIX, err);
}

bool image_files_has_view(const char *root)
{
	cleanup_fd int rootfd = fd_open_dir(root);
	struct rootfile f = { 0 };
	bool there = rootfd >= 0 &&
		     rootfile_read(rootfd, NVCOREOS_SYSCONFDIR "/nvcoreos/host.json", ERR_HOST, &f, NULL) == 0 &&
		     f.exists;

	rootfile_free(&f);
	return there;
}

bool image_files_has_engine(const char *root)
{
	cleanup_fd int rootfd = fd_open_dir(root);
	struct rootfile f = { 0 };
	bool ours = rootfd >= 0 && rootfile_read(rootfd, DOCKER, ERR_ENGINE, &f, NULL) == 0 && f.text.len &&
		    strstr(f.text.buf, NVCOREOS_PREFIX "/bin/nvcoreos-runtime");

	rootfile_free(&f);
	return ours;
}
