/* SPDX-License-Identifier: Apache-2.0 */
/*
 * box [OPTION...] ROOTFS [-- CMD...]: what a hook sees of a container that a runtime has made but not started: a
 * process in a mount namespace of its own in which ROOTFS is a mount with its host path, nothing pivoted. No runtime
 * is there, so one start of a hook costs milliseconds. Everything ends with box.
 *
 * Without -x it prints the pid of that process, and lives until its stdin ends. With -x SCRIPT it runs the script
 * (by sh, OCI state on stdin) in a namespace H that stands for the host's, and says what it did:
 *   OUT/status  exit status, 128+n for a signal, "timeout"     OUT/stdout OUT/stderr  what it wrote
 *   OUT/new     lines of mountinfo that the container got       OUT/changed  lines that it lost or that changed
 *   OUT/leak    "+ line" and "- line": what changed in H        OUT/left     number of processes left behind
 * Then CMD runs in the container, pivoted into ROOTFS, in the place of what an image would run.
 * Exit status: CMD's if there is one, else 0; 120 if box itself failed.
 *
 *   -x SCRIPT   the hook          -o OUT     where the answers go      -t SECONDS  what the hook may take (20)
 *   -b BUNDLE   names it in the state          -s FILE  another state, @PID@ stands for the pid
 *   -S SCRIPT   runs in H before the container is made                -C SCRIPT  runs in the container when it is made
 *   -w SCRIPT   runs in H right before the hook
 *   -p private|slave|shared|unbindable   how the root is mounted: shared means with H, which an engine must not do
 *   -u FIRST:SIZE  a user namespace            -i FIRST:SIZE  the root idmapped so
 *   -a ATTR,...    of the root: ro nosuid nodev noexec nosymfollow
 *   -v SOURCE:TARGET[:OPTION,...]  a volume: the same, and rshared; SOURCE "=TYPE" is a new file system of that type
 *   -P, -D         no /proc, no tmpfs at /dev
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "boxlib.h"

#define VOLUMES_MAX 64

struct options {
	const char *rootfs, *hook, *out, *bundle, *state, *before_host, *before_box, *before_hook;
	const char *users, *idmap, *attributes, *volumes[VOLUMES_MAX];
	int n_volumes, timeout;
	unsigned long propagation;
	bool no_proc, no_dev;
	char **cmd;
};

static const struct {
	const char *name;
	uint64_t attribute;
} words[] = {
	{ "ro", MOUNT_ATTR_RDONLY },	 { "nosuid", MOUNT_ATTR_NOSUID },	    { "nodev", MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC }, { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
};

static void set_attributes(int fd, const char *list, unsigned flags, const char *what)
{
	struct mount_attr attr = { 0 };
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", list);
	for (char *w = strtok(copy, ","); w; w = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < sizeof(words) / sizeof(*words) && strcmp(words[i].name, w))
			i++;
		if (!strcmp(w, "rshared"))
			attr.propagation = MS_SHARED;
		else if (i < sizeof(words) / sizeof(*words))
			attr.attr_set |= words[i].attribute;
		else
			box_die("option %s", w);
	}
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) < 0)
		box_die("mount_setattr %s", what);
}

/* A target below the root, made where it is missing, as runtimes do. */
static int open_target(const char *rootfs, const char *path, bool dir)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	char prefix[4096];

	if (root < 0)
		box_die("%s", rootfs);
	for (size_t n = 1; n <= strlen(path); n++) {
		if (path[n] && path[n] != '/')
			continue;
		snprintf(prefix, sizeof(prefix), "%.*s", (int)n, path);
		fd = (int)syscall(SYS_openat2, root, prefix, &how, sizeof(how));
		if (fd < 0 && (path[n] || dir))
			mkdirat(root, prefix + 1, 0755);
		else if (fd < 0)
			mknodat(root, prefix + 1, S_IFREG | 0644, 0);
		close(fd);
	}
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		box_die("target %s", path);
	close(root);
	return fd;
}

static int open_source(const char *source, bool *ret_dir)
{
	struct stat st;
	int fd, fs;

	*ret_dir = true;
	if (*source == '=') {
		fs = (int)syscall(SYS_fsopen, source + 1, FSOPEN_CLOEXEC);
		if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
			box_die("new %s", source + 1);
		fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
		close(fs);
	} else {
		fd = (int)syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		*ret_dir = stat(source, &st) == 0 && S_ISDIR(st.st_mode);
	}
	if (fd < 0)
		box_die("source %s", source);
	return fd;
}

static void mount_volume(const char *rootfs, const char *volume)
{
	char copy[4096], *target, *options;
	int tree, to;
	bool dir;

	snprintf(copy, sizeof(copy), "%s", volume);
	target = strchr(copy, ':');
	if (!target)
		box_die("volume %s", volume);
	*target++ = '\0';
	options = strchr(target, ':');
	if (options)
		*options++ = '\0';
	tree = open_source(copy, &dir);
	to = open_target(rootfs, target, dir);
	if (syscall(SYS_move_mount, tree, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		box_die("move_mount to %s", target);
	close(to);
	if (options)
		set_attributes(tree, options, AT_RECURSIVE, target);
	close(tree);
}

static void mount_root(const struct options *o)
{
	unsigned long own = o->propagation == MS_UNBINDABLE ? MS_PRIVATE : o->propagation;
	int fd;

	/* A root that is shared with H is what H's own mount of it stands for; binding it anew would hide that. */
	if (o->propagation != MS_SHARED) {
		if (mount(NULL, "/", NULL, MS_REC | own, NULL) < 0)
			box_die("propagation");
		if (mount(o->rootfs, o->rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
			box_die("binding %s", o->rootfs);
	}
	if (o->propagation == MS_UNBINDABLE && mount(NULL, o->rootfs, NULL, MS_UNBINDABLE, NULL) < 0)
		box_die("unbindable");
	if (!o->no_proc)
		mount_volume(o->rootfs, "=proc:/proc:nosuid,nodev,noexec");
	if (!o->no_dev)
		mount_volume(o->rootfs, "=tmpfs:/dev:nosuid");
	for (int i = 0; i < o->n_volumes; i++)
		mount_volume(o->rootfs, o->volumes[i]);
	if (!o->attributes)
		return;
	fd = open(o->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		box_die("%s", o->rootfs);
	/* Of the root alone: what was mounted in it has its own. */
	set_attributes(fd, o->attributes, 0, o->rootfs);
	close(fd);
}

static void become(const struct options *o)
{
	if (chdir(o->rootfs) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		box_die("pivot_root");
	execv(o->cmd[0], o->cmd);
	box_die("%s", o->cmd[0]);
}

/* The container's first process. */
static void be_container(const struct options *o, int mapped, int ready, int go)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(mapped, &c, 1) != 1)
		_exit(120);
	if (o->users && (setgid(0) < 0 || setuid(0) < 0))
		box_die("uid 0");
	mount_root(o);
	if (o->before_box)
		box_script(o->before_box);
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 1)
		_exit(120);
	if (o->cmd)
		become(o);
	for (;;)
		pause();
}

/* The namespace in which a hook is started. With -p shared the root is a mount of it already, as an engine's overlay is. */
static void make_host(const struct options *o)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		box_die("unshare");
	if (o->before_host)
		box_script(o->before_host);
	if (o->propagation == MS_SHARED && mount(o->rootfs, o->rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
		box_die("binding %s", o->rootfs);
	if (o->idmap)
		box_idmap(o->rootfs, o->idmap);
	/* As systemd leaves it. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		box_die("propagation");
}

static pid_t start(const struct options *o, int *ret_go)
{
	int mapped[2], ready[2], go[2], flags = CLONE_NEWNS | CLONE_NEWPID | SIGCHLD;
	pid_t pid;
	char c;

	if (pipe2(mapped, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		box_die("pipe");
	pid = (pid_t)syscall(SYS_clone, flags | (o->users ? CLONE_NEWUSER : 0), NULL, NULL, NULL, NULL);
	if (pid < 0)
		box_die("clone");
	if (pid == 0) {
		close(ready[0]);
		close(go[1]);
		close(mapped[1]);
		be_container(o, mapped[0], ready[1], go[0]);
	}
	close(ready[1]);
	if (o->users)
		box_map_users(pid, o->users);
	if (write(mapped[1], "", 1) != 1 || read(ready[0], &c, 1) != 1)
		box_die("the container was not made");
	*ret_go = go[1];
	return pid;
}

static int use(const struct options *o, pid_t pid, int go)
{
	struct box_hook hook = { o->hook, o->out, o->bundle, o->state, pid, o->timeout };
	int status = 0;
	char c;

	if (o->hook) {
		if (o->before_hook)
			box_script(o->before_hook);
		box_run_hook(&hook);
	} else {
		printf("%d\n", (int)pid);
		fflush(stdout);
		while (read(STDIN_FILENO, &c, 1) > 0)
			;
	}
	if (o->cmd && write(go, "", 1) == 1)
		waitpid(pid, &status, 0);
	else
		kill(pid, SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static unsigned long propagation(const char *word)
{
	static const struct {
		const char *word;
		unsigned long flag;
	} kinds[] = { { "private", MS_PRIVATE },
		      { "slave", MS_SLAVE },
		      { "shared", MS_SHARED },
		      { "unbindable", MS_UNBINDABLE } };

	for (size_t i = 0; i < 4; i++)
		if (!strcmp(kinds[i].word, word))
			return kinds[i].flag;
	box_die("propagation %s", word);
	return 0;
}

static void take(struct options *o, int option, const char *arg)
{
	switch (option) {
	case 'a':
		o->attributes = arg;
		break;
	case 'b':
		o->bundle = arg;
		break;
	case 'C':
		o->before_box = arg;
		break;
	case 'D':
		o->no_dev = true;
		break;
	case 'i':
		o->idmap = arg;
		break;
	case 'o':
		o->out = arg;
		break;
	case 'P':
		o->no_proc = true;
		break;
	case 'p':
		o->propagation = propagation(arg);
		break;
	case 's':
		o->state = arg;
		break;
	case 'S':
		o->before_host = arg;
		break;
	case 't':
		o->timeout = atoi(arg);
		break;
	case 'u':
		o->users = arg;
		break;
	case 'w':
		o->before_hook = arg;
		break;
	case 'x':
		o->hook = arg;
		break;
	case 'v':
		if (o->n_volumes == VOLUMES_MAX)
			box_die("volumes");
		o->volumes[o->n_volumes++] = arg;
		break;
	default:
		box_die("option");
	}
}

int main(int argc, char **argv)
{
	struct options o = { .propagation = MS_PRIVATE, .timeout = 20 };
	int c, go, r;
	pid_t pid;

	while ((c = getopt(argc, argv, "+a:b:C:Di:o:Pp:s:S:t:u:v:w:x:")) != -1)
		take(&o, c, optarg);
	if (optind >= argc || (o.hook && !o.out) || (!o.hook && (o.before_host || o.propagation == MS_SHARED)))
		box_die("usage, see box.c");
	o.rootfs = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (optind < argc)
		o.cmd = argv + optind;
	umask(022);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (o.hook)
		make_host(&o);
	pid = start(&o, &go);
	r = use(&o, pid, go);
	return r;
}
