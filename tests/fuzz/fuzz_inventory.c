/* SPDX-License-Identifier: Apache-2.0 */
/* What the host tells of itself: inventory.json, and the texts of proc and sys. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "fuzz.h"
#include "host/inventory.h"
#include "host/inventory_json.h"
#include "oracle.h"

#define HEX4 "[0-9a-f]{4}"
#define UUID "[0-9a-f]{8}-" HEX4 "-" HEX4 "-" HEX4 "-[0-9a-f]{12}"

static void check_mig(const struct inventory_gpu *gpu)
{
	for (size_t i = 0; i < gpu->n_mig; i++) {
		const struct inventory_mig *m = &gpu->mig[i];

		MUST(!m->uuid || fuzz_matches(m->uuid, "^MIG-(" UUID "|GPU-" UUID "/[0-9]{1,3}/[0-9]{1,3})$"));
		MUST(m->gi <= 255 && m->ci <= 255 && m->index <= 255);
		for (size_t k = 0; k < i; k++)
			MUST(gpu->mig[k].index != m->index);
	}
}

static void check_gpu(const struct inventory_gpu *gpu)
{
	MUST(fuzz_matches(gpu->pci, "^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$"));
	MUST(!gpu->uuid || fuzz_matches(gpu->uuid, "^GPU-" UUID "$"));
	MUST(!gpu->brand || fuzz_matches(gpu->brand, "^[ -~]{1,64}$"));
	MUST(!gpu->arch || fuzz_matches(gpu->arch, "^[0-9]+(\\.[0-9]+){0,3}$"));
	MUST(gpu->minor < 254 && gpu->model);
	check_mig(gpu);
}

/* Two GPUs, one of them in MIG mode, as proc would tell of them. */
static void fill(struct inventory *inv)
{
	struct arena *a = &inv->arena;

	inv->driver = "535.261.03";
	inv->n_gpus = 2;
	inv->gpus = arena_alloc(a, 2 * sizeof(*inv->gpus));
	inv->gpus[0] = (struct inventory_gpu){ .pci = "0000:01:00.0", .model = "A100", .mig_mode = true, .n_mig = 3 };
	inv->gpus[0].mig = arena_alloc(a, 3 * sizeof(*inv->gpus[0].mig));
	for (uint32_t i = 0; i < 3; i++)
		inv->gpus[0].mig[i] = (struct inventory_mig){ .index = i, .gi = i / 2 + 1, .ci = i % 2 };
	inv->gpus[1] = (struct inventory_gpu){ .index = 1, .pci = "0000:41:00.0", .minor = 1, .model = "A100" };
	inv->gpus[1].uuid = "GPU-11111111-aaaa-4444-8888-000000000001";
}

FUZZ(inventory)
{
	struct inventory inv = { 0 };
	struct inventory_gpu before[2];
	char why[256] = "";

	fill(&inv);
	memcpy(before, inv.gpus, sizeof(before));
	if (inventory_json_apply(&inv, (const char *)data, size, why, sizeof(why)) < 0) {
		MUST(why[0]);
		MUST(memcmp(before, inv.gpus, sizeof(before)) == 0);
	}
	MUST(inv.n_gpus == 2);
	for (size_t i = 0; i < 2; i++) {
		check_gpu(&inv.gpus[i]);
		MUST(inv.gpus[i].index == before[i].index && inv.gpus[i].minor == before[i].minor);
		MUST(!before[i].uuid || str_eq(inv.gpus[i].uuid, before[i].uuid));
	}
	inventory_free(&inv);
}

#define GPUS "proc/driver/nvidia/gpus/"
#define CAPS "proc/driver/nvidia/capabilities/"
#define PCI "sys/bus/pci/devices/0000:01:00.0/"

/* In the order of the input's parts, which end at a line "--". */
static const char *const files[] = {
	"proc/driver/nvidia/version",
	"proc/devices",
	GPUS "0000:01:00.0/information",
	GPUS "0000:41:00.0/information",
	CAPS "mig/config",
	CAPS "gpu0/mig/gi1/access",
	CAPS "gpu0/mig/gi1/ci0/access",
	"proc/driver/nvidia-caps/mig-minors",
	PCI "vendor",
	PCI "class",
	PCI "drm/card1/dev",
	"run/inventory.json",
	"proc/driver/nvidia/params",
};

static struct hostroot root = HOSTROOT_INIT;
static char dir[64];

static void remove_dir(void)
{
	MUST(fd_remove_tree(AT_FDCWD, dir) == 0);
}

static void make_root(void)
{
	const char *tmp = getenv("TMPDIR");
	int top;

	snprintf(dir, sizeof(dir), "%.40s/fuzz.XXXXXX", tmp ? tmp : "/tmp");
	MUST(mkdtemp(dir));
	atexit(remove_dir);
	top = fd_open_dir(dir);
	MUST(top >= 0 && fd_mkdir_p(top, "dev", 0755) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char parent[128];

		MUST(path_parent(files[i], parent, sizeof(parent)) == 0 && fd_mkdir_p(top, parent, 0755) == 0);
	}
	root.proc = openat(top, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root.sys = openat(top, "sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root.run = openat(top, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root.dev = openat(top, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(root.proc >= 0 && root.sys >= 0 && root.run >= 0 && root.dev >= 0);
	fd_close(top);
}

/* What is the same as in the run before stays; an empty part is a file that is not there. */
static void put_files(struct fuzz_input *in)
{
	static char *last[ARRAY_SIZE(files)];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *text = fuzz_part(in);
		cleanup_free char *path = mem_printf("%s/%s", dir, files[i]);
		cleanup_fd int fd = -EBADF;

		if (last[i] && str_eq(last[i], text)) {
			free(text);
			continue;
		}
		free(last[i]);
		last[i] = text;
		unlink(path);
		if (!*text)
			continue;
		fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		MUST(fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0);
	}
}

FUZZ(proc)
{
	struct fuzz_input in = { data, size };
	struct inventory inv = { 0 };
	struct err err = ERR_INIT;

	if (!dir[0])
		make_root();
	put_files(&in);
	if (inventory_read(&inv, &root, &err) < 0) {
		fuzz_refused(&err, ERR_HOST, ERR_NONE);
		return;
	}
	MUST(!inv.driver || fuzz_matches(inv.driver, "^[0-9]+(\\.[0-9]+){1,3}$"));
	MUST(inv.n_gpus <= 2);
	for (size_t i = 0; i < inv.n_gpus; i++) {
		check_gpu(&inv.gpus[i]);
		MUST(inv.gpus[i].index == i && inv.gpus[i].information);
		for (size_t k = 0; k < inv.gpus[i].n_drm; k++)
			MUST(inv.gpus[i].drm[k].major < 1u << 12 && inv.gpus[i].drm[k].minor < 1u << 20);
	}
	oracle_plan_all(&inv, NULL, NULL);
	inventory_free(&inv);
}
