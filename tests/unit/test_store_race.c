/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of `current` take no lock: during all switches it leads to a whole tree. 10^5 reads during 10^4 switches or more;
 * NVCOREOS_RACE=whole: ten times as many.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/store.h"
#include "store_fixture.h"
#include "tap.h"

/* At least n times, and until the reader has had enough. */
static int switch_often(struct store *s, unsigned long n, const volatile bool *enough)
{
	static const char *const drivers[] = { "535.98", "550.10" };
	struct err err = ERR_INIT;

	for (unsigned long i = 0; i < n || !*enough; i++)
		if (store_select(s, drivers[i % 2], "1", &err) < 0 ||
		    store_select_cuda(s, i % 2 ? "12.4" : "11.8", &err) < 0)
			return 1;
	return 0;
}

static unsigned long read_once(const char *dir)
{
	cleanup_free char *state = mem_printf("%s/opt/nvidia/state.json", dir), *text = NULL;
	size_t len;

	return !fixture_exists(dir, "opt/nvidia/current/start.json") +
	       !fixture_exists(dir, "opt/cuda/current/start.json") +
	       (fd_read_file_at(AT_FDCWD, state, 4096, &text, &len) < 0 || !len || text[len - 1] != '}');
}

static void race(const char *dir, struct config *conf, unsigned long switches, unsigned long reads)
{
	volatile bool *enough = mmap(NULL, sizeof(*enough), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long done = 0, misses = 0;
	struct err err = ERR_INIT;
	int status = -1;
	struct store s;
	pid_t pid, ended = 0;

	REQUIRE(enough != MAP_FAILED && store_read(&s, conf, &err) == 0);
	REQUIRE(store_select(&s, "550.10", "1", &err) == 0 && store_select_cuda(&s, "12.4", &err) == 0);
	pid = fork();
	if (pid == 0)
		tap_exit(switch_often(&s, switches, enough));
	store_free(&s);
	REQUIRE(pid > 0);
	while (ended == 0) {
		misses += read_once(dir);
		*enough = ++done >= reads;
		ended = waitpid(pid, &status, WNOHANG);
	}
	CHECK(ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_INT(misses, 0);
	printf("# %lu switches or more, %lu reads meanwhile, %lu misses\n", switches, done, misses);
	munmap((void *)enough, sizeof(*enough));
}

TEST(readers_never_miss)
{
	const char *whole = getenv("NVCOREOS_RACE");
	unsigned long times = whole && strcmp(whole, "whole") == 0 ? 10 : 1;
	/* In memory: it is names that race, and each switch syncs. */
	char dir[] = "/dev/shm/nvcoreos-race.XXXXXX";
	struct config conf;

	REQUIRE(mkdtemp(dir));
	config_init(&conf);
	config_set_root(&conf, dir);
	tap_write(dir, "opt/nvidia/535.98/1/start.json", "{}");
	tap_write(dir, "opt/nvidia/550.10/1/start.json", "{}");
	tap_write(dir, "opt/cuda/12.4/start.json", "{}");
	tap_write(dir, "opt/cuda/11.8/start.json", "{}");
	race(dir, &conf, times * 10000, times * 100000);
	config_free(&conf);
	CHECK_INT(fd_remove_tree(AT_FDCWD, dir), 0);
}
