/* SPDX-License-Identifier: Apache-2.0 */
#include "protect.h"

#include <stdlib.h>

#include "base/str.h"
#include "store/loaded.h"

struct protect {
	const struct store *store;
	char loaded[LOADED_MAX];
};

int protect_read(struct protect **ret, const struct cli *cli, const struct store *s, struct err *err)
{
	struct protect *p = mem_zalloc(sizeof(*p));

	(void)err;
	p->store = s;
	if (!loaded_driver(cli->conf.proc_root, p->loaded))
		p->loaded[0] = '\0';
	*ret = p;
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && str_eq(a, b);
}

const char *protect_why(const struct protect *p, const struct store_tree *t)
{
	if (t->is_cuda)
		return same(p->store->current_cuda, t->cuda) ? "it is the current toolkit" : NULL;
	if (str_eq(p->loaded, t->driver))
		return "its modules are loaded";
	if (same(p->store->selected, t->driver))
		return "it is selected";
	return same(p->store->previous, t->driver) ? "it is what rollback goes back to" : NULL;
}

void protect_free(struct protect *p)
{
	free(p);
}
