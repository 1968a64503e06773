/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From verified instructions to decoded code, once per method, when it is
 * first called: one pass that emits operations, then the jump distances.
 *
 * What grows while the pass runs stands in an arena of the compiler space; the
 * finished code is copied into one block of just its size:
 *
 *   | interp_code | words ...... | origins ...... | insn_words ... |
 *
 * Unreachable instructions are left out; where control would run off the end
 * stands an operation that throws VerifyError.
 *
 * A machine with a compiler has its calls and loops counted.  Where backward
 * jumps go depends on what was fused, and what they go to is emitted before
 * them; so the operations at heads of loops are put in when the pass is over.
 */
#include "config.h"

#include "interp/translator_internal.h"

#include "mm/compiler_space.h"
#include "mm/native.h"
#include "vm/core/lock.h"
#include "vm/core/purposes.h"

#include <string.h>

static const uint8_t op_words[INTERP_OP_COUNT] = {
#define INTERP_OP(name, words, shape) [INTERP_##name] = words,
#include "interp/ops.def"
};

enum { WORDS_PER_INSN = 2 }; /* a guess, so that arrays seldom grow */

/* Makes room for `more` elements; false: no memory. */
static bool grow(struct interp_translator *t, void **array, uint32_t count,
                 uint32_t more, uint32_t *capacity, size_t element_bytes)
{
  if (count + more <= *capacity)
    return true;
  uint32_t wanted = *capacity * 2 + more + 16;
  void *grown = mm_arena_alloc(t->arena, wanted * element_bytes);
  if (grown == NULL) {
    t->out_of_memory = true;
    return false;
  }
  if (count != 0)
    memcpy(grown, *array, count * element_bytes);
  *array = grown;
  *capacity = wanted;
  return true;
}

union interp_word *interp_emit(struct interp_translator *t, unsigned op,
                               uint32_t insn, uint32_t fault)
{
  struct interp_code *code = t->code;
  uint32_t words = op_words[op];
  if (!grow(t, (void **)&code->words, code->word_count, words,
            &t->word_capacity, sizeof *code->words) ||
      !grow(t, (void **)&code->origins, code->origin_count, 1,
            &t->origin_capacity, sizeof *code->origins))
    return t->spare;
  union interp_word *out = code->words + code->word_count;
  memset(out, 0, words * sizeof *out);
  out[0].handler = interp_handlers[op];
  code->origins[code->origin_count++] =
      (struct interp_origin){code->word_count, insn, fault};
  code->word_count += words;
  return out;
}

void interp_emit_target(struct interp_translator *t, uint32_t target)
{
  if (t->out_of_memory || !grow(t, (void **)&t->fixups, t->fixup_count, 1,
                                &t->fixup_capacity, sizeof *t->fixups))
    return;
  uint32_t word = t->code->origins[t->code->origin_count - 1].word;
  t->fixups[t->fixup_count++] = (struct interp_fixup){word, target};
}

/* --- Heads of loops --- */

/* Marks in `heads`, one bit for each instruction, where backward jumps go.
   Returns how many there are. */
static uint32_t mark_heads(const struct interp_translator *t, uint64_t *heads)
{
  uint32_t count = 0;
  for (uint32_t f = 0; f < t->fixup_count; f++) {
    uint32_t to = t->fixups[f].target;
    uint64_t bit = UINT64_C(1) << (to % 64);
    if (t->code->insn_words[to] > t->fixups[f].word || (heads[to / 64] & bit))
      continue;
    heads[to / 64] |= bit;
    count++;
  }
  return count;
}

/* What stands in [from, to) of the words, with the origins and jumps that
   belong to it, moves `by` words on; `origin` and `fixup` count what lies
   before. */
static void move_words(struct interp_translator *t, uint32_t from, uint32_t to,
                       uint32_t by, uint32_t *origin, uint32_t *fixup)
{
  struct interp_code *code = t->code;
  memmove(code->words + from + by, code->words + from,
          (to - from) * sizeof *code->words);
  for (; *origin > 0 && code->origins[*origin - 1].word >= from; --*origin) {
    struct interp_origin *moved = &code->origins[*origin - 1 + by];
    *moved = code->origins[*origin - 1];
    moved->word += by;
  }
  for (; *fixup > 0 && t->fixups[*fixup - 1].word >= from; --*fixup)
    t->fixups[*fixup - 1].word += by;
}

/* Puts `count` operations in, from the last head to the first; each takes one
   word and one origin. */
static void put_loops(struct interp_translator *t, const uint64_t *heads,
                      uint32_t count)
{
  struct interp_code *code = t->code;
  uint32_t end = code->word_count;
  uint32_t origin = code->origin_count, fixup = t->fixup_count;
  code->word_count += count;
  code->origin_count += count;
  for (uint32_t i = t->function->insn_count; count > 0; i--) {
    uint32_t word = code->insn_words[i];
    if (word == UINT32_MAX)
      continue;
    move_words(t, word, end, count, &origin, &fixup);
    end = word;
    if ((heads[i / 64] >> (i % 64)) & 1) {
      count--;
      code->words[word + count].handler = interp_handlers[INTERP_loop];
      code->origins[origin + count] =
          (struct interp_origin){word + count, i, i};
    }
    code->insn_words[i] = word + count;
  }
}

/* False: no memory. */
static bool emit_loops(struct interp_translator *t)
{
  struct interp_code *code = t->code;
  size_t bytes = (t->function->insn_count / 64 + 1) * sizeof(uint64_t);
  uint64_t *heads = mm_arena_alloc(t->arena, bytes);
  if (heads == NULL)
    return false;
  memset(heads, 0, bytes);
  uint32_t count = mark_heads(t, heads);
  if (!grow(t, (void **)&code->words, code->word_count, count,
            &t->word_capacity, sizeof *code->words) ||
      !grow(t, (void **)&code->origins, code->origin_count, count,
            &t->origin_capacity, sizeof *code->origins))
    return false;
  put_loops(t, heads, count);
  return true;
}

/* --- Entry: locals that may be read before they are written --- */

static void emit_prologue(struct interp_translator *t)
{
  const struct vm_verified *verified = t->verified;
  if (verified->entry_acc_live)
    interp_emit(t, INTERP_zero_acc, 0, 0);
  if (!verified->entry_any)
    return;
  uint32_t locals = t->method->local_count;
  for (uint32_t v = 0; v < locals; v++) {
    if (!vm_map_has(verified->entry_live, v))
      continue;
    uint32_t first = v;
    while (v + 1 < locals && vm_map_has(verified->entry_live, v + 1))
      v++;
    union interp_word *out = interp_emit(t, INTERP_zero, 0, 0);
    out[1].i.a = (uint16_t)first;
    out[1].i.x = (int32_t)(v - first + 1);
  }
}

/* --- What the verifier left to run time --- */

static void emit_bad(struct interp_translator *t, uint32_t i)
{
  interp_emit(t, INTERP_bad, i, i)[1].u64 = i;
}

static void emit_checks(struct interp_translator *t, uint32_t i,
                        uint32_t *next_check)
{
  const struct vm_verified *verified = t->verified;
  while (*next_check < verified->check_count &&
         verified->checks[*next_check].insn < i)
    ++*next_check;
  for (; *next_check < verified->check_count &&
         verified->checks[*next_check].insn == i;
       ++*next_check) {
    const struct vm_ref_check *check = &verified->checks[*next_check];
    bool acc = check->vreg == t->method->reg_count;
    union interp_word *out = interp_emit(t, INTERP_check, i, i);
    out[1].r.a = acc ? 0 : (uint16_t)check->vreg;
    out[1].r.b = check->kind;
    out[1].r.c = check->prim_log2;
    out[1].r.d = acc;
    out[2].ptr = check->class;
  }
}

/* --- The pass --- */

static uint32_t emit_at(struct interp_translator *t, uint32_t i,
                        uint32_t *next_check)
{
  uint8_t flags = t->verified->flags[i];
  if (!(flags & VM_INSN_REACHABLE))
    return 1;
  t->code->insn_words[i] = t->code->word_count;
  if (flags & VM_INSN_BAD) {
    emit_bad(t, i);
    return 1;
  }
  if (flags & VM_INSN_CHECKED)
    emit_checks(t, i, next_check);
  uint32_t length = t->vm->options.fuse ? interp_fuse(t, i) : 0;
  if (length != 0)
    return length;
  interp_lower(t, i);
  return 1;
}

static void link_jumps(struct interp_translator *t)
{
  struct interp_code *code = t->code;
  for (uint32_t f = 0; f < t->fixup_count; f++) {
    int64_t from = t->fixups[f].word;
    int64_t to = code->insn_words[t->fixups[f].target];
    code->words[from + 1].i.x =
        (int32_t)((to - from) * (int64_t)sizeof(union interp_word));
  }
}

static bool translate(struct interp_translator *t)
{
  uint32_t count = t->function->insn_count;
  t->code = mm_arena_alloc(t->arena, sizeof *t->code);
  if (t->code == NULL ||
      !grow(t, (void **)&t->code->words, 0, count * WORDS_PER_INSN,
            &t->word_capacity, sizeof *t->code->words) ||
      !grow(t, (void **)&t->code->origins, 0, count, &t->origin_capacity,
            sizeof *t->code->origins))
    return false;
  t->code->insn_words =
      mm_arena_alloc(t->arena, (count + 1) * sizeof(uint32_t));
  if (t->code->insn_words == NULL)
    return false;
  memset(t->code->insn_words, 0xff, (count + 1) * sizeof(uint32_t));
  bool counted = t->vm->tier != NULL;
  emit_prologue(t);
  if (counted)
    interp_emit(t, INTERP_enter, 0, 0);
  uint32_t next_check = 0;
  for (uint32_t i = 0; i < count && !t->out_of_memory;)
    i += emit_at(t, i, &next_check);
  t->code->insn_words[count] = t->code->word_count;
  emit_bad(t, count);
  if (t->out_of_memory || (counted && !emit_loops(t)))
    return false;
  link_jumps(t);
  return true;
}

_Static_assert(sizeof(struct interp_code) % sizeof(union interp_word) == 0,
               "words follow the head of a code block");

/* The code as it stays: all of it in one block.  Null: no memory. */
static struct interp_code *keep_code(const struct interp_code *made,
                                     uint32_t insn_count)
{
  size_t words = made->word_count * sizeof *made->words;
  size_t origins = made->origin_count * sizeof *made->origins;
  size_t insn_words = (insn_count + 1) * sizeof *made->insn_words;
  size_t bytes = sizeof *made + words + origins + insn_words;
  struct interp_code *code = mm_native_alloc_dirty(VM_PURPOSE_CODE, bytes);
  if (code == NULL)
    return NULL;
  char *at = (char *)(code + 1);
  *code = *made;
  code->bytes = bytes;
  code->words = memcpy(at, made->words, words);
  code->origins = memcpy(at + words, made->origins, origins);
  code->insn_words = memcpy(at + words + origins, made->insn_words, insn_words);
  return code;
}

static struct interp_code *translated(struct vm *vm,
                                      const struct vm_method *method)
{
  struct mm_heap *heap = vm->heap;
  struct interp_translator t = {.vm = vm,
                                .method = method,
                                .function = method->function,
                                .verified = method->function->verified,
                                .insns = method->function->insns,
                                .arena = mm_compilation_begin(heap)};
  struct interp_code *code = NULL;
  if (t.arena != NULL && translate(&t))
    code = keep_code(t.code, t.function->insn_count);
  mm_compilation_end(heap, t.arena);
  return code;
}

bool interp_translate(struct vm_thread *thread, struct vm_method *method)
{
  struct vm *vm = thread->vm;
  vm_lock(vm, VM_LOCK_CODE);
  struct interp_code *code = interp_code_of(method);
  if (code == NULL && (code = translated(vm, method)) != NULL) {
    __atomic_store_n(&method->translated, code, __ATOMIC_RELEASE);
    __atomic_store_n(&method->entry, code->words, __ATOMIC_RELEASE);
  }
  vm_unlock(vm, VM_LOCK_CODE);
  return code != NULL || vm_throw_out_of_memory(thread);
}

void interp_forget_method(struct vm_method *method)
{
  struct interp_code *code = interp_code_of(method);
  if (code == NULL)
    return;
  mm_native_free(VM_PURPOSE_CODE, code, code->bytes);
  method->translated = NULL;
}

const struct interp_origin *interp_origin_of(const struct interp_code *code,
                                             const union interp_word *pc)
{
  uint32_t word = (uint32_t)(pc - code->words);
  uint32_t low = 0, high = code->origin_count;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (code->origins[middle].word <= word)
      low = middle;
    else
      high = middle;
  }
  return &code->origins[low];
}
