/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which registers of the frame get homes: those that are used most, weighted by
 * loop depth, each in a general or a vector register, whichever suits more of
 * its uses (usage counts: Freiburghouse 1974).  One home serves a register of
 * the frame in the whole method.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

static const uint8_t general[JIT_GENERAL_HOMES] = {
    JIT_R12, JIT_R13, JIT_R14, JIT_R15, JIT_R8, JIT_R9, JIT_R10, JIT_R11};

enum { FIRST_VECTOR = 3, LEAST_WEIGHT = 2 };

static uint64_t weight_of(const struct jit_reg_use *use)
{
  return use->whole + use->narrow + use->floating + use->neutral;
}

static bool suits_vector(const struct jit_reg_use *use)
{
  return use->floating > use->whole + use->narrow;
}

/*
 * Only 32-bit values, as far as anybody can see.  An argument may be a wide
 * number where a narrow one was declared; that shows only where all of its bits
 * are read.  In vector registers a number of 64 bits may look narrow, 0 above
 * all, and is not to be extended wherever it is read.
 */
static bool is_narrow(const struct jit_compile *c, uint32_t vreg, bool vector)
{
  const struct jit_reg_use *use = &c->flow->regs[vreg];
  bool is_extended_well = !vector && vreg < c->method->local_count;
  return !use->is_written_wide && (is_extended_well || !use->is_read_wide);
}

/* The best that has no home yet; reg_count: none is worth it. */
static uint32_t best(const struct jit_compile *c, bool vector)
{
  uint32_t found = c->method->reg_count;
  uint64_t most = LEAST_WEIGHT - 1;
  for (uint32_t v = 0; v < c->method->reg_count; v++) {
    const struct jit_reg_use *use = &c->flow->regs[v];
    if (c->home_of[v] != JIT_NO_HOME || suits_vector(use) != vector ||
        weight_of(use) <= most)
      continue;
    most = weight_of(use);
    found = v;
  }
  return found;
}

static void bind(struct jit_compile *c, bool vector, unsigned count)
{
  for (unsigned i = 0; i < count; i++) {
    uint32_t v = best(c, vector);
    if (v == c->method->reg_count)
      return;
    c->home_of[v] = (uint8_t)c->home_count;
    c->homes[c->home_count++] = (struct jit_home){
        .vreg = v,
        .reg = vector ? (uint8_t)(FIRST_VECTOR + i) : general[i],
        .is_vector = vector,
        .is_narrow = is_narrow(c, v, vector),
    };
  }
}

bool jit_bind(struct jit_compile *c)
{
  uint32_t count = c->method->reg_count;
  c->home_of = mm_arena_alloc(c->arena, count + 1);
  if (!c->home_of)
    return false;
  for (uint32_t v = 0; v < count; v++)
    c->home_of[v] = JIT_NO_HOME;
  bind(c, false, JIT_GENERAL_HOMES);
  bind(c, true, JIT_VECTOR_HOMES);
  return true;
}
