/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges from methods to C functions: emitted by native.c, placed and freed by
 * native_code.c.
 */
#ifndef JIT_STUB_NATIVE_INTERNAL_H
#define JIT_STUB_NATIVE_INTERNAL_H

#include "jit_stub/code_internal.h"

/* Machine code for one binding of a native method. */
struct jit_native {
  struct jit_native *next; /* of the method; lock CODE */
  struct vm_method *method;
  struct mm_code block;
  void *debug; /* what a debugger was told; or null */
};

/* Where arguments of C functions go: how many are in registers of either kind,
   and in slots of the stack. */
struct jit_places {
  uint32_t ints, floats, stack;
};

/* One being made. */
struct jit_bridge {
  struct jit_emitter e;
  struct jit_compiler *compiler;
  const struct vm_method *method;
  const struct vm_native_wanted *wanted;
  bool must_fence; /* Note [Fences around native code] */
  bool is_from_c;  /* the copy that is a C function */
  struct jit_places places;
  uint32_t handles;                        /* at most */
  int32_t frame_at, tag_at, save_at, room; /* on the machine stack */
  jit_label slow, threw, enter_slow, entered, leave_slow, unbalanced, left,
      close_slow, closed;
};

/* native.c: emits it; a direct one has two parts, of which the second begins at
 *second.  False: no memory. */
bool jit_bridge_emit(struct jit_bridge *bridge, uint32_t *second);

/* Of struct vm_tier. */
bool jit_bridge(struct vm_thread *thread, struct vm_method *method,
                const struct vm_native_wanted *wanted,
                struct vm_native_code *code);

/* Nobody calls the method any more. */
void jit_forget_bridges_locked(struct jit_compiler *compiler,
                               struct vm_method *method);

#endif
