/* SPDX-License-Identifier: Apache-2.0 */
/* Modules loaded when they are missing: the only program that a container's start ever runs. */
#ifndef NVCOREOS_APPLY_LOAD_H
#define NVCOREOS_APPLY_LOAD_H

#include "base/err.h"
#include "base/proc.h"
#include "conf/config.h"
#include "host/hostroot.h"
#include "host/inventory.h"

#define LOAD_PROGRAM "nvcoreos-load"
#define LOAD_EXIT_NO_GPU 3
/* It waits load-timeout for another one and works as long, both by its own clock; who runs it ends it only past that. */
#define LOAD_LIMIT_S(timeout) (2 * (timeout) + 5)

/*
 * Whether nvcoreos-load must run: sys-root shows an NVIDIA GPU that is not kept for virtual machines, and proc-root no driver or
 * no uvm major, or dev-root no nvidiactl, nvidia-uvm or node of a GPU or MIG device that proc-root shows. *ret_what names what is
 * missing (static), NULL where nothing is to be done: nothing is missing, there is no such GPU, or load-modules is no. -errno with
 * ERR_HOST. What was read for it is in *ret_seen, for inventory_finish, where it says that it is begun; inventory_free is due either way.
 */
int load_missing(const struct config *conf, const struct hostroot *root, const char **ret_what,
		 struct inventory *ret_seen, struct err *err) must_check;

/*
 * Runs LIBEXEC/nvcoreos-load --missing (empty environment, LOAD_LIMIT_S, its own capabilities alone) where load_missing says so. -errno
 * with ERR_LOAD (its last line) or ERR_PRIVILEGE (no CAP_SYS_MODULE or in a user namespace: no attempt is made). Where
 * a GPU's node alone is missing, what goes wrong is only logged.
 */
int load_ensure(const struct config *conf, const struct hostroot *root, struct err *err) must_check;

/*
 * Runs LIBEXEC/nvcoreos-load, whatever is loaded already. 0 where it ended with 0 or LOAD_EXIT_NO_GPU (ret
 * tells which, and what it printed); else -errno with the error of its last line, ERR_LOAD where that is no
 * error of ours.
 */
int load_run(const struct config *conf, struct proc_result *ret, struct err *err) must_check;

/* The same with --own: the kernel's own modules, whatever the store has. */
int load_run_own(const struct config *conf, struct proc_result *ret, struct err *err) must_check;

/* The same with --nodes: nothing is loaded, and the nodes of what is loaded are all there. */
int load_nodes_of(const struct config *conf, struct proc_result *ret, struct err *err) must_check;

/* The same with --prove: whether the modules of that driver would fit; nothing is loaded. */
int load_prove(const struct config *conf, const char *driver, struct proc_result *ret, struct err *err) must_check;

/* The error of a run that ended with LOAD_EXIT_NO_GPU. -errno with ERR_NO_GPU and the reason that it gave. */
int load_no_gpu(struct proc_result *res, struct err *err) must_check;

/* The same with --unload: the modules go; ERR_UNLOAD for ERR_LOAD. */
int load_unload(const struct config *conf, struct proc_result *ret, struct err *err) must_check;

/*
 * Whether this process may load modules: `status` and `uid_map` are the texts of proc's files of these names,
 * NULL where they could not be read (then the attempt decides). -EPERM with ERR_PRIVILEGE.
 */
int load_may(const char *status, const char *uid_map, struct err *err) must_check;

#endif
