/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/path.h"
#include "sandbox.h"
#include "tap.h"

static char base[4096], source[4096], dev[4096];

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

static bool __attribute__((unused)) is_file(const char *path, const char *content)
{
	char full[8300];
	cleanup_free char *text = NULL;
	size_t len;

	snprintf(full, sizeof(full), "%s%s", base, path);
	return fd_read_file_at(AT_FDCWD, full, 4096, &text, &len) == 0 && strcmp(text, content) == 0;
}

/* In a process of its own, for behind the filter nothing can be looked at any more. */
static int carry_out(struct apply_input *in, pid_t container)
{
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
	struct rootfacts facts = { .known = true, .dev_is_tmpfs = true };
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
	struct rootfacts facts = { .known = true, .dev_is_tmpfs = true };
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
