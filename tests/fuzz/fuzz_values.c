/* SPDX-License-Identifier: Apache-2.0 */
/* Every value that a container may say: from the environment, mounts and annotations to the request. */
#include "lines.h"
#include "oracle.h"

FUZZ(values)
{
	struct fuzz_input in = { data, size };
	struct request r;
	struct config conf;
	struct spec spec;

	lines_read(&in, &spec, &conf);
	if (oracle_request(&r, &spec, &conf))
		request_free(&r);
	config_free(&conf);
	spec_free(&spec);
}
