/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime_find.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config.h"

/* A runtime called runc may well be a link to us; becoming ourselves would never end. */
static bool usable(const char *path)
{
	struct stat st, self;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return false;
	return stat("/proc/self/exe", &self) < 0 || st.st_dev != self.st_dev || st.st_ino != self.st_ino;
}

static char *find_name(const char *name)
{
	if (name[0] == '/')
		return usable(name) ? mem_strdup(name) : NULL;
	for (size_t i = 0; config_runtime_dirs[i]; i++) {
		cleanup_free char *path = mem_printf("%s/%s", config_runtime_dirs[i], name);

		if (usable(path))
			return take_ptr(path);
	}
	return NULL;
}

char *runtime_find(const struct strlist *names, struct err *err)
{
	struct strbuf all = STRBUF_INIT;

	for (size_t i = 0; i < names->n; i++) {
		char *path = find_name(names->v[i]);

		if (path) {
			strbuf_free(&all);
			return path;
		}
		strbuf_printf(&all, "%s%s", i ? " " : "", names->v[i]);
	}
	err_set(err, ERR_RUNTIME, ENOENT, "%s", all.buf ? all.buf : "low-level-runtimes is empty");
	strbuf_free(&all);
	return NULL;
}
