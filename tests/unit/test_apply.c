/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "apply/caps.h"
#include "apply/filter.h"
#include "apply/mnt.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "faults.h"
#include "sandbox.h"
#include "tap.h"

static char base[4096], source[4096], dev[4096], run[4096];

/* A process with a mount namespace of its own where `base` is the container's root with a /dev of its own. */
static pid_t start_container(void)
{
	char ready;
	int pipefd[2];
	pid_t pid;

	if (pipe(pipefd) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char path[4200];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(path, sizeof(path), "%s/dev", base);
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", base, "tmpfs", 0, NULL) < 0 || mkdir(path, 0755) < 0 ||
		    mount("tmpfs", path, "tmpfs", 0, NULL) < 0)
			_exit(9);
		close(pipefd[0]);
		close(pipefd[1]);
		pause();
		_exit(0);
	}
	close(pipefd[1]);
	(void)!read(pipefd[0], &ready, 1);
	close(pipefd[0]);
	return pid;
}

static bool is_file(const char *path, const char *content)
{
	char full[8300];
	cleanup_free char *text = NULL;
	size_t len;

	snprintf(full, sizeof(full), "%s%s", base, path);
	return fd_read_file_at(AT_FDCWD, full, 4096, &text, &len) == 0 && strcmp(text, content) == 0;
}

/* What rootfacts would say of the container's /dev. */
static uint64_t mount_at_dev(int rootfd)
{
	cleanup_fd int fd = path_open(rootfd, "/dev", O_PATH);
	uint64_t id = 0;

	return fd >= 0 && path_mount_id(fd, &id) == 0 ? id : 0;
}

/* In a process of its own, for behind the filter nothing can be looked at any more. */
static int carry_out(struct apply_input *in, pid_t container)
{
	struct rootfacts facts = *in->facts;
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;
	int status = -1, r;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		in->container = &c;
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		r = container_enter(&c, container, base, &err);
		facts.dev_mount = mount_at_dev(c.rootfd);
		in->facts = &facts;
		if (r == 0)
			r = filter_enter(SECCOMP_HOOK, &err);
		if (r == 0)
			r = apply_plan(in, &err);
		if (r < 0)
			printf("# %s: %s\n", err_code_what(err.code), err.what);
		fflush(stdout);
		_exit(r < 0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static int __attribute__((unused)) run_apply(const char *unused)
{
	struct plan_mount mounts[] = { { source, "/usr/local/nvidia" } };
	struct plan_node nodes[] = { { "nvidia0", 195, 0 } };
	struct plan_link links[] = { { "/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi" } };
	struct plan_file files[] = { { "/etc/ld.so.conf.d/00-nvcoreos.conf", "/usr/local/nvidia/lib64\n" } };
	struct plan plan = { .mounts = mounts,
			     .n_mounts = 1,
			     .nodes = nodes,
			     .n_nodes = 1,
			     .links = links,
			     .n_links = 1,
			     .files = files,
			     .n_files = 1 };
	struct rootfacts facts = { .known = true };
	struct hostroot host = { -EBADF, -EBADF, open(dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EBADF };
	struct apply_input in = { .host = &host, .plan = &plan, .facts = &facts };
	pid_t pid = start_container();
	struct stat st;
	char path[8300];
	bool ok;
	int ns;

	(void)unused;
	ok = CHECK_INT(carry_out(&in, pid), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	ok &= CHECK(ns >= 0 && setns(ns, CLONE_NEWNS) == 0);
	ok &= CHECK(is_file("/usr/local/nvidia/lib64/libx.so", "x"));
	ok &= CHECK(is_file("/etc/ld.so.conf.d/00-nvcoreos.conf", "/usr/local/nvidia/lib64\n"));
	snprintf(path, sizeof(path), "%s/dev/nvidia0", base);
	ok &= CHECK(fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(195, 0));
	snprintf(path, sizeof(path), "%s/usr/bin/nvidia-smi", base);
	ok &= CHECK(fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
	return ok ? 0 : 1;
}

static void make_host(void)
{
	char path[4200];

	snprintf(base, sizeof(base), "%s", tap_tmpdir());
	snprintf(source, sizeof(source), "%s", tap_tmpdir());
	snprintf(dev, sizeof(dev), "%s", tap_tmpdir());
	tap_write(source, "lib64/libx.so", "x");
	if (geteuid() == 0) {
		snprintf(path, sizeof(path), "%s/nvidia0", dev);
		CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(195, 0)), 0);
	}
}

/* A sanitizer's runtime makes system calls of its own, which the filter does not let pass. */
#ifndef __SANITIZE_ADDRESS__
TEST(a_plan_is_carried_out_in_the_container_alone)
{
	char path[8300];

	make_host();
	in_mount_namespace(run_apply, NULL);
	/* Nothing of it is seen here. */
	snprintf(path, sizeof(path), "%s/usr", base);
	CHECK(access(path, F_OK) < 0);
}
#endif

/* A node that is missing on the host fails before anything is attached. */
static int run_missing(const char *unused)
{
	struct plan_node nodes[] = { { "nvidia7", 195, 7 } };
	struct plan_mount mounts[] = { { source, "/usr/local/nvidia" } };
	struct plan plan = { .mounts = mounts, .n_mounts = 1, .nodes = nodes, .n_nodes = 1 };
	struct rootfacts facts = { .known = true };
	struct hostroot host = { -EBADF, -EBADF, open(dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EBADF };
	struct container c = CONTAINER_INIT;
	struct apply_input in = { .host = &host, .plan = &plan, .facts = &facts, .container = &c };
	struct err err = ERR_INIT;
	pid_t pid = start_container();
	bool ok;
	int fd;

	(void)unused;
	ok = CHECK_INT(container_enter(&c, pid, base, &err), 0);
	ok &= CHECK(apply_plan(&in, &err) < 0);
	ok &= CHECK_INT(err.code, ERR_NODE);
	fd = path_open(c.rootfd, "/usr", O_PATH);
	ok &= CHECK_INT(fd, -ENOENT);
	return ok ? 0 : 1;
}

TEST(a_missing_node_fails_before_anything_is_changed)
{
	make_host();
	in_mount_namespace(run_missing, NULL);
}

/*
 * A plan with all that there is, and its container: a mount namespace of this process's own that it goes into and comes back
 * from, so that each try has a new one.
 */
struct all {
	struct plan_mount mounts[2];
	struct plan_node nodes[3];
	struct plan_ipc ipc[5];
	struct plan_shown shown[3];
	struct plan_dev_link dev_link;
	struct plan_proc_gpu gpu;
	struct plan_link link;
	struct plan_file files[2];
	struct plan_cache_library library;
	char socket[4200], directory[4200], regular[4200], absent[4200], anybodys[4200], plain[4200], data[4200];
	struct plan plan;
	struct rootfacts facts;
	struct hostroot host;
	struct container c;
	struct apply_input in;
};

static void make_plan(struct all *a)
{
	*a = (struct all){
		.mounts = { { source, "/usr/local/nvidia" }, { source, "/usr/local/cuda" } },
		.nodes = { { "nvidia0", 195, 0 }, { "nvidia1", 195, 1 }, { "nvidia-caps/nvidia-cap1", 510, 1 } },
		.ipc = { { a->socket }, { a->directory }, { a->regular }, { a->absent }, { a->anybodys } },
		.shown = { { a->plain }, { a->data }, { a->absent } },
		.dev_link = { "dri/by-path/pci-0000:01:00.0-card", "../card0" },
		.gpu = { "0000:01:00.0", "Model: X\n" },
		.link = { "/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi" },
		.files = { { "/etc/ld.so.conf.d/00-nvcoreos.conf", "/usr/local/nvidia/lib64\n" },
			   { PLAN_EGL_FILE, "{}\n" } },
		.library = { "libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", 64, 62 },
		.facts = { .known = true },
		.host = HOSTROOT_INIT,
		.c = CONTAINER_INIT,
	};
	a->plan = (struct plan){
		.mounts = a->mounts,
		.n_mounts = 2,
		.nodes = a->nodes,
		.n_nodes = 3,
		.ipc = a->ipc,
		.n_ipc = 5,
		.shown = a->shown,
		.n_shown = 3,
		.dev_links = &a->dev_link,
		.n_dev_links = 1,
		.proc = { .wanted = true, .version = "v\n", .gpus = &a->gpu, .n_gpus = 1 },
		.links = &a->link,
		.n_links = 1,
		.files = a->files,
		.n_files = 2,
		.cache = { .wanted = true, .first = &a->library, .n_first = 1 },
	};
	snprintf(a->socket, sizeof(a->socket), "%s/s", run);
	snprintf(a->directory, sizeof(a->directory), "%s/directory", run);
	snprintf(a->regular, sizeof(a->regular), "%s/regular", run);
	snprintf(a->absent, sizeof(a->absent), "%s/absent", run);
	snprintf(a->anybodys, sizeof(a->anybodys), "%s/open/anybodys", run);
	snprintf(a->plain, sizeof(a->plain), "%s/plain", run);
	snprintf(a->data, sizeof(a->data), "%s/data", run);
	a->in = (struct apply_input){ .host = &a->host, .plan = &a->plan, .facts = &a->facts, .container = &a->c };
}

static bool mount_below(const char *what, const char *path, const char *type, unsigned long flags)
{
	char full[4200];

	snprintf(full, sizeof(full), "%s%s", base, path);
	return mkdir(full, 0755) == 0 && mount(what, full, type, flags, NULL) == 0;
}

/* Another tree of files stands in for procfs's directory of the driver, which no machine without one has. */
static bool make_container(struct all *a)
{
	char path[4200];

	a->c.host_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNS) < 0 || mount("tmpfs", base, "tmpfs", 0, NULL) < 0 ||
	    !mount_below("tmpfs", "/dev", "tmpfs", 0))
		return false;
	snprintf(path, sizeof(path), "%s/dev/nvidia1", base);
	if (mknod(path, S_IFCHR | 0666, makedev(195, 1)) < 0)
		return false;
	tap_write(base, "proc/driver/x", "");
	tap_write(base, "etc/ld.so.cache", "damaged");
	if (!mount_below("/proc/tty", "/proc/driver/nvidia", NULL, MS_BIND))
		return false;
	a->c.rootfd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	a->c.mnt_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (setns(a->c.host_ns, CLONE_NEWNS) < 0)
		return false;
	a->c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	a->host.dev = open(dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	a->facts.dev_mount = mount_at_dev(a->c.rootfd);
	return a->host.dev >= 0 && a->c.rootfd >= 0 && a->c.mnt_ns >= 0;
}

static void leave(struct all *a)
{
	hostroot_close(&a->host);
	container_close(&a->c);
}

static bool has_mode(const char *below, const char *path, mode_t type)
{
	char full[8300];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s%s", base, below, path);
	return stat(full, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool is_read_only(const char *path, mode_t type)
{
	char full[8300];
	struct statfs fs;

	snprintf(full, sizeof(full), "%s%s", base, path);
	return has_mode("", path, type) && statfs(full, &fs) == 0 && (fs.f_flags & MS_RDONLY);
}

static bool is_dev_link(const char *path, const char *target)
{
	char full[8300], text[64] = "";

	snprintf(full, sizeof(full), "%s%s", base, path);
	return readlink(full, text, sizeof(text) - 1) > 0 && strcmp(text, target) == 0;
}

/* All but links in /dev is in the container; seen from inside. */
static bool is_done(const struct all *a)
{
	bool ok = CHECK(is_file("/usr/local/nvidia/lib64/libx.so", "x"));

	ok &= CHECK(is_file("/usr/local/cuda/lib64/libx.so", "x"));
	ok &= CHECK(is_file("/etc/ld.so.conf.d/00-nvcoreos.conf", "/usr/local/nvidia/lib64\n"));
	ok &= CHECK(is_file(PLAN_EGL_FILE, "{}\n"));
	ok &= CHECK(has_mode("", "/dev/nvidia0", S_IFCHR) && has_mode("", "/dev/nvidia1", S_IFCHR));
	ok &= CHECK(has_mode("", "/dev/nvidia-caps/nvidia-cap1", S_IFCHR));
	ok &= CHECK(has_mode("", a->socket, S_IFSOCK) && has_mode("", a->directory, S_IFDIR));
	ok &= CHECK(!has_mode("", a->regular, S_IFREG) && !has_mode("", a->absent, S_IFREG));
	ok &= CHECK(!has_mode("", a->anybodys, S_IFDIR));
	ok &= CHECK(is_read_only(a->plain, S_IFREG) && is_read_only(a->data, S_IFDIR));
	ok &= CHECK(has_mode(a->data, "/b8:0", S_IFREG));
	ok &= CHECK(is_file("/proc/driver/nvidia/version", "v\n"));
	return ok;
}

static bool has_dev_link(void)
{
	return is_dev_link("/dev/dri/by-path/pci-0000:01:00.0-card", "../card0");
}

static void make_everything(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[4200];
	int fd;

	make_host();
	/* Where it is put in the container is where it is here, so the test's path must be no longer than a socket's. */
	snprintf(run, sizeof(run), "%s", tap_tmpdir());
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s/s", run);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	fd_close(fd);
	tap_write(run, "directory/x", "");
	tap_write(run, "regular", "");
	tap_write(run, "plain", "{}");
	tap_write(run, "data/b8:0", "E:X=1");
	tap_write(run, "open/anybodys/x", "");
	tap_write(dev, "nvidia-caps/x", "");
	if (geteuid() == 0) {
		/* A daemon's user may own what is its own; where everybody may write, it must be root's. */
		snprintf(path, sizeof(path), "%s/directory", run);
		CHECK_INT(chown(path, 65534, 65534), 0);
		snprintf(path, sizeof(path), "%s/open", run);
		CHECK_INT(chmod(path, 01777), 0);
		snprintf(path, sizeof(path), "%s/open/anybodys", run);
		CHECK_INT(chown(path, 65534, 65534), 0);
		snprintf(path, sizeof(path), "%s/nvidia1", dev);
		CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(195, 1)), 0);
		snprintf(path, sizeof(path), "%s/nvidia-caps/nvidia-cap1", dev);
		CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(510, 1)), 0);
	}
}

static unsigned nth;

enum { ALL_WENT_WELL = 0, FAILED = 10, FAILED_WITHOUT_HARM = 11 };

/* In a process of its own: applies with the nth call failing. */
static int apply_with_a_fault(void)
{
	/* Where a failing call leaves something out, and the start goes on. */
	static const char *const harmless[] = { "cap_set_proc", "flock",  "fstat",   "fstatat",
						"fstatfs",	"openat", "openat2", "statx" };
	struct err err = ERR_INIT;
	unsigned fds, n;
	struct all a;
	bool ok;
	int r;

	make_plan(&a);
	if (!make_container(&a))
		return 1;
	fds = tap_open_fds();
	faults_arm(FAULTS_ANY, nth, EIO);
	r = apply_plan(&a.in, &err);
	n = faults_disarm();
	ok = CHECK_INT(err.code != ERR_NONE, r < 0);
	if (!n)
		ok &= CHECK_INT(r, 0) && is_done(&a) && CHECK(has_dev_link());
	if (n && r == 0) {
		/* A link that cannot be made is left out, and nothing else with it. */
		bool known = !has_dev_link() && is_done(&a);

		for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
			known |= strcmp(harmless[i], faults_failed()) == 0;
		ok &= CHECK(known);
	}
	if (!ok)
		printf("# call %u, %s: %d, %s\n", nth, faults_failed(), r, err.what);
	ok &= CHECK_INT(tap_open_fds(), fds);
	leave(&a);
	return !ok ? 1 : !n ? ALL_WENT_WELL : r < 0 ? FAILED : FAILED_WITHOUT_HARM;
}

static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* Behind the filters there would be no looking at what came of it. */
		faults_pretend("seccomp");
		tap_exit(filter_enter(SECCOMP_HOOK, NULL) < 0 ? 1 : fn());
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int each_call_fails(const char *unused)
{
	unsigned harmless = 0;
	int r = FAILED;

	(void)unused;
	for (nth = 1; r == FAILED || r == FAILED_WITHOUT_HARM; nth++) {
		r = in_child(apply_with_a_fault);
		harmless += r == FAILED_WITHOUT_HARM;
	}
	/*
	 * Capabilities that are not lowered; targets, sockets, mounts and /proc that cannot be looked at; files of the host's
	 * and links in /dev that are left out.
	 */
	return CHECK_INT(r, ALL_WENT_WELL) && CHECK(nth > 200) && CHECK(harmless < nth * 2 / 5) ? 0 : 1;
}

/* What an earlier hook, an engine or an image may have left in the container before. */
static int over_what_is_there(void)
{
	char path[4200];
	struct err err = ERR_INIT;
	struct statfs fs;
	struct all a;
	bool ok;
	int fd;

	make_plan(&a);
	if (!make_container(&a) || setns(a.c.mnt_ns, CLONE_NEWNS) < 0)
		return 1;
	tap_write(base, "usr/local/x", "");
	/* The very same tree stands there; another one of the same file system; /proc's directory is none of procfs's. */
	ok = CHECK(mount_below(source, "/usr/local/nvidia", NULL, MS_BIND));
	ok &= CHECK(mount_below(run, "/usr/local/cuda", NULL, MS_BIND));
	snprintf(path, sizeof(path), "%s/proc/driver/nvidia", base);
	ok &= CHECK_INT(umount(path), 0);
	ok &= CHECK_INT(setns(a.c.host_ns, CLONE_NEWNS), 0);
	ok &= CHECK_INT(apply_plan(&a.in, &err), 0);
	ok &= CHECK(is_file("/usr/local/nvidia/lib64/libx.so", "x"));
	ok &= CHECK(is_file("/usr/local/cuda/lib64/libx.so", "x"));
	ok &= CHECK(!has_mode("", "/proc/driver/nvidia/version", S_IFREG));
	/* Mounted on once: it is still the engine's mount, which is not read-only. */
	snprintf(path, sizeof(path), "%s/usr/local/nvidia", base);
	fd = open(path, O_PATH | O_CLOEXEC);
	ok &= CHECK(fstatfs(fd, &fs) == 0 && !(fs.f_flags & MS_RDONLY));
	close(fd);
	if (!ok)
		printf("# %s\n", err.what);
	leave(&a);
	return ok ? 0 : 1;
}

/* A volume over the target's directory, with the target in it. */
static int on_a_volume(unsigned long propagation, struct err *err)
{
	char path[4200];
	struct all a;
	int r;

	make_plan(&a);
	if (!make_container(&a) || setns(a.c.mnt_ns, CLONE_NEWNS) < 0)
		return 1;
	tap_write(base, "usr/x", "");
	snprintf(path, sizeof(path), "%s/usr/local", base);
	if (!mount_below("tmpfs", "/usr/local", "tmpfs", 0) || mount(NULL, path, NULL, propagation, NULL) < 0)
		return 1;
	tap_write(base, "usr/local/nvidia/x", "");
	tap_write(base, "usr/local/cuda/x", "");
	if (setns(a.c.host_ns, CLONE_NEWNS) < 0)
		return 1;
	r = apply_plan(&a.in, err);
	if (r == 0)
		r = is_done(&a) ? 0 : 1;
	else
		r = has_mode("", "/usr/local/nvidia/x", S_IFREG) ? r : 2;
	leave(&a);
	return r;
}

static int on_a_private_volume(void)
{
	struct err err = ERR_INIT;

	return CHECK_INT(on_a_volume(MS_PRIVATE, &err), 0) ? 0 : 1;
}

static int on_a_shared_volume(void)
{
	struct err err = ERR_INIT;
	bool ok = CHECK_INT(on_a_volume(MS_SHARED, &err), -EPERM);

	ok &= CHECK_INT(err.code, ERR_FOREIGN_MOUNT);
	ok &= CHECK(strstr(err.what, "/usr/local/nvidia lies on a volume"));
	return ok ? 0 : 1;
}

static int loader_alone(void)
{
	struct err err = ERR_INIT;
	struct all a;
	bool ok;

	make_plan(&a);
	a.in.loader_only = true;
	if (!make_container(&a))
		return 1;
	ok = CHECK_INT(apply_plan(&a.in, &err), 0);
	ok &= CHECK(is_file("/etc/ld.so.conf.d/00-nvcoreos.conf", "/usr/local/nvidia/lib64\n"));
	ok &= CHECK(!has_mode("", "/usr/local", S_IFDIR) && !has_mode("", "/dev/nvidia0", S_IFCHR));
	leave(&a);
	return ok ? 0 : 1;
}

/* From some call on everything fails, taking back what was made too: the error is still the first one. */
static int nothing_works_any_more(void)
{
	struct err err = ERR_INIT;
	struct all a;
	bool ok;

	make_plan(&a);
	if (!make_container(&a))
		return 1;
	faults_arm_from(FAULTS_ANY, nth, EIO);
	ok = CHECK(apply_plan(&a.in, &err) < 0 && err.code != ERR_NONE);
	ok &= CHECK(faults_disarm() > 0);
	leave(&a);
	return ok ? 0 : 1;
}

/* What the host must have is not there, or is something else: nothing is changed. */
static int wrong_sources(void)
{
	static const struct {
		struct plan_mount mount;
		struct plan_node node;
		int r;
		enum err_code code;
	} rows[] = {
		{ { "/nowhere/views", "/usr/local/nvidia" }, { "nvidia0", 195, 0 }, -ENOENT, ERR_TREE },
		{ { "/proc/version", "/usr/local/nvidia" }, { "nvidia0", 195, 0 }, -ENOTDIR, ERR_TREE },
		{ { "/proc/self", "/usr/local/nvidia" }, { "nvidia0", 195, 0 }, -ENOTDIR, ERR_TREE },
		{ { source, "/usr/local/nvidia" }, { "nvidia7", 195, 7 }, -ENOENT, ERR_NODE },
		{ { source, "/usr/local/nvidia" }, { "nvidia0", 195, 7 }, -EINVAL, ERR_NODE },
		{ { source, "/usr/local/nvidia" }, { "nvidia-caps/x", 195, 7 }, -EINVAL, ERR_NODE },
		{ { source, "/usr/local/nvidia" }, { "nowhere/x", 195, 7 }, -ENOENT, ERR_NODE },
	};
	struct all a;
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT, ignored = ERR_INIT;
		bool good;

		make_plan(&a);
		a.mounts[0] = rows[i].mount;
		a.nodes[0] = rows[i].node;
		if (!make_container(&a))
			return 1;
		good = CHECK_INT(apply_plan(&a.in, &err), rows[i].r) & CHECK_INT(err.code, rows[i].code);
		good &= CHECK_INT(caps_restore(&ignored), 0) & CHECK_INT(setns(a.c.mnt_ns, CLONE_NEWNS), 0);
		good &= CHECK(!has_mode("", "/usr", S_IFDIR) && is_file("/etc/ld.so.cache", "damaged"));
		good &= CHECK_INT(setns(a.c.host_ns, CLONE_NEWNS), 0);
		if (!good)
			printf("# %zu: %s\n", i, err.what);
		ok &= good;
		leave(&a);
	}
	return ok ? 0 : 1;
}

static int an_empty_plan(void)
{
	struct err err = ERR_INIT;
	struct all a;
	bool ok;

	make_plan(&a);
	a.plan = (struct plan){ 0 };
	if (!make_container(&a))
		return 1;
	a.in.last = true;
	ok = CHECK_INT(apply_plan(&a.in, &err), 0);
	ok &= CHECK(!has_mode("", "/usr", S_IFDIR) && is_file("/etc/ld.so.cache", "damaged"));
	leave(&a);
	return ok ? 0 : 1;
}

static int in_many_containers(const char *unused)
{
	bool ok = CHECK_INT(in_child(over_what_is_there), 0);

	(void)unused;
	ok &= CHECK_INT(in_child(on_a_private_volume), 0);
	ok &= CHECK_INT(in_child(on_a_shared_volume), 0);
	ok &= CHECK_INT(in_child(loader_alone), 0);
	ok &= CHECK_INT(in_child(an_empty_plan), 0);
	ok &= CHECK_INT(in_child(wrong_sources), 0);
	for (nth = 50; nth <= 200; nth += 50)
		ok &= CHECK_INT(in_child(nothing_works_any_more), 0);
	return ok ? 0 : 1;
}

TEST(each_call_of_applying_fails)
{
	make_everything();
	in_mount_namespace(each_call_fails, NULL);
}

TEST(what_containers_bring)
{
	make_everything();
	in_mount_namespace(in_many_containers, NULL);
}
