/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native code within a test: bodies that get the table as if a program had
 * called them.
 *
 *   core_load("t.pa", ...);
 *   native_run(body);            body(env), in native state
 *   native_dies(body, "part");   the same in a child, which has to abort with a
 *                                message that has the part in it
 */
#ifndef TESTS_UNIT_NATIVE_FIXTURE_H
#define TESTS_UNIT_NATIVE_FIXTURE_H

#include "tests/unit/core_fixture.h"
#include "vm/native/native.h"

void native_run(void (*body)(struct bamboo_env *env));
void native_dies(void (*body)(struct bamboo_env *env), const char *part);

/* Binds a native method of the program, which was loaded, to a function. */
void native_bind_to(const char *class, const char *method,
                    bamboo_function function);

/* What is pending is of this class; cleared. */
void native_expect(struct bamboo_env *env, const char *class);

/* Has each collection that is possible take place: all objects move. */
void native_collect(struct bamboo_env *env);

#endif
