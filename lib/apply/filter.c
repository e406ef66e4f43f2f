/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.inc"

/* As struct sock_fprog, whose pointer is to what may be written, though the kernel only reads it. */
struct program {
	unsigned short len;
	const struct sock_filter *filter;
};
static_assert(sizeof(struct program) == sizeof(struct sock_fprog) &&
		      offsetof(struct program, filter) == offsetof(struct sock_fprog, filter),
	      "the kernel reads a struct sock_fprog");

#define FILTER(array) \
	{ \
		.len = ARRAY_SIZE(array), .filter = (array) \
	}

int filter_enter(enum seccomp_phase phase, struct err *err)
{
	static const struct program filters[] = {
		[SECCOMP_LOAD] = FILTER(for_load),   [SECCOMP_HOOK] = FILTER(for_hook),
		[SECCOMP_HERE] = FILTER(for_here),   [SECCOMP_INSIDE] = FILTER(for_inside),
		[SECCOMP_FILES] = FILTER(for_files),
	};

	static bool listed;

	if (!listed && (phase == SECCOMP_INSIDE || phase == SECCOMP_FILES))
		return err_set(err, ERR_KERNEL, EINVAL, "a seccomp filter before its list");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filters[phase]) < 0)
		return err_set(err, ERR_KERNEL, errno, "loading a seccomp filter");
	listed |= phase == SECCOMP_HOOK || phase == SECCOMP_HERE;
	return 0;
}
