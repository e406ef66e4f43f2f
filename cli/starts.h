/* SPDX-License-Identifier: Apache-2.0 */
/* Container starts that are at work at this moment. */
#ifndef NVCOREOS_CLI_STARTS_H
#define NVCOREOS_CLI_STARTS_H

/*
 * Waits until the hooks that run now have ended (<proc_root>/<pid>/comm), or their deadline must have ended them: what one has opened
 * but not yet mounted stands in no mount table.
 */
void starts_wait(const char *proc_root);

#endif
