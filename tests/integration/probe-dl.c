/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe-dl SONAME...: prints for each the file that dlopen takes, or why it
 * takes none ("libx.so.1: cannot open ..."), and exits 1 if one was refused.
 *
 * It must run on every glibc since 2.31 wherever it was built, so it is linked
 * against two stubs (below, -DSTUB_C and -DSTUB_DL) that name only the oldest
 * symbol versions; the loader binds them to the container's real glibc. The
 * handle that glibc's dlopen gives is a struct link_map; dlinfo() would say
 * the same but has another symbol version on every machine.
 */
#if defined(STUB_C)

int __libc_start_main(void);
int puts(void);
int __libc_start_main(void)
{
	return 0;
}
int puts(void)
{
	return 0;
}

#elif defined(STUB_DL)

int dlopen(void);
int dlerror(void);
int dlopen(void)
{
	return 0;
}
int dlerror(void)
{
	return 0;
}

#else

#include <link.h>

int puts(const char *);
void *dlopen(const char *, int);
char *dlerror(void);

static int show(const char *soname)
{
	struct link_map *map = dlopen(soname, 2 /* RTLD_NOW */);

	puts(map ? map->l_name : dlerror());
	return !map;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;

	for (int i = 1; i < argc; i++)
		failed |= show(argv[i]);
	return failed;
}

#endif
