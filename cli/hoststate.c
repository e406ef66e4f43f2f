/* SPDX-License-Identifier: Apache-2.0 */
#include "hoststate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/json.h"
#include "rootfile.h"

#define STATE_DIR NVCOREOS_SYSCONFDIR "/nvcoreos"
#define STATE STATE_DIR "/host.json"

static const char *const methods[] = { "none", "ldconf", "overlay" };

static void read_list(struct arena *a, struct strlist *ret, const struct json *array)
{
	for (size_t i = 0; i < json_len(array); i++)
		if (json_is_string(json_at(array, i)))
			strlist_add(a, ret, json_str(json_at(array, i)));
}

static int parse(struct hoststate *s, const struct strbuf *text, struct err *err)
{
	char why[256];
	cleanup_json struct json *j = json_parse(text->buf, text->len, why, sizeof(why));
	const char *method = j && json_is_object(j) ? json_get_str(j, "method", "") : "";

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (str_eq(method, methods[i]))
			s->method = (enum hostview_method)i;
	if (s->method == HOSTVIEW_NONE) {
		err_set(err, ERR_HOST, 0, STATE ": not understood");
		return err_hint(err, "see what it names, undo that, and remove it");
	}
	read_list(&s->arena, &s->files, json_get(j, "files"));
	read_list(&s->arena, &s->dirs, json_get(j, "directories"));
	read_list(&s->arena, &s->digests, json_get(j, "digests"));
	s->cache = json_bool(json_get(j, "cache"), false);
	read_list(&s->arena, &s->covers, json_get(j, "overlays"));
	return 0;
}

int hoststate_read(struct hoststate *ret, const struct cli *cli, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	struct rootfile f cleanup(rootfile_free) = { .text = STRBUF_INIT };
	int r;

	*ret = (struct hoststate){ .arena = ARENA_INIT };
	if (root < 0)
		return root;
	r = rootfile_read(root, STATE, ERR_HOST, &f, err);
	return r == 0 && f.exists ? parse(ret, &f.text, err) : r;
}

static struct json *list_json(const struct strlist *l)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_append(array, json_new_string(l->v[i]));
	return array;
}

static void note_dirs(struct hoststate *s, int rootfd, const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		const char *dir = arena_strndup(&s->arena, path, (size_t)(slash - path));
		cleanup_fd int fd = path_open(rootfd, dir, O_PATH | O_DIRECTORY);

		if (fd == -ENOENT && !strlist_has(&s->dirs, dir))
			strlist_add(&s->arena, &s->dirs, dir);
	}
}

void hoststate_note(struct hoststate *s, int rootfd, const char *path)
{
	note_dirs(s, rootfd, path);
	if (!strlist_has(&s->files, path))
		strlist_add(&s->arena, &s->files, path);
}

int hoststate_write(struct hoststate *s, const struct cli *cli, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	cleanup_json struct json *j = json_new_object();
	const struct rootfile f = { .path = STATE, .mode = 0644 };
	cleanup_free char *dump = NULL;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (root < 0)
		return root;
	note_dirs(s, root, STATE);
	json_set_str(j, "method", methods[s->method]);
	json_set(j, "files", list_json(&s->files));
	json_set(j, "directories", list_json(&s->dirs));
	json_set(j, "digests", list_json(&s->digests));
	json_set_bool(j, "cache", s->cache);
	json_set(j, "overlays", list_json(&s->covers));
	dump = json_dump(j, 2);
	strbuf_printf(&text, "%s\n", dump);
	return rootfile_write(root, &f, &text, err);
}

/* One that somebody else has put something into stays. */
static int remove_empty(int rootfd, const char *path, struct err *err)
{
	char parent[PATH_MAX];
	cleanup_fd int dir = -EBADF;

	if (path_parent(path, parent, sizeof(parent)) == 0)
		dir = path_open(rootfd, parent, O_PATH | O_DIRECTORY);
	if (dir >= 0 && unlinkat(dir, path_base(path), AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
	    errno != EEXIST)
		return err_set(err, ERR_IO, errno, "%s", path);
	return 0;
}

int hoststate_forget(const struct hoststate *s, const struct cli *cli, struct err *err)
{
	cleanup_fd int root = rootfile_open_root(cli->root, err);
	int r = root < 0 ? root : rootfile_remove(root, STATE, err);

	for (size_t i = s->dirs.n; r == 0 && i-- > 0;)
		r = remove_empty(root, s->dirs.v[i], err);
	/* A run that was killed may have made its directory and nothing that tells of it. */
	return r == 0 && s->method == HOSTVIEW_NONE ? remove_empty(root, STATE_DIR, err) : r;
}

void hoststate_free(struct hoststate *s)
{
	arena_free(&s->arena);
	*s = (struct hoststate){ .arena = ARENA_INIT };
}
