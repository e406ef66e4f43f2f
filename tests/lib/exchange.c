/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange A B [A B]...: exchanges two names, atomically, pair after pair, until it is ended. Each pair stands in one directory
 * or in two of one file system.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

int main(int argc, char **argv)
{
	if (argc < 3 || argc % 2 == 0) {
		fprintf(stderr, "usage: exchange A B [A B]...\n");
		return 2;
	}
	for (;;)
		for (int i = 1; i < argc; i += 2)
			if (syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) < 0) {
				perror(argv[i]);
				return 1;
			}
}
