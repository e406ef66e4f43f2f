/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes system calls of the code under test fail, one at a time: no input makes fstat fail on an open fd, but the branch
 * behind it must hold all the same. The linker puts these in the place of the C library's (the Makefile's --wrap); calls
 * by syscall() go by their own names ("openat2", "move_mount").
 *
 *	faults_arm("fstat", 1, EIO);
 *	CHECK_INT(thing_do(&err), -EIO);
 *	CHECK_INT(faults_disarm(), 1);
 */
#ifndef NVCOREOS_TESTS_FAULTS_H
#define NVCOREOS_TESTS_FAULTS_H

#define FAULTS_ANY "*"

/*
 * From now on the nth call of `call` (1 is the next one; FAULTS_ANY: of any) fails with errnum, once, and does nothing.
 * errnum 0: it does nothing and says that all went well; statx knows nothing then, and
 * the clock is at the end of time.
 */
void faults_arm(const char *call, unsigned nth, int errnum);
/* The nth one, and all that come after it. */
void faults_arm_from(const char *call, unsigned nth, int errnum);
/* From now on and until the process ends, such a call does nothing and says that all went well (where it is not armed too). */
void faults_pretend(const char *call);
/* Calls fail no more. How many have failed. */
unsigned faults_disarm(void);
/* The call that failed last, "" before any. */
const char *faults_failed(void);

#endif
