/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying a function: flow, types, liveness, maps; and copying what was
 * found from scratch memory into the module's arena.
 *
 * A strict verification is a second run over types alone, with other rules
 * and a diagnostic for each finding; what the machine runs by is always the
 * lenient result.
 */
#include "config.h"

#include "vm/core/purposes.h"
#include "vm/core/runtime.h"
#include "vm/verify/verify_internal.h"

#include <string.h>

/* Blocks visited in search of where values were set. */
enum { REPORT_BUDGET = 1000000 };

void *vm_verify_alloc(struct vm_verifier *v, size_t count, size_t item_bytes)
{
  size_t bytes;
  void *memory = NULL;
  if (!__builtin_mul_overflow(count, item_bytes, &bytes))
    memory = mm_arena_alloc(v->scratch, bytes ? bytes : 1);
  v->no_memory |= memory == NULL;
  return memory;
}

static void *copy(struct mm_arena *arena, const void *from, size_t bytes)
{
  void *to = mm_arena_alloc(arena, bytes ? bytes : 1);
  if (to && bytes)
    memcpy(to, from, bytes);
  return to;
}

/* The locals among what is live on entry. */
static uint64_t *entry_live(struct vm_verifier *v, const uint64_t *live_in,
                            struct vm_verified *result)
{
  uint64_t *set =
      vm_verify_alloc(v, v->function->local_count / 64 + 1, sizeof *set);
  if (!set || v->block_count == 0)
    return set;
  for (uint32_t slot = 0; slot < v->acc_slot; slot++)
    if (vm_bit_has(live_in, slot) &&
        v->reg_of[slot] < v->function->local_count) {
      vm_bit_set(set, v->reg_of[slot]);
      result->entry_any = true;
    }
  result->entry_acc_live = vm_bit_has(live_in, v->acc_slot);
  return set;
}

/* Copies the result out of scratch memory; null: no memory. */
static struct vm_verified *keep(struct vm_verifier *v, struct vm_verified found)
{
  struct mm_arena *arena = v->module->arena;
  size_t count = (size_t)v->function->insn_count + 1;
  size_t live_words = v->function->local_count / 64 + 1;
  found.flags = copy(arena, v->flags, count);
  found.map_before = copy(arena, found.map_before, count * sizeof(uint32_t));
  found.map_call = copy(arena, found.map_call, count * sizeof(uint32_t));
  found.maps =
      copy(arena, found.maps,
           (size_t)found.map_count * found.map_words * sizeof(uint64_t));
  found.checks = copy(arena, v->checks, v->check_count * sizeof *found.checks);
  found.entry_live =
      copy(arena, found.entry_live, live_words * sizeof(uint64_t));
  found.check_count = v->check_count;
  if (!found.flags || !found.map_before || !found.map_call || !found.maps ||
      !found.checks || !found.entry_live)
    return NULL;
  return copy(arena, &found, sizeof found);
}

static bool begin(struct vm_verifier *v)
{
  struct vm_loader *loader = v->module->loader;
  return vm_vtypes_init(&v->types, loader ? loader : v->vm->boot, v->scratch) &&
         vm_verify_flow(v) && vm_verify_infer(v);
}

static struct vm_verified *find_all(struct vm_verifier *v)
{
  struct vm_verified found = {0};
  if (!begin(v))
    return NULL;
  uint64_t *live_in = vm_verify_live(v);
  if (!live_in || !vm_verify_maps(v, live_in, &found))
    return NULL;
  found.entry_live = entry_live(v, live_in, &found);
  return found.entry_live ? keep(v, found) : NULL;
}

/* For messages only; true unless memory ran out. */
static bool verify_strictly(struct vm_verifier *v)
{
  if (!begin(v))
    return false;
  vm_verify_structure(v);
  return !v->no_memory && !v->types.no_memory;
}

static bool run(struct vm_verifier v, struct vm_verified **result)
{
  v.scratch = vm_arena_create(VM_PURPOSE_VERIFIER);
  if (!v.scratch)
    return false;
  bool done;
  if (v.strict) {
    done = verify_strictly(&v);
  } else {
    struct vm_verified *found = find_all(&v);
    done = found != NULL;
    if (found)
      *result = found;
  }
  mm_arena_destroy(v.scratch);
  return done;
}

bool vm_verify_function(struct vm *vm, struct vm_module *module,
                        struct vm_function_def *function, bool strict,
                        struct vm_diags *diags)
{
  if (!function->insns)
    return true;
  struct vm_verifier v = {.vm = vm,
                          .module = module,
                          .function = function,
                          .method = &module->methods[function->method],
                          .diags = diags};
  if (!function->verified && !run(v, &function->verified))
    return false;
  v.strict = true;
  v.report_budget = REPORT_BUDGET;
  return !strict || run(v, NULL);
}
