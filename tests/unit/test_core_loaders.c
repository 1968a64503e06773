/* SPDX-License-Identifier: Apache-2.0 */
/* Loaders: modules loaded while the machine runs, name spaces, and what
   panda.Loader lets programs do with them. */
#include "config.h"

#include "tests/unit/core_fixture.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

#include "mm/native.h"
#include "vm/core/core_internal.h"
#include "vm/core/object.h"
#include "vm/core/trace_internal.h"

enum { THREADS = 4, LOADS = 50 };

/* --- Loading --- */

static bool load_text(const char *text, struct mm_ref *object)
{
  union vm_slot args[4] = {{0}}, result = {0};
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] = machine_string(text);
  args[1].ref = machine_string("module.pa");
  args[0].ref = held[0];
  mm_scope_close(&machine.thread->mutator, &scope);
  bool ok = machine_call("panda.Loader", "loadText", args, &result);
  *object = result.ref;
  return ok;
}

static struct vm_loader *load(const char *text)
{
  struct mm_ref object;
  if (!load_text(text, &object))
    machine_expect("panda.LoadException", "no text would be right");
  struct vm_loader *loader = vm_loader_of(object);
  ck_assert_uint_eq(loader->object.bits, object.bits);
  return loader;
}

static void load_refused(const char *text, const char *part)
{
  struct mm_ref object;
  ck_assert(!load_text(text, &object));
  machine_expect("panda.LoadException", part);
}

static struct vm_class *class_in(struct vm_loader *loader, const char *name)
{
  struct vm_class *class;
  ck_assert(vm_loader_look_up(loader, name, &class));
  return class;
}

static bool call_string(const char *native, struct vm_loader *loader,
                        const char *name, union vm_slot *result)
{
  union vm_slot args[4] = {{0}};
  args[1].ref = machine_string(name);
  args[0].ref = loader->object;
  return machine_call("panda.Loader", native, args, result);
}

static int invoke(struct vm_loader *loader, const char *function)
{
  union vm_slot result = {0};
  bool ok = call_string("invoke", loader, function, &result);
  if (!ok)
    vm_trace_report(machine.thread, stderr);
  ck_assert(ok);
  return result.i32;
}

static void invoke_throws(struct vm_loader *loader, const char *function,
                          const char *class)
{
  union vm_slot result;
  ck_assert(!call_string("invoke", loader, function, &result));
  ck_assert_str_eq(vm_class_of(machine.thread->exception)->name, class);
  machine.thread->exception = MM_NULL;
}

/* The program's own file; its bodies are verified as when it runs. */
static void run_beside(const char *text)
{
  core_load("t.pa", text);
  ck_assert(vm_verify_loaded(machine.vm));
}

/* What the program has. */
static const char *const program =
    ".record panda.Object <external>\n"
    ".record Point {\ni32 x\n}\n"
    ".record Plugin {\nPoint at\n}\n"
    ".function i32 Plugin.use(Plugin a0, Point a1) {\nldai 1\nreturn\n}\n"
    ".function i32 Plugin.plain(Plugin a0) {\nldai 1\nreturn\n}\n"
    ".function i32 twice(i32 a0) {\nlda a0\nadd2 a0\nreturn\n}\n";

/* --- Names --- */

START_TEST(each_loader_has_records_of_its_own)
{
  struct vm_loader *a = load(".record R {\ni32 x\n}\n");
  struct vm_loader *b = load(".record R {\ni64 y\ni64 z\n}\n");
  ck_assert_ptr_null(vm_class_find(machine.vm, "R"));
  ck_assert_ptr_ne(class_in(a, "R"), class_in(b, "R"));
  ck_assert_uint_eq(class_in(a, "R")->field_count, 1);
  ck_assert_uint_eq(class_in(b, "R")->field_count, 2);
  ck_assert_ptr_eq(class_in(b, "R")->loader, b);
}
END_TEST

START_TEST(a_loaders_record_comes_before_the_programs)
{
  run_beside(program);
  struct vm_loader *own = load(".record Point {\ni64 y\ni64 z\n}\n");
  struct vm_loader *other = load(".record Point <external>\n.record R {}\n");
  ck_assert_ptr_eq(class_in(own, "Point")->loader, own);
  ck_assert_ptr_eq(class_in(other, "Point"), core_class("Point"));
  ck_assert_uint_eq(core_class("Point")->field_count, 1);
}
END_TEST

START_TEST(the_librarys_record_comes_before_a_loaders)
{
  struct vm_loader *loader =
      load(".record panda.String {\ni32 x\n}\n"
           ".record R {\npanda.String s\n}\n"
           ".function i32 f() {\nlda.str \"a\"\nsta.obj v0\nnewobj v1, R\n"
           "lda.obj v0\nstobj.obj v1, R.s\nldai 3\nreturn\n}\n");
  ck_assert_ptr_eq(class_in(loader, "panda.String"), machine.vm->known.string);
  ck_assert_int_eq(invoke(loader, "_GLOBAL::f"), 3);
}
END_TEST

START_TEST(arrays_belong_to_the_loader_of_their_elements)
{
  run_beside(program);
  struct vm_class *boots = core_class("Point[]");
  struct vm_loader *own = load(".record Point {}\n");
  struct vm_class *array = class_in(own, "Point[][]");
  ck_assert_ptr_eq(array->loader, own);
  ck_assert_ptr_eq(array->element->element, class_in(own, "Point"));
  ck_assert_ptr_ne(class_in(own, "Point[]"), boots);
  ck_assert_ptr_eq(class_in(own, "Plugin[]"), core_class("Plugin[]"));
  ck_assert_ptr_eq(class_in(own, "i32[]"), core_class("i32[]"));
}
END_TEST

START_TEST(functions_without_a_record_are_the_modules_then_the_programs)
{
  run_beside(program);
  struct vm_loader *a =
      load(".function i32 twice(i32 a0) <external>\n"
           ".function i32 f() {\nmovi v0, 4\ncall twice, v0\nreturn\n}\n");
  struct vm_loader *b =
      load(".function i32 twice(i32 a0) {\nldai 5\nreturn\n}\n"
           ".function i32 f() {\nmovi v0, 4\ncall twice, v0\nreturn\n}\n");
  ck_assert_int_eq(invoke(a, "_GLOBAL::f"), 8);
  ck_assert_int_eq(invoke(b, "_GLOBAL::f"), 5);
}
END_TEST

START_TEST(a_loader_does_not_see_anothers_records)
{
  load(".record Hidden {}\n");
  struct vm_loader *loader =
      load(".record Hidden <external>\n"
           ".function i32 f() {\nnewobj v0, Hidden\nldai 1\nreturn\n}\n");
  ck_assert_ptr_null(class_in(loader, "Hidden"));
  invoke_throws(loader, "_GLOBAL::f", "panda.NoClassDefFoundError");
}
END_TEST

/* --- What a name means --- */

/* If names alone decided, use would get a Point of the program and read a
   field that is not there. */
START_TEST(what_takes_another_record_of_the_name_does_not_override)
{
  run_beside(program);
  struct vm_loader *loader =
      load(".record Plugin <external>\n.record Point {\ni64 y\ni64 z\n}\n"
           ".record Impl <extends=Plugin> {}\n"
           ".function i32 Impl.use(Impl a0, Point a1) {\nldai 2\nreturn\n}\n"
           ".function i32 Impl.plain(Impl a0) {\nldai 2\nreturn\n}\n");
  struct vm_class *impl = class_in(loader, "Impl");
  uint32_t use = core_method("Plugin", "use")->vtable_index;
  uint32_t plain = core_method("Plugin", "plain")->vtable_index;
  ck_assert_ptr_eq(impl->vtable[use], core_method("Plugin", "use"));
  ck_assert_ptr_eq(impl->vtable[plain]->owner, impl);
}
END_TEST

START_TEST(what_takes_the_same_record_overrides)
{
  run_beside(program);
  struct vm_loader *loader =
      load(".record Plugin <external>\n.record Point <external>\n"
           ".record Impl <extends=Plugin> {}\n"
           ".function i32 Impl.use(Impl a0, Point a1) {\nldai 2\nreturn\n}\n");
  uint32_t use = core_method("Plugin", "use")->vtable_index;
  struct vm_class *impl = class_in(loader, "Impl");
  ck_assert_ptr_eq(impl->vtable[use]->owner, impl);
}
END_TEST

START_TEST(a_field_of_another_record_of_the_name_is_not_found)
{
  run_beside(program);
  struct vm_loader *loader =
      load(".record Point {\ni64 y\ni64 z\n}\n"
           ".record Plugin <external> {\nPoint at <external>\n}\n"
           ".function i32 f() {\nnewobj v0, Plugin\nnewobj v1, Point\n"
           "lda.obj v1\nstobj.obj v0, Plugin.at\nldai 1\nreturn\n}\n");
  invoke_throws(loader, "_GLOBAL::f", "panda.NoSuchFieldError");
}
END_TEST

START_TEST(a_call_with_another_record_of_the_name_is_not_linked)
{
  run_beside(program);
  struct vm_loader *loader =
      load(".record Point {\ni64 y\ni64 z\n}\n.record Plugin <external>\n"
           ".function i32 Plugin.use(Plugin a0, Point a1) <external>\n"
           ".function i32 f() {\nnewobj v0, Plugin\nnewobj v1, Point\n"
           "call.virt Plugin.use, v0, v1\nreturn\n}\n");
  invoke_throws(loader, "_GLOBAL::f", "panda.NoSuchMethodError");
}
END_TEST

/* Base here is the program's when it is a base's base, and the loader's own
   when it is named: what both A and B extend has no name in the module, so what
   is one or the other is just an object. */
START_TEST(a_common_base_that_is_hidden_by_a_name_is_not_taken_for_it)
{
  run_beside(".record Base {\ni32 x\n}\n"
             ".record Left <extends=Base> {}\n"
             ".record Right <extends=Base> {}\n");
  struct vm_loader *loader = load(
      ".record Left <external>\n.record Right <external>\n"
      ".record panda.VerifyError <external>\n"
      ".record Base {\ni32 a\ni32 b\ni32 secret\n}\n"
      ".function i32 f() {\nb:\nnewobj v0, Left\nldai 0\njeqz other\njmp join\n"
      "other:\nnewobj v0, Right\n"
      "join:\nldobj v0, Base.secret\nreturn\ne:\n"
      "h:\nldai 7\nreturn\n.catch panda.VerifyError, b, e, h\n}\n");
  ck_assert_int_eq(invoke(loader, "_GLOBAL::f"), 7);
}
END_TEST

/* --- What is loaded --- */

START_TEST(statics_and_initialisers_are_each_loaders)
{
  const char *text = ".record R {\ni32 n <static>\n}\n"
                     ".function void R.cctor() <cctor> {\nldai 40\n"
                     "ststatic R.n\nreturn.void\n}\n"
                     ".function i32 R.next() {\nldstatic R.n\naddi 1\n"
                     "ststatic R.n\nldstatic R.n\nreturn\n}\n";
  struct vm_loader *a = load(text), *b = load(text);
  ck_assert_int_eq(invoke(a, "R::next"), 41);
  ck_assert_int_eq(invoke(a, "R::next"), 42);
  ck_assert_int_eq(invoke(b, "R::next"), 41);
}
END_TEST

START_TEST(equal_strings_are_one_whoever_loaded_them)
{
  const char *text = ".record panda.String <external>\n"
                     ".function panda.String f() {\nlda.str \"same\"\n"
                     "return.obj\n}\n";
  union vm_slot a, b;
  ck_assert(call_string("invokeObject", load(text), "_GLOBAL::f", &a));
  ck_assert(call_string("invokeObject", load(text), "_GLOBAL::f", &b));
  ck_assert_uint_eq(a.u64, b.u64);
}
END_TEST

START_TEST(what_a_module_throws_is_caught_by_what_it_extends)
{
  run_beside(
      ".record Trouble <extends=panda.RuntimeException> {}\n"
      ".record panda.RuntimeException <external>\n"
      ".record Job {}\n.function i32 Job.run(Job a0) {\nldai 0\nreturn\n"
      "}\n.function i32 try(Job a0) {\nb:\ncall.virt Job.run, a0\nreturn\n"
      "e:\nh:\nldai 9\nreturn\n.catch Trouble, b, e, h\n}\n");
  struct vm_loader *loader =
      load(".record Trouble <external>\n.record Job <external>\n"
           ".record Deep <extends=Trouble> {}\n"
           ".record Bad <extends=Job> {}\n"
           ".function i32 try(Job a0) <external>\n"
           ".function i32 Bad.run(Bad a0) {\nnewobj v0, Deep\nthrow v0\n}\n"
           ".function i32 f() {\nnewobj v0, Bad\ncall try, v0\nreturn\n}\n");
  ck_assert_int_eq(invoke(loader, "_GLOBAL::f"), 9);
}
END_TEST

START_TEST(a_handler_names_a_class_of_its_own_loader)
{
  run_beside(".record Trouble <extends=panda.RuntimeException> {}\n"
             ".record panda.RuntimeException <external>\n"
             ".function void raise() {\nnewobj v0, Trouble\nthrow v0\n}\n");
  struct vm_loader *loader =
      load(".record panda.RuntimeException <external>\n"
           ".record Trouble <extends=panda.RuntimeException> {}\n"
           ".function void raise() <external>\n"
           ".function i32 f() {\nb:\ncall raise\nldai 0\nreturn\ne:\n"
           "h:\nldai 1\nreturn\nany:\nldai 2\nreturn\n"
           ".catch Trouble, b, e, h\n.catchall b, e, any\n}\n");
  ck_assert_int_eq(invoke(loader, "_GLOBAL::f"), 2);
}
END_TEST

/* --- create, invoke, findClass --- */

START_TEST(create_runs_the_constructor_without_parameters)
{
  struct vm_loader *loader =
      load(".record R {\ni32 x\n}\n"
           ".function void R.ctor(R a0) <ctor> {\nldai 5\nstobj a0, R.x\n"
           "return.void\n}\n"
           ".record S {\ni32 x\n}\n.record T {}\n"
           ".function void T.ctor(T a0, i32 a1) <ctor> {\nreturn.void\n}\n");
  union vm_slot r, s, t;
  ck_assert(call_string("create", loader, "R", &r));
  ck_assert_ptr_eq(vm_class_of(r.ref), class_in(loader, "R"));
  ck_assert_int_eq(*(int32_t *)vm_object_at(r.ref, 8), 5);
  ck_assert(call_string("create", loader, "S", &s));
  ck_assert(!call_string("create", loader, "T", &t));
  machine_expect("panda.NoSuchMethodError", "T.ctor");
  ck_assert(!call_string("create", loader, "U", &t));
  machine.thread->exception = MM_NULL;
  ck_assert(!call_string("create", loader, "S[]", &t));
  machine_expect("panda.InstantiationError", "S[]");
}
END_TEST

START_TEST(what_cannot_be_called_is_told)
{
  struct vm_loader *loader =
      load(".record R {}\n.function i32 R.f(R a0) {\nldai 1\nreturn\n}\n"
           ".function i32 g(i32 a0) {\nlda a0\nreturn\n}\n");
  invoke_throws(loader, "R::f", "panda.NoSuchMethodError");
  invoke_throws(loader, "_GLOBAL::g", "panda.NoSuchMethodError");
  invoke_throws(loader, "_GLOBAL.g", "panda.NoSuchMethodError");
  invoke_throws(loader, "S::f", "panda.NoClassDefFoundError");
}
END_TEST

START_TEST(a_class_that_is_found_is_a_mirror)
{
  struct vm_loader *loader = load(".record R {}\n");
  union vm_slot found = {0};
  ck_assert(call_string("findClass", loader, "R", &found));
  ck_assert_ptr_eq(vm_class_of_mirror(found.ref), class_in(loader, "R"));
  ck_assert(call_string("findClass", loader, "Nothing", &found));
  ck_assert(mm_is_null(found.ref));
}
END_TEST

START_TEST(null_is_refused)
{
  static const char *const natives[] = {"load",   "loadText",     "create",
                                        "invoke", "invokeObject", "findClass"};
  union vm_slot none[4] = {{0}}, result;
  for (size_t i = 0; i < sizeof natives / sizeof natives[0]; i++) {
    ck_assert(!machine_call("panda.Loader", natives[i], none, &result));
    machine_expect("panda.NullPointerException", NULL);
  }
}
END_TEST

/* --- What is not fit --- */

START_TEST(what_does_not_assemble_is_refused_with_its_diagnostics)
{
  load_refused(".record R {\nnothing x\n}\n", "module.pa:2:1: error: ");
  load_refused("rubbish", "module.pa:1:1: error: ");
}
END_TEST

START_TEST(what_has_no_base_is_refused)
{
  load_refused(".record A <external>\n.record B <extends=A> {}\n"
               ".record C <extends=B> {}\n",
               "record `B` extends what is not there: `A`");
}
END_TEST

START_TEST(what_extends_itself_is_refused)
{
  load_refused(".record A <extends=B> {}\n.record B <extends=A> {}\n",
               "extends itself");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_refused)
{
  union vm_slot args[4] = {{0}}, result;
  args[0].ref = machine_string("/nowhere/module.pa");
  ck_assert(!machine_call("panda.Loader", "load", args, &result));
  machine_expect("panda.LoadException", "cannot be read");
}
END_TEST

static void refuse_often(const char *text)
{
  for (int i = 0; i < LOADS; i++)
    load_refused(text, "Nowhere");
  machine_collect();
  machine_collect();
}

START_TEST(what_is_refused_leaves_nothing_behind)
{
  static const char text[] = ".record A {\ni32 x <static>\n}\n"
                             ".function i32 A.f() {\nldai 1\nreturn\n}\n"
                             ".record B <extends=Nowhere> {}\n"
                             ".record Nowhere <external>\n";
  uint64_t before[MM_PURPOSE_COUNT];
  refuse_often(text); /* tables grow, and metadata waits for two collections */
  for (unsigned p = 0; p < MM_PURPOSE_COUNT; p++)
    before[p] = mm_native_bytes(p);
  refuse_often(text);
  for (unsigned p = 0; p < MM_PURPOSE_COUNT; p++)
    ck_assert_uint_le(mm_native_bytes(p), before[p]);
}
END_TEST

/* --- By several threads --- */

static const char *const counting =
    ".record panda.String <external>\n.record Base <external>\n"
    ".record R <extends=Base> {\ni32 n <static>\nR[] all <static>\n}\n"
    ".function i32 R.next() {\nldai 3\nsta v0\nnewarr v1, v0, R[]\n"
    "lda.obj v1\nststatic.obj R.all\nldstatic R.n\naddi 1\n"
    "ststatic R.n\nldstatic R.n\nreturn\n}\n";

static struct mm_ref string_of(struct vm_thread *thread, const char *text)
{
  struct mm_ref string = vm_string_from_utf8(thread, text, strlen(text));
  ck_assert(!mm_is_null(string));
  return string;
}

static vm_native_function *native(const char *name)
{
  return core_method("panda.Loader", name)->native;
}

static void load_and_call(struct vm_thread *thread)
{
  union vm_slot args[2] = {{0}}, result = {0};
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = string_of(thread, counting);
  args[1].ref = string_of(thread, "counting.pa");
  args[0].ref = held[0];
  ck_assert(native("loadText")(thread, args, &result));
  held[0] = result.ref;
  for (int i = 1; i <= 2; i++) {
    args[1].ref = string_of(thread, "R::next");
    args[0].ref = held[0];
    ck_assert(native("invoke")(thread, args, &result));
    ck_assert_int_eq(result.i32, i);
  }
  mm_scope_close(&thread->mutator, &scope);
}

static void *work(void *argument)
{
  struct mm_error error = {{0}};
  struct vm_thread *thread;
  (void)argument;
  ck_assert(vm_thread_create(machine.vm, 1 << 20, &thread, &error) == MM_OK);
  for (int i = 0; i < LOADS; i++)
    load_and_call(thread);
  vm_thread_destroy(thread);
  return NULL;
}

START_TEST(threads_load_beside_each_other)
{
  pthread_t handles[THREADS];
  run_beside(".record Base {}\n");
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&handles[i], NULL, work, NULL), 0);
  for (int i = 0; i < LOADS; i++) {
    load_and_call(machine.thread);
    machine_collect();
  }
  mm_enter_native(&machine.thread->mutator);
  for (int i = 0; i < THREADS; i++)
    pthread_join(handles[i], NULL);
  mm_leave_native(&machine.thread->mutator);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("loaders");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, each_loader_has_records_of_its_own);
  tcase_add_test(tests, a_loaders_record_comes_before_the_programs);
  tcase_add_test(tests, the_librarys_record_comes_before_a_loaders);
  tcase_add_test(tests, arrays_belong_to_the_loader_of_their_elements);
  tcase_add_test(tests,
                 functions_without_a_record_are_the_modules_then_the_programs);
  tcase_add_test(tests, a_loader_does_not_see_anothers_records);
  tcase_add_test(tests,
                 what_takes_another_record_of_the_name_does_not_override);
  tcase_add_test(tests, what_takes_the_same_record_overrides);
  tcase_add_test(tests, a_field_of_another_record_of_the_name_is_not_found);
  tcase_add_test(tests, a_call_with_another_record_of_the_name_is_not_linked);
  tcase_add_test(tests,
                 a_common_base_that_is_hidden_by_a_name_is_not_taken_for_it);
  tcase_add_test(tests, statics_and_initialisers_are_each_loaders);
  tcase_add_test(tests, equal_strings_are_one_whoever_loaded_them);
  tcase_add_test(tests, what_a_module_throws_is_caught_by_what_it_extends);
  tcase_add_test(tests, a_handler_names_a_class_of_its_own_loader);
  tcase_add_test(tests, create_runs_the_constructor_without_parameters);
  tcase_add_test(tests, what_cannot_be_called_is_told);
  tcase_add_test(tests, a_class_that_is_found_is_a_mirror);
  tcase_add_test(tests, null_is_refused);
  tcase_add_test(tests, what_does_not_assemble_is_refused_with_its_diagnostics);
  tcase_add_test(tests, what_has_no_base_is_refused);
  tcase_add_test(tests, what_extends_itself_is_refused);
  tcase_add_test(tests, a_file_that_is_not_there_is_refused);
  tcase_add_test(tests, what_is_refused_leaves_nothing_behind);
  tcase_add_test(tests, threads_load_beside_each_other);
  return machine_main("core/loaders", tests);
}
