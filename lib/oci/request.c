/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/request.h"

#include <string.h>

#include "conf/capability.h"
#include "oci/request_devices.h"
#include "oci/request_features.h"

#define VALUE_MAX 4096u
/* NVIDIA's images bring some kilobytes of alternatives. */
#define REQUIREMENT_MAX (64u << 10)
#define REQUIREMENTS_MAX 64
#define IMEX_END (1u << 20)
#define IMEX_MAX 64

static const char is_sandbox[] = "a pod's sandbox by its annotation: it gets nothing, whatever it asks for";
static const char not_privileged[] = "asked by environment or annotation, but accept-environment=privileged and the "
				     "container is not privileged";

struct reader {
	struct request *r;
	const struct spec *spec;
	const struct config *conf;
	bool environment_ok;	      /* variables may ask for devices */
	struct strlist devices, imex; /* by mounts */
	struct err *err;
};

/* What one source says. */
struct asked {
	enum request_source source;
	const char *name, *value; /* for messages; value is NULL where the source says nothing at all */
	bool driver;		  /* false: its word is void, or empty */
	struct request_device *devices;
	size_t n;
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

/* Whether a value asks for anything; "void" and the empty one do not. */
static bool names_devices(const char *value)
{
	const char *cdi = value ? request_devices_cdi(value) : NULL;

	return value && *value && !str_eq(cdi ? cdi : value, "void");
}

/* Parses what a source says. Strict for each of them: also one that another overrides must be understood. */
static int understand(struct reader *x, struct asked *a, const struct strlist *words)
{
	int r;

	if (words->n == 0 || (words->n == 1 && !names_devices(words->v[0])))
		return 0;
	r = request_devices_parse(x->r, words, x->err);
	if (r < 0)
		return err_wrap(x->err, "%s", a->name);
	a->driver = true;
	a->devices = x->r->devices;
	a->n = x->r->n_devices;
	x->r->devices = NULL;
	x->r->n_devices = 0;
	return 0;
}

static void take(struct reader *x, const struct asked *a)
{
	if (!a->driver)
		return;
	x->r->wanted = true;
	x->r->source = a->source;
	x->r->devices = a->devices;
	x->r->n_devices = a->n;
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

/* What other vendors' annotations look like is none of our business. */
static bool is_our_annotation(const struct spec_pair *p)
{
	return str_starts(p->key, "cdi.k8s.io/") && strstr(p->value, "nvidia.com/");
}

static int read_annotations(struct reader *x, struct asked *a)
{
	struct strlist words = { 0 };

	for (size_t i = 0; i < x->spec->n_annotations; i++) {
		const struct spec_pair *p = &x->spec->annotations[i];
		struct strlist names = { 0 };
		int r;

		if (!is_our_annotation(p))
			continue;
		r = check_length(x, p->key, p->value, VALUE_MAX);
		if (r < 0)
			return r;
		strlist_split(&x->r->arena, &names, p->value, ",", true);
		for (size_t n = 0; n < names.n; n++) {
			r = add_cdi_name(x, p->key, names.v[n], &words);
			if (r < 0)
				return r;
		}
	}
	if (words.n)
		a->value = words.n == 1 ? words.v[0] : arena_printf(&x->r->arena, "%s,...", words.v[0]);
	return understand(x, a, &words);
}

/* What a mount names below the directory of device lists; NULL for any other mount. */
static const char *mount_word(const struct spec_mount *m)
{
	const char *rest = str_after(m->destination, "/var/run/nvidia-container-devices/");

	if (!rest)
		rest = str_after(m->destination, "/run/nvidia-container-devices/");
	return rest && str_eq(m->source, SPEC_NULL_SOURCE) ? rest : NULL;
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

static int read_value(struct reader *x, struct asked *a, const char *value)
{
	struct strlist words = { 0 };
	int r;

	if (!value)
		return 0;
	r = check_length(x, a->name, value, VALUE_MAX);
	if (r < 0)
		return r;
	a->value = arena_strdup(&x->r->arena, value);
	strlist_split(&x->r->arena, &words, value, ",", true);
	return understand(x, a, &words);
}

static bool is_all(const struct asked *a)
{
	return a->n == 1 && a->devices[0].kind == REQUEST_ALL;
}

/* In any order; no source names a device twice. */
static bool is_same(const struct asked *a, const struct asked *b)
{
	size_t found = 0;

	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			found += a->devices[i].kind == b->devices[k].kind &&
				 str_eq(a->devices[i].text, b->devices[k].text);
	return a->driver == b->driver && a->n == b->n && found == a->n;
}

/*
 * Who wrote which of two values is not known: the user, or the image. So none may widen the other; only "all" gives
 * way, to what is narrower.
 */
static int choose(struct reader *x, const struct asked *a, const struct asked *b, const struct asked **ret)
{
	if (!a->value || (b->value && is_all(a))) {
		*ret = b;
		return 0;
	}
	if (!b->value || is_all(b) || is_same(a, b)) {
		*ret = a;
		return 0;
	}
	err_set(x->err, ERR_VALUE, 0, "%s=%.64s and %s=%.64s ask for different devices", a->name, a->value, b->name,
		b->value);
	return err_hint(x->err, "name the same devices in both, or set one of them alone");
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

static int read_legacy(struct reader *x)
{
	struct asked all = { .source = REQUEST_FROM_LEGACY, .name = "CUDA_VERSION" };
	const char *version = legacy_version(x->spec);
	int r;

	if (!version)
		return 0;
	/* NVIDIA's old images hold a plain version; what does not is some other image's variable and no request. */
	if (!str_is_version(version)) {
		x->r->why_not = "CUDA_VERSION is set alone, as in images of old, but is no version";
		return 0;
	}
	if (!x->environment_ok) {
		x->r->why_not = not_privileged;
		return 0;
	}
	r = read_value(x, &all, "all");
	take(x, &all);
	return r;
}

static int weigh(struct reader *x, const char *visible_value, const char *swarm_value)
{
	struct asked cdi = { .source = REQUEST_FROM_CDI, .name = "cdi.k8s.io" };
	struct asked swarm = { .source = REQUEST_FROM_SWARM, .name = "DOCKER_RESOURCE_GPU" };
	struct asked visible = { .source = REQUEST_FROM_ENVIRONMENT, .name = "NVIDIA_VISIBLE_DEVICES" };
	const struct asked *chosen = &visible;
	int r = read_annotations(x, &cdi);

	if (r == 0)
		r = read_value(x, &swarm, swarm_value);
	if (r == 0)
		r = read_value(x, &visible, visible_value);
	/* "none" is final. */
	if (r == 0 && !(visible.value && visible.n == 0))
		r = choose(x, &cdi, &swarm, &chosen);
	if (r == 0 && chosen != &visible)
		r = choose(x, &visible, chosen, &chosen);
	if (r < 0)
		return r;
	if (!chosen->value)
		return read_legacy(x);
	take(x, chosen);
	return 0;
}

/* What an image may have set as well as the user: variables, and annotations, which Podman takes from images. */
static int read_sayings(struct reader *x)
{
	cleanup_strbuf struct strbuf joined = STRBUF_INIT;
	const char *swarm = swarm_value(x->spec, &joined), *visible = spec_env(x->spec, "NVIDIA_VISIBLE_DEVICES");
	bool others = names_devices(swarm);

	for (size_t i = 0; i < x->spec->n_annotations; i++)
		others |= is_our_annotation(&x->spec->annotations[i]);
	/* Final, and so nothing else is even parsed: who asks for nothing is not failed. */
	if (visible && !names_devices(visible)) {
		if (others)
			x->r->why_not = "asked by swarm or annotation, but NVIDIA_VISIBLE_DEVICES is empty or void";
		return 0;
	}
	if (!x->environment_ok && (visible || others)) {
		x->r->why_not = not_privileged;
		return 0;
	}
	return weigh(x, visible, swarm);
}

/* Only who makes the container can mount /dev/null: no image can, and so these lists count before all that one can say. */
static int read_devices(struct reader *x)
{
	struct asked mounts = { .source = REQUEST_FROM_MOUNTS, .name = "/var/run/nvidia-container-devices" };
	int r = read_mounts(x);

	if (r < 0)
		return r;
	if (!x->devices.n)
		return read_sayings(x);
	r = understand(x, &mounts, &x->devices);
	if (r == 0)
		take(x, &mounts);
	return r;
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
	if (r == 0)
		r = request_features_read(x->r, x->spec, x->environment_ok, x->err);
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
	if (spec->sandbox) {
		ret->why_not = is_sandbox;
		return 0;
	}
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

int request_from_engine(struct request *ret, const struct spec *spec, const struct config *conf, struct err *err)
{
	struct reader x = { .r = ret, .spec = spec, .conf = conf, .err = err };
	int r;

	*ret = (struct request){ .source = REQUEST_FROM_ENGINE };
	if (spec->sandbox) {
		ret->why_not = is_sandbox;
		return 0;
	}
	ret->wanted = true;
	ret->given = spec->nodes;
	ret->n_given = spec->n_nodes;
	ret->devices = arena_alloc(&ret->arena, sizeof(*ret->devices));
	ret->devices[ret->n_devices++] =
		(struct request_device){ .kind = REQUEST_GIVEN, .text = "what the CDI specification names" };
	r = read_capabilities(&x);
	if (r == 0)
		r = read_requirements(&x);
	if (r == 0)
		r = read_cuda(&x);
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
