/* SPDX-License-Identifier: Apache-2.0 */
#include "modprove.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* What the largest module unpacks to, several times over. */
#define MEMORY_MAX (512u << 20)
#define SECONDS_MAX 300
#define ANSWER_MAX (16u << 20)

struct work {
	const struct modset *set;
	bool open;
	const struct modcheck_origin *origin;
	const struct kernelsyms_source *src;
	bool blind;	     /* nothing of the kernel is read */
	volatile size_t *at; /* the module that the child reads; the set's number of them: the kernel's own */
	pid_t parent;
};

/* What the child writes; behind it the findings, each with its NUL. */
struct answer {
	int result;
	struct err err;
	size_t size;	   /* of all of it: less came where the child ended early */
	struct modcheck m; /* its pointers are the child's */
};

static int read_modules(const struct work *w, struct arena *a, struct kmodfile *k, struct modcheck_module **ret,
			struct err *err)
{
	struct modcheck_module *v = arena_alloc(a, w->set->n * sizeof(*v));
	int r = 0;

	*ret = v;
	for (size_t i = 0; r == 0 && i < w->set->n; i++) {
		*w->at = i;
		r = kmodfile_read(k, &w->set->v[i], a, &v[i], err);
		v[i].open = w->open;
	}
	return r;
}

static int prove(const struct work *w, struct modcheck *ret, struct err *err)
{
	struct kmodfile *k cleanup_kmodfile = NULL;
	cleanup_arena struct arena a = ARENA_INIT;
	struct modcheck_module *modules;
	struct modcheck_kernel kernel;
	int r = kmodfile_open(&k, err);

	if (r == 0)
		r = read_modules(w, &a, k, &modules, err);
	*w->at = r == 0 ? w->set->n : *w->at;
	if (r == 0)
		r = w->blind ? kernelsyms_name(&a, &kernel, w->src, err)
			     : kernelsyms_read(&a, &kernel, k, w->src, modules, w->set->n, err);
	if (r == 0)
		modcheck_run(ret, modules, w->set->n, &kernel, w->origin);
	return r;
}

/* --- the child: libkmod ends the process over some damaged files, and a small one may unpack to any size ------- */

static void limit(int what, rlim_t max)
{
	struct rlimit l = { max, max };

	setrlimit((__rlimit_resource_t)what, &l);
}

static void out_of_memory(void)
{
	_exit(1);
}

static noreturn_fn void run_child(const struct work *w, int out)
{
	struct answer answer = { .err = ERR_INIT };
	int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC), r;

	mem_set_oom_handler(out_of_memory);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != w->parent || null < 0 || dup2(null, STDERR_FILENO) < 0)
		_exit(1);
	signal(SIGABRT, SIG_DFL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_DATA, MEMORY_MAX);
	limit(RLIMIT_CPU, SECONDS_MAX);
	answer.result = prove(w, &answer.m, &answer.err);
	answer.size = sizeof(answer);
	for (size_t i = 0; i < answer.m.findings.n; i++)
		answer.size += strlen(answer.m.findings.v[i]) + 1;
	r = fd_write_all(out, &answer, sizeof(answer));
	for (size_t i = 0; r == 0 && i < answer.m.findings.n; i++)
		r = fd_write_all(out, answer.m.findings.v[i], strlen(answer.m.findings.v[i]) + 1);
	_exit(r == 0 ? 0 : 1);
}

/* --- the parent --------------------------------------------------------------------------------------------------- */

static int child_died(const struct work *w, struct err *err)
{
	if (*w->at == w->set->n)
		return err_set(err, ERR_HOST, 0, "one of the kernel's own modules is damaged");
	err_set(err, ERR_LOAD, 0, "%s: no module, or damaged", w->set->v[*w->at].file);
	return err_hint(err, "install the modules again");
}

static int take_answer(const struct work *w, const char *text, size_t len, struct modcheck *ret, struct err *err)
{
	struct answer answer = { 0 };

	if (len >= sizeof(answer))
		memcpy(&answer, text, sizeof(answer));
	if (!answer.size || answer.size != len)
		return child_died(w, err);
	if (answer.result < 0) {
		if (err)
			*err = answer.err;
		return answer.result;
	}
	*ret = answer.m;
	ret->arena = (struct arena)ARENA_INIT;
	ret->findings = (struct strlist){ 0 };
	for (size_t o = sizeof(answer); o < len; o += strlen(text + o) + 1)
		strlist_add(&ret->arena, &ret->findings, arena_strdup(&ret->arena, text + o));
	return 0;
}

static int ask_child(struct work *w, struct modcheck *ret, struct err *err)
{
	cleanup_free char *text = NULL;
	int fds[2], r;
	size_t len = 0;
	pid_t pid;

	w->parent = getpid();
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_LOAD, errno, "pipe");
	pid = fork();
	if (pid == 0)
		run_child(w, fds[1]);
	r = pid < 0 ? -errno : 0;
	fd_close(fds[1]);
	if (r == 0)
		r = fd_read_all(fds[0], ANSWER_MAX, &text, &len);
	fd_close(fds[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? err_set(err, ERR_LOAD, -r, "reading the modules") : take_answer(w, text, len, ret, err);
}

int modprove_set(struct modcheck *ret, const struct modset *set, bool open, const struct modcheck_origin *origin,
		 const struct kernelsyms_source *src, struct err *err)
{
	struct work w = { .set = set, .open = open, .origin = origin, .src = src };
	struct err why = ERR_INIT, local = ERR_INIT;
	void *shared = mmap(NULL, sizeof(*w.at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (shared == MAP_FAILED)
		return err_set(err, ERR_LOAD, errno, "memory");
	w.at = shared;
	r = ask_child(&w, ret, &why);
	if (r < 0 && why.code == ERR_HOST) {
		/* Of what driver they are, and what else they say of themselves, needs no kernel. */
		w.blind = true;
		r = ask_child(&w, ret, &local);
		if (r < 0)
			why = local;
		else
			r = -ENODATA;
	} else if (r == -ENODATA) {
		r = -EINVAL;
	}
	munmap(shared, sizeof(*w.at));
	if (r < 0 && err)
		*err = why;
	return r;
}

int modprove_dir(struct modcheck *ret, const char *dir, bool open, const struct modcheck_origin *origin,
		 const struct kernelsyms_source *src, struct err *err)
{
	struct modset set cleanup_modset = MODSET_INIT;
	int r = modset_open(&set, dir, err);

	if (r <= 0 || !set.n)
		return r < 0 ? r : 0;
	r = modprove_set(ret, &set, open, origin, src, err);
	return r < 0 ? r : 1;
}
