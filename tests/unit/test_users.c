/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tap.h"

/* A process in a made-up /proc whose fd 3 is that. */
static void process(const char *proc, const char *pid, const char *comm, const char *fd)
{
	cleanup_free char *name = mem_printf("%s/comm", pid), *other = mem_printf("%s/fd/0", pid);
	cleanup_free char *link = mem_printf("%s/%s/fd/3", proc, pid), *line = mem_printf("%s\n", comm);

	tap_write(proc, name, line);
	tap_write(proc, other, "");
	CHECK(!fd || symlink(fd, link) == 0);
}

/* The same, and its program. */
static void program(const char *proc, const char *pid, const char *comm, const char *exe)
{
	cleanup_free char *link = mem_printf("%s/%s/exe", proc, pid);

	process(proc, pid, comm, "/dev/null");
	CHECK(symlink(exe, link) == 0);
}

TEST(a_name_is_whole)
{
	/* A name that was not cut off is the process's own, and so is one that is not the program's. */
	static const struct {
		const char *comm, *exe, *what;
	} rows[] = {
		{ "nvidia-persiste", "/opt/bin/nvidia-persistenced", "GPUs are in use by nvidia-persistenced (12)" },
		{ "python3", "/usr/bin/python3.11", "GPUs are in use by python3 (12)" },
		{ "a-worker-of-man", "/usr/bin/python3.11", "GPUs are in use by a-worker-of-man (12)" },
	};
	static const uint32_t mem[] = { 1 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *proc = tap_tmpdir();

		program(proc, "12", rows[i].comm, rows[i].exe);
		CHECK(users_check(proc, mem, 1, &err) < 0);
		CHECK_STR(err.what, rows[i].what);
	}
}

TEST(who_holds_a_device)
{
	/* /dev/null is 1:3. */
	static const uint32_t mem[] = { 195, 1 }, nobody[] = { 195, 510 };
	const char *proc = tap_tmpdir();
	struct err err = ERR_INIT;

	process(proc, "1", "init", NULL);
	process(proc, "12", "python3", "/dev/null");
	process(proc, "self", "python3", "/dev/null");
	process(proc, "13", "gone", "/nonexistent");
	tap_write(proc, "cpuinfo", "x");
	CHECK_INT(users_check(proc, nobody, 2, &err), 0);
	CHECK(users_check(proc, mem, 2, &err) < 0);
	CHECK_INT(err.code, ERR_BUSY);
	CHECK_STR(err.what, "GPUs are in use by python3 (12)");
	CHECK(strstr(err.hint, "nvidia-persistenced") != NULL);
	for (int i = 20; i < 30; i++) {
		char pid[8];

		snprintf(pid, sizeof(pid), "%d", i);
		process(proc, pid, "x", "/dev/null");
	}
	CHECK(users_check(proc, mem, 2, &err) < 0);
	CHECK(strlen(err.what) < 100 && strstr(err.what, ", ...") != NULL);
	CHECK(users_check("/nonexistent", mem, 2, &err) < 0);
	CHECK_INT(err.code, ERR_HOST);
}
