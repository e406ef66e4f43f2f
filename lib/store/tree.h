/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An installed tree as a container's start sees it: start.json, which is written beside manifest.json at
 * installation and holds of it just what a start needs, so that a start reads one short file however many files
 * a toolkit has.
 *
 * start.json of a driver:
 * {"format":1,"kind":"driver","driver":"535.261.03","os":"...","arch":"x86_64","cuda":"12.2",
 * "capabilities":["compute",...],
 * "libraries":[{"soname":"libcuda.so.1","dir":"lib64","class":64,"machine":62,"capability":"compute","compat":true}],
 * "programs":[{"name":"nvidia-smi","capability":"utility"}],
 * "links":[{"path":"/etc/OpenCL/vendors/nvidia.icd","target":"share/OpenCL/vendors/nvidia.icd",
 * "capability":"compute"}]} of a toolkit:
 * {"format":1,"kind":"cuda","cuda":"12.4.1","arch":"x86_64","dirs":["lib64","targets/x86_64-linux/lib"],
 * "libraries":[...]}
 */
#ifndef NVCOREOS_STORE_TREE_H
#define NVCOREOS_STORE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/capability.h"

#define TREE_FORMAT 1
#define TREE_START "start.json"
#define TREE_MANIFEST "manifest.json"
#define TREE_START_MAX (4u << 20)

struct tree_library {
	const char *soname;	 /* also the name of the link or file in dir that the loader opens */
	const char *dir;	 /* below the mount: "lib64", "lib32"; a toolkit's "targets/x86_64-linux/lib" */
	unsigned class, machine; /* 32 or 64; EM_* */
	unsigned capability;	 /* CAP_* bits, any of which shows it; 0: shown with every set */
	bool compat;		 /* libcuda or one of its JIT companions: not in the views for forward compatibility */
};

struct tree_program {
	const char *name; /* below bin/ */
	unsigned capability;
};

/*
 * Links below these go beside the image's own libraries, wherever it has them: the planner finds the place. And where a
 * view has modules of the X server.
 */
#define TREE_LINK_GBM "/usr/lib64/gbm"
#define TREE_LINK_XSERVER "/usr/lib64/xorg/modules"
#define TREE_XSERVER "xorg"

struct tree_link {
	const char *path;    /* in the container, absolute */
	const char *target;  /* below /usr/local/nvidia: "share/vulkan/icd.d/nvidia_icd.json" */
	unsigned capability; /* any of these bits wants it */
};

struct tree {
	struct arena arena;
	bool is_cuda;
	const char *driver, *os; /* NULL for a toolkit */
	const char *cuda;      /* the toolkit's version; the CUDA version that a driver supports, NULL where unknown */
	const char *path;      /* host path of the tree */
	unsigned capabilities; /* those that the driver has files for */
	struct strlist dirs;   /* a toolkit's library directories, in their order */
	struct tree_library *libraries; /* as read, with no room for more */
	size_t n_libraries;
	struct tree_program *programs;
	size_t n_programs;
	struct tree_link *links;
	size_t n_links;
	char *text; /* of start.json, in which the lists' strings stand */
};

/* Reads <path>/start.json. -errno with ERR_TREE. */
int tree_load(struct tree *ret, const char *path, struct err *err) must_check;
/* The same where nobody asks for libraries, programs and links: a driver's, of which there are hundreds, may then be missing in *ret. */
int tree_load_head(struct tree *ret, const char *path, struct err *err) must_check;
int tree_parse(struct tree *ret, const char *path, const char *text, size_t len, struct err *err) must_check;
/* The text of start.json; the caller frees it. */
char *tree_dump(const struct tree *t) must_check;
void tree_free(struct tree *t);

/*
 * The name of the view for a set of capabilities: what the driver has no files for does not count, so fewer
 * views are needed. `compat` names the twin without libcuda ("compute+utility.nocuda"). buf holds TREE_VIEW_MAX
 * bytes. Returns buf.
 */
#define TREE_VIEW_MAX 96
const char *tree_view_name(const struct tree *t, unsigned capabilities, bool compat, char *buf);
/*
 * Whether a view for these capabilities shows a file of this capability. A file that several capabilities need
 * (libnvidia-gpucomp: "compute+graphics" in start.json) has several bits; any of them is enough.
 */
bool tree_view_shows(unsigned capabilities, unsigned file_capability);
/* The canonical set that a request for `capabilities` comes to in this tree. */
unsigned tree_view_set(const struct tree *t, unsigned capabilities);
/*
 * A capability set as it stands in start.json and manifest.json: "compute", "compute+graphics". False where a
 * word is unknown.
 */
bool tree_capability_parse(const char *text, unsigned *ret);
/* Whether s is a plain file name of printable bytes: what a SONAME or a program may be called. */
bool tree_is_file_name(const char *s);
/* Whether s is a relative path of such names. */
bool tree_is_relative(const char *s);

#endif
