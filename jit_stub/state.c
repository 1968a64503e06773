/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the homes holds at the borders of blocks; see Note [Homes].
 *
 * Each block has a state that it starts in, whichever way it is reached, and
 * jumps bring it about: they store what is dirty and not so there, and load
 * what is to be valid and is not.  Any choice is right.  This one is good:
 * valid is what all ways that lead there have anyway; but at the head of a
 * loop, what the jumps back to it have, so that loads stand in front of loops.
 *
 * Found by going over the blocks a few times with what each operation does to
 * the state; what the emitter really does may differ and need not be known.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

enum { ROUNDS = 4 };

/* --- Liveness of homes, by operation --- */

static uint32_t homes_in(const struct jit_compile *c, const uint64_t *set)
{
  uint32_t homes = jit_flow_has(c->flow, set, JIT_ACC) ? JIT_LIVE_ACC : 0;
  for (uint32_t h = 0; h < c->home_count; h++)
    if (jit_flow_has(c->flow, set, (int32_t)c->homes[h].vreg))
      homes |= UINT32_C(1) << h;
  return homes;
}

static void note_live(void *context, uint32_t op, const uint64_t *live_after)
{
  struct jit_compile *c = context;
  c->live[op] = homes_in(c, live_after);
  const struct jit_cover *cover = jit_flow_cover_of(c->flow, op);
  for (uint32_t i = 0; cover && i < cover->handler_count; i++)
    c->live[op] |= homes_in(c, c->flow->blocks[cover->handlers[i]].live_in) &
                   ~JIT_LIVE_ACC;
}

static bool find_live(struct jit_compile *c)
{
  c->live = mm_arena_alloc(c->arena, (c->ops.count + 1) * sizeof *c->live);
  if (!c->live)
    return false;
  for (uint32_t b = 0; b < c->flow->block_count; b++)
    if (c->flow->blocks[b].is_reachable)
      jit_flow_walk_live(c->flow, b, note_live, c);
  return true;
}

static const uint64_t *map_of(const struct jit_compile *c,
                              const struct jit_op *op, bool in_call)
{
  uint32_t insn =
      interp_origin_of(c->decoded, c->decoded->words + op->word)->insn;
  return in_call ? vm_map_call(c->verified, insn)
                 : vm_map_before(c->verified, insn);
}

/* Homes whose register is in the verifier's map at an operation. */
uint32_t jit_map_homes(const struct jit_compile *c, const struct jit_op *op,
                       bool in_call)
{
  const uint64_t *map = map_of(c, op, in_call);
  uint32_t homes = 0;
  for (uint32_t h = 0; h < c->home_count; h++)
    if (vm_map_has(map, c->homes[h].vreg))
      homes |= UINT32_C(1) << h;
  return homes;
}

bool jit_map_has_acc(const struct jit_compile *c, const struct jit_op *op)
{
  return vm_map_has(map_of(c, op, false), c->method->reg_count);
}

/* --- What an operation does to the state --- */

struct step {
  const struct jit_compile *c;
  uint32_t homes;
};

static void add_home(void *context, int32_t operand)
{
  struct step *step = context;
  if (operand >= 0 && step->c->home_of[operand] != JIT_NO_HOME)
    step->homes |= UINT32_C(1) << step->c->home_of[operand];
}

static bool is_call(const struct jit_op *op)
{
  return op->kind == JIT_OP_CALL || op->kind == JIT_OP_LITERAL ||
         op->kind == JIT_OP_TYPE || op->kind == JIT_OP_MULTI_ARRAY;
}

static void step_over(const struct jit_compile *c, const struct jit_op *op,
                      struct jit_state *state)
{
  struct step step = {c, 0};
  jit_op_uses(op, add_home, &step);
  state->valid |= step.homes;
  if (is_call(op))
    state->valid = state->dirty = 0;
  step.homes = 0;
  add_home(&step, jit_op_dest(op));
  state->valid |= step.homes;
  state->dirty |= step.homes;
}

static struct jit_state state_after(const struct jit_compile *c, uint32_t b)
{
  const struct jit_block *block = &c->flow->blocks[b];
  struct jit_state state = c->states[b];
  for (uint32_t i = 0; i < block->count; i++)
    step_over(c, &c->ops.ops[block->first + i], &state);
  return state;
}

/* --- Blocks --- */

/* Homes that are live, for the program or for the collector, at the start. */
static uint32_t live_at(const struct jit_compile *c, uint32_t b)
{
  const struct jit_block *block = &c->flow->blocks[b];
  return homes_in(c, block->live_in) |
         jit_map_homes(c, &c->ops.ops[block->first], false);
}

static bool is_back_edge(const struct jit_compile *c, uint32_t from,
                         uint32_t to)
{
  return c->flow->blocks[to].first <= c->flow->blocks[from].first;
}

static void reach(struct jit_compile *c, struct jit_state *next,
                  const bool *is_loop, uint32_t from, uint32_t to)
{
  struct jit_state state = state_after(c, from);
  if (!is_loop[to] || is_back_edge(c, from, to))
    next[to].valid &= state.valid;
  next[to].dirty |= state.dirty;
}

static void round_of(struct jit_compile *c, struct jit_state *next,
                     const bool *is_loop, const uint32_t *live)
{
  uint32_t count = c->flow->block_count;
  for (uint32_t b = 0; b < count; b++)
    next[b] = (struct jit_state){.valid = live[b] & ~JIT_LIVE_ACC};
  if (!is_loop[0])
    next[0].valid = 0;
  for (uint32_t b = 0; b < count; b++)
    for (uint32_t s = 0; c->flow->blocks[b].is_reachable &&
                         s < c->flow->blocks[b].successor_count;
         s++)
      reach(c, next, is_loop, b, c->flow->blocks[b].successors[s]);
  for (uint32_t b = 0; b < count; b++) {
    if (c->flow->blocks[b].is_handler)
      next[b].valid = 0;
    next[b].dirty &= next[b].valid;
    c->states[b] = next[b];
  }
}

bool jit_states_find(struct jit_compile *c)
{
  uint32_t count = c->flow->block_count;
  struct jit_state *next = mm_arena_alloc(c->arena, count * sizeof *next);
  bool *is_loop = mm_arena_alloc(c->arena, count * sizeof *is_loop);
  c->states = mm_arena_alloc(c->arena, count * sizeof *c->states);
  c->block_live = mm_arena_alloc(c->arena, count * sizeof *c->block_live);
  if (!next || !is_loop || !c->states || !c->block_live || !find_live(c))
    return false;
  for (uint32_t b = 0; b < count; b++) {
    is_loop[b] = false;
    c->block_live[b] = c->flow->blocks[b].is_reachable ? live_at(c, b) : 0;
    c->states[b] =
        (struct jit_state){.valid = c->block_live[b] & ~JIT_LIVE_ACC};
  }
  for (uint32_t b = 0; b < count; b++)
    for (uint32_t s = 0; c->flow->blocks[b].is_reachable &&
                         s < c->flow->blocks[b].successor_count;
         s++)
      if (is_back_edge(c, b, c->flow->blocks[b].successors[s]))
        is_loop[c->flow->blocks[b].successors[s]] = true;
  for (int i = 0; i < ROUNDS; i++)
    round_of(c, next, is_loop, c->block_live);
  return true;
}

/* --- Edges --- */

static uint32_t to_store(const struct jit_state *from,
                         const struct jit_state *to, uint32_t live)
{
  return from->dirty & from->valid & live & ~(to->valid & to->dirty);
}

static uint32_t to_load(const struct jit_state *from,
                        const struct jit_state *to)
{
  return to->valid & ~from->valid;
}

bool jit_edge_is_empty(const struct jit_state *from, const struct jit_state *to,
                       uint32_t live)
{
  return to_store(from, to, live) == 0 && to_load(from, to) == 0;
}

/* A narrow home that is stored is extended on the way: where it stays valid, it
   is made anew.  (In a vector register anything may be above the value.) */
void jit_emit_edge(struct jit_compile *c, const struct jit_state *to,
                   uint32_t live)
{
  uint32_t stored = to_store(&c->state, to, live);
  uint32_t loaded = to_load(&c->state, to);
  jit_emit_spill(c, stored);
  for (uint32_t h = 0; h < c->home_count; h++)
    if ((stored & to->valid) >> h & 1 && c->homes[h].is_narrow &&
        !c->homes[h].is_vector)
      jit_emit_extend(&c->e, JIT_LOAD_U32, c->homes[h].reg, c->homes[h].reg);
  jit_emit_reload(c, loaded);
}
