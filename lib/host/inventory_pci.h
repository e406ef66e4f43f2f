/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs as the PCI bus shows them in sys-root, whether NVIDIA's driver is there or not. */
#ifndef NVCOREOS_HOST_INVENTORY_PCI_H
#define NVCOREOS_HOST_INVENTORY_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "host/inventory_text.h"

#define INVENTORY_PCI_DEVICES "bus/pci/devices"

/* Whether the device is an NVIDIA display or 3D controller; one that goes meanwhile is none. -errno with ERR_HOST. */
int inventory_pci_is_gpu(const struct inventory_dir *sys, const char *device, bool *ret, struct err *err) must_check;

struct inventory_pci_ids {
	uint32_t *v; /* PCI device ids: 0x20b0 */
	size_t n;
};

/* The device ids of all GPUs, in no order; one that cannot be read is left out. The arena owns them. -errno with ERR_HOST. */
int inventory_pci_ids(const struct inventory_dir *sys, struct arena *a, struct inventory_pci_ids *ret,
		      struct err *err) must_check;

struct inventory_pci_holder {
	const char *device; /* NULL: no GPU, or one that NVIDIA's driver has or may take */
	const char *driver;
	size_t gpus;	  /* all of them are held like it */
	bool passthrough; /* each by a driver that keeps it for virtual machines */
};

/*
 * The first GPU and the driver that has it, where other drivers than NVIDIA's have all of them. The arena owns the texts. -errno
 * with ERR_HOST.
 */
int inventory_pci_holder(const struct inventory_dir *sys, struct arena *a, struct inventory_pci_holder *ret,
			 struct err *err) must_check;

#endif
