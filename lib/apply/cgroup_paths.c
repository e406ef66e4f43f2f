/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup_paths.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "base/str.h"

#define DELETED " (deleted)"

/* Whether the comma-separated list holds the word. */
static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

static bool is_dots(const char *part, size_t n)
{
	return (n == 1 || n == 2) && part[0] == '.' && part[n - 1] == '.';
}

static int check_path(const char *path, struct err *err)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return err_set(err, ERR_CGROUP, EBADMSG, "cgroup %s", path);
	if (str_ends(path, DELETED))
		return err_set(err, ERR_CGROUP, ENOENT, "cgroup %s", path);
	/* The kernel writes a cgroup beyond the reader's namespace this way. */
	if (path_is_below(path, "/.."))
		return err_set(err, ERR_CGROUP, EXDEV, "cgroup %s is outside of the hook's cgroup namespace", path);
	for (const char *p = path; *p && path[1];) {
		size_t n = strcspn(++p, "/");

		if (n == 0 || is_dots(p, n))
			return err_set(err, ERR_CGROUP, EBADMSG, "cgroup %s", path);
		p += n;
	}
	return 0;
}

/* One line: "id:controllers:path"; a path may hold colons. */
static int parse_line(struct cgroup_paths *ret, char *line, struct err *err)
{
	char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL, **place;
	uint64_t id;
	int r;

	if (!path)
		return err_set(err, ERR_CGROUP, EBADMSG, "/proc/PID/cgroup: %s", line);
	*controllers++ = '\0';
	*path++ = '\0';
	if (str_to_u64(line, INT32_MAX, &id) < 0)
		return err_set(err, ERR_CGROUP, EBADMSG, "/proc/PID/cgroup: hierarchy %s", line);
	if (id == 0 && !*controllers)
		place = &ret->v2;
	else if (list_has(controllers, "devices"))
		place = &ret->v1;
	else
		return 0;
	r = check_path(path, err);
	if (r == 0 && *place)
		r = err_set(err, ERR_CGROUP, EBADMSG, "cgroup %s stands beside %s", path, *place);
	if (r == 0)
		*place = mem_strdup(path);
	return r;
}

int cgroup_paths_parse(struct cgroup_paths *ret, const char *text, size_t len, struct err *err)
{
	cleanup_free char *copy = mem_strndup(text, len);
	char *rest = copy, *line;
	int r = 0;

	*ret = (struct cgroup_paths){ NULL, NULL };
	if (strlen(copy) != len)
		return err_set(err, ERR_CGROUP, EBADMSG, "/proc/PID/cgroup has a NUL byte");
	while (r == 0 && rest && *rest) {
		line = strsep(&rest, "\n");
		/* Every line ends with a newline. */
		if (!rest)
			r = err_set(err, ERR_CGROUP, EBADMSG, "/proc/PID/cgroup: %s", line);
		else
			r = parse_line(ret, line, err);
	}
	if (r < 0)
		cgroup_paths_free(ret);
	return r;
}

void cgroup_paths_free(struct cgroup_paths *p)
{
	free(p->v1);
	free(p->v2);
	*p = (struct cgroup_paths){ NULL, NULL };
}

/* "slice:prefix:name" is the unit prefix-name.scope, or name where that is a slice (runc and crun alike). */
static char *unit_of(const char *cgroups_path)
{
	const char *prefix = strchr(cgroups_path, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;

	if (!name || strchr(name + 1, ':'))
		return NULL;
	prefix++;
	name++;
	if (str_ends(name, ".slice"))
		return mem_printf("/%s", name);
	return mem_printf("/%.*s%s%s.scope", (int)(name - 1 - prefix), prefix, name - 1 > prefix ? "-" : "", name);
}

size_t cgroup_paths_own(const char *path, const char *cgroups_path)
{
	size_t whole = strlen(path), n, found = whole;
	cleanup_free char *unit = cgroups_path ? unit_of(cgroups_path) : NULL;
	cleanup_free char *absolute = cgroups_path ? mem_printf("/%s", cgroups_path) : NULL;
	char want[PATH_MAX];

	if (!absolute || strlen(absolute) >= PATH_MAX)
		return whole;
	if (path_normalize(unit ? unit : absolute, want, sizeof(want)) < 0 || str_eq(want, "/"))
		return whole;
	n = strlen(want);
	/* The last one that fits: what stands before it is where the runtime itself is. */
	for (const char *p = strstr(path, want); p; p = strstr(p + 1, want))
		if (p[n] == '/' || p[n] == '\0')
			found = (size_t)(p - path) + n;
	return found;
}

/* Octal escapes of mountinfo, in place. */
static void unescape(char *s)
{
	char *o = s;

	for (; *s; o++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*o = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*o = *s++;
		}
	}
	*o = '\0';
}

static bool parse_dev(char *text, dev_t *ret)
{
	char *minor_ = strchr(text, ':');
	uint64_t a, b;

	if (!minor_)
		return false;
	*minor_++ = '\0';
	if (str_to_u64(text, UINT32_MAX, &a) < 0 || str_to_u64(minor_, UINT32_MAX, &b) < 0)
		return false;
	*ret = makedev((unsigned)a, (unsigned)b);
	return true;
}

/* id parent maj:min root target options [tags...] - type source superoptions */
static bool parse_mount(char *line, struct cgroup_mount *ret)
{
	char *tail = strstr(line, " - "), *type, *field[5];

	if (!tail)
		return false;
	*tail = '\0';
	tail += strlen(" - ");
	type = strsep(&tail, " ");
	ret->v2 = str_eq(type, "cgroup2");
	if (!ret->v2 && !str_eq(type, "cgroup"))
		return false;
	if (!tail || !strsep(&tail, " ") || !tail || (!ret->v2 && !list_has(tail, "devices")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strsep(&line, " ");
		if (!field[i])
			return false;
	}
	if (!parse_dev(field[2], &ret->dev) || field[3][0] != '/' || field[4][0] != '/')
		return false;
	unescape(field[3]);
	unescape(field[4]);
	ret->root = field[3];
	ret->target = field[4];
	return true;
}

bool cgroup_paths_mount(char **text, struct cgroup_mount *ret)
{
	char *line;

	while ((line = strsep(text, "\n")))
		if (parse_mount(line, ret))
			return true;
	return false;
}

const char *cgroup_paths_in(const char *root, const char *path)
{
	const char *rest = str_eq(root, "/") ? path : str_after(path, root);

	if (!rest || (*rest && *rest != '/'))
		return NULL;
	rest += strspn(rest, "/");
	return *rest ? rest : ".";
}
