/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA version that a driver supports: a property of its branch. */
#ifndef NVCOREOS_STORE_CUDAVER_H
#define NVCOREOS_STORE_CUDAVER_H

/* "12.2" for "535.261.03"; NULL for a branch that is not known. */
const char *cudaver_of_driver(const char *driver);

#endif
