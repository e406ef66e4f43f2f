/* SPDX-License-Identifier: Apache-2.0 */
/* A block device of the host, looked into: mounted nowhere, gone with its fd. */
#ifndef NVCOREOS_APPLY_DEVICE_H
#define NVCOREOS_APPLY_DEVICE_H

#include "base/attr.h"

/*
 * A detached, read-only mount (nodev, nosuid, noexec) of the file system on a block device, by its host path, of one of the
 * types that read-only systems have for /usr (ext4, btrfs, squashfs, erofs); nothing is written to the device. fd or -errno; -EINVAL
 * where it holds none of them, -EBUSY where the device is in use by another (device mapper), -EUCLEAN where looking would write.
 */
int device_open(const char *path) must_check;

#endif
