/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "oci/json.h"
#include "oci/splice.h"

#define STATE_MAX (1u << 20)
#define STATE_TIMEOUT_MS 2000
#define PID_LIMIT (1 << 22)

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* crun says "1.0", runc "1.0.2-dev": the major alone counts. */
static bool is_version_1(const struct json *version)
{
	const char *rest = version ? str_after(json_str(version) ? json_str(version) : "", "1") : "";

	return rest && (*rest == '\0' || *rest == '.');
}

static int check_bundle(const char *bundle, struct err *err)
{
	char norm[PATH_MAX];
	int r;

	if (!bundle)
		return err_set(err, ERR_STATE, 0, "bundle is missing or no string");
	if (bundle[0] != '/')
		return err_set(err, ERR_STATE, 0, "bundle is not absolute: %s", bundle);
	r = strlen(bundle) < PATH_MAX ? path_normalize(bundle, norm, sizeof(norm)) : -ENAMETOOLONG;
	if (r < 0)
		return err_set(err, ERR_STATE, 0, "bundle is too long: %s", bundle);
	/* crun before 1.27 sends "/" to hooks that run inside the container. */
	if (str_eq(norm, "/"))
		return err_set(err, ERR_STATE, 0, "bundle is %s", bundle);
	return 0;
}

static int check_pid(const struct json *j, int64_t *ret, struct err *err)
{
	cleanup_free char *got = NULL;

	if (json_int(json_get(j, "pid"), 2, PID_LIMIT, ret))
		return 0;
	got = json_get(j, "pid") ? json_dump(json_get(j, "pid"), 0) : mem_strdup("missing");
	err_set(err, ERR_STATE, 0, "pid is %s", got);
	return err_hint(err, "use the prestart or createRuntime stage");
}

/* Without the annotations, which are those of config.json, and long where there is an orchestrator. */
static const struct splice_kept nothing[] = { { 0 } };
static const struct splice_kept of_state[] = { { .member = "annotations", .below = nothing },
					       { .member = SPLICE_REST },
					       { 0 } };

static int parse(struct state *ret, const char *text, size_t len, bool inside, struct err *err)
{
	char why[256];
	cleanup_json struct json *j = splice_parse(text, len, of_state, why, sizeof(why));
	const char *bundle = json_get_str(j, "bundle", NULL);
	int64_t pid = 0;
	int r = 0;

	if (!j)
		return err_set(err, ERR_STATE, 0, "%s", why);
	if (!json_is_object(j))
		return err_set(err, ERR_STATE, 0, "no JSON object");
	if (!is_version_1(json_get(j, "ociVersion")))
		return err_set(err, ERR_STATE, 0, "ociVersion is %s", json_get_str(j, "ociVersion", "no string"));
	if (!inside)
		r = check_pid(j, &pid, err);
	if (r == 0)
		r = check_bundle(bundle, err);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->pid = (pid_t)pid;
	ret->bundle = arena_strdup(&ret->arena, bundle);
	ret->id = arena_strdup(&ret->arena, json_get_str(j, "id", ""));
	ret->status = arena_strdup(&ret->arena, json_get_str(j, "status", ""));
	ret->root = arena_strdup(&ret->arena, json_get_str(j, "root", ""));
	return 0;
}

int state_parse(struct state *ret, const char *text, size_t len, struct err *err)
{
	return parse(ret, text, len, false, err);
}

int state_parse_inside(struct state *ret, const char *text, size_t len, struct err *err)
{
	return parse(ret, text, len, true, err);
}

/* Reads what is there; 1 at the end, 0 for more, or -errno. */
static int read_some(int fd, struct strbuf *b)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return 1;
	if ((size_t)n > STATE_MAX - b->len)
		return -EFBIG;
	strbuf_add(b, chunk, (size_t)n);
	return 0;
}

static int read_state(struct state *ret, int fd, bool inside, struct err *err)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	int64_t end = now_ms() + STATE_TIMEOUT_MS;
	int r = 0;

	while (r == 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n < 0 && errno != EINTR)
			return err_set(err, ERR_STATE, errno, "stdin");
		if (n == 0)
			return err_set(err, ERR_STATE, ETIMEDOUT, "stdin was not closed within %d s",
				       STATE_TIMEOUT_MS / 1000);
		if (n > 0)
			r = read_some(fd, &b);
	}
	if (r < 0)
		return err_set(err, ERR_STATE, -r, "stdin");
	if (!b.len)
		return err_set(err, ERR_STATE, 0, "nothing came on stdin");
	return parse(ret, b.buf, b.len, inside, err);
}

int state_read(struct state *ret, int fd, struct err *err)
{
	return read_state(ret, fd, false, err);
}

int state_read_inside(struct state *ret, int fd, struct err *err)
{
	return read_state(ret, fd, true, err);
}

void state_free(struct state *s)
{
	arena_free(&s->arena);
}
