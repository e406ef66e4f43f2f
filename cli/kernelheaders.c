/* SPDX-License-Identifier: Apache-2.0 */
#include "kernelheaders.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/kconfig.h"

#define CONFIG_MAX (4u << 20)
#define LINE_FILE_MAX 4096

/* NULL where there is none. */
static char *read_text(struct arena *a, const char *dir, const char *name, size_t max)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name), *text = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, max, &text, &len) == 0 ? arena_strdup(a, text) : NULL;
}

/* The text of "#define NAME "text"" in a header; NULL where it is not there. */
static const char *read_define(struct arena *a, const char *dir, const char *header, const char *name)
{
	char *text = read_text(a, dir, header, LINE_FILE_MAX);
	char *p = text ? strstr(text, arena_printf(a, "#define %s \"", name)) : NULL, *end;

	p = p ? strchr(p, '"') + 1 : NULL;
	end = p ? strchr(p, '"') : NULL;
	if (!end)
		return NULL;
	*end = '\0';
	return p;
}

/* The first is what a module gets into its vermagic. */
static const char *read_release(struct arena *a, const char *dir)
{
	const char *release = read_define(a, dir, "include/generated/utsrelease.h", "UTS_RELEASE");
	char *text = release ? NULL : read_text(a, dir, "include/config/kernel.release", LINE_FILE_MAX);

	if (!text)
		return release;
	text[strcspn(text, "\n")] = '\0';
	return *text ? text : NULL;
}

/* The second is its place and name before Linux 5.19. */
static const char *read_seed(struct arena *a, const char *dir)
{
	static const struct {
		const char *header, *prefix;
	} places[] = {
		{ "include/generated/randstruct_hash.h", "RANDSTRUCT_" },
		{ "include/generated/randomize_layout_hash.h", "RANDSTRUCT_PLUGIN_" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *seed = read_define(a, dir, places[i].header, "RANDSTRUCT_HASHED_SEED");

		if (seed)
			return arena_printf(a, "%s%s", places[i].prefix, seed);
	}
	return NULL;
}

void kernelheaders_read(struct arena *a, struct modcheck_kernel *ret, const char *dir)
{
	const char *config = read_text(a, dir, "include/config/auto.conf", CONFIG_MAX);
	const char *release = read_release(a, dir);

	if (release)
		ret->release = release;
	if (config && release)
		ret->vermagic = kconfig_vermagic(a, config, release, read_seed(a, dir));
	ret->lax_namespaces = config && kconfig_is_set(config, "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS");
	if (config && kconfig_is_set(config, "MODULE_SIG_FORCE"))
		ret->wants_signature = "the kernel takes signed modules only (CONFIG_MODULE_SIG_FORCE)";
}
