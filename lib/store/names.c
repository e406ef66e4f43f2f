/* SPDX-License-Identifier: Apache-2.0 */
#include "store/names.h"

#include <limits.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define COMPONENT_MAX 255

struct name {
	enum names_type type;
	char path[];
};

struct names {
	void *root;
	size_t bytes;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

struct names *names_new(void)
{
	return mem_zalloc(sizeof(struct names));
}

void names_free(struct names *n)
{
	if (!n)
		return;
	tdestroy(n->root, free);
	free(n);
}

static bool component_ok(const char *s, size_t n)
{
	static const char more[] = "._+-@() ,=~#%!:&[]{}'";

	if (n == 0 || n > COMPONENT_MAX || (n <= 2 && s[0] == '.' && s[n - 1] == '.'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      memchr(more, s[i], sizeof(more) - 1)))
			return false;
	return true;
}

bool names_path_ok(const char *path)
{
	if (strlen(path) >= PATH_MAX)
		return false;
	for (unsigned depth = 0; depth < NAMES_DEPTH_MAX; depth++) {
		size_t n = strcspn(path, "/");

		if (!component_ok(path, n))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
	return false;
}

bool names_link_ok(const char *path, const char *target)
{
	long depth = 0;

	if (!*target || *target == '/' || strlen(target) >= PATH_MAX)
		return false;
	for (; *path; path++)
		depth += *path == '/';
	for (;;) {
		size_t n = strcspn(target, "/");

		if (n == 2 && target[0] == '.' && target[1] == '.')
			depth--;
		else if (component_ok(target, n))
			depth++;
		else if (n && !(n == 1 && target[0] == '.'))
			return false;
		if (depth < 0)
			return false;
		if (!target[n])
			return true;
		target += n + 1;
	}
}

/* As `tar -C DIR .` writes names. False where nothing remains: the top directory itself. */
static bool trim(char *path, bool directory)
{
	size_t n;

	while (path[0] == '.' && path[1] == '/')
		memmove(path, path + 2, strlen(path + 2) + 1);
	for (n = strlen(path); directory && n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	if (directory && str_eq(path, "."))
		path[0] = '\0';
	return *path;
}

/*
 * Enters the name of the first n bytes of `path`; NULL where it is new, or was a directory and is one again: archives of
 * several packages have those.
 */
static const char *enter(struct names *all, const char *path, size_t n, enum names_type type, const char *otherwise)
{
	struct name *name = mem_zalloc(sizeof(*name) + n + 1);
	const struct name *there;
	struct name **found;

	name->type = type;
	memcpy(name->path, path, n);
	found = tsearch(name, &all->root, compare);
	there = found ? *found : NULL;
	if (there == name) {
		all->bytes += sizeof(*name) + n + 1;
		return all->bytes > NAMES_BYTES_MAX ? "more names than an archive may hold" : NULL;
	}
	free(name);
	if (!there)
		return "too many names for the memory there is";
	return there->type == NAMES_DIR && type == NAMES_DIR ? NULL : otherwise;
}

static const struct name *find(const struct names *all, const char *path)
{
	cleanup_free struct name *key = mem_zalloc(sizeof(*key) + strlen(path) + 1);
	struct name **found;

	memcpy(key->path, path, strlen(path));
	found = tfind(key, &all->root, compare);
	return found ? *found : NULL;
}

static const char *enter_parents(struct names *all, const char *path)
{
	const char *why = NULL;

	for (const char *slash = strchr(path, '/'); slash && !why; slash = strchr(slash + 1, '/'))
		why = enter(all, path, (size_t)(slash - path), NAMES_DIR,
			    "lies below what is no directory in the archive");
	return why;
}

static const char *check_target(const struct names *all, enum names_type type, const char *path, char *target)
{
	const struct name *there;

	if (type == NAMES_SYMLINK)
		return names_link_ok(path, target) ? NULL : "a link that leaves the archive";
	trim(target, false);
	there = names_path_ok(target) ? find(all, target) : NULL;
	if (!there)
		return "a hard link to what the archive does not hold before it";
	return there->type == NAMES_FILE ? NULL : "a hard link to what is no file";
}

const char *names_add(struct names *n, enum names_type type, char *path, char *target)
{
	const char *why = NULL;

	if (!trim(path, type == NAMES_DIR))
		return type == NAMES_DIR ? NULL : "a path that is not allowed";
	if (!names_path_ok(path))
		return "a path that is not allowed";
	if (type == NAMES_SYMLINK || type == NAMES_HARDLINK)
		why = check_target(n, type, path, target);
	if (!why)
		why = enter_parents(n, path);
	if (target)
		n->bytes += strlen(target);
	/* A hard link is one more name of a file. */
	return why ? why
		   : enter(n, path, strlen(path), type == NAMES_HARDLINK ? NAMES_FILE : type, "twice in the archive");
}
