/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of libraries in start.json, which is all that grows with a driver, read without a document in memory: only where it
 * stands byte for byte as tree_dump writes it. Everything else is for the JSON library, and so is the rest of the file.
 */
#ifndef NVCOREOS_STORE_TREELIST_H
#define NVCOREOS_STORE_TREELIST_H

#include "store/tree.h"

/*
 * Adds the libraries of start.json to t, and sets what lies between the brackets of their list, [*ret_from, *ret_to) of the
 * text. False, with nothing added, where the list is not there, stands otherwise than tree_dump writes it, or holds what a
 * tree must not.
 */
bool treelist_read(struct tree *t, const char *text, size_t len, size_t *ret_from, size_t *ret_to);

/* Where the list of a driver's stands, without a look at what is in it. False, where it stands otherwise than tree_dump writes it. */
bool treelist_skip(const char *text, size_t len, size_t *ret_from, size_t *ret_to);

#endif
