/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver's file is, by its name and what its ELF headers say: kind, place in a tree, capability. */
#ifndef NVCOREOS_STORE_CLASSIFY_H
#define NVCOREOS_STORE_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "host/elf.h"
#include "store/manifest.h"

struct classify_input {
	const char *name; /* without directories */
	const char *driver;
	const struct elf_facts *elf; /* NULL: no ELF file */
	bool from_tools;	     /* came in an archive of programs */
	const char *modules_dir;     /* "modules" or "modules-open" for what came in an archive of modules, else NULL */
};

struct classify {
	enum manifest_kind kind;
	char dir[128];	     /* in the tree: "lib64", "share/vulkan/icd.d" */
	unsigned capability; /* 0: every set */
	bool compat;
	const char *link_dir; /* directory in the container where a link to it must be; NULL: none */
};

/* False where it is no file of a driver: it is left out. */
bool classify_file(const struct classify_input *in, struct classify *ret);

/*
 * Whether `name` is a module of the X server: "nvidia_drv.so", "libglxserver_nvidia.so.535.261.03". *ret_dir is then the
 * directory of its kind, and *ret_stem how much of the name stands before ".so".
 */
bool classify_xserver(const char *name, const char **ret_dir, size_t *ret_stem);

/* The names below which the host's driver packages put programs and share files; NULL at the end of the table. */
const char *classify_program(size_t i);
const char *classify_share(size_t i);
/*
 * Whether `name` is a library of a driver that carries no version of it: "libnvidia-api.so.1",
 * "libnvidia-egl-wayland.so.1.1.11".
 */
bool classify_is_unversioned(const char *name);

/*
 * Further names of a library, beside its SONAME, that programs open: "libcuda.so" for "libcuda.so.1". NULL at
 * the end.
 */
struct classify_alias {
	const char *soname, *alias;
	bool cached; /* opened through the loader's cache, so a start enters it there too */
};
const struct classify_alias *classify_alias(size_t i);

#endif
