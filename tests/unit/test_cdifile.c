/* SPDX-License-Identifier: Apache-2.0 */
/* A specification's file: several writers, one that was killed, and the lock. */
#include "cdifile.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cdihost.h"

#define WRITERS 6
#define ROUNDS 60

/* The names in that directory, in one line; in order of nothing. */
static char *names(const char *dir, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);
	struct strbuf b = STRBUF_INIT;
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			strbuf_printf(&b, "%s ", e->d_name);
	if (d)
		closedir(d);
	return strbuf_steal(&b);
}

TEST(written_once)
{
	cleanup_strbuf struct strbuf a = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	ino_t first;

	strbuf_puts(&a, "text\n");
	CHECK_INT(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err), 1);
	first = cdihost_inode(dir, "etc/cdi/x.yaml");
	CHECK(first);
	CHECK_INT(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err), 0);
	CHECK(cdihost_inode(dir, "etc/cdi/x.yaml") == first);
	strbuf_puts(&a, "more\n");
	CHECK_INT(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err), 1);
	cleanup_free char *got = cdihost_content(dir, "etc/cdi/x.yaml"), *all = names(dir, "etc/cdi");

	CHECK_STR(got, "text\nmore\n");
	CHECK_STR(all, "x.yaml ");
	cdihost_end(&cli);
}

TEST(keeps_the_mode_of_what_it_replaces)
{
	cleanup_strbuf struct strbuf a = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	cleanup_free char *path = mem_printf("%s/etc/cdi/x.yaml", dir);
	struct stat st;

	strbuf_puts(&a, "text\n");
	REQUIRE(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err) == 1);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0644);
	REQUIRE(chmod(path, 0600) == 0);
	strbuf_puts(&a, "more\n");
	REQUIRE(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err) == 1);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	cdihost_end(&cli);
}

static int write_often(const struct cli *cli, unsigned who)
{
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < ROUNDS; i++) {
		cleanup_strbuf struct strbuf text = STRBUF_INIT;

		strbuf_printf(&text, "%u %u\n", who, i);
		if (cdifile_write(cli, "/run/cdi/x.yaml", &text, &err) < 0) {
			printf("# %u: %s: %s\n", who, err.what, strerror(err.errnum));
			fflush(stdout);
			return 1;
		}
	}
	return 0;
}

/* None fails for the others, and none leaves anything. */
TEST(several_writers_at_once)
{
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	for (unsigned i = 0; i < WRITERS; i++)
		if (fork() == 0)
			_exit(write_often(&cli, i));
	for (unsigned i = 0; i < WRITERS; i++) {
		int status = -1;

		CHECK(wait(&status) > 0 && status == 0);
	}
	cleanup_free char *all = names(dir, "run/cdi"), *got = cdihost_content(dir, "run/cdi/x.yaml");

	CHECK_STR(all, "x.yaml ");
	CHECK(strstr(got, " 59\n"));
	cdihost_end(&cli);
}

/* What nobody writes any more goes; what somebody writes stays, and so does what is not ours. */
TEST(what_a_killed_one_left)
{
	cleanup_strbuf struct strbuf a = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	cleanup_free char *live = mem_printf("%s/etc/cdi/.x.yaml.nvcoreos-2-2", dir);
	int fd;

	tap_write(dir, "etc/cdi/.x.yaml.nvcoreos-1-1", "half");
	tap_write(dir, "etc/cdi/.x.yaml.nvcoreos-2-2", "half");
	tap_write(dir, "etc/cdi/.x.yaml.swp", "an editor's");
	tap_write(dir, "etc/cdi/.other.yaml.nvcoreos-1-1", "another's");
	fd = open(live, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	strbuf_puts(&a, "text\n");
	CHECK_INT(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err), 1);
	CHECK(!cdihost_inode(dir, "etc/cdi/.x.yaml.nvcoreos-1-1"));
	CHECK(cdihost_inode(dir, "etc/cdi/.x.yaml.nvcoreos-2-2"));
	CHECK(cdihost_inode(dir, "etc/cdi/.x.yaml.swp") && cdihost_inode(dir, "etc/cdi/.other.yaml.nvcoreos-1-1"));
	close(fd);
	strbuf_puts(&a, "more\n");
	CHECK_INT(cdifile_write(&cli, "/etc/cdi/x.yaml", &a, &err), 1);
	CHECK(!cdihost_inode(dir, "etc/cdi/.x.yaml.nvcoreos-2-2"));
	cdihost_end(&cli);
}

TEST(what_cannot_be_written)
{
	cleanup_strbuf struct strbuf a = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);
	cleanup_free char *link = mem_printf("%s/etc/link.yaml", dir);

	strbuf_puts(&a, "text\n");
	tap_write(dir, "etc/file", "");
	CHECK_INT(cdifile_write(&cli, "/etc/file/x.yaml", &a, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_IO);
	REQUIRE(symlink("file", link) == 0);
	CHECK_INT(cdifile_write(&cli, "/etc/link.yaml", &a, &err), -ELOOP);
	cleanup_free char *got = cdihost_content(dir, "etc/file");

	CHECK_STR(got, "");
	cdihost_end(&cli);
}

TEST(one_at_a_time)
{
	struct err err = ERR_INIT;
	struct timespec begun, ended;
	int fd, status = -1;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	/* On another host's root nothing is made for it. */
	CHECK_INT(cdifile_lock(&cli, &err), -EBADF);
	CHECK(!cdihost_inode(dir, "run/nvcoreos/cdi.lock"));
	cli.root = "";
	fd = cdifile_lock(&cli, &err);
	REQUIRE(fd >= 0);
	if (fork() == 0) {
		close(fd);
		fd = cdifile_lock(&cli, &err);
		nanosleep(&(struct timespec){ .tv_nsec = 300 * 1000000L }, NULL);
		_exit(fd < 0);
	}
	nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000L }, NULL);
	CHECK_INT(waitpid(-1, &status, WNOHANG), 0);
	close(fd);
	nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000L }, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	fd = cdifile_lock(&cli, &err);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	CHECK(fd >= 0);
	CHECK((ended.tv_sec - begun.tv_sec) * 1000 + (ended.tv_nsec - begun.tv_nsec) / 1000000 > 50);
	CHECK(wait(&status) > 0 && status == 0);
	close(fd);
	cdihost_end(&cli);
}

/* Who writes for himself needs none. */
TEST(where_no_lock_can_be_made)
{
	struct err err = ERR_INIT;
	struct cli cli;
	const char *dir = cdihost_begin(&cli);

	tap_write(dir, "file", "");
	cli.root = "";
	cli.conf.run_dir = arena_printf(&cli.conf.arena, "%s/file/run", dir);
	CHECK_INT(cdifile_lock(&cli, &err), -EBADF);
	CHECK_INT(err.code, ERR_NONE);
	cdihost_end(&cli);
}
