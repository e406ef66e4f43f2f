/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_pci.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

int inventory_pci_is_gpu(const struct inventory_dir *sys, const char *device, bool *ret, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	const char *vendor, *class;
	int r;

	*ret = false;
	r = inventory_text_read(sys, &a, arena_printf(&a, INVENTORY_PCI_DEVICES "/%s/vendor", device), &vendor, err);
	if (r < 0 || !vendor || !str_starts(vendor, "0x10de"))
		return r;
	r = inventory_text_read(sys, &a, arena_printf(&a, INVENTORY_PCI_DEVICES "/%s/class", device), &class, err);
	*ret = r == 0 && class && (str_starts(class, "0x0300") || str_starts(class, "0x0302"));
	return r;
}

static bool read_id(const struct inventory_dir *sys, struct arena *a, const char *device, uint32_t *ret)
{
	const char *path = arena_printf(a, INVENTORY_PCI_DEVICES "/%s/device", device), *text, *digits;
	uint64_t v;

	if (inventory_text_read(sys, a, path, &text, NULL) < 0 || !text)
		return false;
	digits = str_after(arena_strndup(a, text, strcspn(text, "\n")), "0x");
	if (!digits || str_to_hex(digits, UINT16_MAX, &v) < 0)
		return false;
	*ret = (uint32_t)v;
	return true;
}

int inventory_pci_ids(const struct inventory_dir *sys, struct arena *a, struct inventory_pci_ids *ret, struct err *err)
{
	struct strlist names;
	int r = inventory_text_list(sys, a, INVENTORY_PCI_DEVICES, &names, err);

	*ret = (struct inventory_pci_ids){ 0 };
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		bool gpu;

		r = inventory_pci_is_gpu(sys, names.v[i], &gpu, err);
		if (r < 0 || !gpu)
			continue;
		ret->v = arena_grow(a, ret->v, ret->n, sizeof(*ret->v));
		ret->n += read_id(sys, a, names.v[i], &ret->v[ret->n]);
	}
	return r;
}

/* A link of sysfs to the driver; NULL where no driver has the device. */
static const char *driver_of(const struct inventory_dir *sys, struct arena *a, const char *device)
{
	char target[PATH_MAX];
	const char *path = arena_printf(a, INVENTORY_PCI_DEVICES "/%s/driver", device);
	ssize_t n = readlinkat(sys->fd, path, target, sizeof(target));

	return n > 0 && (size_t)n < sizeof(target) ? path_base(arena_strndup(a, target, (size_t)n)) : NULL;
}

/* VFIO's and its variants for single devices (nvgrace-gpu-vfio-pci), and Xen's by both of its names. */
static bool is_passthrough(const char *driver)
{
	return str_ends(driver, "vfio-pci") || str_eq(driver, "xen-pciback") || str_eq(driver, "pciback");
}

int inventory_pci_holder(const struct inventory_dir *sys, struct arena *a, struct inventory_pci_holder *ret,
			 struct err *err)
{
	struct inventory_pci_holder found = { .passthrough = true };
	struct strlist names;
	int r = inventory_text_list(sys, a, INVENTORY_PCI_DEVICES, &names, err);

	*ret = (struct inventory_pci_holder){ 0 };
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const char *driver;
		bool gpu;

		r = inventory_pci_is_gpu(sys, names.v[i], &gpu, err);
		if (r < 0 || !gpu)
			continue;
		driver = driver_of(sys, a, names.v[i]);
		if (!driver || str_eq(driver, "nvidia"))
			return 0;
		/* The list has no order. */
		if (!found.device || strcmp(names.v[i], found.device) < 0) {
			found.device = names.v[i];
			found.driver = driver;
		}
		found.passthrough = found.passthrough && is_passthrough(driver);
		found.gpus++;
	}
	if (r == 0 && found.gpus)
		*ret = found;
	return r;
}
