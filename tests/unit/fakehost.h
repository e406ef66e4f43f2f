/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host made of files, and a container's root on it, for tests that take the whole road: no GPU, no root,
 * no driver is needed.
 */
#ifndef NVCOREOS_TESTS_FAKEHOST_H
#define NVCOREOS_TESTS_FAKEHOST_H

#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "tap.h"

#define FAKEHOST_INFORMATION \
	"Model: \t\t NVIDIA A100\nGPU UUID: \t GPU-11111111-aaaa-4444-8888-000000000001\nDevice Minor: \t 0\n"
#define FAKEHOST_DRIVER \
	"{\"format\":1,\"kind\":\"driver\",\"driver\":\"535.261.03\"," \
	"\"os\":\"3975.2.0\",\"arch\":\"x86_64\",\"cuda\":\"12.2\"," \
	"\"capabilities\":[\"compute\",\"utility\"],\"libraries\":[{\"soname\":\"libcuda.so.1\"," \
	"\"dir\":\"lib64\",\"class\":64," \
	"\"machine\":62,\"capability\":\"compute\",\"compat\":true}]," \
	"\"programs\":[{\"name\":\"nvidia-smi\",\"capability\":\"utility\"}],\"links\":[]}"
#define FAKEHOST_CUDA \
	"{\"format\":1,\"kind\":\"cuda\",\"cuda\":\"12.2.2\",\"arch\":\"x86_64\",\"dirs\":[\"lib64\"]," \
	"\"libraries\":[{\"soname\":\"libcudart.so.12\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}]}"

static inline void fakehost_dir(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (fd_mkdir_p(AT_FDCWD, path, 0755) < 0)
		perror(path);
}

/* A loaded driver with its one GPU, at PCI address 0000:41:00.0. */
static inline void fakehost_add_gpu(const char *dir)
{
	tap_write(dir, "proc/driver/nvidia/version",
		  "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Wed\n");
	tap_write(dir, "proc/driver/nvidia/params", "ModifyDeviceFiles: 1\n");
	tap_write(dir, "proc/driver/nvidia/gpus/0000:41:00.0/information", FAKEHOST_INFORMATION);
	tap_write(dir, "proc/devices", "Character devices:\n195 nvidia\n510 nvidia-uvm\n\nBlock devices:\n  8 sd\n");
}

static inline void fakehost_add_tree(const char *dir)
{
	tap_write(dir, "opt/nvidia/535.261.03/3975.2.0/start.json", FAKEHOST_DRIVER);
}

/* A host without a GPU; below root/ a container's root like Debian's. Returns its directory. */
static inline const char *fakehost_make(void)
{
	const char *dir = tap_tmpdir();

	fakehost_dir(dir, "proc");
	fakehost_dir(dir, "sys");
	fakehost_dir(dir, "dev");
	tap_write(dir, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	fakehost_dir(dir, "root/usr/bin");
	fakehost_dir(dir, "root/usr/local");
	fakehost_dir(dir, "root/etc/ld.so.conf.d");
	tap_write(dir, "root/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
	tap_write(dir, "root/lib64/ld-linux-x86-64.so.2", "");
	return dir;
}

#endif
