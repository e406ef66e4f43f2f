/* SPDX-License-Identifier: Apache-2.0 */
#include "store/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "store/measure.h"
#include "store/runfile.h"

#define NAME_MAX_LEN 192

/* Cuts a suffix off s; whether it was there. */
static bool cut(char *s, const char *suffix)
{
	if (!str_ends(s, suffix))
		return false;
	s[strlen(s) - strlen(suffix)] = '\0';
	return true;
}

static bool cut_compression(char *s, enum decoder_compression *ret)
{
	static const struct {
		const char *suffix;
		enum decoder_compression compression;
	} known[] = { { ".tar.bz2", DECODER_BZIP2 },
		      { ".tar.xz", DECODER_XZ },
		      { ".tar.gz", DECODER_GZIP },
		      { ".tar.zst", DECODER_ZSTD } };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (cut(s, known[i].suffix)) {
			*ret = known[i].compression;
			return true;
		}
	return false;
}

static bool set_version(struct source_name *ret, const char *version)
{
	if (!str_is_version(version) || strlen(version) >= sizeof(ret->version))
		return false;
	memcpy(ret->version, version, strlen(version) + 1);
	return true;
}

static bool parse_modules(char *s, struct source_name *ret)
{
	char *dash;

	ret->open = cut(s, "-open");
	dash = strrchr(s, '-');
	if (!dash || !set_version(ret, dash + 1))
		return false;
	*dash = '\0';
	if (!str_is_name(s) || s[0] == '.' || strlen(s) >= sizeof(ret->os))
		return false;
	memcpy(ret->os, s, strlen(s) + 1);
	return true;
}

/* A name without its suffix; s is changed. */
static bool parse_stem(char *s, struct source_name *ret)
{
	static const char *const prefixes[] = { "libraries-", "tools-", "modules-", "cuda-" };
	unsigned kind = 0;

	while (kind < ARRAY_SIZE(prefixes) && !str_starts(s, prefixes[kind]))
		kind++;
	if (kind == ARRAY_SIZE(prefixes))
		return false;
	ret->kind = (enum source_kind)kind;
	s += strlen(prefixes[kind]);
	if (cut(s, "-arm64"))
		ret->arch = "aarch64";
	return ret->kind == SOURCE_MODULES ? parse_modules(s, ret) : set_version(ret, s);
}

static bool begin(const char *name, struct source_name *ret, char s[NAME_MAX_LEN])
{
	*ret = (struct source_name){ .arch = "x86_64" };
	if (strlen(name) >= NAME_MAX_LEN)
		return false;
	memcpy(s, name, strlen(name) + 1);
	return true;
}

bool source_parse_name(const char *name, struct source_name *ret)
{
	char s[NAME_MAX_LEN];

	return begin(name, ret, s) && cut_compression(s, &ret->compression) && parse_stem(s, ret);
}

/* "NVIDIA-Linux-x86_64-535.261.03", and what may follow a dash: "-no-compat32", "-grid". s is changed. */
static bool parse_run(char *s, struct source_name *ret)
{
	const char *rest = str_after(s, "NVIDIA-Linux-x86_64-");

	if (!rest) {
		rest = str_after(s, "NVIDIA-Linux-aarch64-");
		ret->arch = "aarch64";
	}
	if (!rest)
		return false;
	s[(size_t)(rest - s) + strcspn(rest, "-")] = '\0';
	ret->kind = SOURCE_RUN;
	return set_version(ret, rest);
}

bool source_parse_dir_name(const char *name, struct source_name *ret)
{
	char s[NAME_MAX_LEN], run[NAME_MAX_LEN];

	if (!begin(name, ret, s))
		return false;
	memcpy(run, s, sizeof(run));
	if (parse_stem(s, ret))
		return true;
	*ret = (struct source_name){ .arch = "x86_64" };
	return parse_run(run, ret);
}

static struct source *add(struct sources *all, const char *path, int fd)
{
	struct source *s;

	all->v = arena_grow(&all->arena, all->v, all->n, sizeof(*all->v));
	s = &all->v[all->n++];
	*s = (struct source){ .path = arena_strdup(&all->arena, path), .fd = fd };
	s->base = path_base(s->path);
	return s;
}

static int no_name(const struct source *s, struct err *err)
{
	err_set(err, ERR_SOURCE, 0, "%s: no archive by its name", s->path);
	return err_hint(
		err, "archives are called libraries-<driver>, tools-<driver>, modules-<os-version>-<driver>[-open] or "
		     "cuda-<version>, [-arm64], .tar.bz2, .tar.xz, .tar.gz or .tar.zst; NVIDIA's drivers "
		     "NVIDIA-Linux-<machine>-<driver>.run");
}

/* What the header says wins: the file may have been renamed. */
static int name_run(struct source *s, struct err *err)
{
	char name[NAME_MAX_LEN];
	struct runfile f;
	bool named = begin(s->base, &s->name, name) && cut(name, ".run") && parse_run(name, &s->name);
	int r = runfile_read(s->fd, s->path, &f, err);

	if (r < 0)
		return r;
	s->name.kind = SOURCE_RUN;
	s->offset = f.offset;
	if (str_eq(f.arch, "aarch64") || str_eq(f.arch, "x86_64"))
		s->name.arch = str_eq(f.arch, "aarch64") ? "aarch64" : "x86_64";
	else if (f.arch[0])
		return err_set(err, ERR_SOURCE, 0, "%s: for the machine %s", s->path, f.arch);
	if (f.version[0] && !set_version(&s->name, f.version))
		return err_set(err, ERR_ARCHIVE, 0, "%s: its header names no version", s->path);
	return named || f.version[0] ? 0 : no_name(s, err);
}

static int open_file(struct sources *all, int dirfd, const char *name, const char *path, struct err *err)
{
	struct source *s = add(all, path, openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	struct stat st;
	int r = 0;

	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_set(err, ERR_SOURCE, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SOURCE, 0, "%s: no regular file", path);
	if (str_ends(s->base, ".run"))
		r = name_run(s, err);
	else if (!source_parse_name(s->base, &s->name))
		r = no_name(s, err);
	if (r < 0)
		return r;
	s->size = (uint64_t)st.st_size - s->offset;
	r = digest_fd(s->fd, s->sha256, NULL);
	if (r == 0)
		r = measure_archive(s->fd, s->offset, &s->unpacked);
	return r < 0 ? err_set(err, ERR_SOURCE, -r, "%s", path) : 0;
}

/*
 * The driver whose libcuda lies in `sub` of a directory. `kind`: a runfile's directory has known subdirectories; any other is
 * what an archive of libraries would hold, whose files are taken wherever they lie.
 */
static bool find_driver(int fd, const char *sub, enum source_kind kind, struct source_name *ret)
{
	int dir = openat(fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	const struct dirent *e;
	bool found = false;

	if (!d) {
		fd_close(dir);
		return false;
	}
	*ret = (struct source_name){ .arch = "x86_64", .kind = kind };
	while (!found && (e = readdir(d))) {
		const char *version = str_after(e->d_name, "libcuda.so.");

		found = version && strchr(version, '.') && set_version(ret, version);
	}
	closedir(d);
	return found;
}

static int open_archives(struct sources *all, int fd, const char *path, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct source_name name;
	const struct dirent *e;
	size_t before = all->n;
	int r = 0;

	if (!d) {
		fd_close(copy);
		return err_set(err, ERR_SOURCE, errno, "%s", path);
	}
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0) {
		cleanup_free char *full = mem_printf("%s/%s", path, e->d_name);

		if (source_parse_name(e->d_name, &name) || str_ends(e->d_name, ".run"))
			r = open_file(all, fd, e->d_name, full, err);
	}
	if (r == 0 && errno)
		r = err_set(err, ERR_SOURCE, errno, "%s", path);
	closedir(d);
	return r < 0 ? r : all->n != before;
}

static int open_directory(struct sources *all, const char *arg, struct err *err)
{
	cleanup_free char *path = mem_strdup(arg);
	cleanup_fd int fd = -EBADF;
	struct source_name name;
	struct source *s;
	int r;

	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_SOURCE, errno, "%s", path);
	if (!source_parse_dir_name(path_base(path), &name)) {
		r = open_archives(all, fd, path, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (!find_driver(fd, ".", SOURCE_RUN, &name) && !find_driver(fd, "lib64", SOURCE_LIBRARIES, &name))
			return err_set(err, ERR_SOURCE, 0, "%s: no archives in it, and no driver's libcuda.so.<driver>",
				       path);
	}
	s = add(all, path, take_fd(fd));
	s->name = name;
	r = measure_dir(path, &s->size);
	s->unpacked = s->size;
	return r < 0 ? err_set(err, ERR_SOURCE, -r, "%s", path) : 0;
}

int sources_open(struct sources *ret, char *const *args, size_t n, struct err *err)
{
	int r = 0;

	*ret = (struct sources)SOURCES_INIT;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct stat st;

		if (stat(args[i], &st) == 0 && S_ISDIR(st.st_mode))
			r = open_directory(ret, args[i], err);
		else
			r = open_file(ret, AT_FDCWD, args[i], args[i], err);
	}
	return r;
}

void sources_close(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		fd_close(s->v[i].fd);
	arena_free(&s->arena);
	*s = (struct sources)SOURCES_INIT;
}
