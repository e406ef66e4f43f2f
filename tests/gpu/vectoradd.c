/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectoradd [DEVICE]: adds two vectors on a GPU through the driver's API alone, and compares each sum. The kernel is PTX, which the
 * driver compiles, so that no toolkit is needed. Prints how many devices there are, what the device is, and what came of it. Exit 0:
 * all sums are right; 1: some are not; 2: no libcuda, or one that lacks a function; 3: a call failed, which is named.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define N 1000003u /* no multiple of the block: the last threads have nothing to do */
#define BLOCK 256u

enum { RIGHT, WRONG, NO_LIBRARY, FAILED };

static const char ptx[] = ".version 6.0\n"
			  ".target sm_50\n"
			  ".address_size 64\n"
			  ".visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)\n"
			  "{\n"
			  "	.reg .pred %p<2>;\n"
			  "	.reg .b32 %r<9>;\n"
			  "	.reg .b64 %rd<11>;\n"
			  "	ld.param.u64 %rd1, [a];\n"
			  "	ld.param.u64 %rd2, [b];\n"
			  "	ld.param.u64 %rd3, [c];\n"
			  "	ld.param.u32 %r1, [n];\n"
			  "	mov.u32 %r2, %ctaid.x;\n"
			  "	mov.u32 %r3, %ntid.x;\n"
			  "	mov.u32 %r4, %tid.x;\n"
			  "	mad.lo.u32 %r5, %r2, %r3, %r4;\n"
			  "	setp.ge.u32 %p1, %r5, %r1;\n"
			  "	@%p1 bra END;\n"
			  "	cvta.to.global.u64 %rd4, %rd1;\n"
			  "	cvta.to.global.u64 %rd5, %rd2;\n"
			  "	cvta.to.global.u64 %rd6, %rd3;\n"
			  "	mul.wide.u32 %rd7, %r5, 4;\n"
			  "	add.u64 %rd8, %rd4, %rd7;\n"
			  "	add.u64 %rd9, %rd5, %rd7;\n"
			  "	add.u64 %rd10, %rd6, %rd7;\n"
			  "	ld.global.u32 %r6, [%rd8];\n"
			  "	ld.global.u32 %r7, [%rd9];\n"
			  "	add.u32 %r8, %r6, %r7;\n"
			  "	st.global.u32 [%rd10], %r8;\n"
			  "END:\n"
			  "	ret;\n"
			  "}\n";

typedef uint64_t device_pointer;

/* The functions under the names that libcuda exports; cuda.h maps the plain ones to these. */
static struct {
	int (*cuInit)(unsigned flags);
	int (*cuDriverGetVersion)(int *version);
	int (*cuDeviceGetCount)(int *count);
	int (*cuDeviceGet)(int *device, int ordinal);
	int (*cuDeviceGetName)(char *name, int len, int device);
	int (*cuDevicePrimaryCtxRetain)(void **context, int device);
	int (*cuCtxSetCurrent)(void *context);
	int (*cuCtxSynchronize)(void);
	int (*cuModuleLoadData)(void **module, const void *image);
	int (*cuModuleGetFunction)(void **function, void *module, const char *name);
	int (*cuMemAlloc_v2)(device_pointer *p, size_t size);
	int (*cuMemcpyHtoD_v2)(device_pointer to, const void *from, size_t size);
	int (*cuMemcpyDtoH_v2)(void *to, device_pointer from, size_t size);
	int (*cuLaunchKernel)(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
			      unsigned bz, unsigned shared, void *stream, void **params, void **extra);
} cu;

static const struct {
	const char *name;
	void *at;
} functions[] = {
#define F(name) \
	{ \
#name, &cu.name \
	}
	F(cuInit),	     F(cuDriverGetVersion),	  F(cuDeviceGetCount), F(cuDeviceGet),
	F(cuDeviceGetName),  F(cuDevicePrimaryCtxRetain), F(cuCtxSetCurrent),  F(cuCtxSynchronize),
	F(cuModuleLoadData), F(cuModuleGetFunction),	  F(cuMemAlloc_v2),    F(cuMemcpyHtoD_v2),
	F(cuMemcpyDtoH_v2),  F(cuLaunchKernel),
#undef F
};

static void must(int result, const char *what)
{
	if (result == 0)
		return;
	printf("%s: error %d\n", what, result);
	exit(FAILED);
}
#define MUST(call) must(cu.call, #call)

static void find(void *library, size_t i)
{
	*(void **)functions[i].at = dlsym(library, functions[i].name);
	if (*(void **)functions[i].at)
		return;
	printf("libcuda has no %s\n", functions[i].name);
	exit(NO_LIBRARY);
}

/* First whether it answers at all: that says more than what it lacks. */
static void load(void)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW);

	if (!library) {
		printf("no libcuda: %s\n", dlerror());
		exit(NO_LIBRARY);
	}
	find(library, 0);
	MUST(cuInit(0));
	for (size_t i = 1; i < sizeof(functions) / sizeof(functions[0]); i++)
		find(library, i);
}

static device_pointer upload(const uint32_t *from)
{
	device_pointer p = 0;

	MUST(cuMemAlloc_v2(&p, N * sizeof(*from)));
	MUST(cuMemcpyHtoD_v2(p, from, N * sizeof(*from)));
	return p;
}

/* The sums, or what was there before: nobody's sum. */
static void add(const uint32_t *a, const uint32_t *b, uint32_t *c)
{
	device_pointer at[3] = { upload(a), upload(b), upload(c) };
	uint32_t n = N;
	void *params[] = { &at[0], &at[1], &at[2], &n }, *module, *function;

	MUST(cuModuleLoadData(&module, ptx));
	MUST(cuModuleGetFunction(&function, module, "add"));
	MUST(cuLaunchKernel(function, (N + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, params, NULL));
	MUST(cuCtxSynchronize());
	MUST(cuMemcpyDtoH_v2(c, at[2], N * sizeof(*c)));
}

int main(int argc, char **argv)
{
	static uint32_t a[N], b[N], c[N];
	int device, count = 0, version = 0;
	unsigned right = 0;
	char name[128] = "";
	void *context;

	setvbuf(stdout, NULL, _IOLBF, 0);
	load();
	MUST(cuDriverGetVersion(&version));
	MUST(cuDeviceGetCount(&count));
	printf("CUDA %d.%d, devices: %d\n", version / 1000, version % 1000 / 10, count);
	MUST(cuDeviceGet(&device, argc > 1 ? atoi(argv[1]) : 0));
	MUST(cuDeviceGetName(name, sizeof(name), device));
	MUST(cuDevicePrimaryCtxRetain(&context, device));
	MUST(cuCtxSetCurrent(context));
	for (unsigned i = 0; i < N; i++) {
		a[i] = i * 2654435761u;
		b[i] = i ^ 0x5bd1e995u;
		c[i] = ~(a[i] + b[i]);
	}
	add(a, b, c);
	for (unsigned i = 0; i < N; i++)
		right += c[i] == a[i] + b[i];
	printf("%s: %u of %u sums are right\n", name, right, N);
	return right == N ? RIGHT : WRONG;
}
