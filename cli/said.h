/* SPDX-License-Identifier: Apache-2.0 */
/* What nvcoreos-load printed, as the verbs that run it print it. */
#ifndef NVCOREOS_CLI_SAID_H
#define NVCOREOS_CLI_SAID_H

#include "base/proc.h"
#include "cli.h"

/* As text, or with --json {"driver": the loaded one, where there is one, "said": its lines}; nothing with --quiet and no --json. */
void said_print(const struct cli *cli, const struct proc_result *res);

#endif
