/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snap [-i] DIR...             a line for each file: path, type, mode, owner, size, content, target, attributes
 * snap [-i] -c FILE DIR...     what has changed since that was written to FILE: "+ line", "- line"; exit 1 if anything
 *
 * Contents are given as a hash. With -i inode, links, and the times of change instead, which nothing can put back: quick
 * on large trees, and no write goes unseen. What is mounted in a DIR is not looked at. Names are printed with what could be taken for a separator as \ooo.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 200
#define HASH_START 14695981039346656037ULL

struct list {
	char **lines;
	size_t n, room;
};

static bool by_inode;

static void die(const char *what)
{
	fprintf(stderr, "snap: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211ULL;
	return h;
}

static void put_name(FILE *out, const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p > ' ' && *p < 127 && *p != '\\')
			putc(*p, out);
		else
			fprintf(out, "\\%03o", *p);
}

/* Of a sparse giant only the data: a hole is nothing. */
static void put_content(FILE *out, int dir, const char *name, const struct stat *st)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t h = HASH_START;
	char buf[65536];
	off_t at = 0;
	ssize_t n;

	if (fd < 0)
		die(name);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < st->st_size && (n = pread(fd, buf, sizeof(buf), at)) > 0) {
		h = hash(hash(h, &at, sizeof(at)), buf, (size_t)n);
		at += n;
	}
	close(fd);
	fprintf(out, " %016llx", (unsigned long long)h);
}

static void put_xattrs(FILE *out, int dir, const char *name)
{
	char path[64 + 256], list[4096], value[4096];
	ssize_t n, v;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%.255s", dir, name);
	n = llistxattr(path, list, sizeof(list));
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1) {
		v = lgetxattr(path, list + i, value, sizeof(value));
		fprintf(out, " %s=%016llx", list + i,
			(unsigned long long)hash(HASH_START, value, v > 0 ? (size_t)v : 0));
	}
}

static void put_file(FILE *out, int dir, const char *name, const struct stat *st)
{
	char target[4096];
	ssize_t n;

	fprintf(out, "%06o %u:%u", st->st_mode, st->st_uid, st->st_gid);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(out, " %u:%u", major(st->st_rdev), minor(st->st_rdev));
	if (!S_ISDIR(st->st_mode))
		fprintf(out, " %lld", (long long)st->st_size);
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		fputs(" -> ", out);
		put_name(out, target);
	}
	if (by_inode)
		fprintf(out, " %llu %llu %lld.%09ld %lld.%09ld", (unsigned long long)st->st_ino,
			(unsigned long long)st->st_nlink, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			(long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	else if (S_ISREG(st->st_mode))
		put_content(out, dir, name, st);
	if (!by_inode)
		put_xattrs(out, dir, name);
}

static void add(struct list *l, char *line)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 256;
		l->lines = realloc(l->lines, l->room * sizeof(*l->lines));
		if (!l->lines)
			die("memory");
	}
	l->lines[l->n++] = line;
}

static void walk(struct list *l, int dir, const char *name, const char *path, int depth);

static void walk_children(struct list *l, int dir, const char *name, const char *path, int depth)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char *below;

	if (!d)
		die(path);
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&below, "%s/%s", path, e->d_name) < 0)
			die("memory");
		walk(l, fd, e->d_name, below, depth + 1);
		free(below);
	}
	closedir(d);
}

static void walk(struct list *l, int dir, const char *name, const char *path, int depth)
{
	struct stat st;
	char *line;
	size_t n;
	FILE *out;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		die(path);
	out = open_memstream(&line, &n);
	put_name(out, path);
	putc(' ', out);
	put_file(out, dir, name, &st);
	fclose(out);
	add(l, line);
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
		walk_children(l, dir, name, path, depth);
}

/* A view of the directory's own mount: what is mounted in it, and comes and goes, is not seen. */
static int open_view(const char *path)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct list read_list(const char *path)
{
	struct list l = { NULL, 0, 0 };
	FILE *f = fopen(path, "re");
	size_t size = 0;
	char *line = NULL;

	if (!f)
		die(path);
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		add(&l, strdup(line));
	}
	free(line);
	fclose(f);
	return l;
}

static int show_difference(const struct list *old, const struct list *new)
{
	size_t a = 0, b = 0;
	int differs = 0;

	while (a < old->n || b < new->n) {
		int order = a == old->n ? 1 : b == new->n ? -1 : strcmp(old->lines[a], new->lines[b]);

		if (order < 0)
			printf("- %s\n", old->lines[a]);
		else if (order > 0)
			printf("+ %s\n", new->lines[b]);
		differs |= order != 0;
		a += order <= 0;
		b += order >= 0;
	}
	return differs;
}

int main(int argc, char **argv)
{
	struct list now = { NULL, 0, 0 }, old;
	const char *before = NULL;
	int c;

	while ((c = getopt(argc, argv, "ic:")) != -1) {
		by_inode |= c == 'i';
		before = c == 'c' ? optarg : before;
	}
	for (; optind < argc; optind++)
		walk(&now, open_view(argv[optind]), ".", argv[optind], 0);
	if (now.n)
		qsort(now.lines, now.n, sizeof(*now.lines), compare);
	if (before) {
		old = read_list(before);
		return show_difference(&old, &now);
	}
	for (size_t i = 0; i < now.n; i++)
		puts(now.lines[i]);
	return 0;
}
