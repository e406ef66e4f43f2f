/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a target over its corpus once, without libFuzzer: called by the target's name, in the root of the source,
 * it reads tests/fuzz/corpus/<name>, or the files that are named. Prints one TAP line.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "fuzz.h"

#define INPUT_MAX (16u << 20)

static void run(int dir, const char *name)
{
	char *text = NULL;
	uint8_t *exact;
	size_t len;

	/* Only a failure shows these lines; the last one is then the culprit. */
	printf("# %s\n", name);
	fflush(stdout);
	if (fd_read_file_at(dir, name, INPUT_MAX, &text, &len) < 0)
		fuzz_fail(__FILE__, __LINE__, name);
	/* Of the input's own size, so that the sanitizer sees the first byte that is read too much. */
	exact = mem_alloc(len);
	memcpy(exact, text, len);
	free(text);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static int is_input(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	cleanup_free char *corpus = mem_printf("tests/fuzz/corpus/%s", path_base(argv[0]));
	struct dirent **names = NULL;
	int n, dir;

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run(AT_FDCWD, argv[i]);
	if (argc > 1)
		return 0;
	dir = fd_open_dir(corpus);
	n = dir < 0 ? -1 : scandirat(dir, ".", &names, is_input, alphasort);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 0; i < n; i++) {
		run(dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	fd_close(dir);
	printf("%s 1 - %s: %d inputs\n1..1\n", n > 0 ? "ok" : "not ok", path_base(argv[0]), n);
	return n > 0 ? 0 : 1;
}
