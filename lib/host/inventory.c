/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "host/inventory_json.h"
#include "host/inventory_mig.h"
#include "host/inventory_pci.h"
#include "host/inventory_text.h"

#define GPUS_MAX 64
#define DRM_MAX 16
#define DRM_MAJOR 226
#define GPU_MINOR_MAX 253 /* 254 and 255 of the same major are nvidia-modeset and nvidiactl */
#define PCI_DEVICES "bus/pci/devices"
#define NVIDIA "driver/nvidia"

struct reader {
	struct inventory *inv;
	struct inventory_dir proc, sys;
	struct arena *scratch;
};

/* "NVRM version: NVIDIA UNIX [Open Kernel Module for] x86_64 [Kernel Module]  535.261.03  ..." */
static int parse_version(struct inventory *inv, const char *text)
{
	cleanup_free char *line = mem_strndup(text, strcspn(text, "\n"));
	struct strlist words = { 0 };

	if (!str_starts(line, "NVRM version:"))
		return -EINVAL;
	strlist_split(&inv->arena, &words, line, " \t", false);
	for (size_t i = 0; i < words.n && !inv->driver; i++)
		if (str_is_version(words.v[i]) && strchr(words.v[i], '.'))
			inv->driver = words.v[i];
	inv->open_modules = strstr(line, "Open Kernel Module") != NULL;
	return inv->driver ? 0 : -EINVAL;
}

static int read_driver(struct reader *rd, bool all, struct err *err)
{
	struct inventory *inv = rd->inv;
	int r;

	r = inventory_text_read(&rd->proc, &inv->arena, NVIDIA "/version", &inv->proc_version, err);
	if (r == 0 && all)
		r = inventory_text_read(&rd->proc, &inv->arena, NVIDIA "/params", &inv->proc_params, err);
	if (r == 0 && all)
		r = inventory_text_read(&rd->proc, &inv->arena, NVIDIA "/registry", &inv->proc_registry, err);
	if (r == 0 && inv->proc_version && parse_version(inv, inv->proc_version) < 0)
		r = err_set(err, ERR_HOST, 0, "proc-root/" NVIDIA "/version: no driver version in '%s'",
			    inv->proc_version);
	return r;
}

/* Where a name's major goes. The first of the names that the nvidia module has had through the years counts. */
static uint32_t *major_of(struct inventory *inv, const char *name)
{
	static const char *const frontend[] = { "nvidia", "nvidia-frontend", "nvidiactl" };

	const struct {
		const char *name;
		uint32_t *major;
	} others[] = {
		{ "nvidia-uvm", &inv->major_uvm },
		{ "nvidia-caps", &inv->major_caps },
		{ "nvidia-caps-imex-channels", &inv->major_imex },
		{ "nvidia-nvswitch", &inv->major_nvswitch },
		{ "nvidia-nvlink", &inv->major_nvlink },
		{ "nvidia-fs", &inv->major_fs },
		{ "gdrdrv", &inv->major_gdrdrv },
	};

	for (size_t i = 0; i < ARRAY_SIZE(frontend); i++)
		if (str_eq(name, frontend[i]))
			return &inv->major;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (str_eq(name, others[i].name))
			return others[i].major;
	return NULL;
}

static int parse_devices(struct reader *rd, const char *text)
{
	struct strlist lines = { 0 };
	bool characters = false;

	strlist_split(rd->scratch, &lines, text, "\n", false);
	for (size_t i = 0; i < lines.n; i++) {
		struct strlist words = { 0 };
		uint32_t *major;
		uint64_t v;

		/* Block devices have majors of their own, and could have our names. */
		if (str_ends(lines.v[i], "devices:")) {
			characters = str_starts(lines.v[i], "Character");
			continue;
		}
		strlist_split(rd->scratch, &words, lines.v[i], " \t", false);
		major = characters && words.n == 2 ? major_of(rd->inv, words.v[1]) : NULL;
		if (!major || *major != INVENTORY_NO_MAJOR)
			continue;
		if (str_to_u64(words.v[0], INVENTORY_TEXT_MAJOR_MAX, &v) < 0 || v == 0)
			return -EINVAL;
		*major = (uint32_t)v;
	}
	return 0;
}

static int read_devices(struct reader *rd, struct err *err)
{
	const char *text;
	int r = inventory_text_read(&rd->proc, rd->scratch, "devices", &text, err);

	if (r == 0 && text && parse_devices(rd, text) < 0)
		r = err_set(err, ERR_HOST, 0, "proc-root/devices: major of an nvidia device");
	return r;
}

static bool says_yes(const char *text, const char *key)
{
	char value[16];

	return inventory_text_key(text, key, value, sizeof(value)) && str_eq(value, "Yes");
}

/* One of gpus/: 1 where it is a GPU for containers, 0 where the driver leaves it alone. */
static int read_gpu(struct reader *rd, const char *name, struct inventory_gpu *gpu, struct err *err)
{
	struct arena *a = &rd->inv->arena;
	char path[128], value[256];
	int r;

	if (!inventory_text_pci(a, name, &gpu->pci))
		return err_set(err, ERR_HOST, 0, "proc-root/" NVIDIA "/gpus/%s: no PCI address", name);
	snprintf(path, sizeof(path), NVIDIA "/gpus/%s/information", name);
	r = inventory_text_read(&rd->proc, a, path, &gpu->information, err);
	if (r < 0 || !gpu->information)
		return r;
	/* NVML does not count what NVreg_ExcludedGpus names; older drivers call it otherwise. */
	if (says_yes(gpu->information, "GPU Excluded") || says_yes(gpu->information, "Blacklisted"))
		return 0;
	if (inventory_text_number(gpu->information, "Device Minor", GPU_MINOR_MAX, &gpu->minor) < 0)
		return err_set(err, ERR_HOST, 0, "proc-root/%s: Device Minor", path);
	gpu->model = inventory_text_key(gpu->information, "Model", value, sizeof(value)) ? arena_strdup(a, value) : "";
	if (inventory_text_key(gpu->information, "GPU UUID", value, sizeof(value)) &&
	    !inventory_text_uuid(a, value, "GPU-", &gpu->uuid))
		gpu->uuid = NULL;
	return 1;
}

/* A domain of more digits is the greater one. */
static int by_pci(const void *x, const void *y)
{
	const char *a = ((const struct inventory_gpu *)x)->pci, *b = ((const struct inventory_gpu *)y)->pci;
	size_t na = strcspn(a, ":"), nb = strcspn(b, ":");

	return na != nb ? (na < nb ? -1 : 1) : strcmp(a, b);
}

static int by_minor(const void *x, const void *y)
{
	const struct inventory_drm *a = x, *b = y;

	return a->minor < b->minor ? -1 : a->minor > b->minor;
}

static int read_gpus(struct reader *rd, struct err *err)
{
	struct inventory *inv = rd->inv;
	struct strlist names;
	int r = inventory_text_list(&rd->proc, rd->scratch, NVIDIA "/gpus", &names, err);

	if (r < 0)
		return r;
	if (names.n > GPUS_MAX)
		return err_set(err, ERR_HOST, E2BIG, "proc-root/" NVIDIA "/gpus: over %d GPUs", GPUS_MAX);
	for (size_t i = 0; i < names.n; i++) {
		struct inventory_gpu gpu = { 0 };

		r = read_gpu(rd, names.v[i], &gpu, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		inv->gpus = arena_grow(&inv->arena, inv->gpus, inv->n_gpus, sizeof(gpu));
		inv->gpus[inv->n_gpus++] = gpu;
	}
	if (inv->n_gpus)
		qsort(inv->gpus, inv->n_gpus, sizeof(*inv->gpus), by_pci);
	for (size_t i = 0; i < inv->n_gpus; i++)
		inv->gpus[i].index = (uint32_t)i;
	return 0;
}

/* A number of sysfs, "0x10de\n"; -ENOENT where the device went meanwhile. */
static int read_hex(struct reader *rd, const char *device, const char *file, uint32_t *ret, struct err *err)
{
	char path[PATH_MAX], value[16];
	const char *text;
	uint64_t v;
	int r;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", device, file);
	r = inventory_text_read(&rd->sys, rd->scratch, path, &text, err);
	if (r < 0)
		return r;
	if (!text)
		return -ENOENT;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(text, "\n"), text);
	if (!str_starts(value, "0x") || str_to_hex(value + 2, UINT32_MAX, &v) < 0)
		return err_set(err, ERR_HOST, 0, "sys-root/%s: '%s'", path, value);
	*ret = (uint32_t)v;
	return 0;
}

static int check_pci(struct reader *rd, const char *device, struct err *err)
{
	uint32_t vendor = 0, class = 0;
	int r = read_hex(rd, device, "vendor", &vendor, err);

	if (r == 0 && vendor == 0x10de)
		r = read_hex(rd, device, "class", &class, err);
	if (r == 0 && (class >> 8 == 0x0300 || class >> 8 == 0x0302))
		rd->inv->has_pci_gpu = true;
	return r == -ENOENT ? 0 : r;
}

static int scan_pci(struct reader *rd, struct err *err)
{
	struct strlist names;
	int r = 0;

	/* A large server has hundreds of PCI devices; those that the driver has taken are the ones to look at first. */
	for (size_t i = 0; i < rd->inv->n_gpus && r == 0 && !rd->inv->has_pci_gpu; i++)
		r = check_pci(rd, rd->inv->gpus[i].pci, err);
	if (r < 0 || rd->inv->has_pci_gpu)
		return r;
	r = inventory_text_list(&rd->sys, rd->scratch, PCI_DEVICES, &names, err);
	for (size_t i = 0; i < names.n && r == 0 && !rd->inv->has_pci_gpu; i++)
		r = check_pci(rd, names.v[i], err);
	return r;
}

/* Somebody gave them to virtual machines on purpose: for containers they are not there. */
static int read_passthrough(struct reader *rd, struct err *err)
{
	struct arena *a = &rd->inv->arena;
	struct inventory_pci_holder h;
	int r;

	if (!rd->inv->has_pci_gpu || rd->inv->n_gpus)
		return 0;
	r = inventory_pci_holder(&rd->sys, rd->scratch, &h, err);
	if (r < 0 || !h.passthrough)
		return r;
	if (h.gpus > 1)
		rd->inv->passthrough = arena_printf(a, "GPU %s is held by %s for virtual machines (and %zu more)",
						    h.device, h.driver, h.gpus - 1);
	else
		rd->inv->passthrough = arena_printf(a, "GPU %s is held by %s for virtual machines", h.device, h.driver);
	return 0;
}

static bool is_drm_name(const char *name)
{
	const char *number = str_after(name, "card");
	uint64_t v;

	if (!number)
		number = str_after(name, "renderD");
	return number && str_to_u64(number, INVENTORY_TEXT_MINOR_MAX, &v) == 0;
}

static int read_drm_node(struct reader *rd, struct inventory_gpu *gpu, const char *name, struct err *err)
{
	struct inventory_drm drm = { 0 };
	const char *text;
	char path[256];
	int r;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/drm/%.64s/dev", gpu->pci, name);
	r = inventory_text_read(&rd->sys, rd->scratch, path, &text, err);
	if (r < 0 || !text)
		return r;
	if (inventory_text_device(text, &drm.major, &drm.minor) < 0 || drm.major != DRM_MAJOR)
		return err_set(err, ERR_HOST, 0, "sys-root/%s: '%s'", path, text);
	if (gpu->n_drm >= DRM_MAX)
		return err_set(err, ERR_HOST, E2BIG, "sys-root/%s", path);
	drm.name = arena_strdup(&rd->inv->arena, name);
	gpu->drm = arena_grow(&rd->inv->arena, gpu->drm, gpu->n_drm, sizeof(drm));
	gpu->drm[gpu->n_drm++] = drm;
	return 0;
}

static int read_drm(struct reader *rd, struct inventory_gpu *gpu, struct err *err)
{
	struct strlist names;
	char path[128];
	int r;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/drm", gpu->pci);
	r = inventory_text_list(&rd->sys, rd->scratch, path, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		if (is_drm_name(names.v[i]))
			r = read_drm_node(rd, gpu, names.v[i], err);
	if (r == 0 && gpu->n_drm)
		qsort(gpu->drm, gpu->n_drm, sizeof(*gpu->drm), by_minor);
	return r;
}

/* What it adds is worth having, but no start may fail for it. */
static void read_json(struct inventory *inv, int run)
{
	cleanup_free char *text = NULL;
	char why[256] = "";
	size_t len;
	int r;

	if (run < 0)
		return;
	r = fd_read_file_at(run, INVENTORY_JSON_FILE, INVENTORY_JSON_MAX, &text, &len);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		log_warning("%s is not used: %s", INVENTORY_JSON_FILE, strerror(-r));
		return;
	}
	inv->from_json = inventory_json_apply(inv, text, len, why, sizeof(why)) == 0;
	if (!inv->from_json)
		log_warning("%s is not used: %s", INVENTORY_JSON_FILE, why);
}

static int read_first(struct reader *rd, struct err *err)
{
	int r = read_devices(rd, err);

	if (r == 0)
		r = read_gpus(rd, err);
	return r == 0 ? inventory_mig_read(rd->inv, &rd->proc, err) : r;
}

static int read_rest(struct reader *rd, int run, unsigned parts, struct err *err)
{
	struct inventory *inv = rd->inv;
	int r = read_driver(rd, parts & INVENTORY_PROC, err);

	/* That there is one the driver knows that has taken it. */
	inv->has_pci_gpu = inv->n_gpus && !(parts & INVENTORY_PCI);
	if (r == 0 && !inv->has_pci_gpu)
		r = scan_pci(rd, err);
	if (r == 0)
		r = read_passthrough(rd, err);
	for (size_t i = 0; (parts & INVENTORY_DRM) && i < inv->n_gpus && r == 0; i++)
		r = read_drm(rd, &inv->gpus[i], err);
	if (r == 0 && (parts & INVENTORY_MIG_ADMIN))
		r = inventory_mig_read_admin(inv, &rd->proc, err);
	if (r == 0)
		read_json(inv, run);
	return r;
}

static struct inventory nothing_known(void)
{
	return (struct inventory){
		.major = INVENTORY_NO_MAJOR,
		.major_uvm = INVENTORY_NO_MAJOR,
		.major_caps = INVENTORY_NO_MAJOR,
		.major_imex = INVENTORY_NO_MAJOR,
		.major_nvswitch = INVENTORY_NO_MAJOR,
		.major_nvlink = INVENTORY_NO_MAJOR,
		.major_fs = INVENTORY_NO_MAJOR,
		.major_gdrdrv = INVENTORY_NO_MAJOR,
		.mig_config_minor = INVENTORY_NO_MAJOR,
		.mig_monitor_minor = INVENTORY_NO_MAJOR,
	};
}

int inventory_begin(struct inventory *ret, const struct hostroot *root, struct err *err)
{
	struct arena scratch cleanup_arena = ARENA_INIT;
	struct reader rd = { ret, { root->proc, "proc-root" }, { root->sys, "sys-root" }, &scratch };
	int r;

	*ret = nothing_known();
	r = read_first(&rd, err);
	ret->begun = r == 0;
	if (r < 0)
		inventory_free(ret);
	return r;
}

int inventory_finish(struct inventory *inv, const struct hostroot *root, unsigned parts, struct err *err)
{
	struct arena scratch cleanup_arena = ARENA_INIT;
	struct reader rd = { inv, { root->proc, "proc-root" }, { root->sys, "sys-root" }, &scratch };
	int r = read_rest(&rd, root->run, parts, err);

	if (r < 0)
		inventory_free(inv);
	return r;
}

int inventory_read(struct inventory *ret, const struct hostroot *root, struct err *err)
{
	int r = inventory_begin(ret, root, err);

	return r < 0 ? r : inventory_finish(ret, root, INVENTORY_ALL, err);
}

void inventory_free(struct inventory *inv)
{
	arena_free(&inv->arena);
	*inv = (struct inventory){ 0 };
}

static const char *type_name(mode_t mode)
{
	if (S_ISLNK(mode))
		return "a symlink";
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISBLK(mode))
		return "a block device";
	return S_ISREG(mode) ? "a regular file" : "no device";
}

static int open_node_dir(int dev_root, const char *name, size_t len)
{
	char dir[128];
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)len, name);
	if (!str_is_name(dir))
		return -EINVAL;
	fd = openat(dev_root, dir, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int inventory_check_node(int fd, const char *name, uint32_t major, uint32_t minor, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_NODE, errno, "/dev/%s", name);
	if (!S_ISCHR(st.st_mode))
		return err_set(err, ERR_NODE, 0, "/dev/%s is %s, must be character device %u:%u", name,
			       type_name(st.st_mode), major, minor);
	if (st.st_rdev != makedev(major, minor))
		return err_set(err, ERR_NODE, 0, "/dev/%s is character device %u:%u, must be %u:%u", name,
			       major(st.st_rdev), minor(st.st_rdev), major, minor);
	return 0;
}

int inventory_open_node(int dev_root, const char *name, uint32_t major, uint32_t minor, struct err *err)
{
	const char *slash = strchr(name, '/'), *base = slash ? slash + 1 : name;
	cleanup_fd int dir = slash ? open_node_dir(dev_root, name, (size_t)(slash - name)) : -EBADF;
	cleanup_fd int fd = -EBADF;
	int r;

	if (slash && dir < 0)
		return err_set(err, ERR_NODE, -dir, "/dev/%s", name);
	if (!str_is_name(base))
		return err_set(err, ERR_NODE, EINVAL, "/dev/%s", name);
	fd = openat(slash ? dir : dev_root, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_NODE, errno, "/dev/%s", name);
	r = inventory_check_node(fd, name, major, minor, err);
	return r < 0 ? r : take_fd(fd);
}
