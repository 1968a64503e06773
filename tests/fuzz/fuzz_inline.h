/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzzers and the replay share: mutating a program as text or in
 * verified form, and running what comes out.
 *
 *   text --mutate--> assemble --mutate--> vm_module_check --> load --> verify
 *                                              |             both ways --> run
 *                                              +-- refused: done
 *
 * Whatever happens, nothing may crash: no signal, no sanitizer's report, no
 * failed assertion; and a program must come to the same with and without fused
 * sequences.  A run has no natural end, so it takes place in a child
 * with little time; running out of it is fine.  Collections are forced often
 * and verified, so that a wrong map is found.
 *
 * All decisions come from one generator, so a run can be repeated exactly.
 */
#ifndef TESTS_FUZZ_FUZZ_INLINE_H
#define TESTS_FUZZ_FUZZ_INLINE_H

#include "interp/interp.h"
#include "mm/alloc/arena.h"
#include "vm/asm/asm.h"
#include "vm/core/runtime.h"
#include "vm/verify/verify.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Decisions: the fuzzer's bytes first, then pseudo-random ones --- */

struct fuzz {
  const uint8_t *bytes;
  size_t count;
  uint64_t state; /* SplitMix64 (Steele, Lea, Flood 2014) */
};

static inline uint64_t fuzz_next(struct fuzz *f)
{
  if (f->count >= 4) {
    uint32_t word;
    memcpy(&word, f->bytes, 4);
    f->bytes += 4;
    f->count -= 4;
    return word;
  }
  uint64_t z = f->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Below `limit`; 0 when that is 0. */
static inline uint32_t fuzz_below(struct fuzz *f, uint32_t limit)
{
  return limit ? (uint32_t)(fuzz_next(f) % limit) : 0;
}

static inline bool fuzz_one_in(struct fuzz *f, uint32_t n)
{
  return fuzz_below(f, n) == 0;
}

/* --- Text --- */

struct fuzz_text {
  char *bytes;
  size_t length, capacity;
};

static inline bool fuzz_text_init(struct fuzz_text *t, const char *bytes,
                                  size_t length)
{
  t->length = length;
  t->capacity = length + 4096;
  t->bytes = malloc(t->capacity);
  if (t->bytes && length)
    memcpy(t->bytes, bytes, length);
  return t->bytes != NULL;
}

/* Replaces a part; what has no room is left out. */
static inline void fuzz_splice(struct fuzz_text *t, size_t at, size_t removed,
                               const char *with, size_t added)
{
  if (t->length - removed + added > t->capacity)
    return;
  memmove(t->bytes + at + added, t->bytes + at + removed,
          t->length - at - removed);
  memcpy(t->bytes + at, with, added);
  t->length = t->length - removed + added;
}

/* The line around a position, with its line end. */
static inline void fuzz_line(const struct fuzz_text *t, size_t at,
                             size_t *begin, size_t *end)
{
  for (*begin = at; *begin > 0 && t->bytes[*begin - 1] != '\n';)
    --*begin;
  for (*end = at; *end < t->length && t->bytes[*end] != '\n';)
    ++*end;
  *end += *end < t->length;
}

static inline bool fuzz_is_word(char c)
{
  return c > ' ' && !strchr(",:{}()<>=[]#", c);
}

static inline void fuzz_word(const struct fuzz_text *t, size_t at,
                             size_t *begin, size_t *end)
{
  for (*begin = at; *begin > 0 && fuzz_is_word(t->bytes[*begin - 1]);)
    --*begin;
  for (*end = at; *end < t->length && fuzz_is_word(t->bytes[*end]);)
    ++*end;
}

static inline void fuzz_replace_word(struct fuzz *f, struct fuzz_text *t,
                                     size_t at)
{
  static const char *const words[] = {"v0",
                                      "v1",
                                      "v2",
                                      "v3",
                                      "a0",
                                      "a1",
                                      "a2",
                                      "0",
                                      "1",
                                      "-1",
                                      "127",
                                      "i32",
                                      "i64",
                                      "f32",
                                      "f64",
                                      "u1",
                                      "u8",
                                      "i16",
                                      "[]",
                                      "void",
                                      "panda.Object",
                                      "panda.String",
                                      "{",
                                      "}",
                                      "0x7fffffff",
                                      "panda.Object[]",
                                      "i32[]",
                                      "static",
                                      "ctor",
                                      "_GLOBAL"};
  size_t begin, end;
  fuzz_word(t, at, &begin, &end);
  const char *with = words[fuzz_below(f, sizeof words / sizeof *words)];
  if (vm_op_find(t->bytes + begin, end - begin) != VM_OP_COUNT)
    with = vm_op_table[fuzz_below(f, VM_OP_COUNT)].text;
  fuzz_splice(t, begin, end - begin, with, strlen(with));
}

/* Puts a word of the text in the place of another. */
static inline void fuzz_copy_word(struct fuzz *f, struct fuzz_text *t,
                                  size_t at)
{
  size_t begin, end, from, to;
  char copy[64];
  fuzz_word(t, fuzz_below(f, (uint32_t)t->length), &from, &to);
  if (to - from >= sizeof copy)
    return;
  memcpy(copy, t->bytes + from, to - from);
  fuzz_word(t, at, &begin, &end);
  fuzz_splice(t, begin, end - begin, copy, to - from);
}

static inline void fuzz_copy_line(struct fuzz *f, struct fuzz_text *t,
                                  size_t at)
{
  size_t begin, end, from, to;
  char copy[512];
  fuzz_line(t, fuzz_below(f, (uint32_t)t->length), &from, &to);
  if (to - from >= sizeof copy)
    return;
  memcpy(copy, t->bytes + from, to - from);
  fuzz_line(t, at, &begin, &end);
  fuzz_splice(t, begin, fuzz_one_in(f, 2) ? end - begin : 0, copy, to - from);
}

static inline void fuzz_mutate_text(struct fuzz *f, struct fuzz_text *t)
{
  for (uint32_t n = 1 + fuzz_below(f, 6); n > 0 && t->length > 0; n--) {
    size_t at = fuzz_below(f, (uint32_t)t->length), begin, end;
    switch (fuzz_below(f, 8)) {
    case 0:
      t->bytes[at] = (char)fuzz_next(f);
      break;
    case 1:
      fuzz_line(t, at, &begin, &end);
      fuzz_splice(t, begin, end - begin, "", 0);
      break;
    case 2:
    case 3:
      fuzz_copy_line(f, t, at);
      break;
    case 4:
    case 5:
      fuzz_copy_word(f, t, at);
      break;
    default:
      fuzz_replace_word(f, t, at);
    }
  }
}

/* --- Verified form --- */

/* Mostly an index of the table, now and then anything. */
static inline uint32_t fuzz_index(struct fuzz *f, uint32_t count)
{
  return fuzz_one_in(f, 50) ? (uint32_t)fuzz_next(f) : fuzz_below(f, count);
}

static inline uint32_t fuzz_operand_count(const struct vm_module *m,
                                          const struct vm_function_def *fn,
                                          unsigned op)
{
  switch (vm_op_table[op].form) {
  case VM_FORM_LABEL:
  case VM_FORM_V_LABEL:
    return fn->insn_count + 1;
  case VM_FORM_STRING:
    return m->string_count;
  case VM_FORM_V_ARRAY:
    return m->array_count;
  case VM_FORM_TYPE:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_V_TYPE:
    return m->type_count;
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    return m->field_count;
  default:
    return op < VM_OP_COUNT && vm_op_is_call(op) ? m->method_count : 0;
  }
}

/* Another instruction with the same operands. */
static inline void fuzz_change_op(struct fuzz *f, struct vm_insn *insn)
{
  for (unsigned tries = 0; tries < 64; tries++) {
    uint32_t op = fuzz_below(f, VM_OP_COUNT);
    if (vm_op_table[op].form != vm_op_table[insn->op].form)
      continue;
    insn->op = (uint16_t)op;
    return;
  }
}

static inline void fuzz_mutate_insn(struct fuzz *f, struct vm_module *m,
                                    struct vm_function_def *fn)
{
  struct vm_insn *insn = &fn->insns[fuzz_below(f, fn->insn_count)];
  uint32_t count = fuzz_operand_count(m, fn, insn->op);
  switch (fuzz_below(f, 8)) {
  case 0:
    *insn = fn->insns[fuzz_below(f, fn->insn_count)];
    return;
  case 1:
    fuzz_change_op(f, insn);
    return;
  case 2:
    insn->acc_pos = (uint8_t)fuzz_below(f, 6);
    return;
  case 3:
    insn->nregs = (uint8_t)fuzz_below(f, 6);
    return;
  case 4:
  case 5:
    if (count)
      insn->operand.index = fuzz_index(f, count);
    else
      insn->operand.imm = (int64_t)fuzz_below(f, 20) - 10;
    return;
  default:
    insn->regs[fuzz_below(f, 4)] = (uint16_t)fuzz_index(f, fn->reg_count);
  }
}

static inline void fuzz_mutate_catch(struct fuzz *f, struct vm_module *m,
                                     struct vm_function_def *fn)
{
  if (!fn->catch_count)
    return;
  struct vm_catch *c = &fn->catches[fuzz_below(f, fn->catch_count)];
  uint32_t *fields[] = {&c->begin, &c->end, &c->handler, &c->handler_end};
  uint32_t which = fuzz_below(f, 5);
  if (which < 4)
    *fields[which] = fuzz_index(f, fn->insn_count + 1);
  else
    c->type = fuzz_one_in(f, 4) ? UINT32_MAX : fuzz_index(f, m->type_count);
}

static inline void fuzz_mutate_function(struct fuzz *f, struct vm_module *m)
{
  struct vm_function_def *fn = &m->functions[fuzz_below(f, m->function_count)];
  if (fuzz_one_in(f, 30)) {
    fn->flags ^= 1u << fuzz_below(f, 14);
    return;
  }
  if (fuzz_one_in(f, 30)) {
    fn->method = fuzz_index(f, m->method_count);
    return;
  }
  if (fuzz_one_in(f, 40)) {
    fn->local_count += fuzz_below(f, 3) - 1;
    fn->reg_count = fn->local_count + m->methods[fn->method].param_count;
    return;
  }
  if (!fn->insns || !fn->insn_count)
    return;
  if (fuzz_one_in(f, 8))
    fuzz_mutate_catch(f, m, fn);
  else
    fuzz_mutate_insn(f, m, fn);
}

static inline void fuzz_mutate_method(struct fuzz *f, struct vm_module *m)
{
  if (!m->method_count)
    return;
  struct vm_method_ref *r = &m->methods[fuzz_below(f, m->method_count)];
  uint32_t *params = (uint32_t *)r->params;
  switch (fuzz_below(f, 6)) {
  case 0:
    r->owner = fuzz_index(f, m->type_count);
    return;
  case 1:
    r->return_type = fuzz_index(f, m->type_count);
    return;
  case 2:
    r->is_static = !r->is_static;
    return;
  case 3:
    r->is_ctor = !r->is_ctor;
    return;
  case 4:
    r->is_array_ctor = !r->is_array_ctor;
    return;
  default:
    if (r->param_count && params)
      params[fuzz_below(f, r->param_count)] = fuzz_index(f, m->type_count);
  }
}

static inline void fuzz_mutate_field(struct fuzz *f, struct vm_module *m)
{
  if (!m->field_count)
    return;
  struct vm_field_ref *r = &m->fields[fuzz_below(f, m->field_count)];
  switch (fuzz_below(f, 4)) {
  case 0:
    r->owner = fuzz_index(f, m->type_count);
    return;
  case 1:
    r->type = fuzz_index(f, m->type_count);
    return;
  case 2:
    r->is_static = !r->is_static;
    return;
  default:
    r->name = m->fields[fuzz_below(f, m->field_count)].name;
  }
}

static inline void fuzz_mutate_record(struct fuzz *f, struct vm_module *m)
{
  if (!m->record_count)
    return;
  struct vm_record_def *r = &m->records[fuzz_below(f, m->record_count)];
  struct vm_field_def *field =
      r->field_count ? &r->fields[fuzz_below(f, r->field_count)] : NULL;
  switch (fuzz_below(f, 5)) {
  case 0:
    r->base = fuzz_index(f, m->type_count);
    return;
  case 1:
    r->flags ^= 1u << fuzz_below(f, 14);
    return;
  case 2:
    r->type = fuzz_index(f, m->type_count);
    return;
  case 3:
    if (field)
      field->flags ^= VM_FLAG_STATIC;
    return;
  default:
    if (field)
      field->type = fuzz_index(f, m->type_count);
  }
}

static inline void fuzz_mutate_type(struct fuzz *f, struct vm_module *m)
{
  struct vm_type_ref *t = &m->types[fuzz_below(f, m->type_count)];
  switch (fuzz_below(f, 4)) {
  case 0:
    t->prim = (uint8_t)fuzz_below(f, VM_PRIM_COUNT + 1);
    return;
  case 1:
    t->dims = fuzz_below(f, 4);
    return;
  case 2:
    t->element = fuzz_index(f, m->type_count);
    return;
  default:
    t->name = m->types[fuzz_below(f, m->type_count)].name;
  }
}

static inline void fuzz_mutate_module(struct fuzz *f, struct vm_module *m)
{
  if (!m->function_count || !m->type_count)
    return;
  for (uint32_t n = 1 + fuzz_below(f, 8); n > 0; n--)
    switch (fuzz_below(f, 16)) {
    case 0:
      fuzz_mutate_method(f, m);
      break;
    case 1:
      fuzz_mutate_field(f, m);
      break;
    case 2:
      fuzz_mutate_record(f, m);
      break;
    case 3:
      if (fuzz_one_in(f, 4))
        fuzz_mutate_type(f, m);
      break;
    default:
      fuzz_mutate_function(f, m);
    }
}

/* --- Running --- */

enum { FUZZ_ARGUMENTS = 16 };

/* A value for a parameter of reference type: null, or something new. */
static inline struct mm_ref
fuzz_object(struct fuzz *f, struct vm_thread *thread, const char *type)
{
  struct vm_class *class = vm_class_find(thread->vm, type);
  struct mm_ref object = MM_NULL;
  if (!class || fuzz_one_in(f, 4))
    return object;
  if (class == thread->vm->known.string)
    object = vm_string_from_utf8(thread, "text", 4);
  else if (class->is_array)
    object = vm_new_array(thread, class, (int32_t)fuzz_below(f, 5));
  else if (vm_class_initialise(thread, class) && !thread->vm->exiting)
    object = vm_new_object(thread, class);
  vm_thread_take_exception(thread);
  return object;
}

/* What a call came to, for comparison. */
static inline void fuzz_tell(struct vm_thread *thread,
                             const struct vm_method *method, bool returned,
                             union vm_slot result, FILE *out)
{
  struct mm_ref exception = vm_thread_take_exception(thread);
  fprintf(out, "\n%s.%s ", method->owner->name, method->name);
  if (!mm_is_null(exception))
    fprintf(out, "throws %s", vm_class_of(exception)->name);
  else if (!returned)
    fputs("does not return", out);
  else if (method->return_prim == VM_PRIM_REF)
    fputs(mm_is_null(result.ref) ? "null" : vm_class_of(result.ref)->name, out);
  else if (vm_prim_table[method->return_prim].bytes == 8)
    fprintf(out, "%llx", (unsigned long long)result.u64);
  else if (method->return_prim != VM_PRIM_VOID)
    fprintf(out, "%x", result.u32);
}

static inline void fuzz_call(struct fuzz *f, struct vm_thread *thread,
                             const struct vm_method *method, FILE *out)
{
  struct mm_ref held[FUZZ_ARGUMENTS];
  union vm_slot args[FUZZ_ARGUMENTS], result = {0};
  struct mm_scope scope;
  if (method->param_count > FUZZ_ARGUMENTS)
    return;
  mm_scope_open(&thread->mutator, &scope, held, FUZZ_ARGUMENTS);
  for (uint32_t i = 0; i < method->param_count; i++)
    if (method->param_prims[i] == VM_PRIM_REF)
      held[i] = fuzz_object(f, thread, method->param_types[i]);
  bool done =
      !thread->vm->exiting && vm_class_initialise(thread, method->owner);
  for (uint32_t i = 0; i < method->param_count; i++) {
    args[i].u64 = fuzz_below(f, 8);
    if (method->param_prims[i] == VM_PRIM_REF)
      args[i].u64 = held[i].bits;
  }
  mm_scope_close(&thread->mutator, &scope);
  if (done)
    done = thread->vm->engine.invoke(thread, method, args, &result);
  fuzz_tell(thread, method, done, result, out);
}

static inline void fuzz_call_all(struct fuzz *f, struct vm *vm,
                                 struct vm_module *module, FILE *out)
{
  for (uint32_t i = 0; i < module->function_count && !vm->exiting; i++) {
    const struct vm_function_def *fn = &module->functions[i];
    struct vm_method *method = vm_lookup_method(vm, module, fn->method);
    if (method && fn->insns)
      fuzz_call(f, vm->main_thread, method, out);
  }
}

/* What programs may end the process by, that is no fault; what they start
   threads with, which may do a thing at one time and not at another; and what
   they sleep with. */
static inline bool fuzz_is_not_to_run(const struct vm_module *module)
{
  static const char *const names[] = {"assert", "start", "sleep"};
  for (uint32_t i = 0; i < module->method_count; i++)
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
      if (strncmp(module->methods[i].name, names[n], strlen(names[n])) == 0)
        return true;
  return false;
}

static inline struct vm *fuzz_machine(struct fuzz *f, bool fuse, FILE *out,
                                      FILE *err)
{
  struct vm_options options;
  struct mm_error error;
  struct vm *vm = NULL;
  vm_options_init(&options);
  options.mm.heap_max_bytes = 16u << 20;
  options.mm.workers = 1;
  options.mm.stress_alloc = fuzz_below(f, 4);
  options.mm.stress_poll = fuzz_below(f, 4) * 7;
  options.mm.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
  options.fuse = fuse;
  options.out = out;
  options.err = err;
  bool made = vm_create(&options, interp_engine(), &vm, &error) == MM_OK;
  return made ? vm : NULL;
}

/* Loads, verifies both ways, and runs `main` and every function.  Takes the
   module over.  False: it was refused. */
static inline bool fuzz_load_and_run(struct fuzz *f, struct vm_module *module,
                                     bool fuse, FILE *out)
{
  struct vm_diags diags;
  struct mm_error error;
  int status = 0;
  FILE *nowhere = fopen("/dev/null", "w");
  struct vm *vm = nowhere ? fuzz_machine(f, fuse, out, nowhere) : NULL;
  if (!vm) {
    vm_module_destroy(module);
    if (nowhere)
      fclose(nowhere);
    return false;
  }
  vm_diags_init(&diags);
  bool loaded = vm_load_module(vm, module, &diags);
  if (loaded) {
    bool runs = !fuzz_is_not_to_run(module);
    vm_verify_module_strict(vm, module, &diags);
    if (runs)
      fprintf(out, "%d ",
              vm_run(vm, "_GLOBAL::main", 0, NULL, &status, &error));
    if (runs && !vm->exiting)
      fuzz_call_all(f, vm, module, out);
  }
  vm_diags_destroy(&diags);
  vm_destroy(vm);
  fclose(nowhere);
  return loaded;
}

/* A case with or without fused sequences; what happened is told to `out`. */
static inline bool fuzz_run_once(struct fuzz *f, const char *text,
                                 size_t length, bool mutate_module, bool fuse,
                                 FILE *out)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("fuzz.pa", text, length, &diags);
  vm_diags_destroy(&diags);
  if (!module)
    return false;
  if (mutate_module)
    fuzz_mutate_module(f, module);
  return fuzz_load_and_run(f, module, fuse, out);
}

/* Programs that read the clock do not repeat. */
static inline bool fuzz_repeats(const char *text, size_t length)
{
  return memmem(text, length, "nanoTime", 8) == NULL;
}

/* One case, in this process, which ends if fused sequences make a difference
   to it.  False: it was refused. */
static inline bool fuzz_case(struct fuzz *f, const char *text, size_t length,
                             bool mutate_module)
{
  char *told[2] = {NULL, NULL};
  size_t sizes[2];
  bool ran = false;
  for (int fuse = 0; fuse < 2; fuse++) {
    struct fuzz same = *f;
    FILE *out = open_memstream(&told[fuse], &sizes[fuse]);
    if (!out)
      return false;
    ran = fuzz_run_once(&same, text, length, mutate_module, fuse, out);
    fclose(out);
  }
  if (fuzz_repeats(text, length) &&
      (sizes[0] != sizes[1] || memcmp(told[0], told[1], sizes[0]) != 0)) {
    fprintf(stderr, "not fused:\n%s\nfused:\n%s\n", told[0], told[1]);
    abort();
  }
  free(told[0]);
  free(told[1]);
  return ran;
}

/* Verifies and translates what was loaded. */
static inline void fuzz_translate_all(struct vm *vm, struct vm_module *module,
                                      struct vm_diags *diags, FILE *nowhere)
{
  vm_verify_module_strict(vm, module, diags);
  for (uint32_t i = 0; i < module->function_count; i++)
    if (!vm_verify_function(vm, module, &module->functions[i], false, NULL))
      return;
  for (struct vm_class *class = vm->boot->classes; class; class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      if (class->methods[i].function && class->methods[i].function->insns)
        interp_dump(vm->main_thread, &class->methods[i], nowhere);
}

/*
 * All of a case but the run, in this process, where libFuzzer sees which code
 * an input reaches.  Nothing here depends on how long the program runs.
 */
static inline void fuzz_case_unrun(struct fuzz *f, const char *text,
                                   size_t length, bool mutate_module)
{
  struct fuzz same = *f;
  struct vm_diags diags;
  vm_diags_init(&diags);
  FILE *nowhere = fopen("/dev/null", "w");
  struct vm_module *module = vm_assemble("fuzz.pa", text, length, &diags);
  if (nowhere && module) {
    if (mutate_module)
      fuzz_mutate_module(&same, module);
    struct vm *vm = fuzz_machine(&same, true, nowhere, nowhere);
    if (!vm)
      vm_module_destroy(module);
    else if (vm_load_module(vm, module, &diags))
      fuzz_translate_all(vm, module, &diags, nowhere);
    if (vm)
      vm_destroy(vm);
  } else if (module)
    vm_module_destroy(module);
  if (nowhere)
    fclose(nowhere);
  vm_diags_destroy(&diags);
}

enum { FUZZ_REFUSED = 9 };

/* A case in a child with at most `limit_us` of processor time.  Returns 0 or
   FUZZ_REFUSED when all was well, else the child's wait status. */
static inline int fuzz_case_in_child(struct fuzz *f, const char *text,
                                     size_t length, bool mutate_module,
                                     long limit_us)
{
  int status = 0;
  fflush(NULL);
  pid_t child = fork();
  if (child < 0)
    return 0; /* nothing was found out */
  if (child == 0) {
    struct itimerval limit = {
        .it_value = {limit_us / 1000000, limit_us % 1000000}};
    setitimer(ITIMER_VIRTUAL, &limit, NULL);
    alarm(20);
    _exit(fuzz_case(f, text, length, mutate_module) ? 0 : FUZZ_REFUSED);
  }
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) &&
      (WTERMSIG(status) == SIGVTALRM || WTERMSIG(status) == SIGALRM))
    return 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == FUZZ_REFUSED ? FUZZ_REFUSED
                                                                  : status;
}

#endif
