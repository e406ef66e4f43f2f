/* SPDX-License-Identifier: Apache-2.0 */
#include "load_forget.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

/* A node's name is its family's, with the minor behind it where the minor is not fixed. */
struct family {
	const char *dir, *name;
	uint32_t major, minor;
};
#define ANY_MINOR UINT32_MAX

static bool is_of(const struct family *f, const char *name, const struct stat *st)
{
	char own[64];

	if (f->major == INVENTORY_NO_MAJOR || !S_ISCHR(st->st_mode) || major(st->st_rdev) != f->major)
		return false;
	if (f->minor != ANY_MINOR)
		return minor(st->st_rdev) == f->minor && str_eq(name, f->name);
	snprintf(own, sizeof(own), "%s%u", f->name, minor(st->st_rdev));
	return str_eq(name, own);
}

/* Its link of dev/char, where that leads to it. */
static void remove_link(int dev, const struct family *f, const char *name, dev_t number)
{
	char link[64], target[320], own[320];
	ssize_t n;

	snprintf(link, sizeof(link), "char/%u:%u", major(number), minor(number));
	snprintf(own, sizeof(own), "../%s%s%s", f->dir, *f->dir ? "/" : "", name);
	n = readlinkat(dev, link, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	if (str_eq(target, own) && unlinkat(dev, link, 0) < 0)
		log_warning("dev-root/%s: %s", link, strerror(errno));
}

static void remove_family(int dev, const struct family *f)
{
	int fd = openat(dev, *f->dir ? f->dir : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		struct stat st;

		if (!str_starts(e->d_name, f->name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !is_of(f, e->d_name, &st))
			continue;
		if (unlinkat(fd, e->d_name, 0) < 0)
			log_warning("dev-root/%s: %s", e->d_name, strerror(errno));
		else
			remove_link(dev, f, e->d_name, st.st_rdev);
	}
	closedir(dir);
	if (*f->dir && unlinkat(dev, f->dir, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
		log_warning("dev-root/%s: %s", f->dir, strerror(errno));
}

static void keep(uint32_t *major, uint32_t now)
{
	if (*major == now)
		*major = INVENTORY_NO_MAJOR;
}

void load_forget_keep(struct inventory *inv, const struct inventory *now)
{
	keep(&inv->major_uvm, now->major_uvm);
	keep(&inv->major_nvlink, now->major_nvlink);
	keep(&inv->major_nvswitch, now->major_nvswitch);
	keep(&inv->major_caps, now->major_caps);
	keep(&inv->major_imex, now->major_imex);
}

void load_forget_nodes(int dev, const struct inventory *inv)
{
	const struct family families[] = {
		{ "", "nvidia-uvm", inv->major_uvm, 0 },
		{ "", "nvidia-uvm-tools", inv->major_uvm, 1 },
		{ "", "nvidia-nvlink", inv->major_nvlink, 0 },
		{ "", "nvidia-nvswitchctl", inv->major_nvswitch, 255 },
		{ "", "nvidia-nvswitch", inv->major_nvswitch, ANY_MINOR },
		{ "nvidia-caps", "nvidia-cap", inv->major_caps, ANY_MINOR },
		{ "nvidia-caps-imex-channels", "channel", inv->major_imex, ANY_MINOR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].major != INVENTORY_NO_MAJOR)
			remove_family(dev, &families[i]);
}
