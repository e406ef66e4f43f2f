/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/path.h"

#define TARGETS_MAX 64
#define REGEXES_MAX 64

static struct {
	const char *name;
	fuzz_fn *fn;
} targets[TARGETS_MAX];
static size_t n_targets;
static fuzz_fn *selected;

void fuzz_register(const char *name, fuzz_fn *fn)
{
	if (n_targets == TARGETS_MAX)
		abort();
	targets[n_targets].name = name;
	targets[n_targets++].fn = fn;
}

bool fuzz_select(const char *name)
{
	for (size_t i = 0; i < n_targets; i++)
		if (str_eq(targets[i].name, name))
			selected = targets[i].fn;
	return selected != NULL;
}

void fuzz_list(void)
{
	for (size_t i = 0; i < n_targets; i++)
		puts(targets[i].name);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = path_base((*argv)[0]);

	(void)argc;
	if (fuzz_select(name))
		return 0;
	/* Without a name of a target there is nothing to fuzz: say which there are. */
	fuzz_list();
	exit(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	selected(data, size);
	return 0;
}

void fuzz_fail(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, expr);
	abort();
}

unsigned fuzz_byte(struct fuzz_input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* Takes n bytes and the separator behind them. */
static char *take(struct fuzz_input *in, size_t n, size_t separator)
{
	char *s = mem_strndup((const char *)in->data, n);

	n += separator;
	in->data += n;
	in->size -= n;
	return s;
}

char *fuzz_line(struct fuzz_input *in)
{
	const uint8_t *end = in->size ? memchr(in->data, '\n', in->size) : NULL;

	return end ? take(in, (size_t)(end - in->data), 1) : take(in, in->size, 0);
}

char *fuzz_part(struct fuzz_input *in)
{
	static const char mark[] = "\n--\n";
	const uint8_t *end = in->size ? memmem(in->data, in->size, mark, strlen(mark)) : NULL;

	return end ? take(in, (size_t)(end - in->data), strlen(mark)) : take(in, in->size, 0);
}

void fuzz_refused(const struct err *err, ...)
{
	char line[ERR_MSG_MAX + 1024];
	bool known = false;
	va_list ap;
	int code;

	va_start(ap, err);
	while ((code = va_arg(ap, int)) != ERR_NONE)
		known |= (int)err->code == code;
	va_end(ap);
	MUST(known);
	MUST(err->what[0] != '\0');
	err_line(err, line, sizeof(line));
	MUST(strlen(line) < sizeof(line) - 1);
	for (const char *p = line; *p; p++)
		MUST(*p >= ' ' && *p <= '~');
}

bool fuzz_matches(const char *s, const char *regex)
{
	static struct {
		const char *text;
		regex_t compiled;
	} cache[REGEXES_MAX];
	size_t i = 0;

	while (i < REGEXES_MAX && cache[i].text && cache[i].text != regex)
		i++;
	MUST(i < REGEXES_MAX);
	if (!cache[i].text) {
		MUST(regcomp(&cache[i].compiled, regex, REG_EXTENDED | REG_NOSUB) == 0);
		cache[i].text = regex;
	}
	return regexec(&cache[i].compiled, s, 0, NULL, 0) == 0;
}

bool fuzz_is_normal(const char *path)
{
	const char *p = path;

	if (str_eq(path, "/"))
		return true;
	while (*p == '/') {
		size_t n = strcspn(++p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
	}
	return p != path && *p == '\0';
}

int fuzz_file(const void *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	MUST(fd >= 0 && ftruncate(fd, 0) == 0);
	MUST(!size || pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}
