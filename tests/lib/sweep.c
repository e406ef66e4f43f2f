/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep --dir DIR --hook FILE --lower DIR [--users UID] [--step K] [--first N] MODE [ARG]: runs nvcoreos-hook once for each of its system
 * calls and does something to it there (see trace.h, stage.h). After each run: the host is as it was, no process is left,
 * the container's layer holds whole files of ours alone, and a second run on that layer gives what an undisturbed run gives.
 *   signal N      the hook gets this signal
 *   errno LIST    the call is not made and fails: names, "EIO,ENOSPC"
 *   short         a read or a write gets one byte
 *   init          the container's init is killed
 *   second        a second hook is started on the container
 *   beside        a hook is started on another container that has the same root
 *   flip LINK     the relative symlinks LINK and LINK.other, below DIR, change places (and the files in FLIP_FILES with them)
 *   busy          no tracing: another holds the container
 *   again K       no tracing: K starts on one layer
 *   parallel K    no tracing: K containers at once
 * Prints "# ..." lines with the counts; exit 0, or 1 where something did not hold.
 */
#include <getopt.h>
#include <sys/file.h>
#include <time.h>

#include "stage.h"
#include "trace.h"

#define FAILURES_SHOWN 20
#define TIMEOUT_MS 10000
#define SIGNALS_SET 40 /* calls after its start, at most, in which the hook sets what it does at signals */
#define END_MS 3000    /* within which a hook ends whose container has gone; its own deadline is 5 s */
#define REFERENCES 2

struct reference {
	struct listing layer, mounts;
};

struct sweep {
	struct stage stage;
	struct box box, other;
	unsigned long step, first;
	const char *mode;
	struct trace trace;
	struct reference ref[REFERENCES];
	unsigned refs;
	unsigned long own_start; /* the first call behind the C library's own start */
	unsigned long ready;	 /* the last one that sets what is done at signals */
	unsigned long ref_calls;
	long *nrs;	  /* the calls of an undisturbed run, from 1 */
	uint64_t *layers; /* digests of the layers on which a second run has been right */
	size_t n_layers;
	const char *link; /* flip */
	pid_t second;
	int second_said;
	struct timespec stopped;

	unsigned long points, done, others, lesser, refused, ended, failures, reruns, temps;
};

static double ms_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) * 1e3 + (double)(now.tv_nsec - t->tv_nsec) / 1e6;
}

static void fail(struct sweep *s, const char *fmt, ...)
{
	va_list ap;

	if (++s->failures > FAILURES_SHOWN)
		return;
	fprintf(stderr, "# FAILED: %s, call %lu (number %ld): ", s->mode, s->trace.at, s->trace.nr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void reference_free(struct reference *r)
{
	listing_free(&r->layer);
	listing_free(&r->mounts);
}

static void look_inside(struct sweep *s, struct reference *ret)
{
	*ret = (struct reference){ 0 };
	box_layer(&s->box, &ret->layer);
	box_mounts(&s->box, &ret->mounts);
}

/* Which reference the container equals, or -1; then what differs from the first is printed where it is asked for. */
static int which(struct sweep *s, FILE *out)
{
	struct reference now;
	int r = -1;

	look_inside(s, &now);
	for (unsigned i = 0; i < s->refs && r < 0; i++)
		if (!listing_diff(&s->ref[i].layer, &now.layer, NULL) &&
		    !listing_diff(&s->ref[i].mounts, &now.mounts, NULL))
			r = (int)i;
	if (r < 0 && out && s->failures < FAILURES_SHOWN) {
		listing_diff(&s->ref[0].layer, &now.layer, out);
		listing_diff(&s->ref[0].mounts, &now.mounts, out);
	}
	reference_free(&now);
	return r;
}

static void no_children(struct sweep *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		fail(s, "a process was left, and has ended since: %d", (int)pid);
	if (pid == 0)
		fail(s, "a process is left");
}

/*
 * After a run that did not end well. A temporary file of ours may stand in the layer, but only under the name that the next
 * run looks for.
 */
static void check_layer(struct sweep *s)
{
	struct listing now = { 0 };

	box_layer(&s->box, &now);
	for (size_t i = 0; i < now.n; i++) {
		const char *line = now.line[i], *mode = strstr(line, " mode ");
		bool ours = false;

		for (unsigned r = 0; r < s->refs; r++)
			ours |= listing_has(&s->ref[r].layer, line);
		if (ours || strncmp(mode, " mode 40755 ", 12) == 0)
			continue;
		if (memmem(line, (size_t)(mode - line), "/.nvcoreos-", 11))
			s->temps++;
		else
			fail(s, "the layer holds %s", line);
	}
	listing_free(&now);
}

/* Whether a second run on such a layer was right already; what it does depends on the layer alone. */
static bool is_known_layer(struct sweep *s)
{
	struct listing now = { 0 };
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	box_layer(&s->box, &now);
	for (size_t i = 0; i < now.n; i++)
		for (const char *p = now.line[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	listing_free(&now);
	for (size_t i = 0; i < s->n_layers; i++)
		if (s->layers[i] == h)
			return true;
	s->layers = realloc(s->layers, (s->n_layers + 1) * sizeof(*s->layers));
	if (!s->layers)
		abort();
	s->layers[s->n_layers++] = h;
	return false;
}

/* Once more on the same layer: a container is restarted. */
static void rerun(struct sweep *s)
{
	struct outcome o;

	if (is_known_layer(s))
		return;
	box_start(&s->box);
	box_hook(&s->stage, &s->box, &o);
	s->reruns++;
	if (!outcome_ok(&o))
		fail(s, "the next run ended with %x: %s", (unsigned)o.status, o.said);
	else if (which(s, stderr) < 0)
		fail(s, "the next run gives something else");
	box_end(&s->box);
}

static void check_host(struct sweep *s)
{
	if (stage_changed(&s->stage)) {
		fail(s, "the host has changed");
		stage_remember(&s->stage);
	}
}

/* One run on a fresh container, under s->trace. */
static void run(struct sweep *s, struct outcome *o)
{
	int r;

	box_fresh(&s->stage, &s->box);
	box_start(&s->box);
	stage_remember(&s->stage);
	s->trace.argv = stage_argv(&s->stage);
	s->trace.in = box_state(&s->box);
	s->trace.out = -1;
	s->trace.err = stage_stderr();
	s->trace.timeout_ms = TIMEOUT_MS;
	r = trace_run(&s->trace);
	if (r < 0)
		stage_die("%s", s->stage.hook);
	close(s->trace.in);
	o->status = s->trace.status;
	stage_said(s->trace.err, o);
}

/* ---- what the modes expect of a run's end ---- */

/*
 * An image may close one of its own directories to everybody, and gets less then: EACCES of openat2 says no more than that, nor
 * does that of statx, by which a name is looked at in a directory that is open.
 */
static bool is_closed(const struct sweep *s)
{
	return s->trace.what == TRACE_ERRNO && s->trace.value == EACCES &&
	       (s->trace.nr == SYS_openat2 || s->trace.nr == SYS_statx);
}

static void judge_end(struct sweep *s, const struct outcome *o, bool killed)
{
	if (s->trace.timed_out)
		fail(s, "it did not end");
	else if (outcome_ok(o)) {
		s->done++;
		if (which(s, NULL) >= 0) {
			s->others += which(s, NULL) > 0;
			return;
		}
		if (is_closed(s))
			s->lesser++;
		else if (which(s, stderr) < 0)
			fail(s, "it said that all is well, and it is not");
	} else if (outcome_error(o))
		s->refused++;
	else if (killed && WIFSIGNALED(o->status) && WTERMSIG(o->status) == s->trace.value)
		s->ended++;
	else
		fail(s, "it ended with %x and said: %s", (unsigned)o->status, o->said);
}

/* One point of the sweep and all that is checked behind it. */
static void point(struct sweep *s, bool killed)
{
	struct outcome o;

	run(s, &o);
	if (s->trace.at > s->trace.calls || !s->trace.fired) {
		box_end(&s->box);
		no_children(s);
		return;
	}
	s->points++;
	judge_end(s, &o, killed);
	check_host(s);
	box_end(&s->box);
	no_children(s);
	if (!is_closed(s))
		check_layer(s);
	rerun(s);
}

/* The hook begins by asking for its three fds, in one call. */
static void find_start(void *arg, unsigned long n, long nr)
{
	struct sweep *s = arg;

	if (!s->own_start && nr == SYS_poll)
		s->own_start = n;
	if (nr == SYS_rt_sigaction && n < s->own_start + SIGNALS_SET)
		s->ready = n;
	s->nrs = realloc(s->nrs, (n + 1) * sizeof(*s->nrs));
	if (!s->nrs)
		abort();
	s->nrs[n] = nr;
}

static void undisturbed(struct sweep *s, struct reference *ret)
{
	struct outcome o;

	s->trace.what = TRACE_COUNT;
	s->trace.at = 0;
	s->trace.seen = find_start;
	s->trace.arg = s;
	run(s, &o);
	s->trace.seen = NULL;
	s->ref_calls = s->trace.calls;
	if (!outcome_ok(&o)) {
		fprintf(stderr, "# an undisturbed run ended with %x: %s\n", (unsigned)o.status, o.said);
		exit(1);
	}
	look_inside(s, ret);
	check_host(s);
	box_end(&s->box);
}

/* Calls each() for every call of the hook, or every step-th. */
static void each_call(struct sweep *s, void (*each)(struct sweep *s))
{
	for (unsigned long n = s->first;; n += s->step) {
		s->trace.at = n;
		/* It stays where each() leaves a call out. */
		s->trace.calls = s->ref_calls;
		each(s);
		if (n > s->trace.calls)
			return;
	}
}

/* ---- modes ---- */

static void signal_point(struct sweep *s)
{
	s->trace.what = TRACE_SIGNAL;
	point(s, s->trace.value == SIGKILL || s->trace.at <= s->ready);
}

static void short_point(struct sweep *s)
{
	if (s->trace.at <= s->ref_calls && !trace_is_io(s->nrs[s->trace.at]))
		return;
	s->trace.what = TRACE_SHORT;
	point(s, false);
}

static const struct {
	const char *name;
	int value;
} errnos[] = {
	{ "EINTR", EINTR },   { "EAGAIN", EAGAIN }, { "ENOSPC", ENOSPC }, { "EIO", EIO },	{ "ENOMEM", ENOMEM },
	{ "EROFS", EROFS },   { "EACCES", EACCES }, { "EMFILE", EMFILE }, { "ESTALE", ESTALE }, { "EDQUOT", EDQUOT },
	{ "ENOENT", ENOENT }, { "EPERM", EPERM },   { "ENOSYS", ENOSYS },
};

/* What the C library asks for before main it cannot do without, and says so in its own words. */
static void errno_point(struct sweep *s)
{
	if (s->trace.at < s->own_start)
		return;
	s->trace.what = TRACE_ERRNO;
	point(s, false);
}

static void errno_sweep(struct sweep *s, char *list)
{
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		s->trace.value = 0;
		for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
			if (strcmp(errnos[i].name, word) == 0)
				s->trace.value = errnos[i].value;
		if (!s->trace.value)
			exit(2);
		s->mode = word;
		each_call(s, errno_point);
	}
}

static void kill_init(void *arg)
{
	struct sweep *s = arg;

	box_end(&s->box);
	clock_gettime(CLOCK_MONOTONIC, &s->stopped);
}

/* Its container is gone, so what a successful run has done cannot be seen any more but in the layer. */
static void init_point(struct sweep *s)
{
	struct outcome o;

	s->trace.what = TRACE_STOP;
	s->trace.stopped = kill_init;
	s->trace.arg = s;
	run(s, &o);
	box_end(&s->box);
	if (s->trace.at > s->trace.calls)
		return;
	s->points++;
	if (s->trace.timed_out || ms_since(&s->stopped) > END_MS)
		fail(s, "it needed %.0f ms", ms_since(&s->stopped));
	if (outcome_ok(&o))
		s->done++;
	else if (outcome_error(&o))
		s->refused++;
	else
		fail(s, "it ended with %x and said: %s", (unsigned)o.status, o.said);
	check_host(s);
	no_children(s);
	check_layer(s);
	rerun(s);
}

/* The other hook gets some time to do what it can: to its end, or until it waits for the one that stands. */
static void start_second(void *arg)
{
	struct sweep *s = arg;

	s->second = box_hook_start(&s->stage, &s->box, &s->second_said);
	for (int i = 0; i < 15; i++) {
		siginfo_t info = { 0 };
		struct timespec ms = { 0, 2000000 };

		if (waitid(P_PID, (id_t)s->second, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
			return;
		nanosleep(&ms, NULL);
	}
}

/* A namespace of its own, with mounts of its own, over the same directories. */
static void start_beside(void *arg)
{
	struct sweep *s = arg;
	struct box first = s->box;

	box_start(&s->box);
	s->other = s->box;
	start_second(s);
	s->box = first;
}

static void beside_point(struct sweep *s)
{
	struct outcome o[2];

	s->trace.what = TRACE_STOP;
	s->trace.stopped = start_beside;
	s->trace.arg = s;
	run(s, &o[0]);
	if (s->trace.at > s->trace.calls) {
		box_end(&s->box);
		return;
	}
	while (waitpid(s->second, &o[1].status, 0) < 0 && errno == EINTR)
		;
	stage_said(s->second_said, &o[1]);
	s->points++;
	for (int i = 0; i < 2; i++) {
		judge_end(s, &o[i], false);
		if (outcome_error(&o[i]))
			fail(s, "it said: %s", o[i].said);
		box_end(&s->box);
		s->box = s->other;
	}
	check_host(s);
	no_children(s);
	rerun(s);
}

static void second_point(struct sweep *s)
{
	struct outcome o[2];

	s->trace.what = TRACE_STOP;
	s->trace.stopped = start_second;
	s->trace.arg = s;
	run(s, &o[0]);
	if (s->trace.at > s->trace.calls) {
		box_end(&s->box);
		return;
	}
	while (waitpid(s->second, &o[1].status, 0) < 0 && errno == EINTR)
		;
	stage_said(s->second_said, &o[1]);
	s->points++;
	for (int i = 0; i < 2; i++) {
		judge_end(s, &o[i], false);
		/* The one waits for the other, and neither finds the other's things half-made. */
		if (outcome_error(&o[i]))
			fail(s, "it said: %s", o[i].said);
	}
	check_host(s);
	box_end(&s->box);
	no_children(s);
	rerun(s);
}

/* The driver that is loaded, or the toolkit that is chosen, is another one from here on. */
static void flip(struct sweep *s)
{
	char a[STAGE_PATH], b[STAGE_PATH], link[STAGE_PATH];
	const char *save = s->link;

	for (const char *p = s->link; *p; p += strcspn(p, ","), p += *p == ',') {
		snprintf(link, sizeof(link), "%.*s", (int)strcspn(p, ","), p);
		stage_path(a, s->stage.dir, "%s", link);
		stage_path(b, s->stage.dir, "%s.other", link);
		if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0)
			stage_die("%s and %s", a, b);
	}
	s->link = save;
}

static void flip_stopped(void *arg)
{
	struct sweep *s = arg;

	flip(s);
	stage_remember(&s->stage);
}

static void flip_point(struct sweep *s)
{
	s->trace.what = TRACE_STOP;
	s->trace.stopped = flip_stopped;
	s->trace.arg = s;
	point(s, false);
	if (s->trace.fired)
		flip(s);
}

static void again(struct sweep *s, unsigned long times)
{
	struct outcome o;

	box_fresh(&s->stage, &s->box);
	for (s->trace.at = 1; s->trace.at <= times; s->trace.at++) {
		box_start(&s->box);
		stage_remember(&s->stage);
		box_hook(&s->stage, &s->box, &o);
		s->points++;
		o.status = outcome_ok(&o) ? 0 : o.status;
		judge_end(s, &o, false);
		check_host(s);
		box_end(&s->box);
	}
}

static void busy(struct sweep *s)
{
	char path[64];
	struct outcome o;
	int ns;

	box_fresh(&s->stage, &s->box);
	box_start(&s->box);
	stage_remember(&s->stage);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)s->box.init);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || flock(ns, LOCK_EX) < 0)
		stage_die("%s", path);
	box_hook(&s->stage, &s->box, &o);
	s->points++;
	if (!outcome_error(&o) || !strstr(o.said, ": E54: "))
		fail(s, "it ended with %x and said: %s", (unsigned)o.status, o.said);
	else
		s->refused++;
	close(ns);
	check_host(s);
	box_hook(&s->stage, &s->box, &o);
	s->points++;
	judge_end(s, &o, false);
	box_end(&s->box);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void parallel(struct sweep *s, unsigned long n)
{
	struct box *boxes = calloc(n, sizeof(*boxes));
	double *took = calloc(n, sizeof(*took));
	pid_t *pids = calloc(n, sizeof(*pids));
	int *said = calloc(n, sizeof(*said));
	struct timespec start;
	struct box own = s->box;

	for (unsigned long i = 0; i < n; i++) {
		box_open(&s->stage, &boxes[i], (unsigned)i + 1);
		box_fresh(&s->stage, &boxes[i]);
		box_start(&boxes[i]);
	}
	stage_remember(&s->stage);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned long i = 0; i < n; i++)
		pids[i] = box_hook_start(&s->stage, &boxes[i], &said[i]);
	for (unsigned long left = n; left > 0; left--) {
		struct outcome o;
		unsigned long i = 0;
		pid_t pid = waitpid(-1, &o.status, 0);

		while (i < n && pids[i] != pid)
			i++;
		if (i == n)
			stage_die("a process of another");
		took[i] = ms_since(&start);
		stage_said(said[i], &o);
		s->box = boxes[i];
		s->points++;
		judge_end(s, &o, false);
	}
	s->box = own;
	check_host(s);
	for (unsigned long i = 0; i < n; i++)
		box_end(&boxes[i]);
	no_children(s);
	qsort(took, n, sizeof(*took), compare_double);
	printf("# %lu at once: half of them done after %.1f ms, 99%% after %.1f ms, all after %.1f ms\n", n,
	       took[n / 2], took[n * 99 / 100], took[n - 1]);
	free(boxes);
	free(took);
	free(pids);
	free(said);
}

/* On one processor a stop costs half of what it costs between two. */
static void stay_here(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static bool choose(struct sweep *s, char *arg)
{
	if (strcmp(s->mode, "parallel") != 0)
		stay_here();
	if (strcmp(s->mode, "short") == 0)
		each_call(s, short_point);
	else if (strcmp(s->mode, "init") == 0)
		each_call(s, init_point);
	else if (strcmp(s->mode, "second") == 0)
		each_call(s, second_point);
	else if (strcmp(s->mode, "beside") == 0)
		each_call(s, beside_point);
	else if (strcmp(s->mode, "busy") == 0)
		busy(s);
	else if (!arg)
		return false;
	else if (strcmp(s->mode, "signal") == 0) {
		s->trace.value = atoi(arg);
		each_call(s, signal_point);
	} else if (strcmp(s->mode, "errno") == 0)
		errno_sweep(s, arg);
	else if (strcmp(s->mode, "flip") == 0)
		each_call(s, flip_point);
	else if (strcmp(s->mode, "again") == 0)
		again(s, strtoul(arg, NULL, 10));
	else if (strcmp(s->mode, "parallel") == 0)
		parallel(s, strtoul(arg, NULL, 10));
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dir", 1, 0, 'd' },
						 { "hook", 1, 0, 'h' },
						 { "lower", 1, 0, 'l' },
						 { "users", 1, 0, 'u' },
						 { "step", 1, 0, 's' },
						 { "first", 1, 0, 'f' },
						 { 0 } };
	struct sweep s = { .step = 1, .first = 1, .refs = 1 };
	char *mode, *arg;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			s.stage.dir = optarg;
		else if (c == 'h')
			s.stage.hook = optarg;
		else if (c == 'l')
			s.stage.lower = optarg;
		else if (c == 'u')
			s.stage.users = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 's')
			s.step = strtoul(optarg, NULL, 10);
		else if (c == 'f')
			s.first = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	mode = argv[optind];
	arg = mode ? argv[optind + 1] : NULL;
	if (!s.stage.dir || !s.stage.hook || !s.stage.lower || !s.step || !s.first || !mode)
		return fputs("usage: see the head of sweep.c\n", stderr), 2;
	s.mode = mode;
	stage_open(&s.stage);
	box_open(&s.stage, &s.box, 0);
	undisturbed(&s, &s.ref[0]);
	printf("# an undisturbed run makes %lu system calls\n", s.trace.calls);
	if (strcmp(s.mode, "flip") == 0 && arg) {
		s.link = arg;
		flip(&s);
		undisturbed(&s, &s.ref[1]);
		flip(&s);
		s.refs = 2;
	}
	fflush(stdout);
	if (!choose(&s, arg))
		return fputs("usage: see the head of sweep.c\n", stderr), 2;
	printf("# %s: %lu points: %lu all well (%lu by the other driver or toolkit, %lu with less), %lu refused with one line, %lu ended by the signal; %lu second runs on layers that differ, "
	       "%lu temporary files found; %lu failures\n",
	       mode, s.points, s.done, s.others, s.lesser, s.refused, s.ended, s.reruns, s.temps, s.failures);
	return s.failures != 0;
}
