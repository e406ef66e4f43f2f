/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos.conf and os-release. */
#include "conf/config.h"
#include "conf/capability.h"
#include "conf/modparam.h"
#include "fuzz.h"
#include "host/osver.h"

static void check_paths(const struct config *c)
{
	const char *const paths[] = { c->hook_path, c->libexec_dir, c->driver_store, c->cuda_store,
				      c->proc_root, c->sys_root,    c->dev_root,     c->run_dir };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		MUST(fuzz_is_normal(paths[i]));
	MUST(!c->log_file || fuzz_is_normal(c->log_file));
	MUST(str_ends(c->hook_path, "/nvcoreos-hook"));
}

FUZZ(config)
{
	struct err err = ERR_INIT;
	struct config c;

	config_init(&c);
	if (config_parse(&c, "nvcoreos.conf", (const char *)data, size, &err) < 0)
		fuzz_refused(&err, ERR_CONF, ERR_CONF_KEY, ERR_NONE);
	/* What was read before the line that is wrong is whole too. */
	check_paths(&c);
	MUST(c.low_level_runtimes.n);
	for (size_t i = 0; i < c.low_level_runtimes.n; i++)
		MUST(c.low_level_runtimes.v[i][0] == '/' ||
		     fuzz_matches(c.low_level_runtimes.v[i], "^[A-Za-z0-9._+-]+$"));
	MUST(c.load_timeout >= 1 && c.load_timeout <= 3600 && c.keep_trees >= 1 && c.keep_trees <= 100);
	MUST(c.default_capabilities && !(c.default_capabilities & ~(unsigned)CAP_ALL));
	MUST(c.ipc < 8 && c.log_level <= LOG_LEVEL_DEBUG && c.module_flavour <= CONFIG_FLAVOUR_PROPRIETARY &&
	     c.peermem <= CONFIG_PEERMEM_NO);
	for (size_t i = 0; i < c.module_parameters.n; i++)
		MUST(!modparam_check(c.module_parameters.v[i]) &&
		     !strstr(c.module_parameters.v[i], "ModifyDeviceFiles"));
	for (size_t i = 0; i < c.n_imex_channels; i++)
		MUST(c.imex_channels[i] <= 2047);
	MUST(c.accept_environment <= CONFIG_ACCEPT_PRIVILEGED && c.no_gpu <= CONFIG_NO_GPU_IGNORE);
	MUST(fuzz_matches(c.cuda, "^(auto|none|[0-9]+(\\.[0-9]+){0,3})$"));
	config_set_root(&c, "/other/");
	MUST(str_starts(c.driver_store, "/other/") && str_starts(c.proc_root, "/other/"));
	config_free(&c);
}

FUZZ(osver)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct err err = ERR_INIT;
	const char *name = NULL;

	if (osver_parse(&a, (const char *)data, size, "6.1.0-50-amd64", &name, &err) < 0) {
		fuzz_refused(&err, ERR_HOST, ERR_NONE);
		return;
	}
	MUST(fuzz_matches(name, "^[A-Za-z0-9._+-]{1,64}$") && !str_eq(name, ".") && !str_eq(name, ".."));
}
