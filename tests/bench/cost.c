/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost --dir DIR --lower ROOT --bin BUILD [--alone] [--nothing] [--runs N | --calls]: what one start costs in nvcoreos-runtime and
 * in nvcoreos-hook, each from its execve to its end (the shim's is the execve of the low-level runtime). DIR is as stage.h
 * wants it, with bin/nothing, a program that does nothing, and conf.cpu, whose low-level runtime that is. Each run has a
 * container of its own; the shim edits its config.json, the hook serves it. One line each:
 *   shim|hook calls N     system calls
 *   shim|hook memory N    resident, KiB, at most
 *   shim|hook cpu N       microseconds of user and system time together, what a program that does nothing takes taken off:
 *                         the median of N runs (21). Where the clock counts instructions (QEMU, -icount shift=0), these
 *                         are thousands of instructions, the kernel's too.
 *   --alone     no shim: the hook as from hooks.d, which opens the device cgroup too
 *   --nothing   the container asks for nothing (DIR/plain.json)
 *   --calls     each system call instead: "hook 17 257", its place and its number
 */
#include <getopt.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "stage.h"
#include "trace.h"

#define TIMEOUT_MS 20000
#define ID "box"

struct figures {
	unsigned long calls, memory;
};

struct cost {
	struct stage stage;
	struct box box;
	const char *bin;
	bool alone, nothing, show_calls;
	unsigned runs;

	const char *name; /* of the program that runs */
	struct figures *figures;
	bool replaced; /* it would have become another program, and was killed for it */
};

/* A number of a file in /proc, "KEY: N kB". */
static unsigned long read_kib(pid_t pid, const char *file, const char *key)
{
	unsigned long kib = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	while (f && !kib && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtoul(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* The peak that the kernel keeps is late by up to 64 pages. */
static unsigned long memory_of(pid_t pid)
{
	unsigned long peak = read_kib(pid, "status", "VmHWM:"), now = read_kib(pid, "smaps_rollup", "Rss:");

	return peak > now ? peak : now;
}

/* By its last call a program has been as large as it gets, and is still itself. */
static void seen(void *arg, unsigned long n, long nr)
{
	struct cost *c = arg;

	c->figures->calls = n;
	if (c->show_calls)
		printf("%s %lu %ld\n", c->name, n, nr);
	if (nr == SYS_execve || nr == SYS_exit_group)
		c->figures->memory = memory_of((pid_t)trace_pid);
	if (nr == SYS_execve) {
		c->replaced = true;
		kill((pid_t)trace_pid, SIGKILL);
	}
}

static void count(struct cost *c, const char *const *argv, int in)
{
	int said = stage_stderr();
	struct trace t = {
		.argv = argv, .in = in, .out = -1, .err = said, .seen = seen, .arg = c, .timeout_ms = TIMEOUT_MS
	};
	struct outcome o;

	c->replaced = false;
	if (trace_run(&t) < 0)
		stage_die("%s", argv[0]);
	o.status = t.status;
	stage_said(said, &o);
	if (!c->replaced && !outcome_ok(&o)) {
		fprintf(stderr, "%s failed: %s\n", c->name, o.said);
		_exit(1);
	}
}

static const char *const *shim_argv(const struct cost *c, const char *conf)
{
	static char program[STAGE_PATH], config[STAGE_PATH];
	static const char *argv[10];
	int n = 0;

	argv[n++] = stage_path(program, c->bin, "nvcoreos-runtime");
	argv[n++] = "--nvcoreos-config";
	argv[n++] = stage_path(config, c->stage.dir, "%s", conf);
	argv[n++] = "--root";
	argv[n++] = "/run/nvctest";
	argv[n++] = "create";
	argv[n++] = "--bundle";
	argv[n++] = c->box.dir;
	argv[n++] = ID;
	argv[n] = NULL;
	return argv;
}

static const char *const *hook_argv(const struct cost *c)
{
	static char program[STAGE_PATH], config[STAGE_PATH];
	static const char *argv[8];
	int n = 0;

	argv[n++] = stage_path(program, c->bin, "nvcoreos-hook");
	argv[n++] = "--config";
	argv[n++] = stage_path(config, c->stage.dir, "conf");
	if (!c->alone)
		argv[n++] = "--device-cgroup=none";
	argv[n++] = "prestart";
	argv[n] = NULL;
	return argv;
}

/* A container that nobody has touched. */
static void fresh(struct cost *c)
{
	char from[STAGE_PATH], to[STAGE_PATH];

	box_fresh(&c->stage, &c->box);
	stage_path(from, c->stage.dir, c->nothing ? "plain.json" : "config.json");
	stage_copy(from, stage_path(to, c->box.dir, "config.json"));
}

static void count_both(struct cost *c, struct figures *shim, struct figures *hook)
{
	int in;

	fresh(c);
	c->name = "shim";
	c->figures = shim;
	if (!c->alone)
		count(c, shim_argv(c, "conf"), -1);
	box_start(&c->box);
	c->name = "hook";
	c->figures = hook;
	in = box_state(&c->box);
	count(c, hook_argv(c), in);
	close(in);
	box_end(&c->box);
}

/* Microseconds of a program that runs as it is. */
static unsigned long cpu_of(const char *const *argv, int in)
{
	char *env[] = { NULL };
	struct rusage used;
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		if (in >= 0)
			dup2(in, 0);
		execve(argv[0], (char *const *)(uintptr_t)argv, env);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid || status != 0)
		stage_die("%s", argv[0]);
	return (unsigned long)((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
			       used.ru_stime.tv_usec);
}

static int by_size(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static unsigned long median(unsigned long *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

/* The three in turn, so that what the machine does beside meets all of them. */
static void measure_cpu(struct cost *c, unsigned long *ret_shim, unsigned long *ret_hook)
{
	unsigned long *v = calloc((size_t)c->runs * 3, sizeof(*v)), *nothing = v, *shim = v + c->runs,
		      *hook = shim + c->runs;
	const char *const *run;
	char program[STAGE_PATH];
	const char *const idle[] = { stage_path(program, c->stage.dir, "bin/nothing"), NULL };

	if (!v)
		stage_die("memory");
	for (unsigned i = 0; i < c->runs; i++) {
		int in;

		fresh(c);
		nothing[i] = cpu_of(idle, -1);
		/* The low-level runtime that the shim becomes is one more of those. */
		run = c->alone ? idle : shim_argv(c, "conf.cpu");
		shim[i] = cpu_of(run, -1);
		box_start(&c->box);
		in = box_state(&c->box);
		hook[i] = cpu_of(hook_argv(c), in);
		close(in);
		box_end(&c->box);
	}
	median(nothing, c->runs);
	*ret_shim = median(shim, c->runs) - nothing[c->runs / 2];
	*ret_hook = median(hook, c->runs) - nothing[c->runs / 2];
	free(v);
}

static void measure(struct cost *c)
{
	struct figures shim = { 0 }, hook = { 0 };
	unsigned long shim_cpu, hook_cpu;

	count_both(c, &shim, &hook);
	if (c->show_calls)
		return;
	measure_cpu(c, &shim_cpu, &hook_cpu);
	if (!c->alone)
		printf("shim calls %lu\nshim memory %lu\nshim cpu %lu\n", shim.calls, shim.memory, shim_cpu);
	printf("hook calls %lu\nhook memory %lu\nhook cpu %lu\n", hook.calls, hook.memory, hook_cpu);
}

static const struct option options[] = {
	{ "dir", 1, NULL, 'd' },     { "lower", 1, NULL, 'l' }, { "bin", 1, NULL, 'b' },   { "alone", 0, NULL, 'a' },
	{ "nothing", 0, NULL, 'n' }, { "runs", 1, NULL, 'r' },	{ "calls", 0, NULL, 'c' }, { 0 },
};

static void parse(struct cost *c, int argc, char **argv)
{
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (o == 'd')
			c->stage.dir = optarg;
		else if (o == 'l')
			c->stage.lower = optarg;
		else if (o == 'b')
			c->bin = optarg;
		else if (o == 'a')
			c->alone = true;
		else if (o == 'n')
			c->nothing = true;
		else if (o == 'r')
			c->runs = (unsigned)strtoul(optarg, NULL, 10);
		else if (o == 'c')
			c->show_calls = true;
		else
			_exit(2);
	if (!c->stage.dir || !c->stage.lower || !c->bin || !c->runs || optind != argc)
		_exit(2);
}

int main(int argc, char **argv)
{
	struct cost c = { .runs = 21 };

	parse(&c, argc, argv);
	/* The same addresses each time: what depends on them is the same then. */
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		stage_die("personality");
	stage_open(&c.stage);
	box_open(&c.stage, &c.box, 0);
	measure(&c);
	return 0;
}
