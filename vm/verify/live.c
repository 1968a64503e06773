/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Liveness by backward data flow: a slot is live where some path reads it
 * before it is written.  An instruction that may throw has its handlers as
 * further successors, entered with the registers as they were before it; so
 * what they need is live before it even when it writes the register.
 *
 * An instruction that can never be right reads nothing: it throws instead.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

#include <string.h>

static void add_use(void *context, uint32_t slot)
{
  vm_bit_set(context, slot);
}

static void join_set(uint64_t *into, const uint64_t *set, uint32_t words)
{
  for (uint32_t i = 0; i < words; i++)
    into[i] |= set[i];
}

void vm_verify_live_step(const struct vm_verifier *v, uint32_t index,
                         const uint64_t *handlers, uint64_t *live)
{
  const struct vm_insn *insn = &v->function->insns[index];
  if (v->flags[index] & VM_INSN_BAD) {
    memcpy(live, handlers, v->slot_words * sizeof *live);
    return;
  }
  unsigned acc_out = vm_op_table[insn->op].acc_out;
  uint32_t def = vm_verify_def(v, insn);
  if (def != NO_SLOT)
    vm_bit_clear(live, def);
  if (acc_out != VM_TYPE_NONE && acc_out != VM_TYPE_SAME)
    vm_bit_clear(live, v->acc_slot);
  vm_verify_each_use(v, insn, add_use, live);
  if (v->steps[index] & STEP_MAY_THROW)
    join_set(live, handlers, v->slot_words);
}

void vm_verify_live_out(const struct vm_verifier *v, const uint64_t *live_in,
                        uint32_t index, uint64_t *out, uint64_t *handlers)
{
  const struct vm_vblock *block = &v->blocks[index];
  uint32_t words = v->slot_words;
  memset(out, 0, words * sizeof *out);
  memset(handlers, 0, words * sizeof *handlers);
  if (!block->ends_bad)
    for (unsigned i = 0; i < block->succ_count; i++)
      if (block->succ[i] < v->block_count)
        join_set(out, live_in + (size_t)block->succ[i] * words, words);
  if (!block->in_try)
    return;
  for (uint32_t i = 0; i < v->function->catch_count; i++) {
    const struct vm_catch *c = &v->function->catches[i];
    uint32_t handler = v->block_at[c->handler];
    if (handler < v->block_count && vm_verify_covers(c, block))
      join_set(handlers, live_in + (size_t)handler * words, words);
  }
  vm_bit_clear(handlers, v->acc_slot); /* the exception */
}

/* --- Who has to be run again when a block's entry changes --- */

struct preds {
  uint32_t *first; /* block -> index into `blocks`; block_count + 1 */
  uint32_t *blocks;
};

static bool find_preds(struct vm_verifier *v, struct preds *preds)
{
  preds->first = vm_verify_alloc(v, v->block_count + 2, sizeof(uint32_t));
  preds->blocks =
      vm_verify_alloc(v, 2 * (size_t)v->block_count + 1, sizeof(uint32_t));
  if (!preds->first || !preds->blocks)
    return false;
  for (uint32_t b = 0; b < v->block_count; b++)
    for (unsigned i = 0; i < v->blocks[b].succ_count; i++)
      if (v->blocks[b].succ[i] < v->block_count)
        preds->first[v->blocks[b].succ[i] + 2]++;
  for (uint32_t b = 2; b < v->block_count + 2; b++)
    preds->first[b] += preds->first[b - 1];
  for (uint32_t b = 0; b < v->block_count; b++)
    for (unsigned i = 0; i < v->blocks[b].succ_count; i++)
      if (v->blocks[b].succ[i] < v->block_count)
        preds->blocks[preds->first[v->blocks[b].succ[i] + 1]++] = b;
  return true;
}

static void mark_preds(struct vm_verifier *v, const struct preds *preds,
                       uint32_t block)
{
  for (uint32_t i = preds->first[block]; i < preds->first[block + 1]; i++)
    vm_bit_set(v->pending, preds->blocks[i]);
  for (uint32_t i = 0; i < v->function->catch_count; i++) {
    const struct vm_catch *c = &v->function->catches[i];
    if (v->block_at[c->handler] != block || c->begin >= c->end)
      continue;
    for (uint32_t b = v->block_at[c->begin]; b < v->block_at[c->end]; b++)
      vm_bit_set(v->pending, b);
  }
}

/* --- The fixed point --- */

/* Runs a block backwards; true when what is live at its entry grew. */
static bool run_block(struct vm_verifier *v, uint64_t *live_in, uint32_t index,
                      uint64_t *live, uint64_t *handlers)
{
  const struct vm_vblock *block = &v->blocks[index];
  vm_verify_live_out(v, live_in, index, live, handlers);
  for (uint32_t i = block->live_end; i-- > block->begin;)
    vm_verify_live_step(v, i, handlers, live);
  uint64_t *entry = live_in + (size_t)index * v->slot_words;
  bool changed = false;
  for (uint32_t i = 0; i < v->slot_words; i++)
    changed |= (live[i] & ~entry[i]) != 0;
  join_set(entry, live, v->slot_words);
  return changed;
}

/* One round over the pending blocks, last first; true when any was run. */
static bool run_pending(struct vm_verifier *v, const struct preds *preds,
                        uint64_t *live_in, uint64_t *live, uint64_t *handlers)
{
  bool any = false;
  for (uint32_t word = v->block_count / 64 + 1; word-- > 0;)
    while (v->pending[word]) {
      uint32_t bit = 63 - (uint32_t)__builtin_clzll(v->pending[word]);
      uint32_t block = word * 64 + bit;
      vm_bit_clear(v->pending, block);
      any = true;
      if (v->blocks[block].reached &&
          run_block(v, live_in, block, live, handlers))
        mark_preds(v, preds, block);
    }
  return any;
}

uint64_t *vm_verify_live(struct vm_verifier *v)
{
  struct preds preds;
  uint64_t *live_in = vm_verify_alloc(
      v, (size_t)v->block_count * v->slot_words + 1, sizeof *live_in);
  uint64_t *live = vm_verify_alloc(v, v->slot_words, sizeof *live);
  uint64_t *handlers = vm_verify_alloc(v, v->slot_words, sizeof *handlers);
  if (!live_in || !live || !handlers || !find_preds(v, &preds))
    return NULL;
  for (uint32_t i = 0; i < v->block_count; i++)
    vm_bit_set(v->pending, i);
  while (run_pending(v, &preds, live_in, live, handlers))
    continue;
  return live_in;
}
