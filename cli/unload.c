/* SPDX-License-Identifier: Apache-2.0 */
#include "unload.h"

#include <errno.h>

#include "apply/load.h"
#include "here.h"
#include "host/hostroot.h"
#include "host/inventory.h"
#include "users.h"

/* The majors of all that the driver has registered. */
static int check_users(const struct cli *cli, struct err *err)
{
	cleanup_hostroot struct hostroot root = HOSTROOT_INIT;
	struct inventory inv cleanup(inventory_free) = { .arena = ARENA_INIT };
	size_t n = 0;
	int r = hostroot_open(&root, &cli->conf, err);

	if (r == 0)
		r = inventory_read(&inv, &root, err);
	if (r < 0)
		return r;
	const uint32_t all[] = { inv.major,	 inv.major_uvm,	     inv.major_caps,
				 inv.major_imex, inv.major_nvswitch, inv.major_nvlink };
	uint32_t majors[ARRAY_SIZE(all)];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i] != INVENTORY_NO_MAJOR)
			majors[n++] = all[i];
	return n ? users_check(cli->conf.proc_root, majors, n, err) : 0;
}

int unload_modules(const struct cli *cli, struct proc_result *ret, struct err *err)
{
	int r = here_only(cli, "unloading", "modules can be unloaded on the running host only", err);

	if (r == 0)
		r = check_users(cli, err);
	return r < 0 ? r : load_unload(&cli->conf, ret, err);
}
