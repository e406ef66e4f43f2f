/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "fake_host.h"
#include "host/inventory.h"
#include "host/inventory_extra.h"
#include "oci/request.h"

#define ALL (REQUEST_GDS | REQUEST_MOFED | REQUEST_GDRCOPY | REQUEST_NVSWITCH)

/* Majors as the kernel lists them; the names as their drivers register them. */
static void make_extra(struct host *h)
{
	static const char *const nodes[] = {
		"nvidia-fs10",	      "nvidia-fs2",	    "nvidia-fs",	  "nvidia-fs01",	"nvidia-fsx",
		"nvidia-nvswitch1",   "nvidia-nvswitch0",   "nvidia-nvswitchctl", "nvidia-nvswitch255", "gdrdrv",
		"infiniband/rdma_cm", "infiniband/uverbs1", "infiniband/uverbs0", "infiniband/umad0",
	};

	make_usual(h);
	tap_write(h->proc, "devices",
		  "Character devices:\n 10 misc\n195 nvidia-frontend\n231 infiniband_verbs\n243 nvidia-uvm\n"
		  "505 nvidia-nvswitch\n506 gdrdrv\n507 nvidia-fs\n\nBlock devices:\n999 gdrdrv\n");
	/* What stands there is looked at when it is opened: files do. */
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		tap_write(h->dev, nodes[i], "");
	tap_write(h->sys, "class/infiniband_verbs/uverbs0/dev", "231:192\n");
	tap_write(h->sys, "class/infiniband_verbs/uverbs1/dev", "231:193\n");
	/* The kernel has it, and no node: a container of its own /dev. */
	tap_write(h->sys, "class/infiniband_verbs/uverbs2/dev", "231:194\n");
	tap_write(h->sys, "class/infiniband_verbs/abi_version", "6\n");
	tap_write(h->sys, "class/misc/rdma_cm/dev", "10:58\n");
}

static const char *found(struct host *h, unsigned features, int *r, struct err *err)
{
	static char text[1024];
	struct inventory inv;
	size_t n = 0;

	text[0] = '\0';
	CHECK_INT(inventory_read(&inv, &h->root, err), 0);
	*r = inventory_extra_read(&inv, &h->root, features, err);
	for (size_t i = 0; *r == 0 && i < inv.n_extra; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u %s %u:%u\n", inv.extra[i].feature,
				      inv.extra[i].name, inv.extra[i].major, inv.extra[i].minor);
	inventory_free(&inv);
	return text;
}

TEST(each_feature_has_its_devices)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	int r = 0;

	make_extra(&h);
	CHECK_STR(found(&h, 0, &r, &err), "");
	CHECK_STR(found(&h, REQUEST_GDS, &r, &err), "1 nvidia-fs2 507:2\n1 nvidia-fs10 507:10\n");
	CHECK_STR(found(&h, REQUEST_MOFED, &r, &err),
		  "2 infiniband/rdma_cm 10:58\n2 infiniband/uverbs0 231:192\n2 infiniband/uverbs1 231:193\n");
	CHECK_STR(found(&h, REQUEST_GDRCOPY, &r, &err), "4 gdrdrv 506:0\n");
	CHECK_STR(found(&h, REQUEST_NVSWITCH, &r, &err),
		  "8 nvidia-nvswitch0 505:0\n8 nvidia-nvswitch1 505:1\n8 nvidia-nvswitchctl 505:255\n");
	CHECK_INT(strlen(found(&h, ALL, &r, &err)) > 200, 1);
	CHECK_INT(r, 0);
}

/* Nodes of modules that are not loaded stay behind; modules are loaded without devices. */
TEST(a_node_needs_its_driver)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	int r = 0;

	make_extra(&h);
	tap_write(h.proc, "devices", DEVICES);
	CHECK_STR(found(&h, REQUEST_GDS | REQUEST_GDRCOPY | REQUEST_NVSWITCH, &r, &err), "");
	CHECK_INT(r, 0);
}

TEST(nothing_there)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	int r = 0;

	make_usual(&h);
	CHECK_STR(found(&h, ALL, &r, &err), "");
	CHECK_INT(r, 0);
	tap_write(h.proc, "devices", "Character devices:\n505 nvidia-nvswitch\n506 gdrdrv\n507 nvidia-fs\n");
	CHECK_STR(found(&h, ALL, &r, &err), "");
	CHECK_INT(r, 0);
}

TEST(hostile_numbers)
{
	static const char *const bad[] = { "",	     "x",      "231",	      "231:",	  ":192",
					   "231:-1", "4096:0", "231:1048576", "231:192:1" };
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	int r = 0;

	make_extra(&h);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		tap_write(h.sys, "class/infiniband_verbs/uverbs0/dev", bad[i]);
		found(&h, REQUEST_MOFED, &r, &err);
		tap_check_int(r, -EINVAL, __FILE__, __LINE__, bad[i]);
		CHECK_INT(err.code, ERR_HOST);
		/* Who does not ask does not hear of it. */
		found(&h, REQUEST_GDS, &r, &err);
		CHECK_INT(r, 0);
	}
}

TEST(too_many)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	char path[80];
	int r = 0;

	make_extra(&h);
	for (unsigned i = 0; i <= INVENTORY_EXTRA_MAX; i++) {
		snprintf(path, sizeof(path), "class/infiniband_verbs/uverbs%u/dev", i);
		tap_write(h.sys, path, "231:192\n");
		snprintf(path, sizeof(path), "infiniband/uverbs%u", i);
		tap_write(h.dev, path, "");
	}
	found(&h, REQUEST_MOFED, &r, &err);
	CHECK_INT(r, -E2BIG);
	CHECK_INT(err.code, ERR_HOST);
}
