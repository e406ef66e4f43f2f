/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into crun up to 1.20 where CAP_SYS_RESOURCE is missing: it raises the memlock limit before it loads a device
 * program, which kernels since 5.11 do not ask for, and gives up where that is not permitted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/resource.h>

int setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
	int (*real)(__rlimit_resource_t, const struct rlimit *) =
		(int (*)(__rlimit_resource_t, const struct rlimit *))dlsym(RTLD_NEXT, "setrlimit");
	int r = real(what, limit);

	return what == RLIMIT_MEMLOCK ? 0 : r;
}
