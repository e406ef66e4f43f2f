/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runfile.h"

#include <fcntl.h>
#include <unistd.h>

#include "store/install.h"
#include "store/manifest.h"
#include "store/source.h"
#include "store_fixture.h"
#include "tap.h"

#define DRIVER "535.261.03"

static bool parse(const char *text, struct runfile *f)
{
	return runfile_parse(text, strlen(text), f);
}

/* As the makeself in NVIDIA's own drivers writes it: two sums, then where the archive begins, a decompressor before it. */
#define NVIDIA_HEAD \
	"#! /bin/sh\nCRCsum=12345\nMD5=0123\nskip=9\nskip_decompress=7\nsize_decompress=2\n" \
	"label=\"NVIDIA Accelerated Graphics Driver for Linux-x86_64 " DRIVER "\"\n"

TEST(nvidias_header)
{
	struct runfile f;

	REQUIRE(parse(NVIDIA_HEAD "echo binary\nARCHIVE\nversion_string=1.2.3\nskip=1\n", &f));
	CHECK_INT(f.offset, strlen(NVIDIA_HEAD "echo binary\n"));
	CHECK_INT(f.sum_from, strlen("#! /bin/sh\nCRCsum=12345\nMD5=0123\n"));
	CHECK_INT(f.sum, 12345);
	/* What stands in the archive is no header. */
	CHECK_STR(f.version, "");
	REQUIRE(parse("#! /bin/sh\nCRCsum=1\nMD5=0\nskip=7\nversion_string=" DRIVER
		      "\nTARGET_ARCH=\"aarch64\"\nARCHIVE",
		      &f));
	CHECK_STR(f.version, DRIVER);
	CHECK_STR(f.arch, "aarch64");
}

TEST(the_header_of_plain_makeself)
{
	struct runfile f;

	REQUIRE(parse(
		"#!/bin/sh\nCRCsum=\"77\"\nfilesizes=\"100\"\noffset=`head -n \"5\" \"$0\" | wc -c`\nexit\nARCHIVE",
		&f));
	CHECK_INT(f.offset,
		  strlen("#!/bin/sh\nCRCsum=\"77\"\nfilesizes=\"100\"\noffset=`head -n \"5\" \"$0\" | wc -c`\nexit\n"));
	CHECK_INT(f.sum_from, f.offset);
	CHECK_INT(f.sum, 77);
	REQUIRE(parse("#!/bin/sh\nCRCsum=\"77\"\nfilesizes=\"100\"\nskip=\"5\"\nexit\nARCHIVE", &f));
	CHECK_INT(f.offset, strlen("#!/bin/sh\nCRCsum=\"77\"\nfilesizes=\"100\"\nskip=\"5\"\nexit\n"));
	CHECK_INT(f.sum_from, f.offset);
	CHECK(parse("#!/bin/sh\n\toffset=x\noffset=`head -n 3 \"$1\" | wc -c | tr -d \" \"`\nARCHIVE", &f));
}

TEST(no_header)
{
	static const char *const texts[] = {
		"",
		"#",
		"#!/bin/sh\n",
		"#!/bin/sh\nskip=\nX",
		"#!/bin/sh\nskip=99\nX",
		"#!/bin/sh\nskip=99999999999999999999\nX",
		"#!/bin/sh\nskip=-1\nX",
		"#!/bin/sh\noffset=`head -n 0 \"$0\"`\nX",
		"#!/bin/sh\n skip=2\nX",
		"<html>\nskip=2\nX",
		"\x7f"
		"ELF\nskip=2\nX",
	};
	struct runfile f;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!CHECK(!parse(texts[i], &f)))
			printf("# %s\n", texts[i]);
}

struct world {
	const char *root, *in;
	char *run;
	struct config conf;
};

/* Made by what makeself does: the sum is that of cksum, put in afterwards. `sum`: another one. */
static void make_run(const struct world *w, const char *compress, const char *sum)
{
	cleanup_free char *command = mem_printf(
		"cd %s && { printf '#! /bin/sh\\nCRCsum=%%s\\nMD5=0\\nskip=10\\nversion_string=" DRIVER
		"\\nTARGET_ARCH=\"x86_64\"\\necho run >ran; exit 1\\n\\n\\n' @SUM@; tar -C in -c . | %s; } >run.tmp && "
		"sum=%s && sed \"s/@SUM@/$sum/\" run.tmp >%s",
		w->in, compress, sum ? sum : "$(tail -n +4 run.tmp | cksum | cut -d' ' -f1)", w->run);
	const char *const argv[] = { "sh", "-c", command, NULL };
	int status = -1;
	pid_t pid;

	CHECK(posix_spawnp(&pid, "sh", NULL, NULL, (char *const *)argv, environ) == 0 &&
	      waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

static void world_make(struct world *w)
{
	w->root = tap_tmpdir();
	w->in = tap_tmpdir();
	w->run = mem_printf("%s/NVIDIA-Linux-x86_64-" DRIVER ".run", w->in);
	tap_write(w->root, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	config_init(&w->conf);
	config_set_root(&w->conf, w->root);
	fixture_library(w->in, "in/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	fixture_library(w->in, "in/libnvidia-ml.so." DRIVER, "libnvidia-ml.so.1", NULL);
	tap_write(w->in, "in/nvidia_icd.json", "{}");
	tap_write(w->in, "in/firmware/gsp_ga10x.bin", "firmware");
	tap_write(w->in, "in/kernel/nvidia/nv.c", "int x;");
	tap_write(w->in, "in/kernel-open/nvidia.ko", "never");
	tap_write(w->in, "in/html/index.html", "<html>");
	tap_write(w->in, "in/nvidia-installer", "#!/bin/sh");
	tap_write(w->in, "in/README.txt", "read me");
}

static void world_free(struct world *w)
{
	config_free(&w->conf);
	free(w->run);
}

static int install(struct world *w, char *source, struct err *err)
{
	struct install_result r;
	int e = install_run(&r, &(struct install_options){ .conf = &w->conf, .root = w->root }, &source, 1, err);

	CHECK_INT(r.ignored.n, 0);
	install_free(&r);
	return e;
}

static void check_tree(const struct world *w)
{
	static const char *const there[] = { "lib64/libcuda.so." DRIVER, "lib64/libcuda.so.1",
					     "share/vulkan/icd.d/nvidia_icd.json",
					     "firmware/nvidia/" DRIVER "/gsp_ga10x.bin" };
	static const char *const absent[] = { "modules", "bin", "bin/nvidia-installer", "README.txt" };
	cleanup_free char *tree = mem_printf("%s/" DRIVER "/3975.2.0", w->conf.driver_store);

	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		CHECK(fixture_exists(tree, there[i]));
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		CHECK(!fixture_exists(tree, absent[i]));
	CHECK(!fixture_exists(w->in, "ran"));
}

TEST(a_driver_from_a_run_file)
{
	/* NVIDIA's xz has no checksum of its own. */
	static const char *const compress[] = { "xz -c -C none", "gzip -c", "bzip2 -c", "zstd -q -c" };

	for (size_t i = 0; i < ARRAY_SIZE(compress); i++) {
		struct err err = ERR_INIT;
		struct world w;

		world_make(&w);
		make_run(&w, compress[i], NULL);
		CHECK_INT(install(&w, w.run, &err), 0);
		CHECK_STR(err.what, "");
		check_tree(&w);
		world_free(&w);
	}
}

TEST(the_name_says_what_the_header_does_not)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	make_run(&w, "gzip -c", NULL);
	cleanup_free char *command =
		mem_printf("sed -i 's/^version_string=.*/version_str=x/; s/^CRCsum=.*/CRCsum=0/' '%s'", w.run);
	const char *const argv[] = { "sh", "-c", command, NULL };
	int status = -1;
	pid_t pid;

	REQUIRE(posix_spawnp(&pid, "sh", NULL, NULL, (char *const *)argv, environ) == 0 &&
		waitpid(pid, &status, 0) == pid);
	CHECK_INT(install(&w, w.run, &err), 0);
	CHECK_STR(err.what, "");
	check_tree(&w);
	cleanup_free char *other = mem_printf("%s/driver.run", w.in);
	REQUIRE(rename(w.run, other) == 0);
	CHECK(install(&w, other, &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	world_free(&w);
}

/* Drivers before 410 have two of it, and tar's order is the directory's. */
TEST(the_newer_of_two_tls_libraries)
{
	for (int order = 0; order < 3; order++) {
		struct err err = ERR_INIT;
		struct world w;

		world_make(&w);
		cleanup_free char *in = mem_printf("%s/in", w.in),
				  *dir = mem_printf("%s/NVIDIA-Linux-x86_64-" DRIVER, w.in);
		/* The walker goes by name: "libnvidia-tls" comes before "tls", and behind "a/tls". */
		if (order != 2)
			fixture_library(
				w.in, order ? "in/32/tls/libnvidia-tls.so." DRIVER : "in/tls/libnvidia-tls.so." DRIVER,
				"libnvidia-tls.so.1", "new");
		fixture_library(w.in, "in/libnvidia-tls.so." DRIVER, "libnvidia-tls.so.1", "old");
		REQUIRE(rename(in, dir) == 0);
		CHECK_INT(install(&w, dir, &err), 0);
		CHECK_STR(err.what, "");
		cleanup_free char *got =
			mem_printf("%s/" DRIVER "/3975.2.0/lib64/libnvidia-tls.so." DRIVER, w.conf.driver_store);
		cleanup_free char *text = NULL;
		size_t len;
		REQUIRE(fd_read_file_at(AT_FDCWD, got, 1 << 20, &text, &len) == 0);
		CHECK(memmem(text, len, order == 2 ? DRIVER "old" : DRIVER "new", strlen(DRIVER "new")) != NULL);
		world_free(&w);
	}
}

TEST(a_renamed_run_file)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	make_run(&w, "xz -c -C none", NULL);
	cleanup_free char *other = mem_printf("%s/driver (1).run", w.in);
	REQUIRE(rename(w.run, other) == 0);
	CHECK_INT(install(&w, other, &err), 0);
	check_tree(&w);
	world_free(&w);
}

TEST(the_unpacked_run_file)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	cleanup_free char *in = mem_printf("%s/in", w.in),
			  *dir = mem_printf("%s/NVIDIA-Linux-x86_64-" DRIVER "/", w.in);
	REQUIRE(rename(in, dir) == 0);
	CHECK_INT(install(&w, dir, &err), 0);
	CHECK_STR(err.what, "");
	check_tree(&w);
	/* Again: the tree is compared, and is there. */
	CHECK_INT(install(&w, dir, &err), 0);
	world_free(&w);
}

TEST(a_flipped_bit_in_an_archive_without_checksums)
{
	struct err err = ERR_INIT;
	struct world w;
	struct stat st;
	unsigned char byte;

	world_make(&w);
	make_run(&w, "xz -c -C none", NULL);
	cleanup_fd int fd = open(w.run, O_RDWR | O_CLOEXEC);
	REQUIRE(fstat(fd, &st) == 0 && pread(fd, &byte, 1, st.st_size - 200) == 1);
	byte ^= 1;
	REQUIRE(pwrite(fd, &byte, 1, st.st_size - 200) == 1);
	CHECK(install(&w, w.run, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	CHECK(strstr(err.what, "checksum in its header") != NULL);
	CHECK(!fixture_exists(w.conf.driver_store, DRIVER));
	world_free(&w);
}

TEST(a_run_file_without_a_sum_installs)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	make_run(&w, "xz -c -C none", "0000000000");
	CHECK_INT(install(&w, w.run, &err), 0);
	world_free(&w);
}

TEST(checksums_of_other_kinds)
{
	static const struct {
		const char *sed;
		bool ok;
	} cases[] = {
		{ "s/^CRCsum=.*/CRCsum=99999999999/", false },
		{ "s/^CRCsum=.*/CRCsum=-12/", false },
		{ "s/^CRCsum=.*/CRCsum=\"12 \"/", false },
		/* The sum of all from the fourth line on, which the first three do not change. */
		{ "s/^CRCsum=.*/CRCsum=0/; s/^MD5=.*/MD5='$(tail -n +4 f | md5sum | cut -c1-32)'/", true },
		{ "s/^CRCsum=.*/CRCsum=0/; s/^MD5=.*/MD5=00000000000000000000000000000001/", false },
		{ "s/^CRCsum=.*/CRCsum=0/; s/^MD5=.*/MD5=00000000000000000000000000000000/", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct world w;
		int status = -1;
		pid_t pid;

		world_make(&w);
		make_run(&w, "gzip -c", NULL);
		cleanup_free char *command = mem_printf("cd %s && cp *.run f && sed -i '%s' *.run", w.in, cases[i].sed);
		const char *const argv[] = { "sh", "-c", command, NULL };
		REQUIRE(posix_spawnp(&pid, "sh", NULL, NULL, (char *const *)argv, environ) == 0 &&
			waitpid(pid, &status, 0) == pid);
		if (!CHECK_INT(install(&w, w.run, &err) == 0, cases[i].ok))
			printf("# %s: %s\n", cases[i].sed, err.what);
		world_free(&w);
	}
}

TEST(what_is_no_run_file)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	tap_write(w.in, "NVIDIA-Linux-x86_64-" DRIVER ".run", "<html>\n<h1>404</h1>\n");
	CHECK(install(&w, w.run, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	CHECK(strstr(err.what, "no .run file") != NULL);
	world_free(&w);
}
