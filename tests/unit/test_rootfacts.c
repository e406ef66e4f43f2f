/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rootfacts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "fake_root.h"
#include "tap.h"

TEST(empty_root)
{
	static const char *const all[] = {
		ROOTFACTS_NVIDIA, ROOTFACTS_CUDA, ROOTFACTS_CONF_D, ROOTFACTS_CONF, ROOTFACTS_CACHE,
	};
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	REQUIRE(collect(&f) == 0);
	CHECK(f.facts.known && !f.facts.has_cuda && !f.facts.compat && !f.facts.dev_mount);
	CHECK_INT(f.facts.libc, ROOTFACTS_NO_LIBC);
	CHECK_INT(f.facts.n_paths, ARRAY_SIZE(all));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct rootfacts_path *p = rootfacts_get(&f.facts, all[i]);

		REQUIRE(p);
		CHECK_INT(p->kind, ROOTFACTS_ABSENT);
		CHECK(p->on_root && !p->volume && !p->resolves_to_dir);
	}
	CHECK(!rootfacts_get(&f.facts, "/usr"));
}

static const struct {
	const char *path;
	enum rootfacts_kind kind;
	bool to_dir;
} kinds[] = {
	{ "/k/dir", ROOTFACTS_DIR, true },
	{ "/k//./dir/", ROOTFACTS_DIR, true },
	{ "/k/file", ROOTFACTS_FILE, false },
	{ "/k/link-to-dir", ROOTFACTS_LINK, true },
	{ "/k/link-to-host-etc", ROOTFACTS_LINK, false },
	{ "/k/link-out", ROOTFACTS_LINK, true },
	{ "/k/link-ours", ROOTFACTS_LINK_OURS, false },
	{ "/k/link-nearly-ours", ROOTFACTS_LINK, false },
	{ "/k/link-ours-itself", ROOTFACTS_LINK, false },
	{ "/k/fifo", ROOTFACTS_OTHER, false },
	{ "/k/none", ROOTFACTS_ABSENT, false },
	{ "/k/none/at/all", ROOTFACTS_ABSENT, false },
	{ "/k/link-to-dir/in", ROOTFACTS_FILE, false },
	{ "/k/link-to-dir/none", ROOTFACTS_ABSENT, false },
	{ "/k/file/below", ROOTFACTS_BLOCKED, false },
	{ "/k/file/below/more", ROOTFACTS_BLOCKED, false },
	{ "/k/fifo/below", ROOTFACTS_BLOCKED, false },
	{ "/k/loop", ROOTFACTS_LINK, false },
	{ "/k/loop/below", ROOTFACTS_BLOCKED, false },
	{ "/k/link-to-host-etc/below", ROOTFACTS_BLOCKED, false },
	{ "/k/link-to-host-etc/below/more", ROOTFACTS_BLOCKED, false },
	{ "/", ROOTFACTS_DIR, true },
};

TEST(kinds_of_paths)
{
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	add_dir(&f, "k/dir");
	tap_write(f.dir, "k/file", "x");
	tap_write(f.dir, "k/dir/in", "x");
	add_link(&f, "dir", "k/link-to-dir");
	/* Absolute: a directory of the host, but not of this root. */
	add_link(&f, "/etc", "k/link-to-host-etc");
	add_link(&f, "../../../../../../../k/dir", "k/link-out");
	add_link(&f, "/usr/local/nvidia/bin/nvidia-smi", "k/link-ours");
	add_link(&f, "/usr/local/nvidia-old/bin/x", "k/link-nearly-ours");
	add_link(&f, "/usr/local/nvidia", "k/link-ours-itself");
	add_link(&f, "loop", "k/loop");
	REQUIRE(mkfifoat(f.root, "k/fifo", 0600) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		ask(&f, kinds[i].path);
	ask(&f, "/k/dir");
	REQUIRE(collect(&f) == 0);
	CHECK_INT(f.facts.n_paths, ARRAY_SIZE(kinds) + 5);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct rootfacts_path *p = rootfacts_get(&f.facts, kinds[i].path);

		REQUIRE(p);
		if (!CHECK_INT(p->kind, kinds[i].kind) || !CHECK_INT(p->resolves_to_dir, kinds[i].to_dir))
			printf("# %s\n", p->path);
		CHECK(p->on_root && !p->volume);
	}
}

/* The image's own symlinks into procfs lead nowhere, whoever's process they would name. */
TEST(magic_links)
{
	static const char *const paths[] = { "/proc/self/root/etc", "/proc/self/fd/0/x", "/proc/self/cwd/x" };
	cleanup_fd int host = fd_open_dir("/");
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	REQUIRE(host >= 0);
	fd_close(f.root);
	f.root = take_fd(host);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		ask(&f, paths[i]);
	REQUIRE(collect(&f) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		CHECK_INT(rootfacts_get(&f.facts, paths[i])->kind, ROOTFACTS_BLOCKED);
	CHECK_STR(rootfacts_get(&f.facts, paths[0])->volume, "another mount");
}

TEST(refused)
{
	struct fixture f cleanup_fixture;
	char deep[5000];

	make_fixture(&f);
	for (unsigned i = 0; i < 256; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/p%u", i);
		ask(&f, path);
	}
	CHECK_INT(collect(&f), 0);
	ask(&f, "/one/more");
	CHECK_INT(collect(&f), -E2BIG);
	CHECK_INT(f.err.code, ERR_ROOTFS);
	CHECK(!f.facts.paths);
	f.ask.paths.n = 0;
	ask(&f, "relative");
	CHECK_INT(collect(&f), -EINVAL);
	CHECK_INT(f.err.code, ERR_ROOTFS);
	f.ask.paths.n = 0;
	for (size_t i = 0; i < sizeof(deep) - 1; i++)
		deep[i] = i % 2 ? 'a' : '/';
	deep[sizeof(deep) - 1] = '\0';
	ask(&f, deep);
	CHECK_INT(collect(&f), -ENAMETOOLONG);
	f.ask.paths.n = 0;
	/* A component that no file system takes can be resolved by nobody. */
	memset(deep, 'a', 300);
	deep[0] = '/';
	deep[300] = '\0';
	ask(&f, deep);
	REQUIRE(collect(&f) == 0);
	CHECK_INT(rootfacts_get(&f.facts, deep)->kind, ROOTFACTS_BLOCKED);
	f.ask.paths.n = 0;
	fd_close(f.root);
	f.root = -EBADF;
	CHECK_INT(collect(&f), -EBADF);
	CHECK_INT(f.err.code, ERR_ROOTFS);
	f.root = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_INT(collect(&f), -ENOTDIR);
	CHECK_INT(f.err.code, ERR_ROOTFS);
}

static const struct {
	const char *file[2], *link[2]; /* link: target, path */
	enum rootfacts_libc want;
} libcs[] = {
	{ { "lib64/ld-linux-x86-64.so.2" }, { 0 }, ROOTFACTS_GLIBC },
	{ { "usr/lib64/ld-linux-x86-64.so.2" }, { "usr/lib64", "lib64" }, ROOTFACTS_GLIBC },
	{ { "lib/ld-linux-aarch64.so.1" }, { 0 }, ROOTFACTS_GLIBC },
	{ { "lib/ld-linux.so.2" }, { 0 }, ROOTFACTS_GLIBC },
	{ { "lib/ld-musl-x86_64.so.1" }, { 0 }, ROOTFACTS_MUSL },
	{ { "lib/ld-musl-aarch64.so.1" }, { 0 }, ROOTFACTS_MUSL },
	/* Alpine with a glibc shim; a distribution with musl for cross-building beside its own. */
	{ { "lib/ld-musl-x86_64.so.1", "lib64/ld-linux-x86-64.so.2" }, { 0 }, ROOTFACTS_MUSL },
	{ { "usr/lib/musl/libc.so", "lib64/ld-linux-x86-64.so.2" },
	  { "/usr/lib/musl/libc.so", "lib/ld-musl-x86_64.so.1" },
	  ROOTFACTS_GLIBC },
	{ { "lib64/ld-linux-x86-64.so.2/dir" }, { 0 }, ROOTFACTS_NO_LIBC },
	{ { "x" }, { "/lib64/ld-linux-x86-64.so.2", "ld" }, ROOTFACTS_NO_LIBC },
	/* The cache is glibc's, wherever its loader is. */
	{ { "etc/ld.so.cache" }, { 0 }, ROOTFACTS_GLIBC },
	{ { "etc/ld.so.cache/dir" }, { 0 }, ROOTFACTS_NO_LIBC },
	{ { "etc/ld.so.cache", "lib/ld-musl-x86_64.so.1" }, { 0 }, ROOTFACTS_GLIBC },
	/* A loader that leads to the host's, were it followed from there. */
	{ { "lib64/x" }, { "/proc/self/exe", "lib64/ld-linux-x86-64.so.2" }, ROOTFACTS_NO_LIBC },
};

TEST(c_libraries)
{
	for (size_t i = 0; i < ARRAY_SIZE(libcs); i++) {
		struct fixture f cleanup_fixture;

		make_fixture(&f);
		for (size_t k = 0; k < 2 && libcs[i].file[k]; k++)
			tap_write(f.dir, libcs[i].file[k], "x");
		if (libcs[i].link[0]) {
			add_dir(&f, "lib");
			add_link(&f, libcs[i].link[0], libcs[i].link[1]);
		}
		REQUIRE(collect(&f) == 0);
		if (!CHECK_INT(f.facts.libc, libcs[i].want))
			printf("# row %zu\n", i);
	}
}

TEST(ldconfig_without_conf)
{
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	add_dir(&f, "sbin");
	add_link(&f, "/usr/sbin/ldconfig", "sbin/ldconfig");
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.lacks_conf);
	tap_write(f.dir, "usr/sbin/ldconfig", "x");
	REQUIRE(collect(&f) == 0);
	CHECK(f.facts.lacks_conf);
	set_mounts(&f, "{\"destination\":\"/etc\",\"type\":\"bind\",\"source\":\"/etc\"}");
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.lacks_conf);
	set_mounts(&f, "");
	tap_write(f.dir, "etc/ld.so.conf", "x");
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.lacks_conf);
}

static const struct {
	const char *dir, *file, *link[2];
	bool want;
} toolkits[] = {
	{ "usr/local/cuda", NULL, { 0 }, false },
	{ "usr/local/cuda/bin", NULL, { 0 }, false },
	{ "usr/local/cuda/lib64", NULL, { 0 }, true },
	{ "usr/local/cuda/targets", NULL, { 0 }, true },
	{ NULL, "usr/local/cuda/bin/nvcc", { 0 }, true },
	{ NULL, "usr/local/cuda/version.json", { 0 }, true },
	{ NULL, "usr/local/cuda/version.txt", { 0 }, true },
	{ NULL, "usr/local/cuda/compat/libcuda.so.550.54.14", { 0 }, false },
	{ NULL, "usr/local/cuda", { 0 }, false },
	{ "usr/local/cuda-12.4/targets", NULL, { 0 }, true },
	{ "usr/local/cuda-12.4", NULL, { 0 }, false },
	{ "usr/local/cuda-12.4/compat", NULL, { "cuda-12.4", "usr/local/cuda" }, false },
	{ NULL, "usr/local/cudax/version.txt", { 0 }, false },
	{ "usr/local", "opt/cuda/version.json", { "/opt/cuda", "usr/local/cuda" }, true },
	{ "usr/local", NULL, { "/opt/none", "usr/local/cuda" }, false },
	{ "usr/local", NULL, { "cuda", "usr/local/cuda" }, false },
	/* The host has this; the root does not. */
	{ "usr/local", NULL, { "../../../../../../../../../usr/lib", "usr/local/cuda" }, false },
	{ "usr/local/cuda", NULL, { "/none", "usr/local/cuda/lib64" }, false },
};

TEST(toolkits_of_images)
{
	for (size_t i = 0; i < ARRAY_SIZE(toolkits); i++) {
		struct fixture f cleanup_fixture;

		make_fixture(&f);
		if (toolkits[i].dir)
			add_dir(&f, toolkits[i].dir);
		if (toolkits[i].file)
			tap_write(f.dir, toolkits[i].file, "x");
		if (toolkits[i].link[0])
			add_link(&f, toolkits[i].link[0], toolkits[i].link[1]);
		REQUIRE(collect(&f) == 0);
		if (!CHECK_INT(f.facts.has_cuda, toolkits[i].want))
			printf("# row %zu\n", i);
	}
}

/* Where only what /usr/local/cuda leads to is asked for. */
TEST(toolkit_at_its_place)
{
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	f.ask.cuda = false;
	add_dir(&f, "usr/local/cuda-12.4/targets");
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.has_cuda);
	add_link(&f, "cuda-12.4", "usr/local/cuda");
	REQUIRE(collect(&f) == 0);
	CHECK(f.facts.has_cuda);
	/* What is there may be a part of the other: the loader's cache is not to lose it. */
	REQUIRE(unlinkat(f.root, "usr/local/cuda", 0) == 0);
	add_dir(&f, "usr/local/cuda/extras");
	REQUIRE(collect(&f) == 0);
	CHECK(f.facts.has_cuda);
}

TEST(forward_compatibility)
{
	static const char *const files[] = {
		"libcuda.so.535.54.03", "libcuda.so.550.54.14", "libcuda.so.99.1",   "libcuda.so.1",
		"libcuda.so",		"libcuda.so.999.x",	"libcuda.so.999.1.", "libnvidia.so.999.1",
		"libcuda.so.998..1",	"xlibcuda.so.999.1",
	};
	struct fixture f cleanup_fixture;
	char path[200];

	make_fixture(&f);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "usr/local/cuda-12.4/compat/%s", files[i]);
		tap_write(f.dir, path, "x");
	}
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.compat);
	add_link(&f, "/usr/local/cuda-12.4", "usr/local/cuda");
	REQUIRE(collect(&f) == 0);
	CHECK_STR(f.facts.compat, "550.54.14");
	/* Newer in name, but no file in this root. */
	add_dir(&f, "usr/local/cuda-12.4/compat/libcuda.so.997.1");
	add_link(&f, "/etc/passwd", "usr/local/cuda-12.4/compat/libcuda.so.996.1");
	add_link(&f, "libcuda.so.99.1", "usr/local/cuda-12.4/compat/libcuda.so.551.1");
	REQUIRE(mkfifoat(f.root, "usr/local/cuda-12.4/compat/libcuda.so.995.1", 0600) == 0);
	REQUIRE(collect(&f) == 0);
	CHECK_STR(f.facts.compat, "551.1");
	/* The one that the loader takes is the one that counts. */
	REQUIRE(unlinkat(f.root, "usr/local/cuda-12.4/compat/libcuda.so.1", 0) == 0);
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.compat);
	add_link(&f, "libcuda.so.535.54.03", "usr/local/cuda-12.4/compat/libcuda.so.1");
	REQUIRE(collect(&f) == 0);
	CHECK_STR(f.facts.compat, "535.54.03");
	REQUIRE(unlinkat(f.root, "usr/local/cuda-12.4/compat/libcuda.so.535.54.03", 0) == 0);
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.compat);
}

/* However large a directory is made, no more than a bounded part of it is read. */
TEST(huge_directory)
{
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	add_dir(&f, "usr/local");
	for (unsigned i = 0; i < 5000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "usr/local/x%u", i);
		REQUIRE(mkdirat(f.root, path, 0755) == 0);
	}
	tap_write(f.dir, "usr/local/cuda/compat/libcuda.so.999.1", "x");
	REQUIRE(collect(&f) == 0);
	CHECK(!f.facts.compat);
	CHECK(!f.facts.has_cuda);
}

TEST(assumed)
{
	struct fixture f cleanup_fixture;
	const struct rootfacts_path *p;

	make_fixture(&f);
	ask(&f, "/usr/bin/nvidia-smi");
	ask(&f, "/data/x");
	set_mounts(&f, "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		       "{\"destination\":\"/etc/\",\"type\":\"bind\",\"source\":\"/etc\"},"
		       "{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"/data\"}");
	rootfacts_assume(&f.facts, &f.spec, &f.ask);
	CHECK(!f.facts.known && !f.facts.has_cuda && !f.facts.compat);
	CHECK_INT(f.facts.libc, ROOTFACTS_GLIBC);
	p = rootfacts_get(&f.facts, ROOTFACTS_CACHE);
	REQUIRE(p);
	CHECK_INT(p->kind, ROOTFACTS_ABSENT);
	CHECK(!p->on_root);
	CHECK_STR(p->volume, "/etc");
	p = rootfacts_get(&f.facts, "/usr/bin/nvidia-smi");
	REQUIRE(p);
	CHECK(p->on_root && !p->volume);
	CHECK_STR(rootfacts_get(&f.facts, "/data/x")->volume, "/data");
	rootfacts_free(&f.facts);
	set_mounts(&f, "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		       "{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"/dev\"}");
	rootfacts_assume(&f.facts, &f.spec, &f.ask);
	CHECK(!f.facts.dev_mount);
}
