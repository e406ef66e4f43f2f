/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host of its own for runs of nvcoreos-hook, and stand-ins for a runtime's init on it, all in one process: a start takes
 * some milliseconds. The process gets a mount namespace in which /etc, /usr, /opt and /var show whatever is written to them,
 * and /dev and /run are its own. DIR is made by the suite: conf, config.json (root.path "root"), host/, store/, cuda-store/,
 * canary/. What is made here lies on a tmpfs at DIR/run and goes with the process.
 */
#ifndef NVCOREOS_TESTS_STAGE_H
#define NVCOREOS_TESTS_STAGE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "listing.h"

#define STAGE_PATH 512

struct stage {
	const char *dir, *hook;
	const char *lower; /* the container's root as the image has it */
	unsigned users;	   /* each container gets a user namespace whose ids from 0 on are these; 0: none */
	struct listing before;
};

/* One container: its root is an overlay, so that its layer can be looked at and thrown away. */
struct box {
	char dir[STAGE_PATH]; /* the bundle: root, upper, work, config.json */
	pid_t init;
	unsigned users;
};

/* How a program ended, and what it said on stderr. */
struct outcome {
	int status; /* as of waitpid */
	char said[4096];
};

static inline void stage_die(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(saved));
	_exit(99);
}

static inline char *stage_path(char *buf, const char *dir, const char *fmt, ...)
{
	int n = snprintf(buf, STAGE_PATH, "%s/", dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, (size_t)(STAGE_PATH - n), fmt, ap);
	va_end(ap);
	return buf;
}

static inline void stage_mkdir(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		stage_die("mkdir %s", path);
}

static inline void stage_overlay(const char *lower, const char *upper, const char *work, const char *target)
{
	char options[3 * STAGE_PATH + 64];

	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
	if (mount("overlay", target, "overlay", 0, options) < 0)
		stage_die("overlay of %s on %s", lower, target);
}

static const char *const stage_guarded[] = { "etc", "usr", "opt", "var" };
#define STAGE_GUARDED (sizeof(stage_guarded) / sizeof(stage_guarded[0]))

/* Whatever a hook would write into the host's own directories lands in a layer that must stay empty. */
static inline void stage_guard(const char *run)
{
	char upper[STAGE_PATH], work[STAGE_PATH], target[STAGE_PATH];

	for (size_t i = 0; i < STAGE_GUARDED; i++) {
		stage_mkdir(stage_path(upper, run, "guard-%s", stage_guarded[i]));
		stage_mkdir(stage_path(work, run, "work-%s", stage_guarded[i]));
		stage_path(target, "", "%s", stage_guarded[i]);
		stage_overlay(target, upper, work, target);
	}
}

static inline void stage_nodes(const char *dev)
{
	static const struct {
		const char *name;
		unsigned minor;
	} nodes[] = { { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 }, { "urandom", 9 } };
	char path[STAGE_PATH];

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (mknod(stage_path(path, dev, "%s", nodes[i].name), S_IFCHR | 0666, makedev(1, nodes[i].minor)) < 0)
			stage_die("%s", path);
}

static inline void stage_tmpfs(const char *path, const char *options)
{
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID, options) < 0)
		stage_die("tmpfs on %s", path);
}

static inline void stage_open(struct stage *s)
{
	char run[STAGE_PATH];

	umask(022);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		stage_die("a mount namespace");
	stage_mkdir(stage_path(run, s->dir, "run"));
	stage_tmpfs(run, "mode=755");
	stage_tmpfs("/run", "mode=755");
	stage_tmpfs("/dev", "mode=755");
	stage_nodes("/dev");
	stage_guard(run);
}

/* Everything that no run may change: DIR, the guarded directories, /dev, /run, the mounts. */
static inline void stage_look(const struct stage *s, struct listing *ret)
{
	static const char *const parts[] = { "host", "store", "cuda-store", "canary" };
	char path[STAGE_PATH], line[8192];
	FILE *f = fopen("/proc/self/mountinfo", "re");

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!listing_take(ret, stage_path(path, s->dir, "%s", parts[i]), path, LISTING_INODE))
			stage_die("%s", path);
	for (size_t i = 0; i < STAGE_GUARDED; i++)
		listing_take(ret, stage_path(path, s->dir, "run/guard-%s", stage_guarded[i]), path, LISTING_CONTENT);
	listing_take(ret, "/dev", "/dev", LISTING_INODE);
	listing_take(ret, "/run", "/run", LISTING_INODE);
	while (f && fgets(line, sizeof(line), f)) {
		char id[32], device[32], root[4096];

		/* Others may rename the place of a mount of theirs, or change its options. */
		if (strstr(line, s->dir))
			listing_add(ret, "%.*s", (int)strcspn(line, "\n"), line);
		else if (sscanf(line, "%31s %*s %31s %4095s", id, device, root) == 3)
			listing_add(ret, "mount %s %s %s", id, device, root);
	}
	if (f)
		fclose(f);
	qsort(ret->line, ret->n, sizeof(*ret->line), listing_compare);
}

static inline void stage_remember(struct stage *s)
{
	listing_free(&s->before);
	stage_look(s, &s->before);
}

/*
 * How many lines differ from what was remembered; they are printed. A mount of another's that went is none of ours: its
 * directory was removed elsewhere.
 */
static inline size_t stage_changed(const struct stage *s)
{
	struct listing now = { 0 }, was = { 0 };
	size_t n;

	stage_look(s, &now);
	for (size_t i = 0; i < s->before.n; i++) {
		const char *line = s->before.line[i];

		if (*line == '/' || strstr(line, s->dir) || listing_has(&now, line))
			listing_add(&was, "%s", line);
	}
	n = listing_diff(&was, &now, stderr);
	listing_free(&now);
	listing_free(&was);
	return n;
}

static inline void stage_copy(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n = 0;

	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			stage_die("%s", to);
	if (in < 0 || out < 0 || n < 0)
		stage_die("%s to %s", from, to);
	close(in);
	close(out);
}

static inline void stage_remove(int dir, const char *name)
{
	int fd;
	DIR *d;
	struct dirent *e;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			stage_remove(dirfd(d), e->d_name);
	if (d)
		closedir(d);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		stage_die("removing %s", name);
}

static inline void box_open(struct stage *s, struct box *b, unsigned id)
{
	char from[STAGE_PATH], to[STAGE_PATH];

	b->init = 0;
	b->users = s->users;
	stage_mkdir(stage_path(b->dir, s->dir, "run/box%u", id));
	stage_mkdir(stage_path(to, b->dir, "root"));
	stage_copy(stage_path(from, s->dir, "config.json"), stage_path(to, b->dir, "config.json"));
}

/* The image as it is, with an empty layer of the container's own. */
static inline void box_fresh(struct stage *s, struct box *b)
{
	char root[STAGE_PATH], upper[STAGE_PATH], work[STAGE_PATH];

	stage_path(root, b->dir, "root");
	umount2(root, MNT_DETACH);
	stage_remove(AT_FDCWD, stage_path(upper, b->dir, "upper"));
	stage_remove(AT_FDCWD, stage_path(work, b->dir, "work"));
	stage_mkdir(upper);
	stage_mkdir(work);
	stage_overlay(s->lower, upper, work, root);
}

/* What a runtime has done when it calls its hooks: everything is mounted, pivot_root is still to come. */
static inline void box_child(const struct box *b, int ready)
{
	char root[STAGE_PATH], path[STAGE_PATH];

	stage_path(root, b->dir, "root");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount("proc", stage_path(path, root, "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		stage_die("the mounts of %s", root);
	stage_tmpfs(stage_path(path, root, "dev"), "mode=755,size=64k");
	stage_nodes(path);
	if (chdir(root) < 0 || (b->users && unshare(CLONE_NEWUSER) < 0) || write(ready, "", 1) != 1)
		_exit(98);
	close(ready);
	for (;;)
		pause();
}

static inline void box_map(const struct box *b, const char *map)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)b->init, map);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "0 %u 65536\n", b->users) < 0)
		stage_die("%s", path);
	close(fd);
}

static inline void box_start(struct box *b)
{
	int p[2];
	char byte;

	if (pipe2(p, O_CLOEXEC) < 0 || (b->init = fork()) < 0)
		stage_die("a box");
	if (b->init == 0) {
		close(p[0]);
		box_child(b, p[1]);
	}
	close(p[1]);
	if (read(p[0], &byte, 1) != 1)
		stage_die("the box in %s did not start", b->dir);
	close(p[0]);
	if (b->users) {
		box_map(b, "uid_map");
		box_map(b, "gid_map");
	}
}

static inline void box_end(struct box *b)
{
	if (b->init <= 0)
		return;
	kill(b->init, SIGKILL);
	waitpid(b->init, NULL, 0);
	b->init = 0;
}

/* The mounts in the container, without the numbers that each mount gets anew. */
static inline void box_mounts(const struct box *b, struct listing *ret)
{
	char path[64], line[8192], root[STAGE_PATH];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)b->init);
	stage_path(root, b->dir, "root");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char from[4096], at[4096], options[512], type[64];
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*s %*s %*s %4095s %4095s %511s", from, at, options) != 3 ||
		    sscanf(dash, " - %63s", type) != 1 || strncmp(at, root, strlen(root)) != 0)
			continue;
		listing_add(ret, "mount %s on %s %s %s", from, at + strlen(root), options, type);
	}
	if (f)
		fclose(f);
	qsort(ret->line, ret->n, sizeof(*ret->line), listing_compare);
}

/* What the container's own layer holds. */
static inline void box_layer(const struct box *b, struct listing *ret)
{
	char upper[STAGE_PATH];

	if (!listing_take(ret, stage_path(upper, b->dir, "upper"), "", LISTING_CONTENT))
		stage_die("%s", upper);
}

/* An fd with the OCI state of this box, at its start. */
static inline int box_state(const struct box *b)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0 ||
	    dprintf(fd,
		    "{\"ociVersion\":\"1.0.2\",\"id\":\"box\",\"status\":\"creating\",\"pid\":%d,\"bundle\":\"%s\"}",
		    (int)b->init, b->dir) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		stage_die("the state");
	return fd;
}

static inline int stage_stderr(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	if (fd < 0)
		stage_die("memfd");
	return fd;
}

/* Takes what was said, and closes fd. */
static inline void stage_said(int fd, struct outcome *o)
{
	ssize_t n = pread(fd, o->said, sizeof(o->said) - 1, 0);

	o->said[n < 0 ? 0 : n] = '\0';
	close(fd);
}

static inline const char *const *stage_argv(const struct stage *s)
{
	static char conf[STAGE_PATH];
	static const char *argv[5];

	argv[0] = s->hook;
	argv[1] = "--config";
	argv[2] = stage_path(conf, s->dir, "conf");
	argv[3] = "prestart";
	return argv;
}

/* Starts the hook on this box; *ret_said is given to stage_said once it has ended. */
static inline pid_t box_hook_start(const struct stage *s, const struct box *b, int *ret_said)
{
	const char *const *argv = stage_argv(s);
	int in = box_state(b);
	pid_t pid;

	*ret_said = stage_stderr();
	pid = fork();
	if (pid < 0)
		stage_die("fork");
	if (pid == 0) {
		char *env[] = { NULL };

		if (dup2(in, 0) == 0 && dup2(*ret_said, 2) == 2)
			execve(argv[0], (char *const *)(uintptr_t)argv, env);
		_exit(127);
	}
	close(in);
	return pid;
}

static inline void box_hook(const struct stage *s, const struct box *b, struct outcome *ret)
{
	int said;
	pid_t pid = box_hook_start(s, b, &said);

	while (waitpid(pid, &ret->status, 0) < 0 && errno == EINTR)
		;
	stage_said(said, ret);
}

static inline bool outcome_ok(const struct outcome *o)
{
	return WIFEXITED(o->status) && WEXITSTATUS(o->status) == 0;
}

/* Exit status 1, and one line that begins as the hook's errors do. */
static inline bool outcome_error(const struct outcome *o)
{
	const char *nl = strchr(o->said, '\n');
	unsigned code;

	return WIFEXITED(o->status) && WEXITSTATUS(o->status) == 1 && nl && !nl[1] &&
	       sscanf(o->said, "nvcoreos-hook: E%2u: ", &code) == 1;
}

#endif
