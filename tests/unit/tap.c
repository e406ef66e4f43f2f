/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define TESTS_MAX 512

static struct {
	const char *name;
	tap_fn *fn;
} tests[TESTS_MAX];
static unsigned n_tests, n_failed;
static bool failed;
static const char *skipped;
static char tmpdir[256];
static struct arena dirs = ARENA_INIT;

void tap_register(const char *name, tap_fn *fn)
{
	if (n_tests == TESTS_MAX)
		abort();
	tests[n_tests].name = name;
	tests[n_tests++].fn = fn;
}

bool tap_check(bool ok, const char *file, int line, const char *expr)
{
	if (!ok) {
		printf("# %s:%d: failed: %s\n", file, line, expr);
		failed = true;
	}
	return ok;
}

bool tap_check_int(long long got, long long want, const char *file, int line, const char *expr)
{
	if (got != want) {
		printf("# %s:%d: %s is %lld, not %lld\n", file, line, expr, got, want);
		failed = true;
	}
	return got == want;
}

bool tap_check_str(const char *got, const char *want, const char *file, int line, const char *expr)
{
	bool same = got && want ? str_eq(got, want) : got == want;

	if (!same) {
		printf("# %s:%d: %s is \"%s\", not \"%s\"\n", file, line, expr, got ? got : "(null)",
		       want ? want : "(null)");
		failed = true;
	}
	return same;
}

void tap_skip(const char *why)
{
	skipped = why;
}

#ifdef TAP_COVERAGE
void __gcov_dump(void);
#endif

void tap_exit(int status)
{
	fflush(stdout);
#ifdef TAP_COVERAGE
	__gcov_dump();
#endif
	_exit(status);
}

unsigned tap_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d) {
		perror("/proc/self/fd");
		exit(1);
	}
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

const char *tap_tmpdir(void)
{
	static unsigned n;
	static char sub[300];

	if (!tmpdir[0]) {
		snprintf(tmpdir, sizeof(tmpdir), "%.200s/nvcoreos-unit-XXXXXX",
			 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
		if (!mkdtemp(tmpdir)) {
			perror(tmpdir);
			exit(1);
		}
	}
	snprintf(sub, sizeof(sub), "%s/%u", tmpdir, n++);
	if (mkdir(sub, 0755) < 0) {
		perror(sub);
		exit(1);
	}
	return arena_strdup(&dirs, sub);
}

void tap_write(const char *dir, const char *path, const char *content)
{
	char full[4096], parent[4096];
	cleanup_fd int d = -EBADF;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	if (path_parent(full, parent, sizeof(parent)) == 0 && fd_mkdir_p(AT_FDCWD, parent, 0755) == 0)
		d = fd_open_dir(parent);
	if (d < 0 || fd_replace_file(d, path_base(full), content, strlen(content), 0644, 0) < 0) {
		perror(full);
		exit(1);
	}
}

static void remove_tmpdir(void)
{
	if (tmpdir[0] && fd_remove_tree(AT_FDCWD, tmpdir) < 0)
		perror(tmpdir);
	arena_free(&dirs);
}

int main(void)
{
	for (unsigned i = 0; i < n_tests; i++) {
		failed = false;
		skipped = NULL;
		tests[i].fn();
		printf("%sok %u - %s%s%s\n", failed ? "not " : "", i + 1, tests[i].name, skipped ? " # SKIP " : "",
		       skipped ? skipped : "");
		n_failed += failed;
	}
	printf("1..%u\n", n_tests);
	remove_tmpdir();
	return n_failed ? 1 : 0;
}
