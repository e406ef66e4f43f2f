/* SPDX-License-Identifier: Apache-2.0 */
#include "host/buildid.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

#define NOTES_MAX (64u << 10)
#define ID_MAX ((BUILDID_HEX - 1) / 2)

static size_t aligned(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

bool buildid_parse(const void *notes, size_t len, char hex[BUILDID_HEX])
{
	const unsigned char *p = notes;

	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t name, size;

		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		len -= sizeof(h);
		if (h.n_namesz > len || h.n_descsz > len)
			return false;
		name = aligned(h.n_namesz);
		size = aligned(h.n_descsz);
		/* The last one may lack its padding. */
		if (name > len || h.n_descsz > len - name)
			return false;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(p, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 && h.n_descsz > 0 && h.n_descsz <= ID_MAX) {
			for (size_t i = 0; i < h.n_descsz; i++)
				snprintf(hex + 2 * i, 3, "%02x", p[name + i]);
			return true;
		}
		if (size > len - name)
			return false;
		p += name + size;
		len -= name + size;
	}
	return false;
}

bool buildid_read(const char *sys_root, char hex[BUILDID_HEX])
{
	cleanup_free char *path = mem_printf("%s/kernel/notes", sys_root), *notes = NULL;
	size_t len;

	return fd_read_file_at(AT_FDCWD, path, NOTES_MAX, &notes, &len) == 0 && buildid_parse(notes, len, hex);
}

bool buildid_is(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n < BUILDID_HEX && n % 2 == 0 && strspn(text, "0123456789abcdef") == n;
}
