/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvcoreos-load: kernel modules and device nodes, when they are missing. The engine of `nvcoreos load`, and what a
 * container's start runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apply/load.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/config.h"
#include "host/hostroot.h"
#include "host/inventory.h"
#include "host/inventory_text.h"
#include "load_busy.h"
#include "load_forget.h"
#include "load_modules.h"
#include "load_nodes.h"

#define LOCK_FILE "load.lock"
#define USAGE \
	"Usage: " LOAD_PROGRAM " [--config FILE] [--missing|--nodes|--own|--prove DRIVER|--unload]\n" \
	"Loads the NVIDIA kernel modules and makes their device nodes, where they are missing,\n" \
	"and gives the nodes the owner and mode that the driver says, unless --missing; or makes\n" \
	"the nodes alone, of modules that are loaded; or takes the kernel's own modules, whatever the store has;\n" \
	"or only says whether the modules of a driver would fit; or unloads the modules.\n"

struct args {
	const char *file, *prove;
	bool unload, nodes, missing, own;
};

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static noreturn_fn void out_of_memory(void)
{
	static const char line[] = LOAD_PROGRAM ": E01: out of memory: loading modules: free memory\n";
	ssize_t r = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)r;
	_exit(EXIT_FAILED);
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static char too_long[128];

/* A module that hangs in the kernel is beyond this; who waits for us has a limit of his own. */
static noreturn_fn void on_alarm(int sig)
{
	ssize_t r = write(STDERR_FILENO, too_long, strlen(too_long));

	(void)sig;
	(void)r;
	_exit(EXIT_FAILED);
}

static void limit_work(unsigned seconds, enum err_code code)
{
	snprintf(too_long, sizeof(too_long), LOAD_PROGRAM ": E%02d: %s: not done within %u s: see 'dmesg'\n", code,
		 err_code_what(code), seconds);
	signal(SIGALRM, on_alarm);
	alarm(seconds);
}

/* Whoever holds the lock has written his number; one who was killed and is still there (SIGKILL is bit 8) is stuck in the kernel. */
static bool is_stuck(int lock)
{
	char pid[16] = "", path[48], value[32];
	cleanup_free char *text = NULL;
	uint64_t number, pending;
	size_t len;

	if (pread(lock, pid, sizeof(pid) - 1, 0) <= 0 || str_to_u64(pid, INT32_MAX, &number) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)number);
	return fd_read_file_at(AT_FDCWD, path, 65536, &text, &len) == 0 &&
	       inventory_text_key(text, "ShdPnd", value, sizeof(value)) &&
	       str_to_hex(value, UINT64_MAX, &pending) == 0 && (pending >> (SIGKILL - 1) & 1);
}

static void write_holder(int lock)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	if (ftruncate(lock, 0) < 0 || pwrite(lock, pid, (size_t)n, 0) != n)
		log_warning(LOCK_FILE ": %s", strerror(errno));
}

/*
 * Two loaders at once would meet half-made nodes and each other's EEXIST: the second waits, and then finds all
 * done.
 */
static int take_lock(const struct config *conf, enum err_code too_late, struct err *err)
{
	cleanup_fd int dir = -EBADF, fd = -EBADF;
	int r = fd_mkdir_p(AT_FDCWD, conf->run_dir, 0755);

	if (r == 0)
		dir = fd_open_dir(conf->run_dir);
	if (r == 0 && dir >= 0)
		fd = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r < 0 || fd < 0) {
		int e = r < 0 ? -r : dir < 0 ? -dir : errno;

		return err_set(err, geteuid() != 0 && e == EACCES ? ERR_PRIVILEGE : ERR_IO, e, "%s/" LOCK_FILE,
			       conf->run_dir);
	}
	for (unsigned long waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 50) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, ERR_IO, errno, "%s/" LOCK_FILE, conf->run_dir);
		if (waited >= conf->load_timeout * 1000ul) {
			err_set(err, ERR_BUSY, 0,
				"another " LOAD_PROGRAM " has been at work for %u s (%s/" LOCK_FILE ")",
				conf->load_timeout, conf->run_dir);
			if (is_stuck(fd))
				err_hint(err, PROC_STUCK);
			return -EWOULDBLOCK;
		}
		pause_ms(50);
	}
	write_holder(fd);
	limit_work(conf->load_timeout, too_late);
	return take_fd(fd);
}

static void print_nodes(const struct load_nodes_done *nodes)
{
	const int last = nodes->mended ? nodes->mended : nodes->made;

	if (!last)
		puts("all device nodes are there");
	else if (!nodes->mended || !nodes->made)
		printf("%s %d device node%s\n", nodes->mended ? "set owner and mode of" : "made", last,
		       last == 1 ? "" : "s");
	else
		printf("made %d device node%s, set owner and mode of %d\n", nodes->made, nodes->made == 1 ? "" : "s",
		       nodes->mended);
}

static void print_result(const struct inventory *inv, const struct load_modules *m, const struct load_nodes_done *nodes)
{
	for (size_t i = 0; i < m->warnings.n; i++)
		fprintf(stderr, LOAD_PROGRAM ": warning: %s\n", m->warnings.v[i]);
	printf("driver %s: ", inv->driver);
	for (size_t i = 0; i < m->names.n; i++)
		printf("%s%s", i ? ", " : "loaded ", m->names.v[i]);
	if (m->names.n)
		printf(" from %s; ", m->from);
	else
		printf("loaded already; ");
	print_nodes(nodes);
}

/*
 * With the lock held: the inventory is read anew, as another loader may have done the work meanwhile. A start waits for it, and is
 * kept waiting for no module that it can do without.
 */
static int load_locked(const struct config *conf, const struct hostroot *root, const struct args *args, struct err *err)
{
	struct inventory inv cleanup(inventory_free);
	struct load_modules mods cleanup_load_modules = { .arena = ARENA_INIT };
	struct load_nodes_done nodes;
	int r = inventory_read(&inv, root, err);

	if (r == 0 &&
	    (!inv.driver || inv.major_uvm == INVENTORY_NO_MAJOR || (!args->missing && load_modules_lack(conf)))) {
		r = args->own ? load_modules_insert_own(&mods, conf, &inv, err)
			      : load_modules_insert(&mods, conf, &inv, err);
		inventory_free(&inv);
		if (r == 0)
			r = inventory_read(&inv, root, err);
	}
	if (r < 0)
		return r;
	if (!inv.driver || inv.major_uvm == INVENTORY_NO_MAJOR)
		return err_set(err, ERR_LOAD, 0, "loaded from %s, but %s shows no %s", mods.from, conf->proc_root,
			       inv.driver ? "major of nvidia-uvm" : "driver/nvidia/version");
	/* Nodes of an earlier driver may be there still, and modules that are new may have new parameters. */
	r = load_nodes_make(root, conf, &inv, !args->missing || mods.names.n, &nodes, err);
	if (r == 0)
		print_result(&inv, &mods, &nodes);
	return r;
}

/* Loads nothing, so that what loading causes may run it. Modules that are gone again are no error. */
static int nodes_locked(const struct config *conf, const struct hostroot *root, struct err *err)
{
	struct inventory inv cleanup(inventory_free);
	struct load_modules none = { .arena = ARENA_INIT };
	struct load_nodes_done nodes;
	int r = inventory_read(&inv, root, err);

	if (r < 0 || !inv.driver)
		return r;
	r = load_nodes_make(root, conf, &inv, false, &nodes, err);
	if (r == 0)
		print_result(&inv, &none, &nodes);
	return r;
}

static int check_gpu(const struct config *conf, const struct hostroot *root, struct err *err)
{
	struct inventory inv cleanup(inventory_free);
	int r = inventory_read(&inv, root, err);

	if (r < 0 || (inv.has_pci_gpu && !inv.passthrough))
		return r;
	if (inv.passthrough)
		err_set(err, ERR_NO_GPU, 0, "%s", inv.passthrough);
	else
		err_set(err, ERR_NO_GPU, ENODEV, "%s", conf->sys_root);
	return err_hint(err, "there is nothing to load");
}

/* A module that did not go has its nodes still; those of the others have numbers that are anybody's. */
static void forget_some(const struct hostroot *root, struct inventory *inv)
{
	struct inventory now cleanup(inventory_free) = { .arena = ARENA_INIT };
	struct err why = ERR_INIT;
	char line[ERR_MSG_MAX];

	if (inventory_read(&now, root, &why) < 0) {
		log_warning("device nodes of modules that are gone stay: %s", err_line(&why, line, sizeof(line)));
		return;
	}
	load_forget_keep(inv, &now);
	load_forget_nodes(root->dev, inv);
}

static int unload(const struct config *conf, struct err *err)
{
	cleanup_hostroot struct hostroot root = HOSTROOT_INIT;
	struct inventory inv cleanup(inventory_free) = { .arena = ARENA_INIT };
	struct load_modules mods cleanup_load_modules = { .arena = ARENA_INIT };
	cleanup_fd int lock = take_lock(conf, ERR_UNLOAD, err);
	int r = lock < 0 ? lock : load_busy_check(conf->sys_root, err);

	if (r == 0)
		r = hostroot_open(&root, conf, err);
	if (r == 0)
		r = inventory_read(&inv, &root, err);
	if (r < 0)
		return r;
	r = load_modules_remove(&mods, err);
	if (r < 0) {
		forget_some(&root, &inv);
		return r;
	}
	load_forget_nodes(root.dev, &inv);
	for (size_t i = 0; i < mods.names.n; i++)
		printf("%s%s", i ? ", " : "unloaded ", mods.names.v[i]);
	puts(mods.names.n ? "" : "nothing is loaded");
	return 0;
}

/* Reads only: who loads meanwhile is not in its way. */
static int prove(const struct config *conf, const char *driver, struct err *err)
{
	struct load_modules mods cleanup_load_modules = { .arena = ARENA_INIT };

	limit_work(conf->load_timeout, ERR_LOAD);
	return load_modules_prove(&mods, conf, driver, err);
}

static int run(struct config *conf, const struct args *args, struct err *err)
{
	cleanup_hostroot struct hostroot root = HOSTROOT_INIT;
	cleanup_fd int lock = -EBADF;
	int r = config_load(conf, args->file, err);

	if (r < 0)
		return r;
	log_open(LOAD_PROGRAM, conf->log_file, conf->log_level);
	if (args->unload)
		return unload(conf, err);
	r = hostroot_open(&root, conf, err);
	if (r == 0)
		r = check_gpu(conf, &root, err);
	if (r < 0)
		return r;
	if (args->prove)
		return prove(conf, args->prove, err);
	lock = take_lock(conf, ERR_LOAD, err);
	if (lock < 0)
		return lock;
	return args->nodes ? nodes_locked(conf, &root, err) : load_locked(conf, &root, args, err);
}

static int parse_args(int argc, char **argv, struct args *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "missing", no_argument, NULL, 'm' },
		{ "nodes", no_argument, NULL, 'n' },
		{ "own", no_argument, NULL, 'o' },
		{ "prove", required_argument, NULL, 'p' },
		{ "unload", no_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c') {
			ret->file = optarg;
		} else if (o == 'm') {
			ret->missing = true;
		} else if (o == 'n') {
			ret->nodes = true;
		} else if (o == 'o') {
			ret->own = true;
		} else if (o == 'p') {
			ret->prove = optarg;
		} else if (o == 'u') {
			ret->unload = true;
		} else if (o == 'h') {
			fputs(USAGE, stdout);
			exit(EXIT_DONE);
		} else if (o == 'v') {
			puts(LOAD_PROGRAM " " NVCOREOS_VERSION);
			exit(EXIT_DONE);
		} else {
			return -EINVAL;
		}
	}
	return optind == argc && ret->nodes + ret->unload + ret->missing + ret->own + (ret->prove != NULL) <= 1
		       ? 0
		       : -EINVAL;
}

int main(int argc, char **argv)
{
	struct config conf cleanup(config_free);
	struct err err = ERR_INIT;
	struct args args = { 0 };
	char line[ERR_MSG_MAX];

	mem_set_oom_handler(out_of_memory);
	config_init(&conf);
	if (parse_args(argc, argv, &args) < 0) {
		fputs(USAGE, stderr);
		return EXIT_USAGE;
	}
	umask(022);
	if (run(&conf, &args, &err) == 0)
		return EXIT_DONE;
	fflush(stdout);
	err_line(&err, line, sizeof(line));
	log_write(err.code == ERR_NO_GPU ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s", line);
	fprintf(stderr, LOAD_PROGRAM ": %s\n", line);
	return err.code == ERR_NO_GPU ? LOAD_EXIT_NO_GPU : EXIT_FAILED;
}
