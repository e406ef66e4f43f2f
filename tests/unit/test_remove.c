/* SPDX-License-Identifier: Apache-2.0 */
#include "store/remove.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "faults.h"
#include "store/store.h"
#include "store_fixture.h"
#include "tap.h"

struct world {
	const char *dir;
	struct config conf;
	struct store store;
	struct err err;
};

/* Two OS versions of a driver that share a library, as install makes them, and a toolkit. */
static int make(struct world *w)
{
	static const char *const from = "opt/nvidia/535.98/3975.2.0/lib64/a", *const to =
										      "opt/nvidia/535.98/4000.1.0/b";
	cleanup_free char *a = NULL, *b = NULL;

	*w = (struct world){ .dir = tap_tmpdir() };
	a = mem_printf("%s/%s", w->dir, from);
	b = mem_printf("%s/%s", w->dir, to);
	config_init(&w->conf);
	config_set_root(&w->conf, w->dir);
	tap_write(w->dir, from, "shared by both");
	tap_write(w->dir, "opt/nvidia/535.98/3975.2.0/start.json", "{}");
	tap_write(w->dir, "opt/nvidia/535.98/4000.1.0/start.json", "{}");
	tap_write(w->dir, "opt/cuda/12.4.1/start.json", "{}");
	return link(a, b) == 0 && store_read(&w->store, &w->conf, &w->err) == 0;
}

static void unmake(struct world *w)
{
	store_free(&w->store);
	config_free(&w->conf);
}

static int take(struct world *w, const char *name, uint64_t *freed)
{
	struct store_tree t;
	int r = store_find(&w->store, name, "3975.2.0", &t, &w->err);

	return r < 0 ? r : remove_tree(&w->store, &t, NULL, freed, &w->err);
}

TEST(a_shared_file_stays_the_other_trees)
{
	cleanup_free char *text = NULL, *path = NULL;
	uint64_t first = 0, second = 0;
	unsigned fds = tap_open_fds();
	struct world w;
	size_t len;

	REQUIRE(make(&w));
	path = mem_printf("%s/opt/nvidia/535.98/4000.1.0/b", w.dir);
	CHECK_INT(take(&w, "535.98/3975.2.0", &first), 0);
	CHECK(!fixture_exists(w.dir, "opt/nvidia/535.98/3975.2.0"));
	CHECK(!fixture_exists(w.dir, "opt/nvidia/.removed-535.98-3975.2.0"));
	REQUIRE(fd_read_file_at(AT_FDCWD, path, 64, &text, &len) == 0);
	CHECK_STR(text, "shared by both");
	CHECK_INT(take(&w, "535.98/4000.1.0", &second), 0);
	CHECK(!fixture_exists(w.dir, "opt/nvidia/535.98"));
	CHECK(fixture_exists(w.dir, "opt/nvidia"));
	/* start.json alone, then start.json and what was shared. */
	CHECK(second == 2 * first);
	unmake(&w);
	CHECK_INT(tap_open_fds(), fds);
}

TEST(a_toolkit_goes_and_its_store_stays)
{
	struct world w;

	REQUIRE(make(&w));
	CHECK_INT(take(&w, "cuda/12", NULL), 0);
	CHECK(!fixture_exists(w.dir, "opt/cuda/12.4.1") && fixture_exists(w.dir, "opt/cuda"));
	unmake(&w);
}

TEST(what_is_gone_already_is_an_error)
{
	struct world w;
	struct store_tree t;

	REQUIRE(make(&w));
	REQUIRE(store_find(&w.store, "cuda/12", "3975.2.0", &t, &w.err) == 0);
	CHECK_INT(remove_tree(&w.store, &t, NULL, NULL, &w.err), 0);
	CHECK_INT(remove_tree(&w.store, &t, NULL, NULL, &w.err), -ENOENT);
	CHECK_INT(w.err.code, ERR_STORE);
	unmake(&w);
}

/* The container that took the tree in the last moment; then the way back is closed too. */
static int refuse(const void *data, const char *path, const char *was, struct err *err)
{
	CHECK(str_ends(path, "/.removed-535.98-3975.2.0"));
	CHECK(str_ends(was, "/opt/nvidia/535.98/3975.2.0"));
	if (data)
		faults_arm("renameat2", 1, EIO);
	return err_set(err, ERR_BUSY, EBUSY, "%s: it is mounted", was);
}

TEST(what_the_guard_refuses_is_moved_back)
{
	const struct guard guard = { refuse, NULL };
	struct store_tree t;
	struct world w;

	REQUIRE(make(&w));
	REQUIRE(store_find(&w.store, "535.98/3975.2.0", "3975.2.0", &t, &w.err) == 0);
	CHECK_INT(remove_tree(&w.store, &t, &guard, NULL, &w.err), -EBUSY);
	CHECK(fixture_exists(w.dir, "opt/nvidia/535.98/3975.2.0/start.json"));
	CHECK(!fixture_exists(w.dir, "opt/nvidia/.removed-535.98-3975.2.0"));
	CHECK(!strstr(w.err.hint, "moved back"));
	unmake(&w);
}

TEST(what_cannot_be_moved_back_stays_whole_and_is_said)
{
	static const char left[] = "opt/nvidia/.removed-535.98-3975.2.0/start.json";
	const struct guard guard = { refuse, "x" };
	struct store_tree t;
	struct world w;

	REQUIRE(make(&w));
	REQUIRE(store_find(&w.store, "535.98/3975.2.0", "3975.2.0", &t, &w.err) == 0);
	CHECK_INT(remove_tree(&w.store, &t, &guard, NULL, &w.err), -EBUSY);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(w.err.code, ERR_BUSY);
	CHECK(strstr(w.err.hint, "could not be moved back (Input/output error), stays as .removed-535.98-3975.2.0, "));
	CHECK(fixture_exists(w.dir, left));
	/* The same tree once more, which goes: what stays is not touched. */
	tap_write(w.dir, "opt/nvidia/535.98/3975.2.0/start.json", "{}");
	CHECK_INT(remove_tree(&w.store, &t, NULL, NULL, &w.err), 0);
	CHECK(!fixture_exists(w.dir, "opt/nvidia/535.98/3975.2.0"));
	CHECK(!fixture_exists(w.dir, "opt/nvidia/.removed-535.98-3975.2.0.2"));
	CHECK(fixture_exists(w.dir, left));
	unmake(&w);
}
