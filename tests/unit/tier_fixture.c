/* SPDX-License-Identifier: Apache-2.0 */
/* See tier_fixture.h. */
#include "config.h"

#include "tests/unit/tier_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "vm/asm/asm.h"
#include "vm/core/core_internal.h"

struct tier tier;

/* As ck_assert, which allocates even when all is well; under ThreadSanitizer
   each allocation keeps the whole C stack, a test of deep ones takes a minute
   by that. */
#define EXPECT(condition)                                                      \
  do                                                                           \
    if (!(condition))                                                          \
      ck_abort_msg("%s", #condition);                                          \
  while (0)

/* --- The tier --- */

static struct tier_script *script_of(const struct vm_method *method)
{
  struct tier_script *script = tier.scripts;
  while (script->method && strcmp(script->method, method->name) != 0)
    script++;
  return script;
}

static void hot(struct vm_thread *thread, struct vm_method *method)
{
  EXPECT(thread->top->method == method);
  script_of(method)->hot++;
  if (tier.setting.collects_when_hot)
    mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  __atomic_store_n(&method->heat, tier.setting.threshold, __ATOMIC_RELAXED);
}

static enum vm_tier_outcome enter(struct vm_thread *thread,
                                  struct vm_frame *frame, uint32_t word,
                                  union vm_slot *result)
{
  struct tier_script *script = script_of(frame->method);
  script->entered++;
  if (!script->method || !script->enter)
    return VM_TIER_NO_CODE;
  return script->enter(thread, frame, word, result);
}

static const char machine_entry[1];

const void *tier_machine_entry(void)
{
  return machine_entry;
}

static const void *initial_entry(struct vm *vm, const struct vm_method *method)
{
  (void)vm;
  (void)method;
  return machine_entry;
}

static void world_stopped(struct vm *vm)
{
  ck_assert_ptr_eq(vm, tier.vm);
}

static void forget_method(struct vm *vm, struct vm_method *method)
{
  ck_assert_ptr_eq(vm, tier.vm);
  ck_assert(!method->function || method->translated ||
            method->entry != interp_compiled_stub());
  tier.forgotten++;
}

static void destroy(struct vm *vm)
{
  ck_assert_ptr_eq(vm, tier.vm);
  ck_assert_uint_gt(tier.forgotten, 0);
  tier.destroyed++;
}

static bool let_go(struct vm *vm, const struct vm_loader *loader)
{
  ck_assert_ptr_eq(vm, tier.vm);
  (void)loader;
  return true;
}

static void resolved(struct vm *vm, struct vm_method *method)
{
  (void)vm, (void)method;
}

static const struct vm_tier functions = {
    .hot = hot,
    .enter = enter,
    .resolved = resolved,
    .initial_entry = initial_entry,
    .world_stopped = world_stopped,
    .let_go = let_go,
    .forget_method = forget_method,
    .destroy = destroy,
};

/* --- The machine --- */

static void create(const struct tier_setting *setting)
{
  struct vm_options options;
  struct mm_error error = {{0}};
  vm_options_init(&options);
  options.jit.threshold = (uint64_t)setting->threshold;
  options.fuse = !setting->no_fuse;
  if (setting->stack_bytes)
    options.stack_bytes = setting->stack_bytes;
  options.mm.heap_max_bytes = 16u << 20;
  options.mm.workers = 1;
  options.mm.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
  options.mm.stress_alloc = setting->stress_alloc;
  options.mm.compiler_max_bytes = setting->compiler_max_bytes;
  options.out = open_memstream(&tier.out, &tier.out_bytes);
  options.err = open_memstream(&tier.err, &tier.err_bytes);
  ck_assert_msg(vm_create(&options, interp_engine(), &tier.vm, &error) == MM_OK,
                "vm_create: %s", error.text);
}

/* What programs name, in three lines. */
static const char prelude[] =
    ".record panda.ArithmeticException <external>\n"
    ".record panda.StackOverflowException <external>\n"
    ".record System <external>\n";

static void load(const char *text)
{
  struct vm_diags diags;
  char *whole;
  size_t bytes;
  FILE *out = open_memstream(&whole, &bytes);
  fprintf(out, "%s%s", prelude, text);
  fclose(out);
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("test.pa", whole, bytes, &diags);
  if (!module || !vm_load_module(tier.vm, module, &diags)) {
    vm_diags_print(&diags, stderr, false);
    ck_abort_msg("not accepted");
  }
  vm_diags_destroy(&diags);
  free(whole);
}

void tier_open(const char *text, struct tier_script *scripts,
               const struct tier_setting *setting)
{
  memset(&tier, 0, sizeof tier);
  tier.setting = *setting;
  tier.scripts = scripts;
  for (struct tier_script *s = scripts; s->method; s++)
    s->hot = s->entered = 0;
  create(setting);
  tier.vm->tier = &functions;
  tier.thread = tier.vm->main_thread;
  load(text);
}

void tier_run(void)
{
  struct mm_error error = {{0}};
  tier.outcome =
      vm_run(tier.vm, "_GLOBAL::main", 0, NULL, &tier.status, &error);
  fflush(tier.vm->options.out);
  fflush(tier.vm->options.err);
}

void tier_close(void)
{
  FILE *out = tier.vm->options.out, *err = tier.vm->options.err;
  vm_destroy(tier.vm);
  ck_assert_uint_eq(tier.destroyed, 1);
  fclose(out);
  fclose(err);
  free(tier.out);
  free(tier.err);
}

int tier_result(const char *text, struct tier_script *scripts,
                const struct tier_setting *setting)
{
  tier_open(text, scripts, setting);
  tier_run();
  ck_assert_msg(tier.outcome == VM_RETURNED, "outcome %d: %s", tier.outcome,
                tier.err);
  int status = tier.status;
  tier_close();
  return status;
}

struct vm_method *tier_method(const char *name)
{
  for (struct vm_class *class = tier.vm->boot->classes; class;
       class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      if (class->module && strcmp(class->methods[i].name, name) == 0)
        return &class->methods[i];
  ck_abort_msg("no method %s", name);
  return NULL;
}

void tier_publish(const char *name)
{
  struct vm_method *method = tier_method(name);
  ck_assert(vm_verify_loaded(tier.vm));
  ck_assert(interp_translate(tier.thread, method));
  method->entry = interp_compiled_stub();
}

/* --- What compiled code does --- */

uint32_t tier_word(const struct vm_method *method, uint32_t insn)
{
  uint32_t word =
      ((const struct interp_code *)method->translated)->insn_words[insn];
  EXPECT(word != UINT32_MAX);
  return word;
}

void tier_stand(struct vm_thread *thread, struct vm_frame *frame, uint32_t insn,
                bool in_call)
{
  frame->position = VM_FRAME_COMPILED | (in_call ? VM_FRAME_IN_CALL : 0) |
                    (uintptr_t)tier_word(frame->method, insn) * VM_FRAME_WORD;
  thread->top = frame;
}

bool tier_call(struct vm_thread *thread, struct vm_frame *frame, uint32_t insn,
               const char *callee, uint32_t arg, union vm_slot *value)
{
  const struct vm_method *method = tier_method(callee);
  struct vm_frame *next =
      (struct vm_frame *)(frame->vregs + frame->method->reg_count);
  tier_stand(thread, frame, insn, true);
  if (next->vregs + method->reg_count > thread->stack_limit)
    return vm_throw_stack_overflow(thread);
  next->caller = frame;
  next->method = method;
  if (method->param_count > 0)
    next->vregs[method->local_count] = frame->vregs[arg];
  bool returned = interp_continue(thread, next, NULL, 0, value);
  EXPECT(next->caller == frame);
  EXPECT(thread->top == frame);
  return returned;
}

enum vm_tier_outcome tier_threw(struct vm_thread *thread,
                                struct vm_frame *frame)
{
  thread->top = frame->caller;
  return VM_TIER_THREW;
}
