/* SPDX-License-Identifier: Apache-2.0 */
#include "kmodfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/modinfo.h"

struct kmodfile {
	struct kmod_ctx *ctx;
};

static void unref_module(struct kmod_module *m)
{
	kmod_module_unref(m);
}

DEFINE_CLEANUP(module, struct kmod_module *, unref_module, NULL);
DEFINE_CLEANUP(info, struct kmod_list *, kmod_module_info_free_list, NULL);
DEFINE_CLEANUP(symbols, struct kmod_list *, kmod_module_symbols_free_list, NULL);
DEFINE_CLEANUP(needs, struct kmod_list *, kmod_module_dependency_symbols_free_list, NULL);
DEFINE_CLEANUP(versions, struct kmod_list *, kmod_module_versions_free_list, NULL);

/* What is wrong with a file is the caller's to say. */
static void say_nothing(void *data, int priority, const char *file, int line, const char *fn, const char *format,
			va_list args)
{
	(void)data;
	(void)priority;
	(void)file;
	(void)line;
	(void)fn;
	(void)format;
	(void)args;
}

int kmodfile_open(struct kmodfile **ret, struct err *err)
{
	static const char *const no_config[] = { NULL };
	struct kmod_ctx *ctx = kmod_new("/", no_config);

	if (!ctx)
		return err_set(err, ERR_LOAD, errno ? errno : ENOMEM, "libkmod");
	kmod_set_log_fn(ctx, say_nothing, NULL);
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->ctx = ctx;
	return 0;
}

void kmodfile_close(struct kmodfile *k)
{
	kmod_unref(k->ctx);
	free(k);
}

/* As the kernel writes it. */
static const char *name_of(struct arena *a, const char *text)
{
	char *name = arena_strdup(a, text);

	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	return name;
}

static void read_info(struct kmod_module *m, struct arena *a, struct modcheck_module *ret)
{
	struct kmod_list *list cleanup(cleanup_info_p) = NULL, *i;

	ret->vermagic = ret->license = ret->version = "";
	if (kmod_module_get_info(m, &list) < 0)
		return;
	kmod_list_foreach(i, list)
	{
		const char *key = kmod_module_info_get_key(i), *value = kmod_module_info_get_value(i);

		if (str_eq(key, "name"))
			ret->claimed = name_of(a, value);
		else if (str_eq(key, "vermagic"))
			ret->vermagic = arena_strdup(a, value);
		else if (str_eq(key, "license"))
			ret->license = arena_strdup(a, value);
		else if (str_eq(key, "version"))
			ret->version = arena_strdup(a, value);
		else if (str_eq(key, "import_ns"))
			strlist_add(a, &ret->imports, value);
		else if (str_eq(key, "sig_id"))
			ret->is_signed = true;
	}
}

static void add(struct arena *a, struct modcheck_symbol **v, size_t *n, const char *name, uint64_t crc, bool weak)
{
	*v = arena_grow(a, *v, *n, sizeof(**v));
	(*v)[(*n)++] = (struct modcheck_symbol){ .name = arena_strdup(a, name), .crc = crc, .weak = weak };
}

/* A module that exports nothing answers ENOENT. */
static int read_exports(struct kmod_module *m, struct arena *a, struct modcheck_module *ret)
{
	struct kmod_list *list cleanup(cleanup_symbols_p) = NULL, *i;
	int r = kmod_module_get_symbols(m, &list);

	if (r < 0)
		return r == -ENOENT || r == -ENODATA ? 0 : r;
	kmod_list_foreach(i, list)
	{
		add(a, &ret->exports, &ret->n_exports, kmod_module_symbol_get_symbol(i), kmod_module_symbol_get_crc(i),
		    false);
	}
	return 0;
}

static int read_needs(struct kmod_module *m, struct arena *a, struct modcheck_module *ret)
{
	struct kmod_list *list cleanup(cleanup_needs_p) = NULL, *i;
	int r = kmod_module_get_dependency_symbols(m, &list);

	if (r < 0)
		return r == -ENOENT || r == -ENODATA ? 0 : r;
	kmod_list_foreach(i, list)
	{
		bool weak = kmod_module_dependency_symbol_get_bind(i) == KMOD_SYMBOL_WEAK;

		add(a, &ret->needs, &ret->n_needs, kmod_module_dependency_symbol_get_symbol(i),
		    kmod_module_dependency_symbol_get_crc(i), weak);
	}
	return 0;
}

/*
 * libkmod ends the program over a section table that makes no sense, and unpacks whatever is packed, which the kernel does not where
 * the file is called .ko. What is packed is looked at by modprove.h's child alone.
 */
static int check_plain(int fd, const char *name)
{
	struct modinfo info;

	return str_ends(name, ".ko") ? modinfo_read(fd, &info) : 0;
}

int kmodfile_read(struct kmodfile *k, const struct modset_file *file, struct arena *a, struct modcheck_module *ret,
		  struct err *err)
{
	struct kmod_module *m cleanup(cleanup_module_p) = NULL;
	/* libkmod knows paths alone; this one is of what is open. */
	cleanup_free char *path = mem_printf("/proc/self/fd/%d", file->fd);
	int r = kmod_module_new_from_path(k->ctx, path, &m);

	*ret = (struct modcheck_module){ 0 };
	if (r == 0)
		r = check_plain(file->fd, file->file);
	if (r == 0) {
		ret->name = name_of(a, file->name);
		read_info(m, a, ret);
		r = read_exports(m, a, ret);
	}
	if (r == 0)
		r = read_needs(m, a, ret);
	if (r == 0)
		return 0;
	err_set(err, ERR_LOAD, r < 0 ? -r : EINVAL, "%s: no module, or damaged", file->file);
	return err_hint(err, "install the modules again");
}

int kmodfile_versions(struct kmodfile *k, const char *path, char *vermagic, size_t size, kmodfile_version_fn *fn,
		      void *data)
{
	struct kmod_module *m cleanup(cleanup_module_p) = NULL;
	struct kmod_list *list cleanup(cleanup_versions_p) = NULL, *i;
	struct arena a = ARENA_INIT;
	struct modcheck_module info = { 0 };
	cleanup_fd int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : check_plain(fd, path);

	if (r == 0)
		r = kmod_module_new_from_path(k->ctx, path, &m);
	if (r < 0)
		return r;
	if (!vermagic[0]) {
		read_info(m, &a, &info);
		snprintf(vermagic, size, "%s", info.vermagic);
		arena_free(&a);
	}
	r = kmod_module_get_versions(m, &list);
	if (r < 0)
		return r;
	kmod_list_foreach(i, list)
	{
		fn(data, kmod_module_version_get_symbol(i), kmod_module_version_get_crc(i));
	}
	return 0;
}
