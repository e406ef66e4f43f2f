/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/request.h"

#include <string.h>

#include "conf/capability.h"
#include "oci/request_devices.h"

#define VALUE_MAX 4096u
/* NVIDIA's images bring some kilobytes of alternatives. */
#define REQUIREMENT_MAX (64u << 10)
#define REQUIREMENTS_MAX 64
#define IMEX_END (1u << 20)
#define IMEX_MAX 64

struct reader {
	struct request *r;
	const struct spec *spec;
	const struct config *conf;
	bool environment_ok;	      /* variables may ask for devices */
	struct strlist devices, imex; /* by mounts */
	struct err *err;
};

static int refuse(struct reader *x, const char *name, const char *value, const char *want)
{
	err_set(x->err, ERR_VALUE, 0, "%s: %.128s%s", name, value, strlen(value) > 128 ? "..." : "");
	return err_hint(x->err, "%s", want);
}

static int check_length(struct reader *x, const char *name, const char *value, size_t max)
{
	if (strnlen(value, max + 1) <= max)
		return 0;
	err_set(x->err, ERR_VALUE, 0, "%s: %.64s...", name, value);
	return err_hint(x->err, "give %zu bytes at most", max);
}

/* Takes a list of words as the request's devices; what is void asks for nothing. */
static int take(struct reader *x, enum request_source source, const char *name, const struct strlist *words)
{
	const char *only = words->n == 1 ? words->v[0] : NULL, *cdi = only ? request_devices_cdi(only) : NULL;
	int r;

	if (only && (!*only || str_eq(cdi ? cdi : only, "void")))
		return 0;
	r = request_devices_parse(x->r, words, x->err);
	if (r < 0)
		return err_wrap(x->err, "%s", name);
	x->r->wanted = true;
	x->r->source = source;
	return 0;
}

/* Names of our own devices go to `words`; those of other vendors are the engine's business. */
static int add_cdi_name(struct reader *x, const char *where, const char *name, struct strlist *words)
{
	if (!request_devices_is_cdi_name(name))
		return refuse(x, where, name, "give CDI names as vendor/class=device, like nvidia.com/gpu=0");
	if (request_devices_cdi(name))
		strlist_add(&x->r->arena, words, name);
	return 0;
}

static int read_annotations(struct reader *x, struct strlist *words)
{
	for (size_t i = 0; i < x->spec->n_annotations; i++) {
		const struct spec_pair *p = &x->spec->annotations[i];
		struct strlist names = { 0 };
		int r;

		/* What other vendors' annotations look like is none of our business. */
		if (!str_starts(p->key, "cdi.k8s.io/") || !strstr(p->value, "nvidia.com/"))
			continue;
		r = check_length(x, p->key, p->value, VALUE_MAX);
		if (r < 0)
			return r;
		strlist_split(&x->r->arena, &names, p->value, ",", true);
		for (size_t n = 0; n < names.n; n++) {
			r = add_cdi_name(x, p->key, names.v[n], words);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* What a mount names below the directory of device lists; NULL for any other mount. */
static const char *mount_word(const struct spec_mount *m)
{
	const char *rest = str_after(m->destination, "/var/run/nvidia-container-devices/");

	if (!rest)
		rest = str_after(m->destination, "/run/nvidia-container-devices/");
	return rest && str_eq(m->source, "/dev/null") ? rest : NULL;
}

static int read_mount(struct reader *x, const char *word)
{
	const char *imex = str_after(word, "imex/"), *cdi = str_after(word, "cdi/"), *slash;

	if (imex) {
		strlist_add(&x->r->arena, &x->imex, imex);
		return 0;
	}
	if (!cdi) {
		strlist_add(&x->r->arena, &x->devices, word);
		return 0;
	}
	/* Written as vendor/class=device or, as a path likes it, vendor/class/device. */
	slash = strrchr(cdi, '/');
	if (!strchr(cdi, '=') && slash)
		cdi = arena_printf(&x->r->arena, "%.*s=%s", (int)(slash - cdi), cdi, slash + 1);
	return add_cdi_name(x, "/var/run/nvidia-container-devices/cdi", cdi, &x->devices);
}

static int read_mounts(struct reader *x)
{
	for (size_t i = 0; i < x->spec->n_mounts; i++) {
		const char *word = mount_word(&x->spec->mounts[i]);
		int r;

		if (!word)
			continue;
		if (!x->conf->accept_mounts) {
			x->r->why_not = "asked by mounts, but accept-mounts=no";
			return 0;
		}
		r = check_length(x, "mount", word, VALUE_MAX);
		if (r == 0)
			r = read_mount(x, word);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The variables of Docker Swarm's generic resources, joined; NULL where none is set. */
static const char *swarm_value(const struct spec *spec, struct strbuf *joined)
{
	static const char *const names[] = { "DOCKER_RESOURCE_GPU", "DOCKER_RESOURCE_NVIDIA_GPU",
					     "DOCKER_RESOURCE_NVIDIA-GPU" };
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *v = spec_env(spec, names[i]);

		if (!v)
			continue;
		if (joined->len && *v)
			strbuf_putc(joined, ',');
		strbuf_puts(joined, v);
		any = true;
	}
	return any ? joined->buf : NULL;
}

static int take_value(struct reader *x, enum request_source source, const char *name, const char *value)
{
	struct strlist words = { 0 };
	int r;

	if (!*value || str_eq(value, "void"))
		return 0;
	if (!x->environment_ok) {
		x->r->why_not =
			"asked by environment, but accept-environment=privileged and the container is not privileged";
		return 0;
	}
	r = check_length(x, name, value, VALUE_MAX);
	if (r < 0)
		return r;
	strlist_split(&x->r->arena, &words, value, ",", true);
	return take(x, source, name, &words);
}

/* "12.4" of the version "12.4.1". */
static const char *major_minor(struct arena *a, const char *version)
{
	size_t n = strcspn(version, ".");

	if (version[n])
		n += 1 + strcspn(version + n + 1, ".");
	return arena_strndup(a, version, n);
}

/* NVIDIA's images before NVIDIA_REQUIRE_CUDA say by this alone what they need; NULL for all others. */
static const char *legacy_version(const struct spec *spec)
{
	const char *version = spec_env(spec, "CUDA_VERSION"), *require = spec_env(spec, "NVIDIA_REQUIRE_CUDA");

	return version && *version && !(require && *require) ? version : NULL;
}

static int read_environment(struct reader *x)
{
	cleanup_strbuf struct strbuf joined = STRBUF_INIT;
	const char *value = swarm_value(x->spec, &joined), *version = legacy_version(x->spec);

	if (value)
		return take_value(x, REQUEST_FROM_SWARM, "DOCKER_RESOURCE_GPU", value);
	value = spec_env(x->spec, "NVIDIA_VISIBLE_DEVICES");
	if (value)
		return take_value(x, REQUEST_FROM_ENVIRONMENT, "NVIDIA_VISIBLE_DEVICES", value);
	if (!version)
		return 0;
	/* NVIDIA's old images hold a plain version; what does not is some other image's variable and no request. */
	if (!str_is_version(version)) {
		x->r->why_not = "CUDA_VERSION is set alone, as in images of old, but is no version";
		return 0;
	}
	return take_value(x, REQUEST_FROM_LEGACY, "CUDA_VERSION", "all");
}

/* The first source that names a device decides. */
static int read_devices(struct reader *x)
{
	struct strlist names = { 0 };
	int r = read_annotations(x, &names);

	if (r < 0)
		return r;
	r = read_mounts(x);
	if (r < 0)
		return r;
	if (names.n)
		return take(x, REQUEST_FROM_CDI, "cdi.k8s.io", &names);
	if (x->devices.n)
		return take(x, REQUEST_FROM_MOUNTS, "/var/run/nvidia-container-devices", &x->devices);
	return read_environment(x);
}

static int read_capabilities(struct reader *x)
{
	static const char name[] = "NVIDIA_DRIVER_CAPABILITIES";
	const char *value = spec_env(x->spec, name);
	unsigned set = 0;
	int r = value ? check_length(x, name, value, VALUE_MAX) : 0;

	if (r < 0)
		return r;
	if (value && capability_parse(value, &set, x->err) < 0)
		return err_wrap(x->err, "%s", name);
	if (!set)
		set = x->r->source == REQUEST_FROM_LEGACY ? CAP_ALL : x->conf->default_capabilities;
	x->r->capabilities = set;
	return 0;
}

static int read_bool(struct reader *x, const char *name, bool *ret)
{
	static const char *const words[2][3] = { { "0", "f", "F" }, { "1", "t", "T" } };
	static const char *const long_words[2][3] = { { "false", "FALSE", "False" }, { "true", "TRUE", "True" } };
	const char *value = spec_env(x->spec, name);

	*ret = false;
	if (!value || !*value)
		return 0;
	for (unsigned b = 0; b < 2; b++)
		for (unsigned i = 0; i < 3; i++)
			if (str_eq(value, words[b][i]) || str_eq(value, long_words[b][i])) {
				*ret = b == 1;
				return 0;
			}
	return refuse(x, name, value, "give true or false");
}

static int add_requirement(struct reader *x, const char *name, const char *value)
{
	struct request *r = x->r;
	int e = check_length(x, name, value, REQUIREMENT_MAX);

	if (e < 0)
		return e;
	r->requirements = arena_grow(&r->arena, r->requirements, r->n_requirements, sizeof(*r->requirements));
	r->requirements[r->n_requirements].name = arena_strdup(&r->arena, name);
	r->requirements[r->n_requirements++].value = arena_strdup(&r->arena, value);
	return 0;
}

static int read_requirements(struct reader *x)
{
	const char *legacy = legacy_version(x->spec);
	struct arena *a = &x->r->arena;
	unsigned seen = 0;
	bool disabled;
	int r = read_bool(x, "NVIDIA_DISABLE_REQUIRE", &disabled);

	if (r < 0 || disabled)
		return r;
	for (size_t i = 0; r == 0 && i < x->spec->env.n; i++) {
		const char *assignment = x->spec->env.v[i], *equals, *name;

		if (!str_starts(assignment, "NVIDIA_REQUIRE_") || str_starts(assignment, "NVIDIA_REQUIRE_JETPACK"))
			continue;
		equals = strchr(assignment, '=');
		if (!equals || !equals[1])
			continue;
		name = arena_strndup(a, assignment, (size_t)(equals - assignment));
		/* Duplicates count too: each costs a look through the whole environment. */
		if (++seen > REQUIREMENTS_MAX)
			return refuse(x, name, equals + 1, "set fewer variables NVIDIA_REQUIRE_*");
		/* Set twice: the last one counts. */
		if (spec_env(x->spec, name) == equals + 1)
			r = add_requirement(x, name, equals + 1);
	}
	/* However the devices are asked for: `docker run --gpus` sets NVIDIA_VISIBLE_DEVICES for such images too. */
	if (r == 0 && legacy && str_is_version(legacy))
		r = add_requirement(x, "CUDA_VERSION", arena_printf(a, "cuda>=%s", major_minor(a, legacy)));
	return r;
}

static int read_cuda(struct reader *x)
{
	const char *value = spec_env(x->spec, "NVCOREOS_CUDA");

	if (!value || !*value)
		return 0;
	if (!str_eq(value, "none") && !str_eq(value, "auto") && !str_is_version(value)) {
		err_set(x->err, ERR_CUDA_UNKNOWN, 0, "NVCOREOS_CUDA: %.64s%s", value, strlen(value) > 64 ? "..." : "");
		return err_hint(x->err, "give auto, none or a version like 12.4");
	}
	x->r->cuda = arena_strdup(&x->r->arena, value);
	return 0;
}

static int read_mig(struct reader *x, const char *name, bool *ret)
{
	const char *value = spec_env(x->spec, name);

	if (!value || !*value)
		return 0;
	if (!str_eq(value, "all"))
		return refuse(x, name, value, "give all, or leave it unset");
	if (!x->spec->privileged)
		return err_set(x->err, ERR_NOT_PRIVILEGED, 0, "%s=all", name);
	*ret = true;
	return 0;
}

static int add_imex(struct reader *x, const char *word)
{
	static const char want[] = "give channels from 0 to 1048575 separated by commas, each once";
	struct request *r = x->r;
	uint64_t v;

	if (str_to_u64(word, IMEX_END - 1, &v) < 0 || r->n_imex_channels == IMEX_MAX)
		return refuse(x, "NVIDIA_IMEX_CHANNELS", word, want);
	for (size_t i = 0; i < r->n_imex_channels; i++)
		if (r->imex_channels[i] == v)
			return refuse(x, "NVIDIA_IMEX_CHANNELS", word, want);
	r->imex_channels = arena_grow(&r->arena, r->imex_channels, r->n_imex_channels, sizeof(*r->imex_channels));
	r->imex_channels[r->n_imex_channels++] = (uint32_t)v;
	return 0;
}

static int read_imex(struct reader *x)
{
	const char *value = spec_env(x->spec, "NVIDIA_IMEX_CHANNELS");
	struct strlist words = x->imex;
	int r = 0;

	if (!words.n && value && *value && x->environment_ok) {
		r = check_length(x, "NVIDIA_IMEX_CHANNELS", value, VALUE_MAX);
		if (r == 0)
			strlist_split(&x->r->arena, &words, value, ",", true);
	}
	/* NVIDIA's tools pass over it, and images set it. */
	if (words.n == 1 && str_eq(words.v[0], "all"))
		return r;
	for (size_t i = 0; r == 0 && i < words.n; i++)
		r = add_imex(x, words.v[i]);
	return r;
}

static int read_rest(struct reader *x)
{
	int r = read_capabilities(x);

	if (r == 0)
		r = read_requirements(x);
	if (r == 0)
		r = read_cuda(x);
	if (r == 0)
		r = read_mig(x, "NVIDIA_MIG_CONFIG_DEVICES", &x->r->mig_config);
	if (r == 0)
		r = read_mig(x, "NVIDIA_MIG_MONITOR_DEVICES", &x->r->mig_monitor);
	if (r == 0)
		r = read_imex(x);
	return r;
}

int request_parse(struct request *ret, const struct spec *spec, const struct config *conf, struct err *err)
{
	struct reader x = {
		.r = ret,
		.spec = spec,
		.conf = conf,
		.environment_ok = conf->accept_environment == CONFIG_ACCEPT_ALL || spec->privileged,
		.err = err,
	};
	int r;

	*ret = (struct request){ 0 };
	/* A pod's sandbox runs nothing that could use a GPU, whatever is annotated on the pod. */
	if (spec->sandbox)
		return 0;
	r = read_devices(&x);
	if (r == 0 && ret->wanted) {
		ret->why_not = NULL;
		r = read_rest(&x);
	}
	/* Half a request must not be taken for one. */
	if (r < 0)
		request_free(ret);
	return r;
}

int request_parse_devices(struct request *r, const char *list, struct err *err)
{
	struct strlist words = { 0 };

	if (strnlen(list, VALUE_MAX + 1) > VALUE_MAX) {
		r->devices = NULL;
		r->n_devices = 0;
		err_set(err, ERR_VALUE, 0, "%.64s...", list);
		return err_hint(err, "give %u bytes at most", VALUE_MAX);
	}
	strlist_split(&r->arena, &words, list, ",", true);
	return request_devices_parse(r, &words, err);
}

void request_free(struct request *r)
{
	arena_free(&r->arena);
	*r = (struct request){ 0 };
}
