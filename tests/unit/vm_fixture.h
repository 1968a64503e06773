/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with nothing loaded, for tests of the strings, monitors and
 * natives: a small heap that is verified around each collection, output into
 * memory.
 *
 *   machine_open();
 *   struct mm_ref s = machine_string("text");
 *   ...
 *   machine_close();
 *
 * Open and close it in a checked fixture.  One machine at a time.
 */
#ifndef TESTS_UNIT_VM_FIXTURE_H
#define TESTS_UNIT_VM_FIXTURE_H

#include <check.h>

#include "vm/core/runtime.h"

struct machine {
  struct vm *vm;
  struct vm_thread *thread;
  char *out_text, *err_text; /* what was printed, after machine_flush */
  size_t out_bytes, err_bytes;
};

extern struct machine machine;

void machine_open(void);
/* The options that machine_open takes; and with some of them changed.  Output
   goes into memory in any case. */
struct vm_options machine_options(void);
void machine_open_with(struct vm_options options);
void machine_close(void);

/* Makes out_text and err_text current. */
void machine_flush(void);

/* Collects the whole heap. */
void machine_collect(void);

/* A new string, not interned. */
struct mm_ref machine_string(const char *text);

/* A new panda.Object. */
struct mm_ref machine_object(void);

/* Fails unless an exception of this class is pending with a message that has
   `part` in it (null: no message); takes it off the thread. */
void machine_expect(const char *class, const char *part);

/* Runs a native of a library record; `name` is its run-time name. */
bool machine_call(const char *record, const char *name,
                  const union vm_slot *args, union vm_slot *result);

/* Runs the tests; the exit status of the program. */
int machine_main(const char *name, TCase *tests);

#endif
