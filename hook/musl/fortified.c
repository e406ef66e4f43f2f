/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a static jansson and a static libcap that were made for glibc call of it by names that are its own: the functions with a check of
 * _FORTIFY_SOURCE, C23's, and those for large files, which all are here. All else that they call has a name and a form of C or POSIX.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* musl's headers have it as another word for fopen. */
#undef fopen64

char *__strncpy_chk(char *to, const char *from, size_t n, size_t size);
int __vsnprintf_chk(char *to, size_t n, int flag, size_t size, const char *format, va_list args);
int __snprintf_chk(char *to, size_t n, int flag, size_t size, const char *format, ...);
int __sprintf_chk(char *to, int flag, size_t size, const char *format, ...);
int __asprintf_chk(char **ret, int flag, const char *format, ...);
FILE *fopen64(const char *path, const char *mode);
unsigned long __isoc23_strtoul(const char *text, char **end, int base);
long long __isoc23_strtoll(const char *text, char **end, int base);

char *__strncpy_chk(char *to, const char *from, size_t n, size_t size)
{
	if (n > size)
		abort();
	return strncpy(to, from, n);
}

int __vsnprintf_chk(char *to, size_t n, int flag, size_t size, const char *format, va_list args)
{
	(void)flag;
	if (n > size)
		abort();
	return vsnprintf(to, n, format, args);
}

int __snprintf_chk(char *to, size_t n, int flag, size_t size, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = __vsnprintf_chk(to, n, flag, size, format, args);
	va_end(args);
	return r;
}

int __sprintf_chk(char *to, int flag, size_t size, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = __vsnprintf_chk(to, size, flag, size, format, args);
	va_end(args);
	if (r < 0 || (size_t)r >= size)
		abort();
	return r;
}

int __asprintf_chk(char **ret, int flag, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	va_start(args, format);
	r = vasprintf(ret, format, args);
	va_end(args);
	return r;
}

FILE *fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
	return strtoul(text, end, base);
}

long long __isoc23_strtoll(const char *text, char **end, int base)
{
	return strtoll(text, end, base);
}
