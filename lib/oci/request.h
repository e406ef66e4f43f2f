/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one container asks for. All of it is hostile: one strict parser a value, unknown input is an error that
 * names it.
 */
#ifndef NVCOREOS_OCI_REQUEST_H
#define NVCOREOS_OCI_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/config.h"
#include "oci/spec.h"

enum request_kind {
	REQUEST_ALL,	   /* all */
	REQUEST_INDEX,	   /* 0 */
	REQUEST_UUID,	   /* GPU-..., whole or a prefix that names one */
	REQUEST_PCI,	   /* 0000:01:00.0 */
	REQUEST_MIG_INDEX, /* 0:1 */
	REQUEST_MIG_UUID,  /* MIG-... */
	REQUEST_GIVEN,	   /* those whose nodes the engine gives */
};

struct request_device {
	enum request_kind kind;
	uint32_t index, mig;
	const char *text; /* as the container wrote it; PCI addresses and UUIDs in canonical case */
};

enum request_source {
	REQUEST_FROM_NOTHING,
	REQUEST_FROM_ENVIRONMENT, /* NVIDIA_VISIBLE_DEVICES */
	REQUEST_FROM_LEGACY,	  /* CUDA_VERSION alone: images from before NVIDIA_VISIBLE_DEVICES */
	REQUEST_FROM_SWARM,	  /* DOCKER_RESOURCE_* */
	REQUEST_FROM_MOUNTS,	  /* /var/run/nvidia-container-devices/ */
	REQUEST_FROM_CDI,	  /* cdi.k8s.io/ annotations */
	REQUEST_FROM_ENGINE,	  /* nodes that the engine gives, by our CDI specification */
};

struct request_requirement {
	const char *name, *value; /* "NVIDIA_REQUIRE_CUDA", "cuda>=12.4 brand=tesla,driver>=535" */
};

/* What a container may ask for beside GPUs, by a variable each with the value "enabled". */
enum request_feature {
	REQUEST_GDS = 1,      /* NVIDIA_GDS: GPUDirect Storage */
	REQUEST_MOFED = 2,    /* NVIDIA_MOFED: InfiniBand's verbs */
	REQUEST_GDRCOPY = 4,  /* NVIDIA_GDRCOPY */
	REQUEST_NVSWITCH = 8, /* NVIDIA_NVSWITCH */
};

struct request {
	struct arena arena;
	bool wanted; /* false: leave the container alone; nothing below is set */
	enum request_source source;
	const char *why_not; /* where wanted is false although something was asked: the reason, for the log */
	struct request_device *devices; /* none: the driver and no GPU */
	size_t n_devices;
	unsigned capabilities;			  /* CAP_*, never 0 */
	struct request_requirement *requirements; /* empty with NVIDIA_DISABLE_REQUIRE */
	size_t n_requirements;
	const char *cuda; /* "auto", "none", or a version; NULL where the container says nothing */
	bool mig_config, mig_monitor;
	uint32_t *imex_channels;
	size_t n_imex_channels;
	const struct spec_node *given; /* with REQUEST_FROM_ENGINE: the nodes; the plan then has none */
	size_t n_given;
	unsigned features;	  /* REQUEST_* bits */
	unsigned features_denied; /* asked for by variables that count only in privileged containers */
};

/*
 * Reads the request out of a spec by the rules of the configuration (accept-environment, accept-mounts,
 * default-capabilities). 0 with wanted set or not; -EINVAL with ERR_VALUE, ERR_CAPABILITY, ERR_CUDA_UNKNOWN (a
 * version that is no name) or ERR_NOT_PRIVILEGED.
 */
int request_parse(struct request *ret, const struct spec *spec, const struct config *conf, struct err *err) must_check;
/*
 * The request of a container that our CDI specification was applied to. Which GPUs it gets is told by the nodes in
 * linux.devices alone: nothing that an image says adds one. Capabilities, requirements and toolkit are the container's own,
 * as in request_parse; MIG management and IMEX channels are nodes, and so the engine's. The same errors; `spec` must outlive
 * the request.
 */
int request_from_engine(struct request *ret, const struct spec *spec, const struct config *conf,
			struct err *err) must_check;
/*
 * One list as in NVIDIA_VISIBLE_DEVICES, for tests and fuzzing; "none" gives an empty list, "void" and "" are the
 * caller's.
 */
int request_parse_devices(struct request *r, const char *list, struct err *err) must_check;
void request_free(struct request *r);

#endif
