/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/caps.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#define PHASE_CAPS_MAX 6
#define CAP_END ((cap_value_t)-1)

/* The first `required` ones must be there; the others are raised where they are. */
static const struct {
	int required;
	cap_value_t caps[PHASE_CAPS_MAX + 1];
} phases[] = {
	[CAPS_READ] = { 0, { CAP_DAC_READ_SEARCH, CAP_END } },
	/* SYSLOG: kallsyms tells root's eyes alone which symbols are for GPL-compatible modules. */
	[CAPS_LOAD] = { 0,
			{ CAP_SYS_MODULE, CAP_MKNOD, CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE, CAP_SYSLOG, CAP_END } },
	[CAPS_ENTER] = { 3, { CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_END } },
	[CAPS_CGROUP] = { 1, { CAP_SYS_ADMIN, CAP_END } },
	[CAPS_BPF] = { 1, { CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_END } },
	[CAPS_MOUNT] = { 1, { CAP_SYS_ADMIN, CAP_END } },
	[CAPS_OWN] = { 2, { CAP_SETUID, CAP_SETGID, CAP_END } },
	[CAPS_WRITE] = { 0, { CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_END } },
};

/* The process's sets as they were read or last set: nobody else changes the permitted ones, and effective ones are always set as a whole. */
static cap_t held;

static cap_t hold(void)
{
	if (!held)
		held = cap_get_proc();
	return held;
}

/* 0 or -errno; then they are read anew the next time. */
static int settle(int r)
{
	int error = errno;

	if (r == 0 && cap_set_proc(held) == 0)
		return 0;
	if (r == 0)
		error = errno;
	cap_free(held);
	held = NULL;
	return error ? -error : -EINVAL;
}

static bool is_permitted(cap_t c, cap_value_t v)
{
	cap_flag_value_t flag = CAP_CLEAR;

	return cap_get_flag(c, v, CAP_PERMITTED, &flag) == 0 && flag == CAP_SET;
}

static int missing(cap_value_t v, struct err *err)
{
	char *name = cap_to_name(v);

	err_set(err, ERR_PRIVILEGE, EPERM, "%s is missing", name ? name : "a capability");
	cap_free(name);
	return -EPERM;
}

static int set_effective(const cap_value_t *list, int required, struct err *err)
{
	cap_t c = hold();
	int r;

	if (!c)
		return err_set(err, ERR_PRIVILEGE, errno, "reading capabilities");
	r = cap_clear_flag(c, CAP_EFFECTIVE);
	for (int i = 0; r == 0 && list[i] != CAP_END; i++) {
		if (is_permitted(c, list[i]))
			r = cap_set_flag(c, CAP_EFFECTIVE, 1, &list[i], CAP_SET);
		else if (i < required)
			return missing(list[i], err);
	}
	r = settle(r);
	return r < 0 ? err_set(err, ERR_PRIVILEGE, -r, "setting capabilities") : 0;
}

int caps_lower(struct err *err)
{
	static const cap_value_t none[] = { CAP_END };

	return set_effective(none, 0, err);
}

int caps_raise(enum caps_phase phase, struct err *err)
{
	return set_effective(phases[phase].caps, phases[phase].required, err);
}

/* Makes the effective set the permitted one. libcap's own call for that asks the kernel for its version again. 0 or -1. */
static int fill(cap_t c)
{
	for (cap_value_t v = 0; v <= CAP_LAST_CAP; v++)
		if (cap_set_flag(c, CAP_EFFECTIVE, 1, &v, is_permitted(c, v) ? CAP_SET : CAP_CLEAR) < 0)
			return -1;
	return 0;
}

int caps_restore(struct err *err)
{
	cap_t c = hold();
	int r = c ? settle(fill(c)) : -errno;

	return r < 0 ? err_set(err, ERR_PRIVILEGE, -r, "restoring capabilities") : 0;
}

/* The capabilities that none of these phases needs; at most CAP_LAST_CAP + 1 of them. Returns how many. */
static int list_unneeded(unsigned set, cap_value_t *ret)
{
	uint64_t needed = 0;
	int n = 0;

	for (size_t p = 0; p < ARRAY_SIZE(phases); p++)
		for (int i = 0; set & CAPS_BIT(p) && phases[p].caps[i] != CAP_END; i++)
			needed |= UINT64_C(1) << phases[p].caps[i];
	for (cap_value_t v = 0; v <= CAP_LAST_CAP; v++)
		if (!(needed >> v & 1))
			ret[n++] = v;
	return n;
}

/* Makes the permitted set what these phases need of it, and the effective and inheritable ones empty. 0 or -1. */
static int narrow(cap_t c, unsigned set)
{
	cap_value_t unneeded[CAP_LAST_CAP + 1];
	int n = list_unneeded(set, unneeded);

	if (cap_set_flag(c, CAP_PERMITTED, n, unneeded, CAP_CLEAR) < 0)
		return -1;
	return cap_clear_flag(c, CAP_EFFECTIVE) < 0 || cap_clear_flag(c, CAP_INHERITABLE) < 0 ? -1 : 0;
}

static bool is_effective(cap_t c, cap_value_t v)
{
	cap_flag_value_t flag = CAP_CLEAR;

	return cap_get_flag(c, v, CAP_EFFECTIVE, &flag) == 0 && flag == CAP_SET;
}

/* Leaves in the bounding set what these phases need. */
static int drop_bounding(cap_t c, unsigned set, struct err *err)
{
	static const cap_value_t setpcap = CAP_SETPCAP;
	cap_value_t unneeded[CAP_LAST_CAP + 1];
	int r = 0, n = list_unneeded(set, unneeded);

	/* Without SETPCAP the bounding set stays; permitted is narrowed all the same. */
	if (!is_permitted(c, setpcap))
		return 0;
	if (!is_effective(c, setpcap))
		r = settle(cap_set_flag(c, CAP_EFFECTIVE, 1, &setpcap, CAP_SET));
	if (r < 0)
		return err_set(err, ERR_PRIVILEGE, -r, "raising CAP_SETPCAP");
	/* Old kernels know fewer capabilities: EINVAL ends the row. */
	for (int i = 0; i < n; i++)
		if (cap_drop_bound(unneeded[i]) < 0 && errno != EINVAL)
			return err_set(err, ERR_PRIVILEGE, errno, "dropping a bounding capability");
	return 0;
}

int caps_limit(struct err *err)
{
	cap_t c = hold();
	int r;

	if (!c)
		return err_set(err, ERR_PRIVILEGE, errno, "reading capabilities");
	r = drop_bounding(c, CAPS_ALL, err);
	if (r < 0)
		return r;
	/* Kernels before 4.3 have none. libcap's own call asks for each of them first. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = settle(narrow(c, CAPS_ALL));
	return r < 0 ? err_set(err, ERR_PRIVILEGE, -r, "narrowing capabilities") : 0;
}

int caps_keep(unsigned set, struct err *err)
{
	cap_t c = hold();
	int r = c ? settle(narrow(c, set)) : -errno;

	return r < 0 ? err_set(err, ERR_PRIVILEGE, -r, "giving up capabilities") : 0;
}

int caps_become_loader(void)
{
	cap_t c = hold();
	int r = c ? drop_bounding(c, CAPS_BIT(CAPS_LOAD), NULL) : -errno;

	/* Root's execve would give back what the bounding set has, the hook's among it; so it gives no more than is permitted now. */
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = settle(narrow(c, CAPS_BIT(CAPS_LOAD)) < 0 ? -1 : fill(c));
	return r;
}
