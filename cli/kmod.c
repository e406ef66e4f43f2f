/* SPDX-License-Identifier: Apache-2.0 */
#include "kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/modcheck.h"

struct kmod {
	struct kmod_ctx *ctx;
};

static void unref_ctx(struct kmod_ctx *c)
{
	kmod_unref(c);
}

static void unref_module(struct kmod_module *m)
{
	kmod_module_unref(m);
}

static void unref_list(struct kmod_list *l)
{
	kmod_module_unref_list(l);
}

DEFINE_CLEANUP(ctx, struct kmod_ctx *, unref_ctx, NULL);
DEFINE_CLEANUP(module, struct kmod_module *, unref_module, NULL);
DEFINE_CLEANUP(modules, struct kmod_list *, unref_list, NULL);
DEFINE_CLEANUP(info, struct kmod_list *, kmod_module_info_free_list, NULL);

static __attribute__((format(printf, 6, 0))) void log_libkmod(void *data, int priority, const char *file, int line,
							      const char *fn, const char *format, va_list args)
{
	char text[512];

	(void)data;
	(void)priority;
	(void)file;
	(void)line;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("libkmod: %s: %s", fn, text);
}

int kmod_open(struct kmod **ret, struct err *err)
{
	/* Not NULL: that would read /etc/modprobe.d, where aliases, blacklists and install commands stand. */
	static const char *const no_config[] = { NULL };
	struct kmod_ctx *ctx cleanup(cleanup_ctx_p) = kmod_new(NULL, no_config);

	if (!ctx)
		return err_set(err, ERR_LOAD, errno ? errno : ENOMEM, "libkmod");
	kmod_set_log_fn(ctx, log_libkmod, NULL);
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->ctx = take_ptr(ctx);
	return 0;
}

void kmod_close(struct kmod *k)
{
	kmod_unref(k->ctx);
	free(k);
}

static bool file_starts(const char *path, char c)
{
	cleanup_free char *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, 4096, &text, &len) == 0 && len && text[0] == c;
}

static bool is_blacklisted(const char *name)
{
	cleanup_free char *list = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, "/sys/module/kernel/parameters/module_blacklist", 65536, &list, &len) == 0 &&
	       modcheck_is_blacklisted(list, name);
}

/* Where the file cannot be read it is not known, and may be. */
static bool may_be_locked_down(void)
{
	cleanup_free char *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, "/sys/kernel/security/lockdown", 4096, &text, &len) < 0 ||
	       !strstr(text, "[none]");
}

static const char *reason_eperm(const char *name, const char **hint)
{
	if (file_starts("/proc/sys/kernel/modules_disabled", '1')) {
		*hint = "kernel.modules_disabled stays set until the next boot";
		return "loading modules is switched off";
	}
	if (geteuid() != 0) {
		*hint = "run as root";
		return "not permitted";
	}
	if (is_blacklisted(name)) {
		*hint = "take it out of module_blacklist= and reboot";
		return "it is in module_blacklist= of the kernel's command line";
	}
	if (!may_be_locked_down()) {
		*hint = "see 'dmesg'";
		return "CAP_SYS_MODULE is missing, or a security module forbids it";
	}
	*hint = "sign the modules with a key that the kernel trusts, or boot without lockdown (Secure Boot)";
	return "the kernel is locked down, or CAP_SYS_MODULE is missing";
}

const char *kmod_reason(int errnum, const char *name, const char **hint)
{
	static const struct {
		int errnum;
		const char *reason, *hint;
	} table[] = {
		{ ENOENT, "a symbol that it needs is not there",
		  "see 'dmesg'; install the kernel's own drm and video modules" },
		{ ENOEXEC, "built for another kernel, or damaged", "install the modules of this OS version" },
		{ EINVAL, "symbol versions differ from this kernel's, the file is empty, or a parameter is refused",
		  "see 'dmesg'; install the modules of this OS version" },
		{ EKEYREJECTED, "its signature is missing or not trusted",
		  "sign the modules with a key that the kernel trusts" },
		{ ENODEV, "it found no GPU that it supports, or another driver holds it",
		  "see 'dmesg'; unload nouveau, or try the other module-flavour" },
		{ EBUSY, "a device number that it needs is taken", "see /proc/devices for who has major 195" },
		{ ENOSYS, "this kernel cannot load modules", "boot a kernel that has CONFIG_MODULES" },
		{ ENOMEM, "the kernel has no memory for it", "free memory" },
	};

	*hint = NULL;
	if (errnum == EPERM)
		return reason_eperm(name, hint);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].errnum == errnum) {
			*hint = table[i].hint;
			return table[i].reason;
		}
	return "the kernel refused it";
}

static int failed(int r, const char *name, struct err *err)
{
	const char *hint, *reason = kmod_reason(-r, name, &hint);

	err_set(err, ERR_LOAD, 0, "%s: %s (%s)", name, reason, strerror(-r));
	if (hint)
		err_hint(err, "%s", hint);
	return r;
}

/* What is loaded already is no failure. */
static int result(int r, const char *name, struct err *err)
{
	return r == -EEXIST || r >= 0 ? 0 : failed(r, name, err);
}

static int probe(struct kmod_module *m)
{
	int r = kmod_module_probe_insert_module(m, KMOD_PROBE_IGNORE_COMMAND, NULL, NULL, NULL, NULL);

	return r == -EEXIST ? 0 : r;
}

/* With these parameters alone: probing would add all that the kernel's command line has for it. */
static int insert_with(struct kmod_module *m, const char *params)
{
	struct kmod_list *list cleanup(cleanup_modules_p) = kmod_module_get_dependencies(m), *i;
	int r = 0;

	kmod_list_foreach(i, list)
	{
		struct kmod_module *depend cleanup(cleanup_module_p) = kmod_module_get_module(i);

		r = probe(depend);
		if (r < 0)
			return r;
	}
	return kmod_module_insert_module(m, 0, params);
}

static int probe_all(struct kmod_list *list, const char *params)
{
	struct kmod_list *i;
	int r = 0;

	kmod_list_foreach(i, list)
	{
		struct kmod_module *m cleanup(cleanup_module_p) = kmod_module_get_module(i);

		r = params ? insert_with(m, params) : probe(m);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return r;
}

static bool is_there(const struct kmod_module *m)
{
	int state = kmod_module_get_initstate(m);

	return state == KMOD_MODULE_LIVE || state == KMOD_MODULE_BUILTIN;
}

/* Of a module and what it stands on, the first that is not there: libkmod does not say which one failed. The caller unrefs it. */
static struct kmod_module *find_failed(struct kmod_module *m)
{
	struct kmod_list *list cleanup(cleanup_modules_p) = kmod_module_get_dependencies(m), *i;

	kmod_list_foreach(i, list)
	{
		struct kmod_module *depend = kmod_module_get_module(i);

		if (!is_there(depend))
			return depend;
		kmod_module_unref(depend);
	}
	return kmod_module_ref(m);
}

/* The file is named, and NVIDIA's archives do not mend the kernel's own. */
static int own_failed(int r, struct kmod_list *list, const char *name, struct err *err)
{
	struct kmod_module *first cleanup(cleanup_module_p) = kmod_module_get_module(list);
	struct kmod_module *m cleanup(cleanup_module_p) = find_failed(first);
	const char *path = kmod_module_get_path(m), *module = kmod_module_get_name(m), *hint,
		   *reason = kmod_reason(-r, module, &hint);
	bool mends = path && !str_starts(module, "nvidia");

	if (mends && r == -ENOENT && access(path, F_OK) < 0)
		reason = "it is gone";
	else if (mends && (r == -EINVAL || r == -ENOEXEC))
		reason = "damaged, or built for another kernel";
	else
		mends = false;
	if (mends)
		hint = "install this kernel's own modules again";
	err_set(err, ERR_LOAD, 0, "%s: %s (%s)", path ? path : name, reason, strerror(-r));
	if (hint)
		err_hint(err, "%s", hint);
	return r;
}

int kmod_load_own(struct kmod *k, const char *name, const char *params, struct err *err)
{
	struct kmod_list *list cleanup(cleanup_modules_p) = NULL;
	int r = kmod_module_new_from_lookup(k->ctx, name, &list);

	/* A name that nobody has comes back as an empty list and no error. */
	if (r < 0 && r != -ENOENT)
		return failed(r, name, err);
	if (!list)
		return KMOD_ABSENT;
	r = probe_all(list, params);
	return r == -EEXIST || r >= 0 ? 0 : own_failed(r, list, name, err);
}

char *kmod_own_version(struct kmod *k, const char *name)
{
	struct kmod_list *list cleanup(cleanup_modules_p) = NULL, *info cleanup(cleanup_info_p) = NULL, *i;
	struct kmod_module *m cleanup(cleanup_module_p) = NULL;

	if (kmod_module_new_from_lookup(k->ctx, name, &list) < 0 || !list)
		return NULL;
	m = kmod_module_get_module(list);
	if (kmod_module_get_info(m, &info) < 0)
		return NULL;
	kmod_list_foreach(i, info) if (str_eq(kmod_module_info_get_key(i), "version")) return mem_strdup(
		kmod_module_info_get_value(i));
	return NULL;
}

/* What the file's `depends` names is loaded from the kernel's own directory, but not what lies beside it. */
static int load_depends(struct kmod *k, const struct modset *set, const struct kmod_module *m, struct err *err)
{
	struct kmod_list *info cleanup(cleanup_info_p) = NULL, *i;
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist names = { 0 };
	int r = 0;

	/* A file without .modinfo loads all the same, or the kernel tells what is wrong with it. */
	if (kmod_module_get_info(m, &info) < 0)
		return 0;
	kmod_list_foreach(i, info) if (str_eq(kmod_module_info_get_key(i), "depends"))
		strlist_split(&a, &names, kmod_module_info_get_value(i), ",", false);
	for (size_t n = 0; n < names.n && r == 0; n++) {
		if (!str_is_name(names.v[n]) || modset_find(set, names.v[n]))
			continue;
		r = kmod_load_own(k, names.v[n], NULL, err);
		/* It may be built into the kernel; where it is not, the module itself will miss its symbols. */
		if (r != KMOD_ABSENT)
			continue;
		log_warning("%s is not among the running kernel's modules", names.v[n]);
		r = 0;
	}
	return r;
}

bool kmod_is_loaded(struct kmod *k, const char *name)
{
	struct kmod_module *m cleanup(cleanup_module_p) = NULL;

	return kmod_module_new_from_name(k->ctx, name, &m) >= 0 && kmod_module_get_initstate(m) >= 0;
}

int kmod_load_file(struct kmod *k, const struct modset *set, const struct modset_file *file, const char *params,
		   struct err *err)
{
	cleanup_free char *path = mem_printf("/proc/self/fd/%d", file->fd);
	struct kmod_module *m cleanup(cleanup_module_p) = NULL;
	int r = kmod_module_new_from_path(k->ctx, path, &m);

	if (r < 0)
		return failed(r, file->name, err);
	r = load_depends(k, set, m, err);
	if (r < 0)
		return r;
	/* libkmod is for what must be unpacked: it opens the file once more, and may go back to init_module. */
	if (!str_ends(file->file, ".ko"))
		r = kmod_module_insert_module(m, 0, params);
	else
		r = syscall(SYS_finit_module, file->fd, params, 0) < 0 ? -errno : 0;
	return result(r, file->name, err);
}

/* The modules that stand on this one: "gdrdrv, nvidia_fs". The caller frees it. */
static char *holders_of(const struct kmod_module *m)
{
	struct kmod_list *list cleanup(cleanup_modules_p) = kmod_module_get_holders(m), *i;
	struct strbuf names = STRBUF_INIT;

	kmod_list_foreach(i, list)
	{
		struct kmod_module *holder cleanup(cleanup_module_p) = kmod_module_get_module(i);

		strbuf_printf(&names, "%s%s", names.len ? ", " : "", kmod_module_get_name(holder));
	}
	return strbuf_steal(&names);
}

int kmod_remove(struct kmod *k, const char *name, struct err *err)
{
	struct kmod_module *m cleanup(cleanup_module_p) = NULL;
	cleanup_free char *holders = NULL;
	int r = kmod_module_new_from_name(k->ctx, name, &m);

	if (r < 0)
		return err_set(err, ERR_UNLOAD, -r, "%s", name);
	if (kmod_module_get_initstate(m) != KMOD_MODULE_LIVE)
		return KMOD_ABSENT;
	r = kmod_module_remove_module(m, 0);
	if (r == -ENOENT)
		return KMOD_ABSENT;
	if (r >= 0)
		return 0;
	if (r != -EWOULDBLOCK && r != -EBUSY)
		return err_set(err, ERR_UNLOAD, -r, "%s stays loaded", name);
	holders = holders_of(m);
	err_set(err, ERR_BUSY, EBUSY, "%s%s%s", name, *holders ? " is used by the modules " : " is used", holders);
	return err_hint(err, "end what uses the GPUs, the console among it, or reboot");
}
