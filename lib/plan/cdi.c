/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/cdi.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/capability.h"
#include "oci/request.h"
#include "oci/spec.h"
#include "plan/cdi_parts.h"
#include "plan/plan.h"

#define DEV "/dev"
#define HOOK_PATH_VARIABLE "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
#define NAMES_VARIABLE "NVCOREOS_CDI_NAMES="

static const struct {
	const char *word;
	unsigned set;
} sets[] = {
	{ "utility", CAP_UTILITY },
	{ "compute", CAP_COMPUTE | CAP_UTILITY },
	{ "video", CAP_COMPUTE | CAP_UTILITY | CAP_VIDEO },
	{ "graphics", CAP_COMPUTE | CAP_UTILITY | CAP_GRAPHICS },
	{ "display", CAP_COMPUTE | CAP_UTILITY | CAP_GRAPHICS | CAP_DISPLAY },
	{ "all", CAP_ALL },
};

struct maker {
	const struct cdi_input *in;
	struct arena arena;
	struct json *devices;
	struct err *err;
};

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Letters, digits and `more`, a letter or digit at each end. */
static bool is_word(const char *text, size_t len, const char *more)
{
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && (!text[i] || !strchr(more, text[i])))
			return false;
	return len && is_alnum(text[0]) && is_alnum(text[len - 1]);
}

bool cdi_is_vendor(const char *text, size_t len)
{
	return is_word(text, len, "_-.") && !is_digit(text[0]);
}

bool cdi_is_class(const char *text, size_t len)
{
	return is_word(text, len, "_-.") && !is_digit(text[0]);
}

bool cdi_is_name(const char *name)
{
	return is_word(name, strlen(name), "_-.:");
}

static const char *const strategy_words[CDI_STRATEGIES] = { "index", "uuid", "type-index" };

bool cdi_strategy_from_word(const char *word, enum cdi_strategy *ret)
{
	for (unsigned i = 0; i < CDI_STRATEGIES; i++)
		if (str_eq(word, strategy_words[i])) {
			*ret = (enum cdi_strategy)i;
			return true;
		}
	return false;
}

/* The host's node at the container's path; engines of before 0.5.0 know no other, and so it is said only where it differs. */
struct json *cdi_node(const char *dev_root, const char *name)
{
	struct json *o = json_new_object();
	cleanup_free char *path = mem_printf(DEV "/%s", name), *host = mem_printf("%s/%s", dev_root, name);

	json_set_str(o, "path", path);
	if (!str_eq(dev_root, DEV))
		json_set_str(o, "hostPath", host);
	json_set_str(o, "type", "c");
	json_set_str(o, "permissions", "rw");
	return o;
}

void cdi_add_string(struct json *object, const char *key, const char *value)
{
	if (!json_get(object, key))
		json_set(object, key, json_new_array());
	json_append(json_get(object, key), json_new_string(value));
}

char *cdi_capability_variable(unsigned set)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;

	for (unsigned bit = 1; bit & CAP_ALL; bit <<= 1)
		if (set & bit)
			strbuf_printf(&b, "%s%s", b.len ? "," : "NVIDIA_DRIVER_CAPABILITIES=", capability_word(bit));
	return strbuf_steal(&b);
}

/* One name. `set` 0: the default capabilities, and what the container says of them stands. */
static int add_device(struct maker *m, const char *name, const struct request_device *d, unsigned set)
{
	struct request_device device = *d;
	struct request req = { .wanted = true, .devices = &device, .n_devices = 1 };
	struct json *o, *edits, *nodes;
	struct plan plan;
	int r;

	req.capabilities = set ? set : m->in->conf->default_capabilities;
	r = plan_make_nodes(&plan, m->in->inventory, &req, m->err);
	if (r < 0)
		return r;
	o = json_new_object();
	edits = json_new_object();
	nodes = json_new_array();
	json_set_str(o, "name", name);
	if (set) {
		cleanup_free char *variable = cdi_capability_variable(set);

		cdi_add_string(edits, "env", variable);
	}
	for (size_t i = 0; i < plan.n_nodes; i++)
		json_append(nodes, cdi_node(m->in->dev_root, plan.nodes[i].name));
	json_set(edits, "deviceNodes", nodes);
	json_set(o, "containerEdits", edits);
	json_append(m->devices, o);
	plan_free(&plan);
	return 0;
}

/* A MIG device draws nothing. */
static int add_sets(struct maker *m, const char *name, const struct request_device *d)
{
	bool draws = d->kind != REQUEST_MIG_INDEX;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sets); i++)
		if (draws || sets[i].set == CAP_ALL || !(sets[i].set & CAP_GRAPHICS))
			r = add_device(m, arena_printf(&m->arena, "%s-%s", name, sets[i].word), d, sets[i].set);
	return r;
}

/* NULL where nobody knows the UUID yet. */
static const char *device_name(struct maker *m, enum cdi_strategy s, const struct inventory_gpu *gpu,
			       const struct inventory_mig *mig)
{
	if (s == CDI_UUID)
		return mig ? mig->uuid : gpu->uuid;
	if (mig)
		return arena_printf(&m->arena, "%s%u:%u", s == CDI_TYPE_INDEX ? "mig" : "", gpu->index, mig->index);
	return arena_printf(&m->arena, "%s%u", s == CDI_TYPE_INDEX ? "gpu" : "", gpu->index);
}

static int add_names(struct maker *m, const struct inventory_gpu *gpu, const struct inventory_mig *mig)
{
	struct request_device d = { .kind = mig ? REQUEST_MIG_INDEX : REQUEST_INDEX, .index = gpu->index, .text = "" };
	int r = 0;

	d.mig = mig ? mig->index : 0;
	for (size_t i = 0; r == 0 && i < m->in->n_strategies; i++) {
		const char *name = device_name(m, m->in->strategies[i], gpu, mig);

		if (!name)
			continue;
		if (!cdi_is_name(name))
			return err_set(m->err, ERR_HOST, 0, "%s is no name of a device", name);
		r = add_device(m, name, &d, 0);
		if (r == 0 && i == 0)
			r = add_sets(m, name, &d);
	}
	return r;
}

/* As NVIDIA's: a GPU in MIG mode has no name of its own. */
static int add_gpus(struct maker *m)
{
	const struct request_device all = { .kind = REQUEST_ALL, .text = "all" };
	const struct inventory *inv = m->in->inventory;
	int r = 0;

	for (size_t i = 0; r == 0 && i < inv->n_gpus; i++) {
		if (!inv->gpus[i].mig_mode)
			r = add_names(m, &inv->gpus[i], NULL);
		for (size_t k = 0; r == 0 && inv->gpus[i].mig_mode && k < inv->gpus[i].n_mig; k++)
			r = add_names(m, &inv->gpus[i], &inv->gpus[i].mig[k]);
	}
	if (r == 0)
		r = add_device(m, "all", &all, 0);
	return r < 0 ? r : add_sets(m, "all", &all);
}

static void add_channel(struct maker *m, unsigned channel)
{
	struct json *o = json_new_object(), *edits = json_new_object(), *nodes = json_new_array();

	json_set_str(o, "name", arena_printf(&m->arena, "%u", channel));
	json_append(nodes,
		    cdi_node(m->in->dev_root, arena_printf(&m->arena, "nvidia-caps-imex-channels/channel%u", channel)));
	json_set(edits, "deviceNodes", nodes);
	json_set(o, "containerEdits", edits);
	json_append(m->devices, o);
}

static int add_channels(struct maker *m)
{
	const struct config *conf = m->in->conf;

	if (!conf->n_imex_channels) {
		err_set(m->err, ERR_NODE, 0, "IMEX channels: none is configured");
		return err_hint(m->err, "name them with imex-channels in nvcoreos.conf, then run 'nvcoreos load'");
	}
	if (m->in->inventory->major_imex == INVENTORY_NO_MAJOR)
		return err_set(m->err, ERR_NODE, 0, "IMEX channels: the kernel tells no number for them");
	for (size_t i = 0; i < conf->n_imex_channels; i++)
		add_channel(m, conf->imex_channels[i]);
	return 0;
}

/* For whoever makes it anew: the names tell not enough, since all of them may be missing. The hook does not read it. */
static const char *names_variable(struct maker *m)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < m->in->n_strategies; i++)
		strbuf_printf(&b, "%s%s", i ? "," : NAMES_VARIABLE, strategy_words[m->in->strategies[i]]);
	return arena_strdup(&m->arena, b.buf);
}

struct json *cdi_hook(const struct config *conf, const char *config_file)
{
	struct json *hook = json_new_object();

	json_set_str(hook, "hookName", "createRuntime");
	json_set_str(hook, "path", conf->hook_path);
	cdi_add_string(hook, "args", SPEC_HOOK_NAME);
	if (config_file) {
		cdi_add_string(hook, "args", "--config");
		cdi_add_string(hook, "args", config_file);
	}
	cdi_add_string(hook, "args", SPEC_HOOK_BY_CDI);
	cdi_add_string(hook, "args", "createRuntime");
	/* Without variables of its own a hook gets the runtime's, or the container's. */
	cdi_add_string(hook, "env", HOOK_PATH_VARIABLE);
	return hook;
}

/* What the container says of devices is void, to whoever else would read it. */
static struct json *common_edits(struct maker *m, bool imex)
{
	struct json *edits = json_new_object(), *hooks, *hook;

	cdi_add_string(edits, "env", imex ? "NVIDIA_IMEX_CHANNELS=void" : "NVIDIA_VISIBLE_DEVICES=void");
	if (imex)
		return edits;
	hooks = json_new_array();
	hook = cdi_hook(m->in->conf, m->in->config_file);
	cdi_add_string(hook, "env", names_variable(m));
	json_append(hooks, hook);
	json_set(edits, "hooks", hooks);
	return edits;
}

static struct json *document(struct maker *m, bool imex)
{
	cleanup_free char *kind = mem_printf("%s/%s", m->in->vendor, m->in->class);
	struct json *doc = json_new_object();

	/* Set first, for its place in the text. */
	json_set_str(doc, "cdiVersion", "");
	json_set_str(doc, "kind", kind);
	json_set(doc, "devices", take_ptr(m->devices));
	json_set(doc, "containerEdits", common_edits(m, imex));
	json_set_str(doc, "cdiVersion", cdi_version(doc));
	return doc;
}

int cdi_make(struct json **ret, const struct cdi_input *in, struct err *err)
{
	struct maker m = { .in = in, .err = err };
	bool imex = str_eq(in->class, CDI_CLASS_IMEX);
	int r;

	if (!cdi_is_vendor(in->vendor, strlen(in->vendor)) || !cdi_is_class(in->class, strlen(in->class))) {
		err_set(err, ERR_USAGE, 0, "%s/%s", in->vendor, in->class);
		return err_hint(err,
				"give vendor and class as letters, digits, '-', '_' and '.', like nvidia.com and gpu");
	}
	m.devices = json_new_array();
	r = imex ? add_channels(&m) : add_gpus(&m);
	if (r == 0)
		*ret = document(&m, imex);
	json_free(m.devices);
	arena_free(&m.arena);
	return r;
}

/* The i-th string of that list of our hook, or "". */
static const char *hook_word(const struct json *doc, const char *list, size_t i)
{
	const struct json *hook = json_at(json_get(json_get(doc, "containerEdits"), "hooks"), 0);
	const char *s = json_str(json_at(json_get(hook, list), i));

	return s ? s : "";
}

static bool has_strategy(const enum cdi_strategy *list, size_t n, enum cdi_strategy s)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == s)
			return true;
	return false;
}

size_t cdi_strategies(const struct json *doc, enum cdi_strategy ret[CDI_STRATEGIES])
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist words = { NULL, 0 };
	enum cdi_strategy s;
	size_t n = 0;

	for (size_t i = 0; *hook_word(doc, "env", i); i++) {
		const char *value = str_after(hook_word(doc, "env", i), NAMES_VARIABLE);

		if (value)
			strlist_split(&a, &words, value, ",", true);
	}
	for (size_t i = 0; i < words.n; i++)
		if (cdi_strategy_from_word(words.v[i], &s) && !has_strategy(ret, n, s))
			ret[n++] = s;
	return n;
}

const char *cdi_config_file(const struct json *doc)
{
	for (size_t i = 0; *hook_word(doc, "args", i); i++)
		if (str_eq(hook_word(doc, "args", i), "--config") && *hook_word(doc, "args", i + 1))
			return hook_word(doc, "args", i + 1);
	return NULL;
}

/* Versions in their order. 0.1.0 and 0.2.0 were never released: old engines take them for 0.3.0, and others refuse them. */
static const char *const versions[] = { "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0" };
enum { V0_3, V0_4, V0_5, V0_6, V0_7, V0_8, V1_0, V1_1 };

bool cdi_version_is_known(const char *version)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (str_eq(version, versions[i]))
			return true;
	return str_eq(version, "0.1.0") || str_eq(version, "0.2.0");
}

static unsigned higher(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned edits_version(const struct json *edits)
{
	const struct json *nodes = json_get(edits, "deviceNodes"), *mounts = json_get(edits, "mounts"),
			  *rdt = json_get(edits, "intelRdt");
	unsigned v = V0_3;

	for (size_t i = 0; i < json_len(nodes); i++)
		if (json_get(json_at(nodes, i), "hostPath"))
			v = higher(v, V0_5);
	for (size_t i = 0; i < json_len(mounts); i++)
		if (json_get(json_at(mounts, i), "type"))
			v = higher(v, V0_4);
	if (rdt || json_get(edits, "additionalGids"))
		v = higher(v, V0_7);
	if (json_get(edits, "netDevices") || json_get(rdt, "schemata") || json_get(rdt, "enableMonitoring"))
		v = higher(v, V1_1);
	return v;
}

const char *cdi_version(struct json *doc)
{
	const struct json *devices = json_get(doc, "devices");
	const char *class = strchr(json_get_str(doc, "kind", ""), '/');
	unsigned v = edits_version(json_get(doc, "containerEdits"));

	if ((class && strchr(class, '.')) || json_get(doc, "annotations"))
		v = higher(v, V0_6);
	for (size_t i = 0; i < json_len(devices); i++) {
		const struct json *d = json_at(devices, i);

		v = higher(v, edits_version(json_get(d, "containerEdits")));
		if (is_digit(json_get_str(d, "name", "")[0]))
			v = higher(v, V0_5);
		if (json_get(d, "annotations"))
			v = higher(v, V0_6);
	}
	return versions[v];
}
