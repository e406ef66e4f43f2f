/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor RECIPE: as a hook of the prestart stage, or in front of a runtime, does what RECIPE says, line by line, with few
 * system calls. It decides nothing and checks nothing; behind the line `rules` it also does what SECURITY.md's rules demand.
 * A mark to compare with, and no proof that there is nothing lower: it closes what it opened, reads its recipe and what it
 * puts, and makes the tmpfs even where a container has no /proc/driver/nvidia for it, as the hook does. Its filters let
 * everything pass, so what a list of calls costs is not in it. Fields are separated by tabs:
 *   confine                 rules: nothing of whoever started it is left, a deadline, rights and system calls by phase
 *   state                   reads pid and bundle from standard input
 *   read FILE               of the host;  list DIR
 *   change                  rules: of the rights that are in force
 *   bundle FILE             reads it from the bundle
 *   visit                   rules: pins the container, holds its root (the bundle's rootfs) before anything is decided
 *   look DIR NAME...        rules: what stands there
 *   inside FILE             reads it from the container's root; rules: when it is known to be a file
 *   clone SOURCE dir|node   a mount to be, read-only
 *   tmpfs                   another one, empty;  showdir NAME, show FROM NAME: what is in it;  seal
 *   join                    goes to the container's mount namespace
 *   place DIR NAME          a directory that the next clone is for;  node NAME: a file below /dev
 *   over DIR                a directory that is there, of /proc
 *   move                    every clone to its place; the last one need not have one
 *   dir DIR NAME · link TARGET DIR NAME · put FROM DIR NAME     made in the container's layer, a file whole or not at all
 *   rewrite FILE            by what was read last
 *   become PROGRAM          with the other arguments of this one
 */
#include <err.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/statx.h"

/* Not every C library has them. */
#define fsconfig(...) (int)syscall(SYS_fsconfig, __VA_ARGS__)
#define fsmount(...) (int)syscall(SYS_fsmount, __VA_ARGS__)
#define fsopen(...) (int)syscall(SYS_fsopen, __VA_ARGS__)
#define mount_setattr(...) (int)syscall(SYS_mount_setattr, __VA_ARGS__)
#define move_mount(...) (int)syscall(SYS_move_mount, __VA_ARGS__)
#define open_tree(...) (int)syscall(SYS_open_tree, __VA_ARGS__)

#define FIELDS_MAX 16
#define MOUNTS_MAX 16
#define BIT(cap) (1ULL << (cap))
/* What the phases need: with them there is no bounding set to be emptied. */
#define PHASES \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_SETGID) | \
	 BIT(CAP_SETUID) | BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_CHROOT) | BIT(CAP_SYS_PTRACE) | \
	 BIT(CAP_SYS_ADMIN) | BIT(CAP_MKNOD) | BIT(CAP_SYSLOG))

static struct {
	bool rules;
	int pid, ns, root, dev, tmpfs;
	char bundle[4096], path[8192];
	int tree[MOUNTS_MAX], at[MOUNTS_MAX], trees, places;
	char **argv;
} now = { .ns = -1, .root = -1, .dev = -1, .tmpfs = -1 };

static char content[1 << 20];
static size_t length;

static int must(long r, const char *what)
{
	if (r < 0)
		err(125, "%s", what);
	return (int)r;
}

/* --- what the rules demand --- */

static void rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	static struct __user_cap_data_struct sets[2];

	if (!sets[0].permitted)
		must(syscall(SYS_capget, &head, sets), "capget");
	must(syscall(SYS_capset, &head, sets), "capset");
}

static void filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { 1, &all };

	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), "seccomp");
}

static void confine(char **field)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGXFSZ, SIGPIPE, SIGALRM };
	const struct itimerval deadline = { .it_value = { .tv_sec = 30 } };
	struct rlimit none = { 0, 0 };
	sigset_t empty;

	(void)field;
	must(syscall(SYS_close_range, 3U, ~0U, 0U), "close_range");
	umask(022);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_DFL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	must(chdir("/"), "/");
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	setitimer(ITIMER_REAL, &deadline, NULL);
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(PHASES >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	rights();
	filter();
}

/* Below a directory, by the one resolver; -1 where it is not there. */
static int resolve(int dir, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	if (flags & O_CREAT)
		how.mode = 0666;
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static void seen(int fd, const char *name)
{
	struct statx sx;

	statx(fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx);
}

static int clone_tree(const char *source, uint64_t flags)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | flags,
				   .propagation = MS_PRIVATE };
	int tree = must(open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), source);
	struct stat st;

	must(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)), source);
	if (now.rules)
		must(fstat(tree, &st), source);
	return tree;
}

static const char *of_process(const char *what)
{
	snprintf(now.path, sizeof(now.path), "/proc/%d/%s", now.pid, what);
	return now.path;
}

static const char *of_bundle(const char *what)
{
	snprintf(now.path, sizeof(now.path), "%s/%s", now.bundle, what);
	return now.path;
}

/* It is the process that was meant, in namespaces that are not the host's, nobody else works on it, and its root is the bundle's. */
static void visit(char **field)
{
	int here, init;
	struct stat st;

	(void)field;
	rights();
	init = must((long)syscall(SYS_pidfd_open, now.pid, 0), "pidfd_open");
	here = must(openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), "own namespace");
	now.ns = must(openat(AT_FDCWD, of_process("ns/mnt"), O_RDONLY | O_CLOEXEC), now.path);
	fstat(here, &st);
	fstat(now.ns, &st);
	stat("/proc/self/ns/user", &st);
	stat(of_process("ns/user"), &st);
	must(syscall(SYS_pidfd_send_signal, init, 0, NULL, 0), "pidfd_send_signal");
	must(flock(now.ns, LOCK_EX | LOCK_NB), "flock");
	must(setns(now.ns, CLONE_NEWNS), "setns");
	now.root = must(openat(AT_FDCWD, of_bundle("rootfs"), O_PATH | O_DIRECTORY | O_CLOEXEC), now.path);
	seen(now.root, "");
	must(setns(here, CLONE_NEWNS), "setns");
	rights();
}

static void look(char **field)
{
	int dir = resolve(now.root, field[1], O_PATH | O_DIRECTORY);

	for (char **name = field + 2; dir >= 0 && *name; name++)
		seen(dir, *name);
	if (dir >= 0)
		close(dir);
}

/* --- what is done --- */

static void known_file(int fd, const char *path)
{
	struct stat st;

	if (now.rules)
		must(fstat(fd, &st), path);
}

static void read_all(int fd, const char *path)
{
	long n = must(read(fd, content, sizeof(content) - 1), path);
	content[n] = '\0';
	length = (size_t)n;
	close(fd);
}

static void read_file(int dir, const char *path)
{
	int fd = must(openat(dir, path, O_RDONLY | O_CLOEXEC), path);

	known_file(fd, path);
	read_all(fd, path);
}

/* By the rules while /proc is still the host's. */
static void read_inside(char **field)
{
	int fd = must(resolve(now.root, field[1], now.rules ? O_PATH : O_RDONLY), field[1]), known = fd;

	if (now.rules) {
		known_file(known, field[1]);
		snprintf(now.path, sizeof(now.path), "/proc/self/fd/%d", known);
		fd = must(openat(AT_FDCWD, now.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), now.path);
		close(known);
	}
	read_all(fd, field[1]);
}

static void read_host(char **field)
{
	read_file(AT_FDCWD, field[1]);
}

static void list_host(char **field)
{
	int fd = must(openat(AT_FDCWD, field[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC), field[1]);

	while (must(syscall(SYS_getdents64, fd, content, sizeof(content)), field[1]) > 0)
		;
	close(fd);
}

static void read_bundle(char **field)
{
	read_file(AT_FDCWD, of_bundle(field[1]));
}

static void read_state(char **field)
{
	const char *pid, *bundle;

	(void)field;
	length = (size_t)must(read(0, content, sizeof(content) - 1), "state");
	content[length] = '\0';
	pid = strstr(content, "\"pid\":");
	bundle = strstr(content, "\"bundle\":\"");
	if (!pid || !bundle)
		errx(125, "no state: %s", content);
	now.pid = atoi(pid + strlen("\"pid\":"));
	sscanf(bundle + strlen("\"bundle\":\""), "%4095[^\"]", now.bundle);
}

static void clone_source(char **field)
{
	bool node = strcmp(field[2], "node") == 0;

	now.tree[now.trees++] = clone_tree(field[1], node ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV);
}

static void make_tmpfs(char **field)
{
	int fs = must(fsopen("tmpfs", FSOPEN_CLOEXEC), "fsopen");

	(void)field;
	if (now.rules)
		must(fsconfig(fs, FSCONFIG_SET_STRING, "size", "4m", 0), "size");
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "tmpfs");
	now.tmpfs =
		must(fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), "fsmount");
	now.tree[now.trees++] = now.tmpfs;
	close(fs);
}

static void write_file(int dir, const char *name)
{
	int fd = must(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), name);

	must(write(fd, content, length), name);
	close(fd);
}

static void seal(char **field)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };

	(void)field;
	must(mount_setattr(now.tmpfs, "", AT_EMPTY_PATH, &attr, sizeof(attr)), "tmpfs");
}

/* Rules: what only the steps before needed is given up, and mounts made later do not go back to the host. */
static void join(char **field)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };

	(void)field;
	if (now.ns < 0)
		now.ns = must(openat(AT_FDCWD, of_process("ns/mnt"), O_RDONLY | O_CLOEXEC), now.path);
	must(setns(now.ns, CLONE_NEWNS), "setns");
	if (now.root < 0)
		now.root = must(openat(AT_FDCWD, of_bundle("rootfs"), O_PATH | O_DIRECTORY | O_CLOEXEC), now.path);
	now.dev = must(resolve(now.root, "dev", O_PATH | O_DIRECTORY), "/dev");
	if (!now.rules)
		return;
	rights();
	filter();
	seen(now.dev, "");
	must(mount_setattr(now.root, "", AT_EMPTY_PATH, &slave, sizeof(slave)), "/");
	must(mount_setattr(now.dev, "", AT_EMPTY_PATH, &slave, sizeof(slave)), "/dev");
}

/* The directory that something is made in, and its name there. */
static int parent(char **field, char *name, size_t size)
{
	if (now.rules) {
		snprintf(name, size, "%s", field[1]);
		return must(resolve(now.root, field[0], O_PATH | O_DIRECTORY), field[0]);
	}
	snprintf(name, size, "%s/%s", field[0] + 1, field[1]);
	return now.root;
}

/* Rules: what was made is looked at, for a failure later takes it away again. */
static void made(int dir, const char *name)
{
	if (!now.rules)
		return;
	seen(dir, name);
	close(dir);
}

static void place(char **field)
{
	char name[4096];
	int dir = parent(field + 1, name, sizeof(name));

	must(mkdirat(dir, name, 0755), name);
	now.at[now.places++] = must(resolve(dir, name, O_PATH | O_DIRECTORY), name);
	made(dir, name);
}

/* Rules: what is mounted there does not go back to the host. */
static void over(char **field)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };
	int proc;

	if (now.rules) {
		proc = must(resolve(now.root, "proc", O_PATH | O_DIRECTORY), "/proc");
		must(mount_setattr(proc, "", AT_EMPTY_PATH, &slave, sizeof(slave)), "/proc");
		close(proc);
	}
	now.at[now.places++] = must(resolve(now.root, field[1], O_PATH | O_DIRECTORY), field[1]);
}

static void node(char **field)
{
	int fd = must(resolve(now.dev, field[1], O_CREAT | O_EXCL), field[1]);

	if (now.rules)
		seen(fd, "");
	now.at[now.places++] = fd;
}

static void move(char **field)
{
	(void)field;
	for (int i = 0; i < now.places; i++)
		must(move_mount(now.tree[i], "", now.at[i], "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
		     "move_mount");
	if (!now.rules)
		return;
	rights();
	filter();
}

static void make_dir(char **field)
{
	char name[4096];
	int dir = parent(field + 1, name, sizeof(name));

	must(mkdirat(dir, name, 0755), name);
	made(dir, name);
}

static void make_link(char **field)
{
	char name[4096];
	int dir = parent(field + 2, name, sizeof(name));

	must(symlinkat(field[1], dir, name), name);
	made(dir, name);
}

static void put(char **field)
{
	char name[4096], temp[4104];
	int dir;

	read_file(AT_FDCWD, field[1]);
	dir = parent(field + 2, name, sizeof(name));
	snprintf(temp, sizeof(temp), "%s.new", name);
	write_file(dir, temp);
	must(renameat(dir, temp, dir, name), name);
	made(dir, name);
}

static void rewrite(char **field)
{
	char temp[4104];

	snprintf(temp, sizeof(temp), "%s.new", field[1]);
	write_file(AT_FDCWD, temp);
	must(rename(temp, field[1]), field[1]);
}

static void become(char **field)
{
	now.argv[1] = field[1];
	execv(field[1], now.argv + 1);
	err(125, "%s", field[1]);
}

static void show_dir(char **field)
{
	must(mkdirat(now.tmpfs, field[1], 0755), field[1]);
}

static void show(char **field)
{
	read_file(AT_FDCWD, field[1]);
	write_file(now.tmpfs, field[2]);
}

static void change(char **field)
{
	(void)field;
	rights();
}

static const struct {
	const char *name;
	void (*run)(char **field);
} steps[] = {
	{ "state", read_state }, { "read", read_host },   { "list", list_host }, { "bundle", read_bundle },
	{ "clone", clone_source }, { "tmpfs", make_tmpfs }, { "showdir", show_dir }, { "show", show },
	{ "seal", seal },	 { "join", join },	  { "place", place },	 { "node", node }, { "over", over },
	{ "inside", read_inside }, { "move", move },	 { "dir", make_dir },	  { "link", make_link }, { "put", put },
	{ "rewrite", rewrite },	 { "become", become },
}, of_rules[] = {
	{ "confine", confine }, { "visit", visit }, { "look", look }, { "change", change },
};

static void step(char *line)
{
	char *field[FIELDS_MAX + 1] = { NULL };

	for (int n = 0; n < FIELDS_MAX && (field[n] = strtok(n ? NULL : line, "\t")); n++)
		;
	if (!field[0])
		return;
	if (strcmp(field[0], "rules") == 0)
		now.rules = true;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (strcmp(field[0], steps[i].name) == 0)
			steps[i].run(field);
	for (size_t i = 0; now.rules && i < sizeof(of_rules) / sizeof(*of_rules); i++)
		if (strcmp(field[0], of_rules[i].name) == 0)
			of_rules[i].run(field);
}

int main(int argc, char **argv)
{
	static char recipe[65536];
	int fd;

	if (argc < 2)
		errx(125, "usage: floor RECIPE");
	now.argv = argv;
	fd = must(openat(AT_FDCWD, argv[1], O_RDONLY | O_CLOEXEC), argv[1]);
	must(read(fd, recipe, sizeof(recipe) - 1), argv[1]);
	close(fd);
	for (char *next = recipe, *line; (line = strsep(&next, "\n"));)
		step(line);
	return 0;
}
