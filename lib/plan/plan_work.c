/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the planner share. */
#include <stdarg.h>
#include <stdio.h>

#include "plan/plan_parts.h"

void plan_work_note(struct plan_work *w, const char *fmt, ...)
{
	char raw[1024], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, text, sizeof(text));
	strlist_add(&w->plan->arena, &w->plan->notes, arena_strdup(&w->plan->arena, text));
}

struct rootfacts_path plan_work_fact(const struct plan_work *w, const char *path)
{
	const struct rootfacts_path *p = rootfacts_get(w->in->facts, path);

	if (p)
		return *p;
	return (struct rootfacts_path){ .path = path, .kind = ROOTFACTS_ABSENT, .on_root = true };
}

const char *plan_work_cover(const struct plan_work *w, const struct rootfacts_path *fact)
{
	if (!fact->volume)
		return "another mount";
	return fact->volume[0] == '/' ? arena_printf(&w->plan->arena, "the volume %s", fact->volume) : fact->volume;
}
