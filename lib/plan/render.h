/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as text for people and as JSON for programs and golden tests. */
#ifndef NVCOREOS_PLAN_RENDER_H
#define NVCOREOS_PLAN_RENDER_H

#include "base/str.h"
#include "plan/plan.h"

/* The whole plan as indented JSON with a fixed order of keys, with a newline at its end. */
void render_json(const struct plan *p, struct strbuf *out);
/* A tree of what the container would get and why. */
void render_text(const struct plan *p, struct strbuf *out);

#endif
