/* SPDX-License-Identifier: Apache-2.0 */
/* What the main functions of the unit tests share. */
#ifndef TESTS_UNIT_SUITE_H
#define TESTS_UNIT_SUITE_H

#include <check.h>

/* Runs a suite of `cases`, which a null ends; the result is what main
   returns. */
int suite_main(const char *name, TCase *cases[]);

/* The same with tests in a process of their own, or in this one. */
int suite_main_forked(const char *name, TCase *cases[],
                      enum fork_status status);

#endif
