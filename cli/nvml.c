/* SPDX-License-Identifier: Apache-2.0 */
#include "nvml.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/inventory_json.h"
#include "oci/json.h"

#define NOBODY 65534
#define GPUS_MAX 64
#define CODE_NO_PERMISSION 4
#define CODE_DRIVER_NOT_LOADED 9

/* The part of NVML's interface that is used here, which has been stable since driver 450. */
typedef void *nvml_device;
struct nvml_pci {
	char legacy[16];
	unsigned domain, bus, device, id, subsystem;
	char address[32];
};
typedef int nvml_init_fn(void);
typedef int nvml_text_fn(char *text, unsigned size);
typedef int nvml_number_fn(unsigned *n);
typedef int nvml_handle_fn(unsigned index, nvml_device *device);
typedef int nvml_device_pci_fn(nvml_device device, struct nvml_pci *pci);
typedef int nvml_device_text_fn(nvml_device device, char *text, unsigned size);
typedef int nvml_device_number_fn(nvml_device device, unsigned *n);
typedef int nvml_device_pair_fn(nvml_device device, int *a, int *b);
typedef int nvml_device_modes_fn(nvml_device device, unsigned *current, unsigned *pending);
typedef int nvml_device_child_fn(nvml_device device, unsigned index, nvml_device *child);

struct nvml {
	nvml_init_fn *init;
	nvml_text_fn *driver;
	nvml_number_fn *count;
	nvml_handle_fn *handle;
	nvml_device_pci_fn *pci;
	nvml_device_text_fn *uuid;
	/* NULL in libraries that are older than the function */
	nvml_device_number_fn *brand, *mig_max, *gi, *ci;
	nvml_device_pair_fn *capability;
	nvml_device_modes_fn *mig_mode;
	nvml_device_child_fn *mig;
};

/* What the child says: 'J' and the document, or 'L' (no library), 'D' (no driver), 'P' (not permitted), 'F' (failed) and a sentence. */
struct reply {
	int fd;
};

static noreturn_fn void answer(const struct reply *r, char kind, const char *text)
{
	bool sent = fd_write_all(r->fd, &kind, 1) == 0 && fd_write_all(r->fd, text, strlen(text)) == 0;

	_exit(sent ? 0 : 1);
}

static noreturn_fn void fail(const struct reply *r, const char *call, int code)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: NVML error %d", call, code);
	answer(r, code == CODE_DRIVER_NOT_LOADED ? 'D' : code == CODE_NO_PERMISSION ? 'P' : 'F', text);
}

/* POSIX lets a data pointer of dlsym be a function; ISO C has no cast for it. */
static void find(void *library, const char *name, void *ret)
{
	void *p = dlsym(library, name);

	memcpy(ret, &p, sizeof(p));
}

static bool resolve(struct nvml *n, void *library)
{
	find(library, "nvmlInit_v2", &n->init);
	find(library, "nvmlSystemGetDriverVersion", &n->driver);
	find(library, "nvmlDeviceGetCount_v2", &n->count);
	find(library, "nvmlDeviceGetHandleByIndex_v2", &n->handle);
	find(library, "nvmlDeviceGetPciInfo_v3", &n->pci);
	find(library, "nvmlDeviceGetUUID", &n->uuid);
	find(library, "nvmlDeviceGetBrand", &n->brand);
	find(library, "nvmlDeviceGetCudaComputeCapability", &n->capability);
	find(library, "nvmlDeviceGetMigMode", &n->mig_mode);
	find(library, "nvmlDeviceGetMaxMigDeviceCount", &n->mig_max);
	find(library, "nvmlDeviceGetMigDeviceHandleByIndex", &n->mig);
	find(library, "nvmlDeviceGetGpuInstanceId", &n->gi);
	find(library, "nvmlDeviceGetComputeInstanceId", &n->ci);
	return n->init && n->driver && n->count && n->handle && n->pci && n->uuid;
}

/* NVML's numbers for brands; images name the one that it does not know, or that is newer, "unknown". */
static const char *brand_name(unsigned brand)
{
	static const char *const names[] = {
		"unknown",   "quadro",	  "tesla",  "nvs",	  "grid",     "geforce",
		"titan",     "vapps",	  "vpc",    "vcs",	  "vws",      "cloudgaming",
		"quadrortx", "nvidiartx", "nvidia", "geforcertx", "titanrtx",
	};

	return names[brand < ARRAY_SIZE(names) ? brand : 0];
}

static struct json *mig_devices(const struct nvml *n, nvml_device gpu)
{
	struct json *list = json_new_array();
	unsigned current = 0, pending, max = 0;

	if (!n->mig_mode || !n->mig_max || !n->mig || !n->gi || !n->ci)
		return list;
	if (n->mig_mode(gpu, &current, &pending) != 0 || !current || n->mig_max(gpu, &max) != 0)
		return list;
	for (unsigned i = 0; i < max && i < 64; i++) {
		char uuid[128] = "";
		nvml_device mig;
		unsigned gi, ci;
		struct json *o;

		if (n->mig(gpu, i, &mig) != 0 || n->gi(mig, &gi) != 0 || n->ci(mig, &ci) != 0)
			continue;
		o = json_new_object();
		if (n->uuid(mig, uuid, sizeof(uuid)) == 0)
			json_set_str(o, "uuid", uuid);
		json_set_int(o, "index", i);
		json_set_int(o, "gi", gi);
		json_set_int(o, "ci", ci);
		json_append(list, o);
	}
	return list;
}

/* NULL where the GPU does not answer: one that has fallen off the bus must not hide the others. */
static struct json *gpu_facts(const struct nvml *n, unsigned index)
{
	struct nvml_pci pci = { .domain = 0 };
	char text[128] = "";
	nvml_device gpu;
	struct json *o;
	unsigned brand;
	int major, minor;

	if (n->handle(index, &gpu) != 0 || n->pci(gpu, &pci) != 0)
		return NULL;
	o = json_new_object();
	snprintf(text, sizeof(text), "%04x:%02x:%02x.0", pci.domain, pci.bus, pci.device);
	json_set_str(o, "pci", text);
	if (n->uuid(gpu, text, sizeof(text)) == 0)
		json_set_str(o, "uuid", text);
	if (n->brand && n->brand(gpu, &brand) == 0)
		json_set_str(o, "brand", brand_name(brand));
	if (n->capability && n->capability(gpu, &major, &minor) == 0) {
		snprintf(text, sizeof(text), "%d.%d", major, minor);
		json_set_str(o, "arch", text);
	}
	json_set(o, "mig", mig_devices(n, gpu));
	return o;
}

static noreturn_fn void ask(const struct reply *reply, const struct nvml *n)
{
	struct json *doc = json_new_object(), *gpus = json_new_array();
	char driver[96] = "";
	unsigned count = 0;
	int r = n->init();

	if (r != 0)
		fail(reply, "nvmlInit_v2", r);
	r = n->driver(driver, sizeof(driver));
	if (r != 0)
		fail(reply, "nvmlSystemGetDriverVersion", r);
	r = n->count(&count);
	if (r != 0)
		fail(reply, "nvmlDeviceGetCount_v2", r);
	for (unsigned i = 0; i < count && i < GPUS_MAX; i++) {
		struct json *gpu = gpu_facts(n, i);

		if (gpu)
			json_append(gpus, gpu);
	}
	json_set_int(doc, "format", INVENTORY_JSON_FORMAT);
	json_set_str(doc, "driver", driver);
	json_set(doc, "gpus", gpus);
	answer(reply, 'J', json_dump(doc, 0));
}

/* The group that the driver's nodes are kept for (NVreg_DeviceFileGID), where not everybody may open them. Root's own is no such group. */
static size_t nodes_group(const char *control, gid_t *ret)
{
	struct stat st;

	if (stat(control, &st) < 0 || (st.st_mode & 0006) == 0006 || (st.st_mode & 0060) != 0060 || st.st_gid == 0)
		return 0;
	*ret = st.st_gid;
	return 1;
}

/* Another user than root keeps no capability over this; one who was not root has none to lose. */
static int give_up_rights(const char *control)
{
	gid_t group = 0;
	size_t n = nodes_group(control, &group);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (geteuid() != 0)
		return 0;
	if (setgroups(n, &group) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return 0;
}

static void limit(void)
{
	static const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_CPU, 10 },
		{ RLIMIT_NOFILE, 1024 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit l = { limits[i].value, limits[i].value };

		setrlimit((__rlimit_resource_t)limits[i].what, &l);
	}
}

#define REPLY_FD 3
#define LIBRARY_FD 4

/* By its path as anybody, else through what was opened as root: a directory on the way may be closed to others. Its constructors run here. */
static void *load(const char *library)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), *other;
	const char *why = handle ? "" : dlerror();
	char text[1024], path[32];

	if (handle)
		return handle;
	snprintf(text, sizeof(text), "%s", why ? why : library);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", LIBRARY_FD);
	other = fcntl(LIBRARY_FD, F_GETFD) < 0 ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!other)
		answer(&(struct reply){ REPLY_FD }, 'L', text);
	return other;
}

/* NVML writes to stderr at times, and one that nothing ends would hold a reader's pipe open; our other files are not its business. */
static bool keep_files(int reply, int library)
{
	int null = openat(AT_FDCWD, "/dev/null", O_RDWR);

	reply = fcntl(reply, F_DUPFD, LIBRARY_FD + 1);
	library = library < 0 ? -1 : fcntl(library, F_DUPFD, LIBRARY_FD + 1);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup2(reply, REPLY_FD) < 0 ||
	    (library >= 0 && dup2(library, LIBRARY_FD) < 0))
		return false;
	return syscall(SYS_close_range, (unsigned)LIBRARY_FD + (library >= 0), ~0U, 0U) == 0;
}

static noreturn_fn void run_child(const struct reply *reply, const char *library, const char *control)
{
	int file = strchr(library, '/') ? openat(AT_FDCWD, library, O_RDONLY) : -1;
	struct nvml n = { 0 };
	void *handle;

	clearenv();
	if (!keep_files(reply->fd, file))
		_exit(1);
	limit();
	if (give_up_rights(control) < 0)
		answer(&(struct reply){ REPLY_FD }, 'F', "the child cannot give up its rights");
	handle = load(library);
	if (!resolve(&n, handle))
		answer(&(struct reply){ REPLY_FD }, 'F', "it is no NVML of driver 450 or newer");
	ask(&(struct reply){ REPLY_FD }, &n);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int read_reply(int fd, unsigned timeout_s, struct strbuf *out)
{
	long long deadline = now_ms() + timeout_s * 1000LL;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		long long left = deadline - now_ms();
		char chunk[4096];
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (!p.revents)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			strbuf_add(out, chunk, (size_t)n);
		if (out->len > NVML_TEXT_MAX)
			return -EFBIG;
	}
}

static int understand(const char *library, const char *control, struct strbuf *reply, char **ret_text, size_t *ret_len,
		      struct err *err)
{
	const char *text = reply->len ? reply->buf + 1 : "";

	switch (reply->len ? reply->buf[0] : '\0') {
	case 'J':
		*ret_len = reply->len - 1;
		*ret_text = mem_strndup(text, *ret_len);
		return 0;
	case 'L':
		err_set(err, ERR_NOT_LOADED, 0, "NVML: %s", text);
		return err_hint(err, "install a driver first, with 'nvcoreos install' or 'nvcoreos import'");
	case 'D':
		return err_set(err, ERR_NOT_LOADED, 0, "%s", text);
	case 'P':
		err_set(err, ERR_HOST, 0, "%s: no permission on %s (%s)", library, control, text);
		return err_hint(err, "see the nodes' group and mode: with NVreg_DeviceFileMode=0660 there must be a "
				     "NVreg_DeviceFileGID that is not root's");
	case 'F':
		err_set(err, ERR_HOST, 0, "%s: %s", library, text);
		return err_hint(err, "see 'dmesg', and whether the loaded driver and the library are of one version");
	default:
		err_set(err, ERR_HOST, 0, "%s: it ended without an answer", library);
		return err_hint(err, "see 'dmesg'");
	}
}

int nvml_query(const char *library, const char *control, unsigned timeout_s, char **ret_text, size_t *ret_len,
	       struct err *err)
{
	cleanup_strbuf struct strbuf reply = STRBUF_INIT;
	cleanup_fd int in = -EBADF, out = -EBADF;
	int fds[2], r, status;
	bool stuck;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "pipe");
	in = fds[0];
	out = fds[1];
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return err_set(err, ERR_IO, errno, "fork");
	if (pid == 0)
		run_child(&(struct reply){ out }, library, control);
	fd_close(take_fd(out));
	r = read_reply(in, timeout_s, &reply);
	/* Its work is over or its time is up. */
	stuck = proc_end(pid, &status) == -ETIMEDOUT;
	if (r == -ETIMEDOUT) {
		err_set(err, ERR_HOST, ETIMEDOUT, "%s did not answer in %u s", library, timeout_s);
		return err_hint(err, stuck ? PROC_STUCK : "see 'dmesg': a GPU may have fallen off the bus");
	}
	if (r < 0)
		return err_set(err, ERR_HOST, -r, "%s", library);
	return understand(library, control, &reply, ret_text, ret_len, err);
}
