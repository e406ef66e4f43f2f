/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm --dir DIR --hook FILE --lower DIR [--renamers N] [--pause US] MODE N: what a hook does to paths in a container's root while
 * other processes exchange every component of them with symlinks that lead out of it (see stage.h for DIR).
 *   lookups N  the resolver looks up N paths: none may lead outside
 *   naive N    the same by realpath, a check and open, as programs do that have no resolver: some must lead outside, else
 *              the storm is none
 *   hooks N    N whole runs of the hook: nothing outside changes, nothing but the store and the host's nodes is mounted
 * Prints "# ..." lines with the counts; exit 0, or 1 where something did not hold.
 */
#include <getopt.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/path.h"
#include "stage.h"

#define RENAMERS_MAX 64
#define HOOKS_A_BOX 8

/* What is exchanged: directories and files that the hook walks through, makes or replaces. */
static const char *const victims[] = {
	"usr",
	"usr/local",
	"usr/local/nvidia",
	"usr/local/cuda",
	"usr/bin",
	"usr/bin/nvidia-smi",
	"usr/share",
	"etc",
	"etc/ld.so.conf.d",
	"etc/ld.so.cache",
	"etc/ld.so.conf.d/00-nvcoreos.conf",
	"etc/ld.so.conf",
	"sbin",
	"lib64",
	"lib64/ld-linux-x86-64.so.2",
	"dev",
	"dev/nvidia0",
	"dev/nvidiactl",
	"dev/nvidia-caps",
	"proc",
	"run",
};
#define VICTIMS (sizeof(victims) / sizeof(victims[0]))

/* Where a name leads out to; %s is the outside's copy of that name. */
static const char *const ways[] = { "%s", "../../../../../../../../../..%s", "/proc/1/root%s", "/proc/self/root%s",
				    "/proc/self/cwd/../../../../../../..%s" };
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static const char *const dirs[] = { "usr",
				    "usr/local",
				    "usr/local/nvidia",
				    "usr/local/nvidia/lib64",
				    "usr/local/cuda",
				    "usr/bin",
				    "usr/share",
				    "etc",
				    "etc/ld.so.conf.d",
				    "sbin",
				    "lib64",
				    "dev",
				    "dev/nvidia-caps",
				    "proc",
				    "run",
				    "tmp" };
static const char *const files[] = { "usr/bin/nvidia-smi",
				     "etc/ld.so.cache",
				     "etc/ld.so.conf",
				     "etc/ld.so.conf.d/00-nvcoreos.conf",
				     "etc/ld.so.conf.d/libc.conf",
				     "sbin/ldconfig",
				     "lib64/ld-linux-x86-64.so.2",
				     "dev/nvidia0",
				     "dev/nvidiactl",
				     "dev/nvidia-caps/nvidia-cap1",
				     "usr/local/nvidia/lib64/libcuda.so.1" };

struct lookup {
	const char *path;
	int flags;
	enum { OPEN, SAME_MOUNT, MAKE } how;
};

static const struct lookup lookups[] = {
	{ "/usr/local/nvidia", O_PATH | O_NOFOLLOW, OPEN },
	{ "/usr/local/nvidia/lib64", O_PATH | O_DIRECTORY, OPEN },
	{ "/usr/local/cuda", O_PATH | O_NOFOLLOW, OPEN },
	{ "/usr/local/cuda/../nvidia/lib64/libcuda.so.1", O_PATH, OPEN },
	{ "/usr/bin", O_PATH | O_DIRECTORY, OPEN },
	{ "/usr/bin/nvidia-smi", O_PATH | O_NOFOLLOW, OPEN },
	{ "/etc/ld.so.conf.d", O_PATH | O_DIRECTORY, OPEN },
	{ "/etc/ld.so.conf.d/00-nvcoreos.conf", O_PATH, OPEN },
	{ "/etc/ld.so.cache", O_RDONLY | O_NONBLOCK | O_NOCTTY, OPEN },
	{ "/etc/ld.so.conf.d/../ld.so.cache", O_PATH, OPEN },
	{ "/sbin/ldconfig", O_PATH, OPEN },
	{ "/lib64/ld-linux-x86-64.so.2", O_PATH, OPEN },
	{ "/dev/nvidia0", O_PATH | O_NOFOLLOW, OPEN },
	{ "/dev/nvidia-caps/nvidia-cap1", O_PATH, OPEN },
	{ "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, OPEN },
	{ "/usr/share", O_RDONLY | O_DIRECTORY, OPEN },
	{ "/etc/ld.so.cache", O_PATH, SAME_MOUNT },
	{ "/usr/local/nvidia", 0, MAKE },
	{ "/etc/ld.so.conf.d", 0, MAKE },
	{ "/usr/share/made/here", 0, MAKE },
};
#define LOOKUPS (sizeof(lookups) / sizeof(lookups[0]))

struct storm {
	struct stage stage;
	struct box box;
	unsigned renamers, pause_us;
	pid_t pids[RENAMERS_MAX];
	char root[STAGE_PATH], outside[STAGE_PATH];
	dev_t inside[2]; /* of the root and of its /proc */
	unsigned long escapes, changes, there, gone, again, other;
	double worst_us;
};

/* ---- the scene ---- */

static void put(const char *root, const char *path, const char *content)
{
	char full[STAGE_PATH];
	int fd = open(stage_path(full, root, "%s", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		stage_die("%s", full);
	close(fd);
}

static void tree(const char *root, const char *content)
{
	char full[STAGE_PATH];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		stage_mkdir(stage_path(full, root, "%s", dirs[i]));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put(root, files[i], content);
}

/* Beside each victim its links out: ".out0-usr" ... */
static char *out_name(char *buf, const char *victim, size_t way)
{
	const char *base = path_base(victim);

	snprintf(buf, STAGE_PATH, "%.*s.out%zu-%s", (int)(base - victim), victim, way, base);
	return buf;
}

static void lay_links(const struct storm *s)
{
	for (size_t v = 0; v < VICTIMS; v++)
		for (size_t w = 0; w < WAYS; w++) {
			char to[STAGE_PATH], target[2 * STAGE_PATH], name[STAGE_PATH], at[STAGE_PATH];
			int n = snprintf(target, sizeof(target), "%.*s", (int)(strchr(ways[w], '%') - ways[w]),
					 ways[w]);

			snprintf(target + n, sizeof(target) - (size_t)n, "%s",
				 stage_path(to, s->outside, "%s", victims[v]));
			stage_path(at, s->root, "%s", out_name(name, victims[v], w));
			if (symlink(target, at) < 0 && errno != EEXIST && errno != ENOENT)
				stage_die("%s", at);
		}
}

/* ---- the storm ---- */

/* Each has victims of its own, so that a name is back in its place after each turn. */
static void rename_for_ever(const struct storm *s, unsigned self)
{
	int root;

	/* Its own names must not lead it out. */
	if (chroot(s->root) < 0 || chdir("/") < 0)
		stage_die("chroot");
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	srandom(self);
	for (;;) {
		size_t turn = (size_t)random() % (VICTIMS / s->renamers + 1) * s->renamers + self;
		const char *victim = victims[turn % VICTIMS];
		char out[STAGE_PATH];

		if (turn >= VICTIMS)
			continue;

		out_name(out, victim, (size_t)random() % WAYS);
		if (renameat2(root, victim, root, out, RENAME_EXCHANGE) == 0)
			renameat2(root, victim, root, out, RENAME_EXCHANGE);
		if (s->pause_us)
			usleep((useconds_t)random() % s->pause_us);
	}
}

/* As a process of the container's own, that sees its /dev and /proc. */
static void enter_box(const struct storm *s)
{
	char path[64];
	int ns;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)s->box.init);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
		stage_die("%s", path);
	close(ns);
}

static void lay_links_in_box(const struct storm *s)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		enter_box(s);
		lay_links(s);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		stage_die("links in the box");
}

static void storm_start(struct storm *s, bool in_box)
{
	if (in_box)
		lay_links_in_box(s);
	for (unsigned i = 0; i < s->renamers; i++) {
		s->pids[i] = fork();
		if (s->pids[i] < 0)
			stage_die("fork");
		if (s->pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (in_box)
				enter_box(s);
			rename_for_ever(s, i);
		}
	}
}

static void storm_end(struct storm *s)
{
	for (unsigned i = 0; i < s->renamers; i++) {
		kill(s->pids[i], SIGKILL);
		waitpid(s->pids[i], NULL, 0);
	}
}

/* ---- lookups ---- */

static void count(struct storm *s, int fd)
{
	struct stat st;

	if (fd < 0) {
		/* EACCES: not even root may look through the links of /proc/1 everywhere. */
		bool gone = fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV || fd == -EACCES;

		s->again += fd == -EAGAIN;
		s->gone += gone;
		s->other += fd != -EAGAIN && !gone;
		return;
	}
	if (fstat(fd, &st) == 0 && (st.st_dev == s->inside[0] || st.st_dev == s->inside[1]))
		s->there++;
	else
		s->escapes++;
	close(fd);
}

static int look_up(int root, const struct lookup *l)
{
	struct err err = ERR_INIT;

	if (l->how == OPEN)
		return path_open(root, l->path, l->flags);
	if (l->how == SAME_MOUNT)
		return path_open_same_mount(root, l->path, l->flags);
	return path_make_dir(root, l->path, &err);
}

/* The way of every program that such a CVE was found in. */
static int look_up_naively(const char *root, const struct lookup *l)
{
	char full[2 * PATH_MAX], real[PATH_MAX];
	size_t n = strlen(root);
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, l->path);
	if (!realpath(full, real))
		return -errno;
	if (strncmp(real, root, n) != 0 || (real[n] != '/' && real[n]))
		return -EXDEV;
	fd = open(real, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The root and the outside have the same names, each on a file system of its own: where an fd lies is known by its device. */
static void lookup_scene(struct storm *s)
{
	char path[STAGE_PATH];
	struct stat st;

	stage_mkdir(stage_path(s->root, s->stage.dir, "run/root"));
	stage_mkdir(stage_path(s->outside, s->stage.dir, "run/outside"));
	stage_tmpfs(s->root, "mode=755");
	stage_tmpfs(s->outside, "mode=755");
	tree(s->root, "inside");
	tree(s->outside, "outside");
	lay_links(s);
	if (mount("proc", stage_path(path, s->root, "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		stage_die("proc");
	if (stat(s->root, &st) < 0)
		stage_die("%s", s->root);
	s->inside[0] = st.st_dev;
	if (stat(path, &st) < 0)
		stage_die("%s", path);
	s->inside[1] = st.st_dev;
}

static int run_lookups(struct storm *s, unsigned long n, bool naively)
{
	struct listing before = { 0 }, after = { 0 };
	struct timespec a, b;
	unsigned long done = 0;
	int root;

	lookup_scene(s);
	root = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	listing_take(&before, s->outside, "", LISTING_INODE);
	storm_start(s, false);
	/* A few escapes are enough to show that there was a storm. */
	for (unsigned long i = 0; i < n && !(naively && s->escapes >= 3); i++) {
		const struct lookup *l = &lookups[i % LOOKUPS];
		double us;

		done++;
		clock_gettime(CLOCK_MONOTONIC, &a);
		count(s, naively ? look_up_naively(s->root, l) : look_up(root, l));
		clock_gettime(CLOCK_MONOTONIC, &b);
		us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
		if (us > s->worst_us)
			s->worst_us = us;
	}
	n = done;
	storm_end(s);
	listing_take(&after, s->outside, "", LISTING_INODE);
	s->changes = listing_diff(&before, &after, stderr);
	printf("# %s: %lu lookups, %u renamers: %lu inside, %lu not there, %lu EAGAIN (%.4f %%), %lu other errors, %lu ESCAPES, "
	       "%lu changes outside, worst %.0f us\n",
	       naively ? "realpath, check, open" : "resolver", n, s->renamers, s->there, s->gone, s->again,
	       100.0 * (double)s->again / (double)n, s->other, s->escapes, s->changes, s->worst_us);
	if (naively)
		return s->escapes ? 0 : 1;
	return s->escapes || s->changes || s->again * 10000 > n ? 1 : 0;
}

/* ---- whole hooks ---- */

/* What the container may see mounted: by device and by where on it. */
static bool is_source(const struct storm *s, unsigned major, unsigned minor, const char *from)
{
	static const struct {
		const char *dir, *mark, *alone;
	} places[] = { { "store", "/store/", NULL },
		       { "cuda-store", "/cuda-store/", NULL },
		       { "host/dev", "/host/dev/", "/" } };
	char path[STAGE_PATH];
	struct stat st;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (stat(stage_path(path, s->stage.dir, "%s", places[i].dir), &st) == 0 &&
		    st.st_dev == makedev(major, minor) &&
		    (strstr(from, places[i].mark) || (places[i].alone && !strchr(from + 1, '/'))))
			return true;
	return false;
}

/* Every mount in the container's namespace that the box did not have. */
static void check_mounts(struct storm *s, const struct listing *before)
{
	char path[64], line[8192], root[STAGE_PATH];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)s->box.init);
	stage_path(root, s->box.dir, "root");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char from[4096], at[4096];
		unsigned major, minor, id;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%u %*u %u:%u %4095s %4095s", &id, &major, &minor, from, at) != 5)
			continue;
		/* A mount keeps its id; a place may have been moved by the storm. */
		snprintf(path, sizeof(path), "%u", id);
		if (listing_has(before, path) ||
		    (is_source(s, major, minor, from) && strncmp(at, root, strlen(root)) == 0))
			continue;
		s->escapes++;
		fprintf(stderr, "# FAILED: mounted: %s\n", line);
	}
	if (f)
		fclose(f);
}

static void mount_ids(const struct box *b, struct listing *ret)
{
	char path[64], line[8192];
	unsigned id;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)b->init);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u", &id) == 1)
			listing_add(ret, "%u", id);
	if (f)
		fclose(f);
	qsort(ret->line, ret->n, sizeof(*ret->line), listing_compare);
}

/* A root that others can rename in: plain directories, no overlay. */
static void plain_root(struct storm *s)
{
	char path[STAGE_PATH], from[STAGE_PATH];
	static const char *const own[] = { "etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d/libc.conf",
					   "sbin/ldconfig", "lib64/ld-linux-x86-64.so.2" };

	umount2(s->root, MNT_DETACH);
	stage_remove(AT_FDCWD, s->root);
	stage_mkdir(s->root);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (!strstr(dirs[i], "nvidia"))
			stage_mkdir(stage_path(path, s->root, "%s", dirs[i]));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		stage_copy(stage_path(from, s->stage.lower, "%s", own[i]), stage_path(path, s->root, "%s", own[i]));
	lay_links(s);
}

static int run_hooks(struct storm *s, unsigned long n)
{
	unsigned long ok = 0, refused = 0, again = 0, bad = 0;
	struct listing ids = { 0 };
	struct outcome o;

	box_open(&s->stage, &s->box, 0);
	stage_path(s->root, s->box.dir, "root");
	stage_path(s->outside, s->stage.dir, "canary");
	tree(s->outside, "outside");
	for (unsigned long i = 0; i < n; i++) {
		if (i % HOOKS_A_BOX == 0) {
			plain_root(s);
			box_start(&s->box);
			listing_free(&ids);
			mount_ids(&s->box, &ids);
			stage_remember(&s->stage);
			/* By turns from outside, as with a shared volume, and from inside. */
			storm_start(s, i / HOOKS_A_BOX % 2);
		}
		box_hook(&s->stage, &s->box, &o);
		ok += outcome_ok(&o);
		refused += outcome_error(&o);
		again += outcome_error(&o) && strstr(o.said, strerror(EAGAIN));
		if (!outcome_ok(&o) && !outcome_error(&o) && ++bad < 20)
			fprintf(stderr, "# FAILED: the hook ended with %x and said: %s\n", (unsigned)o.status, o.said);
		if (i % HOOKS_A_BOX == HOOKS_A_BOX - 1 || i == n - 1) {
			storm_end(s);
			check_mounts(s, &ids);
			s->changes += stage_changed(&s->stage);
			box_end(&s->box);
		}
	}
	printf("# hooks: %lu runs, %u renamers: %lu done, %lu refused with one line (%lu of them EAGAIN, %.2f %%), %lu otherwise; "
	       "%lu ESCAPES, %lu changes outside\n",
	       n, s->renamers, ok, refused, again, 100.0 * (double)again / (double)n, bad, s->escapes, s->changes);
	return s->escapes || s->changes || bad || !ok;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dir", 1, 0, 'd' },	 { "hook", 1, 0, 'h' },
						 { "lower", 1, 0, 'l' }, { "renamers", 1, 0, 'r' },
						 { "pause", 1, 0, 'p' }, { 0 } };
	struct storm s = { .renamers = 4 };
	unsigned long n;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			s.stage.dir = optarg;
		else if (c == 'h')
			s.stage.hook = optarg;
		else if (c == 'l')
			s.stage.lower = optarg;
		else if (c == 'r')
			s.renamers = (unsigned)atoi(optarg);
		else if (c == 'p')
			s.pause_us = (unsigned)atoi(optarg);
		else
			return 2;
	}
	if (!s.stage.dir || !s.stage.hook || !s.stage.lower || s.renamers > RENAMERS_MAX || argc - optind != 2)
		return fputs("usage: see the head of storm.c\n", stderr), 2;
	n = strtoul(argv[optind + 1], NULL, 10);
	stage_open(&s.stage);
	if (strcmp(argv[optind], "lookups") == 0)
		return run_lookups(&s, n, false);
	if (strcmp(argv[optind], "naive") == 0)
		return run_lookups(&s, n, true);
	if (strcmp(argv[optind], "hooks") == 0)
		return run_hooks(&s, n);
	return fputs("usage: see the head of storm.c\n", stderr), 2;
}
