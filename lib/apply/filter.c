/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.inc"

#define FILTER(array) \
	{ \
		.len = ARRAY_SIZE(array), .filter = (struct sock_filter *)(uintptr_t)(array) \
	}

int filter_enter(enum seccomp_phase phase, struct err *err)
{
	/* The kernel's structure knows no const. NOLINTBEGIN(performance-no-int-to-ptr) */
	static const struct sock_fprog filters[] = {
		[SECCOMP_LOAD] = FILTER(for_load),   [SECCOMP_HOOK] = FILTER(for_hook),
		[SECCOMP_HERE] = FILTER(for_here),   [SECCOMP_INSIDE] = FILTER(for_inside),
		[SECCOMP_FILES] = FILTER(for_files),
	};
	/* NOLINTEND(performance-no-int-to-ptr) */

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filters[phase]) < 0)
		return err_set(err, ERR_KERNEL, errno, "loading a seccomp filter");
	return 0;
}
