/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cdimode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

/* Opened for reading, which fchmod needs: of a device that would be more than looking, of a directory it is not. */
static int set(const struct container *c, const char *path, mode_t mode, uint64_t own_dev, struct err *err)
{
	cleanup_fd int fd = path_open(c->rootfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	uint64_t root = 0, own = 0;
	struct stat st;
	int r;

	if (fd < 0) {
		log_warning("%s is left as it is: %s", path, strerror(-fd));
		return 0;
	}
	r = path_mount_id(c->rootfd, &root);
	if (r == 0)
		r = path_mount_id(fd, &own);
	if (r < 0)
		return err_set(err, ERR_KERNEL, -r, "statx of %s", path);
	if (own != root && (!own_dev || own != own_dev)) {
		log_warning("%s is left as it is: it lies in a volume", path);
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_WRITE, errno, "%s", path);
	if ((st.st_mode & 07777) == mode)
		return 0;
	if (fchmod(fd, mode) == 0)
		return 0;
	if (errno == EROFS) {
		log_warning("%s is left as it is: the root is read-only", path);
		return 0;
	}
	return err_set(err, ERR_WRITE, errno, "%s", path);
}

int cdimode_set(const struct container *c, const struct strlist *paths, mode_t mode, uint64_t own_dev, struct err *err)
{
	int r = container_own_begin(c, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < paths->n; i++)
		r = set(c, paths->v[i], mode, own_dev, err);
	container_own_end(c);
	return r;
}
