/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/cdi_plan.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "plan/cdi.h"
#include "plan/cdi_parts.h"

static const char *seen_by_engines(const struct cdi_plan_input *in, const char *path)
{
	const char *rest = *in->root ? str_after(path, in->root) : NULL;

	return rest && *rest == '/' ? rest : path;
}

/* With the flags of our own mounts, and so that nothing of them is seen outside. */
static struct json *one_mount(const struct cdi_plan_input *in, const char *source, const char *target, bool socket)
{
	static const char *const files[] = { "ro", "nosuid", "nodev", "rbind", "rprivate" };
	static const char *const sockets[] = { "nosuid", "nodev", "noexec", "rbind", "rprivate" };
	struct json *o = json_new_object();

	json_set_str(o, "hostPath", seen_by_engines(in, source));
	json_set_str(o, "containerPath", target);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		cdi_add_string(o, "options", socket ? sockets[i] : files[i]);
	return o;
}

static struct json *all_mounts(const struct cdi_plan_input *in)
{
	const struct plan *p = in->plan;
	struct json *list = json_new_array();

	for (size_t i = 0; i < p->n_mounts; i++)
		json_append(list, one_mount(in, p->mounts[i].source, p->mounts[i].target, false));
	for (size_t i = 0; i < p->n_ipc; i++)
		json_append(list, one_mount(in, p->ipc[i].path, p->ipc[i].path, true));
	for (size_t i = 0; i < p->n_shown; i++)
		json_append(list, one_mount(in, p->shown[i].path, p->shown[i].path, false));
	return list;
}

/* By these the hook comes to the same plan. */
static void add_variables(const struct cdi_plan_input *in, struct json *edits)
{
	const struct plan *p = in->plan;
	cleanup_free char *capabilities = cdi_capability_variable(p->capabilities);
	cleanup_free char *cuda = mem_printf("NVCOREOS_CUDA=%s", p->cuda ? p->cuda : "none");
	cleanup_free char *path = NULL;

	cdi_add_string(edits, "env", "NVIDIA_VISIBLE_DEVICES=void");
	cdi_add_string(edits, "env", capabilities);
	cdi_add_string(edits, "env", cuda);
	if (!p->ld_library_path)
		return;
	path = mem_printf("LD_LIBRARY_PATH=%s%s%s", p->ld_library_path, in->library_path ? ":" : "",
			  in->library_path ? in->library_path : "");
	cdi_add_string(edits, "env", path);
}

static struct json *edits_of(const struct cdi_plan_input *in)
{
	struct json *edits = json_new_object(), *nodes = json_new_array(), *hooks = json_new_array();

	add_variables(in, edits);
	for (size_t i = 0; i < in->plan->n_nodes; i++)
		json_append(nodes, cdi_node(in->dev_root, in->plan->nodes[i].name));
	/* A plan for what an engine has given nodes to already has none. */
	if (in->plan->n_nodes)
		json_set(edits, "deviceNodes", nodes);
	else
		json_free(nodes);
	json_set(edits, "mounts", all_mounts(in));
	json_append(hooks, cdi_hook(in->conf, in->config_file));
	json_set(edits, "hooks", hooks);
	return edits;
}

struct json *cdi_plan_make(const struct cdi_plan_input *in)
{
	struct json *doc = json_new_object(), *device = json_new_object(), *devices = json_new_array();

	/* Set first, for its place in the text. */
	json_set_str(doc, "cdiVersion", "");
	json_set_str(doc, "kind", CDI_VENDOR "/" CDI_CLASS);
	json_set_str(device, "name", CDI_PLAN_NAME);
	json_set(device, "containerEdits", edits_of(in));
	json_append(devices, device);
	json_set(doc, "devices", devices);
	json_set_str(doc, "cdiVersion", cdi_version(doc));
	return doc;
}
