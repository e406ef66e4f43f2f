/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libcuda.so.1 that adds on the CPU, to test vectoradd and the suite around it where there is no GPU. EMULATED_WRONG in the
 * environment: "sum" gets one sum wrong, "launch" runs nothing, "module" refuses the kernel.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const char *what)
{
	const char *v = getenv("EMULATED_WRONG");

	return v && strcmp(v, what) == 0;
}

int cuInit(unsigned flags)
{
	return (int)flags;
}

int cuDriverGetVersion(int *version)
{
	*version = 12020;
	return 0;
}

int cuDeviceGetCount(int *count)
{
	*count = 1;
	return 0;
}

int cuDeviceGet(int *device, int ordinal)
{
	*device = ordinal;
	return ordinal == 0 ? 0 : 101;
}

int cuDeviceGetName(char *name, int len, int device)
{
	(void)device;
	strncpy(name, "emulated", (size_t)len);
	return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
	(void)device;
	*context = context;
	return 0;
}

int cuCtxSetCurrent(void *context)
{
	(void)context;
	return 0;
}

int cuCtxSynchronize(void)
{
	return 0;
}

int cuModuleLoadData(void **module, const void *image)
{
	*module = module;
	return wrong("module") || !strstr(image, ".entry add(") ? 218 : 0;
}

int cuModuleGetFunction(void **function, void *module, const char *name)
{
	*function = module;
	return strcmp(name, "add") == 0 ? 0 : 500;
}

int cuMemAlloc_v2(uint64_t *p, size_t size)
{
	void *at = malloc(size);

	*p = (uint64_t)(uintptr_t)at;
	return at ? 0 : 2;
}

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size)
{
	memcpy((void *)(uintptr_t)to, from, size);
	return 0;
}

int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size)
{
	memcpy(to, (const void *)(uintptr_t)from, size);
	return 0;
}

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
		   unsigned shared, void *stream, void **params, void **extra)
{
	const uint32_t *a = *(uint32_t **)params[0], *b = *(uint32_t **)params[1], n = *(uint32_t *)params[3];
	uint32_t *c = *(uint32_t **)params[2];

	(void)function, (void)shared, (void)stream, (void)extra;
	if (wrong("launch"))
		return 0;
	for (uint64_t i = 0; i < (uint64_t)gx * bx * gy * by * gz * bz && i < n; i++)
		c[i] = a[i] + b[i];
	if (wrong("sum"))
		c[n - 1]++;
	return 0;
}
