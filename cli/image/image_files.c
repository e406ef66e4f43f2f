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
#define UNITS "/etc/systemd/system"
#define WANTS UNITS "/multi-user.target.wants"
#define KUBELET UNITS "/kubelet.service.d"
#define GENERATORS "/etc/systemd/system-generators"
#define GENERATOR NVCOREOS_PREFIX "/libexec/nvcoreos/nvcoreos-generator"
#define GENERATOR_LINK GENERATORS "/nvcoreos-generator"
#define DOCKER "/etc/docker/daemon.json"

static const char *const link_dirs[] = { "/usr/local/bin", "/opt/bin" };
/* Those that may be missing on a host, parents first. */
static const char *const dirs[] = {
	NVCOREOS_SYSCONFDIR "/nvcoreos",
	CONF ".d",
	"/etc/docker",
	"/etc/containerd",
	"/etc/containerd/conf.d",
	"/etc/crio",
	"/etc/crio/crio.conf.d",
	"/etc/containers",
	"/etc/containers/containers.conf.d",
	"/etc/systemd",
	UNITS,
	WANTS,
	KUBELET,
	GENERATORS,
	"/etc/sysusers.d",
	"/etc/tmpfiles.d",
	"/etc/udev",
	"/etc/udev/rules.d",
	"/usr/local/bin",
};

enum need { NEED_NOTHING, NEED_SYSTEMD, NEED_NO_OTHER };

/* What a host gets: files of SHARE, and the links that enable them. */
static const struct placed {
	const char *from, *to, *wants;
	enum need need; /* NEED_NO_OTHER: systemd, and no unit of that name from whoever made the host */
} files[] = {
	{ "nvcoreos.conf", CONF, NULL, NEED_NOTHING },
	{ "systemd/nvcoreos.service", UNITS "/nvcoreos.service", WANTS "/nvcoreos.service", NEED_SYSTEMD },
	{ "systemd/nvcoreos-nodes@.service", UNITS "/nvcoreos-nodes@.service", NULL, NEED_SYSTEMD },
	{ "systemd/nvidia-persistenced.service", UNITS "/nvidia-persistenced.service",
	  WANTS "/nvidia-persistenced.service", NEED_NO_OTHER },
	{ "systemd/nvidia-fabricmanager.service", UNITS "/nvidia-fabricmanager.service",
	  WANTS "/nvidia-fabricmanager.service", NEED_NO_OTHER },
	{ "systemd/kubelet.service.d/10-nvcoreos.conf", KUBELET "/10-nvcoreos.conf", NULL, NEED_SYSTEMD },
	{ "sysusers.d/nvcoreos.conf", "/etc/sysusers.d/nvcoreos.conf", NULL, NEED_SYSTEMD },
	{ "tmpfiles.d/nvcoreos.conf", "/etc/tmpfiles.d/nvcoreos.conf", NULL, NEED_SYSTEMD },
	{ "udev/70-nvcoreos.rules", "/etc/udev/rules.d/70-nvcoreos.rules", NULL, NEED_SYSTEMD },
};
static const char *const unit_dirs[] = { "/usr/lib/systemd/system", "/lib/systemd/system" };

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

/* A file of ours in the image goes to `path` on the host. */
static int put_file(int rootfd, const char *from, const char *path, struct err *err)
{
	struct rootfile there;
	struct strbuf text = STRBUF_INIT;
	char *content = NULL;
	size_t len;
	int r = rootfile_read(rootfd, path, ERR_IO, &there, err);

	if (r == 0) {
		r = fd_read_file_at(AT_FDCWD, from, 1u << 20, &content, &len);
		r = r < 0 ? err_set(err, ERR_IO, -r, "%s", from) : 0;
	}
	if (r == 0) {
		strbuf_add(&text, content, len);
		r = rootfile_write(rootfd, &there, &text, err);
	}
	free(content);
	strbuf_free(&text);
	rootfile_free(&there);
	return r;
}

enum state { STATE_ABSENT, STATE_OURS, STATE_CHANGED };

/* What stands at `path`: a file that is still what the host's own copy in SHARE says, or another. enum state, or -errno. */
static int state_of(int rootfd, const struct placed *f, struct err *err)
{
	cleanup_free char *copy = mem_printf(SHARE "/%s", f->from);
	cleanup_free char *target = rootfile_target(rootfd, f->to);
	struct rootfile ours = { 0 }, there = { 0 };
	int r;

	/* A link: the operator has masked the unit, or put his own there. */
	if (target && *target)
		return STATE_CHANGED;
	r = rootfile_read(rootfd, copy, ERR_IO, &ours, err);
	if (r == 0)
		r = rootfile_read(rootfd, f->to, ERR_IO, &there, err);
	if (r == 0 && there.exists)
		r = ours.exists && ours.text.len == there.text.len &&
				    memcmp(ours.text.buf, there.text.buf, there.text.len) == 0
			    ? STATE_OURS
			    : STATE_CHANGED;
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

static bool is_wanted(int rootfd, const struct placed *f)
{
	bool systemd = false, other = false;

	for (size_t i = 0; i < ARRAY_SIZE(unit_dirs); i++) {
		cleanup_free char *unit = mem_printf("%s/%s", unit_dirs[i], path_base(f->to));

		systemd = systemd || is_there(rootfd, unit_dirs[i]);
		other = other || is_there(rootfd, unit);
	}
	return f->need == NEED_NOTHING || (systemd && (f->need == NEED_SYSTEMD || !other));
}

/* `states`: what stood there before this run, so that only files which nobody changed are replaced by newer ones. */
static int put_files(int rootfd, const int *states, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		const struct placed *f = &files[i];
		cleanup_free char *from = mem_printf(SHARE "/%s", f->from);

		if (states[i] == STATE_CHANGED || !is_wanted(rootfd, f))
			continue;
		/* Enabled when it comes, and before it is there, so that a run that is cut off does both again; later that is the
		 * operator's. */
		if (states[i] == STATE_ABSENT && f->wants)
			r = put_link(rootfd, f->wants, f->to, err);
		if (r == 0)
			r = put_file(rootfd, from, f->to, err);
	}
	return r;
}

static int take_files(int rootfd, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(files); i++) {
		const struct placed *f = &files[i];

		r = f->wants ? take_link(rootfd, f->wants, f->to, err) : 0;
		if (r == 0)
			r = state_of(rootfd, f, err);
		if (r == STATE_OURS)
			r = rootfile_remove(rootfd, f->to, err);
		else if (r == STATE_CHANGED)
			printf("%s stays: it was changed\n", f->to);
	}
	return r < 0 ? r : 0;
}

static int put_outside(int rootfd, const int *states, struct err *err)
{
	const char *bin = rootfile_can_make(rootfd, link_dirs[0]) ? link_dirs[0] : link_dirs[1];
	cleanup_free char *link = mem_printf("%s/nvcoreos", bin);
	int r = put_files(rootfd, states, err);

	if (r == 0)
		r = put_link(rootfd, link, TOOL, err);
	if (r == 0 && is_there(rootfd, UNITS "/nvcoreos.service"))
		r = put_link(rootfd, GENERATOR_LINK, GENERATOR, err);
	return r;
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
	int states[ARRAY_SIZE(files)], r = 0;

	if (rootfd < 0)
		return rootfd;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		r = states[i] = state_of(rootfd, &files[i], err);
		if (r < 0)
			return r;
	}
	r = rootfile_read(rootfd, NVCOREOS_PREFIX "/" RECORD, ERR_IO, &before, err);
	if (r < 0)
		return r;
	record = record_of(rootfd, before.text.len ? before.text.buf : "");
	rootfile_free(&before);
	/* The record first: what is made after it can always be undone. */
	r = image_copy_prefix(rootfd, NVCOREOS_PREFIX, RECORD, record, err);
	return r < 0 ? r : put_outside(rootfd, states, err);
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
		r = take_link(rootfd, GENERATOR_LINK, GENERATOR, err);
	if (r == 0)
		r = take_files(rootfd, err);
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

const char *const image_files_engines[] = { "docker", "containerd", "crio", "podman", NULL };

/* Where an engine may name a runtime, and what `nvcoreos configure` makes beside. */
static const struct {
	const char *engine, *file, *dir, *policy, *memory;
} known[] = {
	{ "docker", DOCKER, NULL, "50-default-runtime.conf", "/etc/docker/.daemon.json.nvcoreos-was" },
	{ "containerd", "/etc/containerd/config.toml", "/etc/containerd/conf.d", "50-default-runtime-containerd.conf",
	  NULL },
	{ "crio", "/etc/crio/crio.conf", "/etc/crio/crio.conf.d", "50-default-runtime-crio.conf", NULL },
	{ "podman", "/etc/containers/containers.conf", "/etc/containers/containers.conf.d",
	  "50-default-runtime-podman.conf", NULL },
};

static bool names_runtime(int rootfd, const char *path)
{
	struct rootfile f = { 0 };
	bool ours = rootfd >= 0 && rootfile_read_through(rootfd, path, ERR_ENGINE, &f, NULL) == 0 && f.text.len &&
		    strstr(f.text.buf, NVCOREOS_PREFIX "/bin/nvcoreos-runtime");

	rootfile_free(&f);
	return ours;
}

/* Adds the files of known[i] that name our runtime. */
static void list_named(int rootfd, size_t i, struct arena *a, struct strlist *ret)
{
	struct strlist names = { 0 };

	if (names_runtime(rootfd, known[i].file))
		strlist_add(a, ret, known[i].file);
	if (!known[i].dir || rootfd < 0 || rootfile_names(rootfd, known[i].dir, a, &names, NULL) < 0)
		return;
	for (size_t n = 0; n < names.n; n++) {
		const char *path = arena_printf(a, "%s/%s", known[i].dir, names.v[n]);

		if (names_runtime(rootfd, path))
			strlist_add(a, ret, path);
	}
}

bool image_files_has_engine(const char *root, const char *engine)
{
	cleanup_fd int rootfd = fd_open_dir(root);
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist named = { 0 };
	bool left = false;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!str_eq(known[i].engine, engine))
			continue;
		list_named(rootfd, i, &a, &named);
		left = is_there(rootfd, arena_printf(&a, CONF ".d/%s", known[i].policy)) ||
		       (known[i].memory && is_there(rootfd, known[i].memory));
	}
	return named.n || left;
}

void image_files_tell_engine(const char *root, const char *engine)
{
	cleanup_fd int rootfd = fd_open_dir(root);
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist named = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(known[i].engine, engine))
			list_named(rootfd, i, &a, &named);
	for (size_t i = 0; i < named.n; i++)
		printf("%s still names nvcoreos-runtime, which is gone then: take it out by hand\n", named.v[i]);
}
