/* SPDX-License-Identifier: Apache-2.0 */
#include "store/repair.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/store.h"
#include "store_fixture.h"
#include "tap.h"

static const char *make_host(struct config *c)
{
	const char *dir = tap_tmpdir();

	config_init(c);
	config_set_root(c, dir);
	tap_write(dir, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	tap_write(dir, "opt/nvidia/535.98/3975.2.0/start.json", "{}");
	tap_write(dir, "opt/nvidia/535.98/4000.1.0/start.json", "{}");
	tap_write(dir, "opt/nvidia/550.10/3975.2.0/start.json", "{}");
	tap_write(dir, "opt/cuda/12.4.1/start.json", "{}");
	return dir;
}

static void point(const char *dir, const char *target)
{
	cleanup_free char *path = mem_printf("%s/opt/nvidia/current", dir);

	unlink(path);
	CHECK(symlink(target, path) == 0);
}

static void repair_with(const struct config *c, const char *dir, const struct guard *guard)
{
	struct err err = ERR_INIT;
	unsigned before = tap_open_fds();
	int lock = repair_lock(c, dir, guard, &err);

	CHECK(lock >= 0);
	fd_close(lock);
	CHECK_INT(tap_open_fds(), before);
}

static void repair(const struct config *c, const char *dir)
{
	repair_with(c, dir, NULL);
}

TEST(leftovers_go_and_nothing_else)
{
	static const char *const gone[] = { "opt/nvidia/.staging-9-0",	  "opt/nvidia/.removed-535.98-4000.1.0",
					    "opt/nvidia/.state.json.1-2", "opt/nvidia/.current.1-2",
					    "opt/cuda/.staging-9-1",	  "opt/cuda/.removed-12.4.1" };
	static const char *const kept[] = { "opt/nvidia/535.98/4000.1.0/start.json", "opt/cuda/12.4.1/start.json",
					    "opt/nvidia/.notes/x", "opt/nvidia/state.json" };
	struct config c;
	const char *dir = make_host(&c);

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		cleanup_free char *file = mem_printf("%s/%s", gone[i], "x");

		tap_write(dir, i == 2 || i == 3 ? gone[i] : file, "x");
	}
	tap_write(dir, "opt/nvidia/.notes/x", "x");
	tap_write(dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"535.98\"}");
	repair(&c, dir);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		CHECK(!fixture_exists(dir, gone[i]));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		CHECK(fixture_exists(dir, kept[i]));
	config_free(&c);
}

TEST(current_follows_the_state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "535.98/3975.2.0", "550.10/3975.2.0" },
		{ "550.10/gone", "550.10/3975.2.0" },
		{ "../elsewhere", "550.10/3975.2.0" },
		{ "550.10/3975.2.0", "550.10/3975.2.0" },
	};
	struct config c;
	const char *dir = make_host(&c);

	tap_write(dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"550.10\",\"previous\":\"535.98\"}");
	repair(&c, dir);
	CHECK_STR(fixture_readlink(dir, "opt/nvidia/current"), "550.10/3975.2.0");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		point(dir, cases[i].before);
		repair(&c, dir);
		CHECK_STR(fixture_readlink(dir, "opt/nvidia/current"), cases[i].after);
	}
	config_free(&c);
}

TEST(another_os_version_that_was_asked_for_stays)
{
	struct config c;
	const char *dir = make_host(&c);

	tap_write(dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"535.98\"}");
	point(dir, "535.98/4000.1.0");
	repair(&c, dir);
	CHECK_STR(fixture_readlink(dir, "opt/nvidia/current"), "535.98/4000.1.0");
	config_free(&c);
}

/* What a boot into another OS version, or back, comes to. */
TEST(current_follows_the_os)
{
	static const struct {
		const char *os, *after;
	} cases[] = { { "4000.1.0", "535.98/4000.1.0" },
		      { "9999.9.9", "535.98/4000.1.0" },
		      { "3975.2.0", "535.98/3975.2.0" } };
	struct err err = ERR_INIT;
	struct config c;
	const char *dir = make_host(&c);

	tap_write(dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"535.98\",\"previous\":\"550.10\"}");
	point(dir, "535.98/3975.2.0");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *release = mem_printf("ID=flatcar\nVERSION_ID=%s\n", cases[i].os);
		struct store s;

		tap_write(dir, "etc/os-release", release);
		CHECK_INT(repair_follow_os(&c, dir, NULL, &err), 0);
		CHECK_STR(fixture_readlink(dir, "opt/nvidia/current"), cases[i].after);
		REQUIRE(store_read(&s, &c, &err) == 0);
		CHECK_STR(s.selected, "535.98");
		CHECK_STR(s.previous, "550.10");
		store_free(&s);
	}
	config_free(&c);
}

TEST(without_a_state_current_is_left_alone)
{
	struct config c;
	const char *dir = make_host(&c);

	point(dir, "535.98/3975.2.0");
	repair(&c, dir);
	CHECK_STR(fixture_readlink(dir, "opt/nvidia/current"), "535.98/3975.2.0");
	CHECK(!fixture_exists(dir, "opt/nvidia/state.json"));
	config_free(&c);
}

TEST(a_selected_driver_without_a_tree_here_moves_nothing)
{
	struct config c;
	const char *dir = make_host(&c);

	tap_write(dir, "opt/nvidia/state.json", "{\"format\":1,\"selected\":\"999.1\"}");
	point(dir, "535.98/3975.2.0");
	repair(&c, dir);
	CHECK_STR(fixture_readlink(dir, "opt/nvidia/current"), "535.98/3975.2.0");
	config_free(&c);
}

TEST(a_held_lock_is_an_error)
{
	struct err err = ERR_INIT;
	struct config c;
	const char *dir = make_host(&c);
	int lock = store_lock(&c, &err);

	tap_write(dir, "opt/nvidia/.staging-9-0/x", "x");
	CHECK_INT(repair_lock(&c, dir, NULL, &err), -EWOULDBLOCK);
	CHECK_INT(err.code, ERR_BUSY);
	CHECK(fixture_exists(dir, "opt/nvidia/.staging-9-0/x"));
	fd_close(lock);
	config_free(&c);
}

/* Two configurations may share one of the stores, and not the lock. */
TEST(the_staging_directory_of_a_run_that_lives_stays)
{
	struct config c;
	const char *dir = make_host(&c);
	cleanup_free char *path = mem_printf("%s/opt/cuda/.staging-9-1", dir);
	cleanup_fd int fd = -EBADF;

	tap_write(dir, "opt/cuda/.staging-9-1/x", "x");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0);
	repair(&c, dir);
	CHECK(fixture_exists(dir, "opt/cuda/.staging-9-1/x"));
	fd_close(take_fd(fd));
	repair(&c, dir);
	CHECK(!fixture_exists(dir, "opt/cuda/.staging-9-1"));
	config_free(&c);
}

/* A container may have what a run could not put back, or what a run that was killed had moved. */
static int is_in_use(const void *data, const char *path, const char *was, struct err *err)
{
	CHECK_STR(was, path);
	return str_ends(path, data) ? err_set(err, ERR_BUSY, EBUSY, "%s: in use", path) : 0;
}

TEST(what_is_in_use_stays_until_it_is_not)
{
	static const char *const names[] = { ".removed-535.98-3975.2.0", ".staging-9-0" };
	struct config c;
	const char *dir = make_host(&c);

	for (size_t i = 0; i < 2; i++) {
		const struct guard guard = { is_in_use, names[i] };
		cleanup_free char *used = mem_printf("opt/nvidia/%s/x", names[i]);
		cleanup_free char *other = mem_printf("opt/nvidia/%s/x", names[!i]);

		tap_write(dir, used, "x");
		tap_write(dir, other, "x");
		repair_with(&c, dir, &guard);
		CHECK(fixture_exists(dir, used));
		CHECK(!fixture_exists(dir, other));
		repair_with(&c, dir, &(const struct guard){ is_in_use, "nothing" });
		CHECK(!fixture_exists(dir, used));
	}
	config_free(&c);
}
