/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "host/osver.h"
#include "store/build.h"
#include "store/classify.h"
#include "store/digest.h"
#include "store/label.h"
#include "store/view.h"

#define FLATCAR_DIR "opt/nvidia"

/* More exact places first: the first program and the first share file of a name are taken. */
static const char *const library_dirs[] = {
	"usr/lib/x86_64-linux-gnu/nvidia/current",
	"usr/lib/aarch64-linux-gnu/nvidia/current",
	"usr/lib/x86_64-linux-gnu",
	"usr/lib/x86_64-linux-gnu/nvidia/xorg",
	"usr/lib/x86_64-linux-gnu/vdpau",
	"usr/lib/aarch64-linux-gnu",
	"usr/lib/aarch64-linux-gnu/vdpau",
	"usr/lib64",
	"usr/lib64/vdpau",
	"usr/lib64/nvidia/xorg",
	"usr/lib64/xorg/modules/drivers",
	"usr/lib64/xorg/modules/extensions",
	"usr/lib/nvidia/current",
	"usr/lib/xorg/modules/drivers",
	"usr/lib/xorg/modules/extensions",
	"usr/lib",
	"usr/lib/vdpau",
	"usr/lib/i386-linux-gnu/nvidia/current",
	"usr/lib/i386-linux-gnu",
	"usr/lib/i386-linux-gnu/vdpau",
	"usr/lib32",
};
static const char *const program_dirs[] = { "usr/lib/nvidia/current", "usr/bin", "usr/sbin", "opt/bin" };
static const char *const share_dirs[] = {
	"etc/vulkan/icd.d",
	"usr/share/vulkan/icd.d",
	"etc/vulkan/implicit_layer.d",
	"usr/share/vulkan/implicit_layer.d",
	"usr/share/glvnd/egl_vendor.d",
	"usr/share/egl/egl_external_platform.d",
	"usr/share/X11/xorg.conf.d",
	"etc/OpenCL/vendors",
	"usr/share/nvidia/current",
	"usr/share/nvidia",
	"usr/lib/x86_64-linux-gnu/nvidia/current",
	"usr/lib/aarch64-linux-gnu/nvidia/current",
};
static const char *const firmware_dirs[] = { "lib/firmware/nvidia", "usr/lib/firmware/nvidia" };

struct search {
	struct arena arena;
	int root;
	const char *dir;			    /* for messages */
	struct strlist libraries, programs, shares; /* directories below root */
	struct strlist versions;		    /* of libcuda, as found */
	const char *version;
	const struct guard *guard;
	struct build b;
};

static DIR *open_dir(const struct search *s, const char *path)
{
	int fd = path_open(s->root, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		fd_close(fd);
	return d;
}

/* opt/nvidia/<driver>/<kernel>/usr, where Flatcar's own service puts a driver. Our own trees have no usr. */
static void add_flatcar(struct search *s)
{
	DIR *drivers = open_dir(s, FLATCAR_DIR);
	struct dirent *e, *k;

	while (drivers && (e = readdir(drivers))) {
		const char *path = arena_printf(&s->arena, FLATCAR_DIR "/%s", e->d_name);
		DIR *kernels = str_is_version(e->d_name) ? open_dir(s, path) : NULL;

		while (kernels && (k = readdir(kernels))) {
			const char *usr = arena_printf(&s->arena, "%s/%s/usr", path, k->d_name);

			if (!str_is_name(k->d_name) || k->d_name[0] == '.')
				continue;
			strlist_add(&s->arena, &s->libraries, arena_printf(&s->arena, "%s/lib64", usr));
			strlist_add(&s->arena, &s->programs, arena_printf(&s->arena, "%s/bin", usr));
			strlist_add(&s->arena, &s->shares, arena_printf(&s->arena, "%s/share/nvidia", usr));
		}
		if (kernels)
			closedir(kernels);
	}
	if (drivers)
		closedir(drivers);
}

static void add_fixed(struct search *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(library_dirs); i++)
		strlist_add(&s->arena, &s->libraries, library_dirs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(program_dirs); i++)
		strlist_add(&s->arena, &s->programs, program_dirs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(share_dirs); i++)
		strlist_add(&s->arena, &s->shares, share_dirs[i]);
}

/* A regular file of its own: what links lead to is found where it lies. */
static bool is_file(DIR *d, const char *name)
{
	struct stat st;

	return fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static void find_versions(struct search *s)
{
	for (size_t i = 0; i < s->libraries.n; i++) {
		DIR *d = open_dir(s, s->libraries.v[i]);
		struct dirent *e;

		while (d && (e = readdir(d))) {
			const char *version = str_after(e->d_name, "libcuda.so.");

			if (version && strchr(version, '.') && str_is_version(version) && is_file(d, e->d_name) &&
			    !strlist_has(&s->versions, version))
				strlist_add(&s->arena, &s->versions, version);
		}
		if (d)
			closedir(d);
	}
}

static char *join(const struct strlist *l, const char *between)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		strbuf_printf(&b, "%s%s", i ? between : "", l->v[i]);
	return strbuf_steal(&b);
}

static int choose_version(struct search *s, const char *loaded, struct err *err)
{
	cleanup_free char *found = join(&s->versions, " ");

	if (!s->versions.n) {
		cleanup_free char *looked = join(&s->libraries, " ");

		err_set(err, ERR_SOURCE, ENOENT, "no libcuda.so.<driver> below %s/ in %s", s->dir, looked);
		return err_hint(err, "install the driver's user space, or name the root directory that holds it");
	}
	if (loaded && strlist_has(&s->versions, loaded)) {
		s->version = arena_strdup(&s->arena, loaded);
		return 0;
	}
	if (loaded) {
		err_set(err, ERR_SOURCE, 0, "the loaded module is of driver %s, the libraries are of %s", loaded,
			found);
		return err_hint(err, "reboot into the driver that is installed, or install that driver's archives");
	}
	if (s->versions.n > 1) {
		err_set(err, ERR_UNDECIDED, 0, "drivers %s below %s/", found, s->dir);
		return err_hint(err, "load the module of the right one, or take the others away");
	}
	s->version = s->versions.v[0];
	return 0;
}

/* What others may write, or whose setuid bit a link would carry, is copied; a label is the file's, so the host would get it too. */
static bool may_share(const struct search *s, const struct stat *st)
{
	return !s->b.label && st->st_uid == 0 && !(st->st_mode & (S_ISUID | S_ISGID | S_IWGRP | S_IWOTH)) &&
	       (st->st_mode & 0444) == 0444;
}

static int copy_in(struct search *s, int fd, char temp[BUILD_NAME_MAX], struct err *err)
{
	cleanup_fd int out = build_new_file(&s->b, temp, err);
	int r;

	if (out < 0)
		return out;
	r = view_copy(fd, out);
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s/%s", s->b.store, s->b.staging) : 0;
}

static int take(struct search *s, int fd, const char *name, struct err *err)
{
	char temp[BUILD_NAME_MAX], hex[DIGEST_HEX];
	struct build_file f = { .name = name, .temp = temp, .fd = fd, .sha256 = hex };
	struct stat st;
	int r = digest_fd(fd, hex, &f.size);

	if (r < 0 || fstat(fd, &st) < 0)
		return err_set(err, ERR_SOURCE, r < 0 ? -r : errno, "%s", name);
	if (may_share(s, &st)) {
		build_new_name(&s->b, temp);
		f.shared = linkat(fd, "", s->b.in, temp, AT_EMPTY_PATH) == 0;
	}
	if (!f.shared)
		r = copy_in(s, fd, temp, err);
	return r < 0 ? r : build_take(&s->b, &f, err);
}

/* Opens a regular file below the root, through links too. fd, -ENOENT where there is none. */
static int open_file(const struct search *s, const char *dir, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	cleanup_fd int fd = path_open(s->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	return take_fd(fd);
}

static bool is_library(const char *name)
{
	const char *dir;
	size_t stem;

	return str_starts(name, "lib") || classify_xserver(name, &dir, &stem);
}

static int take_libraries(struct search *s, const char *dir, struct err *err)
{
	cleanup_free char *suffix = mem_printf(".so.%s", s->version);
	DIR *d = open_dir(s, dir);
	struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		cleanup_fd int fd = -EBADF;

		if (!is_library(e->d_name) || !is_file(d, e->d_name) ||
		    !(str_ends(e->d_name, suffix) || classify_is_unversioned(e->d_name)))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		r = fd < 0 ? err_set(err, ERR_SOURCE, errno, "%s/%s", dir, e->d_name) : take(s, fd, e->d_name, err);
	}
	if (d)
		closedir(d);
	return r;
}

/* The first of that name; none is no error. */
static int take_first(struct search *s, const struct strlist *dirs, const char *name, struct err *err)
{
	for (size_t i = 0; i < dirs->n; i++) {
		cleanup_fd int fd = open_file(s, dirs->v[i], name);

		if (fd >= 0)
			return take(s, fd, name, err);
	}
	return 0;
}

static int take_firmware(struct search *s, const char *dir, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, s->version);
	DIR *d = open_dir(s, path);
	struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		cleanup_fd int fd = str_ends(e->d_name, ".bin") ? open_file(s, path, e->d_name) : -ENOENT;

		if (fd >= 0)
			r = take(s, fd, e->d_name, err);
	}
	if (d)
		closedir(d);
	return r;
}

static int take_all(struct search *s, struct err *err)
{
	static const char *const profiles[] = { "rc", "key-documentation" };
	const char *name;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->libraries.n; i++)
		r = take_libraries(s, s->libraries.v[i], err);
	for (size_t i = 0; r == 0 && (name = classify_program(i)); i++)
		r = take_first(s, &s->programs, name, err);
	for (size_t i = 0; r == 0 && (name = classify_share(i)); i++)
		r = take_first(s, &s->shares, name, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(profiles); i++) {
		cleanup_free char *profile = mem_printf("nvidia-application-profiles-%s-%s", s->version, profiles[i]);

		r = take_first(s, &s->shares, profile, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(firmware_dirs); i++)
		r = take_firmware(s, firmware_dirs[i], err);
	return r;
}

static int import_tree(struct search *s, struct import_result *ret, const struct config *conf, struct err *err)
{
	struct manifest *m = &s->b.manifest;
	int r = build_begin(&s->b, conf->driver_store, err);

	s->b.guard = s->guard;
	s->b.label = label_for_host(conf->sys_root);

	if (r < 0)
		return r;
	m->driver = arena_strdup(&m->arena, s->version);
	m->os = arena_strdup(&m->arena, ret->os);
	manifest_add_source(m, *s->dir ? s->dir : "/", NULL);
	r = take_all(s, err);
	for (size_t i = 0; i < m->n_files; i++)
		ret->files += !m->files[i].link;
	if (r == 0)
		r = build_finish_driver(&s->b, err);
	if (r == 0)
		r = build_publish(&s->b, ret->driver, ret->os, &ret->already, err);
	return r;
}

int import_run(struct import_result *ret, const struct config *conf, const struct import_from *from, struct err *err)
{
	struct search s = { .arena = ARENA_INIT,
			    .dir = str_eq(from->dir, "/") ? "" : from->dir,
			    .guard = from->guard,
			    .b = BUILD_INIT };
	cleanup_fd int root = fd_open_dir(*s.dir ? s.dir : "/");
	int r = 0;

	*ret = (struct import_result){ .arena = ARENA_INIT };
	if (root < 0)
		return err_set(err, ERR_SOURCE, -root, "%s", s.dir);
	s.root = root;
	add_flatcar(&s);
	add_fixed(&s);
	find_versions(&s);
	r = choose_version(&s, from->loaded, err);
	if (r == 0)
		r = osver_read(&ret->arena, from->host, NULL, &ret->os, err);
	if (r == 0) {
		ret->driver = arena_strdup(&ret->arena, s.version);
		r = import_tree(&s, ret, conf, err);
	}
	build_free(&s.b);
	arena_free(&s.arena);
	return r;
}

void import_free(struct import_result *r)
{
	arena_free(&r->arena);
	*r = (struct import_result){ .arena = ARENA_INIT };
}
