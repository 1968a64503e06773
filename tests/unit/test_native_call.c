/* SPDX-License-Identifier: Apache-2.0 */
/* Native methods of programs: binding, calls both ways, callbacks. */
#include "config.h"

#include "tests/unit/native_fixture.h"
#include "tests/unit/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "vm/core/natives.h"
#include "vm/native/native_internal.h"

static void load_and_open(const char *text, const char *library)
{
  struct mm_error error = {{0}};
  core_load("t.pa", text);
  if (library)
    ck_assert_msg(vm_natives_open(machine.thread, NULL, library,
                                  strlen(library), &error) == MM_OK,
                  "%s", error.text);
}

/* --- Plain functions --- */

START_TEST(a_function_of_libm_is_bound_by_its_types)
{
  load_and_open(CORE_PRELUDE
                ".function f64 pow(f64 a0, f64 a1) <native>\n"
                ".function f32 fabsf(f32 a0) <native>\n"
                ".function i32 main() {\nfmovi.64 v0, 2.0\nfmovi.64 v1, 5.0\n"
                "call pow, v0, v1\nf64toi32\nsta v2\nfmovi v3, -10.0\n"
                "call fabsf, v3\nf32toi32\nadd2 v2\nreturn\n}\n",
                "libm.so.6");
  ck_assert_int_eq(core_run(), 42);
}
END_TEST

START_TEST(a_function_that_is_not_there_is_named)
{
  load_and_open(CORE_PRELUDE
                ".record R {}\n"
                ".function i32 R.no_such(i32 a0, panda.String a1) <native>\n"
                ".function i32 main() {\nmovi v0, 1\nmov.null v1\n"
                "call R.no_such, v0, v1\nreturn\n}\n",
                "libm.so.6");
  core_run_uncaught("panda.NoSuchMethodError\nnative method \"R.no_such\" is "
                    "not bound: there is no Bamboo_R_no_1such__i32_2panda_"
                    "String, no Bamboo_R_no_1such and no no_such in libm.so.6\n"
                    "    at R.no_such (native)\n    at main (t.pa:");
}
END_TEST

START_TEST(without_a_library_the_option_is_named)
{
  load_and_open(".function i32 f() <native>\n"
                ".function i32 main() {\ncall f\nreturn\n}\n",
                NULL);
  core_run_uncaught("no library was named: --native-lib=FILE");
}
END_TEST

START_TEST(a_library_that_is_not_there_is_told_with_the_reason)
{
  struct mm_error error = {{0}};
  ck_assert_int_eq(
      vm_natives_open(machine.thread, NULL, "libnowhere.so", 13, &error),
      MM_OS_FAILED);
  ck_assert_ptr_nonnull(strstr(error.text, "`libnowhere.so' (looked for among "
                                           "the system's libraries): "));
  ck_assert_int_eq(
      vm_natives_open(machine.thread, NULL, "./nowhere.so", 12, &error),
      MM_OS_FAILED);
  ck_assert_ptr_nonnull(strstr(error.text, "(taken for a path)"));
}
END_TEST

START_TEST(what_plain_functions_cannot_take_is_refused)
{
  load_and_open(CORE_PRELUDE ".record R {}\n"
                             ".function i32 abs(R a0) <native>\n"
                             ".function i32 main() {\nmov.null v0\n"
                             "call abs, v0\nreturn\n}\n",
                "libc.so.6");
  core_run_uncaught("panda.UnsupportedOperationException\nthe plain C function "
                    "abs of \"abs\" cannot take a R (a0)");
}
END_TEST

START_TEST(texts_and_arrays_are_passed_to_plain_functions)
{
  load_and_open(
      CORE_PRELUDE
      ".function i64 strlen(panda.String a0) <native>\n"
      ".function panda.String strchr(panda.String a0, i32 a1) <native>\n"
      ".function i64 memcpy(i32[] a0, i32[] a1, i64 a2) <native>\n"
      ".function i64 memmove(i32[] a0, i32[] a1, i64 a2) <native>\n"
      ".array from i32 4 { 1 2 3 4 }\n"
      ".function i32 main() {\n"
      "lda.str \"h\\xc3\\xa4llo\"\nsta.obj v0\ncall strlen, v0\nsta.64 v1\n"
      "call IO.printI32, v1\n" /* 6 bytes */
      "movi v2, 0x6c\ncall strchr, v0, v2\nsta.obj v3\n"
      "call IO.printString, v3\n"
      "movi v2, 0x7a\ncall strchr, v0, v2\njnez.obj bad\n" /* NULL is null */
      "lda.const v4, from\nmovi v5, 4\nnewarr v6, v5, i32[]\nmovi.64 v7, 16\n"
      "call memcpy, v6, v4, v7\nldai 3\nldarr v6\nsta v8\n"
      "call IO.printI32, v8\n"
      /* The same array twice is one: only the first 8 bytes move. */
      "movi.64 v7, 8\ncall memmove, v6, v6, v7\nldai 0\nldarr v6\nsta v8\n"
      "call IO.printI32, v8\nmov.null v6\nmovi.64 v7, 0\n"
      "call memcpy, v6, v6, v7\n"
      "ldai 0\nreturn\nbad:\nldai 1\nreturn\n}\n",
      "libc.so.6");
  core_run_prints("6llo41");
}
END_TEST

START_TEST(variadic_functions_get_promoted_arguments)
{
  load_and_open(VARIADIC_PROGRAM, "libc.so.6");
  ck_assert_int_eq(core_run(), 0);
}
END_TEST

START_TEST(variadic_parameters_need_one_before_them)
{
  load_and_open(CORE_PRELUDE
                ".function i32 printf(panda.String a0 <varargs>) <native>\n"
                ".function i32 main() {\nlda.str \"no\"\nsta.obj v0\n"
                "call printf, v0\nreturn\n}\n",
                "libc.so.6");
  core_run_uncaught("panda.UnsupportedOperationException\nthe variadic "
                    "parameters of \"printf\" have none before them");
}
END_TEST

static int32_t never(struct bamboo_env *env, bamboo_class self, int32_t n)
{
  (void)env, (void)self;
  return n;
}

START_TEST(a_function_with_the_table_is_not_variadic)
{
  core_load("t.pa",
            CORE_PRELUDE ".function i32 f(i32 a0, i32 a1 <varargs>) <native>\n"
                         ".function i32 main() {\nldai 1\nreturn\n}\n");
  bool many;
  struct vm_method *method =
      native_find_method(core_class("_GLOBAL"), "f", NULL, true, &many);
  ck_assert(!native_register(machine.thread, method, (bamboo_function)never));
  ck_assert(!mm_is_null(vm_thread_take_exception(machine.thread)));
}
END_TEST

/* --- With the table --- */

#define GREETER                                                                \
  CORE_PRELUDE ".record R {\ni32 x\n}\n"                                       \
               ".function i32 R.add(R a0, i8 a1, u8 a2, i16 a3, u16 a4, i32 "  \
               "a5, u32 a6, i64 a7, u64 a8, f32 a9, f64 a10, u1 a11, "         \
               "panda.String a12) <native>\n"

static int32_t add_all(struct bamboo_env *env, bamboo_object self, int8_t a,
                       uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f,
                       int64_t g, uint64_t h, float i, double j, bool k,
                       bamboo_string l)
{
  bamboo_field x =
      env->field_id(env, env->get_object_class(env, self), "x", "i32");
  bool right = a == -1 && b == 255 && c == -2 && d == 65534 && e == -3 &&
               f == 4294967293u && g == -4 && h == 18446744073709551612u &&
               i == 0.5f && j == 0.25 && k && env->string_length(env, l) == 3;
  return right ? env->get_i32(env, self, x) : -1;
}

START_TEST(arguments_of_each_type_arrive)
{
  core_load("t.pa", GREETER
            ".function i32 main() {\nnewobj v0, R\nmovi v1, 77\nlda v1\n"
            "stobj v0, R.x\n"
            "movi v2, -1\nmovi v3, -1\nmovi v4, -2\nmovi v5, -2\nmovi v6, -3\n"
            "movi v7, -3\nmovi.64 v8, -4\nmovi.64 v9, -4\nfmovi v10, 0.5\n"
            "fmovi.64 v11, 0.25\nmovi v12, 1\nlda.str \"abc\"\nsta.obj v13\n"
            "mov.obj v1, v0\ncall.range R.add, v1\nreturn\n}\n");
  native_bind_to("R", "add", (bamboo_function)add_all);
  ck_assert_int_eq(core_run(), 77);
}
END_TEST

#define RETURNS(X)                                                             \
  X(i8, int8_t, -5)                                                            \
  X(u8, uint8_t, 251)                                                          \
  X(i16, int16_t, -6)                                                          \
  X(u16, uint16_t, 65530)                                                      \
  X(i32, int32_t, -7)                                                          \
  X(u1, bool, 1)
#define RETURNER(name, type, value)                                            \
  static type return_##name(void)                                              \
  {                                                                            \
    return value;                                                              \
  }
RETURNS(RETURNER)
#define DECLARE(name, type, value)                                             \
  ".function " #name " r_" #name "() <native>\n"
#define PRINT(name, type, value)                                               \
  "call r_" #name "\nsta v0\ncall IO.printI32, v0\nmovi v1, 32\n"

START_TEST(narrow_results_are_extended)
{
  core_load("t.pa",
            CORE_PRELUDE RETURNS(DECLARE) ".function i32 main() {\n" RETURNS(
                PRINT) "ldai 0\nreturn\n}\n");
#define BIND(name, type, value)                                                \
  native_bind_to("_GLOBAL", "r_" #name, (bamboo_function)return_##name);
  RETURNS(BIND)
  core_run_prints("-5251-665530-71");
}
END_TEST

static bamboo_string join(struct bamboo_env *env, bamboo_class self,
                          bamboo_string one, bamboo_string other)
{
  char text[64];
  const char *a = env->get_utf8(env, one, NULL);
  native_collect(env);
  const char *b = env->get_utf8(env, other, NULL);
  snprintf(text, sizeof text, "%s-%s", a, b);
  env->release_utf8(env, other, b);
  env->release_utf8(env, one, a);
  ck_assert_str_eq(env->get_class_name(env, self), "_GLOBAL");
  return env->new_string(env, text);
}

START_TEST(objects_come_and_go_while_others_move)
{
  core_load("t.pa", CORE_PRELUDE
            ".function panda.String join(panda.String a0, panda.String a1) "
            "<native>\n"
            ".function i32 main() {\nlda.str \"a\"\nsta.obj v0\nlda.str \"b\"\n"
            "sta.obj v1\ncall join, v0, v1\nsta.obj v2\ncall join, v2, v0\n"
            "sta.obj v2\ncall IO.printString, v2\nldai 0\nreturn\n}\n");
  native_bind_to("_GLOBAL", "join", (bamboo_function)join);
  core_run_prints("a-b-a");
}
END_TEST

/* --- Exceptions, both ways --- */

static void throw_here(struct bamboo_env *env, bamboo_class self)
{
  (void)self;
  env->throw_new(env, env->find_class(env, "panda.RuntimeException"),
                 "thrown by C");
}

static void call_back(struct bamboo_env *env, bamboo_class self)
{
  bamboo_method thrower = env->static_method_id(env, self, "thrower", NULL);
  env->call_static_void(env, self, thrower);
  ck_assert(env->exception_check(env));
}

#define BOTH_WAYS                                                              \
  CORE_PRELUDE ".function void throw_here() <native>\n"                        \
               ".function void call_back() <native>\n"                         \
               ".function void thrower() {\ncall throw_here\nreturn.void\n}\n"

static void bind_both(void)
{
  native_bind_to("_GLOBAL", "throw_here", (bamboo_function)throw_here);
  native_bind_to("_GLOBAL", "call_back", (bamboo_function)call_back);
}

START_TEST(a_trace_has_all_frames_of_a_mixed_stack)
{
  core_load("t.pa", BOTH_WAYS
            ".function void main() {\ncall call_back\nreturn.void\n}\n");
  bind_both();
  core_run_uncaught("panda.RuntimeException\nthrown by C\n"
                    "    at throw_here (native)\n    at thrower (t.pa:17)\n"
                    "    at call_back (native)\n    at main (t.pa:21)\n");
}
END_TEST

START_TEST(an_exception_passes_through_native_frames)
{
  core_load("t.pa", BOTH_WAYS
            ".function i32 main() {\nb:\ncall call_back\nldai 1\nreturn\ne:\n"
            "h:\nldai 5\nreturn\n.catch panda.RuntimeException, b, e, h\n}\n");
  bind_both();
  ck_assert_int_eq(core_run(), 5);
}
END_TEST

static int32_t catch_here(struct bamboo_env *env, bamboo_class self)
{
  bamboo_method thrower = env->static_method_id(env, self, "thrower", NULL);
  env->call_static_void(env, self, thrower);
  native_expect(env, "panda.RuntimeException");
  return 6;
}

START_TEST(c_code_may_catch_what_it_called)
{
  core_load("t.pa", BOTH_WAYS ".function i32 catch_here() <native>\n"
                              ".function i32 main() {\ncall catch_here\n"
                              "return\n}\n");
  bind_both();
  native_bind_to("_GLOBAL", "catch_here", (bamboo_function)catch_here);
  ck_assert_int_eq(core_run(), 6);
}
END_TEST

static int32_t recurse(struct bamboo_env *env, bamboo_class self, int32_t depth)
{
  bamboo_method method = env->static_method_id(env, self, "down", "i32(i32)");
  return env->call_static_i32(env, self, method, depth);
}

START_TEST(endless_recursion_through_c_is_a_stack_overflow)
{
  core_load("t.pa", CORE_PRELUDE
            ".function i32 recurse(i32 a0) <native>\n"
            ".function i32 down(i32 a0) {\ninci a0, 1\ncall recurse, a0\n"
            "return\n}\n.function i32 main() {\nb:\nmovi v0, 0\n"
            "call recurse, v0\nreturn\ne:\nh:\nldai 9\nreturn\n"
            ".catch panda.StackOverflowException, b, e, h\n}\n");
  native_bind_to("_GLOBAL", "recurse", (bamboo_function)recurse);
  ck_assert_int_eq(core_run(), 9);
}
END_TEST

static void exit_from_c(struct bamboo_env *env, bamboo_class self)
{
  bamboo_method exits = env->static_method_id(env, self, "exits", NULL);
  env->call_static_void(env, self, exits);
  ck_assert(env->exception_check(env));
  ck_assert_ptr_null(env->exception_occurred(env));
  env->call_static_void(env, self, exits); /* does nothing any more */
}

START_TEST(exit_unwinds_through_c)
{
  struct mm_error error = {{0}};
  int status = -1;
  core_load("t.pa", CORE_PRELUDE
            ".record System <external>\n"
            ".function void System.exit(i32 a0) <external>\n"
            ".function void exit_from_c() <native>\n"
            ".function void exits() {\nmovi v0, 33\ncall System.exit, v0\n"
            "return.void\n}\n.function i32 main() {\ncall exit_from_c\n"
            "ldai 1\nreturn\n}\n");
  native_bind_to("_GLOBAL", "exit_from_c", (bamboo_function)exit_from_c);
  ck_assert_int_eq(
      vm_run(machine.vm, "_GLOBAL::main", 0, NULL, &status, &error), VM_EXITED);
  ck_assert_int_eq(status, 33);
}
END_TEST

/* --- Registering --- */

static int32_t one(struct bamboo_env *env, bamboo_class self, int32_t x)
{
  (void)env, (void)self;
  return x + 1;
}

static int32_t two(struct bamboo_env *env, bamboo_class self, int64_t x)
{
  (void)env, (void)self;
  return (int32_t)x + 2;
}

static void register_body(struct bamboo_env *env)
{
  bamboo_class global = env->find_class(env, "_GLOBAL");
  struct bamboo_native natives[] = {
      {"over", "i32(i32)", (bamboo_function)one},
      {"over", "i32(i64)", (bamboo_function)two},
      {"main", NULL, (bamboo_function)two},
  };
  ck_assert(env->register_natives(env, global, natives, 2));
  ck_assert(!env->register_natives(env, global, natives + 2, 1));
  native_expect(env, "panda.NoSuchMethodError");
  bamboo_method a = env->static_method_id(env, global, "over", "i32(i32)");
  bamboo_method b = env->static_method_id(env, global, "over", "i32(i64)");
  ck_assert_int_eq(env->call_static_i32(env, global, a, 10), 11);
  ck_assert_int_eq(env->call_static_i32(env, global, b, (int64_t)10), 12);
  ck_assert(env->unregister_natives(env, global));
  env->call_static_i32(env, global, a, 10);
  native_expect(env, "panda.NoSuchMethodError");
}

START_TEST(natives_are_registered_and_forgotten)
{
  core_load("t.pa", ".function i32 over(i32 a0) <native>\n"
                    ".function i32 over(i64 a0) <native>\n"
                    ".function i32 main() {\nldai 0\nreturn\n}\n");
  native_run(register_body);
}
END_TEST

START_TEST(overloads_are_sought_by_their_types_alone)
{
  struct native_names names;
  core_load("t.pa", ".record a.R_x {}\n"
                    ".function i32 a.R_x.f$(i32 a0) <native>\n"
                    ".function i32 a.R_x.f$(a.R_x a0, i64[] a1, u8 a2) "
                    "<native>\n"
                    ".function i32 a.R_x.g() <native>\n");
  struct vm_class *class = core_class("a.R_x");
  ck_assert(native_names_make(&names, &class->methods[0]));
  ck_assert_str_eq(names.with_types.bytes, "Bamboo_a_R_1x_f_00024__i32");
  ck_assert_uint_eq(names.without.count, 0);
  native_names_free(&names);
  ck_assert(native_names_make(&names, &class->methods[1]));
  ck_assert_str_eq(names.with_types.bytes, "Bamboo_a_R_1x_f_00024__i64_3_2u8");
  native_names_free(&names);
  ck_assert(native_names_make(&names, &class->methods[2]));
  ck_assert_str_eq(names.with_types.bytes, "Bamboo_a_R_1x_g__");
  ck_assert_str_eq(names.without.bytes, "Bamboo_a_R_1x_g");
  native_names_free(&names);
}
END_TEST

/* --- Callbacks --- */

#define SORTER                                                                 \
  CORE_PRELUDE                                                                 \
  ".record Order {\ni32 calls\n}\n"                                            \
  ".record Node {\nNode next\n}\n"                                             \
  ".function i32 Order.compare(Order a0, i32 a1, i32 a2) {\n"                  \
  "newobj v0, Node\nnewobj v1, Node\nlda.obj v1\nstobj.obj v0, Node.next\n"    \
  "ldobj a0, Order.calls\naddi 1\nstobj a0, Order.calls\n"                     \
  "lda a1\njlt a2, less\nlda a1\njgt a2, more\nldai 0\nreturn\n"               \
  "less:\nldai 1\nreturn\nmore:\nldai -1\nreturn\n}\n"                         \
  ".function void qsort(i32[] a0, i64 a1, i64 a2, Order a3) <native>\n"        \
  ".array numbers i32 12 { 5 3 -9 11 0 4 8 -2 7 1 6 2 }\n"

static void print_after_sort(const char *sort)
{
  char text[4096];
  snprintf(text, sizeof text,
           SORTER ".function void sort(i32[] a0, Order a1) <native>\n"
                  ".function i32 main() {\nlda.const v0, numbers\n"
                  "movi.64 v1, 12\nmovi.64 v2, 4\nnewobj v3, Order\n%s\n"
                  "movi v4, 0\nloop:\nlda v4\nldarr v0\nsta v5\n"
                  "call IO.printI32, v5\ninci v4, 1\nldai 12\n"
                  "jne v4, loop\nldobj v3, Order.calls\n"
                  "jgt v4, few\nldai 0\nreturn\nfew:\nldai 1\nreturn\n}\n",
           sort);
  core_load("t.pa", text);
}

START_TEST(qsort_sorts_an_array_by_a_method)
{
  struct mm_error error;
  print_after_sort("call qsort, v0, v1, v2, v3");
  ck_assert_int_eq(
      vm_natives_open(machine.thread, NULL, "libc.so.6", 9, &error), MM_OK);
  core_run_prints("11876543210-2-9");
  ck_assert_uint_eq(machine.vm->natives->callback_count, 0);
}
END_TEST

/* The elements that it got are sorted where they are. */
static void sort(struct bamboo_env *env, bamboo_class self, bamboo_array array,
                 bamboo_object order)
{
  (void)self;
  bamboo_method compare = env->method_id(env, env->get_object_class(env, order),
                                         "compare", "i32(i32, i32)");
  bamboo_function code = env->new_callback(env, order, compare, true);
  ck_assert(code != NULL);
  int32_t *elements = env->get_i32_elements(env, array, NULL);
  qsort(elements, (size_t)env->array_length(env, array), sizeof *elements,
        (int (*)(const void *, const void *))code);
  env->release_i32_elements(env, array, elements, BAMBOO_KEEP);
  env->delete_callback(env, code);
}

START_TEST(elements_are_sorted_while_the_collector_works)
{
  print_after_sort("call sort, v0, v3");
  native_bind_to("_GLOBAL", "sort", (bamboo_function)sort);
  core_run_prints("11876543210-2-9");
}
END_TEST

typedef double callback_type(int8_t a, uint16_t b, float c, double d, int64_t e,
                             const char *f);

static double call_it(struct bamboo_env *env, bamboo_class self)
{
  bamboo_method method = env->static_method_id(env, self, "mixed", NULL);
  callback_type *call =
      (callback_type *)env->new_callback(env, NULL, method, false);
  double sum = call(-1, 65535, 0.5f, 0.25, -3, "text") +
               call(-1, 65535, 0.5f, 0.25, -3, NULL);
  env->delete_callback(env, (bamboo_function)call);
  return sum;
}

START_TEST(callbacks_take_each_kind_of_argument)
{
  core_load("t.pa", CORE_PRELUDE
            ".function f64 call_it() <native>\n"
            ".function f64 mixed(i8 a0, u16 a1, f32 a2, f64 a3, i64 a4, "
            "panda.String a5) {\nlda a0\nadd2 a1\nsta v0\nlda.64 a4\n"
            "i64toi32\nadd2 v0\ni32tof64\nfadd2.64 a3\nsta.64 v1\n"
            "lda.obj a5\njeqz.obj done\n"
            "fldai.64 1000.0\nfadd2.64 v1\nsta.64 v1\ndone:\nlda a2\n"
            "f32tof64\nfadd2.64 v1\nreturn.64\n}\n"
            ".function i32 main() {\ncall call_it\nsta.64 v0\n"
            "fmovi.64 v1, 0.5\nlda.64 v0\nfsub2.64 v1\nf64toi32\nreturn\n}\n");
  native_bind_to("_GLOBAL", "call_it", (bamboo_function)call_it);
  /* Twice -1 + 65535 - 3 + 0.25 + 0.5, and 1000 once. */
  ck_assert_int_eq(core_run(), 132063);
}
END_TEST

#define SMALL(X)                                                               \
  X(u1, bool, true)                                                            \
  X(i8, int8_t, -5)                                                            \
  X(u8, uint8_t, 250)                                                          \
  X(i16, int16_t, -300)                                                        \
  X(u16, uint16_t, 65000)                                                      \
  X(i32, int32_t, -70000)                                                      \
  X(u32, uint32_t, 4000000000u)                                                \
  X(f32, float, 1.5f)
#define WIDE(X)                                                                \
  X(i64, int64_t, -5000000000000)                                              \
  X(u64, uint64_t, 18000000000000000000u)                                      \
  X(f64, double, -2.25)
#define ECHO_32(name, type, value)                                             \
  ".function " #name " e_" #name "(" #name " a0) {\nlda a0\nreturn\n}\n"
#define ECHO_64(name, type, value)                                             \
  ".function " #name " e_" #name "(" #name " a0) {\nlda.64 a0\nreturn.64\n}\n"
#define CHECK_ECHO(name, type, value)                                          \
  {                                                                            \
    type in = value;                                                           \
    bamboo_method method =                                                     \
        env->static_method_id(env, global, "e_" #name, NULL);                  \
    bamboo_function code = env->new_callback(env, NULL, method, false);        \
    bamboo_function pointers = env->new_callback(env, NULL, method, true);     \
    ck_assert(((type(*)(type))code)(in) == in);                                \
    ck_assert(((type(*)(const type *))pointers)(&in) == in);                   \
    env->delete_callback(env, code);                                           \
    env->delete_callback(env, pointers);                                       \
  }

static void echo_body(struct bamboo_env *env)
{
  bamboo_class global = env->find_class(env, "_GLOBAL");
  SMALL(CHECK_ECHO)
  WIDE(CHECK_ECHO)
  bamboo_method takes = env->static_method_id(env, global, "takes", NULL);
  ck_assert(env->new_callback(env, NULL, takes, false) == NULL);
  native_expect(env, "panda.UnsupportedOperationException");
}

START_TEST(callbacks_return_each_type)
{
  core_load("t.pa",
            CORE_PRELUDE SMALL(ECHO_32) WIDE(
                ECHO_64) ".function void takes(i32[] a0) {\nreturn.void\n}\n");
  native_run(echo_body);
}
END_TEST

START_TEST(an_exception_stops_further_callbacks)
{
  struct mm_error error;
  core_load("t.pa", CORE_PRELUDE
            ".record Order {\ni32 calls <static>\n}\n"
            ".function i32 Order.compare(Order a0, i32 a1, i32 a2) {\n"
            "ldstatic Order.calls\naddi 1\nststatic Order.calls\nldai 3\n"
            "sta v0\nldstatic Order.calls\njeq v0, bad\nlda a1\nsub2 a2\n"
            "return\nbad:\nnewobj v1, panda.RuntimeException\nthrow v1\n}\n"
            ".function void qsort(i32[] a0, i64 a1, i64 a2, Order a3) "
            "<native>\n.array numbers i32 8 { 8 7 6 5 4 3 2 1 }\n"
            ".function i32 main() {\nb:\nlda.const v0, numbers\n"
            "movi.64 v1, 8\nmovi.64 v2, 4\nnewobj v3, Order\n"
            "call qsort, v0, v1, v2, v3\nldai -1\nreturn\ne:\nh:\n"
            "ldstatic Order.calls\nreturn\n"
            ".catch panda.RuntimeException, b, e, h\n}\n");
  ck_assert_int_eq(
      vm_natives_open(machine.thread, NULL, "libc.so.6", 9, &error), MM_OK);
  ck_assert_int_eq(core_run(), 3);
  ck_assert_uint_eq(machine.vm->natives->callback_count, 0);
}
END_TEST

/* --- Signatures are shared --- */

START_TEST(functions_of_the_same_types_share_a_signature)
{
  uint8_t prims[300] = {VM_PRIM_F64, VM_PRIM_F64};
  const struct native_signature *first =
      native_signature(machine.vm, prims, 1, 1);
  ck_assert_ptr_nonnull(first);
  for (uint32_t count = 0; count < 299; count++) {
    memset(prims + 1, VM_PRIM_I32, count);
    const struct native_signature *other =
        native_signature(machine.vm, prims, count, count);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_eq(native_signature(machine.vm, prims, count, count), other);
  }
  prims[1] = VM_PRIM_F64;
  ck_assert_ptr_eq(native_signature(machine.vm, prims, 1, 1), first);
}
END_TEST

static void add_tests(TCase *tests)
{
  tcase_add_test(tests, variadic_functions_get_promoted_arguments);
  tcase_add_test(tests, variadic_parameters_need_one_before_them);
  tcase_add_test(tests, a_function_with_the_table_is_not_variadic);
  tcase_add_test(tests, a_function_of_libm_is_bound_by_its_types);
  tcase_add_test(tests, a_function_that_is_not_there_is_named);
  tcase_add_test(tests, without_a_library_the_option_is_named);
  tcase_add_test(tests, a_library_that_is_not_there_is_told_with_the_reason);
  tcase_add_test(tests, what_plain_functions_cannot_take_is_refused);
  tcase_add_test(tests, texts_and_arrays_are_passed_to_plain_functions);
  tcase_add_test(tests, arguments_of_each_type_arrive);
  tcase_add_test(tests, narrow_results_are_extended);
  tcase_add_test(tests, objects_come_and_go_while_others_move);
  tcase_add_test(tests, a_trace_has_all_frames_of_a_mixed_stack);
  tcase_add_test(tests, an_exception_passes_through_native_frames);
  tcase_add_test(tests, c_code_may_catch_what_it_called);
  tcase_add_test(tests, endless_recursion_through_c_is_a_stack_overflow);
  tcase_add_test(tests, exit_unwinds_through_c);
  tcase_add_test(tests, natives_are_registered_and_forgotten);
  tcase_add_test(tests, overloads_are_sought_by_their_types_alone);
  tcase_add_test(tests, qsort_sorts_an_array_by_a_method);
  tcase_add_test(tests, elements_are_sorted_while_the_collector_works);
  tcase_add_test(tests, callbacks_take_each_kind_of_argument);
  tcase_add_test(tests, callbacks_return_each_type);
  tcase_add_test(tests, an_exception_stops_further_callbacks);
  tcase_add_test(tests, functions_of_the_same_types_share_a_signature);
}

/* Each allocation and each poll collects. */
static void open_stressed(void)
{
  struct vm_options options = machine_options();
  options.mm.stress_alloc = 1;
  options.mm.stress_poll = 1;
  machine_open_with(options);
}

int main(void)
{
  TCase *tests = tcase_create("call"), *stressed = tcase_create("stressed");
  tcase_add_checked_fixture(tests, machine_open, machine_close);
  tcase_add_checked_fixture(stressed, open_stressed, machine_close);
  add_tests(tests);
  add_tests(stressed);
  return suite_main("native call", (TCase *[]){tests, stressed, NULL});
}
