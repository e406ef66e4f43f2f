/* SPDX-License-Identifier: Apache-2.0 */
#include "boxlib.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <time.h>

#define STATE_MAX (12u << 20)

extern char **environ;

void box_die(const char *format, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, format);
	fputs("box: ", stderr);
	vfprintf(stderr, format, ap);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(ap);
	_exit(120);
}

void box_script(const char *script)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-ec", script, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		box_die("script: %s", script);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		box_die("%s", path);
	close(fd);
}

void box_map_users(pid_t pid, const char *users)
{
	unsigned first, size;
	char path[64], map[64];

	if (sscanf(users, "%u:%u", &first, &size) != 2)
		box_die("users %s", users);
	snprintf(map, sizeof(map), "0 %u %u\n", first, size);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	write_file(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	write_file(path, map);
}

void box_idmap(const char *rootfs, const char *users)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	char path[64];
	int ns, tree;

	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		box_die("clone");
	box_map_users(pid, users);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	attr.userns_fd = (uint64_t)ns;
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (ns < 0 || tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    syscall(SYS_move_mount, tree, "", AT_FDCWD, rootfs, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		box_die("mapping ids of %s", rootfs);
	close(ns);
	close(tree);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- mountinfo --- */

struct line {
	unsigned long id;
	char *text;
};

struct table {
	struct line *lines;
	size_t n;
};

static int by_id(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct table read_mounts(pid_t pid)
{
	struct table t = { NULL, 0 };
	size_t room = 0, size = 0;
	char path[64], *text = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return t; /* it has ended: all its mounts are gone */
	while (getline(&text, &size, f) > 0) {
		if (t.n == room) {
			room = room ? 2 * room : 64;
			t.lines = realloc(t.lines, room * sizeof(*t.lines));
		}
		t.lines[t.n++] = (struct line){ strtoul(text, NULL, 10), strdup(text) };
	}
	free(text);
	fclose(f);
	qsort(t.lines, t.n, sizeof(*t.lines), by_id);
	return t;
}

static FILE *answer(const struct box_hook *h, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", h->out, name);
	f = fopen(path, "we");
	if (!f)
		box_die("%s", path);
	return f;
}

/*
 * Whoever removes a mount point unmounts it in all namespaces, and other programs do so all the time where programs keep
 * their data. Beside the directory of OUT that is no work of the hook's.
 */
static bool is_others(const struct box_hook *h, const char *line)
{
	static const char *const busy[] = { "/tmp/", "/var/", "/run/", "/root/", "/home/" };
	size_t own = strlen(h->out) - strlen(strrchr(h->out, '/')) + 1;
	char point[4096];

	if (sscanf(line, "%*d %*d %*s %*s %4095s", point) != 1 || strncmp(point, h->out, own) == 0)
		return false;
	for (size_t i = 0; i < sizeof(busy) / sizeof(*busy); i++)
		if (strncmp(point, busy[i], strlen(busy[i])) == 0)
			return true;
	return false;
}

/* Lines of only one table, and pairs that differ. */
static void compare(const struct box_hook *h, const struct table *old, const struct table *new, FILE *lost, FILE *won,
		    const char *plus)
{
	size_t a = 0, b = 0;

	while (a < old->n || b < new->n) {
		int order = a == old->n ? 1 : b == new->n ? -1 : by_id(&old->lines[a], &new->lines[b]);

		if (order == 0 && strcmp(old->lines[a].text, new->lines[b].text) != 0) {
			fprintf(lost, "- %s", old->lines[a].text);
			fprintf(lost, "= %s", new->lines[b].text);
		} else if (order < 0 && !is_others(h, old->lines[a].text)) {
			fprintf(lost, "- %s", old->lines[a].text);
		} else if (order > 0) {
			fprintf(won, "%s%s", plus, new->lines[b].text);
		}
		a += order <= 0;
		b += order >= 0;
	}
}

/* --- the hook --- */

/* Runtimes give the state through a pipe and close it. */
static int open_state(const struct box_hook *h)
{
	static char text[STATE_MAX], whole[STATE_MAX + 32];
	FILE *f = h->state ? fopen(h->state, "re") : NULL, *out;
	size_t n = 0;
	int fds[2];
	char *at;

	if (h->state && (!f || (n = fread(text, 1, sizeof(text) - 1, f), fclose(f)) != 0))
		box_die("%s", h->state);
	if (!h->state)
		n = (size_t)snprintf(text, sizeof(text),
				     "{\"ociVersion\":\"1.0.2\",\"id\":\"box\",\"status\":\"created\",\"pid\":@PID@,"
				     "\"bundle\":\"%s\"}",
				     h->bundle ? h->bundle : "");
	text[n] = '\0';
	at = memmem(text, n, "@PID@", 5);
	out = fmemopen(whole, sizeof(whole), "w");
	fwrite(text, 1, at ? (size_t)(at - text) : n, out);
	if (at)
		fprintf(out, "%d", (int)h->pid), fwrite(at + 5, 1, n - (size_t)(at - text) - 5, out);
	n = (size_t)ftell(out);
	fclose(out);
	if (pipe2(fds, O_CLOEXEC) < 0)
		box_die("pipe");
	/* Root may have a pipe that holds all of it. */
	if (fcntl(fds[1], F_SETPIPE_SZ, n + 65536) < 0 || write(fds[1], whole, n) != (ssize_t)n)
		box_die("state");
	close(fds[1]);
	return fds[0];
}

static void be_hook(const struct box_hook *h)
{
	char path[4096], pid[16];
	int in = open_state(h), out, err;

	snprintf(path, sizeof(path), "%s/stdout", h->out);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "%s/stderr", h->out);
	err = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	snprintf(pid, sizeof(pid), "%d", (int)h->pid);
	if (out < 0 || err < 0 || setenv("BOX_PID", pid, 1) < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(err, 2) < 0)
		box_die("hook");
	setpgid(0, 0);
	execl("/bin/sh", "sh", "-c", h->script, (char *)NULL);
	_exit(127);
}

/* Waits for it; "timeout" where it takes longer. */
static void wait_for(const struct box_hook *h, pid_t hook, char *ret, size_t size)
{
	struct timespec left = { h->timeout, 0 };
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(hook, &status, WNOHANG) == 0) {
		if (sigtimedwait(&child, NULL, &left) >= 0 || errno == EINTR)
			continue;
		kill(-hook, SIGKILL);
		waitpid(hook, &status, 0);
		snprintf(ret, size, "timeout");
		return;
	}
	snprintf(ret, size, "%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* What the hook left running has become our child. */
static int count_left(const struct box_hook *h)
{
	char path[64];
	int pid, n = 0;
	FILE *f;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (!f)
		box_die("%s", path);
	while (fscanf(f, "%d", &pid) == 1) {
		if (pid == h->pid)
			continue;
		n++;
		kill(pid, SIGKILL);
	}
	fclose(f);
	return n;
}

void box_run_hook(const struct box_hook *h)
{
	struct table host = read_mounts(getpid()), box = read_mounts(h->pid), host_after, box_after;
	FILE *f[5] = { answer(h, "new"), answer(h, "changed"), answer(h, "leak"), answer(h, "status"),
		       answer(h, "left") };
	char status[32];
	sigset_t child;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &child, NULL);
		be_hook(h);
	}
	if (pid < 0)
		box_die("fork");
	wait_for(h, pid, status, sizeof(status));
	host_after = read_mounts(getpid());
	box_after = read_mounts(h->pid);
	compare(h, &box, &box_after, f[1], f[0], "");
	compare(h, &host, &host_after, f[2], f[2], "+ ");
	fprintf(f[3], "%s\n", status);
	fprintf(f[4], "%d\n", count_left(h));
	for (size_t i = 0; i < 5; i++)
		fclose(f[i]);
}
