/* SPDX-License-Identifier: Apache-2.0 */
#include "store/build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "host/elf.h"
#include "store/classify.h"
#include "store/cudaver.h"
#include "store/digest.h"
#include "store/label.h"
#include "store/modinfo.h"
#include "store/packed.h"
#include "store/start.h"
#include "store/store.h"
#include "store/verify.h"
#include "store/view.h"

#define STAGING ".staging-"
#define IN ".in"
#define EM_AMD64 62
#define EM_ARM64 183

static int make_staging(struct build *b)
{
	int r = -EEXIST;

	for (unsigned i = 0; r == -EEXIST && i < 64; i++) {
		snprintf(b->staging, sizeof(b->staging), STAGING "%d-%u", (int)getpid(), i);
		r = mkdirat(b->storefd, b->staging, 0700) < 0 ? -errno : 0;
	}
	if (r < 0) {
		b->staging[0] = '\0';
		return r;
	}
	b->dir = openat(b->storefd, b->staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Another configuration's run may share this store, and not its lock: repair.c leaves alone what is locked. */
	if (b->dir < 0 || flock(b->dir, LOCK_SH | LOCK_NB) < 0 || mkdirat(b->dir, IN, 0700) < 0)
		return -errno;
	b->in = openat(b->dir, IN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return b->in < 0 ? -errno : 0;
}

int build_begin(struct build *b, const char *store, struct err *err)
{
	int r;

	*b = (struct build)BUILD_INIT;
	b->store = arena_strdup(&b->arena, store);
	r = fd_mkdir_p(AT_FDCWD, store, 0755);
	if (r == 0)
		r = b->storefd = fd_open_dir(store);
	if (r >= 0)
		r = make_staging(b);
	if (r < 0) {
		err_set(err, ERR_STORE, -r, "%s", store);
		build_free(b);
	}
	return r < 0 ? r : 0;
}

void build_new_name(struct build *b, char name[BUILD_NAME_MAX])
{
	snprintf(name, BUILD_NAME_MAX, "%u", b->next++);
}

int build_new_file(struct build *b, char name[BUILD_NAME_MAX], struct err *err)
{
	int fd;

	build_new_name(b, name);
	fd = openat(b->in, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? err_set(err, ERR_STORE, errno, "%s/%s/" IN "/%s", b->store, b->staging, name) : fd;
}

static const char *shown(const struct build_file *f)
{
	return f->shown ? f->shown : f->name;
}

static int refuse(const struct build_file *f, const char *why, struct err *err)
{
	return err_set(err, ERR_ARCHIVE, 0, "%s: %s", shown(f), why);
}

/* 1 with the facts of an ELF file, 0 for any other. */
static int read_elf(const struct build_file *f, struct elf_facts *facts, struct err *err)
{
	int r = elf_read(f->fd, facts);

	if (r == 0)
		return 1;
	/* Firmware is an ELF file of a machine with its own habits. */
	if (r == -ENOEXEC || (r == -EBADMSG && str_starts(f->name, "gsp")))
		return 0;
	return r == -EBADMSG ? refuse(f, "damaged ELF file", err) : err_set(err, ERR_IO, -r, "%s", f->name);
}

/* Its 64-bit libraries decide what machine a tree is for; all must agree. */
static int check_machine(struct build *b, const struct build_file *f, const struct elf_facts *elf, struct err *err)
{
	const char *arch = elf->machine == EM_AMD64 ? "x86_64" : elf->machine == EM_ARM64 ? "aarch64" : NULL;

	if (elf->class != 64)
		return 0;
	if (!arch)
		return refuse(f, "for an unknown machine", err);
	if (!b->manifest.arch)
		b->manifest.arch = arena_strdup(&b->manifest.arena, arch);
	return str_eq(b->manifest.arch, arch) ? 0 : refuse(f, "for another machine than the rest", err);
}

/* As modinfo_read; -EBADMSG too where what is packed cannot be unpacked. */
static int read_modinfo(const struct build_file *f, struct modinfo *ret)
{
	cleanup_fd int unpacked = -EBADF;
	struct err why = ERR_INIT;

	if (!packed_is(f->name))
		return modinfo_read(f->fd, ret);
	unpacked = packed_open(f->name, f->fd, &why);
	if (unpacked < 0)
		return why.code == ERR_ARCHIVE ? -EBADMSG : unpacked;
	return modinfo_read(unpacked, ret);
}

static int add_module(struct build *b, const struct build_file *f, const char *path, struct err *err)
{
	struct manifest_module m = { .path = path, .version = "", .vermagic = "", .depends = "" };
	cleanup_free char *stem = mem_strndup(f->name, (size_t)(strstr(f->name, ".ko") - f->name));
	struct modinfo info;
	int r;

	/* The whole set would be refused when it is to be loaded. */
	if (str_ends(f->name, ".gz")) {
		refuse(f, "a kernel module packed with gzip", err);
		return err_hint(err, "pack it as .ko.xz or .ko.zst, or leave it unpacked");
	}
	r = read_modinfo(f, &info);
	if (r < 0 && r != -ENOEXEC)
		return r == -EBADMSG ? refuse(f, "damaged kernel module", err)
				     : err_set(err, ERR_IO, -r, "%s", f->name);
	m.flavour = f->modules_dir && str_eq(f->modules_dir, "modules-open") ? "open" : "proprietary";
	m.name = r == 0 && tree_is_file_name(info.name) ? info.name : stem;
	if (r == 0) {
		m.version = info.version;
		m.vermagic = info.vermagic;
		m.depends = info.depends;
	}
	/* Modules without a version are not the driver's own (something built along with it). */
	if (*m.version && str_is_version(m.version) && str_starts(m.name, "nvidia") &&
	    !str_eq(m.version, b->manifest.driver))
		return err_set(err, ERR_ARCHIVE, 0, "%s: of driver %s, not %s", shown(f), m.version,
			       b->manifest.driver);
	manifest_add_module(&b->manifest, &m);
	return 0;
}

/* Whether a file of an installed tree is what its manifest says, and nobody may write it: damage is not handed on. 0, -ESTALE where it is not, or -errno. */
static int check_shared(int dir, const struct manifest *m, const struct manifest_file *f)
{
	cleanup_fd int fd = openat(dir, f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char hex[DIGEST_HEX];
	struct stat st;
	uint64_t size;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size ||
	    !verify_is_fit(fd, &st, manifest_is_program(m, f)))
		return -ESTALE;
	r = digest_fd(fd, hex, &size);
	if (r < 0)
		return r;
	return size == f->size && str_eq(hex, f->sha256) ? 0 : -ESTALE;
}

/* Whether the donor's file of this path and content is there, whole, and now stands here. */
static bool share_donor(const struct build *b, const struct build_file *f, const char *path)
{
	const struct manifest_file *d = b->donor ? manifest_find(b->donor, path) : NULL;

	return d && !d->link && d->size == f->size && str_eq(d->sha256, f->sha256) &&
	       check_shared(b->donor_dir, b->donor, d) == 0 && linkat(b->donor_dir, path, b->dir, path, 0) == 0;
}

static int move_in(struct build *b, const struct build_file *f, const char *path, bool executable)
{
	char parent[PATH_MAX];
	int r = path_parent(path, parent, sizeof(parent));

	if (r == 0)
		r = fd_mkdir_p(b->dir, parent, 0755);
	if (r < 0)
		return r;
	if (share_donor(b, f, path))
		return unlinkat(b->in, f->temp, 0) < 0 ? -errno : 0;
	/* Never setuid: the mode of the archive is not taken over. */
	if (!f->shared && fchmodat(b->in, f->temp, executable ? 0755 : 0644, 0) < 0)
		return -errno;
	return renameat(b->in, f->temp, b->dir, path) < 0 ? -errno : 0;
}

static int drop(const struct build *b, const struct build_file *f, struct err *err)
{
	return unlinkat(b->in, f->temp, 0) < 0 ? err_set(err, ERR_STORE, errno, "%s", f->name) : 0;
}

/* What a file is; false: no part of a driver. */
static int examine(struct build *b, const struct build_file *f, struct elf_facts *elf, struct classify *c,
		   struct err *err)
{
	struct classify_input in = { .name = f->name, .driver = b->manifest.driver, .from_tools = f->from_tools };
	int r = 0;

	in.modules_dir = f->modules_dir;
	if (!f->modules_dir)
		r = read_elf(f, elf, err);
	if (r < 0)
		return r;
	in.elf = r ? elf : NULL;
	if (!classify_file(&in, c))
		return 0;
	if (in.elf && (c->kind == MANIFEST_LIBRARY || c->kind == MANIFEST_PROGRAM))
		r = check_machine(b, f, elf, err);
	return r < 0 ? r : 1;
}

int build_take(struct build *b, const struct build_file *f, struct err *err)
{
	struct elf_facts elf = { 0 };
	struct classify c;
	const struct manifest_file *twin;
	struct manifest_file entry = { .size = f->size, .sha256 = f->sha256 };
	cleanup_free char *path = NULL;
	int r = examine(b, f, &elf, &c, err);

	if (r < 0)
		return r;
	if (r == 0) {
		strlist_add(&b->arena, &b->ignored, f->name);
		return drop(b, f, err);
	}
	path = mem_printf("%s/%s", c.dir, f->name);
	twin = manifest_find(&b->manifest, path);
	if (twin)
		return f->yields || (!twin->link && str_eq(twin->sha256, f->sha256))
			       ? drop(b, f, err)
			       : refuse(f, "twice, with different content", err);
	if (c.kind == MANIFEST_MODULE)
		r = add_module(b, f, path, err);
	if (r >= 0 && (r = move_in(b, f, path, str_eq(c.dir, "bin"))) < 0)
		r = err_set(err, ERR_STORE, -r, "%s/%s/%s", b->store, b->staging, path);
	if (r < 0)
		return r;
	entry.path = path;
	entry.kind = c.kind;
	entry.class = c.kind == MANIFEST_FIRMWARE ? 0 : elf.class;
	entry.machine = c.kind == MANIFEST_FIRMWARE ? 0 : elf.machine;
	entry.soname = elf.soname[0] ? elf.soname : NULL;
	entry.capability = c.capability;
	entry.compat = c.compat;
	manifest_add_file(&b->manifest, &entry);
	return 0;
}

void build_hint(struct build *b, const char *name, const char *target)
{
	if (b->n_hints >= BUILD_HINTS_MAX || !tree_is_file_name(name) || !tree_is_file_name(target) ||
	    str_eq(name, target))
		return;
	b->hints = arena_grow(&b->arena, b->hints, b->n_hints, sizeof(*b->hints));
	b->hints[b->n_hints++] = (struct soname_hint){ arena_strdup(&b->arena, name), arena_strdup(&b->arena, target) };
}

static int donor_damaged(const struct build *b, const char *path, struct err *err)
{
	err_set(err, ERR_TREE, 0, "%s/%s/%s: %s", b->store, b->donor->driver, b->donor->os, path);
	return err_hint(err, "name the driver's libraries-%s archive too, or install it again", b->donor->driver);
}

/* -ENOENT, -ESTALE: it is not there, or damaged. */
static int share_file(struct build *b, int dir, const struct manifest *m, const struct manifest_file *f)
{
	char parent[PATH_MAX];
	int r = path_parent(f->path, parent, sizeof(parent));

	if (r == 0)
		r = fd_mkdir_p(b->dir, parent, 0755);
	if (r == 0 && !f->link)
		r = check_shared(dir, m, f);
	if (r == 0)
		r = view_link(dir, f->path, b->dir, f->path);
	if (r == 0)
		manifest_add_file(&b->manifest, f);
	return r;
}

int build_take_donor(struct build *b, struct err *err)
{
	for (size_t i = 0; i < b->donor->n_files; i++) {
		const struct manifest_file *f = &b->donor->files[i];
		int r;

		if (f->kind == MANIFEST_MODULE || manifest_find(&b->manifest, f->path))
			continue;
		r = share_file(b, b->donor_dir, b->donor, f);
		if (r == -ENOENT || r == -ESTALE)
			return donor_damaged(b, f->path, err);
		if (r < 0)
			return err_set(err, ERR_STORE, -r, "%s", f->path);
	}
	if (!b->manifest.arch && b->donor->arch)
		b->manifest.arch = arena_strdup(&b->manifest.arena, b->donor->arch);
	return 0;
}

static const struct manifest_module *find_module(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n_modules; i++)
		if (str_eq(m->modules[i].path, path))
			return &m->modules[i];
	return NULL;
}

static bool has_source(const struct manifest *m, const struct manifest_source *s)
{
	for (size_t i = 0; i < m->n_sources; i++)
		if (str_eq(m->sources[i].name, s->name))
			return true;
	return false;
}

/* What the manifest says beside the files. */
static void take_words(struct manifest *m, const struct manifest *old)
{
	for (size_t i = 0; i < old->n_modules; i++)
		if (manifest_find(m, old->modules[i].path) && !find_module(m, old->modules[i].path))
			manifest_add_module(m, &old->modules[i]);
	for (size_t i = 0; i < old->n_sources; i++)
		if (!has_source(m, &old->sources[i]))
			manifest_add_source(m, old->sources[i].name, old->sources[i].sha256);
	if (!m->arch && old->arch)
		m->arch = arena_strdup(&m->arena, old->arch);
	if (!m->build_id && old->build_id)
		m->build_id = arena_strdup(&m->arena, old->build_id);
}

int build_take_rest(struct build *b, const char *path, struct err *err)
{
	cleanup_manifest struct manifest old = { .arena = ARENA_INIT };
	cleanup_fd int dir = fd_open_dir(path);
	int r = 0;

	if (dir < 0 || manifest_load(&old, path, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < old.n_files; i++) {
		if (manifest_find(&b->manifest, old.files[i].path))
			continue;
		r = share_file(b, dir, &old, &old.files[i]);
		if (r == -ENOENT || r == -ESTALE) {
			log_warning("%s/%s is damaged, and left out", path, old.files[i].path);
			r = 0;
		}
		if (r < 0)
			return err_set(err, ERR_STORE, -r, "%s/%s", path, old.files[i].path);
	}
	take_words(&b->manifest, &old);
	return 0;
}

/* Texts that are the same in every driver, and that archives of libraries alone lack. */
static const struct text {
	const char *library, *path, *name, *text;
} texts[] = {
	{ "lib64/libnvidia-opencl.so.1", "share/OpenCL/vendors/nvidia.icd", "nvidia.icd", "libnvidia-opencl.so.1\n" },
	{ "lib64/libEGL_nvidia.so.0", "share/glvnd/egl_vendor.d/10_nvidia.json", "10_nvidia.json",
	  "{\"file_format_version\":\"1.0.0\",\"ICD\":{\"library_path\":\"libEGL_nvidia.so.0\"}}\n" },
};

static int write_text(struct build *b, const struct text *t, struct err *err)
{
	char temp[BUILD_NAME_MAX], hex[DIGEST_HEX];
	cleanup_fd int fd = build_new_file(b, temp, err);
	struct build_file f = { .name = t->name, .temp = temp, .fd = fd, .sha256 = hex };
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_all(fd, t->text, strlen(t->text));
	if (r == 0)
		r = digest_fd(fd, hex, &f.size);
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s", t->path) : build_take(b, &f, err);
}

static int write_texts(struct build *b, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		if (manifest_find(&b->manifest, texts[i].library) && !manifest_find(&b->manifest, texts[i].path))
			r = write_text(b, &texts[i], err);
	return r;
}

int build_write(struct build *b, const struct tree *t, struct err *err)
{
	cleanup_free char *start = tree_dump(t), *manifest = manifest_dump(&b->manifest);
	int r = fd_replace_file(b->dir, TREE_MANIFEST, manifest, strlen(manifest), 0644, 0);

	if (r == 0 && strlen(start) > TREE_START_MAX)
		r = -EFBIG;
	if (r == 0)
		r = fd_replace_file(b->dir, TREE_START, start, strlen(start), 0644, 0);
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s/%s", b->store, b->staging) : 0;
}

/* An archive is called after its driver; what its libraries are called is what they are. */
static int check_version(const struct build *b, struct err *err)
{
	static const char *const named[] = { "libcuda.so.", "libnvidia-ml.so." };

	for (size_t i = 0; i < b->manifest.n_files; i++)
		for (size_t k = 0; k < ARRAY_SIZE(named); k++) {
			const char *version = str_after(path_base(b->manifest.files[i].path), named[k]);

			if (!version || !strchr(version, '.') || !str_is_version(version) ||
			    str_eq(version, b->manifest.driver))
				continue;
			return err_set(err, ERR_ARCHIVE, 0, "%s%s is not of driver %s", named[k], version,
				       b->manifest.driver);
		}
	return 0;
}

int build_finish_driver(struct build *b, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", b->store, b->staging);
	struct tree t;
	size_t libraries = 0;
	int r;

	for (size_t i = 0; i < b->manifest.n_files; i++)
		libraries += b->manifest.files[i].kind == MANIFEST_LIBRARY;
	if (!libraries)
		return err_set(err, ERR_ARCHIVE, 0, "%s: no library of driver %s in it",
			       manifest_source_names(&b->manifest), b->manifest.driver);
	r = check_version(b, err);
	if (r < 0)
		return r;
	if (!b->manifest.cuda && cudaver_of_driver(b->manifest.driver))
		b->manifest.cuda = arena_strdup(&b->manifest.arena, cudaver_of_driver(b->manifest.driver));
	r = soname_links(b->dir, &b->manifest, b->hints, b->n_hints, err);
	if (r == 0)
		r = write_texts(b, err);
	if (r < 0)
		return r;
	manifest_sort(&b->manifest);
	start_driver(&t, &b->manifest, path);
	r = view_make(b->dir, &b->manifest, &t, err);
	if (r == 0)
		r = build_write(b, &t, err);
	tree_free(&t);
	return r;
}

/* On a file system that cannot refuse to replace, a look has to do: the lock keeps others away. */
static int rename_new(int dirfd, const char *from, const char *to)
{
	struct stat st;

	if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(dirfd, from, dirfd, to) < 0 ? -errno : 0;
}

int build_settle(const char *store, const char *parent, struct err *err)
{
	cleanup_free char *path = parent ? mem_printf("%s/%s", store, parent) : NULL;
	int r = path ? fd_sync_dir(path) : 0;

	if (r == 0)
		r = fd_sync_dir(store);
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s", path ? path : store) : 0;
}

enum existing { EXISTING_NONE, EXISTING_SAME, EXISTING_DAMAGED, EXISTING_PART };

/* Whether the new tree has all that the old one has, and more. */
static bool is_part(const struct manifest *old, const struct manifest *new)
{
	for (size_t i = 0; i < old->n_files; i++) {
		const struct manifest_file *f = &old->files[i], *n = manifest_find(new, f->path);

		if (!n || !f->link != !n->link || (!f->link && !str_eq(f->sha256, n->sha256)))
			return false;
	}
	return true;
}

/* What stands in the new tree's place: an enum existing, or -errno where it is a whole tree with other content. */
static int compare_existing(const struct build *b, const char *to, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", b->store, to);
	cleanup_manifest struct manifest m = { .arena = ARENA_INIT };
	struct err unused = ERR_INIT;
	struct tree t;
	struct stat st;

	if (fstatat(b->storefd, to, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? EXISTING_NONE : err_set(err, ERR_STORE, errno, "%s", path);
	if (manifest_load(&m, path, &unused) < 0 || tree_load(&t, path, &unused) < 0)
		return EXISTING_DAMAGED;
	tree_free(&t);
	manifest_sort(&m);
	if (manifest_same_files(&m, &b->manifest))
		return verify_is_whole(path) ? EXISTING_SAME : EXISTING_DAMAGED;
	if (is_part(&m, &b->manifest))
		return EXISTING_PART;
	err_set(err, ERR_STORE, EEXIST, "%s", path);
	return err_hint(
		err,
		"it is installed with other content of the same names: select another driver, take it away with 'nvcoreos remove', then install this one");
}

static int exchange(struct build *b, const char *to)
{
	return renameat2(b->storefd, b->staging, b->storefd, to, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

/* The old tree and the new one change places; what is left in the staging directory goes with build_free. */
static int replace_tree(struct build *b, const char *to, struct err *err)
{
	cleanup_free char *old = mem_printf("%s/%s", b->store, b->staging), *path = mem_printf("%s/%s", b->store, to);
	int r = exchange(b, to), back;

	if (r < 0)
		return err_set(err, ERR_STORE, -r, "%s", path);
	r = guard_ask(b->guard, old, path, err);
	back = r < 0 ? exchange(b, to) : 0;
	if (back < 0) {
		/* It is in use: then it stays, under whatever name, and the new one in its place. */
		guard_stays(err, path, old, -back);
		b->staging[0] = '\0';
	}
	return r;
}

static int put_in_place(struct build *b, const char *parent, const char *to, bool replaces, struct err *err)
{
	int r = 0;

	if (unlinkat(b->dir, IN, AT_REMOVEDIR) < 0 || fchmod(b->dir, 0755) < 0 || syncfs(b->dir) < 0 ||
	    (parent && mkdirat(b->storefd, parent, 0755) < 0 && errno != EEXIST))
		r = -errno;
	if (r == 0 && replaces)
		return replace_tree(b, to, err);
	if (r == 0)
		r = rename_new(b->storefd, b->staging, to);
	if (r == 0) {
		b->staging[0] = '\0';
		return 0;
	}
	err_set(err, ERR_STORE, -r, "%s/%s", b->store, to);
	if (parent)
		unlinkat(b->storefd, parent, AT_REMOVEDIR); /* goes only where it is empty */
	return r;
}

int build_publish(struct build *b, const char *parent, const char *name, bool *ret_already, struct err *err)
{
	cleanup_free char *to = parent ? mem_printf("%s/%s", parent, name) : mem_strdup(name);
	cleanup_free char *path = mem_printf("%s/%s", b->store, to), *staged = NULL;
	int r = store_check_place(b->store, parent, name, err), there = r < 0 ? r : compare_existing(b, to, err);
	bool replaces = there == EXISTING_DAMAGED || there == EXISTING_PART;

	*ret_already = there == EXISTING_SAME;
	if (there < 0)
		return there;
	if (there == EXISTING_SAME)
		return build_settle(b->store, parent, err);
	if (replaces)
		r = guard_ask(b->guard, path, NULL, err);
	staged = mem_printf("%s/%s", b->store, b->staging);
	if (r == 0 && b->label)
		r = label_tree(staged, b->label, err);
	if (r == 0)
		r = put_in_place(b, parent, to, replaces, err);
	return r < 0 ? r : build_settle(b->store, parent, err);
}

void build_free(struct build *b)
{
	fd_close(b->in);
	fd_close(b->dir);
	if (b->staging[0] && fd_remove_tree(b->storefd, b->staging) < 0)
		b->staging[0] = '\0'; /* the next run removes it */
	fd_close(b->storefd);
	manifest_free(&b->manifest);
	arena_free(&b->arena);
	*b = (struct build)BUILD_INIT;
}
