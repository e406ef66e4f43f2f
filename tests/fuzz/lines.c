/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <limits.h>

#include "base/path.h"

static void add_annotation(struct spec *s, const char *text)
{
	size_t n = strcspn(text, "=");

	s->annotations = arena_grow(&s->arena, s->annotations, s->n_annotations, sizeof(*s->annotations));
	s->annotations[s->n_annotations++] = (struct spec_pair){
		.key = arena_strndup(&s->arena, text, n),
		.value = arena_strdup(&s->arena, text[n] ? text + n + 1 : ""),
	};
}

static void add_mount(struct spec *s, const char *text)
{
	cleanup_free char *absolute = mem_printf("/%s", text);
	char norm[PATH_MAX];

	if (path_normalize(absolute, norm, sizeof(norm)) < 0)
		return;
	s->mounts = arena_grow(&s->arena, s->mounts, s->n_mounts, sizeof(*s->mounts));
	s->mounts[s->n_mounts++] = (struct spec_mount){ .destination = arena_strdup(&s->arena, norm),
							.source = "/dev/null",
							.bind = true };
}

void lines_read(struct fuzz_input *in, struct spec *spec, struct config *conf)
{
	cleanup_free char *flags = fuzz_line(in);

	spec_init(spec);
	config_init(conf);
	spec->has_process = true;
	spec->privileged = strchr(flags, 'P') != NULL;
	spec->sandbox = strchr(flags, 'S') != NULL;
	conf->accept_environment = strchr(flags, 'e') ? CONFIG_ACCEPT_PRIVILEGED : CONFIG_ACCEPT_ALL;
	conf->accept_mounts = !strchr(flags, 'm');
	while (in->size) {
		cleanup_free char *line = fuzz_line(in);

		if (line[0] == 'A')
			add_annotation(spec, line + 1);
		else if (line[0] == 'M')
			add_mount(spec, line + 1);
		else
			spec_add_env(spec, line);
	}
}
