/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow and liveness over the compiler's operations (op.h).
 *
 * Blocks are runs of operations that are entered at their first and left at
 * their last one, or by an exception.  An exception goes to the handlers that
 * cover the instruction that threw; it goes on there with the registers as
 * they were before the operation.
 *
 * Live sets are bits: bit v is register v, the last bit the accumulator
 * (jit_flow_bit).  Backward data flow (Aho et al., Compilers, 2006, section
 * 9.2.5) in the reverse order of blocks until nothing changes:
 *
 *   before = (after - defined) + read + live at handlers, if it may throw
 *
 * Where compiled code is left for the interpreter (JIT_OP_EXIT) everything is
 * live.  Methods so large, or jumping about so much, that the sets would cost
 * too much have everything_live set instead: that is always right.
 *
 * A loop, for depths, is what stands between the target of a backward jump
 * and the last jump there.  That is right for loops as compilers lay them
 * out, and merely a worse guess for others.
 */
#ifndef JIT_STUB_FLOW_H
#define JIT_STUB_FLOW_H

#include "jit_stub/op.h"

struct jit_block {
  uint32_t first, count; /* operations */
  /* Blocks that follow: where a branch is not taken and where it is. */
  uint32_t successors[2], successor_count;
  const uint32_t *handlers; /* blocks that an exception in it may go to */
  uint32_t handler_count;
  /* From blocks that can be reached, without exceptions; the entry of the
     method counts for block 0. */
  uint32_t predecessor_count;
  uint32_t depth;          /* loops around it */
  const uint64_t *live_in; /* sets */
  const uint64_t *live_out;
  bool is_handler;    /* some exception handler starts here */
  bool is_loop_entry; /* starts with JIT_OP_LOOP */
  bool is_reachable;
};

/*
 * How a register is used in what can be reached: the sum of 8 to the power of
 * the depth (4 at most) over its uses and definitions, by what the operation
 * makes of it.  Moves, and loads, stores and arguments whose bits may be of
 * either kind, are neutral.
 */
struct jit_reg_use {
  uint64_t whole;  /* 64-bit integers, references */
  uint64_t narrow; /* 32-bit integers */
  uint64_t floating;
  uint64_t neutral;
  /* Some definition is not a 32-bit value extended with its sign, reached or
     not: see Note [What the interpreter writes].  Parameters are defined by
     their types. */
  bool is_written_wide;
  bool is_read_wide; /* some use reads more than the low 32 bits */
};

/* Instructions from `begin` on, up to the next one, have the same handlers. */
struct jit_cover {
  uint32_t begin;
  uint32_t handler_count;
  uint32_t *handlers; /* blocks */
};

struct jit_flow {
  const struct jit_ops *ops;
  const struct interp_code *code;
  struct jit_block *blocks;
  uint32_t block_count;
  uint32_t *block_of; /* by operation */
  uint32_t reg_count;
  struct jit_reg_use *regs;
  uint32_t set_words; /* of a live set, in uint64_t */
  bool everything_live;

  uint64_t *scratch, *full; /* sets */
  uint32_t cover_count;
  struct jit_cover *covers;
  uint32_t *cover_of; /* by instruction; null without handlers */
};

/* Finds everything; all of it is of the arena.  Null: no memory.  Linear in
   the operations but for deep nests of loops or handlers. */
struct jit_flow *jit_flow_find(struct mm_arena *arena,
                               const struct jit_ops *ops,
                               const struct vm_method *method,
                               const struct interp_code *code);

/* The bit of a register or the accumulator in live sets. */
static inline uint32_t jit_flow_bit(const struct jit_flow *flow,
                                    int32_t operand)
{
  return operand == JIT_ACC ? flow->reg_count : (uint32_t)operand;
}

static inline bool jit_flow_has(const struct jit_flow *flow,
                                const uint64_t *set, int32_t operand)
{
  uint32_t bit = jit_flow_bit(flow, operand);
  return set[bit / 64] >> (bit % 64) & 1;
}

/* The handlers that an exception of this operation may go to; null: none. */
const struct jit_cover *jit_flow_cover_of(const struct jit_flow *flow,
                                          uint32_t op);

/* Adds to the set what its handlers find live, but for the accumulator, which
   holds the exception then. */
void jit_flow_add_live_if_thrown(const struct jit_flow *flow, uint32_t op,
                                 uint64_t *set);

/* Visits a block's operations from the last to the first, with what is live
   after each if it does not throw.  The set is valid during the visit; one
   walk at a time. */
void jit_flow_walk_live(const struct jit_flow *flow, uint32_t block,
                        void (*visit)(void *context, uint32_t op,
                                      const uint64_t *live_after),
                        void *context);

/* Text for people: blocks with their edges, depth and live sets. */
void jit_flow_print(const struct jit_flow *flow, void *file);

#endif
