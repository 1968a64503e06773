/* SPDX-License-Identifier: Apache-2.0 */
/* Natives and modules that are loaded while the program runs. */
#include "config.h"

#include "tests/unit/native_fixture.h"
#include "tests/unit/suite.h"

#include <dlfcn.h>

#include "mm/native.h"
#include "vm/native/native_internal.h"
#include "vm/core/core_internal.h"
#include "vm/core/purposes.h"

static const char *const module =
    ".record panda.Object <external>\n"
    ".record Impl {\nImpl kept <static>\nImpl next\n}\n"
    ".function i32 Impl.twice(i32 a0) <static> {\n"
    "lda a0\nadd2 a0\nreturn\n}\n"
    ".function i32 Impl.native(Impl a0) <native>\n"
    ".function Impl Impl.other() <native, static>\n"
    ".function i32 Impl.callOther() <static> {\n"
    "call Impl.other\nldai 1\nreturn\n}\n";

/* The class Impl of a module that is loaded for it. */
static bamboo_class load(struct bamboo_env *env)
{
  bamboo_class loaders = env->find_class(env, "panda.Loader");
  bamboo_method load_text =
      env->static_method_id(env, loaders, "loadText", NULL);
  bamboo_method find = env->method_id(env, loaders, "findClass", NULL);
  bamboo_object loader = env->call_static_object(
      env, loaders, load_text, env->new_string(env, module),
      env->new_string(env, "module.pa"));
  ck_assert(!env->exception_check(env));
  bamboo_class found =
      env->call_object(env, loader, find, env->new_string(env, "Impl"));
  ck_assert(!env->exception_check(env));
  ck_assert_ptr_nonnull(found);
  return found;
}

static uint64_t unloaded(void)
{
  return vm_core_of(machine.vm)->loaders.unloaded;
}

static void collect(struct bamboo_env *env)
{
  for (int i = 0; i < 3; i++)
    native_collect(env);
}

/* --- What a type means --- */

static bamboo_field kept_field(struct bamboo_env *env, bamboo_class class_)
{
  return env->static_field_id(env, class_, "kept", "Impl");
}

static void store_own(struct bamboo_env *env)
{
  bamboo_class one = load(env), two = load(env);
  bamboo_object first = env->alloc_object(env, one);
  env->set_static_object(env, one, kept_field(env, one), first);
  env->set_static_object(env, two, kept_field(env, two),
                         env->alloc_object(env, two));
  env->set_object(env, first, env->field_id(env, one, "next", "Impl"), first);
  ck_assert(env->is_same(
      env, env->get_static_object(env, one, kept_field(env, one)), first));
  ck_assert(!env->is_assignable(env, one, two));
}

static void store_into_static_of_another(struct bamboo_env *env)
{
  bamboo_class one = load(env), two = load(env);
  env->set_static_object(env, one, kept_field(env, one),
                         env->alloc_object(env, two));
}

static void store_into_field_of_another(struct bamboo_env *env)
{
  bamboo_class one = load(env), two = load(env);
  env->set_object(env, env->alloc_object(env, one),
                  env->field_id(env, one, "next", "Impl"),
                  env->alloc_object(env, two));
}

START_TEST(records_of_one_name_are_told_apart)
{
  native_run(store_own);
  native_dies(store_into_static_of_another,
              "a Impl cannot be stored in field Impl.kept");
  native_dies(store_into_field_of_another,
              "a Impl cannot be stored in field Impl.next");
}
END_TEST

static bamboo_object not_mine; /* global */

static bamboo_object return_it(struct bamboo_env *env, bamboo_class class_)
{
  (void)class_;
  return env->new_local(env, not_mine);
}

static void bind_other(struct bamboo_env *env, bamboo_class class_)
{
  struct bamboo_native native = {"other", NULL, (bamboo_function)return_it};
  ck_assert(env->register_natives(env, class_, &native, 1));
}

static int call_other(struct bamboo_env *env, bool of_another)
{
  bamboo_class one = load(env), two = load(env);
  bind_other(env, one);
  not_mine =
      env->new_global(env, env->alloc_object(env, of_another ? two : one));
  bamboo_method method = env->static_method_id(env, one, "callOther", "i32()");
  int result = env->call_static_i32(env, one, method);
  env->delete_global(env, not_mine);
  return result;
}

static void return_own(struct bamboo_env *env)
{
  ck_assert_int_eq(call_other(env, false), 1);
}

static void return_of_another(struct bamboo_env *env)
{
  call_other(env, true);
}

START_TEST(what_a_native_returns_is_of_its_own_loader)
{
  native_run(return_own);
  native_dies(return_of_another, "it returned a Impl");
}
END_TEST

/* --- What natives keep --- */

typedef int32_t callback_type(int32_t value);
static callback_type *twice;

static void make_callback(struct bamboo_env *env)
{
  bamboo_class impl = load(env);
  bamboo_method method = env->static_method_id(env, impl, "twice", "i32(i32)");
  twice = (callback_type *)env->new_callback(env, NULL, method, false);
  ck_assert_ptr_nonnull(twice);
}

static void call_and_delete(struct bamboo_env *env)
{
  collect(env);
  ck_assert_uint_eq(unloaded(), 0);
  ck_assert_int_eq(twice(21), 42);
  env->delete_callback(env, (bamboo_function)twice);
  collect(env);
  ck_assert_uint_eq(unloaded(), 1);
}

START_TEST(a_callback_keeps_the_class_of_its_method)
{
  native_run(make_callback);
  native_run(call_and_delete);
}
END_TEST

static bamboo_class kept_class; /* global */

static void keep_class(struct bamboo_env *env)
{
  kept_class = env->new_global(env, load(env));
}

static void use_and_forget(struct bamboo_env *env)
{
  collect(env);
  ck_assert_uint_eq(unloaded(), 0);
  bamboo_method method =
      env->static_method_id(env, kept_class, "twice", "i32(i32)");
  ck_assert_int_eq(env->call_static_i32(env, kept_class, method, 4), 8);
  env->delete_global(env, kept_class);
  collect(env);
  ck_assert_uint_eq(unloaded(), 1);
}

START_TEST(a_global_handle_of_a_class_keeps_it)
{
  native_run(keep_class);
  native_run(use_and_forget);
}
END_TEST

static int32_t seven(struct bamboo_env *env, bamboo_object self)
{
  (void)env;
  (void)self;
  return 7;
}

static void bind_and_call(struct bamboo_env *env)
{
  bamboo_class impl = load(env);
  struct bamboo_native native = {"native", NULL, (bamboo_function)seven};
  ck_assert(env->register_natives(env, impl, &native, 1));
  bamboo_method method = env->method_id(env, impl, "native", "i32()");
  ck_assert_int_eq(env->call_i32(env, env->alloc_object(env, impl), method), 7);
}

static void collect_only(struct bamboo_env *env)
{
  collect(env);
}

static uint64_t native_bytes(void)
{
  native_run(collect_only);
  vm_loaders_free_dead(machine.vm, machine.thread);
  return mm_native_bytes(VM_PURPOSE_NATIVES);
}

START_TEST(what_binds_natives_goes_with_their_class)
{
  native_run(bind_and_call); /* signatures stay */
  uint64_t before = native_bytes();
  for (int i = 0; i < 20; i++)
    native_run(bind_and_call);
  ck_assert_uint_eq(native_bytes(), before);
  ck_assert_uint_eq(unloaded(), 21);
}
END_TEST

static void setup(void)
{
  machine_open();
  core_load("t.pa", CORE_PRELUDE);
}

/* --- Libraries --- */

static const char *const library = "./programs/native/natives.so";

/* Opened by somebody, and not closed yet. */
static bool is_open(void)
{
  void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  if (handle)
    dlclose(handle);
  return handle != NULL;
}

static void use_library(struct bamboo_env *env)
{
  static const char *const text =
      ".record R {}\n"
      ".function f64 hypotenuse(f64 a0, f64 a1) <native>\n"
      ".function f64 R.five() <static> {\n"
      "fmovi.64 v0, 3.0\nfmovi.64 v1, 4.0\ncall hypotenuse, v0, v1\n"
      "return.64\n}\n";
  bamboo_class loaders = env->find_class(env, "panda.Loader");
  bamboo_method load_text =
      env->static_method_id(env, loaders, "loadText", NULL);
  bamboo_object loader = env->call_static_object(env, loaders, load_text,
                                                 env->new_string(env, text),
                                                 env->new_string(env, "r.pa"));
  bamboo_class record = env->call_object(
      env, loader, env->method_id(env, loaders, "findClass", NULL),
      env->new_string(env, "R"));
  bamboo_method five = env->static_method_id(env, record, "five", "f64()");
  env->call_static_f64(env, record, five);
  native_expect(env, "panda.NoSuchMethodError");
  bamboo_method load_library =
      env->method_id(env, loaders, "loadLibrary", NULL);
  env->call_void(env, loader, load_library,
                 env->new_string(env, "./nowhere.so"));
  native_expect(env, "panda.LoadException");
  env->call_void(env, loader, load_library, env->new_string(env, library));
  ck_assert(!env->exception_check(env));
  ck_assert(is_open());
  ck_assert_double_eq_tol(env->call_static_f64(env, record, five), 5, 1e-9);
}

static void is_missing_elsewhere(struct bamboo_env *env)
{
  core_load("u.pa", ".record U {}\n"
                    ".function f64 hypotenuse(f64 a0, f64 a1) <native>\n"
                    ".function f64 U.five() <static> {\n"
                    "fmovi.64 v0, 3.0\nfmovi.64 v1, 4.0\n"
                    "call hypotenuse, v0, v1\nreturn.64\n}\n");
  machine.vm->natives->is_unverified = true;
  bamboo_class record = env->find_class(env, "U");
  env->call_static_f64(env, record,
                       env->static_method_id(env, record, "five", NULL));
  native_expect(env, "panda.NoSuchMethodError");
  collect(env);
  ck_assert(is_open());
}

/* By the next thread that loads something. */
START_TEST(a_loaders_library_is_its_own_and_is_closed_after_it)
{
  native_run(use_library);
  ck_assert(is_open());
  native_run(is_missing_elsewhere);
  ck_assert_uint_eq(unloaded(), 1);
  native_run(bind_and_call);
  ck_assert(!is_open());
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("loaders");
  tcase_add_checked_fixture(tests, setup, machine_close);
  tcase_add_test(tests, records_of_one_name_are_told_apart);
  tcase_add_test(tests, what_a_native_returns_is_of_its_own_loader);
  tcase_add_test(tests, a_callback_keeps_the_class_of_its_method);
  tcase_add_test(tests, a_global_handle_of_a_class_keeps_it);
  tcase_add_test(tests, what_binds_natives_goes_with_their_class);
  tcase_add_test(tests, a_loaders_library_is_its_own_and_is_closed_after_it);
  return suite_main("native loaders", (TCase *[]){tests, NULL});
}
