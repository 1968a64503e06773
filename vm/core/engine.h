/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the machine runs methods without knowing who runs them: the interpreter
 * (and later compiled code) fills in this struct.
 */
#ifndef VM_CORE_ENGINE_H
#define VM_CORE_ENGINE_H

#include "vm/core/thread.h"

struct vm_engine {
  /*
   * Runs a method to its end on top of the thread's stack.  `args` are
   * param_count slots and are copied first; references among them need no
   * scope.  Class initialisation of the owner is the caller's business.
   * Returns false with an exception pending.  Safepoint.
   */
  bool (*invoke)(struct vm_thread *thread, const struct vm_method *method,
                 const union vm_slot *args, union vm_slot *result);

  /*
   * The instruction at which a frame stands.  For tracing references take
   * `insn`; for line numbers and handlers take `fault` (they differ within
   * fused sequences).  Natives: UINT32_MAX in both.
   */
  void (*position)(const struct vm_frame *frame, uint32_t *insn,
                   uint32_t *fault, bool *in_call);

  /* Where a newly loaded method's `entry` has to point. */
  const void *(*initial_entry)(const struct vm_method *method);

  /* Frees what the engine keeps for a method. */
  void (*forget_method)(struct vm_method *method);
};

#endif
