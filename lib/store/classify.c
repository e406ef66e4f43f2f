/* SPDX-License-Identifier: Apache-2.0 */
#include "store/classify.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "conf/capability.h"

/* The tables are config/driver-files.conf, each a part of it. */

/* By the name before ".so". */
static const struct {
	const char *stem;
	unsigned capability;
	bool compat; /* libcuda and what its JIT loads: the set that a newer toolkit's compat directory replaces */
	bool unversioned, host;
} libraries[] = {
#define DRIVER_FILES_LIBRARIES
#include "driver-files.inc"
#undef DRIVER_FILES_LIBRARIES
};

static const struct {
	const char *stem, *dir;
} xserver[] = {
#define DRIVER_FILES_XSERVER
#include "driver-files.inc"
#undef DRIVER_FILES_XSERVER
};

static const struct {
	const char *name;
	unsigned capability; /* 0: the host's */
} programs[] = {
#define DRIVER_FILES_PROGRAMS
#include "driver-files.inc"
#undef DRIVER_FILES_PROGRAMS
};

struct share {
	const char *name, *dir, *link_dir;
	unsigned capability;
};
static const struct share shares[] = {
#define DRIVER_FILES_SHARES
#include "driver-files.inc"
#undef DRIVER_FILES_SHARES
};
/* These carry the driver's version behind their name. */
static const struct share share_prefixes[] = {
#define DRIVER_FILES_SHARE_PREFIXES
#include "driver-files.inc"
#undef DRIVER_FILES_SHARE_PREFIXES
};

static const struct classify_alias aliases[] = {
#define DRIVER_FILES_ALIASES
#include "driver-files.inc"
#undef DRIVER_FILES_ALIASES
};

/* The name before ".so" where that is followed by the end or a dot; 0 where there is none. */
static size_t stem_length(const char *name)
{
	const char *so = strstr(name, ".so");

	return so && (so[3] == '\0' || so[3] == '.') ? (size_t)(so - name) : 0;
}

static bool same(const char *word, const char *s, size_t n)
{
	return strlen(word) == n && memcmp(word, s, n) == 0;
}

static bool has_driver_suffix(const char *name, const char *driver)
{
	const char *so = strstr(name, ".so.");

	return so && str_eq(so + 4, driver);
}

static bool is_module(const char *name)
{
	return str_ends(name, ".ko") || str_ends(name, ".ko.xz") || str_ends(name, ".ko.zst") ||
	       str_ends(name, ".ko.gz");
}

static void set_dir(struct classify *c, const char *dir)
{
	snprintf(c->dir, sizeof(c->dir), "%s", dir);
}

static bool classify_library(const struct classify_input *in, size_t stem, struct classify *c)
{
	bool known = false;

	set_dir(c, in->elf->class == 32 ? "lib32" : "lib64");
	c->kind = MANIFEST_LIBRARY;
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		if (!same(libraries[i].stem, in->name, stem))
			continue;
		known = true;
		c->kind = libraries[i].host ? MANIFEST_HOST : MANIFEST_LIBRARY;
		c->capability = libraries[i].capability;
		c->compat = libraries[i].compat && in->elf->class == 64;
	}
	/* What a newer driver adds is shown to everyone rather than missed by someone. */
	if (!known && !has_driver_suffix(in->name, in->driver) && !str_starts(in->name, "libnv"))
		c->kind = MANIFEST_HOST;
	if (in->elf->class == 32)
		c->capability = CAP_COMPAT32;
	return true;
}

static bool classify_program_file(const struct classify_input *in, struct classify *c)
{
	set_dir(c, "bin");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!str_eq(programs[i].name, in->name))
			continue;
		c->kind = programs[i].capability ? MANIFEST_PROGRAM : MANIFEST_HOST;
		c->capability = programs[i].capability;
		return true;
	}
	c->kind = MANIFEST_HOST;
	return in->elf ? in->elf->executable : in->from_tools && str_starts(in->name, "nvidia-");
}

static const struct share *find_share(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		if (str_eq(shares[i].name, name))
			return &shares[i];
	for (size_t i = 0; i < ARRAY_SIZE(share_prefixes); i++)
		if (str_starts(name, share_prefixes[i].name))
			return &share_prefixes[i];
	return NULL;
}

static bool classify_share_file(const struct classify_input *in, struct classify *c)
{
	const struct share *s = find_share(in->name);

	c->kind = MANIFEST_SHARE;
	if (!s)
		return false;
	set_dir(c, s->dir);
	c->capability = s->capability;
	c->link_dir = s->link_dir;
	return true;
}

static bool classify_firmware(const struct classify_input *in, struct classify *c)
{
	if (!str_starts(in->name, "gsp") || !str_ends(in->name, ".bin"))
		return false;
	c->kind = MANIFEST_FIRMWARE;
	/* The kernel asks for nvidia/<driver>/gsp_*.bin below a firmware path. */
	snprintf(c->dir, sizeof(c->dir), "firmware/nvidia/%s", in->driver);
	return true;
}

bool classify_file(const struct classify_input *in, struct classify *ret)
{
	size_t stem = stem_length(in->name);

	*ret = (struct classify){ .kind = MANIFEST_HOST };
	if (in->modules_dir) {
		ret->kind = MANIFEST_MODULE;
		set_dir(ret, in->modules_dir);
		return is_module(in->name);
	}
	if (is_module(in->name))
		return false;
	if (in->elf && stem && !in->elf->executable)
		return classify_library(in, stem, ret);
	if (!in->elf && (classify_share_file(in, ret) || classify_firmware(in, ret)))
		return true;
	/* GSP firmware is an ELF file of another machine. */
	if (in->elf && classify_firmware(in, ret))
		return true;
	*ret = (struct classify){ .kind = MANIFEST_HOST };
	return !stem && classify_program_file(in, ret);
}

bool classify_xserver(const char *name, const char **ret_dir, size_t *ret_stem)
{
	size_t stem = stem_length(name);

	for (size_t i = 0; stem && i < ARRAY_SIZE(xserver); i++) {
		if (!same(xserver[i].stem, name, stem))
			continue;
		*ret_dir = xserver[i].dir;
		*ret_stem = stem;
		return true;
	}
	return false;
}

const char *classify_program(size_t i)
{
	return i < ARRAY_SIZE(programs) ? programs[i].name : NULL;
}

const char *classify_share(size_t i)
{
	return i < ARRAY_SIZE(shares) ? shares[i].name : NULL;
}

bool classify_is_unversioned(const char *name)
{
	size_t stem = stem_length(name);

	for (size_t i = 0; stem && i < ARRAY_SIZE(libraries); i++)
		if (libraries[i].unversioned && same(libraries[i].stem, name, stem))
			return true;
	return false;
}

const struct classify_alias *classify_alias(size_t i)
{
	return i < ARRAY_SIZE(aliases) ? &aliases[i] : NULL;
}
