/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoded code becomes the compiler's operations: one pass over the places
 * where operations start, then the jumps are given indices for words.
 *
 * An operation is known by the address of its handler.  A hash table, made
 * once, leads from there to its place in ops.def and to the family whose
 * reader understands it.  Handlers that stand for several operations (those
 * that cannot occur) share an address; whichever is found means the same.
 *
 * Runs on the compiling thread; touches nothing of the machine but the arena.
 */
#include "config.h"

#include "jit_stub/op_internal.h"

#include <pthread.h>
#include <string.h>

#include "mm/alloc/arena.h"
#include "vm/core/assert.h"

/* --- From handlers to families --- */

enum { HASH_LOG2 = 11, HASH_SIZE = 1 << HASH_LOG2 };

_Static_assert(INTERP_OP_COUNT <= HASH_SIZE / 2, "searches stay short");

static struct {
  pthread_once_t once;
  uint16_t ops[HASH_SIZE];           /* enum interp_op + 1; 0: free */
  uint8_t families[INTERP_OP_COUNT]; /* index in jit_families */
} known = {.once = PTHREAD_ONCE_INIT};

static uint32_t hash_of(const void *handler)
{
  /* Knuth, The Art of Computer Programming, volume 3, section 6.4 */
  uint64_t mixed = (uint64_t)(uintptr_t)handler * 0x9e3779b97f4a7c15u;
  return (uint32_t)(mixed >> (64 - HASH_LOG2));
}

/* The place of a handler in the table, or the free one it would have. */
static uint16_t *place_of(const void *handler)
{
  uint32_t i = hash_of(handler);
  while (known.ops[i] != 0 && interp_handlers[known.ops[i] - 1] != handler)
    i = (i + 1) % HASH_SIZE;
  return &known.ops[i];
}

static void learn_families(void)
{
  VM_ASSERT(jit_family_count <= UINT8_MAX);
  uint32_t op = 0;
  for (uint32_t f = 0; f < jit_family_count; f++)
    for (; op <= jit_families[f].last; op++) {
      VM_ASSERT(op >= jit_families[f].first); /* none is left out */
      known.families[op] = (uint8_t)f;
    }
  VM_ASSERT(op == INTERP_OP_COUNT);
  for (op = 0; op < INTERP_OP_COUNT; op++)
    *place_of(interp_handlers[op]) = (uint16_t)(op + 1);
}

static unsigned op_of(const void *handler)
{
  uint16_t op = *place_of(handler);
  VM_ASSERT(op != 0);
  return op - 1u;
}

/* --- Appending --- */

static bool grow(struct jit_reader *r)
{
  uint32_t wanted = r->capacity * 2;
  struct jit_op *grown = mm_arena_alloc(r->arena, wanted * sizeof *grown);
  if (grown == NULL) {
    r->out_of_memory = true;
    return false;
  }
  memcpy(grown, r->ops->ops, r->ops->count * sizeof *grown);
  r->ops->ops = grown;
  r->capacity = wanted;
  return true;
}

struct jit_op *jit_read_add(struct jit_reader *r, unsigned kind)
{
  struct jit_op *op = &r->spare;
  if (!r->out_of_memory && (r->ops->count < r->capacity || grow(r)))
    op = &r->ops->ops[r->ops->count++];
  *op = (struct jit_op){.kind = (uint8_t)kind,
                        .dest = JIT_NONE,
                        .left = JIT_NONE,
                        .right = JIT_NONE,
                        .third = JIT_NONE,
                        .word = r->word};
  return op;
}

void jit_read_add_move(struct jit_reader *r, unsigned type, int32_t dest,
                       int32_t left)
{
  struct jit_op *op = jit_read_add(r, JIT_OP_MOVE);
  op->type = (uint8_t)type;
  op->dest = dest;
  op->left = left;
}

void jit_read_add_const(struct jit_reader *r, int32_t dest, int64_t value)
{
  struct jit_op *op = jit_read_add(r, JIT_OP_CONST);
  op->type = JIT_I64;
  op->dest = dest;
  op->imm = value;
}

/* --- The pass --- */

static void read_operation(struct jit_reader *r)
{
  r->op = op_of(r->pc->handler);
  const struct jit_family *family = &jit_families[known.families[r->op]];
  uint32_t count = r->ops->count;
  family->read(r, family, r->op - family->first);
  VM_ASSERT(r->ops->count > count || r->out_of_memory);
}

/* Jumps have the word that they go to, up to here. */
static void link_jumps(struct jit_ops *ops)
{
  for (uint32_t i = 0; i < ops->count; i++) {
    struct jit_op *op = &ops->ops[i];
    if (op->kind != JIT_OP_JUMP && op->kind != JIT_OP_BRANCH)
      continue;
    op->target = ops->by_word[op->target];
    VM_ASSERT(op->target < ops->count);
  }
}

bool jit_ops_read(struct jit_ops *ops, struct mm_arena *arena,
                  const struct interp_code *code,
                  const union interp_word *words)
{
  pthread_once(&known.once, learn_families);
  struct jit_reader r = {
      .ops = ops, .arena = arena, .capacity = code->origin_count * 2 + 16};
  size_t by_word_bytes = code->word_count * sizeof *ops->by_word;
  ops->count = 0;
  ops->ops = mm_arena_alloc(arena, r.capacity * sizeof *ops->ops);
  ops->by_word = mm_arena_alloc(arena, by_word_bytes);
  if (ops->ops == NULL || ops->by_word == NULL)
    return false;
  memset(ops->by_word, 0xff, by_word_bytes);
  for (uint32_t o = 0; o < code->origin_count && !r.out_of_memory; o++) {
    r.word = code->origins[o].word;
    r.pc = words + r.word;
    ops->by_word[r.word] = ops->count;
    read_operation(&r);
  }
  if (!r.out_of_memory)
    link_jumps(ops);
  return !r.out_of_memory;
}
