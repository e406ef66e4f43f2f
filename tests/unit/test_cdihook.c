/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of nvidia-cdi-hook do to a root, which is a tmpfs, with libraries mounted into it as engines do it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/cdilinks.h"
#include "apply/cdiloader.h"
#include "apply/cdimode.h"
#include "apply/cdiproc.h"
#include "apply/ldcache.h"
#include "base/fd.h"
#include "base/path.h"
#include "sandbox.h"
#include "tap.h"

#define LIB "/usr/lib/test"

/* All here runs in children, whose exit status has to tell what did not hold. */
static bool held = true;

static bool keep(bool ok)
{
	held &= ok;
	return ok;
}
#undef CHECK
#undef CHECK_INT
#undef CHECK_STR
#define CHECK(expr) keep(tap_check(!!(expr), __FILE__, __LINE__, #expr))
#define CHECK_INT(got, want) keep(tap_check_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got))
#define CHECK_STR(got, want) keep(tap_check_str((got), (want), __FILE__, __LINE__, #got))

/* A directory of the host's, made before a child begins its test. */
static const char *outside;

/* The code under test leaves no capability; a test's own mounts need them. */
static int attach(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	struct err err = ERR_INIT;

	return caps_restore(&err) < 0 ? -1 : mount(source, target, type, flags, data);
}

static int detach(const char *target)
{
	struct err err = ERR_INIT;

	return caps_restore(&err) < 0 ? -1 : umount(target);
}

struct root {
	struct container c;
	struct spec spec;
	struct rootfacts facts;
	struct err err;
	char dir[256];
};

static char *below(const struct root *r, const char *path)
{
	return mem_printf("%s%s", r->dir, path);
}

static void look(struct root *r)
{
	const struct rootfacts_ask none = { 0 };

	rootfacts_free(&r->facts);
	CHECK_INT(rootfacts_collect(&r->facts, r->c.rootfd, &r->spec, &none, &r->err), 0);
}

/* A root with glibc's loader, an ldconfig and an empty /etc. */
static bool open_root(struct root *r, const char *dir)
{
	*r = (struct root){ .c = CONTAINER_INIT };
	snprintf(r->dir, sizeof(r->dir), "%s", dir);
	if (!CHECK(attach("tmpfs", dir, "tmpfs", 0, NULL) == 0))
		return false;
	tap_write(dir, "lib64/ld-linux-x86-64.so.2", "");
	tap_write(dir, "lib/ld-linux-aarch64.so.1", "");
	tap_write(dir, "sbin/ldconfig", "");
	tap_write(dir, "etc/passwd", "");
	spec_init(&r->spec);
	if (!CHECK_INT(container_here(&r->c, dir, &r->err), 0))
		return false;
	look(r);
	return true;
}

static void close_root(struct root *r)
{
	rootfacts_free(&r->facts);
	spec_free(&r->spec);
	container_close(&r->c);
	CHECK_INT(caps_restore(&r->err), 0);
}

static bool reads(const struct root *r, const char *path, const char *want)
{
	cleanup_free char *full = below(r, path), *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, full, 65536, &text, &len) == 0 && CHECK_STR(text, want);
}

static bool links(const struct root *r, const char *path, const char *want)
{
	cleanup_free char *full = below(r, path);
	char text[256];
	ssize_t n = readlink(full, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return CHECK_STR(text, want);
}

/* A library of this program's own, of the one whose SONAME is libjansson.so.4. */
static char *some_library(void)
{
	cleanup_free char *maps = NULL;
	char *at, *end;
	size_t len;

	if (fd_read_file_at(AT_FDCWD, "/proc/self/maps", 1 << 20, &maps, &len) < 0 ||
	    !(at = strstr(maps, "/libjansson.so.4")))
		return NULL;
	end = at + strcspn(at, "\n");
	while (at > maps && at[-1] != ' ')
		at--;
	return mem_strndup(at, (size_t)(end - at));
}

/* Mounts a file of the host over one that is made for it. */
static bool mount_at(const struct root *r, const char *source, const char *path)
{
	cleanup_free char *full = below(r, path);

	tap_write(r->dir, path + 1, "");
	return CHECK(attach(source, full, NULL, MS_BIND, NULL) == 0);
}

/* The path of the entry for a SONAME in the root's cache, "" where there is none. The caller frees it. */
static char *cached(const struct root *r, const char *soname)
{
	cleanup_free char *full = below(r, ROOTFACTS_CACHE), *data = NULL;
	char *found = NULL;
	struct ldcache cache = { 0 };
	size_t len = 0;

	if (fd_read_file_at(AT_FDCWD, full, LDCACHE_MAX, &data, &len) < 0)
		return mem_strdup("");
	ldcache_parse(&cache, data, len);
	for (size_t i = 0; i < cache.n_entries && !found; i++)
		if (str_eq(cache.entries[i]->soname, soname))
			found = mem_strdup(cache.entries[i]->path);
	ldcache_free(&cache);
	return found ? found : mem_strdup("");
}

static int make_links(const char *dir)
{
	static const struct cdilinks_link rows[] = {
		{ "libcuda.so.1", "/usr/lib/libcuda.so" },
		{ "/etc/shadow", "/usr/lib/absolute" },
		{ "../../../../etc/shadow", "/usr/lib/up" },
		{ "x", "/mounted" },
		{ "new", "/old" },
		{ "x", "/etc/volume/in" },
		{ "../card0", "/dev/dri/by-path/pci-card" },
	};
	struct root r;
	struct stat st;
	cleanup_free char *etc = mem_printf("%s/etc", dir), *old = mem_printf("%s/old", dir),
			  *volume = mem_printf("%s/etc/volume", dir), *dev = mem_printf("%s/dev", dir);

	if (!open_root(&r, dir))
		return 1;
	CHECK(symlink("before", old) == 0 && mkdir(volume, 0755) == 0 && mkdir(dev, 0755) == 0);
	CHECK(attach("tmpfs", volume, "tmpfs", 0, NULL) == 0);
	CHECK(mount_at(&r, "/dev/null", "/mounted"));
	for (int i = 0; i < 2; i++)
		CHECK_INT(cdilinks_make(&r.c, rows, ARRAY_SIZE(rows), 0, &r.err), 0);
	CHECK_INT(r.err.code, ERR_NONE);
	links(&r, "/usr/lib/libcuda.so", "libcuda.so.1");
	links(&r, "/usr/lib/absolute", "/etc/shadow");
	links(&r, "/usr/lib/up", "../../../../etc/shadow");
	links(&r, "/old", "new");
	links(&r, "/mounted", "");
	links(&r, "/etc/volume/in", "");
	links(&r, "/dev/dri/by-path/pci-card", "../card0");
	/* A directory is nobody's to replace. */
	CHECK(cdilinks_make(&r.c, &(struct cdilinks_link){ "x", "/etc" }, 1, 0, &r.err) < 0);
	CHECK_INT(r.err.code, ERR_WRITE);
	CHECK(lstat(etc, &st) == 0 && S_ISDIR(st.st_mode));
	close_root(&r);
	return held ? 0 : 1;
}

TEST(links_are_made_where_the_root_is_the_containers_own)
{
	in_mount_namespace(make_links, tap_tmpdir());
}

static const char *const folders[] = { LIB, "/nowhere", "/etc/passwd" };

static int update(struct root *r)
{
	const struct strlist list = { (const char **)folders, ARRAY_SIZE(folders) };
	struct cdiloader l;
	int result = cdiloader_look(&l, &r->c, &list, &r->err);

	if (result == 0)
		result = cdiloader_update(&l, &r->c, &r->facts, &r->err);
	cdiloader_free(&l);
	look(r);
	return result;
}

#define CACHED(soname, want) \
	do { \
		cleanup_free char *got = cached(&r, soname); \
		CHECK_STR(got, want); \
	} while (0)

static int update_twice(const char *dir)
{
	cleanup_free char *library = some_library(), *broken = mem_printf("%s/broken", dir);
	char head[4096] = "";
	struct root r;

	if (!library)
		return SANDBOX_SKIP;
	if (!open_root(&r, dir))
		return 1;
	CHECK(mount_at(&r, library, LIB "/libjansson.so.99"));
	/* What is the image's own, what is damaged, and what is no library. */
	cleanup_free char *copy = mem_printf("cp %s %s" LIB "/libown.so.1", library, dir);
	CHECK(system(copy) == 0);
	cleanup_fd int from = open(library, O_RDONLY | O_CLOEXEC),
		       to = open(broken, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(read(from, head, sizeof(head)) == sizeof(head) && write(to, head, sizeof(head)) == sizeof(head));
	CHECK(mount_at(&r, broken, LIB "/libbroken.so.1"));
	CHECK(mount_at(&r, "/dev/null", LIB "/libdevice.so.1"));
	CHECK(mount_at(&r, "/etc/passwd", LIB "/libtext.so.1"));
	for (int i = 0; i < 2; i++) {
		CHECK_INT(update(&r), 0);
		reads(&r, CDILOADER_FILE,
		      "# Written by nvcoreos; replaced at each start.\n" LIB "\n/nowhere\n/etc/passwd\n");
		reads(&r, ROOTFACTS_CONF, "include /etc/ld.so.conf.d/*.conf\n");
		links(&r, LIB "/libjansson.so.4", "libjansson.so.99");
		CACHED("libjansson.so.4", LIB "/libjansson.so.99");
		CACHED("libown.so.1", "");
		CACHED("libbroken.so.1", "");
		CACHED("libdevice.so.1", "");
		CACHED("libtext.so.1", "");
	}
	close_root(&r);
	return held ? 0 : 1;
}

TEST(mounted_libraries_are_found_by_the_loader)
{
	in_mount_namespace(update_twice, tap_tmpdir());
}

/* Gives the root a cache that says where one library is. */
static void write_cache(const struct root *r, const char *soname, const char *path)
{
	struct ldcache cache = { .found = LDCACHE_NONE };
	struct ldcache_entry entry = { .flags = ldcache_flags(64, 62), .soname = soname, .path = path };
	const struct ldcache_change change = { .first = &entry, .n_first = 1 };
	cleanup_free char *data = NULL, *full = below(r, ROOTFACTS_CACHE);
	size_t len;

	ldcache_merge(&cache, &change);
	ldcache_write(&cache, &data, &len);
	ldcache_free(&cache);
	cleanup_fd int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK_INT(fd_write_all(fd, data, len), 0);
}

/* A folder of the image's own search path keeps its place in it; by what it is, as /lib may be a link to it. */
static int keep_the_order(const char *dir)
{
	cleanup_free char *library = some_library(), *lib = mem_printf("%s/link", dir);
	struct root r;

	if (!library)
		return SANDBOX_SKIP;
	if (!open_root(&r, dir))
		return 1;
	CHECK(mount_at(&r, library, LIB "/libjansson.so.99"));
	CHECK(symlink("usr/lib/test", lib) == 0);
	write_cache(&r, "libimage.so.1", "/link/libimage.so.1");
	CHECK_INT(update(&r), 0);
	reads(&r, CDILOADER_FILE, "# Written by nvcoreos; replaced at each start.\n/nowhere\n/etc/passwd\n");
	CACHED("libimage.so.1", "/link/libimage.so.1");
	CACHED("libjansson.so.4", LIB "/libjansson.so.99");
	/* The driver's wins over the image's of the same SONAME. */
	write_cache(&r, "libjansson.so.4", "/link/libjansson.so.4.0");
	CHECK_INT(update(&r), 0);
	CACHED("libjansson.so.4", LIB "/libjansson.so.99");
	close_root(&r);
	return held ? 0 : 1;
}

TEST(a_folder_that_is_searched_keeps_its_place)
{
	in_mount_namespace(keep_the_order, tap_tmpdir());
}

static int hostile_etc(const char *dir)
{
	cleanup_free char *library = some_library(), *conf_d = mem_printf("%s/etc/ld.so.conf.d", dir),
			  *etc = mem_printf("%s/etc", dir), *cache = mem_printf("%s/etc/ld.so.cache", dir),
			  *canary = mem_printf("%s/canary", outside);
	struct root r;
	struct stat st;

	if (!library)
		return SANDBOX_SKIP;
	if (!open_root(&r, dir))
		return 1;
	CHECK(mount_at(&r, library, LIB "/libjansson.so.99"));
	/* Links that would lead out: they are resolved below the root, where nothing of that name is. */
	CHECK(mkdir(canary, 0755) == 0 && symlink(canary, conf_d) == 0 && symlink(canary, cache) == 0);
	look(&r);
	CHECK_INT(update(&r), 0);
	CHECK(rmdir(canary) == 0);
	CHECK(lstat(cache, &st) == 0 && S_ISREG(st.st_mode));
	CACHED("libjansson.so.4", LIB "/libjansson.so.99");
	/* A volume over /etc is left alone, and a start goes on. */
	CHECK(attach("tmpfs", etc, "tmpfs", 0, NULL) == 0);
	look(&r);
	CHECK_INT(update(&r), 0);
	CHECK(rmdir(conf_d) < 0 && errno == ENOENT && access(cache, F_OK) < 0);
	CHECK(detach(etc) == 0);
	CHECK(unlink(cache) == 0 && mkdir(cache, 0755) == 0);
	look(&r);
	CHECK_INT(update(&r), 0);
	CHECK(rmdir(cache) == 0);
	close_root(&r);
	return held ? 0 : 1;
}

TEST(whatever_etc_is_nothing_is_written_elsewhere)
{
	outside = tap_tmpdir();
	in_mount_namespace(hostile_etc, tap_tmpdir());
}

static int no_glibc(const char *dir)
{
	cleanup_free char *one = mem_printf("%s/lib64/ld-linux-x86-64.so.2", dir),
			  *two = mem_printf("%s/lib/ld-linux-aarch64.so.1", dir),
			  *conf_d = mem_printf("%s/etc/ld.so.conf.d", dir);
	struct root r;

	if (!open_root(&r, dir))
		return 1;
	CHECK(unlink(one) == 0 && unlink(two) == 0);
	look(&r);
	CHECK_INT(update(&r), 0);
	CHECK_INT(cdiloader_name_compat(&r.c, &r.facts, "/compat", &r.err), 0);
	CHECK(access(conf_d, F_OK) < 0);
	close_root(&r);
	return held ? 0 : 1;
}

TEST(a_root_without_glibc_is_left_alone)
{
	in_mount_namespace(no_glibc, tap_tmpdir());
}

/* The image's own libraries, one of them called as the driver's newest is. */
static int use_compat(const char *dir)
{
	cleanup_free char *library = some_library(), *compat = mem_printf("%s/compat", dir),
			  *real = mem_printf("%s/compat/libcuda.so.575.57.08", dir),
			  *older = mem_printf("%s/compat/libcuda.so.550.1", dir),
			  *soname = mem_printf("%s/compat/libcuda.so.1", dir),
			  *copy = mem_printf("cp %s %s && cp %s %s", library, real, library, older);
	struct cdilibs libs = { .n = 0 };
	const char *version = NULL;
	struct root r;

	if (!library)
		return SANDBOX_SKIP;
	if (!open_root(&r, dir))
		return 1;
	CHECK(mkdir(compat, 0755) == 0 && system(copy) == 0);
	CHECK(symlink("libcuda.so.575.57.08", soname) == 0);
	CHECK(mount_at(&r, library, LIB "/libcuda.so.535.261.03"));
	CHECK_INT(cdiloader_find_compat(&libs, &r.c, "/compat", &version, &r.err), 0);
	CHECK_STR(version ? version : "", "575.57.08");
	CHECK_INT(libs.n, 2);
	cdilibs_free(&libs);
	CHECK_INT(cdiloader_find_compat(&libs, &r.c, "/lib64", &version, &r.err), 0);
	CHECK(!version);
	cdilibs_free(&libs);
	/* None before: none is made. */
	CHECK_INT(cdiloader_name_compat(&r.c, &r.facts, NULL, &r.err), 0);
	CHECK_INT(update(&r), 0);
	CACHED("libjansson.so.4", LIB "/libcuda.so.535.261.03");
	CHECK_INT(cdiloader_name_compat(&r.c, &r.facts, "/compat", &r.err), 0);
	reads(&r, CDILOADER_COMPAT_FILE, "# Written by nvcoreos; replaced at each start.\n/compat\n");
	CHECK_INT(update(&r), 0);
	CACHED("libjansson.so.4", "/compat/libcuda.so.575.57.08");
	/* The host has a newer driver now. */
	CHECK_INT(cdiloader_name_compat(&r.c, &r.facts, NULL, &r.err), 0);
	reads(&r, CDILOADER_COMPAT_FILE, "# Written by nvcoreos; replaced at each start.\n");
	CHECK_INT(update(&r), 0);
	CACHED("libjansson.so.4", LIB "/libcuda.so.535.261.03");
	close_root(&r);
	return held ? 0 : 1;
}

TEST(compatibility_libraries_of_the_image_stand_first)
{
	in_mount_namespace(use_compat, tap_tmpdir());
}

static unsigned mode_of(const struct root *r, const char *path)
{
	cleanup_free char *full = below(r, path);
	struct stat st = { 0 };

	return stat(full, &st) == 0 ? st.st_mode & 07777 : 0;
}

static int set_modes(const char *dir)
{
	static const char *const paths[] = { "/own", "/nowhere", "/link", "/file", "/up/own", "/volume", "/dev/dri" };
	const struct strlist list = { (const char **)paths, ARRAY_SIZE(paths) };
	cleanup_free char *link = mem_printf("%s/link", dir), *up = mem_printf("%s/up", dir),
			  *target = mem_printf("%s/target", dir), *volume = mem_printf("%s/volume", dir),
			  *dev = mem_printf("%s/dev", dir), *dri = mem_printf("%s/dev/dri", dir),
			  *own = mem_printf("%s/own", dir);
	struct root r;
	uint64_t own_dev = 0;

	if (!open_root(&r, dir))
		return 1;
	CHECK(mkdir(own, 0700) == 0 && mkdir(volume, 0700) == 0 && mkdir(dev, 0755) == 0 && mkdir(target, 0700) == 0);
	tap_write(dir, "file", "");
	CHECK(symlink("target", link) == 0 && symlink("../../../../..", up) == 0);
	CHECK(attach("tmpfs", volume, "tmpfs", 0, "mode=0700") == 0 && attach("tmpfs", dev, "tmpfs", 0, NULL) == 0);
	CHECK(mkdir(dri, 0700) == 0);
	CHECK_INT(cdimode_set(&r.c, &list, 0755, 0, &r.err), 0);
	CHECK_INT(mode_of(&r, "/own"), 0755);
	CHECK_INT(mode_of(&r, "/target"), 0700);
	CHECK_INT(mode_of(&r, "/file"), 0644);
	CHECK_INT(mode_of(&r, "/volume"), 0700);
	CHECK_INT(mode_of(&r, "/dev/dri"), 0700);
	cleanup_fd int fd = path_open(r.c.rootfd, "/dev", O_PATH);

	CHECK_INT(path_mount_id(fd, &own_dev), 0);
	CHECK_INT(cdimode_set(&r.c, &list, 0711, own_dev, &r.err), 0);
	CHECK_INT(mode_of(&r, "/dev/dri"), 0711);
	CHECK_INT(mode_of(&r, "/volume"), 0700);
	close_root(&r);
	return held ? 0 : 1;
}

TEST(modes_are_set_of_directories_of_the_containers_own)
{
	in_mount_namespace(set_modes, tap_tmpdir());
}

static bool open_host(struct hostroot *host, struct config *conf, const char *dir, struct err *err)
{
	cleanup_free char *text = NULL;

	tap_write(dir, "proc/driver/nvidia/version",
		  "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Sat Jun 14 09:12:31 UTC 2025\n");
	tap_write(dir, "proc/driver/nvidia/params", "ModifyDeviceFiles: 1\n");
	tap_write(
		dir, "proc/driver/nvidia/gpus/0000:01:00.0/information",
		"Model: \t\t A\nGPU UUID: \t GPU-00000000-1d2e-3f40-5162-738495a6b7c8\nBus Location: \t 0000:01:00.0\nDevice Minor: \t 0\n");
	tap_write(dir, "proc/devices", "Character devices:\n195 nvidia-frontend\n510 nvidia-caps\n511 nvidia-uvm\n");
	tap_write(dir, "sys/x", "");
	tap_write(dir, "dev/x", "");
	text = mem_printf("proc-root=%s/proc\nsys-root=%s/sys\ndev-root=%s/dev\nrun-dir=%s/run\n", dir, dir, dir, dir);
	config_init(conf);
	return CHECK_INT(config_parse(conf, "conf", text, strlen(text), err), 0) &&
	       CHECK_INT(hostroot_open(host, conf, err), 0);
}

/* This kernel's /proc has no directory of the driver's: another of its own stands there. */
static int show_proc(const char *dir)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	cleanup_free char *proc = mem_printf("%s/proc", dir), *driver = mem_printf("%s/proc/driver", dir),
			  *nvidia = mem_printf("%s/proc/driver/nvidia", dir);
	struct spec_node node = { 195, 0 };
	struct config conf;
	struct root r;
	int tree;

	if (!open_root(&r, dir) || !open_host(&host, &conf, outside, &r.err))
		return 1;
	r.spec.nodes = &node;
	r.spec.n_nodes = 1;
	/* No procfs, and then one without the directory: nothing to do. */
	CHECK(mkdir(proc, 0755) == 0 && mkdir(driver, 0755) == 0 && mkdir(nvidia, 0755) == 0);
	CHECK_INT(cdiproc_build(&r.c, &host, &r.spec, &r.err), -ENOENT);
	CHECK_INT(r.err.code, ERR_NONE);
	CHECK(attach("/proc", proc, NULL, MS_BIND, NULL) == 0 && attach("tmpfs", driver, "tmpfs", 0, NULL) == 0);
	CHECK(mkdir(nvidia, 0755) == 0 && attach("/proc/tty", nvidia, NULL, MS_BIND, NULL) == 0);
	tree = cdiproc_build(&r.c, &host, &r.spec, &r.err);
	if (CHECK(tree >= 0)) {
		CHECK_INT(cdiproc_show(&r.c, tree, &r.err), 0);
		CHECK(reads(&r, "/proc/driver/nvidia/params", "ModifyDeviceFiles: 0\n"));
		CHECK_INT(mode_of(&r, "/proc/driver/nvidia/gpus/0000:01:00.0"), 0755);
		/* Once is enough, and what is covered is none of the kernel's. */
		CHECK_INT(cdiproc_build(&r.c, &host, &r.spec, &r.err), -ENOENT);
		CHECK(cdiproc_show(&r.c, tree, &r.err) < 0);
		CHECK_INT(r.err.code, ERR_TARGET);
	}
	fd_close(tree);
	CHECK(detach(nvidia) == 0);
	/* Without its node, the GPU is not there. */
	r.spec.n_nodes = 0;
	tree = cdiproc_build(&r.c, &host, &r.spec, &r.err);
	CHECK(tree >= 0 && cdiproc_show(&r.c, tree, &r.err) == 0);
	CHECK_INT(mode_of(&r, "/proc/driver/nvidia/gpus/0000:01:00.0"), 0);
	fd_close(tree);
	r.spec.nodes = NULL;
	config_free(&conf);
	close_root(&r);
	return held ? 0 : 1;
}

TEST(proc_is_shown_with_the_containers_gpus_alone)
{
	outside = tap_tmpdir();
	in_mount_namespace(show_proc, tap_tmpdir());
}

static int shared_proc(const char *dir)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	cleanup_free char *proc = mem_printf("%s/proc", dir), *driver = mem_printf("%s/proc/driver", dir),
			  *nvidia = mem_printf("%s/proc/driver/nvidia", dir);
	struct config conf;
	struct root r;
	int tree;

	if (!open_root(&r, dir) || !open_host(&host, &conf, outside, &r.err))
		return 1;
	CHECK(mkdir(proc, 0755) == 0 && attach("/proc", proc, NULL, MS_BIND, NULL) == 0);
	CHECK(attach("tmpfs", driver, "tmpfs", 0, NULL) == 0);
	CHECK(mkdir(nvidia, 0755) == 0 && attach("/proc/tty", nvidia, NULL, MS_BIND, NULL) == 0);
	CHECK(attach(NULL, nvidia, NULL, MS_SHARED, NULL) == 0);
	tree = cdiproc_build(&r.c, &host, &r.spec, &r.err);
	CHECK(tree >= 0);
	/* What is mounted on it would be seen wherever it is shared with. */
	CHECK(cdiproc_show(&r.c, tree, &r.err) < 0);
	CHECK_INT(r.err.code, ERR_FOREIGN_MOUNT);
	fd_close(tree);
	config_free(&conf);
	close_root(&r);
	return held ? 0 : 1;
}

TEST(nothing_is_mounted_where_it_would_be_seen_outside)
{
	outside = tap_tmpdir();
	in_mount_namespace(shared_proc, tap_tmpdir());
}
