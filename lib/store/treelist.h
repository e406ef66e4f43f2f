/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists at the end of start.json, libraries and with a driver programs and links, which are nearly all of it, read without a document
 * in memory: only where they stand byte for byte as tree_dump writes them. Everything else is for the JSON library, and so is what
 * stands before.
 */
#ifndef NVCOREOS_STORE_TREELIST_H
#define NVCOREOS_STORE_TREELIST_H

#include "store/tree.h"

/*
 * Reads the lists into t, which has none, and sets how much of the text stands before what is in the first, and what stands for the rest:
 * the same lists, empty. The lists' strings stand in the text from then on. False, with none read and the text as it was, where they are
 * not there, stand otherwise than tree_dump writes them, or hold what a tree must not.
 */
bool treelist_read(struct tree *t, char *text, size_t len, size_t *ret_from, const char **ret_rest);

/* The same of a driver's, without a look at what is in them. False, where they stand otherwise than tree_dump writes them. */
bool treelist_skip(const char *text, size_t len, size_t *ret_from, const char **ret_rest);

#endif
