/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define BAR_EVERY_MS 100
/* A line is for what takes long: most installations end before the first one. */
#define FIRST_LINE_MS 3000
#define LINE_EVERY_MS 10000
#define BAR_MAX 40
#define TEXT_MAX 512

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_begin(struct progress *p)
{
	struct winsize w = { 0 };

	*p = (struct progress){ .terminal = isatty(STDERR_FILENO) == 1, .columns = 80, .started = now_ms() };
	if (p->terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		p->columns = w.ws_col;
}

static double mib(double bytes)
{
	return bytes / (1 << 20);
}

void progress_text(const struct install_progress *now, int64_t ms, unsigned columns, char *buf, size_t size)
{
	double part = now->total ? (double)now->done / (double)now->total : 0, rate, left;
	char facts[TEXT_MAX], bar[BAR_MAX + 1], name[256];
	size_t width, filled;

	str_escape(now->name, name, sizeof(name));
	part = part > 1 ? 1 : part;
	rate = ms > 0 ? (double)now->done / (double)ms * 1000 : 0;
	left = rate > 0 && now->total > now->done ? (double)(now->total - now->done) / rate : 0;
	snprintf(facts, sizeof(facts), "%3.0f%%  %.1f/%.1f MiB  %.1f MiB/s  %d:%02d left", part * 100,
		 mib((double)now->done), mib((double)now->total), mib(rate), (int)(left / 60), (int)left % 60);
	if (!columns) {
		snprintf(buf, size, "%s: %s", name, facts + strspn(facts, " "));
		return;
	}
	/* The name goes first where it does not fit, then the bar. */
	width = columns > strlen(facts) + 4 ? columns - strlen(facts) - 4 : 0;
	width = width < BAR_MAX ? width : BAR_MAX;
	filled = (size_t)(part * (double)width);
	memset(bar, '#', filled);
	memset(bar + filled, '.', width - filled);
	bar[width] = '\0';
	snprintf(buf, size, "%s%s%s%s", width ? "[" : "", bar, width ? "]" : "", facts);
	width = strlen(buf);
	if (width + 4 < columns && width + 2 < size)
		snprintf(buf + width, size - width, "  %.*s", (int)(columns - width - 3), name);
	else if (width >= columns && columns <= size)
		buf[columns - 1] = '\0';
}

void progress_show(void *data, const struct install_progress *now)
{
	struct progress *p = data;
	char text[TEXT_MAX];
	int64_t t = now_ms(), since = t - (p->shown ? p->shown : p->started);

	if (p->terminal) {
		if (p->shown && since < BAR_EVERY_MS)
			return;
		progress_text(now, t - p->started, p->columns, text, sizeof(text));
		fprintf(stderr, "\r%s\033[K", text);
	} else {
		if (since < (p->shown ? LINE_EVERY_MS : FIRST_LINE_MS))
			return;
		progress_text(now, t - p->started, 0, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
	fflush(stderr);
	p->shown = t;
}

void progress_end(struct progress *p)
{
	if (p->terminal && p->shown)
		fputs("\r\033[K", stderr);
	fflush(stderr);
}
