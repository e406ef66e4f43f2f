/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/driver/nvidia as our own starts show it, for a container that an engine has given nodes by NVIDIA's CDI
 * specification (disable-device-node-modification): its GPUs alone, and no word that device files may be modified.
 */
#ifndef NVCOREOS_APPLY_CDIPROC_H
#define NVCOREOS_APPLY_CDIPROC_H

#include "apply/container.h"
#include "base/err.h"
#include "host/hostroot.h"
#include "oci/spec.h"

/*
 * Builds it as a detached mount. Its fd; -ENOENT without an error where there is nothing to do: the host has no such
 * directory, or the container's /proc has none, or it is covered already. Else -errno with ERR_MOUNT, ERR_HOST, ERR_NO_GPU,
 * ERR_NOT_LOADED, ERR_PRIVILEGE.
 */
int cdiproc_build(const struct container *c, const struct hostroot *host, const struct spec *spec,
		  struct err *err) must_check;
/* Puts it there, where only the container sees it. -errno with ERR_MOUNT, ERR_FOREIGN_MOUNT, ERR_TARGET, ERR_KERNEL. */
int cdiproc_show(const struct container *c, int tree, struct err *err) must_check;

#endif
