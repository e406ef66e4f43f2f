/* SPDX-License-Identifier: Apache-2.0 */
#include "load_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../kmod.h"
#include "../modprove.h"
#include "base/fd.h"
#include "base/log.h"
#include "host/inventory_pci.h"
#include "host/osver.h"
#include "store/store.h"

#define OWN "the kernel's own modules"
#define FIRMWARE_PARAMETER "module/firmware_class/parameters/path"

/* Debian renames the files and leaves the old names to modprobe.d, which is not read here. */
static const struct {
	const char *name, *renamed, *params;
	bool optional;
} modules[] = {
	{ "nvidia", "nvidia-current", "NVreg_ModifyDeviceFiles=0", false },
	{ "nvidia-uvm", "nvidia-current-uvm", "", false },
	{ "nvidia-modeset", "nvidia-current-modeset", "", true },
	{ "nvidia-drm", "nvidia-current-drm", "", true },
};

struct loader {
	struct load_modules *out;
	const struct config *conf;
	const struct inventory *inv;
	struct kmod *kmod;
	struct store store;
	const char *os;
	const char *driver; /* of the tree; NULL: there is none for this OS version */
	char *path;
};

static bool has_tree(const struct loader *l, const char *driver)
{
	for (size_t i = 0; driver && i < l->store.n_drivers; i++)
		if (str_eq(l->store.drivers[i].driver, driver) && str_eq(l->store.drivers[i].os, l->os))
			return true;
	return false;
}

/* The driver that `current` names, if it does so for this OS version. */
static const char *current_driver(const struct loader *l)
{
	const char *slash = l->store.current ? strchr(l->store.current, '/') : NULL;

	if (!slash || !str_eq(slash + 1, l->os))
		return NULL;
	return arena_strndup(&l->out->arena, l->store.current, (size_t)(slash - l->store.current));
}

static int choose_tree(struct loader *l, struct err *err)
{
	const char *driver;
	int r = osver_read(&l->out->arena, "", NULL, &l->os, err);

	if (r == 0)
		r = store_read(&l->store, l->conf, err);
	if (r < 0)
		return r;
	driver = l->inv->driver;
	if (!driver) {
		driver = current_driver(l);
		if (!has_tree(l, driver))
			driver = l->store.selected;
	}
	if (!has_tree(l, driver))
		return 0;
	l->driver = driver;
	l->path = arena_printf(&l->out->arena, "%s/%s/%s", l->store.driver_path, driver, l->os);
	return 0;
}

/* The GPU's own processor gets its firmware from the module's tree. A path that an administrator set stays. */
static void set_firmware_path(const struct loader *l)
{
	cleanup_free char *path = mem_printf("%s/firmware", l->path), *old = NULL;
	cleanup_fd int sys = fd_open_dir(l->conf->sys_root), fd = -EBADF;
	size_t len;

	if (sys < 0 || access(path, F_OK) < 0 || fd_read_file_at(sys, FIRMWARE_PARAMETER, 4096, &old, &len) < 0)
		return;
	old[strcspn(old, "\n")] = '\0';
	if (str_eq(old, path))
		return;
	if (*old && !str_starts(old, l->store.driver_path)) {
		log_warning("firmware path stays %s: the driver's firmware is looked for there", old);
		return;
	}
	fd = openat(sys, FIRMWARE_PARAMETER, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, path, strlen(path)) < 0)
		log_warning("firmware path: %s", strerror(errno));
}

static int load_one(struct loader *l, int dirfd, size_t i, struct err *err)
{
	const char *name = modules[i].name;
	int r;

	if (dirfd >= 0)
		return kmod_load_file(l->kmod, dirfd, name, modules[i].params, err);
	r = kmod_load_own(l->kmod, name, modules[i].params, err);
	return r == KMOD_ABSENT ? kmod_load_own(l->kmod, modules[i].renamed, modules[i].params, err) : r;
}

/* KMOD_ABSENT where there is no nvidia at all. dirfd -EBADF: the kernel's own. */
static int load_all(struct loader *l, int dirfd, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		struct err local = ERR_INIT;
		char line[ERR_MSG_MAX];
		int r = load_one(l, dirfd, i, &local);

		if (r == 0) {
			strlist_add(&l->out->arena, &l->out->names, modules[i].name);
			continue;
		}
		if (r == KMOD_ABSENT && i == 0)
			return r;
		if (r == KMOD_ABSENT && !modules[i].optional)
			r = err_set(&local, ERR_LOAD, ENOENT, "%s", modules[i].name);
		if (!modules[i].optional) {
			if (err)
				*err = local;
			return r;
		}
		if (r < 0)
			strlist_add(&l->out->arena, &l->out->warnings, err_line(&local, line, sizeof(line)));
	}
	return 0;
}

/* Then nothing helps, and the kernel's own answer says why. */
static bool is_switched_off(const struct loader *l)
{
	cleanup_free char *path = mem_printf("%s/sys/kernel/modules_disabled", l->conf->proc_root), *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, 64, &text, &len) == 0 && text[0] == '1';
}

/* What is optional loads or does not, with a warning: nobody goes without GPUs because his kernel has no drm. */
static bool is_needed(const char *finding)
{
	return str_starts(finding, "nvidia: ") || str_starts(finding, "nvidia_uvm: ");
}

static int refuse_unfit(const struct modcheck *m, struct err *err)
{
	const char *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->findings.n; i++) {
		if (!is_needed(m->findings.v[i]))
			continue;
		first = first ? first : m->findings.v[i];
		n++;
	}
	if (!first)
		return 0;
	if (n > 1)
		err_set(err, ERR_LOAD, 0, "%s (and %zu more)", first, n - 1);
	else
		err_set(err, ERR_LOAD, 0, "%s", first);
	err_hint(err, "%s; 'nvcoreos verify' names all",
		 m->unsigned_ones == m->findings.n ? "sign the modules with a key that the kernel trusts"
						   : "install the modules of this OS version");
	return -EINVAL;
}

/* What does not fit is known, and named, before the first of them is loaded: nothing stays half loaded. */
static int prove(const struct loader *l, const char *path, bool open, struct err *err)
{
	const struct kernelsyms_source src = { "", l->conf->proc_root, l->conf->sys_root, NULL };
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 256];
	struct modcheck m;
	int r = modprove_dir(&m, path, open, &src, &local);

	if (r < 0 && local.code != ERR_HOST) {
		if (err)
			*err = local;
		return r;
	}
	if (r < 0)
		log_warning("the modules are loaded unproven: %s", err_line(&local, line, sizeof(line)));
	if (r <= 0)
		return 0;
	r = refuse_unfit(&m, err);
	modcheck_free(&m);
	return r;
}

static int load_from(struct loader *l, const char *subdir, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", l->path, subdir);
	cleanup_fd int fd = fd_open_dir(path);
	int r;

	if (fd == -ENOENT)
		return KMOD_ABSENT;
	if (fd < 0)
		return err_set(err, ERR_TREE, -fd, "%s", path);
	l->out->from = arena_strdup(&l->out->arena, path);
	r = is_switched_off(l) ? 0 : prove(l, path, str_eq(subdir, "modules-open"), err);
	return r < 0 ? r : load_all(l, fd, err);
}

/* Open modules refuse old GPUs and proprietary ones the newest, both with ENODEV. */
static int load_tree(struct loader *l, struct err *err)
{
	enum config_flavour flavour = l->conf->module_flavour;
	struct err local = ERR_INIT;
	int r = KMOD_ABSENT, other;

	if (l->inv->driver)
		flavour = l->inv->open_modules ? CONFIG_FLAVOUR_OPEN : CONFIG_FLAVOUR_PROPRIETARY;
	set_firmware_path(l);
	if (flavour != CONFIG_FLAVOUR_OPEN)
		r = load_from(l, "modules", err);
	if (flavour == CONFIG_FLAVOUR_PROPRIETARY || (r != KMOD_ABSENT && r != -ENODEV))
		return r;
	other = load_from(l, "modules-open", &local);
	if (other == KMOD_ABSENT || (r < 0 && other == -ENODEV))
		return r;
	if (other < 0 && err)
		*err = local;
	return other;
}

static int no_modules(const struct loader *l, struct err *err)
{
	struct utsname uts;

	if (uname(&uts) < 0)
		uts.release[0] = '\0';
	err_set(err, ERR_NO_TREE, 0, "no NVIDIA modules for %s in %s, nor in /lib/modules/%s", l->os,
		l->conf->driver_store, uts.release);
	return err_hint(err, "run 'nvcoreos install' with the archives of this OS version");
}

/* The module's ENODEV says nothing of it, and the kernel's log much. */
static int name_holder(const struct loader *l, int r, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_fd int fd = fd_open_dir(l->conf->sys_root);
	const struct inventory_dir sys = { fd, "sys-root" };
	struct inventory_pci_holder h;

	if (fd < 0 || inventory_pci_holder(&sys, &a, &h, NULL) < 0 || !h.device)
		return r;
	if (h.gpus > 1)
		err_set(err, ERR_LOAD, 0, "nvidia: GPU %s is held by %s (and %zu more)", h.device, h.driver,
			h.gpus - 1);
	else
		err_set(err, ERR_LOAD, 0, "nvidia: GPU %s is held by %s", h.device, h.driver);
	err_hint(err, "unbind it, or blacklist %s and reboot", h.driver);
	return r;
}

int load_modules_insert(struct load_modules *ret, const struct config *conf, const struct inventory *inv,
			struct err *err)
{
	struct loader l = { .out = ret, .conf = conf, .inv = inv };
	struct kmod *kmod cleanup_kmod = NULL;
	int r;

	*ret = (struct load_modules){ .arena = ARENA_INIT };
	r = kmod_open(&kmod, err);
	if (r < 0)
		return r;
	l.kmod = kmod;
	r = choose_tree(&l, err);
	if (r == 0)
		r = l.driver ? load_tree(&l, err) : KMOD_ABSENT;
	if (r == KMOD_ABSENT) {
		ret->from = OWN;
		r = load_all(&l, -EBADF, err);
	}
	if (r == -ENODEV)
		r = name_holder(&l, r, err);
	if (r == KMOD_ABSENT)
		r = no_modules(&l, err);
	store_free(&l.store);
	return r;
}

int load_modules_remove(struct load_modules *ret, struct err *err)
{
	/* The last stands on nothing; each before it on those behind. */
	static const char *const order[] = { "nvidia_peermem", "nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia" };
	struct kmod *kmod cleanup_kmod = NULL;
	int r;

	*ret = (struct load_modules){ .arena = ARENA_INIT };
	r = kmod_open(&kmod, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(order); i++) {
		r = kmod_remove(kmod, order[i], err);
		if (r == 0)
			strlist_add(&ret->arena, &ret->names, order[i]);
	}
	return r < 0 ? r : 0;
}

void load_modules_free(struct load_modules *m)
{
	arena_free(&m->arena);
}
