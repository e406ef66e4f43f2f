/* SPDX-License-Identifier: Apache-2.0 */
#include "store/prune.h"

void prune_decide(struct prune_tree *trees, size_t n, size_t keep)
{
	size_t held = 0;

	for (size_t i = 0; i < n; i++)
		held += trees[i].why != NULL;
	for (size_t i = 0; i < n; i++) {
		trees[i].goes = !trees[i].why && held >= keep;
		if (!trees[i].why && !trees[i].goes)
			held++;
	}
}
