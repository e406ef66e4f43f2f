/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/load.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "frozen.h"
#include "host/hostroot.h"
#include "sandbox.h"
#include "tap.h"

#define E22 "E22: loading the NVIDIA kernel modules failed: "
#define DEVICES "Character devices:\n  1 mem\n195 nvidia-frontend\n"

struct host {
	struct config conf;
	struct hostroot root;
	const char *dir;
	struct err err;
};

/* A host with a GPU; `loaded` with all that loading makes. The program writes `script` to run. */
static void host_make(struct host *h, bool gpu, bool loaded, const char *script)
{
	cleanup_free char *text = NULL, *program = NULL;

	*h = (struct host){ .dir = tap_tmpdir(), .root = HOSTROOT_INIT };
	tap_write(h->dir, "proc/devices", loaded ? DEVICES "511 nvidia-uvm\n\nBlock devices:\n" : DEVICES);
	tap_write(h->dir, "sys/bus/pci/devices/0000:00:1f.0/vendor", "0x8086\n");
	tap_write(h->dir, "sys/bus/pci/devices/0000:00:1f.0/class", "0x030000\n");
	tap_write(h->dir, "sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n");
	tap_write(h->dir, "sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n");
	if (gpu) {
		tap_write(h->dir, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
		tap_write(h->dir, "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
	}
	if (loaded)
		tap_write(h->dir, "proc/driver/nvidia/version",
			  "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03\n");
	tap_write(h->dir, loaded ? "dev/nvidiactl" : "dev/null", "");
	tap_write(h->dir, loaded ? "dev/nvidia-uvm" : "dev/zero", "");
	if (script) {
		text = mem_printf("#!/bin/sh\nexec 2>&1\necho x >>%s/ran\n%s\n", h->dir, script);
		program = mem_printf("%s/libexec/" LOAD_PROGRAM, h->dir);
		tap_write(h->dir, "libexec/" LOAD_PROGRAM, text);
		if (chmod(program, 0755) < 0)
			perror(program);
	}
	config_init(&h->conf);
	h->conf.proc_root = arena_printf(&h->conf.arena, "%s/proc", h->dir);
	h->conf.sys_root = arena_printf(&h->conf.arena, "%s/sys", h->dir);
	h->conf.dev_root = arena_printf(&h->conf.arena, "%s/dev", h->dir);
	h->conf.run_dir = arena_printf(&h->conf.arena, "%s/run", h->dir);
	h->conf.libexec_dir = arena_printf(&h->conf.arena, "%s/libexec", h->dir);
	h->conf.load_timeout = 5;
	CHECK_INT(hostroot_open(&h->root, &h->conf, NULL), 0);
}

static void host_free(struct host *h)
{
	hostroot_close(&h->root);
	config_free(&h->conf);
}
#define cleanup_host cleanup(host_free)

static int runs(const struct host *h)
{
	cleanup_free char *path = mem_printf("%s/ran", h->dir);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (int)st.st_size / 2;
}

static void host_remove(const struct host *h, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", h->dir, name);

	if (unlink(path) < 0)
		perror(path);
}

TEST(nothing_is_run_where_all_is_there)
{
	cleanup_host struct host h;

	host_make(&h, true, true, "exit 1");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), 0);
}

TEST(nothing_is_run_without_a_gpu)
{
	cleanup_host struct host h;

	host_make(&h, false, false, "exit 1");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), 0);
}

TEST(nothing_is_run_with_load_modules_no)
{
	cleanup_host struct host h;

	host_make(&h, true, false, "exit 1");
	h.conf.load_modules = false;
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), 0);
}

TEST(each_missing_part_runs_it)
{
	static const char *const parts[] = { "proc/driver/nvidia/version", "dev/nvidiactl", "dev/nvidia-uvm",
					     "proc/devices" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		cleanup_host struct host h;

		host_make(&h, true, true, "exit 0");
		host_remove(&h, parts[i]);
		CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
		if (!CHECK_INT(runs(&h), 1))
			tap_check_str(parts[i], "", __FILE__, __LINE__, "part");
	}
}

TEST(nodes_of_gpus_and_mig_devices_that_came_later)
{
	cleanup_host struct host h;
	static const char *const nodes[] = { "dev/nvidia3", "dev/nvidia-caps/nvidia-cap12",
					     "dev/nvidia-caps/nvidia-cap13" };

	host_make(&h, true, true, "exit 1");
	tap_write(h.dir, "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: x\nDevice Minor: \t 3\n");
	tap_write(h.dir, "proc/driver/nvidia/gpus/0000:02:00.0/information",
		  "Device Minor: \t 4\nGPU Excluded:\t Yes\n");
	tap_write(h.dir, "proc/driver/nvidia/capabilities/gpu3/mig/gi1/access", "DeviceFileMinor: 12\n");
	tap_write(h.dir, "proc/driver/nvidia/capabilities/gpu3/mig/gi1/ci0/access", "DeviceFileMinor: 13\n");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		/* What it cannot make may be another container's. */
		CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
		CHECK_INT(runs(&h), i + 1);
		tap_write(h.dir, nodes[i], "");
	}
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), ARRAY_SIZE(nodes));
}

TEST(a_name_that_only_begins_alike_is_no_uvm)
{
	cleanup_host struct host h;

	host_make(&h, true, true, "exit 0");
	tap_write(h.dir, "proc/devices", DEVICES "511 nvidia-uvm-tools\n");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), 1);
}

TEST(arguments_and_environment)
{
	cleanup_host struct host h;
	cleanup_free char *path = NULL, *got = NULL, *want = NULL;
	size_t len;

	host_make(&h, true, false, "echo \"$@\" >\"${0%/*}/args\"; tr '\\0' '\\n' </proc/$$/environ >\"${0%/*}/env\"");
	h.conf.file = arena_printf(&h.conf.arena, "%s/some.conf", h.dir);
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	path = mem_printf("%s/libexec/args", h.dir);
	want = mem_printf("--missing --config %s/some.conf\n", h.dir);
	REQUIRE(fd_read_file_at(AT_FDCWD, path, 4096, &got, &len) == 0);
	CHECK_STR(got, want);
	free(got);
	free(path);
	path = mem_printf("%s/libexec/env", h.dir);
	REQUIRE(fd_read_file_at(AT_FDCWD, path, 4096, &got, &len) == 0);
	CHECK_STR(got, "");
}

TEST(it_has_its_own_rights_alone)
{
	static const char *const want[] = { "CapInh:\t0000000000000000\n", "CapPrm:\t000000040801000b\n",
					    "CapEff:\t000000040801000b\n", "CapBnd:\t000000040801000b\n",
					    "NoNewPrivs:\t1\n" };
	cleanup_host struct host h;
	cleanup_free char *path = NULL, *got = NULL;
	size_t len;

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	host_make(&h, true, false, "cat /proc/self/status >\"${0%/*}/status\"");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	path = mem_printf("%s/libexec/status", h.dir);
	REQUIRE(fd_read_file_at(AT_FDCWD, path, 65536, &got, &len) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		if (!CHECK(strstr(got, want[i]) != NULL))
			printf("# %s%s", want[i], got);
}

TEST(its_last_line_becomes_the_error)
{
	static const struct {
		const char *script, *line;
	} t[] = {
		{ "echo something first; echo 'nvcoreos-load: " E22
		  "nvidia-uvm: damaged (ENOEXEC): install it'; exit 1",
		  E22 "nvidia-uvm: damaged (ENOEXEC): install it" },
		{ "echo 'nvcoreos-load: E23: no installed driver fits: for 3975.2.0: install one'; exit 1",
		  "E23: no installed driver fits: for 3975.2.0: install one" },
		{ "echo 'nvcoreos-load: E05: file cannot be used: /x: look'; exit 1",
		  "E05: file cannot be used: /x: look" },
		{ "echo 'nvcoreos-load: E22: no such sentence'; exit 1",
		  E22 "E22: no such sentence: see 'dmesg' and run 'nvcoreos load'" },
		{ "printf 'boom\\n\\n'; exit 1", E22 "boom: see 'dmesg' and run 'nvcoreos load'" },
		{ "kill -9 $$", NULL },
		{ "exit 7", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_host struct host h;
		char line[ERR_MSG_MAX];

		host_make(&h, true, false, t[i].script);
		CHECK(load_ensure(&h.conf, &h.root, &h.err) < 0);
		err_line(&h.err, line, sizeof(line));
		if (t[i].line)
			CHECK_STR(line, t[i].line);
		else
			CHECK(strstr(line, i == 5 ? "ended with 137 and said nothing"
						  : "ended with 7 and said nothing") != NULL);
	}
}

TEST(no_gpu_after_all_is_no_error)
{
	cleanup_host struct host h;

	host_make(&h, true, false, "exit 3");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), 1);
}

TEST(absent_program_and_deadline)
{
	cleanup_host struct host h, slow;

	host_make(&h, true, false, NULL);
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), -ENOENT);
	CHECK_INT(h.err.code, ERR_LOAD);
	CHECK(strstr(h.err.what, "/libexec/" LOAD_PROGRAM) != NULL);
	host_make(&slow, true, false, "sleep 30");
	slow.conf.load_timeout = 1;
	CHECK_INT(load_ensure(&slow.conf, &slow.root, &slow.err), -ETIMEDOUT);
	CHECK_INT(slow.err.code, ERR_LOAD);
	CHECK(strstr(slow.err.what, "within 7 s") != NULL);
}

static struct host stuck;

static int load_stuck(const char *dir)
{
	struct proc_result res;
	char group[300];
	pid_t helper;
	bool ok;

	if (!frozen_enter(dir, group))
		return SANDBOX_SKIP;
	helper = frozen_later(dir, group, 500);
	ok = CHECK_INT(load_run(&stuck.conf, &res, &stuck.err), -ETIMEDOUT);
	ok &= CHECK_INT(stuck.err.code, ERR_LOAD);
	ok &= CHECK(strstr(stuck.err.what, " did not end within 7 s, nor when it was killed, at module nvidia_uvm") !=
		    NULL);
	ok &= CHECK_STR(stuck.err.hint, PROC_STUCK);
	ok &= CHECK(frozen_end(dir, group, helper));
	return ok ? 0 : 1;
}

TEST(a_module_that_hangs_is_named)
{
	host_make(&stuck, true, false, "while :; do :; done");
	stuck.conf.load_timeout = 1;
	tap_write(
		stuck.dir, "proc/modules",
		"nvidia_uvm 4096 0 - Loading 0x0000000000000000\nnvidia 56320 1 nvidia_uvm, Live 0x0000000000000000\n");
	in_mount_namespace(load_stuck, tap_tmpdir());
	host_free(&stuck);
}

TEST(no_attempt_without_the_right)
{
	cleanup_host struct host h;

	host_make(&h, true, false, "exit 0");
	tap_write(h.dir, "proc/self/uid_map", "         0     100000      65536\n");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), -EPERM);
	CHECK_INT(h.err.code, ERR_PRIVILEGE);
	CHECK_INT(runs(&h), 0);
	tap_write(h.dir, "proc/self/uid_map", "         0          0 4294967295\n");
	tap_write(h.dir, "proc/self/status", "Name:\tx\nCapPrm:\t00000000a80425fb\nCapBnd:\t000001ffffffffff\n");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), -EPERM);
	CHECK_INT(runs(&h), 0);
	tap_write(h.dir, "proc/self/status", "Name:\tx\nCapPrm:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n");
	CHECK_INT(load_ensure(&h.conf, &h.root, &h.err), 0);
	CHECK_INT(runs(&h), 1);
}

TEST(no_attempt_in_a_user_namespace)
{
	cleanup_host struct host h;
	int status = 0;
	pid_t pid;

	host_make(&h, true, false, "exit 0");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(77);
		_exit(load_ensure(&h.conf, &h.root, &h.err) == -EPERM && h.err.code == ERR_PRIVILEGE ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		tap_skip("no user namespaces here");
		return;
	}
	CHECK_INT(WEXITSTATUS(status), 0);
	CHECK_INT(runs(&h), 0);
}

TEST(rights)
{
	static const struct {
		const char *status, *uid_map;
		int want;
	} t[] = {
		{ NULL, NULL, 0 },
		{ "CapPrm:\t0000000000010000\nCapBnd:\t0000000000010000\n", "0 0 4294967295\n", 0 },
		{ "CapPrm:\t0000000000010000\nCapBnd:\t0000000000000000\n", "0 0 4294967295\n", -EPERM },
		{ "CapPrm:\tfffffffffffeffff\nCapBnd:\t0000000000010000\n", "0 0 4294967295\n", -EPERM },
		{ "CapPrm:\t?\n", "0 0 4294967295\n", 0 },
		{ NULL, "0 0 65536\n", -EPERM },
		{ NULL, "0 1000 4294967295\n", -EPERM },
		{ NULL, "0 0 1000\n1000 1000 4294966295\n", -EPERM },
		{ NULL, "", -EPERM },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_INT(load_may(t[i].status, t[i].uid_map, NULL), t[i].want);
}
