/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/str.h"
#include "host/inventory_text.h"
#include "sandbox.h"
#include "tap.h"

/* linux/capability.h names them too, and libcap's header is lib/apply/caps.c's alone. */
enum {
	CHOWN,
	DAC_OVERRIDE,
	DAC_READ_SEARCH,
	FOWNER,
	SETGID = 6,
	SETUID,
	NET_ADMIN = 12,
	NET_RAW,
	SYS_MODULE = 16,
	SYS_CHROOT = 18,
	SYS_PTRACE,
	SYS_ADMIN = 21,
	MKNOD = 27,
	SYSLOG = 34,
};
#define BIT(c) (1ull << (c))
#define WRITE_SET (BIT(DAC_OVERRIDE) | BIT(FOWNER))
#define OWN_SET (BIT(SETUID) | BIT(SETGID))
#define ENTER_SET (BIT(SYS_ADMIN) | BIT(SYS_CHROOT) | BIT(SYS_PTRACE) | BIT(DAC_READ_SEARCH))
#define LOAD_SET (BIT(SYS_MODULE) | BIT(MKNOD) | BIT(CHOWN) | BIT(SYSLOG) | WRITE_SET)

static uint64_t set_of(const char *key)
{
	cleanup_free char *status = NULL;
	uint64_t set = UINT64_MAX;
	char value[32];
	size_t len;

	if (fd_read_file_at(AT_FDCWD, "/proc/self/status", 65536, &status, &len) < 0 ||
	    !inventory_text_key(status, key, value, sizeof(value)) || str_to_hex(value, UINT64_MAX, &set) < 0)
		return UINT64_MAX;
	return set;
}

#define CHECK_SET(key, want) ok &= CHECK_INT(set_of(key), want)

static int each_phase(const char *unused)
{
	static const struct {
		enum caps_phase phase;
		uint64_t set;
	} rows[] = {
		{ CAPS_READ, BIT(DAC_READ_SEARCH) },
		{ CAPS_LOAD, LOAD_SET },
		{ CAPS_ENTER, ENTER_SET },
		{ CAPS_CGROUP, BIT(SYS_ADMIN) },
		{ CAPS_BPF, BIT(SYS_ADMIN) | BIT(NET_ADMIN) },
		{ CAPS_MOUNT, BIT(SYS_ADMIN) },
		{ CAPS_OWN, OWN_SET },
		{ CAPS_WRITE, WRITE_SET },
	};
	struct err err = ERR_INIT;
	bool ok = true;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ok &= CHECK_INT(caps_raise(rows[i].phase, &err), 0);
		CHECK_SET("CapEff", rows[i].set);
		ok &= CHECK_INT(caps_lower(&err), 0);
		CHECK_SET("CapEff", 0);
	}
	return ok ? 0 : 1;
}

TEST(each_phase_raises_exactly_its_own)
{
	in_mount_namespace(each_phase, NULL);
}

static int give_up(const char *dir)
{
	struct err err = ERR_INIT;
	bool ok = CHECK_INT(caps_limit(&err), 0);
	const uint64_t all = LOAD_SET | ENTER_SET | OWN_SET;

	CHECK_SET("CapEff", 0);
	CHECK_SET("CapInh", 0);
	CHECK_SET("CapAmb", 0);
	ok &= CHECK_INT(set_of("CapPrm") & all, all);
	ok &= CHECK_INT(set_of("CapBnd"), set_of("CapPrm"));
	ok &= CHECK_INT(set_of("CapPrm") & BIT(NET_RAW), 0);
	ok &= CHECK(mount("tmpfs", dir, "tmpfs", 0, NULL) < 0 && errno == EPERM);
	ok &= CHECK_INT(caps_keep(CAPS_ALL & ~CAPS_BIT(CAPS_LOAD), &err), 0);
	ok &= CHECK_INT(set_of("CapPrm") & (BIT(SYS_MODULE) | BIT(MKNOD) | BIT(CHOWN)), 0);
	ok &= CHECK_INT(caps_raise(CAPS_ENTER, &err), 0);
	ok &= CHECK_INT(caps_keep(CAPS_BIT(CAPS_MOUNT) | CAPS_BIT(CAPS_OWN) | CAPS_BIT(CAPS_WRITE), &err), 0);
	CHECK_SET("CapEff", 0);
	CHECK_SET("CapPrm", BIT(SYS_ADMIN) | OWN_SET | WRITE_SET);
	ok &= CHECK_INT(caps_raise(CAPS_ENTER, &err), -EPERM);
	ok &= CHECK_INT(err.code, ERR_PRIVILEGE);
	ok &= CHECK(strstr(err.what, "cap_sys_chroot") != NULL);
	ok &= CHECK_INT(caps_raise(CAPS_MOUNT, &err), 0);
	ok &= CHECK_INT(caps_keep(CAPS_BIT(CAPS_OWN) | CAPS_BIT(CAPS_WRITE), &err), 0);
	ok &= CHECK_INT(caps_restore(&err), 0);
	CHECK_SET("CapEff", OWN_SET | WRITE_SET);
	ok &= CHECK(mount("tmpfs", dir, "tmpfs", 0, NULL) < 0 && errno == EPERM);
	return ok ? 0 : 1;
}

TEST(what_no_later_phase_needs_is_gone_for_good)
{
	in_mount_namespace(give_up, tap_tmpdir());
}

static int become_loader(const char *unused)
{
	struct err err = ERR_INIT;
	bool ok = CHECK_INT(caps_limit(&err), 0);

	(void)unused;
	ok &= CHECK_INT(caps_become_loader(), 0);
	CHECK_SET("CapPrm", LOAD_SET);
	CHECK_SET("CapEff", LOAD_SET);
	return ok ? 0 : 1;
}

TEST(the_loader_gets_its_own_alone)
{
	in_mount_namespace(become_loader, NULL);
}
