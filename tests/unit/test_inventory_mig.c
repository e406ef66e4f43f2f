/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_mig.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/str.h"
#include "fake_host.h"
#include "tap.h"

TEST(mig_from_proc)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;
	char dir[400];

	make_usual(&h);
	add_mig(&h);
	/* Instances that go while we look: directories without their access file. */
	snprintf(dir, sizeof(dir), "%s/driver/nvidia/capabilities/gpu1/mig/gi3", h.proc);
	REQUIRE(mkdir(dir, 0755) == 0);
	snprintf(dir, sizeof(dir), "%s/driver/nvidia/capabilities/gpu1/mig/gi2/ci7", h.proc);
	REQUIRE(mkdir(dir, 0755) == 0);
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK_INT(inv.mig_config_minor, 1);
	CHECK_INT(inv.mig_monitor_minor, 2);
	CHECK(inv.gpus[0].mig_mode && !inv.gpus[1].mig_mode);
	REQUIRE(inv.gpus[0].n_mig == 3);
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned want[3][4] = { { 2, 0, 21, 22 }, { 2, 1, 21, 23 }, { 10, 0, 93, 94 } };
		const struct inventory_mig *m = &inv.gpus[0].mig[i];

		CHECK_INT(m->index, i);
		CHECK_INT(m->gi, want[i][0]);
		CHECK_INT(m->ci, want[i][1]);
		CHECK_INT(m->gi_minor, want[i][2]);
		CHECK_INT(m->ci_minor, want[i][3]);
		CHECK(!m->uuid);
	}
	CHECK_INT(inv.gpus[1].n_mig, 0);
	REQUIRE(inv.gpus[0].n_gi == 2 && inv.gpus[1].n_gi == 0);
	CHECK(inv.gpus[0].gi[0].gi == 2 && inv.gpus[0].gi[0].minor == 21);
	CHECK(inv.gpus[0].gi[1].gi == 10 && inv.gpus[0].gi[1].minor == 93);
	inventory_free(&inv);
}

TEST(mig_minors_from_the_list)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;

	make_usual(&h);
	tap_write(h.proc, "driver/nvidia-caps/mig-minors", "configuration 9\nconfig 3\nmonitor 4\ngpu0/gi0/access 5\n");
	tap_write(h.proc, "driver/nvidia/capabilities/gpu1/mig/gi1/access", "DeviceFileMinor: 12\n");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK_INT(inv.mig_config_minor, 3);
	CHECK_INT(inv.mig_monitor_minor, 4);
	/* MIG is on, and no compute instance made yet. */
	CHECK(inv.gpus[0].mig_mode);
	CHECK_INT(inv.gpus[0].n_mig, 0);
	REQUIRE(inv.gpus[0].n_gi == 1);
	CHECK(inv.gpus[0].gi[0].gi == 1 && inv.gpus[0].gi[0].minor == 12);
	inventory_free(&inv);
}
