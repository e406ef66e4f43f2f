/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unpacks an archive, and what reads its records, in one process: the first byte chooses how much of the way the
 * rest of the input goes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"
#include "store/archive.h"
#include "store/decoder.h"
#include "store/measure.h"
#include "store/names.h"
#include "store/runfile.h"

/* Whatever the records say, what comes out stays inside, and no name comes twice. */
static void read_records(int fd)
{
	struct archive_stream *s = archive_stream_of_records(fd, "fuzz");
	struct names *seen = names_new();
	static struct archive_stream_entry e;
	struct err err = ERR_INIT;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), r;
	char hex[DIGEST_HEX];
	unsigned n = 0;

	while ((r = archive_stream_next(s, &e, &err)) > 0) {
		MUST(names_path_ok(e.path));
		MUST(e.type != ARCHIVE_STREAM_SYMLINK || names_link_ok(e.path, e.target));
		MUST(names_add(seen, (enum names_type)e.type, e.path, e.target) == NULL);
		if (e.type == ARCHIVE_STREAM_FILE && n++ % 2 && (r = archive_stream_copy(s, null, hex, &err)) < 0)
			break;
	}
	if (r < 0)
		fuzz_refused(&err, ERR_ARCHIVE, ERR_NONE);
	fd_close(null);
	names_free(seen);
	archive_stream_close(s);
}

static int memory_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd >= 0 && fd_write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* A tar as it stands in the input, stored in gzip without compression: the mutations reach the tar's own fields. */
static void put_gzip(int fd, const uint8_t *data, size_t size)
{
	static const uint8_t head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	uint32_t crc = ~0u, length = (uint32_t)size;
	uint8_t tail[8];

	MUST(fd_write_all(fd, head, sizeof(head)) == 0);
	for (size_t at = 0; at < size || at == 0; at += 65535) {
		size_t n = size - at < 65535 ? size - at : 65535;
		uint8_t block[] = { at + n == size, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n, (uint8_t)(~n >> 8) };

		MUST(fd_write_all(fd, block, sizeof(block)) == 0 && fd_write_all(fd, data + at, n) == 0);
	}
	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++) {
		tail[i] = (uint8_t)(crc >> 8 * i);
		tail[4 + i] = (uint8_t)(length >> 8 * i);
	}
	MUST(fd_write_all(fd, tail, sizeof(tail)) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

static void decode(int in)
{
	struct records w = { .out = memfd_create("records", MFD_CLOEXEC) };

	decoder_run(&w, in, 0, DECODER_ANY);
	MUST(w.status != RECORDS_BROKEN && lseek(w.out, 0, SEEK_SET) == 0);
	read_records(w.out);
}

/* Whatever it holds, it is no error and the same each time. */
static void measure(const uint8_t *data, size_t size)
{
	int fd = memory_file(data, size);
	uint64_t first, second;

	MUST(measure_archive(fd, 0, &first) == 0 && measure_archive(fd, 0, &second) == 0 && first == second);
	fd_close(fd);
}

FUZZ(archive)
{
	struct fuzz_input in = { data, size };
	unsigned way = fuzz_byte(&in) % 5;
	struct runfile f;
	int fd;

	if (way == 0) {
		read_records(memory_file(in.data, in.size));
		return;
	}
	if (way == 3) {
		if (runfile_parse((const char *)in.data, in.size, &f))
			MUST(f.offset <= in.size && f.sum_from <= f.offset && f.offset > 0);
		return;
	}
	if (way == 4) {
		measure(in.data, in.size);
		return;
	}
	fd = memory_file(in.data, way == 1 ? in.size : 0);
	if (way == 2)
		put_gzip(fd, in.data, in.size);
	decode(fd);
	fd_close(fd);
}
