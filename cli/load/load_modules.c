/* SPDX-License-Identifier: Apache-2.0 */
#include "load_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../kmod.h"
#include "../modset.h"
#include "../modtree.h"
#include "base/fd.h"
#include "base/log.h"
#include "conf/modparam.h"
#include "host/inventory_pci.h"
#include "host/osver.h"
#include "load_busy.h"
#include "load_flavour.h"
#include "load_set.h"
#include "store/store.h"

#define PEERMEM "nvidia-peermem"
#define OWN "the kernel's own modules"
#define CMDLINE_MAX 65536
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
	{ PEERMEM, "nvidia-current-peermem", "", true },
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
	struct strlist kernel; /* parameters of the kernel's command line */
	bool rest;	       /* those that all need are there: what of the others is not */
	bool prove;	       /* they are not loaded */
};

static int choose_tree(struct loader *l, struct err *err)
{
	const struct store_driver *tree;
	int r = osver_read(&l->out->arena, "", NULL, &l->os, err);

	if (r == 0)
		r = store_read(&l->store, l->conf, err);
	if (r < 0)
		return r;
	if (l->prove)
		tree = store_tree_of(&l->store, l->driver, l->os);
	else if (l->inv->driver)
		tree = store_tree_of(&l->store, l->inv->driver, l->os);
	else
		tree = store_to_load(&l->store, l->os);
	l->driver = NULL;
	if (!tree)
		return 0;
	l->driver = tree->driver;
	l->path = arena_printf(&l->out->arena, "%s/%s/%s", l->store.driver_path, tree->driver, l->os);
	return 0;
}

static bool is_below(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && *rest == '/';
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
	if (*old && !is_below(old, l->store.driver_path)) {
		log_warning("firmware path stays %s: the driver's firmware is looked for there", old);
		return;
	}
	fd = openat(sys, FIRMWARE_PARAMETER, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, path, strlen(path)) < 0)
		log_warning("firmware path: %s", strerror(errno));
}

/* GPUDirect RDMA is for hosts with InfiniBand; elsewhere the module does not load. */
static bool is_wanted(const struct config *conf, size_t i)
{
	cleanup_free char *path = mem_printf("%s/module/ib_core", conf->sys_root);

	if (!str_eq(modules[i].name, PEERMEM) || conf->peermem == CONFIG_PEERMEM_YES)
		return true;
	return conf->peermem == CONFIG_PEERMEM_AUTO && access(path, F_OK) == 0;
}

static bool is_lacking(const struct config *conf, size_t i)
{
	cleanup_free char *path = mem_printf("%s/module/%s", conf->sys_root, modules[i].name);

	for (char *c = path + strlen(conf->sys_root); *c; c++)
		if (*c == '-')
			*c = '_';
	return is_wanted(conf, i) && access(path, F_OK) < 0;
}

bool load_modules_lack(const struct config *conf)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (is_lacking(conf, i))
			return true;
	return false;
}

/* Beside a driver that is loaded already only a module of the same version will do; the kernel need not notice. */
static int check_own_version(const struct loader *l, const char *name, struct err *err)
{
	cleanup_free char *version = l->inv->driver ? kmod_own_version(l->kmod, name) : NULL;

	if (!version || str_eq(version, l->inv->driver))
		return 0;
	err_set(err, ERR_NO_TREE, 0, "%s in the kernel's directory is %s, and driver %s is loaded", name, version,
		l->inv->driver);
	return err_hint(err, "install driver %s with the modules of this OS version, or reboot", l->inv->driver);
}

static int load_own(const struct loader *l, const char *name, const char *params, struct err *err)
{
	int r = kmod_is_loaded(l->kmod, name) ? 0 : check_own_version(l, name, err);

	/* What only completes a driver is no reason to ask for another. */
	if (r < 0 && l->rest)
		return KMOD_ABSENT;
	return r < 0 ? r : kmod_load_own(l->kmod, name, params, err);
}

static int load_one(struct loader *l, const struct modset *set, size_t i, struct err *err)
{
	const char *name = modules[i].name;
	const char *kernel = modparam_of(&l->out->arena, &l->kernel, name, modules[i].params);
	const char *params = modparam_of(&l->out->arena, &l->conf->module_parameters, name, kernel);
	const struct modset_file *file = set ? modset_find(set, name) : NULL;
	int r;

	if (set)
		return file ? kmod_load_file(l->kmod, set, file, params, err) : KMOD_ABSENT;
	r = load_own(l, name, params, err);
	return r == KMOD_ABSENT ? load_own(l, modules[i].renamed, params, err) : r;
}

/* What the kernel is left with, behind what is to be done about the error. */
static void add_hint(struct err *err, const char *left)
{
	char old[sizeof(err->hint)];

	if (!err)
		return;
	snprintf(old, sizeof(old), "%s", *err->hint ? err->hint : err_code_hint(err->code));
	err_hint(err, "%s; %s", old, left);
}

/* Takes those out again that this run has put in: nothing stays half loaded, and what does is said in *err. */
static void take_back(struct loader *l, const bool *was_there, size_t n, struct err *err)
{
	struct strlist left = { 0 };
	char line[ERR_MSG_MAX];

	while (n--) {
		struct err local = ERR_INIT;

		if (was_there[n] || kmod_remove(l->kmod, modules[n].name, &local) >= 0)
			continue;
		log_warning("%s", err_line(&local, line, sizeof(line)));
		strlist_add(&l->out->arena, &left, modules[n].name);
	}
	if (left.n)
		add_hint(err, arena_printf(&l->out->arena,
					   "%s stays loaded, and goes with 'nvcoreos unload' once nothing uses it",
					   load_busy_join(&l->out->arena, &left)));
}

static void warn(struct loader *l, const struct err *why)
{
	char line[ERR_MSG_MAX];

	strlist_add(&l->out->arena, &l->out->warnings, err_line(why, line, sizeof(line)));
	/* A start shows nobody what we print where all went well. */
	log_warning("%s", line);
}

/* KMOD_ABSENT where there is no nvidia at all. set NULL: the kernel's own. */
static int load_all(struct loader *l, const struct modset *set, struct err *err)
{
	bool was_there[ARRAY_SIZE(modules)] = { false };

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		struct err local = ERR_INIT;
		int r;

		was_there[i] = kmod_is_loaded(l->kmod, modules[i].name);
		if (!is_wanted(l->conf, i) || (l->rest && was_there[i]))
			continue;
		/* One that is there is asked for all the same: another loader may still be bringing it up. */
		r = load_one(l, set, i, &local);
		if (r == 0) {
			if (!was_there[i])
				strlist_add(&l->out->arena, &l->out->names, modules[i].name);
		} else if (!modules[i].optional) {
			if (r == KMOD_ABSENT && i == 0)
				return r;
			if (r == KMOD_ABSENT)
				r = err_set(&local, ERR_LOAD, ENOENT, "%s", modules[i].name);
			take_back(l, was_there, i, &local);
			if (err)
				*err = local;
			return r;
		} else if (r < 0) {
			warn(l, &local);
		}
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

static bool has_lacking(const struct loader *l, const struct modset *set)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (is_lacking(l->conf, i) && modset_find(set, modules[i].name))
			return true;
	return false;
}

static int load_from(struct loader *l, bool open, struct err *err)
{
	struct modset set cleanup_modset = MODSET_INIT;
	int r;

	l->out->from = arena_printf(&l->out->arena, "%s/%s", l->path, open ? "modules-open" : "modules");
	r = modset_open(&set, l->out->from, err);
	if (r <= 0)
		return r < 0 ? r : KMOD_ABSENT;
	/* To read and prove them all takes its time. */
	if (l->rest && !has_lacking(l, &set))
		return 0;
	r = is_switched_off(l) ? 0 : load_set_prove(&set, l->path, open, l->conf, err);
	return r < 0 || l->prove ? r : load_all(l, &set, err);
}

static bool is_open_first(const struct loader *l)
{
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_fd int fd = fd_open_dir(l->conf->sys_root);
	const struct inventory_dir sys = { fd, "sys-root" };
	struct inventory_pci_ids ids;

	return fd >= 0 && inventory_pci_ids(&sys, &a, &ids, NULL) == 0 &&
	       load_flavour_open_first(l->driver, ids.v, ids.n);
}

static int wrong_flavour(const struct loader *l, const struct modtree *has, struct err *err)
{
	err_set(err, ERR_NO_TREE, 0, "%s has %s modules only, and module-flavour is %s", l->path,
		has->open ? "open" : "proprietary", has->open ? "proprietary" : "open");
	return err_hint(err, "set module-flavour=auto, or install the modules of that flavour");
}

/* What a GPU does not support answers ENODEV: then the other flavour may be right, whatever was thought. */
static int load_tree(struct loader *l, struct err *err)
{
	enum config_flavour flavour = l->conf->module_flavour;
	struct err local = ERR_INIT;
	struct modtree has;
	bool open;
	int r, other;

	if (l->inv->driver)
		flavour = l->inv->open_modules ? CONFIG_FLAVOUR_OPEN : CONFIG_FLAVOUR_PROPRIETARY;
	if (!l->prove)
		set_firmware_path(l);
	has = modtree_look(l->path);
	if (modtree_has(&has, CONFIG_FLAVOUR_AUTO) && !modtree_has(&has, flavour) && !l->inv->driver)
		return wrong_flavour(l, &has, err);
	open = flavour == CONFIG_FLAVOUR_AUTO ? is_open_first(l) : flavour == CONFIG_FLAVOUR_OPEN;
	r = load_from(l, open, err);
	if (flavour != CONFIG_FLAVOUR_AUTO || (r != KMOD_ABSENT && r != -ENODEV))
		return r;
	other = load_from(l, !open, &local);
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

/* An OS whose /usr is read-only has no better place for them than its boot loader's. */
static void read_cmdline(struct loader *l)
{
	cleanup_free char *path = mem_printf("%s/cmdline", l->conf->proc_root), *text = NULL;
	struct strlist refused = { 0 };
	size_t len;

	if (fd_read_file_at(AT_FDCWD, path, CMDLINE_MAX, &text, &len) < 0)
		return;
	modparam_of_kernel(&l->out->arena, text, &l->kernel, &refused);
	for (size_t i = 0; i < refused.n; i++)
		log_warning("kernel command line: %s is left out: %s", refused.v[i], modparam_check(refused.v[i]));
}

static int insert(struct loader *l, bool own, struct err *err)
{
	int r = choose_tree(l, err);

	read_cmdline(l);
	if (r == 0)
		r = l->driver && !own ? load_tree(l, err) : KMOD_ABSENT;
	if (r == KMOD_ABSENT) {
		l->out->from = OWN;
		r = load_all(l, NULL, err);
	}
	return r;
}

static int insert_from(struct load_modules *ret, const struct config *conf, const struct inventory *inv, bool own,
		       struct err *err)
{
	struct loader l = { .out = ret, .conf = conf, .inv = inv };
	struct kmod *kmod cleanup_kmod = NULL;
	struct err local = ERR_INIT;
	int r;

	*ret = (struct load_modules){ .arena = ARENA_INIT };
	l.rest = inv->driver && inv->major_uvm != INVENTORY_NO_MAJOR;
	r = kmod_open(&kmod, err);
	if (r < 0)
		return r;
	l.kmod = kmod;
	r = insert(&l, own, &local);
	if (r < 0 && l.rest) {
		warn(&l, &local);
		r = 0;
	}
	if (r == -ENODEV)
		r = name_holder(&l, r, &local);
	if (r == KMOD_ABSENT)
		r = no_modules(&l, &local);
	if (r < 0 && err)
		*err = local;
	store_free(&l.store);
	return r;
}

int load_modules_insert(struct load_modules *ret, const struct config *conf, const struct inventory *inv,
			struct err *err)
{
	return insert_from(ret, conf, inv, false, err);
}

int load_modules_insert_own(struct load_modules *ret, const struct config *conf, const struct inventory *inv,
			    struct err *err)
{
	return insert_from(ret, conf, inv, true, err);
}

int load_modules_prove(struct load_modules *ret, const struct config *conf, const char *driver, struct err *err)
{
	const struct inventory none = { .arena = ARENA_INIT };
	struct loader l = { .out = ret, .conf = conf, .inv = &none, .driver = driver, .prove = true };
	int r;

	*ret = (struct load_modules){ .arena = ARENA_INIT };
	r = choose_tree(&l, err);
	if (r == 0)
		r = l.driver ? load_tree(&l, err) : KMOD_ABSENT;
	if (r == KMOD_ABSENT)
		r = no_modules(&l, err);
	store_free(&l.store);
	return r;
}

int load_modules_remove(struct load_modules *ret, struct err *err)
{
	struct kmod *kmod cleanup_kmod = NULL;
	int r;

	*ret = (struct load_modules){ .arena = ARENA_INIT };
	r = kmod_open(&kmod, err);
	for (size_t i = 0; r >= 0 && load_busy_order[i]; i++) {
		r = kmod_remove(kmod, load_busy_order[i], err);
		if (r == 0)
			strlist_add(&ret->arena, &ret->names, load_busy_order[i]);
	}
	if (r < 0 && ret->names.n)
		add_hint(err, arena_printf(&ret->arena, "%s went before it, and 'nvcoreos load' loads them again",
					   load_busy_join(&ret->arena, &ret->names)));
	return r < 0 ? r : 0;
}

void load_modules_free(struct load_modules *m)
{
	arena_free(&m->arena);
}
