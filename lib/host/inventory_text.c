/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"

#define LIST_MAX 16384
#define UUID_LEN 36

int inventory_text_read(const struct inventory_dir *d, struct arena *a, const char *path, const char **ret,
			struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	*ret = NULL;
	r = fd_read_file_at(d->fd, path, INVENTORY_TEXT_MAX, &text, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, ERR_HOST, -r, "%s/%s", d->label, path);
	if (memchr(text, '\0', len))
		return err_set(err, ERR_HOST, 0, "%s/%s holds a NUL byte", d->label, path);
	*ret = arena_strndup(a, text, len);
	return 0;
}

struct listing {
	struct arena *a;
	struct strlist *names;
};

static int add_name(void *data, const char *name)
{
	struct listing *l = data;

	if (name[0] == '.')
		return 0;
	if (l->names->n >= LIST_MAX)
		return -E2BIG;
	strlist_add(l->a, l->names, name);
	return 0;
}

int inventory_text_list(const struct inventory_dir *d, struct arena *a, const char *path, struct strlist *ret,
			struct err *err)
{
	cleanup_fd int fd = openat(d->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct listing l = { a, ret };
	int r;

	*ret = (struct strlist){ 0 };
	if (fd < 0 && errno == ENOENT)
		return 0;
	r = fd < 0 ? -errno : fd_each_name(fd, add_name, &l);
	return r < 0 ? err_set(err, ERR_HOST, -r, "%s/%s", d->label, path) : 0;
}

bool inventory_text_key(const char *text, const char *key, char *buf, size_t size)
{
	size_t key_len = strlen(key);

	while (*text) {
		size_t n = strcspn(text, "\n");
		const char *next = text + n + (text[n] == '\n');

		if (n > key_len && strncmp(text, key, key_len) == 0 && text[key_len] == ':') {
			const char *v = text + key_len + 1, *end = text + n;

			while (v < end && isspace((unsigned char)*v))
				v++;
			while (end > v && isspace((unsigned char)end[-1]))
				end--;
			n = (size_t)(end - v);
			if (n >= size)
				return false;
			memcpy(buf, v, n);
			buf[n] = '\0';
			return true;
		}
		text = next;
	}
	return false;
}

int inventory_text_number(const char *text, const char *key, uint32_t max, uint32_t *ret)
{
	char buf[32];
	uint64_t v;

	if (!inventory_text_key(text, key, buf, sizeof(buf)))
		return -ENOENT;
	if (str_to_u64(buf, max, &v) < 0)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

int inventory_text_device(const char *text, uint32_t *major, uint32_t *minor)
{
	cleanup_free char *first = mem_strndup(text, strcspn(text, "\n"));
	char *second = strchr(first, ':');
	uint64_t a, b;

	if (!second)
		return -EINVAL;
	*second++ = '\0';
	if (str_to_u64(first, INVENTORY_TEXT_MAJOR_MAX, &a) < 0 || str_to_u64(second, INVENTORY_TEXT_MINOR_MAX, &b) < 0)
		return -EINVAL;
	*major = (uint32_t)a;
	*minor = (uint32_t)b;
	return 0;
}

bool inventory_text_uuid(struct arena *a, const char *s, const char *prefix, const char **ret)
{
	const char *hex = str_after(s, prefix);
	char *copy;

	if (!hex || strlen(hex) != UUID_LEN)
		return false;
	for (unsigned i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? hex[i] != '-' : !isxdigit((unsigned char)hex[i]))
			return false;
	}
	copy = arena_strdup(a, s);
	for (char *p = copy + strlen(prefix); *p; p++)
		*p = (char)tolower((unsigned char)*p);
	*ret = copy;
	return true;
}

static size_t hex_run(const char *s)
{
	size_t n = 0;

	while (isxdigit((unsigned char)s[n]))
		n++;
	return n;
}

bool inventory_text_pci(struct arena *a, const char *s, const char **ret)
{
	size_t domain = hex_run(s);
	const char *p = s + domain;
	char *copy;

	if (domain < 4 || domain > 8 || p[0] != ':' || hex_run(p + 1) != 2 || p[3] != ':' || hex_run(p + 4) != 2 ||
	    p[6] != '.' || p[7] < '0' || p[7] > '7' || p[8])
		return false;
	/* NVML writes the domain with eight digits, the kernel with as few over four as it needs. */
	for (; domain > 4 && *s == '0'; domain--)
		s++;
	copy = arena_strdup(a, s);
	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	*ret = copy;
	return true;
}
