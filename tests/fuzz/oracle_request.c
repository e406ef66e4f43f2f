/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "fuzz.h"
#include "oracle.h"

#define HEX4 "[0-9a-f]{4}"
#define UUID "[0-9a-f]{8}-" HEX4 "-" HEX4 "-" HEX4 "-[0-9a-f]{12}"
#define NUMBER "(0|[1-9][0-9]{0,9})"

static const char *grammar(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_ALL:
		return "^all$";
	case REQUEST_INDEX:
		return "^" NUMBER "$";
	case REQUEST_UUID:
		return "^GPU-[0-9a-f]{8}(-[0-9a-f-]*)?$";
	case REQUEST_PCI:
		return "^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]$";
	case REQUEST_MIG_INDEX:
		return "^" NUMBER ":" NUMBER "$";
	case REQUEST_MIG_UUID:
		return "^MIG-(" UUID "|GPU-" UUID "/[0-9]{1,3}/[0-9]{1,3})$";
	case REQUEST_GIVEN: /* nothing that a container says */
		break;
	}
	return "^$.";
}

/* Whether the container wrote it somewhere: what it gets it has named. */
static bool is_written(const struct spec *spec, const char *text)
{
	for (size_t i = 0; i < spec->env.n; i++)
		if (strcasestr(spec->env.v[i], text))
			return true;
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcasestr(spec->annotations[i].value, text))
			return true;
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (strcasestr(spec->mounts[i].destination, text))
			return true;
	return false;
}

static void check_device(const struct request *r, size_t i, const struct spec *spec)
{
	const struct request_device *d = &r->devices[i];
	const char *named = d->text;

	MUST(fuzz_matches(d->text, grammar(d->kind)));
	MUST(d->kind != REQUEST_ALL || r->n_devices == 1);
	for (size_t k = 0; k < i; k++)
		MUST(r->devices[k].kind != d->kind || !str_eq(r->devices[k].text, d->text));
	/* A PCI address may have been written without its domain, or with zeros before it. */
	if (d->kind == REQUEST_PCI)
		named = strchr(d->text, ':') + 1;
	MUST(r->source == REQUEST_FROM_LEGACY || is_written(spec, named));
}

/* Nothing but a mount asks for more than NVIDIA_VISIBLE_DEVICES, where that is set. */
static void check_not_widened(const struct request *r, const struct spec *spec)
{
	const char *value = spec_env(spec, "NVIDIA_VISIBLE_DEVICES");

	if (!value || r->source == REQUEST_FROM_MOUNTS)
		return;
	MUST(r->source != REQUEST_FROM_LEGACY && !fuzz_matches(value, "^((runtime\\.)?nvidia\\.com/gpu=)?(void)?$"));
	if (fuzz_matches(value, "^((runtime\\.)?nvidia\\.com/gpu=)?all$"))
		return;
	MUST(!fuzz_matches(value, "^((runtime\\.)?nvidia\\.com/gpu=)?none$") || r->n_devices == 0);
	for (size_t i = 0; i < r->n_devices; i++) {
		const char *text = r->devices[i].text;

		MUST(strcasestr(value, r->devices[i].kind == REQUEST_PCI ? strchr(text, ':') + 1 : text));
	}
}

static void check_rights(const struct request *r, const struct spec *spec, const struct config *conf)
{
	bool environment = r->source == REQUEST_FROM_ENVIRONMENT || r->source == REQUEST_FROM_LEGACY ||
			   r->source == REQUEST_FROM_SWARM || r->source == REQUEST_FROM_CDI;
	bool trusted = conf->accept_environment == CONFIG_ACCEPT_ALL || spec->privileged;
	bool imex_mount = false;

	MUST(!spec->sandbox);
	MUST(trusted || !environment);
	MUST(conf->accept_mounts || r->source != REQUEST_FROM_MOUNTS);
	MUST(spec->privileged || (!r->mig_config && !r->mig_monitor));
	for (size_t i = 0; i < spec->n_mounts; i++)
		imex_mount |= strstr(spec->mounts[i].destination, "/nvidia-container-devices/imex/") != NULL;
	MUST(trusted ? !r->features_denied : !r->features);
	MUST(!r->n_imex_channels || trusted || (imex_mount && conf->accept_mounts));
}

static void check_wanted(const struct request *r, const struct spec *spec)
{
	MUST(r->n_devices <= 64);
	for (size_t i = 0; i < r->n_devices; i++)
		check_device(r, i, spec);
	MUST(r->capabilities && !(r->capabilities & ~(unsigned)CAP_ALL));
	MUST(!r->cuda || str_eq(r->cuda, "none") || str_eq(r->cuda, "auto") ||
	     fuzz_matches(r->cuda, "^[0-9]+(\\.[0-9]+){0,3}$"));
	MUST(r->n_imex_channels <= 64);
	for (size_t i = 0; i < r->n_imex_channels; i++) {
		MUST(r->imex_channels[i] < 1u << 20);
		for (size_t k = 0; k < i; k++)
			MUST(r->imex_channels[k] != r->imex_channels[i]);
	}
	for (size_t i = 0; i < r->n_requirements; i++)
		MUST(r->requirements[i].value[0] && (str_starts(r->requirements[i].name, "NVIDIA_REQUIRE_") ||
						     str_eq(r->requirements[i].name, "CUDA_VERSION")));
}

bool oracle_request(struct request *r, const struct spec *spec, const struct config *conf)
{
	struct err err = ERR_INIT;

	if (request_parse(r, spec, conf, &err) < 0) {
		fuzz_refused(&err, ERR_VALUE, ERR_CAPABILITY, ERR_CUDA_UNKNOWN, ERR_NOT_PRIVILEGED, ERR_NONE);
		MUST(!r->wanted && !r->n_devices && !r->n_imex_channels && !r->mig_config && !r->mig_monitor);
		return false;
	}
	if (r->wanted) {
		check_rights(r, spec, conf);
		check_not_widened(r, spec);
		check_wanted(r, spec);
	} else {
		MUST(!r->n_devices && !r->n_imex_channels && !r->mig_config && !r->mig_monitor);
	}
	return true;
}
