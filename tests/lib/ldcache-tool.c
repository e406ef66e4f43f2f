/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ldcache-tool IN OUT [first|last SONAME PATH]... [own PREFIX]... [bench]
 * Reads a loader's cache, merges what is named and writes it: for ldcache-roots.sh. Prints what was found.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "apply/ldcache.h"
#include "base/fd.h"

#define LIST_MAX 128

struct args {
	struct ldcache_entry first[LIST_MAX], last[LIST_MAX];
	const char *own[LIST_MAX];
	struct strlist own_list;
	struct ldcache_change change;
	bool merge, bench;
};

static void add(struct ldcache_entry *list, size_t *n, char **argv)
{
	list[*n] = (struct ldcache_entry){ .flags = ldcache_flags(64, 62), .soname = argv[1], .path = argv[2] };
	(*n)++;
}

static void parse_args(struct args *a, char **argv)
{
	for (; *argv; argv++) {
		a->merge = true;
		if (str_eq(*argv, "bench")) {
			a->bench = true;
		} else if (str_eq(*argv, "own")) {
			a->own[a->own_list.n++] = argv[1];
			argv += 1;
		} else {
			if (str_eq(*argv, "first"))
				add(a->first, &a->change.n_first, argv);
			else
				add(a->last, &a->change.n_last, argv);
			argv += 2;
		}
	}
	a->own_list.v = a->own;
	a->change.first = a->first;
	a->change.last = a->last;
	a->change.own_prefixes = &a->own_list;
}

static void once(const struct args *a, const char *data, size_t len, char **out, size_t *out_len)
{
	static const char *const names[] = { "new", "old", "none", "corrupt" };
	struct ldcache c;

	ldcache_parse(&c, data, len);
	if (!a->bench)
		printf("%s %zu\n", names[c.found], c.n_entries);
	if (a->merge)
		ldcache_merge(&c, &a->change);
	ldcache_write(&c, out, out_len);
	ldcache_free(&c);
}

static void bench(const struct args *a, const char *data, size_t len)
{
	enum { ROUNDS = 2000 };
	struct timespec t, u;
	size_t out_len;
	char *out;

	clock_gettime(CLOCK_MONOTONIC, &t);
	for (int i = 0; i < ROUNDS; i++) {
		once(a, data, len, &out, &out_len);
		free(out);
	}
	clock_gettime(CLOCK_MONOTONIC, &u);
	printf("%.1f us\n", ((double)(u.tv_sec - t.tv_sec) * 1e6 + (double)(u.tv_nsec - t.tv_nsec) / 1e3) / ROUNDS);
}

int main(int argc, char **argv)
{
	static struct args a;
	cleanup_free char *data = NULL, *out = NULL;
	cleanup_fd int fd = -EBADF;
	size_t len, out_len;

	if (argc < 3)
		return 2;
	parse_args(&a, argv + 3);
	if (fd_read_file_at(AT_FDCWD, argv[1], LDCACHE_MAX, &data, &len) < 0) {
		perror(argv[1]);
		return 1;
	}
	if (a.bench) {
		bench(&a, data, len);
		return 0;
	}
	once(&a, data, len, &out, &out_len);
	fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, out, out_len) < 0) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
