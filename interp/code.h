/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoded code: what the interpreter runs.
 *
 *   method->entry --> word 0      address of the handler
 *                     word 1      up to four registers, or two registers and
 *                                 a 32-bit immediate or jump distance
 *                     word 2, 3   pointers, wide immediates
 *                     word 0      of the next operation ...
 *
 * The form is direct threaded code (Bell 1973): each handler jumps to the
 * next one through word 0.  Operands are resolved when the method is
 * translated; what could not be resolved then, or needs its class initialised
 * first, is rewritten in place when it first runs ("quickening", Brunthaler
 * 2010).
 *
 * Note [Rewriting operations that others run]
 *
 * Word 0 says what the other words mean.  It is stored last, with release
 * order, and loaded first, with acquire order, so whoever sees the new handler
 * sees its operands.  A thread that still has the old handler must not look at
 * the operands any more: `resolve' finds its instruction by its place in the
 * code (interp_origin_of), and each `_init' form has the operands of what it
 * turns into.  `resolve' is rewritten under the lock CODE, once.
 *
 * struct interp_code keeps, beside the words, which instruction each
 * operation came from: `insn` the first of a fused sequence, whose map of
 * live references holds as long as the operation has not changed anything;
 * `fault` the one of them that may throw.
 *
 * Read next: translate.c, fuse.c, run.c.
 */
#ifndef INTERP_CODE_H
#define INTERP_CODE_H

#include "vm/core/runtime.h"
#include "vm/verify/verify.h"

enum interp_op {
#define INTERP_OP(name, words, shape) INTERP_##name,
#include "interp/ops.def"
  INTERP_OP_COUNT
};

/* Variants within a family of ops.def, added to its first member. */
enum {
  INTERP_DEST_REG = 2,       /* BIN: _rar, _rrr */
  INTERP_LEFT_REG = 1,       /* BIN: _arr, _rrr */
  INTERP_RIGHT_IMM = 4,      /* BIN32 */
  INTERP_LOAD_DEST_REG = 2,  /* ELEMENT_LOAD: _ra, _rr */
  INTERP_LOAD_INDEX_REG = 1, /* ELEMENT_LOAD: _ar, _rr */
  INTERP_JUMP_BACK = 6,      /* JUMPS: the polling family follows */
  INTERP_CALL_STEP = 2,      /* CALLS: from n to n + 1 arguments */
  INTERP_CALL_RANGE = 10,    /* first register and number */
  INTERP_CALL_ACC = 12,      /* one argument, the accumulator */
  INTERP_NEEDS_INIT = 1,     /* WITH_INIT */
  /* fields: from an access to that of a volatile one */
  INTERP_VOLATILE = INTERP_vldobj_i8_a - INTERP_ldobj_i8_a,
};

enum interp_condition {
  INTERP_EQ,
  INTERP_NE,
  INTERP_LT,
  INTERP_GT,
  INTERP_LE,
  INTERP_GE
};

_Static_assert(INTERP_vststatic_logged_init - INTERP_ststatic_logged_init ==
                   (int)INTERP_VOLATILE,
               "volatile accesses stand in the order of the others");

union interp_word {
  const void *handler;
  struct {
    uint16_t a, b, c, d;
  } r;
  struct {
    uint16_t a, b;
    int32_t x; /* immediate; jumps: distance in bytes from this operation */
  } i;
  struct {
    uint32_t advance; /* calls: slots from the caller's registers to the
                         callee's */
    uint32_t args;    /* slots from the caller's registers to the first
                         argument; virtual calls: the receivers, see Note
                         [Receivers of virtual calls]; atomic */
  } call;
  uint64_t u64;
  int64_t i64;
  double f64;
  void *ptr;
};

_Static_assert(sizeof(union interp_word) == 8, "words are 8 bytes");

/*
 * Note [Receivers of virtual calls]
 *
 * A virtual call notes what it was called on, so that compiled code can compare
 * the receiver with the one class that there was and call the method of that
 * class at once (Deutsch and Schiffman's inline cache, 1984, filled by the
 * interpreter).  The word holds
 *
 *   0 -> the class of all receivers so far -> INTERP_MANY_CLASSES
 *
 * and only ever goes that way.  A class of another loader counts as many: one
 * of the caller's own, or of the boot loader, lives as long as the caller and
 * its code, so that neither the word nor the code is ever left with one that
 * has died, and neither keeps one alive.
 */
enum {
  INTERP_NO_CLASS = 0,
  INTERP_MANY_CLASSES = 1,
};

enum {
  INTERP_CALL_WORDS = 4,
  INTERP_ACC_SLOT = 0xffff, /* as a call's argument register: int16_t -1, the
                               frame's accumulator slot */
};

struct interp_origin {
  uint32_t word; /* offset of the operation */
  uint32_t insn;
  uint32_t fault;
};

struct interp_code {
  size_t bytes; /* of the whole block */
  union interp_word *words;
  uint32_t word_count;
  uint32_t origin_count;
  uint32_t resolved_count; /* `resolve's that became something; lock CODE */
  struct interp_origin *origins; /* ascending by word */
  uint32_t *insn_words;          /* insn_count + 1: word of the operation that
                                    starts there; UINT32_MAX within fused
                                    sequences and where nothing can run */
};

/*
 * Loads with acquire order.  On x86-64 each load has it, and the compiler can
 * move nothing that follows above a jump to where it was loaded from; a plain
 * load is one instruction less, because it is part of the jump.
 */
#if defined __x86_64__ && !defined BAMBOO_TSAN
#define INTERP_LOAD_CODE(word) (word)
#else
#define INTERP_LOAD_CODE(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#endif

/* What the operation at `pc` jumps to, and what a call of a method does. */
#define interp_handler_of(pc) INTERP_LOAD_CODE((pc)->handler)
#define interp_entry_of(method)                                                \
  ((union interp_word *)INTERP_LOAD_CODE((method)->entry))

/* See Note [Rewriting operations that others run]. */
static inline void interp_set_handler(union interp_word *pc,
                                      const void *handler)
{
  __atomic_store_n(&pc->handler, handler, __ATOMIC_RELEASE);
}

/* What another thread may have translated; null: nobody has. */
static inline struct interp_code *interp_code_of(const struct vm_method *method)
{
  return __atomic_load_n(&method->translated, __ATOMIC_ACQUIRE);
}

/* The decoded code of a method that was translated, whatever its entry is
   now. */
static inline union interp_word *interp_words_of(const struct vm_method *method)
{
  return interp_code_of(method)->words;
}

/* What the operation is called in ops.def, as it is now. */
const char *interp_op_name(const union interp_word *pc);

/* Addresses of the handlers, by enum interp_op. */
extern const void *const *interp_handlers;

/*
 * Runs decoded code from `frame` on, until the boundary frame below it is
 * left.  `frame` is complete but for its position.  Returns false with an
 * exception pending.
 */
bool interp_run(struct vm_thread *thread, struct vm_frame *frame,
                union vm_slot *result);

/* The same from an operation on, with that accumulator. */
bool interp_run_from(struct vm_thread *thread, struct vm_frame *frame,
                     union interp_word *pc, uint64_t acc,
                     union vm_slot *result);

/*
 * Goes on in the interpreter on behalf of compiled code: with `frame`, which
 * compiled code made, at the operation `pc` (null: at its method's start,
 * interpreted even if it is compiled), with that accumulator, until the frame
 * returns.  The frame stays where it is: its caller is the frame below it again
 * when this returns, and thread->top is that caller.  Returns false with an
 * exception pending, also when the C stack does not suffice; the caller's
 * position is valid when it is called.  Safepoint.
 */
bool interp_continue(struct vm_thread *thread, struct vm_frame *frame,
                     union interp_word *pc, uint64_t acc,
                     union vm_slot *result);

/* What the entry of a method points at once it has compiled code; stored with
   release order after all that vm_tier.enter needs of the method. */
const void *interp_compiled_stub(void);

/* Fills in interp_handlers. */
void interp_run_init(void);

/* Translates a method, once, whoever asks; its entry and translated are set.
   False: no memory, OutOfMemoryError is pending. */
bool interp_translate(struct vm_thread *thread, struct vm_method *method);

/* Frees what a translation made. */
void interp_forget_method(struct vm_method *method);

/*
 * Resolves the names of the instruction that the operation at `pc` (an
 * INTERP_resolve) stands for, and rewrites it in place.  The frame is saved.
 * False: an exception is pending.
 */
bool interp_resolve(struct vm_thread *thread, struct vm_frame *frame,
                    union interp_word *pc);

/*
 * Finds the handler of the pending exception, from `frame` outwards, up to a
 * boundary frame; none of these frames runs as compiled code.  On success
 * thread->top is the frame that goes on, *pc its operation, and the exception
 * is taken off the thread into *exception. Otherwise thread->top is the frame
 * below the boundary.
 */
bool interp_unwind(struct vm_thread *thread, struct vm_frame *frame,
                   union interp_word **pc, struct mm_ref *exception);

/* What the operations initarr and check at `pc` do: make nested arrays, of
   sizes in registers of the frame (a safepoint; null: an exception is pending);
   say whether a reference is of the class that is wanted. */
struct mm_ref interp_new_multi_array(struct vm_thread *thread,
                                     const struct vm_frame *frame,
                                     const union interp_word *pc);
bool interp_check_holds(struct mm_ref value, const union interp_word *pc);

/* The origin of the operation at a position. */
const struct interp_origin *interp_origin_of(const struct interp_code *code,
                                             const union interp_word *pc);

#endif
