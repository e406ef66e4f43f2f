/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_json.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "fake_host.h"
#include "tap.h"

#define JSON_HEAD "{\"format\":1,\"driver\":\"535.261.03\",\"gpus\":["
#define JSON_MIG \
	"\"mig\":[{\"uuid\":\"" MIG0 "\",\"index\":0,\"gi\":10,\"ci\":0},{\"uuid\":\"" MIG1 \
	"\",\"index\":2,\"gi\":2,\"ci\":0}," \
	"{\"uuid\":\"MIG-" UUID0 "/2/1\",\"index\":1,\"gi\":2,\"ci\":1},{\"index\":3,\"gi\":9,\"ci\":9}]"

TEST(json_fills_in)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;

	make_usual(&h);
	add_mig(&h);
	tap_write(h.run, "inventory.json",
		  JSON_HEAD
		  "{\"pci\":\"00000000:40:00.0\",\"uuid\":\"" UUID0
		  "\",\"brand\":\"nvidia rtx\",\"arch\":\"9.0\"," JSON_MIG
		  "},{\"pci\":\"0000:41:00.0\",\"uuid\":\"GPU-11111111-1111-2222-3333-44444444ABCD\",\"brand\":null},"
		  "{\"pci\":\"0000:99:00.0\",\"brand\":\"tesla\"}],\"later\":true}");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(inv.from_json);
	CHECK_INT(inv.n_gpus, 2);
	CHECK_STR(inv.gpus[0].brand, "nvidia rtx");
	CHECK_STR(inv.gpus[0].arch, "9.0");
	CHECK_STR(inv.gpus[1].uuid, UUID1);
	CHECK(!inv.gpus[1].brand && !inv.gpus[1].arch);
	REQUIRE(inv.gpus[0].n_mig == 3);
	CHECK_STR(inv.gpus[0].mig[0].uuid, MIG1);
	CHECK_INT(inv.gpus[0].mig[0].index, 2);
	CHECK_STR(inv.gpus[0].mig[1].uuid, "MIG-" UUID0 "/2/1");
	CHECK_INT(inv.gpus[0].mig[1].index, 1);
	CHECK_STR(inv.gpus[0].mig[2].uuid, MIG0);
	CHECK_INT(inv.gpus[0].mig[2].index, 0);
	CHECK_INT(inv.gpus[0].mig[2].ci_minor, 94);
	inventory_free(&inv);
	/* One instance that it does not know: UUIDs are taken, indices are ranks. */
	tap_write(h.run, "inventory.json",
		  JSON_HEAD "{\"pci\":\"0000:40:00.0\",\"mig\":[{\"uuid\":\"" MIG0
			    "\",\"index\":0,\"gi\":10,\"ci\":0}]}]}");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(inv.from_json);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(inv.gpus[0].mig[i].index, i);
	CHECK_STR(inv.gpus[0].mig[2].uuid, MIG0);
	CHECK(!inv.gpus[0].mig[0].uuid);
	inventory_free(&inv);
	/* One index given twice. */
	tap_write(h.run, "inventory.json",
		  JSON_HEAD
		  "{\"pci\":\"0000:40:00.0\",\"mig\":[{\"index\":5,\"gi\":10,\"ci\":0},{\"index\":5,\"gi\":2,\"ci\":0},"
		  "{\"index\":6,\"gi\":2,\"ci\":1}]}]}");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(inv.from_json);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(inv.gpus[0].mig[i].index, i);
	inventory_free(&inv);
	/* Another card sits in the slot. */
	tap_write(h.run, "inventory.json",
		  JSON_HEAD "{\"pci\":\"0000:40:00.0\",\"uuid\":\"" UUID1 "\",\"brand\":\"tesla\"}]}");
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK_STR(inv.gpus[0].uuid, UUID0);
	CHECK(!inv.gpus[0].brand);
	inventory_free(&inv);
}

static const char *const bad_json[] = {
	"",
	"[]",
	"{",
	"{\"format\":1,\"driver\":\"550.163.01\",\"gpus\":[]}",
	"{\"format\":2,\"driver\":\"535.261.03\",\"gpus\":[]}",
	"{\"driver\":\"535.261.03\",\"gpus\":[]}",
	"{\"format\":1,\"gpus\":[]}",
	"{\"format\":1,\"driver\":\"535.261.03\"}",
	"{\"format\":1,\"driver\":\"535.261.03\",\"gpus\":{}}",
	JSON_HEAD "1]}",
	JSON_HEAD "{}]}",
	JSON_HEAD "{\"pci\":\"../..\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"uuid\":\"" UUID1 "\"},{\"pci\":\"1\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"uuid\":\"" UUID1 "\"},{\"pci\":\"00000000:41:00.0\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"uuid\":\"" UNKNOWN_UUID "\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"uuid\":\"GPU-x\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"uuid\":7}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"brand\":\"\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"brand\":\"a\\nb\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"arch\":\"9.x\"}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":{}}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[1]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":1,\"ci\":0}]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":-1,\"ci\":0,\"index\":0}]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":1.5,\"ci\":0,\"index\":0}]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":1,\"ci\":0,\"index\":0,\"uuid\":\"" UUID0 "\"}]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":1,\"ci\":0,\"index\":0,\"uuid\":\"MIG-" UUID0
		  "/1/../0\"}]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":1,\"ci\":0,\"index\":0,\"uuid\":\"MIG-" UUID0 "/1\"}]}]}",
	JSON_HEAD "{\"pci\":\"0000:41:00.0\",\"mig\":[{\"gi\":1,\"ci\":0,\"index\":0,\"uuid\":\"MIG-" UUID0
		  "/00001/0\"}]}]}",
};

/* Whatever is in the file, a start goes on without it, and takes nothing of it. */
TEST(bad_json_is_ignored)
{
	struct host h cleanup_host;

	make_usual(&h);
	for (size_t i = 0; i < ARRAY_SIZE(bad_json); i++) {
		struct err err = ERR_INIT;
		struct inventory inv;

		tap_write(h.run, "inventory.json", bad_json[i]);
		REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
		if (!CHECK(!inv.from_json && !inv.gpus[1].uuid))
			printf("# %s\n", bad_json[i]);
		inventory_free(&inv);
	}
}

TEST(huge_or_odd_json_is_ignored)
{
	struct host h cleanup_host;
	struct err err = ERR_INIT;
	struct inventory inv;
	cleanup_free char *big = mem_alloc((1u << 20) + 2);
	char path[400];

	make_usual(&h);
	memset(big, ' ', (1u << 20) + 1);
	big[(1u << 20) + 1] = '\0';
	tap_write(h.run, "inventory.json", big);
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(!inv.from_json);
	inventory_free(&inv);
	snprintf(path, sizeof(path), "%s/inventory.json", h.run);
	REQUIRE(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	REQUIRE(inventory_read(&inv, &h.root, &err) == 0);
	CHECK(!inv.from_json);
	inventory_free(&inv);
}
