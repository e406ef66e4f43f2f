/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/render.h"

#include <stdarg.h>
#include <stdio.h>

#include "conf/capability.h"
#include "oci/json.h"

static void set_or_null(struct json *object, const char *key, const char *s)
{
	if (s)
		json_set_str(object, key, s);
}

static struct json *pair(const char *a, const char *va, const char *b, const char *vb)
{
	struct json *o = json_new_object();

	json_set_str(o, a, va);
	json_set_str(o, b, vb);
	return o;
}

static struct json *strings(const struct strlist *l)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_append(array, json_new_string(l->v[i]));
	return array;
}

static struct json *capabilities(unsigned set)
{
	struct json *array = json_new_array();

	for (unsigned bit = 1; bit & CAP_ALL; bit <<= 1)
		if (set & bit)
			json_append(array, json_new_string(capability_word(bit)));
	return array;
}

static struct json *mounts(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_mounts; i++)
		json_append(array, pair("source", p->mounts[i].source, "target", p->mounts[i].target));
	return array;
}

static struct json *nodes(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_nodes; i++) {
		struct json *o = json_new_object();

		json_set_str(o, "name", p->nodes[i].name);
		json_set_int(o, "major", p->nodes[i].major);
		json_set_int(o, "minor", p->nodes[i].minor);
		json_append(array, o);
	}
	return array;
}

static struct json *ipc(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_ipc; i++)
		json_append(array, json_new_string(p->ipc[i].path));
	return array;
}

static struct json *shown(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_shown; i++)
		json_append(array, json_new_string(p->shown[i].path));
	return array;
}

static struct json *dev_links(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_dev_links; i++)
		json_append(array, pair("name", p->dev_links[i].name, "target", p->dev_links[i].target));
	return array;
}

static struct json *gpus(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_gpus; i++) {
		struct json *o = pair("index", p->gpus[i].index, "pci", p->gpus[i].pci);

		set_or_null(o, "uuid", p->gpus[i].uuid);
		json_set_str(o, "model", p->gpus[i].model);
		json_append(array, o);
	}
	return array;
}

static struct json *proc(const struct plan *p)
{
	struct json *o = json_new_object(), *list;

	json_set_bool(o, "wanted", p->proc.wanted);
	if (!p->proc.wanted)
		return o;
	set_or_null(o, "version", p->proc.version);
	set_or_null(o, "params", p->proc.params);
	set_or_null(o, "registry", p->proc.registry);
	list = json_new_array();
	for (size_t i = 0; i < p->proc.n_gpus; i++)
		json_append(list, pair("pci", p->proc.gpus[i].pci, "information", p->proc.gpus[i].information));
	json_set(o, "gpus", list);
	if (p->proc.n_caps) {
		struct json *caps = json_new_array();

		for (size_t i = 0; i < p->proc.n_caps; i++) {
			struct json *cap = json_new_object();

			json_set_str(cap, "path", p->proc.caps[i].path);
			json_set_int(cap, "minor", p->proc.caps[i].minor);
			json_append(caps, cap);
		}
		json_set(o, "capabilities", caps);
	}
	return o;
}

static struct json *links(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_links; i++)
		json_append(array, pair("path", p->links[i].path, "target", p->links[i].target));
	return array;
}

static struct json *files(const struct plan *p)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < p->n_files; i++)
		json_append(array, pair("path", p->files[i].path, "content", p->files[i].content));
	return array;
}

static struct json *libraries(const struct plan_cache_library *v, size_t n)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json *o = pair("soname", v[i].soname, "path", v[i].path);

		json_set_int(o, "class", v[i].class);
		json_set_int(o, "machine", v[i].machine);
		json_append(array, o);
	}
	return array;
}

static struct json *cache(const struct plan *p)
{
	struct json *o = json_new_object();

	json_set_bool(o, "wanted", p->cache.wanted);
	if (!p->cache.wanted)
		return o;
	json_set(o, "first", libraries(p->cache.first, p->cache.n_first));
	json_set(o, "last", libraries(p->cache.last, p->cache.n_last));
	json_set(o, "ownPrefixes", strings(&p->cache.own_prefixes));
	return o;
}

void render_json(const struct plan *p, struct strbuf *out)
{
	cleanup_json struct json *o = json_new_object();
	cleanup_free char *text = NULL;

	set_or_null(o, "driver", p->driver);
	set_or_null(o, "cuda", p->cuda);
	set_or_null(o, "view", p->view);
	json_set(o, "capabilities", capabilities(p->capabilities));
	json_set(o, "gpus", gpus(p));
	json_set(o, "mounts", mounts(p));
	json_set(o, "nodes", nodes(p));
	json_set(o, "ipc", ipc(p));
	if (p->n_shown)
		json_set(o, "shown", shown(p));
	if (p->n_dev_links)
		json_set(o, "devLinks", dev_links(p));
	json_set(o, "proc", proc(p));
	json_set(o, "links", links(p));
	json_set(o, "files", files(p));
	json_set(o, "cache", cache(p));
	set_or_null(o, "ldLibraryPath", p->ld_library_path);
	json_set(o, "notes", strings(&p->notes));
	text = json_dump(o, 2);
	strbuf_puts(out, text);
	strbuf_putc(out, '\n');
}

/* One line; what comes from the host's files is escaped, so that it cannot move the cursor of a terminal. */
static void line(struct strbuf *out, unsigned depth, const char *fmt, ...) printf_format(3, 4);
static void line(struct strbuf *out, unsigned depth, const char *fmt, ...)
{
	char raw[1024], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, text, sizeof(text));
	for (unsigned i = 0; i < depth; i++)
		strbuf_puts(out, "  ");
	strbuf_puts(out, text);
	strbuf_putc(out, '\n');
}

static void text_devices(const struct plan *p, struct strbuf *out)
{
	line(out, 0, "GPUs%s", p->n_gpus ? "" : ": none");
	for (size_t i = 0; i < p->n_gpus; i++) {
		const struct plan_gpu *g = &p->gpus[i];

		line(out, 1, "%s %s %s %s", g->index, g->uuid ? g->uuid : "-", g->pci, g->model);
	}
	line(out, 0, "devices, and nothing else%s", p->n_nodes ? "" : ": none");
	for (size_t i = 0; i < p->n_nodes; i++)
		line(out, 1, "/dev/%s  %u:%u", p->nodes[i].name, p->nodes[i].major, p->nodes[i].minor);
	for (size_t i = 0; i < p->n_dev_links; i++)
		line(out, 1, "/dev/%s -> %s", p->dev_links[i].name, p->dev_links[i].target);
}

static void text_mounts(const struct plan *p, struct strbuf *out)
{
	line(out, 0, "mounts");
	for (size_t i = 0; i < p->n_mounts; i++)
		line(out, 1, "%s  from %s, read-only", p->mounts[i].target, p->mounts[i].source);
	for (size_t i = 0; i < p->n_ipc; i++)
		line(out, 1, "%s  of the host", p->ipc[i].path);
	for (size_t i = 0; i < p->n_shown; i++)
		line(out, 1, "%s  of the host, read-only, if it is there", p->shown[i].path);
	if (p->proc.wanted)
		line(out, 1, "/proc/driver/nvidia  with %zu GPU%s", p->proc.n_gpus, p->proc.n_gpus == 1 ? "" : "s");
}

static void text_files(const struct plan *p, struct strbuf *out)
{
	if (p->n_links + p->n_files || p->cache.wanted)
		line(out, 0, "written into the container's layer");
	for (size_t i = 0; i < p->n_files; i++)
		line(out, 1, "%s", p->files[i].path);
	if (p->cache.wanted)
		line(out, 1, "/etc/ld.so.cache  %zu libraries first, %zu last", p->cache.n_first, p->cache.n_last);
	for (size_t i = 0; i < p->n_links; i++)
		line(out, 1, "%s -> %s", p->links[i].path, p->links[i].target);
	if (p->ld_library_path)
		line(out, 0, "LD_LIBRARY_PATH begins with %s", p->ld_library_path);
}

void render_text(const struct plan *p, struct strbuf *out)
{
	char set[CAPABILITY_NAME_MAX];

	line(out, 0, "driver %s, capabilities %s", p->driver ? p->driver : "none",
	     capability_set_name(p->capabilities, set));
	if (p->cuda)
		line(out, 0, "CUDA toolkit %s", p->cuda);
	text_devices(p, out);
	text_mounts(p, out);
	text_files(p, out);
	if (p->notes.n)
		line(out, 0, "why");
	for (size_t i = 0; i < p->notes.n; i++)
		line(out, 1, "%s", p->notes.v[i]);
}
