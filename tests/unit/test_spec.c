/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "faults.h"
#include "oci/spec.h"
#include "tap.h"

#define GOOD "tests/fixtures/oci/config/good"
#define BAD "tests/fixtures/oci/config/bad"

static int parse(struct spec *s, const char *text, struct err *err)
{
	return spec_parse(s, text, strlen(text), err);
}

/* NULL where the tests do not run in the source folder. */
static char *fixture(const char *folder, const char *name, size_t *ret_len)
{
	cleanup_free char *path = mem_printf("%s/%s", folder, name);
	char *text;

	return fd_read_file_at(AT_FDCWD, path, SPEC_FILE_MAX, &text, ret_len) == 0 ? text : NULL;
}

TEST(docker)
{
	size_t len;
	cleanup_free char *text = fixture(GOOD, "docker.json", &len);
	struct err err = ERR_INIT;
	struct spec s;

	if (!text) {
		tap_skip("not run in the source folder");
		return;
	}
	REQUIRE(spec_parse(&s, text, len, &err) == 0);
	CHECK(s.has_process && s.has_linux && s.own_mount_ns && !s.sandbox && !s.privileged);
	CHECK(!s.cgroup_by_shim && !s.root_readonly);
	CHECK_STR(s.root_path, "/var/lib/docker/overlay2/1f2e/merged");
	CHECK_INT(s.env.n, 4);
	CHECK_STR(spec_env(&s, "NVIDIA_VISIBLE_DEVICES"), "0");
	CHECK(!spec_env(&s, "NVIDIA_VISIBLE"));
	CHECK(!spec_env(&s, "NVIDIA_REQUIRE_CUDA"));
	CHECK_INT(s.n_mounts, 3);
	CHECK(!spec_mount_at(&s, "/etc"));
	REQUIRE(spec_mount_at(&s, "/etc/hosts"));
	CHECK(spec_mount_at(&s, "/etc/hosts")->bind && !spec_mount_at(&s, "/proc")->bind);
	CHECK(!spec_mount_at(&s, "/proc")->tmpfs);
	spec_free(&s);
}

TEST(cri)
{
	size_t len;
	cleanup_free char *text = fixture(GOOD, "cri.json", &len);
	struct err err = ERR_INIT;
	struct spec s;

	if (!text) {
		tap_skip("not run in the source folder");
		return;
	}
	REQUIRE(spec_parse(&s, text, len, &err) == 0);
	CHECK(s.own_mount_ns && s.privileged && s.root_readonly && !s.sandbox);
	CHECK_INT(s.n_annotations, 3);
	CHECK_STR(s.annotations[2].key, "cdi.k8s.io/x");
	CHECK_STR(s.annotations[2].value, "nvidia.com/gpu=all");
	CHECK_STR(s.root_path, "rootfs");
	spec_free(&s);
}

TEST(little_is_enough)
{
	static const char *const good[] = {
		"{}",
		"{\"process\":null}",
		"{\"process\":{\"env\":null}}",
		"{\"process\":{\"env\":[]}}",
		"{\"process\":{\"capabilities\":null}}",
		"{\"annotations\":null,\"mounts\":null,\"root\":null,\"linux\":null,\"hooks\":null}",
		"{\"hooks\":{\"prestart\":null,\"poststop\":7}}",
		"{\"linux\":{\"namespaces\":null,\"uidMappings\":null}}",
		"{\"mounts\":[{\"destination\":\"/a\",\"type\":null,\"source\":null,\"options\":null}]}",
		"{\"windows\":{},\"vm\":{},\"zos\":1}",
		"{\"process\":{\"env\":[\"\",\"NOTHING\",\"A=b\"],\"rlimits\":[{\"hard\":18446744073709551615}]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		if (!CHECK_INT(parse(&s, good[i], &err), 0)) {
			CHECK_STR(err.what, good[i]);
			continue;
		}
		CHECK(!s.own_mount_ns && !s.root_path);
		CHECK_INT(s.env.n, i == ARRAY_SIZE(good) - 1 ? 1 : 0);
		spec_free(&s);
	}
}

TEST(wrong_members_are_named)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{ "[]", "no JSON object" },
		{ "{\"process\":[]}", "process is no object" },
		{ "{\"process\":{\"env\":{}}}", "process.env is no array" },
		{ "{\"process\":{\"env\":\"A=b\"}}", "process.env is no array" },
		{ "{\"process\":{\"env\":[\"A=b\",\"\",\"C=d\",7]}}", "process.env[3] is no string" },
		{ "{\"process\":{\"env\":[null]}}", "process.env[0] is no string" },
		{ "{\"process\":{\"capabilities\":[]}}", "process.capabilities is no object" },
		{ "{\"process\":{\"capabilities\":{\"bounding\":\"CAP_SYS_ADMIN\"}}}",
		  "process.capabilities.bounding is no array" },
		{ "{\"process\":{\"capabilities\":{\"bounding\":[1,\"CAP_SYS_ADMIN\"]}}}",
		  "process.capabilities.bounding[0] is no string" },
		{ "{\"annotations\":[]}", "annotations is no object" },
		{ "{\"annotations\":{\"a\\n\":1}}", "annotations.a\\x0a is no string" },
		{ "{\"mounts\":{}}", "mounts is no array" },
		{ "{\"mounts\":[{\"destination\":\"/a\"},7]}", "mounts[1] is no object" },
		{ "{\"mounts\":[{}]}", "mounts[0].destination is no path" },
		{ "{\"mounts\":[{\"destination\":7}]}", "mounts[0].destination is no path" },
		{ "{\"mounts\":[{\"destination\":\"/a\",\"type\":7}]}", "mounts[0].type is no string" },
		{ "{\"mounts\":[{\"destination\":\"/a\",\"source\":[]}]}", "mounts[0].source is no string" },
		{ "{\"mounts\":[{\"destination\":\"/a\",\"options\":\"ro\"}]}", "mounts[0].options is no array" },
		{ "{\"mounts\":[{\"destination\":\"/a\",\"options\":[\"bind\",{}]}]}",
		  "mounts[0].options[1] is no string" },
		{ "{\"root\":\"/r\"}", "root is no object" },
		{ "{\"root\":{}}", "root.path is missing or empty" },
		{ "{\"root\":{\"path\":\"\"}}", "root.path is missing or empty" },
		{ "{\"root\":{\"path\":7}}", "root.path is no string" },
		{ "{\"root\":{\"path\":\"/\"}}", "root.path is /" },
		{ "{\"root\":{\"path\":\"/a/..\"}}", "root.path is /a/.." },
		{ "{\"linux\":7}", "linux is no object" },
		{ "{\"linux\":{\"namespaces\":{}}}", "linux.namespaces is no array" },
		{ "{\"linux\":{\"namespaces\":[\"mount\"]}}", "linux.namespaces[0] is no object" },
		{ "{\"linux\":{\"namespaces\":[{\"type\":1,\"path\":\"mount\"}]}}",
		  "linux.namespaces[0].type is no string" },
		{ "{\"hooks\":[]}", "hooks is no object" },
		{ "{\"hooks\":{\"prestart\":{}}}", "hooks.prestart is no array" },
		{ "{\"hooks\":{\"createRuntime\":[[]]}}", "hooks.createRuntime[0] is no object" },
		{ "{\"hooks\":{\"prestart\":[{\"path\":7}]}}", "hooks.prestart[0].path is no string" },
		{ "{\"hooks\":{\"prestart\":[{\"args\":[7]}]}}", "hooks.prestart[0].args[0] is no string" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		CHECK_INT(parse(&s, bad[i].text, &err), -EINVAL);
		CHECK_INT(err.code, ERR_SPEC);
		CHECK_STR(err.what, bad[i].what);
	}
}

/* Of capabilities it counts which are in the bounding set, however it is written. */
TEST(privileged_is_by_the_bounding_set)
{
#define BOUNDING(list) "{\"process\":{\"capabilities\":{\"bounding\":" list "}}}"
	static const struct {
		const char *text;
		bool privileged;
	} rows[] = {
		{ "{\"process\":{}}", false },
		{ BOUNDING("null"), false },
		{ BOUNDING("[\"CAP_CHOWN\"]"), false },
		{ BOUNDING("[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\",\"CAP_KILL\"]"), true },
		{ BOUNDING("[\"CAP_SYS_\\u0041DMIN\"]"), true },
		{ BOUNDING("[\"CAP_SYS_ADMINS\",\"NO_CAP_SYS_ADMIN\",\"SYS_ADMIN\"]"), false },
		{ "{\"process\":{\"capabilities\":{\"bo\\u0075nding\":[\"CAP_SYS_ADMIN\"]}}}", true },
		{ "{\"process\":{\"capabilities\":{\"effective\":[\"CAP_SYS_ADMIN\"],\"bounding\":[]}}}", false },
	};
#undef BOUNDING

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		REQUIRE(parse(&s, rows[i].text, &err) == 0);
		CHECK_INT(s.privileged, rows[i].privileged);
		spec_free(&s);
	}
}

TEST(flags)
{
	static const struct {
		const char *text;
		bool sandbox, by_shim, own_mount_ns;
	} rows[] = {
		{ "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\"}}", true, false, false },
		{ "{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"}}", true, false, false },
		{ "{\"annotations\":{\"io.kubernetes.docker.type\":\"podsandbox\"}}", true, false, false },
		{ "{\"annotations\":{\"io.kubernetes.docker.type\":\"sandbox\",\"x\":\"podsandbox\"}}", false, false,
		  false },
		{ "{\"hooks\":{\"prestart\":[{\"path\":\"/opt/bin/nvcoreos-hook\",\"args\":[\"nvcoreos-hook\",\"--device-cgroup=none\"]}]}}",
		  false, true, false },
		{ "{\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"},{\"path\":\"/nvcoreos-hook\",\"args\":[\"--device-cgroup=none\"]}]}}",
		  false, true, false },
		{ "{\"hooks\":{\"poststart\":[{\"path\":\"/nvcoreos-hook\",\"args\":[\"--device-cgroup=none\"]}]}}",
		  false, false, false },
		{ "{\"hooks\":{\"prestart\":[{\"path\":\"/nvcoreos-hook\",\"args\":[\"prestart\"]}]}}", false, false,
		  false },
		{ "{\"hooks\":{\"prestart\":[{\"path\":\"/not-nvcoreos-hook\",\"args\":[\"--device-cgroup=none\"]}]}}",
		  false, false, false },
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}", false, false, true },
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"mount\",\"path\":\"/proc/1/ns/mnt\"}]}}", false, false,
		  false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		REQUIRE(parse(&s, rows[i].text, &err) == 0);
		CHECK_INT(s.sandbox, rows[i].sandbox);
		CHECK_INT(s.cgroup_by_shim, rows[i].by_shim);
		CHECK_INT(s.own_mount_ns, rows[i].own_mount_ns);
		spec_free(&s);
	}
}

TEST(cgroups_path)
{
	static const struct {
		const char *text, *want; /* NULL: none */
	} rows[] = {
		{ "{\"linux\":{\"cgroupsPath\":\"/docker/abc\"}}", "/docker/abc" },
		{ "{\"linux\":{\"cgroupsPath\":\"system.slice:docker:abc\"}}", "system.slice:docker:abc" },
		{ "{\"linux\":{\"cgroupsPath\":\"\"}}", NULL },
		{ "{\"linux\":{\"cgroupsPath\":null}}", NULL },
		{ "{\"linux\":{}}", NULL },
		{ "{}", NULL },
	};
	struct err err = ERR_INIT;
	struct spec s;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		REQUIRE(parse(&s, rows[i].text, &err) == 0);
		CHECK(!s.cgroups_path == !rows[i].want);
		if (rows[i].want && s.cgroups_path)
			CHECK_STR(s.cgroups_path, rows[i].want);
		spec_free(&s);
	}
	CHECK(parse(&s, "{\"linux\":{\"cgroupsPath\":7}}", &err) < 0);
	CHECK_INT(err.code, ERR_SPEC);
}

TEST(mounts)
{
	struct err err = ERR_INIT;
	struct spec s;

	REQUIRE(parse(&s,
		      "{\"mounts\":[{\"destination\":\"/\"},{\"destination\":\"etc//./x/..\",\"options\":[\"ro\",\"rbind\"]},"
		      "{\"destination\":\"/etc/ld\",\"source\":\"one\",\"type\":\"tmpfs\"},{\"destination\":\"/etc/ld/\",\"source\":\"/dev/null\",\"type\":\"bind\"}]}",
		      &err) == 0);
	CHECK_STR(s.mounts[1].destination, "/etc");
	CHECK(s.mounts[1].bind && s.mounts[3].bind && !s.mounts[2].bind);
	CHECK(s.mounts[2].tmpfs && !s.mounts[1].tmpfs && !s.mounts[3].tmpfs);
	REQUIRE(spec_mount_at(&s, "/etc/ld"));
	CHECK_STR(spec_mount_at(&s, "/etc/ld")->source, SPEC_NULL_SOURCE);
	REQUIRE(spec_mount_over(&s, "/etc/ld/so") && spec_mount_over(&s, "/etc/ld.so.cache"));
	CHECK_STR(spec_mount_over(&s, "/etc/ld/so")->source, SPEC_NULL_SOURCE);
	CHECK_STR(spec_mount_over(&s, "/etc/ld.so.cache")->destination, "/etc");
	CHECK(!spec_mount_over(&s, "/etcetera"));
	CHECK(!spec_mount_over(&s, "/usr"));
	spec_free(&s);
	/* The deepest one counts, whichever comes last. */
	REQUIRE(parse(&s,
		      "{\"mounts\":[{\"destination\":\"/etc/ld\",\"options\":[\"bind\"]},{\"destination\":\"/etc\"}]}",
		      &err) == 0);
	CHECK(s.mounts[0].bind && !s.mounts[1].bind);
	CHECK_STR(spec_mount_over(&s, "/etc/ld/so")->destination, "/etc/ld");
	spec_free(&s);
	/* Of options that cannot say so nothing is read; written with escapes they may. */
	REQUIRE(parse(&s,
		      "{\"mounts\":[{\"options\":[7,{\"a\":[\"]\"]}],\"destination\":\"/a\"},{\"destination\":\"/b\",\"options\":[]},"
		      "{\"destination\":\"/c\",\"options\":[\"r\\u0062ind\"]},{\"destination\":\"/d\",\"options\":[\"rw\",\"bind\"]}]}",
		      &err) == 0);
	REQUIRE(s.n_mounts == 4);
	CHECK_STR(s.mounts[0].destination, "/a");
	CHECK(!s.mounts[0].bind && !s.mounts[1].bind && s.mounts[2].bind && s.mounts[3].bind);
	CHECK_STR(s.mounts[3].destination, "/d");
	spec_free(&s);
}

/* The runtime reads it, and refuses what is no JSON; whatever stands there, what is around it counts. */
TEST(what_is_not_asked_is_passed_over)
{
#define AROUND(value) \
	"{\"process\":{\"capabilities\":{\"ambient\":" value ",\"bounding\":[\"CAP_SYS_ADMIN\"]},\"user\":" value \
	",\"env\":[\"A=b\"]},\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":" value \
	",\"cgroupsPath\":\"/c\"},\"annotations\":{\"a\":\"b\"}}"
	static const char *const good[] = {
		AROUND("{\"syscalls\":[{\"names\":[\"read\",\"a}]\\\"\"]}]}"),
		AROUND("null"),
		AROUND("[[[[]]]]"),
		AROUND("\"text\""),
		AROUND(" 1 "),
		AROUND("{\"twice\":1,\"twice\":2}"),
		AROUND("1,\"seccomp\":1"),
		"{\"process\":{\"capabilities\":{\"bounding\":[1]}},\"root\":{\"path\":\"r\"},\"linux\":{\"cgroupsPath\":\"/c\"},\"annotations\":{\"a\":\"b\"}}",
		"{\"root\":{\"path\":\"r\"},\"linux\":{\"cgroupsPath\":\"/c\"},\"seccomp\":1,\"annotations\":{\"seccomp\":\"x\",\"a\":\"b\"}}",
		"{\"root\":{\"path\":\"r\"},\"linux\":{\"s\\u0065ccomp\":{},\"cgroupsPath\":\"/c\"},\"annotations\":{\"a\":\"b\"}}",
		"{\"root\":{\"path\":\"r\"},\"l\\u0069nux\":{\"seccomp\":{},\"cgroups\\u0050ath\":\"/c\"}}",
	};
	static const char *const bad[] = {
		AROUND("{"),
		AROUND("}"),
		AROUND("\""),
		AROUND(""),
		AROUND("{}}"),
		"{\"linux\":{\"cgroupsPath\"}}",
		"{\"mounts\":[{} {}]}",
		/* Of two the runtimes take the last one, or the first. */
		"{\"process\":{\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"],\"bounding\":[]}}}",
		"{\"process\":{\"capabilities\":{\"bo\\u0075nding\":[\"CAP_SYS_ADMIN\"],\"bounding\":[]}}}",
		"{\"mounts\":[{\"destination\":\"/a\",\"options\":[\"ro\"],\"options\":[\"bind\"]}]}",
		"{\"mounts\":[{\"destination\":\"/a\",\"source\":\"/b\",\"sourc\\u0065\":\"/dev/null\"}]}",
		/* crun takes comments: there other members would count. */
		"{\"process\":{\"x\":[/*],\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"]},\"z\":[*/]}}",
		"{\"process\":{\"x\":[/*\"*/],\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"]},\"y\":[/*\"*/]}}",
		"{\"process\":{\"x\":1/*,\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"]},\"z\":*/}}",
	};
#undef AROUND

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		if (!CHECK_INT(parse(&s, good[i], &err), 0)) {
			printf("# %zu: %s\n", i, err.what);
			continue;
		}
		CHECK_STR(s.root_path, "r");
		CHECK_STR(s.cgroups_path, "/c");
		CHECK(!strstr(good[i], "A=b") || (s.env.n == 1 && s.privileged));
		spec_free(&s);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		if (!CHECK_INT(parse(&s, bad[i], &err), -EINVAL))
			printf("# %zu\n", i);
	}
}

TEST(long_paths)
{
	/* The length of "/aaa...", and what is said of a mount and a root there. */
	static const struct {
		size_t len;
		int r;
	} t[] = { { 4095, 0 }, { 4096, -EINVAL }, { 100000, -EINVAL } };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_free char *a = mem_alloc(t[i].len + 1);
		cleanup_free char *mount = NULL, *root = NULL;
		struct err err = ERR_INIT;
		struct spec s;

		memset(a, 'a', t[i].len);
		a[0] = '/';
		a[t[i].len] = '\0';
		/* The destination has no slash of its own, and counts with one. */
		mount = mem_printf("{\"mounts\":[{\"destination\":\"%s\"}]}", a + 1);
		root = mem_printf("{\"root\":{\"path\":\"%s\"}}", a);
		CHECK_INT(parse(&s, mount, &err), t[i].r);
		if (t[i].r == 0)
			spec_free(&s);
		else
			CHECK_STR(err.what, "mounts[0].destination is too long");
		CHECK_INT(parse(&s, root, &err), t[i].r);
		if (t[i].r == 0)
			spec_free(&s);
		else
			CHECK_STR(err.what, "root.path is too long");
	}
}

TEST(empty_spec_takes_environment)
{
	struct spec s;

	spec_init(&s);
	spec_add_env(&s, "A=1");
	spec_add_env(&s, "A=2=3");
	spec_add_env(&s, "A");
	CHECK_STR(spec_env(&s, "A"), "2=3");
	CHECK_INT(s.env.n, 2);
	spec_free(&s);
}

TEST(fixtures)
{
	static const char *const folders[] = { GOOD, BAD };

	for (int f = 0; f < 2; f++) {
		DIR *dir = opendir(folders[f]);
		unsigned n = 0;

		if (!dir) {
			tap_skip("not run in the source folder");
			return;
		}
		for (struct dirent *e; (e = readdir(dir));) {
			cleanup_free char *text = NULL;
			struct err err = ERR_INIT;
			struct spec s;
			size_t len;
			int r;

			if (e->d_name[0] == '.')
				continue;
			text = fixture(folders[f], e->d_name, &len);
			REQUIRE(text);
			r = spec_parse(&s, text, len, &err);
			if (!CHECK_INT(r, f == 0 ? 0 : -EINVAL))
				CHECK_STR(e->d_name, err.what);
			CHECK_INT(err.code, f == 0 ? ERR_NONE : ERR_SPEC);
			if (r == 0)
				spec_free(&s);
			n++;
		}
		closedir(dir);
		CHECK(n >= 4);
	}
}

TEST(every_truncation_is_an_error)
{
	size_t len;
	cleanup_free char *text = fixture(GOOD, "docker.json", &len);

	if (!text) {
		tap_skip("not run in the source folder");
		return;
	}
	for (size_t n = 0; n < len; n++) {
		cleanup_free char *part = mem_alloc(n);
		struct err err = ERR_INIT;
		struct spec s;

		memcpy(part, text, n);
		if (!CHECK_INT(spec_parse(&s, part, n, &err), -EINVAL))
			CHECK_INT(n, len);
	}
}

TEST(a_million_variables)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct spec s;

	strbuf_puts(&b, "{\"process\":{\"env\":[\"A=first\"");
	for (int i = 0; i < 1000000; i++)
		strbuf_puts(&b, ",\"B=\"");
	strbuf_puts(&b, "]}}");
	REQUIRE(spec_parse(&s, b.buf, b.len, &err) == 0);
	CHECK_INT(s.env.n, 1000001);
	CHECK_STR(spec_env(&s, "A"), "first");
	spec_free(&s);
}

TEST(only_a_regular_file_is_read)
{
	cleanup_free char *text = NULL;
	struct err err = ERR_INIT;
	const char *dir = tap_tmpdir();
	cleanup_fd int fd = fd_open_dir(dir), file = -EBADF;
	size_t len;

	REQUIRE(fd >= 0);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -ENOENT);
	CHECK_INT(err.code, ERR_SPEC);
	CHECK_INT(mkdirat(fd, "config.json", 0755), 0);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -EINVAL);
	CHECK_INT(unlinkat(fd, "config.json", AT_REMOVEDIR), 0);
	CHECK_INT(mkfifoat(fd, "config.json", 0644), 0);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -EINVAL);
	CHECK_INT(unlinkat(fd, "config.json", 0), 0);
	tap_write(dir, "other", "{}");
	CHECK_INT(symlinkat("other", fd, "config.json"), 0);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -ELOOP);
	CHECK_INT(unlinkat(fd, "config.json", 0), 0);
	CHECK_INT(symlinkat("/dev/zero", fd, "config.json"), 0);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -ELOOP);
	CHECK_INT(unlinkat(fd, "config.json", 0), 0);
	file = openat(fd, "config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK_INT(ftruncate(file, (off_t)1 << 40), 0);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -EFBIG);
	CHECK_INT(ftruncate(file, SPEC_FILE_MAX), 0);
	faults_arm("fstat", 1, EIO);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -EIO);
	faults_arm("read", 1, EIO);
	CHECK_INT(spec_read_file(fd, &text, &len, &err), -EIO);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(err.code, ERR_SPEC);
	REQUIRE(spec_read_file(fd, &text, &len, &err) == 0);
	CHECK_INT(len, SPEC_FILE_MAX);
}

TEST(nodes_that_the_engine_gives)
{
	static const char text[] =
		"{\"linux\":{\"devices\":[{\"path\":\"/dev/a\",\"type\":\"c\",\"major\":195,\"minor\":0},"
		"{\"type\":\"u\",\"major\":4294967295,\"minor\":7},{\"type\":\"b\",\"major\":195,\"minor\":1},"
		"{\"type\":\"c\",\"major\":\"195\",\"minor\":1},{\"type\":\"c\",\"major\":195,\"minor\":-1},"
		"{\"type\":\"c\",\"major\":195,\"minor\":1.5},{\"major\":195,\"minor\":1},7,null,"
		"{\"type\":\"c\",\"major\":4294967296,\"minor\":1}]}}";
	struct err err = ERR_INIT;
	struct spec s;

	REQUIRE(parse(&s, text, &err) == 0);
	REQUIRE(s.n_nodes == 2);
	CHECK(s.nodes[0].major == 195 && s.nodes[0].minor == 0);
	CHECK(s.nodes[1].major == UINT32_MAX && s.nodes[1].minor == 7);
	spec_free(&s);
	REQUIRE(parse(&s, "{\"linux\":{\"devices\":{\"type\":\"c\",\"major\":195,\"minor\":0}}}", &err) == 0);
	CHECK_INT(s.n_nodes, 0);
	spec_free(&s);
}

TEST(hook_entry_of_our_cdi_specification)
{
	static const struct {
		const char *text;
		bool cdi, shim;
	} cases[] = {
		{ "{\"hooks\":{\"createRuntime\":[{\"path\":\"/x/nvcoreos-hook\",\"args\":[\"nvcoreos-hook\",\"--cdi\",\"createRuntime\"]}]}}",
		  true, false },
		{ "{\"hooks\":{\"createRuntime\":[{\"path\":\"/x/other\",\"args\":[\"nvcoreos-hook\",\"--cdi\"]}]}}",
		  false, false },
		{ "{\"hooks\":{\"prestart\":[{\"path\":\"/x/nvcoreos-hook\",\"args\":[\"nvcoreos-hook\",\"--device-cgroup=none\"]}],"
		  "\"createRuntime\":[{\"path\":\"/x/nvcoreos-hook\",\"args\":[\"nvcoreos-hook\",\"--cdi\"]}]}}",
		  true, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct spec s;

		REQUIRE(parse(&s, cases[i].text, &err) == 0);
		CHECK(s.by_cdi == cases[i].cdi && s.cgroup_by_shim == cases[i].shim);
		spec_free(&s);
	}
}
