/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos: global options, the table of verbs, one line and an exit status for what went wrong. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "cli.h"

const struct verb verbs[] = {
	{ "install", "[--use] SOURCE...", "install driver and CUDA archives", verb_install,
	  "  SOURCE  libraries-<driver>, tools-<driver>, modules-<os-version>-<driver>[-open]\n"
	  "          or cuda-<version>, each [-arm64].tar.{bz2,xz,gz,zst}; NVIDIA's .run, which is\n"
	  "          not executed; or a directory: of these, or what one of them holds. All of one\n"
	  "          driver make one tree.\n"
	  "  --use   select what was installed\n" },
	{ "import", "[--use] [DIR]", "take the driver that the OS itself installed into the store", verb_import,
	  "  DIR     another root directory to look in (default: --root, or this host)\n"
	  "  --use   select it\n" },
	{ "use", "[--now] TREE", "select an installed driver or CUDA toolkit", verb_use,
	  "  TREE    535.261.03, 535.261.03/3975.2.0, 535 (newest of that branch), cuda/12.4.1\n"
	  "  --now   unload the modules of another driver and load its own\n" },
	{ "verify", "[--kernel PATH] [TREE]", "check installed trees, and their modules against the kernel",
	  verb_verify,
	  "  --kernel PATH  another kernel than the running one: its Module.symvers, its headers'\n"
	  "                 directory, or its directory of modules\n" },
	{ "rollback", "", "select the driver that was selected before", verb_rollback, NULL },
	{ "remove", "TREE [--yes]", "take an installed driver or CUDA toolkit away", verb_remove,
	  "  TREE    as for use\n"
	  "  --yes   do not ask\n" },
	{ "prune", "[--keep N] [--dry-run]", "take old drivers and CUDA toolkits away", verb_prune,
	  "  --keep N   how many of each to keep (default: keep-trees of the configuration)\n"
	  "  --dry-run  print only what would go\n" },
	{ "list", "", "installed drivers and CUDA toolkits", verb_list, NULL },
	{ "status", "", "whether a container would get its GPUs now, and from what", verb_status, NULL },
	{ "load", "", "load the kernel modules and make the device nodes", verb_load, NULL },
	{ "unload", "", "take the kernel modules out of the running kernel", verb_unload, NULL },
	{ "host", "enable|disable [--method ldconf|overlay]", "the host itself sees the driver, or no longer",
	  verb_host,
	  "  --method ldconf   by the loader's configuration and PATH: /etc can be written (default)\n"
	  "  --method overlay  by overlays over /usr and the modules: /usr cannot be written\n" },
	{ "gpus", "[--refresh]", "the GPUs of this host", verb_gpus,
	  "  --refresh  ask the driver for what /proc does not tell, and keep it\n" },
	{ "plan", "BUNDLE | --env KEY=VALUE... [--rootfs DIR] [--cdi]", "what a container would get, and why",
	  verb_plan,
	  "  --env KEY=VALUE  a container with this environment instead of a bundle\n"
	  "  --rootfs DIR     its root directory\n"
	  "  --cdi            as a CDI specification with one device, 'plan'\n"
	  "  --format FORMAT  of that: yaml or json (default: yaml)\n" },
	{ "configure", "ENGINE [OPTION...]", "make a container engine know nvcoreos", verb_configure,
	  "  ENGINE                docker, containerd, crio or podman\n"
	  "  --name NAME           name of the runtime (default: nvcoreos)\n"
	  "  --set-as-default      make it the engine's default runtime; containers without a GPU then start\n"
	  "                        all the same, and only privileged ones get GPUs by their environment\n"
	  "  --cdi                 turn CDI on (crio and podman have it on)\n"
	  "  --engine-config FILE  the engine's configuration file; crio and podman: ours goes into FILE.d\n"
	  "  --dry-run             show the change only\n"
	  "  --remove              take it out again: the files are as they were\n"
	  "  --all                 with --remove: every runtime of nvcoreos, whatever its name\n" },
	{ "cdi", "generate|list|check", "device specifications for engines that know CDI", verb_cdi,
	  "  generate                       write this host's specification, to stdout as YAML if nothing else is said\n"
	  "    --output FILE                to a file, whole; its ending, .yaml or .json, is its format; - is stdout\n"
	  "    --format yaml|json           the format\n"
	  "    --device-name-strategy WORD  index (0, 0:1), uuid or type-index (gpu0, mig0:1); may be given\n"
	  "                                 several times (default: index and uuid)\n"
	  "    --vendor NAME                default: nvidia.com\n"
	  "    --class NAME                 default: gpu; imex-channel: the channels of imex-channels\n"
	  "  list                           all names, and the files that define them\n"
	  "  check                          what of all that is there an engine could not use\n"
	  "    --spec-dir DIR               look there (default: /etc/cdi and /run/cdi; list and check)\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char global_options[] = "Global options, before or after the verb:\n"
				     "  --root DIR     work on another host's root directory\n"
				     "  --config FILE  read this instead of " CONFIG_DEFAULT_FILE "\n"
				     "  --json         print facts as JSON\n"
				     "  --quiet        print errors only\n"
				     "  --debug        print what is done to stderr\n"
				     "  --version      print the version\n"
				     "  --help         print this, or the help of a verb\n";

struct globals {
	const char *root, *config;
	bool json, quiet, debug, version, help;
};

/* The value of `--name VALUE` or `--name=VALUE` at argv[*i]; NULL where argv[*i] is another option. */
static const char *option_value(const char *name, int argc, char **argv, int *i)
{
	const char *rest = str_after(argv[*i], name);

	if (!rest || (*rest && *rest != '='))
		return NULL;
	if (*rest)
		return rest + 1;
	return *i + 1 < argc ? argv[++*i] : "";
}

/* Takes the global options out of argv, wherever they stand before "--". The new argc, or -EINVAL. */
static int take_globals(struct globals *g, int argc, char **argv, struct err *err)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = { { "--json", &g->json },	    { "--quiet", &g->quiet }, { "--debug", &g->debug },
		      { "--version", &g->version }, { "--help", &g->help },   { "-h", &g->help } };
	const struct {
		const char *name, **value;
	} values[] = { { "--root", &g->root }, { "--config", &g->config } };
	int n = 1;

	for (int i = 1; i < argc; i++) {
		bool taken = false;

		if (str_eq(argv[i], "--")) {
			while (i < argc)
				argv[n++] = argv[i++];
			break;
		}
		for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
			if (str_eq(argv[i], flags[f].name))
				*flags[f].flag = taken = true;
		}
		for (size_t v = 0; !taken && v < ARRAY_SIZE(values); v++) {
			const char *value = option_value(values[v].name, argc, argv, &i);

			if (value && !*value)
				return err_set(err, ERR_USAGE, 0, "%s needs a value", values[v].name);
			if (value)
				*values[v].value = value;
			taken = value != NULL;
		}
		if (!taken)
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

static void print_help(const struct verb *verb)
{
	if (verb) {
		printf("Usage: nvcoreos [OPTION...] %s%s%s\n%s.\n\n", verb->name, *verb->args ? " " : "", verb->args,
		       verb->summary);
		if (verb->options)
			printf("%s\n", verb->options);
		fputs(global_options, stdout);
		return;
	}
	puts("Usage: nvcoreos [OPTION...] VERB [ARGUMENT...]\nNVIDIA drivers for hosts with a read-only /usr.\n");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  %-10s %s\n", v->name, v->summary);
	printf("\n%s", global_options);
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (str_eq(v->name, name))
			return v;
	return NULL;
}

static int unknown_verb(const char *name, struct err *err)
{
	const char *nearest = NULL;
	unsigned best = 3;

	err_set(err, ERR_USAGE, 0, "no verb '%s'", name);
	for (const struct verb *v = verbs; v->name; v++) {
		unsigned d = str_distance(name, v->name);

		if (d < best) {
			best = d;
			nearest = v->name;
		}
	}
	return nearest ? err_hint(err, "did you mean %s? see nvcoreos --help", nearest)
		       : err_hint(err, "see nvcoreos --help");
}

/* "" for this host, else an absolute path in buf. */
static int set_root(struct cli *cli, const char *root, char *buf, size_t size, struct err *err)
{
	cleanup_free char *cwd = NULL, *joined = NULL;

	cli->root = "";
	if (!root)
		return 0;
	if (*root != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_set(err, ERR_IO, errno, "%s", root);
		joined = mem_printf("%s/%s", cwd, root);
	}
	if (path_normalize(joined ? joined : root, buf, size) < 0)
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "--root %s", root);
	cli->root = str_eq(buf, "/") ? "" : buf;
	return 0;
}

/* Another host's root has its own configuration, where it has one. */
static int load_config(struct cli *cli, const char *file, struct err *err)
{
	cleanup_free char *other = mem_printf("%s%s", cli->root, CONFIG_DEFAULT_FILE);
	int r = 0;

	config_init(&cli->conf);
	if (!file && *cli->root && access(other, F_OK) == 0)
		file = other;
	if (file || !*cli->root)
		r = config_load(&cli->conf, file, err);
	config_set_root(&cli->conf, cli->root);
	return r;
}

static int run(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct globals g = { 0 };
	const struct verb *verb = NULL;
	char root[PATH_MAX];
	int r;

	argc = take_globals(&g, argc, argv, err);
	if (argc < 0)
		return argc;
	if (g.version) {
		puts("nvcoreos " NVCOREOS_VERSION);
		return 0;
	}
	if (argc > 1 && !(verb = find_verb(argv[1])))
		return argv[1][0] == '-' ? err_set(err, ERR_USAGE, 0, "no option '%s'", argv[1])
					 : unknown_verb(argv[1], err);
	if (g.help) {
		print_help(verb);
		return 0;
	}
	if (!verb)
		return err_set(err, ERR_USAGE, 0, "no verb");
	cli->json = g.json;
	cli->quiet = g.quiet;
	cli->debug = g.debug;
	r = set_root(cli, g.root, root, sizeof(root), err);
	if (r == 0)
		r = load_config(cli, g.config, err);
	if (r < 0)
		return r;
	log_open("nvcoreos", cli->conf.log_file, cli->conf.log_level);
	if (g.debug)
		log_to_stderr(LOG_LEVEL_DEBUG);
	return verb->fn(cli, argc - 1, argv + 1, err);
}

static void noreturn_fn out_of_memory(void)
{
	struct err err = ERR_INIT;
	char line[ERR_MSG_MAX + 512];

	err_set(&err, ERR_NOMEM, 0, "nvcoreos");
	fprintf(stderr, "nvcoreos: %s\n", err_line(&err, line, sizeof(line)));
	_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	struct cli cli = { .root = "" };
	struct err err = ERR_INIT;
	char line[2 * ERR_MSG_MAX];
	int r;

	mem_set_oom_handler(out_of_memory);
	/* Trees must be readable by every container, whoever installs them. */
	umask(022);
	opterr = 0;
	r = run(&cli, argc, argv, &err);
	if (fflush(stdout) != 0 && r == 0)
		r = err_set(&err, ERR_IO, errno, "standard output");
	config_free(&cli.conf);
	log_close();
	if (r >= 0)
		return EXIT_DONE;
	fprintf(stderr, "nvcoreos: %s\n", err_line(&err, line, sizeof(line)));
	return err.code == ERR_USAGE ? EXIT_USAGE : err.code == ERR_NO_GPU ? EXIT_NOT_HERE : EXIT_FAILED;
}
