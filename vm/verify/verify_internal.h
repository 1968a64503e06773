/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the verifier share: the function under work, cut into
 * blocks, and the state of its slots.
 *
 *   flow.c      registers -> slots, instructions -> blocks, edges
 *   infer.c     runs blocks until their entry states are stable
 *   step.c      what one instruction reads and leaves (with step_ref.c for
 *               fields and arrays, step_call.c for calls)
 *   operand.c   demands on a value: fits, needs a check, can never fit
 *   live.c      which slots are live at the borders of blocks
 *   maps.c      live and reference: the maps at each instruction
 *   strict.c    structure and records, for `bamboo verify` only
 *   report.c    messages
 *
 * A slot is a register that the function mentions, numbered densely in the
 * order of registers; the accumulator is the last slot.  A block ends at a
 * jump, before a leader, or at the end of the body; the borders of try ranges
 * are leaders, so a block lies inside or outside a range as a whole.
 *
 * All memory is in `scratch`, which dies when the function is done.
 */
#ifndef VM_VERIFY_VERIFY_INTERNAL_H
#define VM_VERIFY_VERIFY_INTERNAL_H

#include "mm/alloc/arena.h"
#include "vm/verify/types_internal.h"
#include "vm/verify/verify.h"

enum { NO_SLOT = UINT32_MAX, MAX_REFINED = 8 };

struct vm_vblock {
  uint32_t begin, end; /* instructions, end exclusive */
  uint32_t succ[2];    /* blocks; block_count: the end of the body */
  uint8_t succ_count;  /* when the block's last instruction completes */
  bool in_try;         /* some try range covers it */
  bool reached;
  bool ends_bad;     /* an instruction of it never completes */
  uint32_t live_end; /* instructions from here on are not reached */
};

/* What an instruction does to the state, once it was found to be good. */
struct vm_vwrites {
  uint32_t reg_slot; /* or NO_SLOT */
  uint32_t reg_type;
  bool writes_acc;
  uint32_t acc_type;
  unsigned refined_count; /* slots that a check narrows to a type */
  struct {
    uint32_t slot, type;
  } refined[MAX_REFINED];
};

/* What infer.c tells map building of each instruction. */
enum {
  STEP_REG_WAS_REF = 1 << 0, /* the register that it writes */
  STEP_REG_IS_REF = 1 << 1,
  STEP_ACC_WAS_REF = 1 << 2,
  STEP_ACC_IS_REF = 1 << 3,
  STEP_MAY_THROW = 1 << 4,
};

struct vm_verifier {
  struct vm *vm;
  struct vm_module *module;
  const struct vm_function_def *function;
  const struct vm_method_ref *method;
  struct mm_arena *scratch;
  struct vm_diags *diags; /* strict only */
  bool strict;
  bool no_memory;
  struct vm_vtypes types;

  uint32_t *slot_of;   /* register -> slot or NO_SLOT */
  uint32_t *reg_of;    /* slot -> register; the accumulator: reg_count */
  uint32_t slot_count; /* with the accumulator */
  uint32_t acc_slot;   /* slot_count - 1 */
  uint32_t slot_words; /* 64-bit words of a bit set over slots */

  struct vm_vblock *blocks;
  uint32_t block_count;
  uint32_t *block_at; /* instruction -> block that begins there, else any;
                         insn_count -> block_count */
  uint32_t *entry;    /* states: block_count * slot_count types */
  uint64_t *pending;  /* bit set of blocks to run */
  bool end_reached;

  /* The instruction under work. */
  uint32_t insn;
  uint32_t *state; /* before it */
  struct vm_vwrites writes;
  bool is_bad;   /* can never be right */
  bool is_final; /* states are stable: record what is found */
  uint32_t checks_here;

  /* Results. */
  uint8_t *flags;
  uint8_t *steps; /* STEP_* */
  struct vm_ref_check *checks;
  uint32_t check_count, check_capacity;

  uint64_t *outside; /* strict only: blocks reached without an exception */
  bool in_structure; /* strict only: findings are errors everywhere */
  /* Strict only: searching for where a value was set. */
  uint32_t report_budget;
  uint64_t *search_seen;
  uint32_t *search_stack;
};

/* --- verify.c --- */

/* Zeroed scratch memory for `count` items; null sets no_memory. */
void *vm_verify_alloc(struct vm_verifier *v, size_t count, size_t item_bytes);

/* --- flow.c --- */

/* Finds slots, leaders, blocks and edges; false: no memory. */
bool vm_verify_flow(struct vm_verifier *v);

/* Does a try range of `c` cover this block? */
static inline bool vm_verify_covers(const struct vm_catch *c,
                                    const struct vm_vblock *block)
{
  return c->begin <= block->begin && block->begin < c->end;
}

/* The register that stands for argument i of a call (the receiver of an
   initobj not counted), reg_count for the accumulator, or NO_SLOT. */
uint32_t vm_verify_argument(const struct vm_verifier *v,
                            const struct vm_insn *insn, uint32_t i);

/* Arguments that a call reads from its operands. */
uint32_t vm_verify_argument_count(const struct vm_verifier *v,
                                  const struct vm_insn *insn);

/* Calls `visit` with each slot that an instruction reads. */
void vm_verify_each_use(const struct vm_verifier *v, const struct vm_insn *insn,
                        void (*visit)(void *context, uint32_t slot),
                        void *context);

/* The slot of the register that an instruction writes, or NO_SLOT. */
uint32_t vm_verify_def(const struct vm_verifier *v, const struct vm_insn *insn);

static inline uint32_t vm_verify_slot(const struct vm_verifier *v, uint32_t reg)
{
  return reg == v->function->reg_count ? v->acc_slot : v->slot_of[reg];
}

/* --- infer.c --- */

/* Runs the types to a fixed point, then records flags and checks. */
bool vm_verify_infer(struct vm_verifier *v);

/* --- step.c, step_ref.c, step_call.c --- */

/* Judges v->insn in v->state: fills v->writes, v->is_bad. */
void vm_verify_step(struct vm_verifier *v);
void vm_verify_step_field(struct vm_verifier *v, const struct vm_insn *insn);
void vm_verify_step_array(struct vm_verifier *v, const struct vm_insn *insn);
void vm_verify_step_call(struct vm_verifier *v, const struct vm_insn *insn);

/* May this instruction throw, given what the step found? */
bool vm_verify_may_throw(const struct vm_verifier *v);

/* --- operand.c: demands on the value in a register (reg_count: acc) --- */

/* Each returns false when the instruction can never be right. */
bool vm_verify_want_number(struct vm_verifier *v, uint32_t reg, uint32_t want);
bool vm_verify_want_ref(struct vm_verifier *v, uint32_t reg);
bool vm_verify_want_class(struct vm_verifier *v, uint32_t reg, uint32_t want);
/* As want_class; null is certain to raise NullPointerException. */
bool vm_verify_want_object(struct vm_verifier *v, uint32_t reg, uint32_t want);

/* Marks the instruction as one that can never be right.  `format` says why,
   for strict mode.  False in lenient mode. */
bool vm_verify_reject(struct vm_verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Records a run-time check on a register; its type becomes `type` after it,
   unless that is VT_NOTHING. */
void vm_verify_add_check(struct vm_verifier *v, uint32_t reg,
                         enum vm_check_kind kind, uint32_t type,
                         uint8_t prim_log2);

static inline uint32_t vm_verify_type_of(const struct vm_verifier *v,
                                         uint32_t reg)
{
  return v->state[vm_verify_slot(v, reg)];
}

void vm_verify_set_reg(struct vm_verifier *v, uint32_t reg, uint32_t type);
void vm_verify_set_acc(struct vm_verifier *v, uint32_t type);

/* --- live.c, maps.c --- */

/* Live slots at the entry of each block. */
uint64_t *vm_verify_live(struct vm_verifier *v);

/* What is live at the end of a block, and in the handlers that cover it. */
void vm_verify_live_out(const struct vm_verifier *v, const uint64_t *live_in,
                        uint32_t block, uint64_t *out, uint64_t *handlers);

/* One instruction backwards. */
void vm_verify_live_step(const struct vm_verifier *v, uint32_t insn,
                         const uint64_t *handlers, uint64_t *live);

/* Builds everything of the result but the checks in scratch memory. */
bool vm_verify_maps(struct vm_verifier *v, const uint64_t *live_in,
                    struct vm_verified *result);

static inline void vm_bit_set(uint64_t *set, uint32_t i)
{
  set[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void vm_bit_clear(uint64_t *set, uint32_t i)
{
  set[i / 64] &= ~((uint64_t)1 << (i % 64));
}

static inline bool vm_bit_has(const uint64_t *set, uint32_t i)
{
  return (set[i / 64] >> (i % 64)) & 1;
}

/* --- strict.c, report.c --- */

/* Finds the blocks that only handlers reach. */
bool vm_verify_mark_handlers(struct vm_verifier *v);

/* Jumps across the borders of handlers, control that runs into one or off
   the end. */
void vm_verify_structure(struct vm_verifier *v);

/* A finding at the instruction under work. */
void vm_verify_report(struct vm_verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "`add2 v1` wants WANTED in v1, found ... (set at line 12)". */
void vm_verify_report_value(struct vm_verifier *v, uint32_t reg,
                            const char *wanted);

/* May the function use a member with these flags of this class? */
void vm_verify_access_field(struct vm_verifier *v,
                            const struct vm_field_ref *field, bool is_store);
void vm_verify_access_method(struct vm_verifier *v,
                             const struct vm_method_ref *method);

#endif
