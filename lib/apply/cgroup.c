/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "apply/caps.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define CGROUP_FILE_MAX (64u << 10)
#define MOUNTINFO_MAX (64u << 20)

/* Whether the comma-separated list holds the word. */
static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

/*
 * Finds the devices hierarchy's line "id:controllers:path". NULL where there is none (cgroup v2, or no
 * controller).
 */
static const char *find_path(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		if (list_has(controllers + 1, "devices"))
			return path;
	}
	return NULL;
}

/*
 * One mountinfo line: id parent maj:min root target options [tags] - type source superoptions. Its target where
 * it is the devices hierarchy, seen from its root.
 */
static const char *devices_mount(char *line)
{
	char *rest = strstr(line, " - cgroup "), *save = NULL, *field = NULL;
	const char *root = NULL;

	if (!rest)
		return NULL;
	*rest = '\0';
	rest = strrchr(rest + 1, ' ');
	if (!rest || !list_has(rest + 1, "devices"))
		return NULL;
	field = strtok_r(line, " ", &save);
	for (int i = 0; field && i < 4; i++) {
		if (i == 3)
			root = field;
		field = strtok_r(NULL, " ", &save);
	}
	/* Behind a cgroup namespace or a partial mount the paths of /proc/PID/cgroup would name other cgroups. */
	return root && str_eq(root, "/") ? field : NULL;
}

static int open_hierarchy(struct err *err)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, &len);

	if (r < 0)
		return err_set(err, ERR_CGROUP, -r, "/proc/self/mountinfo");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *target = devices_mount(line);

		if (target) {
			r = fd_open_dir(target);
			return r < 0 ? err_set(err, ERR_CGROUP, -r, "%s", target) : r;
		}
	}
	return err_set(err, ERR_CGROUP, ENOENT, "the devices hierarchy is not mounted here");
}

static int open_allow(pid_t pid, struct err *err)
{
	cleanup_free char *text = NULL;
	cleanup_fd int top = -EBADF, cgroup = -EBADF;
	const char *path;
	char file[64];
	size_t len;
	int r;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	r = fd_read_file_at(AT_FDCWD, file, CGROUP_FILE_MAX, &text, &len);
	if (r < 0)
		return err_set(err, ERR_CGROUP, -r, "%s", file);
	path = find_path(text);
	if (!path)
		return err_set(err, ERR_CGROUP, EOPNOTSUPP, "cgroup v2 of init %d", (int)pid);
	if (str_eq(path, "/"))
		return err_set(err, ERR_CGROUP, EPERM, "init %d lies in the host's own cgroup", (int)pid);
	top = open_hierarchy(err);
	if (top < 0)
		return top;
	cgroup = path_open_same_mount(top, path, O_PATH | O_DIRECTORY);
	if (cgroup < 0)
		return err_set(err, ERR_CGROUP, -cgroup, "%s", path);
	r = openat(cgroup, "devices.allow", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return r < 0 ? err_set(err, ERR_CGROUP, errno, "%s/devices.allow", path) : r;
}

int cgroup_allow(pid_t pid, const struct plan *plan, struct err *err)
{
	cleanup_fd int allow = -EBADF;
	int r = caps_raise(CAPS_CGROUP, err);

	if (r < 0 || !plan->n_nodes)
		return r < 0 ? r : caps_lower(err);
	allow = open_allow(pid, err);
	if (allow < 0)
		return allow;
	for (size_t i = 0; i < plan->n_nodes; i++) {
		char rule[64];

		snprintf(rule, sizeof(rule), "c %u:%u rw", plan->nodes[i].major, plan->nodes[i].minor);
		r = fd_write_all(allow, rule, strlen(rule));
		if (r < 0)
			return err_set(err, ERR_CGROUP, -r, "%s", rule);
	}
	return caps_lower(err);
}
