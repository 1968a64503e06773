/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types by forward data flow (Kildall 1973): a block is run over the state at
 * its entry and its last state joined into the entries of its successors,
 * until nothing changes.  Blocks are run in the order of the text, which for
 * programs written by people and compilers is close to reverse postorder.
 *
 * A handler's entry is the join of the states before each instruction of its
 * range that may throw.  Between two of them only the slots written since the
 * first can differ, so only those are joined again; a block costs as many
 * joins as it has writes, not instructions times registers.
 *
 * An instruction that can never be right ends its block.  When it was thought
 * right in an earlier round, what it left then stays joined in: the types
 * behind it may be wider than they need, never too narrow.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

#include <string.h>

/* Slots written since the handlers last saw the state. */
struct unseen {
  bool all;
  uint32_t count;
  uint32_t *slots;
};

static uint32_t *entry_of(const struct vm_verifier *v, uint32_t block)
{
  return v->entry + (size_t)block * v->slot_count;
}

static bool join_slot(struct vm_verifier *v, uint32_t *entry, uint32_t slot,
                      uint32_t type)
{
  uint32_t joined = vm_vtypes_join(&v->types, entry[slot], type);
  bool changed = joined != entry[slot];
  entry[slot] = joined;
  return changed;
}

static void reach(struct vm_verifier *v, uint32_t block, bool changed)
{
  if (changed || !v->blocks[block].reached)
    vm_bit_set(v->pending, block);
  v->blocks[block].reached = true;
}

static void join_block(struct vm_verifier *v, uint32_t block)
{
  if (block == v->block_count) {
    v->end_reached = true;
    return;
  }
  bool changed = false;
  uint32_t *entry = entry_of(v, block);
  for (uint32_t slot = 0; slot < v->slot_count; slot++)
    changed |= join_slot(v, entry, slot, v->state[slot]);
  reach(v, block, changed);
}

/* --- Handlers --- */

static uint32_t caught_type(struct vm_verifier *v, const struct vm_catch *c)
{
  if (c->type == UINT32_MAX || v->module->types[c->type].prim != VM_PRIM_REF)
    return v->types.object;
  return vm_vtypes_of(&v->types, &v->module->types[c->type]);
}

static void join_handler(struct vm_verifier *v, const struct vm_catch *c,
                         const struct unseen *unseen)
{
  uint32_t block = v->block_at[c->handler];
  if (block == v->block_count) {
    v->end_reached = true;
    return;
  }
  uint32_t *entry = entry_of(v, block);
  bool changed = join_slot(v, entry, v->acc_slot, caught_type(v, c));
  if (unseen->all)
    for (uint32_t slot = 0; slot < v->acc_slot; slot++)
      changed |= join_slot(v, entry, slot, v->state[slot]);
  for (uint32_t i = 0; i < unseen->count; i++)
    changed |=
        join_slot(v, entry, unseen->slots[i], v->state[unseen->slots[i]]);
  reach(v, block, changed);
}

static void join_handlers(struct vm_verifier *v, const struct vm_vblock *block,
                          struct unseen *unseen)
{
  for (uint32_t i = 0; i < v->function->catch_count; i++)
    if (vm_verify_covers(&v->function->catches[i], block))
      join_handler(v, &v->function->catches[i], unseen);
  unseen->all = false;
  unseen->count = 0;
}

/* --- One block --- */

static void write_reg(struct vm_verifier *v, struct unseen *unseen)
{
  v->state[v->writes.reg_slot] = v->writes.reg_type;
  if (unseen->count == v->slot_count)
    unseen->all = true;
  if (!unseen->all)
    unseen->slots[unseen->count++] = v->writes.reg_slot;
}

/* A slot that passed a check holds `type`, or what is narrower. */
static void narrow(struct vm_verifier *v, uint32_t slot, uint32_t type)
{
  uint32_t old = v->state[slot];
  bool is_narrower = vm_vtype_is_ref(old) && vm_vtype_is_ref(type) &&
                     vm_vtypes_is_assignable(&v->types, old, type);
  if (!is_narrower)
    v->state[slot] = type;
}

/* After a check; strictly, after a finding nothing more is asked. */
static void apply(struct vm_verifier *v, struct unseen *unseen)
{
  const struct vm_vwrites *w = &v->writes;
  for (unsigned i = 0; i < w->refined_count; i++)
    narrow(v, w->refined[i].slot, w->refined[i].type);
  if (w->reg_slot != NO_SLOT)
    write_reg(v, unseen);
  if (w->writes_acc)
    v->state[v->acc_slot] = w->acc_type;
}

/* Live slots of these types stand in the maps: also what is surely null, so
   that whatever is not in a map is a number for certain. */
static uint8_t ref_bits(uint32_t old, uint32_t new, uint8_t was, uint8_t is)
{
  return (vm_vtype_fits_ref(old) ? was : 0) | (vm_vtype_fits_ref(new) ? is : 0);
}

static void record(struct vm_verifier *v, struct vm_vblock *block)
{
  const struct vm_vwrites *w = &v->writes;
  uint32_t acc = v->state[v->acc_slot];
  uint8_t steps = vm_verify_may_throw(v) ? STEP_MAY_THROW : 0;
  if (w->reg_slot != NO_SLOT)
    steps |= ref_bits(v->state[w->reg_slot], w->reg_type, STEP_REG_WAS_REF,
                      STEP_REG_IS_REF);
  steps |= ref_bits(acc, w->writes_acc ? w->acc_type : acc, STEP_ACC_WAS_REF,
                    STEP_ACC_IS_REF);
  v->steps[v->insn] = steps;
  v->flags[v->insn] |= VM_INSN_REACHABLE;
  if (v->checks_here > 0 && !v->is_bad)
    v->flags[v->insn] |= VM_INSN_CHECKED;
  if (v->is_bad) {
    v->flags[v->insn] |= VM_INSN_BAD;
    if (!v->no_memory)
      v->check_count -= v->checks_here;
    block->ends_bad = true;
    block->live_end = v->insn + 1;
  }
}

static void run_block(struct vm_verifier *v, uint32_t index,
                      struct unseen *unseen)
{
  struct vm_vblock *block = &v->blocks[index];
  memcpy(v->state, entry_of(v, index), v->slot_count * sizeof *v->state);
  unseen->all = true;
  unseen->count = 0;
  for (v->insn = block->begin; v->insn < block->end; v->insn++) {
    vm_verify_step(v);
    if (block->in_try && !v->is_final && vm_verify_may_throw(v))
      join_handlers(v, block, unseen);
    if (v->is_final)
      record(v, block);
    if (v->is_bad)
      return;
    apply(v, unseen);
  }
  if (!v->is_final)
    for (unsigned i = 0; i < block->succ_count; i++)
      join_block(v, block->succ[i]);
}

/* --- The whole --- */

static void enter_function(struct vm_verifier *v)
{
  const struct vm_function_def *f = v->function;
  uint32_t *entry = entry_of(v, 0);
  uint32_t unwritten = v->strict ? VT_UNSET : VT_ZERO;
  for (uint32_t slot = 0; slot < v->slot_count; slot++) {
    uint32_t reg = v->reg_of[slot];
    entry[slot] = unwritten;
    if (reg < f->local_count || reg == f->reg_count)
      continue;
    uint32_t param = reg - f->local_count;
    bool is_receiver = param == 0 && !v->method->is_static;
    uint32_t type = is_receiver ? v->method->owner : v->method->params[param];
    entry[slot] = vm_vtypes_of(&v->types, &v->module->types[type]);
  }
  reach(v, 0, true);
}

/* The first pending block at or after `from`, or block_count. */
static uint32_t next_pending(const struct vm_verifier *v, uint32_t from)
{
  uint32_t words = v->block_count / 64 + 1;
  uint64_t word = v->pending[from / 64] & (~(uint64_t)0 << (from % 64));
  for (uint32_t i = from / 64;;) {
    if (word)
      return i * 64 + (uint32_t)__builtin_ctzll(word);
    if (++i == words)
      return v->block_count;
    word = v->pending[i];
  }
}

static void run_to_fixed_point(struct vm_verifier *v, struct unseen *unseen)
{
  uint32_t block = next_pending(v, 0);
  while (block < v->block_count && !v->no_memory && !v->types.no_memory) {
    vm_bit_clear(v->pending, block);
    run_block(v, block, unseen);
    block = next_pending(v, block);
    if (block == v->block_count)
      block = next_pending(v, 0);
  }
}

/*
 * What is reached in the end: less than was reached on the way, when an
 * instruction turned out bad late.  States are stable, so joining again
 * changes none; that every block counts as new makes each run once.
 */
static void trace(struct vm_verifier *v, struct unseen *unseen)
{
  for (uint32_t i = 0; i < v->block_count; i++)
    v->blocks[i].reached = false;
  v->end_reached = false;
  reach(v, 0, true);
  run_to_fixed_point(v, unseen);
}

bool vm_verify_infer(struct vm_verifier *v)
{
  struct unseen unseen = {0};
  unseen.slots = vm_verify_alloc(v, v->slot_count, sizeof *unseen.slots);
  if (!unseen.slots)
    return false;
  if (v->block_count > 0) {
    enter_function(v);
    run_to_fixed_point(v, &unseen);
    trace(v, &unseen);
  } else {
    v->end_reached = true;
  }
  v->is_final = true;
  if (v->strict)
    vm_verify_mark_handlers(v);
  for (uint32_t i = 0; i < v->block_count && !v->no_memory; i++)
    if (v->blocks[i].reached)
      run_block(v, i, &unseen);
  v->flags[v->function->insn_count] |=
      VM_INSN_BAD | (v->end_reached ? VM_INSN_REACHABLE : 0);
  return !v->no_memory && !v->types.no_memory;
}
