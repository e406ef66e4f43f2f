/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true of a request and of a plan whatever a container says, told without the code that makes them. */
#ifndef NVCOREOS_TESTS_ORACLE_H
#define NVCOREOS_TESTS_ORACLE_H

#include "oci/request.h"
#include "plan/plan.h"

/* Parses the request of a spec and looks at the answer. False where it was refused; r is then empty. */
bool oracle_request(struct request *r, const struct spec *spec, const struct config *conf);
/*
 * Plans and checks: a plan that plan_check lets pass gives no more than the request names. With `trusted` trees and
 * inventory, plan_check lets every plan pass. False where the planner, or the check, refused.
 */
bool oracle_plan(const struct plan_input *in, bool trusted);
/*
 * The same for a container that asks for all that a host and its trees have. A tree is not trusted; without one (NULL) the
 * driver's is a plain one, and then every host makes a plan that passes.
 */
void oracle_plan_all(const struct inventory *host, const struct tree *driver, const struct tree *toolkit);

#endif
