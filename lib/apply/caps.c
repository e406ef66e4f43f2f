/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/caps.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#define PHASE_CAPS_MAX 3
#define CAP_END ((cap_value_t)-1)

static const cap_value_t phase_caps[][PHASE_CAPS_MAX + 1] = {
	[CAPS_ENTER] = { CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_END },
	[CAPS_MOUNT] = { CAP_SYS_ADMIN, CAP_END },
	[CAPS_OWN] = { CAP_SETUID, CAP_SETGID, CAP_END },
	[CAPS_CGROUP] = { CAP_SYS_ADMIN, CAP_END },
	[CAPS_READ] = { CAP_DAC_READ_SEARCH, CAP_END },
};

/* nvcoreos-load is started by the hook: it loads modules, makes nodes and gives them to their owner. */
static const cap_value_t loader_caps[] = { CAP_SYS_MODULE, CAP_MKNOD, CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE };

static void free_caps(cap_t *c)
{
	if (*c)
		cap_free(*c);
}

static int set_effective(const cap_value_t *list, int n, struct err *err)
{
	cleanup(free_caps) cap_t c = cap_get_proc();

	if (!c || cap_clear_flag(c, CAP_EFFECTIVE) < 0)
		return err_set(err, ERR_PRIVILEGE, errno, "reading capabilities");
	for (int i = 0; i < n; i++) {
		cap_flag_value_t permitted = CAP_CLEAR;
		char *name;

		if (cap_get_flag(c, list[i], CAP_PERMITTED, &permitted) == 0 && permitted == CAP_SET)
			continue;
		name = cap_to_name(list[i]);
		err_set(err, ERR_PRIVILEGE, EPERM, "%s is missing", name ? name : "a capability");
		cap_free(name);
		return -EPERM;
	}
	if ((n && cap_set_flag(c, CAP_EFFECTIVE, n, list, CAP_SET) < 0) || cap_set_proc(c) < 0)
		return err_set(err, ERR_PRIVILEGE, errno, "setting capabilities");
	return 0;
}

int caps_lower(struct err *err)
{
	return set_effective(NULL, 0, err);
}

int caps_raise(enum caps_phase phase, struct err *err)
{
	int n = 0;

	while (phase_caps[phase][n] != CAP_END)
		n++;
	return set_effective(phase_caps[phase], n, err);
}

int caps_restore(struct err *err)
{
	cleanup(free_caps) cap_t c = cap_get_proc();

	if (!c || cap_fill(c, CAP_EFFECTIVE, CAP_PERMITTED) < 0 || cap_set_proc(c) < 0)
		return err_set(err, ERR_PRIVILEGE, errno, "restoring capabilities");
	return 0;
}

static bool is_needed(cap_value_t v)
{
	for (size_t i = 0; i < ARRAY_SIZE(loader_caps); i++)
		if (loader_caps[i] == v)
			return true;
	for (size_t p = 0; p < ARRAY_SIZE(phase_caps); p++)
		for (int i = 0; phase_caps[p][i] != CAP_END; i++)
			if (phase_caps[p][i] == v)
				return true;
	return false;
}

int caps_limit(struct err *err)
{
	cleanup(free_caps) cap_t c = cap_get_proc();
	static const cap_value_t setpcap_cap = CAP_SETPCAP;
	cap_flag_value_t setpcap = CAP_CLEAR;

	if (!c)
		return err_set(err, ERR_PRIVILEGE, errno, "reading capabilities");
	cap_get_flag(c, CAP_SETPCAP, CAP_PERMITTED, &setpcap);
	if (setpcap == CAP_SET && (cap_set_flag(c, CAP_EFFECTIVE, 1, &setpcap_cap, CAP_SET) < 0 || cap_set_proc(c) < 0))
		return err_set(err, ERR_PRIVILEGE, errno, "raising CAP_SETPCAP");
	/*
	 * Old kernels know fewer capabilities: EINVAL ends the row. Without SETPCAP the bounding set stays;
	 * permitted is narrowed all the same.
	 */
	for (cap_value_t v = 0; setpcap == CAP_SET && v <= CAP_LAST_CAP; v++)
		if (!is_needed(v) && cap_drop_bound(v) < 0 && errno != EINVAL)
			return err_set(err, ERR_PRIVILEGE, errno, "dropping a bounding capability");
	(void)cap_reset_ambient();
	for (cap_value_t v = 0; v <= CAP_LAST_CAP; v++)
		if (!is_needed(v) && cap_set_flag(c, CAP_PERMITTED, 1, &v, CAP_CLEAR) < 0)
			return err_set(err, ERR_PRIVILEGE, errno, "narrowing capabilities");
	if (cap_clear_flag(c, CAP_EFFECTIVE) < 0 || cap_clear_flag(c, CAP_INHERITABLE) < 0 || cap_set_proc(c) < 0)
		return err_set(err, ERR_PRIVILEGE, errno, "narrowing capabilities");
	return 0;
}
