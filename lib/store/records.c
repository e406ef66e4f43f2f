/* SPDX-License-Identifier: Apache-2.0 */
#include "store/records.h"

#include <string.h>

#include "base/fd.h"

#define TEXT_MAX (1u << 20) /* what archive.c takes is less: it says so */
#define SENTENCE_MAX 512

static int put(struct records *w, const void *data, size_t len)
{
	int r = fd_write_all(w->out, data, len);

	if (r < 0)
		w->status = RECORDS_BROKEN;
	return r;
}

int records_entry(struct records *w, struct record *r, const char *path, const char *target)
{
	int e;

	r->path_len = (uint32_t)strnlen(path, TEXT_MAX);
	r->target_len = target ? (uint32_t)strnlen(target, TEXT_MAX) : 0;
	e = put(w, r, sizeof(*r));
	if (e == 0)
		e = put(w, path, r->path_len);
	return e == 0 && target ? put(w, target, r->target_len) : e;
}

int records_chunk(struct records *w, const void *data, size_t len)
{
	uint32_t n = (uint32_t)len;
	int e = put(w, &n, sizeof(n));

	return e == 0 ? put(w, data, len) : e;
}

int records_error(struct records *w, bool in_data, const char *what)
{
	struct record r = { .type = RECORD_ERROR, .path_len = (uint32_t)strnlen(what, SENTENCE_MAX) };
	uint32_t mark = RECORD_CHUNK_ERROR;

	w->status = RECORDS_REFUSED;
	if ((!in_data || put(w, &mark, sizeof(mark)) == 0) && put(w, &r, sizeof(r)) == 0 &&
	    put(w, what, r.path_len) < 0)
		w->status = RECORDS_BROKEN;
	return -1;
}

int records_end(struct records *w)
{
	struct record r = { .type = RECORD_END };

	return put(w, &r, sizeof(r));
}
