/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of box, see box.c. Each ends the process with status 120 and a line on stderr where it fails. */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Prints the text with errno's and exits with 120. */
void box_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Runs a script by sh, which must succeed. */
void box_script(const char *script);

/* Writes uid_map and gid_map of a new user namespace: ids from 0 on, "FIRST:SIZE" outside. */
void box_map_users(pid_t pid, const char *users);

/* Makes `rootfs` a mount whose ids are mapped: what the files have as 0 is seen as FIRST. */
void box_idmap(const char *rootfs, const char *users);

struct box_hook {
	const char *script, *out, *bundle, *state;
	pid_t pid; /* the container's */
	int timeout;
};

/* Runs it and writes the answers, see box.c. */
void box_run_hook(const struct box_hook *h);
