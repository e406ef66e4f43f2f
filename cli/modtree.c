/* SPDX-License-Identifier: Apache-2.0 */
#include "modtree.h"

#include <dirent.h>
#include <string.h>

#include "base/mem.h"

static bool has_module(const char *tree, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", tree, name);
	DIR *d = opendir(path);
	const struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)))
		found = e->d_name[0] != '.' && strstr(e->d_name, ".ko");
	if (d)
		closedir(d);
	return found;
}

struct modtree modtree_look(const char *tree)
{
	return (struct modtree){ has_module(tree, "modules"), has_module(tree, "modules-open") };
}

bool modtree_has(const struct modtree *m, enum config_flavour flavour)
{
	return (m->proprietary && flavour != CONFIG_FLAVOUR_OPEN) || (m->open && flavour != CONFIG_FLAVOUR_PROPRIETARY);
}
