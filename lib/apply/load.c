/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/caps.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host/inventory.h"
#include "host/inventory_pci.h"
#include "host/inventory_text.h"
#include "host/userns.h"

#define CAP_SYS_MODULE_BIT 16
#define CAPABILITY_NODE "nvidia-caps/nvidia-cap"
#define LOAD_MISSING_GPU "device node of a GPU"
#define UNLOAD "--unload"
#define MISSING "--missing"
#define IN_USER_NAMESPACE "in a user namespace kernel modules cannot be loaded"

static bool has_node(const struct hostroot *root, const char *prefix, uint32_t minor)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "%s%u", prefix, minor);
	return fstatat(root->dev, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nodes of GPUs and MIG devices: those that came after the last loading nobody has made. */
static bool misses_gpu(const struct hostroot *root, const struct inventory *inv)
{
	for (size_t i = 0; i < inv->n_gpus; i++) {
		const struct inventory_gpu *gpu = &inv->gpus[i];

		if (!has_node(root, "nvidia", gpu->minor))
			return true;
		for (size_t k = 0; k < gpu->n_mig; k++)
			if (!has_node(root, CAPABILITY_NODE, gpu->mig[k].gi_minor) ||
			    !has_node(root, CAPABILITY_NODE, gpu->mig[k].ci_minor))
				return true;
	}
	return false;
}

/* A few system calls, and a few more for each GPU, where all is well, as it nearly always is. */
static int find_missing(const struct hostroot *root, const char **what, struct inventory *seen, struct err *err)
{
	struct stat st;
	int r;

	*what = NULL;
	if (fstatat(root->proc, "driver/nvidia/version", &st, 0) < 0)
		*what = "module nvidia";
	else if (fstatat(root->dev, "nvidiactl", &st, AT_SYMLINK_NOFOLLOW) < 0)
		*what = "device node nvidiactl";
	/* NVIDIA's own tools make the first on the way, and this one only when CUDA is first used. */
	else if (fstatat(root->dev, "nvidia-uvm", &st, AT_SYMLINK_NOFOLLOW) < 0)
		*what = "device node nvidia-uvm";
	if (*what)
		return 0;
	r = inventory_begin(seen, root, err);
	if (r < 0)
		return r;
	if (seen->major_uvm == INVENTORY_NO_MAJOR)
		*what = "module nvidia-uvm";
	else if (misses_gpu(root, seen))
		*what = LOAD_MISSING_GPU;
	return 0;
}

/* Those that are kept for virtual machines are none: no module would take them. */
static int has_gpu(const struct hostroot *root, bool *ret, struct err *err)
{
	struct inventory_dir sys = { root->sys, "sys-root" };
	cleanup_arena struct arena a = ARENA_INIT;
	struct inventory_pci_holder holder = { 0 };
	struct strlist names;
	int r = inventory_text_list(&sys, &a, INVENTORY_PCI_DEVICES, &names, err);

	*ret = false;
	for (size_t i = 0; r == 0 && i < names.n && !*ret; i++)
		r = inventory_pci_is_gpu(&sys, names.v[i], ret, err);
	if (r == 0 && *ret)
		r = inventory_pci_holder(&sys, &a, &holder, err);
	if (r == 0 && *ret)
		*ret = !holder.passthrough;
	return r;
}

static bool has_capability(const char *status, const char *key)
{
	char value[32];
	uint64_t set;

	/* What cannot be understood is left for the attempt to find out. */
	return !inventory_text_key(status, key, value, sizeof(value)) || str_to_hex(value, UINT64_MAX, &set) < 0 ||
	       (set >> CAP_SYS_MODULE_BIT & 1);
}

static bool is_first_namespace(const char *uid_map)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist words = { 0 };

	strlist_split(&a, &words, uid_map, " \t\n", false);
	return words.n == 3 && str_eq(words.v[0], "0") && str_eq(words.v[1], "0") && str_eq(words.v[2], "4294967295");
}

static int no_right(struct err *err, const char *why)
{
	err_set(err, ERR_PRIVILEGE, 0, "%s", why);
	err_hint(err, "run 'nvcoreos load' as root on the host");
	return -EPERM;
}

int load_may(const char *status, const char *uid_map, struct err *err)
{
	if (uid_map && !is_first_namespace(uid_map))
		return no_right(err, IN_USER_NAMESPACE);
	if (status && (!has_capability(status, "CapPrm") || !has_capability(status, "CapBnd")))
		return no_right(err, "loading kernel modules needs CAP_SYS_MODULE");
	return 0;
}

static int check_right(const struct hostroot *root, struct err *err)
{
	struct inventory_dir proc = { root->proc, "proc-root" };
	cleanup_arena struct arena a = ARENA_INIT;
	const char *status, *uid_map;

	/* Our own namespace is known wherever proc-root lies. */
	if (!userns_is_first())
		return no_right(err, IN_USER_NAMESPACE);
	if (inventory_text_read(&proc, &a, "self/status", &status, NULL) < 0)
		status = NULL;
	if (inventory_text_read(&proc, &a, "self/uid_map", &uid_map, NULL) < 0)
		uid_map = NULL;
	return load_may(status, uid_map, err);
}

/* The last line that is not empty, cut off in place. */
static char *last_line(char *text)
{
	size_t len = strlen(text);
	char *nl;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	nl = strrchr(text, '\n');
	return nl ? nl + 1 : text;
}

/* The code of "E22: <what of the table>: ...", with *rest behind it; ERR_NONE for any other text. */
static enum err_code code_of(const char *line, const char **rest)
{
	const char *what;
	uint64_t n;
	char digits[3] = "";

	if (line[0] != 'E' || !line[1] || !line[2] || !str_starts(line + 3, ": "))
		return ERR_NONE;
	memcpy(digits, line + (line[1] == '0' ? 2 : 1), line[1] == '0' ? 1 : 2);
	if (str_to_u64(digits, 99, &n) < 0)
		return ERR_NONE;
	what = err_code_what((enum err_code)n);
	*rest = what ? str_after(line + 5, what) : NULL;
	*rest = *rest ? str_after(*rest, ": ") : NULL;
	return *rest ? (enum err_code)n : ERR_NONE;
}

/* Its line becomes our error, so that the user does not read two sentences in one. */
static int take_error(const char *program, bool unload, struct proc_result *res, struct err *err)
{
	enum err_code failed = unload ? ERR_UNLOAD : ERR_LOAD;
	const char *line = last_line(res->output), *own = str_after(line, LOAD_PROGRAM ": "), *rest = NULL,
		   *hint = NULL;
	enum err_code code = own ? code_of(own, &rest) : ERR_NONE;

	if (code == ERR_NONE) {
		if (*line)
			return err_set(err, failed, 0, "%s", own ? own : line);
		return err_set(err, failed, 0, "%s ended with %d and said nothing", program, res->status);
	}
	for (const char *p = strstr(rest, ": "); p; p = strstr(p + 1, ": "))
		hint = p;
	err_set(err, code, 0, "%.*s", hint ? (int)(hint - rest) : ERR_MSG_MAX, rest);
	return hint ? err_hint(err, "%s", hint + 2) : -EINVAL;
}

/* "nvidia 56320 1 - Loading 0x..." stands for the one whose start or end does not come back. NULL: none, or it cannot be read. */
static const char *moving_module(const struct config *conf, struct arena *a)
{
	cleanup_fd int proc = fd_open_dir(conf->proc_root);
	const struct inventory_dir dir = { proc, "proc-root" };
	struct strlist lines = { 0 };
	const char *text;

	if (proc < 0 || inventory_text_read(&dir, a, "modules", &text, NULL) < 0 || !text)
		return NULL;
	strlist_split(a, &lines, text, "\n", false);
	for (size_t i = 0; i < lines.n; i++)
		if (str_starts(lines.v[i], "nvidia") &&
		    (strstr(lines.v[i], " Loading ") || strstr(lines.v[i], " Unloading ")))
			return arena_strndup(a, lines.v[i], strcspn(lines.v[i], " "));
	return NULL;
}

/* Killing does not end one whose module hangs: nobody is to wait for it. */
static int too_late(const struct config *conf, const struct proc_program *load, enum err_code code, bool stuck,
		    struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	const char *module = stuck ? moving_module(conf, &a) : NULL;

	err_set(err, code, 0, "%s did not end within %u s%s%s", load->path, load->timeout_s,
		module ? ", nor when it was killed, at module " : "", module ? module : "");
	if (stuck)
		err_hint(err, PROC_STUCK);
	return -ETIMEDOUT;
}

/* The program with a word or two, NULL where there is none. */
static int run_program(const struct config *conf, const char *option, const char *value, struct proc_result *ret,
		       struct err *err)
{
	const bool unload = option && str_eq(option, UNLOAD);
	cleanup_free char *program = mem_printf("%s/" LOAD_PROGRAM, conf->libexec_dir);
	const char *argv[6] = { LOAD_PROGRAM }, *envp[] = { NULL };
	size_t n = 1;
	const struct proc_program load = { .path = program,
					   .argv = (char *const *)argv,
					   .envp = (char *const *)envp,
					   .timeout_s = LOAD_LIMIT_S(conf->load_timeout),
					   .prepare = caps_become_loader };
	int r;

	if (option)
		argv[n++] = option;
	if (value)
		argv[n++] = value;
	if (conf->file) {
		argv[n++] = "--config";
		argv[n++] = conf->file;
	}
	r = proc_run(&load, ret, NULL);
	if (r == -ETIMEDOUT)
		return too_late(conf, &load, unload ? ERR_UNLOAD : ERR_LOAD, ret->stuck, err);
	if (r < 0)
		return err_set(err, unload ? ERR_UNLOAD : ERR_LOAD, -r, "%s", program);
	if (ret->status == 0 || ret->status == LOAD_EXIT_NO_GPU)
		return 0;
	return take_error(program, unload, ret, err);
}

int load_run(const struct config *conf, struct proc_result *ret, struct err *err)
{
	return run_program(conf, NULL, NULL, ret, err);
}

int load_run_own(const struct config *conf, struct proc_result *ret, struct err *err)
{
	return run_program(conf, "--own", NULL, ret, err);
}

int load_nodes_of(const struct config *conf, struct proc_result *ret, struct err *err)
{
	return run_program(conf, "--nodes", NULL, ret, err);
}

int load_prove(const struct config *conf, const char *driver, struct proc_result *ret, struct err *err)
{
	return run_program(conf, "--prove", driver, ret, err);
}

int load_no_gpu(struct proc_result *res, struct err *err)
{
	return take_error(LOAD_PROGRAM, false, res, err);
}

int load_unload(const struct config *conf, struct proc_result *ret, struct err *err)
{
	return run_program(conf, UNLOAD, NULL, ret, err);
}

int load_missing(const struct config *conf, const struct hostroot *root, const char **ret_what,
		 struct inventory *ret_seen, struct err *err)
{
	const char *what;
	bool gpu;
	int r;

	*ret_what = NULL;
	*ret_seen = (struct inventory){ .arena = ARENA_INIT };
	if (!conf->load_modules)
		return 0;
	r = find_missing(root, &what, ret_seen, err);
	if (r < 0 || !what)
		return r;
	r = has_gpu(root, &gpu, err);
	if (r == 0 && gpu)
		*ret_what = what;
	return r;
}

int load_ensure(const struct config *conf, const struct hostroot *root, struct err *err)
{
	struct inventory seen cleanup(inventory_free) = { .arena = ARENA_INIT };
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 512];
	struct proc_result res;
	const char *what;
	int r = load_missing(conf, root, &what, &seen, err);

	if (r < 0 || !what)
		return r;
	r = check_right(root, &local);
	if (r == 0) {
		log_info("%s is missing: running %s/" LOAD_PROGRAM, what, conf->libexec_dir);
		r = run_program(conf, MISSING, NULL, &res, &local);
	}
	/* It may be none of those that are asked for; the plan knows. */
	if (r < 0 && str_eq(what, LOAD_MISSING_GPU)) {
		log_warning("%s stays missing: %s", what, err_line(&local, line, sizeof(line)));
		return 0;
	}
	if (r < 0 && err)
		*err = local;
	return r;
}
