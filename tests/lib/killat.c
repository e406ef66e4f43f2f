/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killat [OPTION...] PROGRAM ARG...: runs a program and does one thing to it at its Nth system call (see trace.h). Ends as
 * the program does: its exit status, 128 + the signal, 124 when it ran past --timeout, 125 where the Nth call never came.
 */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "trace.h"

static const char usage[] = "usage: killat [OPTION...] PROGRAM ARG...\n"
			    "  --at N         at the Nth system call (default: none)\n"
			    "  --after        at its exit instead of its entry\n"
			    "  --signal N     send this signal (default: 9)\n"
			    "  --errno N      do not make the call: it answers this error\n"
			    "  --short        a read or a write is given one byte\n"
			    "  --run COMMAND  stop there, run this in a shell, go on\n"
			    "  --list         print each call's number to stderr\n"
			    "  --count        print how many calls were made to stderr\n"
			    "  --timeout MS   kill the program then\n";

static void run_command(void *arg)
{
	int r = system(arg);

	if (r != 0)
		fprintf(stderr, "killat: the command ended with %d\n", r);
}

static void print_call(void *arg, unsigned long n, long nr)
{
	(void)arg;
	fprintf(stderr, "%lu %ld\n", n, nr);
}

static int number(const char *s)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (end == s || *end || v < 0 || v > INT32_MAX) {
		fprintf(stderr, "killat: not a number: %s\n", s);
		exit(2);
	}
	return (int)v;
}

static bool take_option(struct trace *t, bool *count, int c)
{
	switch (c) {
	case 'n':
		t->at = (unsigned long)number(optarg);
		return true;
	case 'a':
		t->after = true;
		return true;
	case 's':
	case 'e':
		t->what = c == 's' ? TRACE_SIGNAL : TRACE_ERRNO;
		t->value = number(optarg);
		return true;
	case 'S':
		t->what = TRACE_SHORT;
		return true;
	case 'r':
		t->what = TRACE_STOP;
		t->stopped = run_command;
		t->arg = optarg;
		return true;
	case 'l':
		t->seen = print_call;
		return true;
	case 'c':
		*count = true;
		return true;
	case 't':
		t->timeout_ms = (unsigned)number(optarg);
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "at", 1, 0, 'n' },	   { "after", 0, 0, 'a' },
						 { "signal", 1, 0, 's' },  { "errno", 1, 0, 'e' },
						 { "short", 0, 0, 'S' },   { "run", 1, 0, 'r' },
						 { "list", 0, 0, 'l' },	   { "count", 0, 0, 'c' },
						 { "timeout", 1, 0, 't' }, { 0 } };
	struct trace t = { .in = -1, .out = -1, .err = -1, .what = TRACE_SIGNAL, .value = SIGKILL };
	bool count = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (!take_option(&t, &count, c))
			return fputs(usage, stderr), 2;
	if (optind == argc)
		return fputs(usage, stderr), 2;
	t.argv = (const char *const *)&argv[optind];
	r = trace_run(&t);
	if (r < 0) {
		fprintf(stderr, "killat: %s: %s\n", argv[optind], strerror(-r));
		return 126;
	}
	if (count)
		fprintf(stderr, "%lu\n", t.calls);
	if (t.timed_out)
		return 124;
	if (t.at > t.calls)
		return 125;
	return WIFSIGNALED(t.status) ? 128 + WTERMSIG(t.status) : WEXITSTATUS(t.status);
}
