/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of loaders: what keeps one, each keeper alone, and that it ends when
 * there is none; in each plan.
 */
#include "config.h"

#include "tests/unit/core_fixture.h"
#include "tests/unit/suite.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#ifdef BAMBOO_JIT
#include "jit_stub/code_internal.h"
#include "jit_stub/jit.h"
#endif
#include "mm/native.h"
#include "vm/core/core_internal.h"
#include "vm/core/purposes.h"
#include "vm/core/trace_internal.h"

enum { LOADS = 60 };

static const struct {
  enum mm_gc gc;
  enum mm_generational generational;
  enum mm_tenured tenured;
} plans[] = {
    {MM_GC_STW, MM_GENERATIONAL_OFF, MM_TENURED_REGIONS},
    {MM_GC_STW, MM_GENERATIONAL_OFF, MM_TENURED_FREELIST},
    {MM_GC_STW, MM_GENERATIONAL_ON, MM_TENURED_REGIONS},
    {MM_GC_STW, MM_GENERATIONAL_ON, MM_TENURED_FREELIST},
    {MM_GC_STW, MM_GENERATIONAL_AUTO, MM_TENURED_REGIONS},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_OFF, MM_TENURED_REGIONS},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_OFF, MM_TENURED_FREELIST},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_ON, MM_TENURED_REGIONS},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_ON, MM_TENURED_FREELIST},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_AUTO, MM_TENURED_REGIONS},
};

enum { PLANS = sizeof plans / sizeof plans[0] };

static struct mm_ref held[2];
static struct mm_scope scope;

static void open_plan(int plan, bool unloads)
{
  struct vm_options options = machine_options();
  options.mm.gc = plans[plan].gc;
  options.mm.generational = plans[plan].generational;
  options.mm.tenured = plans[plan].tenured;
  options.class_unloading = unloads;
  machine_open_with(options);
  core_load("t.pa", ".record panda.Object <external>\n.record Plugin {}\n"
                    ".function i32 Plugin.run(Plugin a0) {\nldai 1\nreturn\n}\n"
                    ".function i32 run(Plugin a0) {\ncall.virt Plugin.run, a0\n"
                    "return\n}\n");
  ck_assert(vm_verify_loaded(machine.vm));
  mm_scope_open(&machine.thread->mutator, &scope, held, 2);
}

static void close_plan(void)
{
  mm_scope_close(&machine.thread->mutator, &scope);
  machine_close();
}

static const char *const module =
    ".record panda.Object <external>\n.record panda.String <external>\n"
    ".record panda.RuntimeException <external>\n.record panda.Class "
    "<external>\n"
    ".record Plugin <external>\n.record Test <external>\n"
    ".function void Test.hook() <external>\n"
    ".record Impl <extends=Plugin> {\nImpl next\npanda.Object o <static>\n"
    "panda.String s <static, value=\"kept\">\n}\n"
    ".record Bad <extends=panda.RuntimeException> {}\n"
    /* Its receiver dies at once: only the frame is left. */
    ".function i32 Impl.run(Impl a0) {\nmov.null a0\ncall hook\nldai 2\n"
    "return\n}\n"
    ".function void hook() {\ncall Test.hook\nreturn.void\n}\n"
    ".function panda.Object array() {\nmovi v0, 3\nnewarr v0, v0, Impl[][]\n"
    "lda.obj v0\nreturn.obj\n}\n"
    ".function panda.Object class() {\nlda.type Impl\nreturn.obj\n}\n"
    ".function i32 throw() {\nnewobj v0, panda.RuntimeException\nthrow v0\n}\n"
    ".function void keep() {\nmovi v0, 100\nnewarr v0, v0, Impl[]\n"
    "lda.obj v0\nststatic.obj Impl.o\nnewobj v1, Impl\nmovi v2, 7\n"
    "lda.obj v1\nstarr.obj v0, v2\nreturn.void\n}\n"
    ".function i32 check() {\nldstatic.obj Impl.o\nsta.obj v0\nlenarr v0\n"
    "sta v1\nmovi v2, 7\nlda v2\nldarr.obj v0\ncheckcast Impl\nlda "
    "v1\nreturn\n}\n"
    ".function panda.Object string() {\nlda.str \"of the module\"\n"
    "return.obj\n}\n";

/* Leaves the loader's object in held[0]. */
static struct vm_loader *load(void)
{
  union vm_slot args[4] = {{0}}, result = {0};
  held[0] = machine_string(module);
  args[1].ref = machine_string("module.pa");
  args[0].ref = held[0];
  if (!machine_call("panda.Loader", "loadText", args, &result))
    vm_trace_report(machine.thread, stderr);
  held[0] = result.ref;
  ck_assert(!mm_is_null(held[0]));
  return vm_loader_of(held[0]);
}

static struct mm_ref call(const char *native, const char *name)
{
  union vm_slot args[4] = {{0}}, result = {0};
  args[1].ref = machine_string(name);
  args[0].ref = held[0];
  if (!machine_call("panda.Loader", native, args, &result))
    vm_trace_report(machine.thread, stderr);
  ck_assert(mm_is_null(machine.thread->exception));
  return result.ref;
}

static uint64_t unloaded(void)
{
  return vm_core_of(machine.vm)->loaders.unloaded;
}

static void collect(void)
{
  for (int i = 0; i < 3; i++)
    machine_collect();
}

/* What is in held[1] alone keeps the loader. */
static void keeps(struct mm_ref keeper)
{
  held[1] = keeper;
  ck_assert(!mm_is_null(held[1]));
  held[0] = MM_NULL;
  collect();
  ck_assert_uint_eq(unloaded(), 0);
}

static void keeps_no_more(void)
{
  held[0] = held[1] = MM_NULL;
  collect();
  ck_assert_uint_eq(unloaded(), 1);
  ck_assert_ptr_null(machine.vm->boot->next);
}

START_TEST(a_loader_that_nothing_reaches_ends)
{
  open_plan(_i, true);
  load();
  keeps_no_more();
  ck_assert_uint_eq(vm_core_of(machine.vm)->loaders.loaded, 1);
  ck_assert_uint_eq(vm_core_of(machine.vm)->loaders.classes_unloaded,
                    vm_core_of(machine.vm)->loaders.classes_loaded);
  close_plan();
}
END_TEST

START_TEST(its_object_keeps_it)
{
  open_plan(_i, true);
  load();
  keeps(held[0]);
  held[0] = held[1];
  call("create", "Impl");
  keeps_no_more();
  close_plan();
}
END_TEST

START_TEST(an_instance_keeps_it)
{
  open_plan(_i, true);
  struct vm_loader *loader = load();
  keeps(call("create", "Impl"));
  ck_assert_ptr_eq(vm_class_of(held[1])->loader, loader);
  ck_assert_str_eq(vm_class_of(held[1])->name, "Impl");
  keeps_no_more();
  close_plan();
}
END_TEST

START_TEST(an_array_of_arrays_keeps_it)
{
  open_plan(_i, true);
  load();
  keeps(call("invokeObject", "_GLOBAL::array"));
  ck_assert_str_eq(vm_class_of(held[1])->name, "Impl[][]");
  keeps_no_more();
  close_plan();
}
END_TEST

START_TEST(a_class_object_keeps_it)
{
  open_plan(_i, true);
  load();
  keeps(call("findClass", "Impl"));
  ck_assert_str_eq(vm_class_of_mirror(held[1])->name, "Impl");
  keeps_no_more();
  close_plan();
}
END_TEST

/* --- A frame --- */

static uint32_t object_bits; /* of the loader's object */

static bool collect_here(struct vm_thread *thread)
{
  (void)thread;
  held[0] = held[1] = MM_NULL;
  collect();
  ck_assert_uint_eq(unloaded(), 0);
  ck_assert_uint_eq(machine.vm->boot->next->object.bits, object_bits);
  return true;
}

static struct vm_method *boots_function(const char *name)
{
  for (struct vm_class *c = machine.vm->boot->classes; c; c = c->next)
    for (uint32_t i = 0; i < c->method_count && c->module; i++)
      if (!c->has_instances && strcmp(c->methods[i].name, name) == 0)
        return &c->methods[i];
  ck_abort_msg("no function %s", name);
  return NULL;
}

START_TEST(a_frame_that_runs_one_of_its_methods_keeps_it)
{
  open_plan(_i, true);
  core_hook(collect_here);
  load();
  object_bits = held[0].bits;
  union vm_slot args[1] = {{0}}, result = {0};
  args[0].ref = call("create", "Impl");
  ck_assert(machine.vm->engine.invoke(machine.thread, boots_function("run"),
                                      args, &result));
  ck_assert_int_eq(result.i32, 2);
  keeps_no_more();
  close_plan();
}
END_TEST

/* --- The queue of the compiler --- */

#ifdef BAMBOO_JIT
static struct vm_method *function_of(struct vm_loader *loader, const char *name)
{
  for (struct vm_class *c = loader->classes; c; c = c->next)
    for (uint32_t i = 0; i < c->method_count; i++)
      if (strcmp(c->methods[i].name, name) == 0)
        return &c->methods[i];
  ck_abort_msg("no function %s", name);
  return NULL;
}

static bool is_queued(const struct vm_method *method)
{
  struct jit_queue *queue = &jit_compiler_of(machine.vm)->queue;
  pthread_mutex_lock(&queue->lock);
  bool is_queued = method->is_queued;
  pthread_mutex_unlock(&queue->lock);
  return is_queued;
}

static bool is_compiling(const struct vm_method *method)
{
  struct jit_queue *queue = &jit_compiler_of(machine.vm)->queue;
  pthread_mutex_lock(&queue->lock);
  bool is_at_it = queue->compiling == method;
  pthread_mutex_unlock(&queue->lock);
  return is_at_it;
}

/* While the lock is held the compiler is at the first and cannot finish. */
START_TEST(a_method_that_waits_to_be_compiled_does_not_keep_it)
{
  struct mm_error error = {{0}};
  open_plan(_i, true);
  machine.vm->options.jit.mode = VM_JIT_ON;
  ck_assert_msg(jit_start(machine.vm, &error) == MM_OK, "%s", error.text);
  struct vm_loader *loader = load();
  call("invoke", "_GLOBAL::keep");
  call("invoke", "_GLOBAL::check");
  struct vm_method *keep = function_of(loader, "keep");
  struct vm_method *check = function_of(loader, "check");
  vm_lock(machine.vm, VM_LOCK_CODE);
  jit_queue_add(jit_compiler_of(machine.vm), keep);
  while (!is_compiling(keep))
    sched_yield();
  jit_queue_add(jit_compiler_of(machine.vm), check);
  ck_assert(machine.vm->tier->let_go(machine.vm, machine.vm->boot));
  ck_assert(is_queued(check));
  ck_assert(!machine.vm->tier->let_go(machine.vm, loader));
  ck_assert(!is_queued(check));
  vm_unlock(machine.vm, VM_LOCK_CODE);
  while (is_queued(keep))
    sched_yield();
  ck_assert_ptr_nonnull(keep->compiled);
  ck_assert_ptr_null(check->compiled);
  ck_assert(machine.vm->tier->let_go(machine.vm, loader));
  keeps_no_more();
  mm_scope_close(&machine.thread->mutator, &scope);
  jit_stop(machine.vm);
  machine_close();
}
END_TEST

/* One that is being compiled when its loader is found dead: it is freed later.
 */
START_TEST(a_method_that_is_being_compiled_delays_its_end)
{
  struct mm_error error = {{0}};
  open_plan(_i, true);
  machine.vm->options.jit.mode = VM_JIT_ON;
  ck_assert_msg(jit_start(machine.vm, &error) == MM_OK, "%s", error.text);
  struct vm_loader *loader = load();
  call("invoke", "_GLOBAL::keep");
  struct jit_queue *queue = &jit_compiler_of(machine.vm)->queue;
  struct vm_method *keep = function_of(loader, "keep");
  pthread_mutex_lock(&queue->lock);
  queue->compiling = keep; /* as the compiler says it */
  pthread_mutex_unlock(&queue->lock);
  keeps_no_more();
  vm_loaders_free_dead(machine.vm, NULL);
  ck_assert_ptr_eq(vm_core_of(machine.vm)->dead_loaders, loader);
  pthread_mutex_lock(&queue->lock);
  queue->compiling = NULL;
  pthread_mutex_unlock(&queue->lock);
  vm_loaders_free_dead(machine.vm, NULL);
  ck_assert_ptr_null(vm_core_of(machine.vm)->dead_loaders);
  mm_scope_close(&machine.thread->mutator, &scope);
  jit_stop(machine.vm);
  machine_close();
}
END_TEST
#endif

/* --- A stack trace --- */

static void print_trace(char **text, size_t *bytes)
{
  FILE *out = open_memstream(text, bytes);
  ck_assert_ptr_nonnull(out);
  vm_trace_report(machine.thread, out);
  fclose(out);
}

START_TEST(a_stack_trace_keeps_it)
{
  char *text;
  size_t bytes;
  open_plan(_i, true);
  load();
  union vm_slot args[4] = {{0}}, result = {0};
  args[1].ref = machine_string("_GLOBAL::throw");
  args[0].ref = held[0];
  ck_assert(!machine_call("panda.Loader", "invoke", args, &result));
  keeps(vm_thread_take_exception(machine.thread));
  machine.thread->exception = held[1];
  print_trace(&text, &bytes);
  ck_assert_msg(strstr(text, "at throw (module.pa:"), "%s", text);
  free(text);
  machine.thread->exception = MM_NULL;
  keeps_no_more();
  close_plan();
}
END_TEST

/* An exception that is thrown again has its own trace; what the thread threw
   last is of methods that have ended since. */
START_TEST(what_was_thrown_by_a_method_that_ended_is_not_looked_at)
{
  open_plan(_i, true);
  load();
  union vm_slot args[4] = {{0}}, result = {0};
  vm_throw(machine.thread, VM_ERROR_RUNTIME, "before");
  held[1] = vm_thread_take_exception(machine.thread);
  args[1].ref = machine_string("_GLOBAL::throw");
  args[0].ref = held[0];
  ck_assert(!machine_call("panda.Loader", "invoke", args, &result));
  machine.thread->exception = MM_NULL;
  held[0] = MM_NULL;
  collect();
  ck_assert_uint_eq(unloaded(), 1);
  vm_throw_object(machine.thread, held[1]);
  collect();
  ck_assert_uint_eq(machine.thread->exception.bits != 0, 1);
  machine.thread->exception = MM_NULL;
  close_plan();
}
END_TEST

/* --- What it keeps --- */

START_TEST(it_keeps_what_its_statics_hold)
{
  open_plan(_i, true);
  load();
  call("invoke", "_GLOBAL::keep");
  struct mm_ref string = call("invokeObject", "_GLOBAL::string");
  (void)string;
  keeps(call("create", "Impl")); /* not even the loader's object */
  struct vm_loader *loader = vm_class_of(held[1])->loader;
  held[0] = loader->object;
  union vm_slot args[4] = {{0}}, result = {0};
  args[1].ref = machine_string("_GLOBAL::check");
  args[0].ref = held[0];
  ck_assert(machine_call("panda.Loader", "invoke", args, &result));
  ck_assert_int_eq(result.i32, 100);
  keeps_no_more();
  close_plan();
}
END_TEST

/* The owner's statics refer to instances, which refer to the owner. */
START_TEST(a_ring_of_a_loader_and_what_it_keeps_ends)
{
  open_plan(_i, true);
  load();
  call("invoke", "_GLOBAL::keep");
  call("invokeObject", "_GLOBAL::string");
  call("findClass", "Impl");
  call("findClass", "Impl[]");
  keeps_no_more();
  close_plan();
}
END_TEST

START_TEST(with_class_unloading_off_none_ends)
{
  open_plan(_i, false);
  load();
  call("invoke", "_GLOBAL::keep");
  held[0] = MM_NULL;
  collect();
  ck_assert_uint_eq(unloaded(), 0);
  held[0] = machine.vm->boot->next->object;
  call("invoke", "_GLOBAL::check");
  close_plan();
}
END_TEST

/* --- Its memory --- */

static void load_and_forget(void)
{
  for (int i = 0; i < LOADS; i++) {
    load();
    call("invoke", "_GLOBAL::keep");
    held[1] = call("create", "Impl");
  }
  held[0] = held[1] = MM_NULL;
  collect();
}

START_TEST(all_its_memory_is_given_back)
{
  uint64_t before[MM_PURPOSE_COUNT];
  open_plan(_i, true);
  load_and_forget();
  for (unsigned p = 0; p < MM_PURPOSE_COUNT; p++)
    before[p] = mm_native_bytes(p);
  for (int i = 0; i < 3; i++)
    load_and_forget();
  ck_assert_uint_eq(unloaded(), 4 * LOADS);
  static const unsigned of_modules[] = {VM_PURPOSE_MODULES, VM_PURPOSE_CLASSES,
                                        VM_PURPOSE_CODE, VM_PURPOSE_VERIFIER,
                                        MM_PURPOSE_METADATA};
  for (size_t i = 0; i < sizeof of_modules / sizeof of_modules[0]; i++)
    ck_assert_uint_le(mm_native_bytes(of_modules[i]), before[of_modules[i]]);
  close_plan();
}
END_TEST

int main(void)
{
  const TTest *const each[] = {
      a_loader_that_nothing_reaches_ends,
      its_object_keeps_it,
      an_instance_keeps_it,
      an_array_of_arrays_keeps_it,
      a_class_object_keeps_it,
      a_frame_that_runs_one_of_its_methods_keeps_it,
#ifdef BAMBOO_JIT
      a_method_that_waits_to_be_compiled_does_not_keep_it,
      a_method_that_is_being_compiled_delays_its_end,
#endif
      a_stack_trace_keeps_it,
      what_was_thrown_by_a_method_that_ended_is_not_looked_at,
      it_keeps_what_its_statics_hold,
      a_ring_of_a_loader_and_what_it_keeps_ends,
      with_class_unloading_off_none_ends,
      all_its_memory_is_given_back,
  };
  TCase *tests = tcase_create("unloading");
  tcase_set_timeout(tests, 120);
  for (size_t i = 0; i < sizeof each / sizeof each[0]; i++)
    tcase_add_loop_test(tests, each[i], 0, PLANS);
  return suite_main("core/unloading", (TCase *[]){tests, NULL});
}
