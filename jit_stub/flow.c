/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks and the edges between them (flow.h), in this order: where blocks
 * start, which instructions have which handlers, edges, what can be reached,
 * depths; then liveness (flow_live.c) and uses (flow_regs.c).
 */
#include "config.h"

#include "jit_stub/flow_internal.h"

#include "mm/alloc/arena.h"
#include "vm/core/assert.h"

/* One more element than asked for: marks may stand behind the last one. */
static void *alloc(struct mm_arena *arena, size_t count, size_t element_bytes)
{
  return mm_arena_alloc(arena, (count + 1) * element_bytes);
}

/* --- Where blocks start --- */

static bool is_jump(const struct jit_op *op)
{
  return op->kind == JIT_OP_JUMP || op->kind == JIT_OP_BRANCH;
}

static bool falls_through(const struct jit_op *op)
{
  return op->kind != JIT_OP_JUMP && op->kind != JIT_OP_RETURN &&
         op->kind != JIT_OP_THROW && op->kind != JIT_OP_EXIT;
}

/* The operation at which a handler starts; UINT32_MAX: it cannot run. */
static uint32_t handler_op(const struct jit_flow *flow,
                           const struct vm_catch *catch)
{
  uint32_t word = flow->code->insn_words[catch->handler];
  return word == UINT32_MAX ? UINT32_MAX : flow->ops->by_word[word];
}

/* block_of becomes 1 for operations that start a block. */
static void mark_starts(struct jit_flow *flow,
                        const struct vm_function_def *function)
{
  const struct jit_ops *ops = flow->ops;
  flow->block_of[0] = 1;
  for (uint32_t i = 0; i < ops->count; i++) {
    const struct jit_op *op = &ops->ops[i];
    if (is_jump(op))
      flow->block_of[op->target] = 1;
    if (is_jump(op) || !falls_through(op))
      flow->block_of[i + 1] = 1;
  }
  for (uint32_t c = 0; c < function->catch_count; c++) {
    uint32_t op = handler_op(flow, &function->catches[c]);
    if (op != UINT32_MAX)
      flow->block_of[op] = 1;
  }
}

static void number_blocks(struct jit_flow *flow)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < flow->ops->count; i++) {
    count += flow->block_of[i];
    flow->block_of[i] = count - 1;
  }
  flow->block_count = count;
}

static void fill_blocks(struct jit_flow *flow)
{
  for (uint32_t i = 0; i < flow->ops->count; i++) {
    struct jit_block *block = &flow->blocks[flow->block_of[i]];
    if (block->count++ == 0) {
      block->first = i;
      block->is_loop_entry = flow->ops->ops[i].kind == JIT_OP_LOOP;
    }
  }
}

static bool find_blocks(struct jit_flow *flow, struct mm_arena *arena,
                        const struct vm_function_def *function)
{
  flow->block_of = alloc(arena, flow->ops->count, sizeof *flow->block_of);
  if (flow->block_of == NULL)
    return false;
  mark_starts(flow, function);
  number_blocks(flow);
  flow->blocks = alloc(arena, flow->block_count, sizeof *flow->blocks);
  if (flow->blocks == NULL)
    return false;
  fill_blocks(flow);
  return true;
}

/* --- Which instructions have which handlers --- */

/* cover_of becomes the number of the run of instructions between the borders
   of try ranges. */
static void number_covers(struct jit_flow *flow,
                          const struct vm_function_def *function)
{
  for (uint32_t c = 0; c < function->catch_count; c++) {
    flow->cover_of[function->catches[c].begin] = 1;
    flow->cover_of[function->catches[c].end] = 1;
  }
  uint32_t count = 0;
  for (uint32_t i = 0; i <= function->insn_count; i++) {
    count += i == 0 || flow->cover_of[i] != 0;
    flow->cover_of[i] = count - 1;
  }
  flow->cover_count = count;
}

/* Adds the handler to all runs that the range has; `fill` false: counts. */
static void cover(struct jit_flow *flow, const struct vm_catch *catch,
                  bool fill)
{
  uint32_t op = handler_op(flow, catch);
  if (op == UINT32_MAX)
    return;
  for (uint32_t k = flow->cover_of[catch->begin];
       k < flow->cover_of[catch->end]; k++) {
    struct jit_cover *run = &flow->covers[k];
    if (fill)
      run->handlers[run->handler_count] = flow->block_of[op];
    run->handler_count++;
  }
  flow->blocks[flow->block_of[op]].is_handler = true;
}

/* Gives each run room for the handlers that were counted. */
static bool give_room(struct jit_flow *flow, struct mm_arena *arena)
{
  size_t total = 0;
  for (uint32_t k = 0; k < flow->cover_count; k++)
    total += flow->covers[k].handler_count;
  uint32_t *next = alloc(arena, total, sizeof *next);
  if (next == NULL)
    return false;
  for (uint32_t k = 0; k < flow->cover_count; k++) {
    flow->covers[k].handlers = next;
    next += flow->covers[k].handler_count;
    flow->covers[k].handler_count = 0;
  }
  return true;
}

static bool find_covers(struct jit_flow *flow, struct mm_arena *arena,
                        const struct vm_function_def *function)
{
  if (function->catch_count == 0)
    return true;
  flow->cover_of =
      alloc(arena, function->insn_count + 1, sizeof *flow->cover_of);
  if (flow->cover_of == NULL)
    return false;
  number_covers(flow, function);
  flow->covers = alloc(arena, flow->cover_count, sizeof *flow->covers);
  if (flow->covers == NULL)
    return false;
  for (uint32_t i = function->insn_count + 1; i-- > 0;)
    flow->covers[flow->cover_of[i]].begin = i;
  for (uint32_t c = 0; c < function->catch_count; c++)
    cover(flow, &function->catches[c], false);
  if (!give_room(flow, arena))
    return false;
  for (uint32_t c = 0; c < function->catch_count; c++)
    cover(flow, &function->catches[c], true);
  return true;
}

const struct jit_cover *jit_flow_cover_of(const struct jit_flow *flow,
                                          uint32_t op)
{
  const struct jit_op *thrower = &flow->ops->ops[op];
  if (flow->cover_of == NULL || !jit_op_may_throw(thrower))
    return NULL;
  const struct interp_origin *origin =
      interp_origin_of(flow->code, flow->code->words + thrower->word);
  const struct jit_cover *run = &flow->covers[flow->cover_of[origin->fault]];
  return run->handler_count == 0 ? NULL : run;
}

/* --- Edges --- */

static void find_successors(struct jit_flow *flow)
{
  for (uint32_t b = 0; b < flow->block_count; b++) {
    struct jit_block *block = &flow->blocks[b];
    const struct jit_op *last =
        &flow->ops->ops[block->first + block->count - 1];
    if (falls_through(last)) {
      VM_ASSERT(b + 1 < flow->block_count);
      block->successors[block->successor_count++] = b + 1;
    }
    if (is_jump(last))
      block->successors[block->successor_count++] =
          flow->block_of[last->target];
  }
}

/* The handlers of all operations of a block, each once: into `list`.
   seen[h] is b + 1 for those that are there. */
static uint32_t collect_handlers(const struct jit_flow *flow, uint32_t b,
                                 uint32_t *seen, uint32_t *list)
{
  const struct jit_block *block = &flow->blocks[b];
  const struct jit_cover *previous = NULL;
  uint32_t count = 0;
  for (uint32_t i = block->first; i < block->first + block->count; i++) {
    const struct jit_cover *run = jit_flow_cover_of(flow, i);
    if (run == NULL || run == previous)
      continue;
    previous = run;
    for (uint32_t h = 0; h < run->handler_count; h++)
      if (seen[run->handlers[h]] != b + 1) {
        seen[run->handlers[h]] = b + 1;
        list[count++] = run->handlers[h];
      }
  }
  return count;
}

static bool find_handlers(struct jit_flow *flow, struct mm_arena *arena)
{
  if (flow->cover_of == NULL)
    return true;
  uint32_t *seen = alloc(arena, flow->block_count, sizeof *seen);
  uint32_t *list = alloc(arena, flow->block_count, sizeof *list);
  if (seen == NULL || list == NULL)
    return false;
  for (uint32_t b = 0; b < flow->block_count; b++) {
    struct jit_block *block = &flow->blocks[b];
    block->handler_count = collect_handlers(flow, b, seen, list);
    uint32_t *handlers = alloc(arena, block->handler_count, sizeof *handlers);
    if (handlers == NULL)
      return false;
    for (uint32_t h = 0; h < block->handler_count; h++)
      handlers[h] = list[h];
    block->handlers = handlers;
  }
  return true;
}

/* --- What can be reached --- */

static void reach(struct jit_flow *flow, uint32_t b, uint32_t *stack,
                  uint32_t *height)
{
  if (flow->blocks[b].is_reachable)
    return;
  flow->blocks[b].is_reachable = true;
  stack[(*height)++] = b;
}

static bool find_reachable(struct jit_flow *flow, struct mm_arena *arena)
{
  uint32_t *stack = alloc(arena, flow->block_count, sizeof *stack);
  uint32_t height = 0;
  if (stack == NULL)
    return false;
  flow->blocks[0].predecessor_count = 1;
  reach(flow, 0, stack, &height);
  while (height != 0) {
    const struct jit_block *block = &flow->blocks[stack[--height]];
    for (uint32_t s = 0; s < block->successor_count; s++) {
      flow->blocks[block->successors[s]].predecessor_count++;
      reach(flow, block->successors[s], stack, &height);
    }
    for (uint32_t h = 0; h < block->handler_count; h++)
      reach(flow, block->handlers[h], stack, &height);
  }
  return true;
}

/* --- Depths --- */

/* ends[b]: the last block that jumps back to b, plus one. */
static void find_loop_ends(const struct jit_flow *flow, uint32_t *ends)
{
  for (uint32_t b = 0; b < flow->block_count; b++) {
    const struct jit_block *block = &flow->blocks[b];
    for (uint32_t s = 0; s < block->successor_count; s++)
      if (block->is_reachable && block->successors[s] <= b)
        ends[block->successors[s]] = b + 1;
  }
}

static bool find_depths(struct jit_flow *flow, struct mm_arena *arena)
{
  uint32_t *ends = alloc(arena, flow->block_count, sizeof *ends);
  uint32_t *closing = alloc(arena, flow->block_count, sizeof *closing);
  if (ends == NULL || closing == NULL)
    return false;
  find_loop_ends(flow, ends);
  uint32_t depth = 0;
  for (uint32_t b = 0; b < flow->block_count; b++) {
    depth -= closing[b];
    if (ends[b] != 0) {
      depth++;
      closing[ends[b]]++;
    }
    flow->blocks[b].depth = depth;
  }
  return true;
}

/* --- All of it --- */

struct jit_flow *jit_flow_find(struct mm_arena *arena,
                               const struct jit_ops *ops,
                               const struct vm_method *method,
                               const struct interp_code *code)
{
  struct jit_flow *flow = mm_arena_alloc(arena, sizeof *flow);
  if (flow == NULL)
    return NULL;
  flow->ops = ops;
  flow->code = code;
  flow->reg_count = method->reg_count;
  if (!find_blocks(flow, arena, method->function) ||
      !find_covers(flow, arena, method->function))
    return NULL;
  find_successors(flow);
  if (!find_handlers(flow, arena) || !find_reachable(flow, arena) ||
      !find_depths(flow, arena) || !jit_flow_find_live(flow, arena) ||
      !jit_flow_find_uses(flow, arena, method))
    return NULL;
  return flow;
}
