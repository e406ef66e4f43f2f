/* SPDX-License-Identifier: Apache-2.0 */
/* A host of files: what proc-root, sys-root, dev-root and run-dir hold of GPUs, for the tests of inventory*.c. */
#ifndef NVCOREOS_TESTS_FAKE_HOST_H
#define NVCOREOS_TESTS_FAKE_HOST_H

#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "host/hostroot.h"
#include "tap.h"

#define PROPRIETARY \
	"NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Sat Jun 14 00:00:00 UTC 2025\n" \
	"GCC version:  gcc version 12.2.0\n"
#define OPEN \
	"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.163.01  Release Build  (builder@host)\n" \
	"GCC version:  gcc 12\n"
#define UUID0 "GPU-00000000-1111-2222-3333-444444444444"
#define UUID1 "GPU-11111111-1111-2222-3333-44444444abcd"
/* In pieces, for two question marks and a dash are a trigraph. */
#define UNKNOWN_UUID \
	"GPU-????????" \
	"-????" \
	"-????" \
	"-????" \
	"-????????????"
#define MIG0 "MIG-00000000-aaaa-bbbb-cccc-dddddddddddd"
#define MIG1 "MIG-11111111-aaaa-bbbb-cccc-dddddddddddd"
#define DEVICES \
	"Character devices:\n  1 mem\n195 nvidia-frontend\n226 drm\n234 nvidia-caps-imex-channels\n" \
	"243 nvidia-uvm\n246 nvidia-caps\n" \
	"\nBlock devices:\n  7 loop\n"

struct host {
	char proc[300], sys[300], dev[300], run[300];
	struct hostroot root;
};

static inline void free_host(struct host *h)
{
	hostroot_close(&h->root);
}
#define cleanup_host cleanup(free_host)

static inline void make_host(struct host *h)
{
	const char *dir = tap_tmpdir();

	snprintf(h->proc, sizeof(h->proc), "%s/proc", dir);
	snprintf(h->sys, sizeof(h->sys), "%s/sys", dir);
	snprintf(h->dev, sizeof(h->dev), "%s/dev", dir);
	snprintf(h->run, sizeof(h->run), "%s/run", dir);
	CHECK(mkdir(h->proc, 0755) == 0 && mkdir(h->sys, 0755) == 0 && mkdir(h->dev, 0755) == 0 &&
	      mkdir(h->run, 0755) == 0);
	h->root = (struct hostroot){ fd_open_dir(h->proc), fd_open_dir(h->sys), fd_open_dir(h->dev),
				     fd_open_dir(h->run) };
}

static inline void add_pci(struct host *h, const char *pci, const char *vendor, const char *class)
{
	char path[300];

	snprintf(path, sizeof(path), "bus/pci/devices/%s/vendor", pci);
	tap_write(h->sys, path, vendor);
	snprintf(path, sizeof(path), "bus/pci/devices/%s/class", pci);
	tap_write(h->sys, path, class);
}

static inline void add_gpu(struct host *h, const char *pci, const char *uuid, const char *tail)
{
	char path[300], text[600];

	add_pci(h, pci, "0x10de\n", "0x030200\n");
	snprintf(path, sizeof(path), "driver/nvidia/gpus/%s/information", pci);
	snprintf(text, sizeof(text),
		 "Model: \t\t NVIDIA A100-PG509-200\nIRQ:   \t\t 10\nGPU UUID: \t %s\nVideo BIOS: \t ??.??.??.??.??\n"
		 "Bus Type: \t PCIe\nBus Location: \t %s\n%s",
		 uuid, pci, tail);
	tap_write(h->proc, path, text);
}

/* Two GPUs, the one at the lower address with the higher minor. */
static inline void make_usual(struct host *h)
{
	make_host(h);
	tap_write(h->proc, "driver/nvidia/version", PROPRIETARY);
	tap_write(h->proc, "driver/nvidia/params", "ModifyDeviceFiles: 1\n");
	tap_write(h->proc, "driver/nvidia/registry", "Binary: \"\"\n");
	tap_write(h->proc, "devices", DEVICES);
	add_gpu(h, "0000:40:00.0", UUID0, "Device Minor: \t 1\n");
	add_gpu(h, "0000:41:00.0", UNKNOWN_UUID, "Device Minor: \t 0\nGPU Excluded:\t No\n");
	add_pci(h, "0000:00:00.0", "0x8086\n", "0x060000\n");
}

static inline void add_mig(struct host *h)
{
	/* The GPU at index 0 has minor 1. */
	tap_write(h->proc, "driver/nvidia/capabilities/mig/config",
		  "DeviceFileMinor: 1\nDeviceFileMode: 256\nDeviceFileModify: 1\n");
	tap_write(h->proc, "driver/nvidia/capabilities/mig/monitor",
		  "DeviceFileMinor: 2\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
	tap_write(h->proc, "driver/nvidia/capabilities/gpu1/mig/gi10/access",
		  "DeviceFileMinor: 93\nDeviceFileMode: 292\n");
	tap_write(h->proc, "driver/nvidia/capabilities/gpu1/mig/gi10/ci0/access", "DeviceFileMinor: 94\n");
	tap_write(h->proc, "driver/nvidia/capabilities/gpu1/mig/gi2/access", "DeviceFileMinor: 21\n");
	tap_write(h->proc, "driver/nvidia/capabilities/gpu1/mig/gi2/ci1/access", "DeviceFileMinor: 23\n");
	tap_write(h->proc, "driver/nvidia/capabilities/gpu1/mig/gi2/ci0/access", "DeviceFileMinor: 22\n");
}

#endif
