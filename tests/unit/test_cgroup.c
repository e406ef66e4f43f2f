/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_allow on cgroup v1, and where there is nothing for it to do. */
#include "apply/cgroup.h"

#include <sched.h>

#include "base/str.h"
#include "devcgroup.h"
#include "faults.h"

static struct plan_node nodes[] = { { "nvidiactl", 195, 255 }, { "nvidia1", 195, 1 } };
static const struct plan plan = { .nodes = nodes, .n_nodes = 2 };

#define NEED_V1(c, name) \
	if (!devcgroup_make(&(c), devcgroup_is(DEVCGROUP_V1, CGROUP_SUPER_MAGIC) ? DEVCGROUP_V1 : NULL, name)) { \
		tap_skip("needs root and a devices hierarchy of cgroup v1"); \
		return; \
	}

static char *list_of(const struct devcgroup *c)
{
	char *list = NULL;
	size_t len;

	CHECK_INT(fd_read_file_at(c->fd, "devices.list", 4096, &list, &len), 0);
	return list;
}

TEST(v1_exactly_the_nodes_are_allowed)
{
	cleanup_free char *list = NULL, *again = NULL;
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V1(c, "");
	pid = devcgroup_init(&c);
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	CHECK(!devcgroup_opens(&c, 195, 255));
	CHECK_INT(devcgroup_allow(pid, NULL, &plan, &err), 0);
	CHECK_INT(caps_restore(&err), 0);
	list = list_of(&c);
	CHECK_STR(list, "c 195:255 rw\nc 195:1 rw\n");
	CHECK(devcgroup_opens(&c, 195, 255) && devcgroup_opens(&c, 195, 1));
	CHECK(devcgroup_closed_otherwise(&c));
	/* A second hook. */
	CHECK_INT(devcgroup_allow(pid, NULL, &plan, &err), 0);
	CHECK_INT(caps_restore(&err), 0);
	again = list_of(&c);
	CHECK_STR(again, list);
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(v1_a_cgroup_that_allows_all_but_some)
{
	cleanup_free char *list = NULL;
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V1(c, "");
	pid = devcgroup_init(&c);
	CHECK(devcgroup_put(c.dir, "devices.deny", "c 195:255 rwm") &&
	      devcgroup_put(c.dir, "devices.deny", "c 195:2 rwm"));
	CHECK(!devcgroup_opens(&c, 195, 255));
	CHECK_INT(devcgroup_allow(pid, NULL, &plan, &err), 0);
	CHECK_INT(caps_restore(&err), 0);
	list = list_of(&c);
	CHECK_STR(list, "a *:* rwm\n");
	CHECK(devcgroup_opens(&c, 195, 255) && devcgroup_opens(&c, 195, 1) && !devcgroup_opens(&c, 195, 2));
	CHECK_INT(devcgroup_ask(&c, S_IFCHR, 195, 255, DEVCGROUP_MKNOD), EPERM);
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(v1_a_cgroup_of_the_runtime_below_the_containers)
{
	struct err err = ERR_INIT;
	struct devcgroup c, sub;
	char path[64];
	pid_t pid;

	NEED_V1(c, "");
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	REQUIRE(devcgroup_make(&sub, DEVCGROUP_V1, "/container"));
	snprintf(path, sizeof(path), "/nvcoreos-unit-%d", (int)getpid());
	pid = devcgroup_init(&sub);
	/* hostile 89: the kernel allows a cgroup nothing that the one above it has not. */
	CHECK_INT(devcgroup_allow(pid, NULL, &plan, &err), -EPERM);
	CHECK_INT(err.code, ERR_CGROUP);
	CHECK(strstr(err.what, "c 195:255 rw into /nvcoreos-unit-"));
	CHECK_INT(caps_restore(&err), 0);
	CHECK(!devcgroup_opens(&sub, 195, 255));
	CHECK_INT(devcgroup_allow(pid, path, &plan, &err), 0);
	CHECK_INT(caps_restore(&err), 0);
	CHECK(devcgroup_opens(&sub, 195, 255) && devcgroup_closed_otherwise(&sub));
	devcgroup_end(pid);
	devcgroup_remove(&sub);
	devcgroup_remove(&c);
}

TEST(v1_a_cgroup_that_others_lie_in_is_not_the_containers)
{
	struct err err = ERR_INIT;
	struct devcgroup c, sub, other;
	cleanup_free char *list = NULL;
	char path[64];
	pid_t pid;

	NEED_V1(c, "");
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	REQUIRE(devcgroup_make(&sub, DEVCGROUP_V1, "/container") && devcgroup_make(&other, DEVCGROUP_V1, "/other"));
	snprintf(path, sizeof(path), "/nvcoreos-unit-%d", (int)getpid());
	pid = devcgroup_init(&sub);
	CHECK_INT(devcgroup_allow(pid, path, &plan, &err), -EPERM);
	CHECK_INT(caps_restore(&err), 0);
	list = list_of(&c);
	CHECK_STR(list, "");
	devcgroup_end(pid);
	devcgroup_remove(&sub);
	devcgroup_remove(&other);
	devcgroup_remove(&c);
}

/* The engine's own cgroup and those above it are never changed; what holds there holds for the engine too. */
TEST(a_container_without_a_cgroup_of_its_own_is_left_alone)
{
	struct err err = ERR_INIT;
	struct devcgroup c;
	cleanup_free char *list = NULL;
	int status = 0;
	pid_t pid;

	NEED_V1(c, "");
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* Engine and container in one cgroup. */
		bool ok = devcgroup_put(c.dir, "cgroup.procs", "0");
		pid_t init = fork();

		if (init == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
		}
		ok = ok && devcgroup_allow(init, NULL, &plan, &err) == 0;
		kill(init, SIGKILL);
		waitpid(init, NULL, 0);
		_exit(ok ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	list = list_of(&c);
	CHECK_STR(list, "");
	devcgroup_remove(&c);
}

/* Its pidfd; *ret: what was its number. */
static int ended(pid_t *ret)
{
	int pidfd;

	fflush(stdout);
	*ret = fork();
	if (*ret == 0)
		_exit(0);
	pidfd = (int)syscall(SYS_pidfd_open, *ret, 0);
	waitpid(*ret, NULL, 0);
	return pidfd;
}

/* The number is another's by now, in a cgroup of its own. */
TEST(an_init_that_has_ended_and_another_has_its_number)
{
	cleanup_free char *list = NULL;
	struct err err = ERR_INIT;
	cleanup_fd int pidfd = -EBADF;
	struct devcgroup c;
	char want[64];
	pid_t other, pid;

	NEED_V1(c, "");
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	pidfd = ended(&pid);
	other = devcgroup_init(&c);
	CHECK_INT(cgroup_allow(other, pidfd, NULL, &plan, &err), -ESRCH);
	CHECK_INT(err.code, ERR_CGROUP);
	snprintf(want, sizeof(want), "init %d has ended", (int)other);
	CHECK_STR(err.what, want);
	CHECK_INT(caps_restore(&err), 0);
	list = list_of(&c);
	CHECK_STR(list, "");
	devcgroup_end(other);
	devcgroup_remove(&c);
}

TEST(an_init_that_ends_before_the_first_rule)
{
	cleanup_free char *list = NULL;
	struct err err = ERR_INIT;
	struct devcgroup c;
	pid_t pid;

	NEED_V1(c, "");
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	pid = devcgroup_init(&c);
	/* Asked before and after its cgroup is found, and then. */
	for (unsigned nth = 1; nth <= 3; nth++) {
		faults_arm("pidfd_send_signal", nth, ESRCH);
		CHECK_INT(devcgroup_allow(pid, NULL, &plan, &err), -ESRCH);
		CHECK_INT(faults_disarm(), 1);
		CHECK_INT(err.code, ERR_CGROUP);
		CHECK_INT(caps_restore(&err), 0);
	}
	list = list_of(&c);
	CHECK_STR(list, "");
	devcgroup_end(pid);
	devcgroup_remove(&c);
}

TEST(an_init_that_has_ended)
{
	struct err err = ERR_INIT;
	pid_t pid;
	cleanup_fd int pidfd = ended(&pid);

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	CHECK_INT(cgroup_allow(pid, pidfd, NULL, &plan, &err), -ESRCH);
	CHECK_INT(err.code, ERR_CGROUP);
	CHECK_INT(caps_restore(&err), 0);
	/* Without a node there is nothing to do, whoever is there. */
	CHECK_INT(devcgroup_allow(pid, NULL, &(struct plan){ .n_nodes = 0 }, &err), 0);
	CHECK_INT(caps_restore(&err), 0);
}

/* In a user namespace with that map, which its parent writes: the answer of cgroup_allow. */
static int answer_in_user_namespace(pid_t init, const char *map)
{
	int ready[2], go[2], status = 0;
	char proc[64], c = 0;
	pid_t child;

	if (pipe(ready) < 0 || pipe(go) < 0)
		return -1;
	fflush(stdout);
	child = fork();
	if (child == 0) {
		struct err err = ERR_INIT;

		close(go[1]);
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "+", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(devcgroup_allow(init, NULL, &plan, &err) == 0 ? 0 : 1);
	}
	close(ready[1]);
	snprintf(proc, sizeof(proc), "/proc/%d", (int)child);
	CHECK(read(ready[0], &c, 1) == 1 && devcgroup_put(proc, "uid_map", map) && write(go[1], "+", 1) == 1);
	close(ready[0]);
	close(go[0]);
	close(go[1]);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(in_a_user_namespace_the_cgroup_is_not_ours)
{
	cleanup_free char *list = NULL;
	struct devcgroup c;
	pid_t pid;

	NEED_V1(c, "");
	CHECK(devcgroup_put(c.dir, "devices.deny", "a"));
	pid = devcgroup_init(&c);
	CHECK_INT(answer_in_user_namespace(pid, "0 0 1"), 0);
	CHECK_INT(answer_in_user_namespace(pid, "0 100000 65536"), 0);
	/* One that looks like the first. */
	CHECK_INT(answer_in_user_namespace(pid, "0 0 4294967295"), 0);
	list = list_of(&c);
	CHECK_STR(list, "");
	devcgroup_end(pid);
	devcgroup_remove(&c);
}
