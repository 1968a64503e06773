/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maps: at each instruction, the slots that are live and hold a
 * reference.
 *
 * Within a block the set of slots that hold references is first run forward
 * to its end, then both sets are run backward together; infer.c has left for
 * each instruction what it changed, so the first can be undone.
 *
 * Most instructions have the map of their neighbour; equal maps are one, found
 * by a hash.  Map 0 is the empty one.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

#include <string.h>

struct map_table {
  struct vm_verifier *v;
  uint64_t *maps;
  uint32_t count, capacity, words;
  uint32_t *buckets; /* index + 1, 0: free; open addressing */
  uint32_t bucket_mask;
  uint64_t *scratch; /* the map under construction */
  uint32_t last;     /* what was looked up last */
};

static uint64_t hash_map(const uint64_t *map, uint32_t words)
{
  uint64_t hash = 0;
  for (uint32_t i = 0; i < words; i++)
    hash = (hash ^ map[i]) * 0x9e3779b97f4a7c15u + (hash >> 29);
  return hash ^ (hash >> 32);
}

static uint32_t *find_bucket(const struct map_table *t, const uint64_t *map)
{
  size_t bytes = t->words * sizeof *map;
  uint32_t bucket = (uint32_t)hash_map(map, t->words) & t->bucket_mask;
  while (t->buckets[bucket] &&
         memcmp(t->maps + (size_t)(t->buckets[bucket] - 1) * t->words, map,
                bytes) != 0)
    bucket = (bucket + 1) & t->bucket_mask;
  return &t->buckets[bucket];
}

static bool grow(struct map_table *t)
{
  uint32_t capacity = t->capacity ? 2 * t->capacity : 32;
  uint64_t *maps =
      vm_verify_alloc(t->v, (size_t)capacity * t->words, sizeof *maps);
  uint32_t *buckets =
      vm_verify_alloc(t->v, 2 * (size_t)capacity, sizeof *buckets);
  if (!maps || !buckets)
    return false;
  if (t->count > 0)
    memcpy(maps, t->maps, (size_t)t->count * t->words * sizeof *maps);
  t->maps = maps;
  t->capacity = capacity;
  t->buckets = buckets;
  t->bucket_mask = 2 * capacity - 1;
  for (uint32_t i = 0; i < t->count; i++)
    *find_bucket(t, maps + (size_t)i * t->words) = i + 1;
  return true;
}

/* The index of the map in `scratch`. */
static uint32_t intern(struct map_table *t)
{
  size_t bytes = t->words * sizeof *t->maps;
  if (t->v->no_memory)
    return 0;
  if (t->count > 0 &&
      memcmp(t->maps + (size_t)t->last * t->words, t->scratch, bytes) == 0)
    return t->last;
  if (t->count == t->capacity && !grow(t))
    return 0;
  uint32_t *bucket = find_bucket(t, t->scratch);
  if (!*bucket) {
    memcpy(t->maps + (size_t)t->count * t->words, t->scratch, bytes);
    *bucket = ++t->count;
  }
  return t->last = *bucket - 1;
}

/* The map of the slots in both sets. */
static uint32_t map_of(struct map_table *t, const uint64_t *live,
                       const uint64_t *refs)
{
  const struct vm_verifier *v = t->v;
  memset(t->scratch, 0, t->words * sizeof *t->scratch);
  for (uint32_t word = 0; word < v->slot_words; word++)
    for (uint64_t bits = live[word] & refs[word]; bits; bits &= bits - 1) {
      uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
      vm_bit_set(t->scratch, v->reg_of[slot]);
    }
  return intern(t);
}

/* --- Which slots hold references --- */

static void put(uint64_t *set, uint32_t slot, bool is_ref)
{
  if (is_ref)
    vm_bit_set(set, slot);
  else
    vm_bit_clear(set, slot);
}

static void apply_step(const struct vm_verifier *v, uint32_t insn,
                       uint64_t *refs, uint8_t reg_bit, uint8_t acc_bit)
{
  uint32_t def = vm_verify_def(v, &v->function->insns[insn]);
  if (def != NO_SLOT)
    put(refs, def, v->steps[insn] & reg_bit);
  put(refs, v->acc_slot, v->steps[insn] & acc_bit);
}

/* The slots with references before the last instruction that a block
   reaches completes. */
static void refs_at_end(const struct vm_verifier *v, uint32_t index,
                        uint64_t *refs)
{
  const struct vm_vblock *block = &v->blocks[index];
  const uint32_t *entry = v->entry + (size_t)index * v->slot_count;
  for (uint32_t slot = 0; slot < v->slot_count; slot++)
    put(refs, slot, vm_vtype_fits_ref(entry[slot]));
  for (uint32_t i = block->begin; i < block->live_end; i++)
    if (!(v->flags[i] & VM_INSN_BAD))
      apply_step(v, i, refs, STEP_REG_IS_REF, STEP_ACC_IS_REF);
}

/* --- Maps --- */

struct sets {
  uint64_t *live, *handlers, *refs, *call;
};

/* While a call is in progress the frame needs what is live behind it, but
   for the result, and what its handlers need; an initobj also keeps the new
   object, in the accumulator's slot. */
static uint32_t map_in_call(struct map_table *t, const struct sets *s,
                            enum vm_op op)
{
  const struct vm_verifier *v = t->v;
  for (uint32_t i = 0; i < v->slot_words; i++)
    s->call[i] = s->live[i] | s->handlers[i];
  put(s->call, v->acc_slot, vm_op_is_initobj(op));
  put(s->refs, v->acc_slot, true);
  return map_of(t, s->call, s->refs);
}

static void map_insn(struct map_table *t, uint32_t insn, const struct sets *s,
                     struct vm_verified *result)
{
  const struct vm_verifier *v = t->v;
  enum vm_op op = v->function->insns[insn].op;
  bool is_bad = v->flags[insn] & VM_INSN_BAD;
  bool is_call = vm_op_is_call(op) && !is_bad;
  if (!is_bad && vm_bit_has(s->live, v->acc_slot))
    v->flags[insn] |= VM_INSN_ACC_LIVE;
  if (is_call)
    result->map_call[insn] = map_in_call(t, s, op);
  if (!is_bad)
    apply_step(v, insn, s->refs, STEP_REG_WAS_REF, STEP_ACC_WAS_REF);
  vm_verify_live_step(v, insn, s->handlers, s->live);
  result->map_before[insn] = map_of(t, s->live, s->refs);
  if (!is_call)
    result->map_call[insn] = result->map_before[insn];
}

static bool make_sets(struct vm_verifier *v, struct sets *s)
{
  s->live = vm_verify_alloc(v, v->slot_words, sizeof *s->live);
  s->handlers = vm_verify_alloc(v, v->slot_words, sizeof *s->handlers);
  s->refs = vm_verify_alloc(v, v->slot_words, sizeof *s->refs);
  s->call = vm_verify_alloc(v, v->slot_words, sizeof *s->call);
  return s->live && s->handlers && s->refs && s->call;
}

bool vm_verify_maps(struct vm_verifier *v, const uint64_t *live_in,
                    struct vm_verified *result)
{
  uint32_t count = v->function->insn_count + 1;
  struct map_table t = {.v = v, .words = v->function->reg_count / 64 + 1};
  struct sets sets;
  t.scratch = vm_verify_alloc(v, t.words, sizeof *t.scratch);
  result->map_before = vm_verify_alloc(v, count, sizeof(uint32_t));
  result->map_call = vm_verify_alloc(v, count, sizeof(uint32_t));
  if (!t.scratch || !result->map_before || !result->map_call ||
      !make_sets(v, &sets))
    return false;
  intern(&t); /* the empty map */
  for (uint32_t b = 0; b < v->block_count && !v->no_memory; b++) {
    const struct vm_vblock *block = &v->blocks[b];
    if (!block->reached)
      continue;
    refs_at_end(v, b, sets.refs);
    vm_verify_live_out(v, live_in, b, sets.live, sets.handlers);
    for (uint32_t i = block->live_end; i-- > block->begin;)
      map_insn(&t, i, &sets, result);
  }
  result->maps = t.maps;
  result->map_count = t.count;
  result->map_words = t.words;
  return !v->no_memory;
}
