/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup_v2.h"

#include <errno.h>
#include <stdlib.h>

#include "apply/bpf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

#define TRIES 3

/* One program that is to be replaced. */
struct change {
	int cgroup; /* the level's */
	uint32_t id;
	int old, new;
};

struct changes {
	struct change v[CGROUP_LEVELS_MAX * BPF_ATTACHED_MAX];
	size_t n, attached; /* attached: programs of the container's cgroups, changed or not */
};

static void changes_close(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		fd_close(c->v[i].old);
		fd_close(c->v[i].new);
	}
	c->n = c->attached = 0;
}

static bool has(const struct bpf_attached *a, uint32_t id)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->ids[i] == id)
			return true;
	return false;
}

static int query(int cgroup, bool effective, struct bpf_attached *ret, const char *path, struct err *err)
{
	int r = bpf_query(cgroup, effective, ret);

	if (r == -ENOSYS)
		return err_set(err, ERR_KERNEL, ENOSYS, "bpf");
	return r < 0 ? err_set(err, ERR_CGROUP, -r, "device programs of %s", path) : 0;
}

/* Adds the change that this program needs. -EAGAIN: it has gone meanwhile. */
static int prepare(struct changes *c, int cgroup, uint32_t id, const struct devprog_rule *rules, size_t n,
		   struct err *err)
{
	cleanup_fd int old = bpf_open(id), new = -EBADF;
	cleanup_free struct bpf_insn *insns = NULL, *made = NULL;
	size_t n_insns, n_made;
	int r;

	if (old == -ENOENT)
		return -EAGAIN;
	if (old < 0)
		return err_set(err, ERR_CGROUP, -old, "device program %u", id);
	r = bpf_read(old, &insns, &n_insns);
	if (r < 0) {
		err_set(err, ERR_CGROUP, -r, "device program %u cannot be read back", id);
		return r == -EOPNOTSUPP ? err_hint(err, "start the container with nvcoreos-runtime, or set "
							"net.core.bpf_jit_harden to 0 or 1")
					: r;
	}
	r = devprog_prepend(insns, n_insns, rules, n, &made, &n_made, err);
	if (r <= 0)
		return r < 0 ? err_wrap(err, "program %u", id) : 0;
	new = bpf_load(made, n_made);
	if (new < 0)
		return err_set(err, ERR_CGROUP, -new, "device program %u cannot be loaded again with %zu rules of ours",
			       id, n);
	c->v[c->n++] = (struct change){ cgroup, id, take_fd(old), take_fd(new) };
	return 0;
}

static int prepare_level(struct changes *c, int cgroup, const char *path, const struct devprog_rule *rules, size_t n,
			 struct err *err)
{
	struct bpf_attached a;
	int r = query(cgroup, false, &a, path, err);

	if (r < 0 || !a.n)
		return r;
	if (a.flags != BPF_F_ALLOW_MULTI)
		return err_set(err, ERR_CGROUP, EOPNOTSUPP, "the device program of %s is attached without ALLOW_MULTI",
			       path);
	if (a.n > BPF_ATTACHED_MAX)
		return err_set(err, ERR_CGROUP, E2BIG, "%u device programs of %s", a.n, path);
	c->attached += a.n;
	for (uint32_t i = 0; r == 0 && i < a.n; i++)
		r = prepare(c, cgroup, a.ids[i], rules, n, err);
	return r;
}

/* -EAGAIN: another writer was here first. */
static int replace(const struct change *c, const char *path, struct err *err)
{
	int r = bpf_replace(c->cgroup, c->new, c->old), q;
	struct bpf_attached a;

	if (r != -ENOENT)
		return r < 0 ? err_set(err, ERR_CGROUP, -r, "replacing device program %u of %s", c->id, path) : 0;
	q = query(c->cgroup, false, &a, path, err);
	if (q < 0)
		return q;
	/* It is there and yet not to be found as a program: it is a link's. */
	if (has(&a, c->id))
		return err_set(err, ERR_CGROUP, EOPNOTSUPP, "device program %u of %s is attached by a link", c->id,
			       path);
	return -EAGAIN;
}

/* No program of the container's own: then whatever holds must hold for us too, or it is not ours to open. */
static int check_foreign(const struct cgroup_place *p, struct err *err)
{
	struct bpf_attached here, ours = { .n = 0 };
	int r = query(p->levels[p->n_levels - 1], true, &here, p->path, err);

	if (r == 0 && here.n && p->self >= 0)
		r = query(p->self, true, &ours, "the hook's cgroup", err);
	for (uint32_t i = 0; r == 0 && i < here.n; i++)
		if (!has(&ours, here.ids[i])) {
			err_set(err, ERR_CGROUP, EPERM, "%s has no device rules of its own, but a cgroup above it has",
				p->path);
			return err_hint(
				err,
				"allow the GPUs in that cgroup (systemd: DeviceAllow=) and set device-cgroup=none");
		}
	if (r == 0)
		log_info("cgroup %s: no device program to open%s", p->path,
			 here.n ? "; those above hold for the engine too" : "");
	return r;
}

static int try(const struct cgroup_place *p, const struct devprog_rule *rules, size_t n, struct err *err)
{
	cleanup(changes_close) struct changes c = { .n = 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n_levels; i++)
		r = prepare_level(&c, p->levels[i], p->path, rules, n, err);
	if (r == 0 && !c.attached)
		return check_foreign(p, err);
	/* Reading and loading took its time. */
	if (r == 0 && c.n)
		r = cgroup_find_alive(p, err);
	for (size_t i = 0; r == 0 && i < c.n; i++)
		r = replace(&c.v[i], p->path, err);
	return r;
}

int cgroup_v2_allow(const struct cgroup_place *p, const struct devprog_rule *rules, size_t n, struct err *err)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++)
		r = try(p, rules, n, err);
	if (r == -EAGAIN) {
		err_set(err, ERR_CGROUP, EBUSY, "something else keeps changing the device programs of %s", p->path);
		return err_hint(err, "start the container with nvcoreos-runtime");
	}
	return r;
}
