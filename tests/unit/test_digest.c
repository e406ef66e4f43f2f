/* SPDX-License-Identifier: Apache-2.0 */
#include "store/digest.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/fd.h"
#include "tap.h"

TEST(known_sums)
{
	char hex[DIGEST_HEX];
	struct digest *d = digest_new();

	CHECK_STR(digest_end(d, hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	d = digest_new();
	digest_add(d, "a", 1);
	digest_add(d, "bc", 2);
	CHECK_STR(digest_end(d, hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(of_a_file_from_its_beginning)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/f", dir);
	cleanup_fd int fd = -EBADF;
	char hex[DIGEST_HEX];
	uint64_t size = 0;

	tap_write(dir, "f", "abc");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && lseek(fd, 2, SEEK_SET) == 2);
	CHECK_INT(digest_fd(fd, hex, &size), 0);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK_INT(size, 3);
	CHECK_INT(lseek(fd, 0, SEEK_CUR), 2);
	CHECK_INT(digest_fd(-EBADF, hex, &size), -EBADF);
}
