/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Liveness (flow.h): sets at the borders of blocks, found by going over the
 * operations again and again until nothing changes; sets between operations,
 * made anew by each walk.
 */
#include "config.h"

#include "jit_stub/flow_internal.h"

#include <string.h>

#include "mm/alloc/arena.h"

/* Loops nested as deeply as people do need a few; what needs more is not worth
   the time. */
enum { PASSES_MAX = 64 };

/* --- One operation --- */

struct operands {
  const struct jit_flow *flow;
  uint64_t *set;
};

static void add_operand(void *context, int32_t operand)
{
  struct operands *operands = context;
  uint32_t bit = jit_flow_bit(operands->flow, operand);
  operands->set[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static void remove_operand(const struct jit_flow *flow, uint64_t *set,
                           int32_t operand)
{
  uint32_t bit = jit_flow_bit(flow, operand);
  set[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

static void add_set(const struct jit_flow *flow, uint64_t *set,
                    const uint64_t *more)
{
  for (uint32_t w = 0; w < flow->set_words; w++)
    set[w] |= more[w];
}

static void add_set_but_acc(const struct jit_flow *flow, uint64_t *set,
                            const uint64_t *more)
{
  bool has_acc = jit_flow_has(flow, set, JIT_ACC);
  add_set(flow, set, more);
  if (!has_acc)
    remove_operand(flow, set, JIT_ACC);
}

void jit_flow_add_live_if_thrown(const struct jit_flow *flow, uint32_t op,
                                 uint64_t *set)
{
  const struct jit_cover *run = jit_flow_cover_of(flow, op);
  for (uint32_t h = 0; run != NULL && h < run->handler_count; h++)
    add_set_but_acc(flow, set, flow->blocks[run->handlers[h]].live_in);
}

static void copy_set(const struct jit_flow *flow, uint64_t *to,
                     const uint64_t *from)
{
  memcpy(to, from, flow->set_words * sizeof *to);
}

/* From what is live after an operation to what is live before it. */
static void step_back(const struct jit_flow *flow, uint32_t i, uint64_t *set)
{
  const struct jit_op *op = &flow->ops->ops[i];
  if (op->kind == JIT_OP_EXIT) {
    copy_set(flow, set, flow->full);
    return;
  }
  int32_t dest = jit_op_dest(op);
  if (dest != JIT_NONE)
    remove_operand(flow, set, dest);
  jit_flow_add_live_if_thrown(flow, i, set);
  jit_op_uses(op, add_operand, &(struct operands){flow, set});
}

/* --- Blocks, until nothing changes --- */

/* Did the set at the block's start change? */
static bool update(struct jit_flow *flow, struct jit_block *block)
{
  /* Its own sets: never the shared full one, here. */
  uint64_t *in = (uint64_t *)block->live_in;
  uint64_t *out = (uint64_t *)block->live_out;
  for (uint32_t s = 0; s < block->successor_count; s++)
    add_set(flow, out, flow->blocks[block->successors[s]].live_in);
  copy_set(flow, flow->scratch, out);
  for (uint32_t i = block->count; i-- > 0;)
    step_back(flow, block->first + i, flow->scratch);
  if (memcmp(in, flow->scratch, flow->set_words * sizeof *in) == 0)
    return false;
  copy_set(flow, in, flow->scratch);
  return true;
}

static bool settle(struct jit_flow *flow)
{
  for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
    bool changed = false;
    for (uint32_t b = flow->block_count; b-- > 0;)
      if (flow->blocks[b].is_reachable && update(flow, &flow->blocks[b]))
        changed = true;
    if (!changed)
      return true;
  }
  return false;
}

/* --- Sets --- */

static void give_sets(struct jit_flow *flow, uint64_t *sets)
{
  for (uint32_t b = 0; b < flow->block_count; b++) {
    flow->blocks[b].live_in = sets + 2 * (size_t)b * flow->set_words;
    flow->blocks[b].live_out = flow->blocks[b].live_in + flow->set_words;
  }
}

static void make_everything_live(struct jit_flow *flow)
{
  flow->everything_live = true;
  for (uint32_t b = 0; b < flow->block_count; b++)
    flow->blocks[b].live_in = flow->blocks[b].live_out = flow->full;
}

static bool make_full(struct jit_flow *flow, struct mm_arena *arena)
{
  size_t bytes = flow->set_words * sizeof *flow->full;
  flow->full = mm_arena_alloc(arena, bytes);
  flow->scratch = mm_arena_alloc(arena, bytes);
  if (flow->full == NULL || flow->scratch == NULL)
    return false;
  for (uint32_t v = 0; v <= flow->reg_count; v++)
    flow->full[v / 64] |= (uint64_t)1 << (v % 64);
  return true;
}

bool jit_flow_find_live(struct jit_flow *flow, struct mm_arena *arena)
{
  flow->set_words = flow->reg_count / 64 + 1;
  size_t bytes = 2 * (size_t)flow->block_count * flow->set_words * 8;
  if (!make_full(flow, arena))
    return false;
  if (bytes > JIT_FLOW_SETS_MAX_BYTES) {
    make_everything_live(flow);
    return true;
  }
  uint64_t *sets = mm_arena_alloc(arena, bytes);
  if (sets == NULL)
    return false;
  give_sets(flow, sets);
  if (!settle(flow))
    make_everything_live(flow);
  return true;
}

void jit_flow_walk_live(const struct jit_flow *flow, uint32_t b,
                        void (*visit)(void *context, uint32_t op,
                                      const uint64_t *live_after),
                        void *context)
{
  const struct jit_block *block = &flow->blocks[b];
  copy_set(flow, flow->scratch, block->live_out);
  for (uint32_t i = block->first + block->count; i-- > block->first;) {
    visit(context, i, flow->scratch);
    if (!flow->everything_live)
      step_back(flow, i, flow->scratch);
  }
}
