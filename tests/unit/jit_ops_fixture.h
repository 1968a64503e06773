/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A method of a text as the compiler reads it, without running anything but
 * an empty `main`.
 *
 *   struct jit_reading reading;
 *   jit_reading_open(&reading, ".function i32 f() { ... }", true);
 *   ... reading.ops ...
 *   jit_reading_close(&reading);
 */
#ifndef TESTS_UNIT_JIT_OPS_FIXTURE_H
#define TESTS_UNIT_JIT_OPS_FIXTURE_H

#include "jit_stub/op.h"
#include "mm/alloc/arena.h"
#include "vm/core/runtime.h"

struct jit_reading {
  struct vm *vm;
  char *out, *err;
  size_t out_bytes, err_bytes;
  struct vm_method *method; /* `f` */
  const struct interp_code *code;
  struct mm_arena *arena;
  struct jit_ops ops;
};

/* Assembles a text that has a function or method `f`, adds an empty `main`,
   translates and reads `f`. */
void jit_reading_open(struct jit_reading *reading, const char *text, bool fuse);
void jit_reading_close(struct jit_reading *reading);

/* Operations as text, "; " between them; freed by the caller. */
char *jit_text_of(const struct jit_ops *ops);

/* An arena that gets so many bytes, down to the last chunk, and no more.  One
   at a time. */
struct mm_arena *jit_arena_of(size_t bytes);

#endif
