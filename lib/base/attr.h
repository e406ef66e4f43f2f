/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler attributes and the cleanup idiom. */
#ifndef NVCOREOS_BASE_ATTR_H
#define NVCOREOS_BASE_ATTR_H

#define must_check __attribute__((warn_unused_result))
#define printf_format(f, a) __attribute__((format(printf, f, a)))
#define cleanup(fn) __attribute__((cleanup(fn)))
#define fallthrough __attribute__((fallthrough))
#define noreturn_fn __attribute__((noreturn))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * DEFINE_CLEANUP(name, type, fn, empty) makes cleanup_name for variables of `type`: fn is called at
 * the end of the scope unless the variable is `empty`.
 */
#define DEFINE_CLEANUP(name, type, fn, empty) \
	static inline void cleanup_##name##_p(type *p) \
	{ \
		if (*p != (empty)) \
			fn(*p); \
	} \
	struct cleanup_##name##_semicolon

#endif
