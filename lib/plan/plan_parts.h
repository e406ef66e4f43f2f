/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the planner, for lib/plan/plan*.c alone. Each adds to the plan of one struct plan_work. */
#ifndef NVCOREOS_PLAN_PLAN_PARTS_H
#define NVCOREOS_PLAN_PLAN_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"

#define PLAN_CONTROL_MINOR 255 /* nvidiactl */
#define PLAN_MODESET_MINOR 254 /* nvidia-modeset */
#define PLAN_DRM_MAJOR 226
#define PLAN_COMPAT_DIR PLAN_CUDA_DIR "/compat"

/* One device that was asked for and found. */
struct plan_choice {
	const struct inventory_gpu *gpu;
	const struct inventory_mig *mig; /* NULL: the whole GPU */
};

struct plan_work {
	struct plan *plan;
	const struct plan_input *in;
	struct plan_choice *choices;
	size_t n_choices;
	unsigned shown; /* the request's capabilities as a view has them: video with compute, display as graphics */
	bool compat;	/* the image's libcuda is used */
};

/* Adds one decision, a sentence, to the plan's notes. */
void plan_work_note(struct plan_work *w, const char *fmt, ...) printf_format(2, 3);
/* What the root facts say of a path; a path that nobody asked about counts as absent on the root. */
struct rootfacts_path plan_work_fact(const struct plan_work *w, const char *path);
/* What stands over a path that is not on the root, in words. */
const char *plan_work_cover(const struct plan_work *w, const struct rootfacts_path *fact);

/* Finds the devices of the request in the inventory: fills choices and plan->gpus. ERR_GPU_UNKNOWN. */
int plan_devices_resolve(struct plan_work *w, struct err *err) must_check;
/* Whether the engine gives that character device. */
bool plan_devices_given(const struct request *req, uint32_t major, uint32_t minor);
/* The device nodes of the choices. ERR_NODE, ERR_NOT_LOADED where a major is missing. */
int plan_nodes_make(struct plan_work *w, struct err *err) must_check;
/* Decides on forward compatibility: whether the image's libcuda stands in for the driver's. Fills compat. */
void plan_loader_compat(struct plan_work *w);
/* The loader's files, its cache, and LD_LIBRARY_PATH where they cannot be written. */
void plan_loader_make(struct plan_work *w);
/* /proc/driver/nvidia with the chosen GPUs alone. */
void plan_proc_make(struct plan_work *w);
/* The links to programs and shared files. */
void plan_links_make(struct plan_work *w);

/* The paths that decide where a link of a tree's goes. Added to l in the arena. */
void plan_links_candidates(struct arena *a, struct strlist *l, const char *path);
/* What goes with other drivers' devices: the host's files for GPUDirect Storage; and in notes what is left out. */
void plan_extra_make(struct plan_work *w);
/* The i-th of the host's paths that plan_extra_make may show; NULL at the end. */
const char *plan_extra_path(size_t i);
/* What graphics need beside nodes and libraries: the GPUs that EGL may see, and links in /dev/dri. */
void plan_graphics_make(struct plan_work *w);
/* The text of PLAN_EGL_FILE for a set of minors; the caller frees it. */
char *plan_graphics_profile(uint64_t minors) must_check;

#endif
