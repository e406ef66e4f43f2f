/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of requests: a container that asks, made of variables, mounts and annotations, and what comes of it. */
#ifndef NVCOREOS_TESTS_REQUEST_RUN_H
#define NVCOREOS_TESTS_REQUEST_RUN_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "oci/request.h"
#include "tap.h"

#define UUID "2d4e8a1c-0b6f-4a3d-9c77-1f2e3d4c5b6a"

/* One case: a spec made of variables, mounts and annotations, and what came of it. */
struct run {
	struct spec spec;
	struct config conf;
	struct request req;
	struct err err;
	int r;
};

static inline void run_init(struct run *t)
{
	memset(t, 0, sizeof(*t));
	spec_init(&t->spec);
	config_init(&t->conf);
}

static inline void run_free(struct run *t)
{
	request_free(&t->req);
	config_free(&t->conf);
	spec_free(&t->spec);
}

static inline void add_mount(struct run *t, const char *destination, const char *source)
{
	struct spec *s = &t->spec;

	s->mounts = arena_grow(&s->arena, s->mounts, s->n_mounts, sizeof(*s->mounts));
	s->mounts[s->n_mounts++] = (struct spec_mount){ .destination = destination, .source = source, .bind = true };
}

static inline void add_annotation(struct run *t, const char *key, const char *value)
{
	struct spec *s = &t->spec;

	s->annotations = arena_grow(&s->arena, s->annotations, s->n_annotations, sizeof(*s->annotations));
	s->annotations[s->n_annotations++] = (struct spec_pair){ key, value };
}

static inline void parse(struct run *t)
{
	request_free(&t->req);
	t->err = (struct err)ERR_INIT;
	t->r = request_parse(&t->req, &t->spec, &t->conf, &t->err);
}

/* A run of these variables, ended by NULL. */
static inline void run_env(struct run *t, const char *first, ...)
{
	va_list ap;

	run_init(t);
	va_start(ap, first);
	for (const char *v = first; v; v = va_arg(ap, const char *))
		spec_add_env(&t->spec, v);
	va_end(ap);
	parse(t);
}

/* "all", "0,0:1,GPU-..." as parsed, "-" for no device. */
static inline const char *devices(const struct request *r)
{
	static char buf[4096];
	size_t o = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < r->n_devices; i++)
		o += (size_t)snprintf(buf + o, sizeof(buf) - o, "%s%s", i ? "," : "", r->devices[i].text);
	return r->n_devices ? buf : "-";
}

/* The prefix, and n times c behind it; the caller frees it. */
static inline char *repeat(const char *prefix, char c, size_t n)
{
	size_t len = strlen(prefix);
	char *s = mem_alloc(len + n + 1);

	memcpy(s, prefix, len);
	memset(s + len, c, n);
	s[len + n] = '\0';
	return s;
}

#endif
