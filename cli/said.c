/* SPDX-License-Identifier: Apache-2.0 */
#include "said.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/json.h"
#include "store/loaded.h"

static void print_json(const struct cli *cli, const struct proc_result *res)
{
	cleanup_json struct json *o = json_new_object();
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_free char *text = NULL;
	struct json *said = json_new_array();
	struct strlist lines = { 0 };
	char buf[LOADED_MAX];
	const char *loaded = loaded_driver(cli->conf.proc_root, buf);

	if (loaded)
		json_set_str(o, "driver", loaded);
	strlist_split(&a, &lines, res->output, "\n", false);
	for (size_t i = 0; i < lines.n; i++)
		json_append(said, json_new_string(lines.v[i]));
	json_set(o, "said", said);
	text = json_dump(o, 2);
	puts(text);
}

void said_print(const struct cli *cli, const struct proc_result *res)
{
	if (cli->json)
		print_json(cli, res);
	else if (!cli->quiet)
		fputs(res->output, stdout);
}
