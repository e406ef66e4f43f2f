/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvcoreos-generator: systemd runs it before it reads any unit, at boot and at each daemon-reload. It has no word to say and no
 * way to fail: whatever is wrong, the OS's own units stay as they are, and `nvcoreos status` tells why.
 */
#include <signal.h>
#include <unistd.h>

#include "conf/config.h"
#include "generator.h"

/* A store that does not answer (a network that is gone) must not hold up systemd. */
#define SECONDS_MAX 5

static noreturn_fn void give_up(void)
{
	_exit(0);
}

static noreturn_fn void on_alarm(int sig)
{
	(void)sig;
	give_up();
}

int main(int argc, char **argv)
{
	struct config conf cleanup(config_free);

	signal(SIGALRM, on_alarm);
	alarm(SECONDS_MAX);
	mem_set_oom_handler(give_up);
	config_init(&conf);
	/* Of the three directories the first is the one that stands behind /etc and before /usr. */
	if (argc > 1 && config_load(&conf, NULL, NULL) == 0)
		(void)!generator_link("", NULL, &conf, argv[1], NULL);
	return 0;
}
