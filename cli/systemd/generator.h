/* SPDX-License-Identifier: Apache-2.0 */
/* Which unit the name nvidia.service stands for, decided anew at each boot. */
#ifndef NVCOREOS_CLI_SYSTEMD_GENERATOR_H
#define NVCOREOS_CLI_SYSTEMD_GENERATOR_H

#include "base/err.h"
#include "conf/config.h"

/*
 * Links `dir`/nvidia.service to the nvcoreos.service of the host below `root` ("" for this one), where `nvcoreos load` would
 * take its modules from the store: from a tree of the running OS version (`kernel` NULL: uname -r). 1: linked; 0: there is no
 * such tree, or no such unit, or it is masked; -errno with ERR_HOST, ERR_STORE or ERR_IO. Only with 1 is anything made.
 */
int generator_link(const char *root, const char *kernel, const struct config *conf, const char *dir,
		   struct err *err) must_check;

#endif
