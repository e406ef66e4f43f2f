/* SPDX-License-Identifier: Apache-2.0 */
/* again PROGRAM ARG...: becomes that program: the least that a runtime in front of another can be. */
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc > 1)
		execv(argv[1], argv + 1);
	return 127;
}
