/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "fake_host.h"
#include "tap.h"

TEST(usual_host)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;

	make_usual(&h);
	tap_write(h.sys, "bus/pci/devices/0000:40:00.0/drm/card1/dev", "226:1\n");
	tap_write(h.sys, "bus/pci/devices/0000:40:00.0/drm/renderD128/dev", "226:128\n");
	tap_write(h.sys, "bus/pci/devices/0000:40:00.0/drm/controlD64/dev", "226:64\n");
	tap_write(h.sys, "bus/pci/devices/0000:40:00.0/drm/cardx/dev", "junk");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(inv.has_pci_gpu);
	CHECK_STR(inv.driver, "535.261.03");
	CHECK(!inv.open_modules);
	CHECK_STR(inv.proc_version, PROPRIETARY);
	CHECK_STR(inv.proc_params, "ModifyDeviceFiles: 1\n");
	CHECK_STR(inv.proc_registry, "Binary: \"\"\n");
	CHECK_INT(inv.major, 195);
	CHECK_INT(inv.major_uvm, 243);
	CHECK_INT(inv.major_caps, 246);
	CHECK_INT(inv.major_imex, 234);
	CHECK_INT(inv.mig_config_minor, INVENTORY_NO_MAJOR);
	CHECK(!inv.from_json);
	REQUIRE(inv.n_gpus == 2);
	CHECK_INT(inv.gpus[0].index, 0);
	CHECK_STR(inv.gpus[0].pci, "0000:40:00.0");
	CHECK_STR(inv.gpus[0].uuid, UUID0);
	CHECK_INT(inv.gpus[0].minor, 1);
	CHECK_STR(inv.gpus[0].model, "NVIDIA A100-PG509-200");
	CHECK(strstr(inv.gpus[0].information, "Bus Location: \t 0000:40:00.0\n"));
	CHECK(!inv.gpus[0].mig_mode && !inv.gpus[0].brand && !inv.gpus[0].arch);
	REQUIRE(inv.gpus[0].n_drm == 2);
	CHECK_STR(inv.gpus[0].drm[0].name, "card1");
	CHECK_INT(inv.gpus[0].drm[0].minor, 1);
	CHECK_STR(inv.gpus[0].drm[1].name, "renderD128");
	CHECK_INT(inv.gpus[0].drm[1].major, 226);
	CHECK_INT(inv.gpus[0].drm[1].minor, 128);
	CHECK_INT(inv.gpus[1].index, 1);
	CHECK(!inv.gpus[1].uuid);
	CHECK_INT(inv.gpus[1].minor, 0);
	CHECK_INT(inv.gpus[1].n_drm, 0);
	inventory_free(&inv);
	inventory_free(&inv);
}

TEST(empty_host)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;

	make_host(&h);
	fd_close(take_fd(h.root.run));
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(!inv.has_pci_gpu && !inv.driver && !inv.proc_version && !inv.gpus && !inv.n_gpus && !inv.from_json);
	CHECK_INT(inv.major, INVENTORY_NO_MAJOR);
	CHECK_INT(inv.major_uvm, INVENTORY_NO_MAJOR);
	inventory_free(&inv);
	/* A card whose driver is not loaded, and what is no card. */
	add_pci(&h, "0000:02:00.0", "0x10de\n", "0x040300\n");
	add_pci(&h, "0000:03:00.0", "0x1002\n", "0x030000\n");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(!inv.has_pci_gpu);
	inventory_free(&inv);
	add_pci(&h, "0000:01:00.0", "0x10de\n", "0x030000\n");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(inv.has_pci_gpu);
	inventory_free(&inv);
}

TEST(drivers)
{
	static const struct {
		const char *text, *driver;
		bool open;
	} rows[] = {
		{ PROPRIETARY, "535.261.03", false },
		{ OPEN, "550.163.01", true },
		{ "NVRM version: NVIDIA UNIX x86_64 Kernel Module  340.108  Wed\n", "340.108", false },
		{ "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.86.15  Release Build\n", "570.86.15",
		  true },
		{ "", NULL, false },
		{ "NVRM version: NVIDIA UNIX x86_64 Kernel Module\n", NULL, false },
		{ "NVRM version: x86_64 Kernel Module\n535.261.03\n", NULL, false },
		{ "GCC version: gcc 12.2.0\n", NULL, false },
		{ "NVRM version: Kernel Module 535.261.03/../.. 1\n", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host h cleanup_host;
		struct err err = ERR_INIT;
		struct inventory inv;
		int r;

		make_host(&h);
		tap_write(h.proc, "driver/nvidia/version", rows[i].text);
		r = inventory_read(&inv, &h.root, &err);
		if (!CHECK_INT(r, rows[i].driver ? 0 : -EINVAL))
			printf("# row %zu\n", i);
		CHECK_INT(err.code, rows[i].driver ? ERR_NONE : ERR_HOST);
		if (r < 0) {
			CHECK(strstr(err.what, "driver/nvidia/version"));
			continue;
		}
		CHECK_STR(inv.driver, rows[i].driver);
		CHECK_INT(inv.open_modules, rows[i].open);
		inventory_free(&inv);
	}
}

TEST(majors)
{
	static const struct {
		const char *text;
		int want;
		unsigned major, uvm;
	} rows[] = {
		{ "Character devices:\n195 nvidia\n195 nvidiactl\n510 nvidia-uvm\n", 0, 195, 510 },
		{ "Character devices:\n195 nvidia-frontend\n", 0, 195, INVENTORY_NO_MAJOR },
		{ "Block devices:\n195 nvidia\n", 0, INVENTORY_NO_MAJOR, INVENTORY_NO_MAJOR },
		{ "195 nvidia\n", 0, INVENTORY_NO_MAJOR, INVENTORY_NO_MAJOR },
		{ "Character devices:\n195 nvidia x\nx y z\n", 0, INVENTORY_NO_MAJOR, INVENTORY_NO_MAJOR },
		{ "Character devices:\n-1 nvidia\n", -EINVAL, 0, 0 },
		{ "Character devices:\n0 nvidia\n", -EINVAL, 0, 0 },
		{ "Character devices:\n4294967491 nvidia-uvm\n", -EINVAL, 0, 0 },
		{ "Character devices:\n4096 nvidia-uvm\n", -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host h cleanup_host;
		struct err err = ERR_INIT;
		struct inventory inv;

		make_host(&h);
		tap_write(h.proc, "devices", rows[i].text);
		if (!CHECK_INT(inventory_read(&inv, &h.root, &err), rows[i].want))
			printf("# row %zu\n", i);
		if (rows[i].want < 0)
			continue;
		CHECK_INT(inv.major, rows[i].major);
		CHECK_INT(inv.major_uvm, rows[i].uvm);
		inventory_free(&inv);
	}
}

TEST(order_of_gpus)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;

	make_host(&h);
	add_gpu(&h, "10000:01:00.0", UUID0, "Device Minor: 0\n");
	add_gpu(&h, "0000:C1:00.0", UUID0, "Device Minor: 1\n");
	add_gpu(&h, "0000:c0:00.1", UUID0, "Device Minor: 2\n");
	add_gpu(&h, "ffff:01:00.0", UUID0, "Device Minor: 3\n");
	add_gpu(&h, "0000:02:00.0", UUID0, "Device Minor: 4\nGPU Excluded:\t Yes\n");
	add_gpu(&h, "0000:03:00.0", UUID0, "Blacklisted:\t Yes\n");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	REQUIRE(inv.n_gpus == 4);
	CHECK_STR(inv.gpus[0].pci, "0000:c0:00.1");
	CHECK_STR(inv.gpus[1].pci, "0000:c1:00.0");
	CHECK_STR(inv.gpus[2].pci, "ffff:01:00.0");
	CHECK_STR(inv.gpus[3].pci, "10000:01:00.0");
	for (unsigned i = 0; i < 4; i++)
		CHECK_INT(inv.gpus[i].index, i);
	inventory_free(&inv);
}

static const struct {
	const char *path, *text; /* below proc, or below sys with a leading '!' */
	const char *named;
	int want;
} hostile[] = {
	{ "driver/nvidia/gpus/0000:42:00.0/information", "Model: x\n", "0000:42:00.0/information", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0/information", "Device Minor: 254\n", "Device Minor", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0/information", "Device Minor: 255\n", "Device Minor", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0/information", "Device Minor: -1\n", "Device Minor", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0/information", "Device Minor:\n", "Device Minor", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0/information", "Device Minor: 1 2\n", "Device Minor", -EINVAL },
	{ "driver/nvidia/gpus/x/information", "Device Minor: 2\n", "gpus/x", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.8/information", "Device Minor: 2\n", "gpus/0000:42:00.8", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0x/information", "Device Minor: 2\n", "gpus/0000:42:00.0x", -EINVAL },
	{ "driver/nvidia/gpus/0000:42:00.0/information/x", "", "information", -EISDIR },
	{ "driver/nvidia/registry/x", "", "registry", -EISDIR },
	{ "!bus/pci/devices/0000:40:00.0/drm/card0/dev", "226", "card0/dev", -EINVAL },
	{ "!bus/pci/devices/0000:40:00.0/drm/card0/dev", "226:1048576\n", "card0/dev", -EINVAL },
	{ "!bus/pci/devices/0000:40:00.0/drm/card0/dev", "226:-1\n", "card0/dev", -EINVAL },
	{ "!bus/pci/devices/0000:40:00.0/drm/card0/dev", "225:0\n", "card0/dev", -EINVAL },
	{ "!bus/pci/devices/0000:40:00.0/vendor", "10de\n", "vendor", -EINVAL },
	{ "!bus/pci/devices/0000:40:00.0/class", "0x\n", "class", -EINVAL },
	{ "driver/nvidia/capabilities/gpu0/mig/gix/access", "", "gix", -EINVAL },
	{ "driver/nvidia/capabilities/gpu0/mig/gi256/access", "", "gi256", -EINVAL },
	{ "driver/nvidia/capabilities/gpu0/mig/gi1/access", "DeviceFileMinor: x\n", "gi1/access", -EINVAL },
	{ "driver/nvidia/capabilities/gpu0/mig/gi1/access", "", "gi1/access", -EINVAL },
	{ "driver/nvidia/capabilities/gpu0/mig/gi1/access", "DeviceFileMinor: 1048576\n", "gi1/access", -EINVAL },
	{ "driver/nvidia/capabilities/mig/config", "Minor: 1\n", "mig/config", -EINVAL },
	{ "driver/nvidia-caps/mig-minors", "config one\n", "mig-minors", -EINVAL },
};

TEST(hostile_content)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		const char *path = hostile[i].path;
		struct host h cleanup_host;
		struct err err = ERR_INIT;
		struct inventory inv;
		char full[600];

		make_usual(&h);
		snprintf(full, sizeof(full), "%s/driver/nvidia/registry", h.proc);
		if (strstr(path, "registry"))
			CHECK(unlink(full) == 0);
		tap_write(*path == '!' ? h.sys : h.proc, path + (*path == '!'), hostile[i].text);
		if (!CHECK_INT(inventory_read(&inv, &h.root, &err), hostile[i].want) ||
		    !CHECK(strstr(err.what, hostile[i].named)))
			printf("# row %zu: %s\n", i, err.what);
		CHECK_INT(err.code, ERR_HOST);
		CHECK(!inv.gpus && !inv.driver);
	}
}

TEST(too_much)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;
	cleanup_free char *big = mem_alloc((256u << 10) + 2);
	char full[400];
	int fd;

	make_usual(&h);
	memset(big, 'x', (256u << 10) + 1);
	big[(256u << 10) + 1] = '\0';
	tap_write(h.proc, "driver/nvidia/params", big);
	CHECK_INT(inventory_read(&inv, &h.root, &err), -EFBIG);
	CHECK_INT(err.code, ERR_HOST);
	big[256u << 10] = '\0';
	tap_write(h.proc, "driver/nvidia/params", big);
	CHECK_INT(inventory_read(&inv, &h.root, &err), 0);
	inventory_free(&inv);
	/* A NUL byte would cut a text short for some readers and not for others. */
	snprintf(full, sizeof(full), "%s/driver/nvidia/params", h.proc);
	fd = open(full, O_WRONLY | O_TRUNC | O_CLOEXEC);
	REQUIRE(fd >= 0 && fd_write_all(fd, "a\0b", 3) == 0);
	fd_close(fd);
	CHECK_INT(inventory_read(&inv, &h.root, &err), -EINVAL);
	CHECK(strstr(err.what, "NUL"));
	tap_write(h.proc, "driver/nvidia/params", "");
	for (unsigned i = 0; i < 65; i++) {
		char pci[32];

		snprintf(pci, sizeof(pci), "0001:%02x:00.0", i);
		add_gpu(&h, pci, UUID0, "Device Minor: 3\n");
	}
	CHECK_INT(inventory_read(&inv, &h.root, &err), -E2BIG);
	CHECK_INT(err.code, ERR_HOST);
}

static void node_path(const struct host *h, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", h->dev, name);
}

TEST(node_refusals)
{
	static const char *const bad[] = { "",	       ".",    "..",	      "/",	  "a/b/c",
					   "/nvidia0", "dri/", "../dev/null", "dri/../x", "nvidia0\n" };
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	char path[400];

	make_host(&h);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(inventory_open_node(h.root.dev, bad[i], 195, 0, &err) < 0);
		CHECK_INT(err.code, ERR_NODE);
	}
	CHECK_INT(inventory_open_node(h.root.dev, "nvidia0", 195, 0, &err), -ENOENT);
	CHECK_INT(inventory_open_node(h.root.dev, "dri/card0", 226, 0, &err), -ENOENT);
	tap_write(h.dev, "nvidia0", "");
	CHECK_INT(inventory_open_node(h.root.dev, "nvidia0", 195, 0, &err), -EINVAL);
	CHECK(strstr(err.what, "regular file") && strstr(err.what, "195:0"));
	node_path(&h, "nvidia1", path, sizeof(path));
	REQUIRE(symlink("/dev/null", path) == 0);
	CHECK_INT(inventory_open_node(h.root.dev, "nvidia1", 1, 3, &err), -EINVAL);
	CHECK(strstr(err.what, "symlink"));
	node_path(&h, "dri", path, sizeof(path));
	REQUIRE(symlink("/dev", path) == 0);
	CHECK_INT(inventory_open_node(h.root.dev, "dri/null", 1, 3, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_NODE);
	node_path(&h, "nvidia-caps", path, sizeof(path));
	REQUIRE(mkdir(path, 0755) == 0);
	CHECK_INT(inventory_open_node(h.root.dev, "nvidia-caps", 1, 3, &err), -EINVAL);
}

TEST(nodes)
{
	cleanup_fd int dev = fd_open_dir("/dev");
	cleanup_fd int fd = -EBADF;
	struct err err = ERR_INIT;

	REQUIRE(dev >= 0);
	fd = inventory_open_node(dev, "null", 1, 3, &err);
	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFL) & O_PATH);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(inventory_open_node(dev, "null", 195, 3, &err), -EINVAL);
	CHECK_INT(err.code, ERR_NODE);
	CHECK_STR(err.what, "/dev/null is character device 1:3, must be 195:3");
	CHECK_INT(inventory_open_node(dev, "null", 1, 5, &err), -EINVAL);
	/* A name below 2^20 that shares its low bits only. */
	CHECK_INT(inventory_open_node(dev, "null", 1, 3 + 256, &err), -EINVAL);
}

TEST(node_in_a_directory)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	char path[400];
	int fd;

	make_host(&h);
	node_path(&h, "dri", path, sizeof(path));
	REQUIRE(mkdir(path, 0755) == 0);
	node_path(&h, "dri/card0", path, sizeof(path));
	if (mknod(path, S_IFCHR | 0600, makedev(226, 0)) < 0) {
		tap_skip("mknod is not permitted");
		return;
	}
	fd = inventory_open_node(h.root.dev, "dri/card0", 226, 0, &err);
	CHECK(fd >= 0);
	fd_close(fd);
	node_path(&h, "dri/card1", path, sizeof(path));
	REQUIRE(mknod(path, S_IFBLK | 0600, makedev(226, 1)) == 0);
	CHECK_INT(inventory_open_node(h.root.dev, "dri/card1", 226, 1, &err), -EINVAL);
	CHECK(strstr(err.what, "block device"));
}
