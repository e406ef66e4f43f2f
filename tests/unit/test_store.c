/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "faults.h"
#include "store_fixture.h"
#include "tap.h"

static void configure(struct config *c, const char *dir)
{
	config_init(c);
	config_set_root(c, dir);
}

static void fill(const char *dir)
{
	tap_write(dir, "opt/nvidia/535.261.03/3975.2.0/start.json", "{}");
	tap_write(dir, "opt/nvidia/535.261.03/4000.1.0/start.json", "{}");
	tap_write(dir, "opt/nvidia/535.98/3975.2.0/start.json", "{}");
	tap_write(dir, "opt/nvidia/550.10/3975.2.0/start.json", "{}");
	tap_write(dir, "opt/nvidia/550.20/3975.2.0/manifest.js", "{}");
	/* It has lost its start.json: a damaged tree, and a tree all the same. */
	tap_write(dir, "opt/nvidia/470.5/3975.2.0/manifest.json", "{}");
	tap_write(dir, "opt/nvidia/.staging-1-0/x/start.json", "{}");
	tap_write(dir, "opt/nvidia/notes/x/start.json", "{}");
	tap_write(dir, "opt/cuda/12.4.1/start.json", "{}");
	tap_write(dir, "opt/cuda/12.10.0/start.json", "{}");
	tap_write(dir, "opt/cuda/11.8/start.json", "{}");
}

TEST(absent_is_empty)
{
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, tap_tmpdir());
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK(s.n_drivers == 0 && s.n_toolkits == 0 && !s.selected && !s.current && !s.current_cuda);
	store_free(&s);
	config_free(&c);
}

TEST(lists_in_order)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	fill(dir);
	REQUIRE(store_read(&s, &c, &err) == 0);
	REQUIRE(s.n_drivers == 5 && s.n_toolkits == 3);
	CHECK_STR(s.drivers[0].driver, "470.5");
	CHECK_STR(s.drivers[1].driver, "535.98");
	CHECK_STR(s.drivers[2].os, "3975.2.0");
	CHECK_STR(s.drivers[3].os, "4000.1.0");
	CHECK_STR(s.drivers[4].driver, "550.10");
	CHECK_STR(s.toolkits[0], "11.8");
	CHECK_STR(s.toolkits[2], "12.10.0");
	store_free(&s);
	config_free(&c);
}

/* What `load` takes: current of this OS version, else the selected driver's tree of it. */
TEST(tree_to_load)
{
	static const struct {
		const char *current, *state, *os, *driver;
	} cases[] = {
		{ "535.98/3975.2.0", NULL, "3975.2.0", "535.98" },
		{ "535.98/3975.2.0", "{\"format\":1,\"selected\":\"550.10\"}", "3975.2.0", "535.98" },
		{ "535.98/3975.2.0", "{\"format\":1,\"selected\":\"535.261.03\"}", "4000.1.0", "535.261.03" },
		{ "535.98/3975.2.0", "{\"format\":1,\"selected\":\"535.98\"}", "4000.1.0", NULL },
		{ "535.9/3975.2.0", "{\"format\":1,\"selected\":\"550.10\"}", "3975.2.0", "550.10" },
		{ NULL, "{\"format\":1,\"selected\":\"550.10\"}", "3975.2.0", "550.10" },
		{ NULL, NULL, "3975.2.0", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *dir = tap_tmpdir();
		cleanup_free char *link = mem_printf("%s/opt/nvidia/current", dir);
		const struct store_driver *d;
		struct config c;
		struct store s;

		configure(&c, dir);
		fill(dir);
		CHECK(!cases[i].current || symlink(cases[i].current, link) == 0);
		if (cases[i].state)
			tap_write(dir, "opt/nvidia/state.json", cases[i].state);
		REQUIRE(store_read(&s, &c, NULL) == 0);
		d = store_to_load(&s, cases[i].os);
		if (!CHECK_STR(d ? d->driver : NULL, cases[i].driver))
			printf("# case %zu\n", i);
		CHECK(!d || strcmp(d->os, cases[i].os) == 0);
		store_free(&s);
		config_free(&c);
	}
}

TEST(finds_trees)
{
	static const struct {
		const char *name, *os, *path;
	} cases[] = {
		{ "535.261.03", "3975.2.0", "/opt/nvidia/535.261.03/3975.2.0" },
		{ "535.261.03/4000.1.0", "3975.2.0", "/opt/nvidia/535.261.03/4000.1.0" },
		{ "535", "3975.2.0", "/opt/nvidia/535.261.03/3975.2.0" },
		{ "550", "3975.2.0", "/opt/nvidia/550.10/3975.2.0" },
		{ "cuda/12.4.1", "3975.2.0", "/opt/cuda/12.4.1" },
		{ "cuda/12", "3975.2.0", "/opt/cuda/12.10.0" },
		{ "53", "3975.2.0", NULL },
		{ "550", "4000.1.0", NULL },
		{ "535.261.03/..", "3975.2.0", NULL },
		{ "../535.98/3975.2.0", "3975.2.0", NULL },
		{ "cuda/../12.4.1", "3975.2.0", NULL },
		{ "cuda/", "3975.2.0", NULL },
		{ "", "3975.2.0", NULL },
		{ "550.20", "3975.2.0", NULL },
	};
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	fill(dir);
	REQUIRE(store_read(&s, &c, &err) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct store_tree t;
		int r = store_find(&s, cases[i].name, cases[i].os, &t, &err);

		if (!cases[i].path) {
			CHECK_INT(r, -ENOENT);
			CHECK_INT(err.code, ERR_TREE_NAME);
		} else if (CHECK_INT(r, 0)) {
			CHECK_STR(t.path + strlen(dir), cases[i].path);
		}
	}
	CHECK(store_find(&s, "550", "4000.1.0", &(struct store_tree){ 0 }, &err) < 0);
	CHECK_STR(err.hint, "installed for other OS versions: 550.10/3975.2.0");
	store_free(&s);
	config_free(&c);
}

TEST(selects)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	fill(dir);
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK_INT(store_select(&s, "535.98", "3975.2.0", &err), 0);
	CHECK_INT(store_select(&s, "550.10", "3975.2.0", &err), 0);
	/* A tree that is not there: selected moves, current stays. */
	CHECK_INT(store_select(&s, "550.10", "4000.1.0", &err), 0);
	CHECK_INT(store_select_cuda(&s, "11.8", &err), 0);
	store_free(&s);
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK_STR(s.selected, "550.10");
	CHECK_STR(s.previous, "535.98");
	CHECK_STR(s.current, "550.10/3975.2.0");
	CHECK_STR(s.current_cuda, "11.8");
	store_free(&s);
	config_free(&c);
}

/* What was moved is moved, and yet nobody may believe that it will be there after a power cut. */
TEST(a_selection_that_is_not_on_disk_is_no_success)
{
	/* The new state.json, its directory, the directory with the new current. */
	static const char *const selected[] = { NULL, "550.10", "550.10" };

	for (unsigned nth = 1; nth <= ARRAY_SIZE(selected); nth++) {
		const char *dir = tap_tmpdir();
		struct err err = ERR_INIT;
		struct config c;
		struct store s;

		configure(&c, dir);
		fill(dir);
		REQUIRE(store_read(&s, &c, &err) == 0);
		faults_arm("fsync", nth, EIO);
		CHECK_INT(store_select(&s, "550.10", "3975.2.0", &err), -EIO);
		CHECK_INT(faults_disarm(), 1);
		CHECK_INT(err.code, ERR_STORE);
		store_free(&s);
		REQUIRE(store_read(&s, &c, &err) == 0);
		CHECK_STR(s.selected, selected[nth - 1]);
		CHECK_INT(store_select(&s, "550.10", "3975.2.0", &err), 0);
		store_free(&s);
		config_free(&c);
	}
}

TEST(damaged_state_is_no_state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"format\":9,\"selected\":\"535.98\"}",
					     "{\"format\":1,\"selected\":\"../../etc\"}" };
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		tap_write(dir, "opt/nvidia/state.json", texts[i]);
		REQUIRE(store_read(&s, &c, &err) == 0);
		CHECK(!s.selected && !s.previous);
		store_free(&s);
	}
	config_free(&c);
}

TEST(a_state_that_cannot_be_read_is_not_replaced)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *path = NULL;
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	fill(dir);
	path = mem_printf("%s/state.json", c.driver_store);
	CHECK_INT(mkdir(path, 0755), 0);
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK(s.state_error < 0);
	CHECK(store_select(&s, "535.98", "3975.2.0", &err) < 0);
	CHECK_INT(err.code, ERR_STORE);
	store_free(&s);
	CHECK_INT(rmdir(path), 0);
	/* What is damaged has nothing to lose. */
	fixture_write(c.driver_store, "state.json", "{", 1, 0644);
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK_INT(s.state_error, -EBADMSG);
	CHECK_INT(store_select(&s, "535.98", "3975.2.0", &err), 0);
	store_free(&s);
	config_free(&c);
}

TEST(a_tree_that_cannot_be_looked_at_is_not_absent)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	struct store s;
	int r;

	configure(&c, dir);
	fill(dir);
	REQUIRE(store_read(&s, &c, &err) == 0);
	faults_arm("fstatat", 1, EIO);
	r = store_select(&s, "535.98", "3975.2.0", &err);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(r, -EIO);
	CHECK_INT(err.code, ERR_STORE);
	store_free(&s);
	config_free(&c);
}

TEST(odd_current_is_none)
{
	static const char *const targets[] = { "/opt/nvidia/535.98/x", "535.98", "535.98/../x", "../535.98/x",
					       "a/b/c" };
	const char *dir = tap_tmpdir();
	cleanup_free char *link = mem_printf("%s/opt/nvidia/current", dir);
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	fill(dir);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		unlink(link);
		REQUIRE(symlink(targets[i], link) == 0);
		REQUIRE(store_read(&s, &c, &err) == 0);
		CHECK_STR(s.current, NULL);
		store_free(&s);
	}
	config_free(&c);
}

TEST(current_that_is_a_directory_is_an_error)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, dir);
	fill(dir);
	tap_write(dir, "opt/nvidia/current/x", "");
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK(store_select(&s, "535.98", "3975.2.0", &err) < 0);
	CHECK_INT(err.code, ERR_STORE);
	store_free(&s);
	config_free(&c);
}

TEST(one_lock)
{
	struct err err = ERR_INIT;
	struct config c;
	int a, b;

	configure(&c, tap_tmpdir());
	a = store_lock(&c, &err);
	REQUIRE(a >= 0);
	b = store_lock(&c, &err);
	CHECK_INT(b, -EWOULDBLOCK);
	CHECK_INT(err.code, ERR_BUSY);
	fd_close(a);
	a = store_lock(&c, &err);
	CHECK(a >= 0);
	fd_close(a);
	config_free(&c);
}

static int rights_with(const char *path, mode_t mode, const struct store *s, struct err *err)
{
	int r;

	*err = (struct err)ERR_INIT;
	CHECK_INT(chmod(path, mode), 0);
	r = store_check_rights(s, err);
	CHECK_INT(chmod(path, 0755), 0);
	return r;
}

static int trees_with(const char *path, mode_t mode, const struct store *s, struct err *err)
{
	int r;

	*err = (struct err)ERR_INIT;
	CHECK_INT(chmod(path, mode), 0);
	/* A start is not kept from the other trees. */
	CHECK_INT(store_check_rights(s, err), 0);
	r = store_check_trees(s, err);
	CHECK_INT(chmod(path, 0755), 0);
	return r;
}

TEST(what_others_may_write_to_is_no_store)
{
	static const mode_t bad[] = { 0777, 0775, 0757, 01777, 0722 };
	struct err err = ERR_INIT;
	struct config c;
	struct store s;

	configure(&c, tap_tmpdir());
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK_INT(store_check_rights(&s, &err), 0);
	store_free(&s);
	config_free(&c);
	configure(&c, tap_tmpdir());
	tap_write(c.driver_store, "x", "");
	tap_write(c.cuda_store, "x", "");
	REQUIRE(store_read(&s, &c, &err) == 0);
	CHECK_INT(rights_with(c.driver_store, 0755, &s, &err), 0);
	CHECK_INT(rights_with(c.driver_store, 0700, &s, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(rights_with(c.driver_store, bad[i], &s, &err) < 0);
		CHECK_INT(err.code, ERR_STORE);
		CHECK(rights_with(c.cuda_store, bad[i], &s, &err) < 0);
	}
	store_free(&s);
	tap_write(c.driver_store, "550.10/1.2.3/start.json", "{}");
	tap_write(c.cuda_store, "12.4.1/start.json", "{}");
	REQUIRE(store_read(&s, &c, &err) == 0);
	cleanup_free char *driver = mem_printf("%s/550.10", c.driver_store), *tree = mem_printf("%s/1.2.3", driver);
	cleanup_free char *toolkit = mem_printf("%s/12.4.1", c.cuda_store);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(trees_with(driver, bad[i], &s, &err) < 0);
		CHECK(trees_with(tree, bad[i], &s, &err) < 0);
		CHECK(trees_with(toolkit, bad[i], &s, &err) < 0);
	}
	if (geteuid() == 0) {
		CHECK_INT(chown(c.driver_store, 1000, 0), 0);
		CHECK(rights_with(c.driver_store, 0755, &s, &err) < 0);
		CHECK_INT(err.code, ERR_STORE);
		CHECK_INT(chown(c.driver_store, 65534, 65534), 0);
		CHECK_INT(rights_with(c.driver_store, 0755, &s, &err), 0);
	}
	store_free(&s);
	config_free(&c);
}
