/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mistakes of native code: each is made in a child, which has to end with a
 * message that names the function, what is wrong, and a remedy.
 */
#include "config.h"

#include "tests/unit/native_fixture.h"
#include "tests/unit/suite.h"

#include <pthread.h>
#include <stdlib.h>

#define PROGRAM                                                                \
  CORE_PRELUDE ".record R {\ni32 x\npanda.String s\ni32 fixed <static>\n}\n"   \
               ".record Q {}\n"                                                \
               ".function void R.ctor(R a0) <ctor> {\nreturn.void\n}\n"        \
               ".function i32 R.f(R a0) {\nldai 0\nreturn\n}\n"                \
               ".function i32 g(panda.String a0) {\nldai 0\nreturn\n}\n"       \
               ".function i32 leave_critical(i32[] a0) <native>\n"             \
               ".function panda.String lie() <native>\n"                       \
               ".function i32 cut() {\nmovi v0, 4\nnewarr v1, v0, i32[]\n"     \
               "call leave_critical, v1\nreturn\n}\n"                          \
               ".function i32 fib() {\ncall lie\nldai 0\nreturn\n}\n"

static int32_t leave_critical(struct bamboo_env *env, bamboo_class self,
                              bamboo_array array)
{
  (void)self;
  env->get_critical(env, array);
  return 0;
}

static bamboo_string lie(struct bamboo_env *env, bamboo_class self)
{
  (void)env;
  return self;
}

static void setup(void)
{
  machine_open();
  core_load("t.pa", PROGRAM);
  native_bind_to("_GLOBAL", "leave_critical", (bamboo_function)leave_critical);
  native_bind_to("_GLOBAL", "lie", (bamboo_function)lie);
}

static bamboo_object some(struct bamboo_env *env, const char *class)
{
  return env->alloc_object(env, env->find_class(env, class));
}

/* A mistake, and what has to be said of it. */
#define MISTAKE(name, text)                                                    \
  static void name##_body(struct bamboo_env *env);                             \
  START_TEST(name)                                                             \
  {                                                                            \
    native_dies(name##_body, text);                                            \
  }                                                                            \
  END_TEST                                                                     \
  static void name##_body(struct bamboo_env *env)

MISTAKE(a_deleted_handle, "get_object_class: local handle")
{
  bamboo_object object = some(env, "R");
  env->delete_local(env, object);
  env->get_object_class(env, object);
}

MISTAKE(a_handle_of_a_closed_frame, "is_same: local handle")
{
  env->push_frame(env, 4);
  bamboo_object object = some(env, "R");
  env->pop_frame(env, NULL);
  env->is_same(env, object, NULL);
}

MISTAKE(a_global_handle_deleted_twice, "delete_global: global handle")
{
  bamboo_object global = env->new_global(env, some(env, "R"));
  env->delete_global(env, global);
  env->delete_global(env, global);
}

MISTAKE(a_handle_of_the_wrong_kind, "delete_global: local handle")
{
  env->delete_global(env, some(env, "R"));
}

MISTAKE(a_local_handle_deleted_as_weak, "delete_weak: local handle")
{
  env->delete_weak(env, some(env, "R"));
}

MISTAKE(a_global_handle_deleted_as_local, "delete_local: global handle")
{
  env->delete_local(env, env->new_global(env, some(env, "R")));
}

MISTAKE(a_weak_handle_deleted_as_global, "delete_global: weak global handle")
{
  env->delete_global(env, env->new_weak(env, some(env, "R")));
}

MISTAKE(a_weak_handle_deleted_twice, "delete_weak: weak global handle")
{
  bamboo_object weak = env->new_weak(env, some(env, "R"));
  env->delete_weak(env, weak);
  env->delete_weak(env, weak);
}

MISTAKE(a_new_handle_of_a_deleted_one, "new_global: local handle")
{
  bamboo_object object = some(env, "R");
  env->delete_local(env, object);
  env->new_global(env, object);
}

MISTAKE(a_deleted_argument, "local handle")
{
  bamboo_class global = env->find_class(env, "_GLOBAL");
  bamboo_method g = env->static_method_id(env, global, "g", NULL);
  bamboo_string text = env->new_string(env, "x");
  env->delete_local(env, text);
  env->call_static_i32(env, global, g, text);
}

MISTAKE(a_number_that_is_no_handle, "is_instance: 0x")
{
  env->is_instance(env, (bamboo_object)&env, env->find_class(env, "R"));
}

MISTAKE(an_object_that_is_no_class, "it wants a class and got an object of R")
{
  env->get_superclass(env, some(env, "R"));
}

MISTAKE(an_object_that_is_no_array, "it wants an array and got an object of R")
{
  env->array_length(env, some(env, "R"));
}

MISTAKE(an_array_of_another_type,
        "get_i64_elements: it is for arrays of another type than i32[]")
{
  env->get_i64_elements(env, env->new_i32_array(env, 1), NULL);
}

MISTAKE(an_object_that_is_no_string, "it wants a string and got an object of R")
{
  env->string_length(env, some(env, "R"));
}

MISTAKE(a_field_of_another_type, "get_i64: field R.x is of type i32")
{
  bamboo_field x = env->field_id(env, env->find_class(env, "R"), "x", NULL);
  env->get_i64(env, some(env, "R"), x);
}

MISTAKE(a_static_field_of_an_object, "get_i32: field R.fixed is static")
{
  bamboo_field fixed =
      env->static_field_id(env, env->find_class(env, "R"), "fixed", NULL);
  env->get_i32(env, some(env, "R"), fixed);
}

MISTAKE(a_field_of_another_class, "an object of Q has no field R.x")
{
  bamboo_field x = env->field_id(env, env->find_class(env, "R"), "x", NULL);
  env->set_i32(env, some(env, "Q"), x, 1);
}

MISTAKE(no_field, "get_i32: the field is NULL")
{
  env->get_i32(env, some(env, "R"), NULL);
}

MISTAKE(a_reference_of_another_class,
        "a Q cannot be stored in field R.s, which is a panda.String")
{
  bamboo_field s = env->field_id(env, env->find_class(env, "R"), "s", NULL);
  env->set_object(env, some(env, "R"), s, some(env, "Q"));
}

MISTAKE(a_method_that_returns_another_type, "method R.f returns i32")
{
  bamboo_method f = env->method_id(env, env->find_class(env, "R"), "f", NULL);
  env->call_i64(env, some(env, "R"), f);
}

MISTAKE(a_method_of_an_object_called_without, "method R.f is not static")
{
  bamboo_class r = env->find_class(env, "R");
  env->call_static_i32(env, r, env->method_id(env, r, "f", NULL));
}

MISTAKE(a_method_of_another_class, "an object of Q has no method R.f")
{
  bamboo_method f = env->method_id(env, env->find_class(env, "R"), "f", NULL);
  env->call_i32(env, some(env, "Q"), f);
}

MISTAKE(no_method, "call_i32: the method is NULL")
{
  env->call_i32(env, some(env, "R"), NULL);
}

MISTAKE(no_constructor, "method R.f is no constructor")
{
  bamboo_class r = env->find_class(env, "R");
  /* Returns an i32, which is said first; so the type is asked of another. */
  bamboo_method f = env->method_id(env, r, "f", NULL);
  ((struct vm_method *)f)->return_prim = VM_PRIM_VOID;
  env->new_object(env, r, f);
}

MISTAKE(an_argument_of_another_class,
        "a Q cannot be passed as parameter 0 of _GLOBAL.g, which is a "
        "panda.String")
{
  bamboo_class global = env->find_class(env, "_GLOBAL");
  bamboo_method g = env->static_method_id(env, global, "g", NULL);
  env->call_static_i32(env, global, g, some(env, "Q"));
}

MISTAKE(a_call_with_an_exception_pending,
        "find_class: it is called while a panda.NullPointerException is "
        "pending")
{
  env->throw_object(env, NULL);
  env->find_class(env, "R");
}

MISTAKE(a_call_within_a_critical_region,
        "find_class: it is called within a critical region")
{
  env->get_critical(env, env->new_i32_array(env, 1));
  env->find_class(env, "R");
}

MISTAKE(a_return_within_a_critical_region,
        "leave_critical: it returned with 1 critical region open")
{
  bamboo_class global = env->find_class(env, "_GLOBAL");
  env->call_static_i32(env, global,
                       env->static_method_id(env, global, "cut", NULL));
}

MISTAKE(a_region_that_was_not_opened, "no critical region is open")
{
  bamboo_array array = env->new_i32_array(env, 1);
  void *elements = env->get_critical(env, array);
  env->release_critical(env, array, elements);
  env->release_critical(env, array, elements);
}

MISTAKE(elements_of_another_array, "are not the elements of this array")
{
  bamboo_array one = env->new_i32_array(env, 1);
  bamboo_array other = env->new_i32_array(env, 1);
  env->get_critical(env, other);
  env->release_critical(env, one, env->get_critical(env, other));
}

MISTAKE(references_in_a_critical_region,
        "the elements of panda.String[] are references")
{
  bamboo_class string = env->find_class(env, "panda.String");
  env->get_critical(env, env->new_object_array(env, 1, string, NULL));
}

MISTAKE(elements_released_twice, "release_i32_elements: 0x")
{
  bamboo_array array = env->new_i32_array(env, 1);
  int32_t *elements = env->get_i32_elements(env, array, NULL);
  env->release_i32_elements(env, array, elements, BAMBOO_KEEP);
  env->release_i32_elements(env, array, elements, BAMBOO_KEEP);
}

MISTAKE(elements_released_with_another_array,
        "the elements are those of another array")
{
  int32_t *elements =
      env->get_i32_elements(env, env->new_i32_array(env, 2), NULL);
  env->release_i32_elements(env, env->new_i32_array(env, 1), elements,
                            BAMBOO_KEEP);
}

MISTAKE(a_text_that_was_not_got, "is no text that this thread got")
{
  env->release_utf8(env, env->new_string(env, "x"), "x");
}

MISTAKE(a_frame_that_was_not_pushed, "pop_frame: no frame was pushed")
{
  env->pop_frame(env, NULL);
}

MISTAKE(an_exception_without_a_message, "R is no class of exceptions")
{
  env->throw_new(env, env->find_class(env, "R"), "x");
}

MISTAKE(an_object_that_is_not_what_was_declared,
        "lie: it returned a panda.Class, and is declared to return a "
        "panda.String")
{
  bamboo_class global = env->find_class(env, "_GLOBAL");
  env->call_static_i32(env, global,
                       env->static_method_id(env, global, "fib", NULL));
}

MISTAKE(a_callback_without_its_object, "method R.f is not static")
{
  bamboo_class r = env->find_class(env, "R");
  env->new_callback(env, NULL, env->method_id(env, r, "f", NULL), false);
}

MISTAKE(no_callback, "delete_callback: this is no callback")
{
  env->delete_callback(env, (bamboo_function)abort);
}

MISTAKE(a_callback_in_a_critical_region,
        "f: a callback is called within a critical region")
{
  bamboo_class r = env->find_class(env, "R");
  int32_t (*call)(void) = (int32_t(*)(void))env->new_callback(
      env, some(env, "R"), env->method_id(env, r, "f", NULL), false);
  env->get_critical(env, env->new_i32_array(env, 1));
  call();
}

MISTAKE(what_native_code_calls_fatal, "fatal_error: no way on")
{
  env->fatal_error(env, "no way on");
}

/* --- Other threads --- */

static int32_t (*foreign_call)(void);

static void *use_table(void *context)
{
  struct bamboo_env *env = context;
  env->find_class(env, "R");
  return NULL;
}

static void *use_callback(void *context)
{
  (void)context;
  foreign_call();
  return NULL;
}

static void on_another_thread(void *(*run)(void *), void *context)
{
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, run, context), 0);
  pthread_join(thread, NULL);
}

MISTAKE(the_table_of_another_thread, "the table belongs to another thread")
{
  on_another_thread(use_table, env);
}

/* What another thread of the machine gets to see. */
static struct bamboo_vm *own_vm;
static bamboo_object foreign_object;
static int32_t *foreign_elements;

static void *use_foreign_handle(void *context)
{
  struct bamboo_env *env = own_vm->attach(own_vm, NULL);
  (void)context;
  env->get_object_class(env, foreign_object);
  return NULL;
}

static void *release_foreign_elements(void *context)
{
  struct bamboo_env *env = own_vm->attach(own_vm, NULL);
  (void)context;
  env->release_i32_elements(env, foreign_object, foreign_elements, BAMBOO_KEEP);
  return NULL;
}

MISTAKE(a_local_handle_of_another_thread,
        "pass objects between threads in global handles")
{
  own_vm = env->get_vm(env);
  foreign_object = some(env, "R");
  on_another_thread(use_foreign_handle, NULL);
}

MISTAKE(elements_released_on_another_thread,
        "are no elements that this thread got")
{
  own_vm = env->get_vm(env);
  foreign_object = env->new_global(env, env->new_i32_array(env, 3));
  foreign_elements = env->get_i32_elements(env, foreign_object, NULL);
  on_another_thread(release_foreign_elements, NULL);
}

MISTAKE(a_callback_on_a_thread_that_is_not_attached,
        "a callback is called on a thread that is none of the machine's")
{
  bamboo_class r = env->find_class(env, "R");
  foreign_call = (int32_t(*)(void))env->new_callback(
      env, some(env, "R"), env->method_id(env, r, "f", NULL), false);
  on_another_thread(use_callback, NULL);
}

int main(void)
{
  TCase *tests = tcase_create("misuse");
  tcase_add_checked_fixture(tests, setup, machine_close);
  tcase_add_test(tests, a_deleted_handle);
  tcase_add_test(tests, a_handle_of_a_closed_frame);
  tcase_add_test(tests, a_global_handle_deleted_twice);
  tcase_add_test(tests, a_handle_of_the_wrong_kind);
  tcase_add_test(tests, a_local_handle_deleted_as_weak);
  tcase_add_test(tests, a_global_handle_deleted_as_local);
  tcase_add_test(tests, a_weak_handle_deleted_as_global);
  tcase_add_test(tests, a_weak_handle_deleted_twice);
  tcase_add_test(tests, a_new_handle_of_a_deleted_one);
  tcase_add_test(tests, a_deleted_argument);
  tcase_add_test(tests, a_number_that_is_no_handle);
  tcase_add_test(tests, an_object_that_is_no_class);
  tcase_add_test(tests, an_object_that_is_no_array);
  tcase_add_test(tests, an_array_of_another_type);
  tcase_add_test(tests, an_object_that_is_no_string);
  tcase_add_test(tests, a_field_of_another_type);
  tcase_add_test(tests, a_static_field_of_an_object);
  tcase_add_test(tests, a_field_of_another_class);
  tcase_add_test(tests, no_field);
  tcase_add_test(tests, a_reference_of_another_class);
  tcase_add_test(tests, a_method_that_returns_another_type);
  tcase_add_test(tests, a_method_of_an_object_called_without);
  tcase_add_test(tests, a_method_of_another_class);
  tcase_add_test(tests, no_method);
  tcase_add_test(tests, no_constructor);
  tcase_add_test(tests, an_argument_of_another_class);
  tcase_add_test(tests, a_call_with_an_exception_pending);
  tcase_add_test(tests, a_call_within_a_critical_region);
  tcase_add_test(tests, a_return_within_a_critical_region);
  tcase_add_test(tests, a_region_that_was_not_opened);
  tcase_add_test(tests, elements_of_another_array);
  tcase_add_test(tests, references_in_a_critical_region);
  tcase_add_test(tests, elements_released_twice);
  tcase_add_test(tests, elements_released_with_another_array);
  tcase_add_test(tests, a_text_that_was_not_got);
  tcase_add_test(tests, a_frame_that_was_not_pushed);
  tcase_add_test(tests, an_exception_without_a_message);
  tcase_add_test(tests, an_object_that_is_not_what_was_declared);
  tcase_add_test(tests, a_callback_without_its_object);
  tcase_add_test(tests, no_callback);
  tcase_add_test(tests, a_callback_in_a_critical_region);
  tcase_add_test(tests, what_native_code_calls_fatal);
  tcase_add_test(tests, the_table_of_another_thread);
  tcase_add_test(tests, a_local_handle_of_another_thread);
  tcase_add_test(tests, elements_released_on_another_thread);
  tcase_add_test(tests, a_callback_on_a_thread_that_is_not_attached);
  return suite_main("native misuse", (TCase *[]){tests, NULL});
}
