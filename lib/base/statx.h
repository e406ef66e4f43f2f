/* SPDX-License-Identifier: Apache-2.0 */
/* statx(2) with mounts' IDs, where the C library has it not: musl knows no such call before 1.2.4, and no such IDs since. */
#ifndef NVCOREOS_BASE_STATX_H
#define NVCOREOS_BASE_STATX_H

#include <sys/stat.h>

#ifndef STATX_MNT_ID
/* The library's own names may be taken. */
#define statx kernel_statx
#define statx_timestamp kernel_statx_timestamp
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in glibc: 0, or -1 with errno. */
static inline int kernel_statx(int dirfd, const char *path, int flags, unsigned mask, struct kernel_statx *ret)
{
	return (int)syscall(SYS_statx, dirfd, path, flags, mask, ret);
}
#endif

#endif
