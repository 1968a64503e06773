/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the machine runs methods without knowing who runs them: the interpreter
 * (and later compiled code) fills in this struct.
 */
#ifndef VM_CORE_ENGINE_H
#define VM_CORE_ENGINE_H

#include "mm/binding.h"
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
   * fused sequences).  Natives: UINT32_MAX in both; methods that have not
   * begun, so that only their arguments live: UINT32_MAX in `insn`.
   */
  void (*position)(const struct vm_frame *frame, uint32_t *insn,
                   uint32_t *fault, bool *in_call);

  /* Where a newly loaded method's `entry` has to point. */
  const void *(*initial_entry)(const struct vm_method *method);

  /* Frees what the engine keeps for a method. */
  void (*forget_method)(struct vm_method *method);
};

/* How vm_tier.enter ended. */
enum vm_tier_outcome {
  VM_TIER_RETURNED, /* the method returned; *result is set */
  VM_TIER_THREW,    /* an exception is pending and no handler of the method, or
                       of what it called, wanted it; thread->top is the frame
                       below the one that was entered */
  VM_TIER_LEFT,     /* the engine has to go on where the frame stands: its
                       position is that of a compiled frame, *result its
                       accumulator */
  VM_TIER_NO_CODE,  /* nothing was done: the engine has to go on */
};

/* What a compiler has to know of a C function to make code that calls it for a
   native method. */
struct vm_native_wanted {
  void (*function)(void);
  const char *name; /* for mm_handle_tag */
  bool has_table;   /* it gets the table, and the class or the receiver */
  bool is_direct;   /* the method's arguments as they are; else C's values */
  const uint8_t *prims; /* not direct: what is returned, then the parameters */
  uint32_t count;       /* of them */
};

/* What it makes. */
struct vm_native_code {
  const void *entry;          /* direct: for vm_method.machine_entry */
  vm_native_function *from_c; /* direct: the same for C code */
  /* Else: `values' are 8 bytes each, and so is the result. */
  void (*spread)(void (*function)(void), const void *values, void *result);
};

/*
 * A compiler of hot methods, as the engine knows it.  The engine counts calls
 * and rounds of loops in vm_method.heat, downwards.  A machine without a
 * compiler has none of these, and its engine counts nothing.
 */
struct vm_tier {
  /* The method's counter has reached 0.  Sets the counter anew, and compiles
     the method or sees to it that it will be.  The frame that runs it is
     saved.  Safepoint. */
  void (*hot)(struct vm_thread *thread, struct vm_method *method);

  /*
   * Runs compiled code of the frame's method from a position on (the same
   * number that stands in positions of compiled frames, see frame.h; 0: from
   * the start) until that frame returns, is unwound or leaves compiled code.
   * The frame is complete but for its position.  Safepoint.
   */
  enum vm_tier_outcome (*enter)(struct vm_thread *thread,
                                struct vm_frame *frame, uint32_t word,
                                union vm_slot *result);

  /* The engine has resolved an operation of the method, which it could not do
     when it translated it: code that was made before can do less. */
  void (*resolved)(struct vm *vm, struct vm_method *method);

  /* What compiled code jumps to when it calls a method that has no compiled
     code: for vm_method.machine_entry. */
  const void *(*initial_entry)(struct vm *vm, const struct vm_method *method);

  /* The world has just been stopped; see mm_binding. */
  void (*world_stopped)(struct vm *vm);

  /* Of a loader that nothing reaches: its methods need not be compiled any
     more.  False: one of them is being compiled right now, ask again later. */
  bool (*let_go)(struct vm *vm, const struct vm_loader *loader);

  /* Numbers for a summary; see mm_binding. */
  void (*report)(struct vm *vm, struct mm_stat_sink *sink);

  /* Frees the compiler, after all methods were forgotten. */
  void (*destroy)(struct vm *vm);

  /* Makes code that calls the C function of a native method; it is freed with
     what is kept for the method.  False: no memory, or no room for it. */
  bool (*bridge)(struct vm_thread *thread, struct vm_method *method,
                 const struct vm_native_wanted *wanted,
                 struct vm_native_code *code);

  /* Frees what is kept for a method: nothing runs it, and it is not being
     compiled. */
  void (*forget_method)(struct vm *vm, struct vm_method *method);
};

#endif
