/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_pci.h"

#include <stdio.h>
#include <unistd.h>

#include "fake_host.h"
#include "tap.h"

#define A "0000:40:00.0"
#define B "0000:41:00.0"

/* As sysfs has it: a link beside the device's files. */
static void bind_to(struct host *h, const char *device, const char *driver)
{
	char path[500], target[100];

	snprintf(path, sizeof(path), "%s/" INVENTORY_PCI_DEVICES "/%s/driver", h->sys, device);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	(void)!unlink(path);
	CHECK_INT(symlink(target, path), 0);
}

TEST(is_gpu)
{
	static const struct {
		const char *vendor, *class;
		bool gpu;
	} rows[] = {
		{ "0x10de\n", "0x030000\n", true },
		{ "0x10de\n", "0x030200\n", true },
		{ "0x10de\n", "0x040300\n", false },
		{ "0x8086\n", "0x030000\n", false },
	};
	struct host h cleanup_host;
	struct inventory_dir sys;
	bool gpu = true;

	make_host(&h);
	sys = (struct inventory_dir){ h.root.sys, "sys-root" };
	REQUIRE(inventory_pci_is_gpu(&sys, A, &gpu, NULL) == 0);
	CHECK(!gpu);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		add_pci(&h, A, rows[i].vendor, rows[i].class);
		REQUIRE(inventory_pci_is_gpu(&sys, A, &gpu, NULL) == 0);
		CHECK_INT(gpu, rows[i].gpu);
	}
}

TEST(ids)
{
	static const struct {
		const char *text;
		unsigned n, id;
	} rows[] = {
		{ "0x20b0\n", 1, 0x20b0 }, { "0x2B85", 1, 0x2b85 }, { "20b0\n", 0, 0 },
		{ "0x\n", 0, 0 },	   { "0x120b0\n", 0, 0 },   { "0x20b0 x\n", 0, 0 },
	};
	cleanup_arena struct arena a = ARENA_INIT;
	struct inventory_pci_ids found;
	struct host h cleanup_host;
	struct inventory_dir sys;

	make_host(&h);
	sys = (struct inventory_dir){ h.root.sys, "sys-root" };
	REQUIRE(inventory_pci_ids(&sys, &a, &found, NULL) == 0);
	CHECK_INT(found.n, 0);
	add_pci(&h, A, "0x10de\n", "0x030200\n");
	add_pci(&h, B, "0x8086\n", "0x030000\n");
	tap_write(h.sys, INVENTORY_PCI_DEVICES "/" B "/device", "0x1234\n");
	/* No file tells it. */
	REQUIRE(inventory_pci_ids(&sys, &a, &found, NULL) == 0);
	CHECK_INT(found.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		tap_write(h.sys, INVENTORY_PCI_DEVICES "/" A "/device", rows[i].text);
		REQUIRE(inventory_pci_ids(&sys, &a, &found, NULL) == 0);
		if (CHECK_INT(found.n, rows[i].n) && found.n)
			CHECK_INT(found.v[0], rows[i].id);
	}
}

TEST(holder)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct inventory_pci_holder holder;
	struct host h cleanup_host;
	struct inventory_dir sys;

	make_host(&h);
	sys = (struct inventory_dir){ h.root.sys, "sys-root" };
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK(!holder.device);
	add_pci(&h, "0000:00:02.0", "0x8086\n", "0x030000\n");
	bind_to(&h, "0000:00:02.0", "i915");
	add_pci(&h, B, "0x10de\n", "0x030200\n");
	bind_to(&h, B, "nouveau");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK_STR(holder.device, B);
	CHECK_STR(holder.driver, "nouveau");
	CHECK_INT(holder.gpus, 1);
	CHECK(!holder.passthrough);
	/* The lower address counts, in whatever order they are read. */
	add_pci(&h, A, "0x10de\n", "0x030000\n");
	bind_to(&h, A, "vfio-pci");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK_STR(holder.device, A);
	CHECK_STR(holder.driver, "vfio-pci");
	CHECK_INT(holder.gpus, 2);
	CHECK(!holder.passthrough);
	bind_to(&h, B, "nvgrace-gpu-vfio-pci");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK(holder.passthrough);
	bind_to(&h, B, "pciback");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK(holder.passthrough);
	bind_to(&h, B, "pci-stub");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK(!holder.passthrough);
	bind_to(&h, B, "nouveau");
	/* With one that is nobody's or NVIDIA's, it is not for others that the driver finds none. */
	bind_to(&h, A, "nvidia");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK(!holder.device);
	add_pci(&h, "0000:42:00.0", "0x10de\n", "0x030000\n");
	bind_to(&h, A, "nouveau");
	REQUIRE(inventory_pci_holder(&sys, &a, &holder, NULL) == 0);
	CHECK(!holder.device);
}

TEST(unreadable)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct inventory_pci_holder holder = { .device = "x" };
	struct err err = ERR_INIT;
	struct host h cleanup_host;
	struct inventory_dir sys;

	make_host(&h);
	sys = (struct inventory_dir){ h.root.sys, "sys-root" };
	tap_write(h.sys, INVENTORY_PCI_DEVICES "/" A "/vendor/x", "");
	CHECK(inventory_pci_holder(&sys, &a, &holder, &err) < 0);
	CHECK_INT(err.code, ERR_HOST);
	CHECK(!holder.device);
}
