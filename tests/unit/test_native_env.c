/* SPDX-License-Identifier: Apache-2.0 */
/* The table of native code: classes, fields, methods, objects, references. */
#include "config.h"

#include "tests/unit/native_fixture.h"
#include "tests/unit/suite.h"

#include <pthread.h>
#include <string.h>

/* A value of each type that is not the same in any other. */
#define SAMPLES(X)                                                             \
  X(u1, bool, true, ".32")                                                     \
  X(i8, int8_t, -5, ".32")                                                     \
  X(u8, uint8_t, 250, ".32")                                                   \
  X(i16, int16_t, -300, ".32")                                                 \
  X(u16, uint16_t, 65000, ".32")                                               \
  X(i32, int32_t, -70000, ".32")                                               \
  X(u32, uint32_t, 4000000000u, ".32")                                         \
  X(i64, int64_t, -5000000000000, ".64")                                       \
  X(u64, uint64_t, 18000000000000000000u, ".64")                               \
  X(f32, float, 1.5f, ".32")                                                   \
  X(f64, double, -2.25, ".64")

/* .64 and .obj are suffixes of instructions; the one of 32 bits is none. */
#define BODY_32(arg) " {\nlda " arg "\nreturn\n}\n"
#define BODY_64(arg) " {\nlda.64 " arg "\nreturn.64\n}\n"
#define BODY_u1 BODY_32
#define BODY_i8 BODY_32
#define BODY_u8 BODY_32
#define BODY_i16 BODY_32
#define BODY_u16 BODY_32
#define BODY_i32 BODY_32
#define BODY_u32 BODY_32
#define BODY_f32 BODY_32
#define BODY_i64 BODY_64
#define BODY_u64 BODY_64
#define BODY_f64 BODY_64

#define FIELDS(name, type, value, width)                                       \
#name " f_" #name "\n" #name " s_" #name " <static>\n"
#define METHODS(name, type, value, width)                                      \
  ".function " #name " F.static_" #name "(i32 a0, " #name                      \
  " a1)" BODY_##name("a1") ".function " #name " F.same_" #name "(F a0, " #name \
                           " a1, i64 a2)" BODY_##name("a1")

#define PROGRAM                                                                \
  CORE_PRELUDE                                                                 \
  ".record F {\npanda.Object f_object\n"                                       \
  "panda.Object s_object <static>\npanda.String text\n"                        \
  "i32 v <volatile>\n" SAMPLES(                                                \
      FIELDS) "}\n"                                                            \
              ".record G <extends=F> {\ni32 more\n}\n"                         \
              ".record H {\ni32 set <static>\n}\n" SAMPLES(                    \
                  METHODS) ".function void F.ctor(F a0, i32 a1) <ctor> "       \
                           "{\n"                                               \
                           "lda a1\nstobj a0, F.f_i32\nreturn.void\n}\n"       \
                           ".function panda.Object F.same_object(F a0, "       \
                           "panda.Object a1) "                                 \
                           "{\nlda.obj a1\nreturn.obj\n}\n"                    \
                           ".function panda.Object "                           \
                           "F.static_object(panda.Object a0) "                 \
                           "<static> {\nlda.obj a0\nreturn.obj\n}\n"           \
                           ".function void F.nothing(F a0) {\nldai 1\n"        \
                           "ststatic H.set\nreturn.void\n}\n"                  \
                           ".function void F.static_nothing() <static> "       \
                           "{\nldai 2\n"                                       \
                           "ststatic H.set\nreturn.void\n}\n"                  \
                           ".function i32 F.who(F a0) {\nldai "                \
                           "1\nreturn\n}\n"                                    \
                           ".function i32 G.who(G a0) {\nldai "                \
                           "2\nreturn\n}\n"                                    \
                           ".function i32 F.take(F a0, panda.String a1) "      \
                           "{\n"                                               \
                           "ldai 3\nreturn\n}\n"                               \
                           ".function i32 over(i32 a0) {\nldai "               \
                           "1\nreturn\n}\n"                                    \
                           ".function i32 over(i64 a0) {\nldai "               \
                           "2\nreturn\n}\n"                                    \
                           ".function void throws() {\n"                       \
                           "newobj v0, panda.RuntimeException\nthrow "         \
                           "v0\n}\n"                                           \
                           ".function i32 main() {\nldai 0\nreturn\n}\n"

static void setup(void)
{
  machine_open();
  core_load("t.pa", PROGRAM);
}

static bamboo_class class_of(struct bamboo_env *env, const char *name)
{
  bamboo_class found = env->find_class(env, name);
  ck_assert_ptr_nonnull(found);
  return found;
}

static bamboo_object object_of(struct bamboo_env *env, const char *name)
{
  bamboo_object object = env->alloc_object(env, class_of(env, name));
  ck_assert_ptr_nonnull(object);
  return object;
}

static void table_body(struct bamboo_env *env)
{
  ck_assert_uint_eq(env->version, BAMBOO_NATIVE_VERSION);
  ck_assert_uint_eq(env->bytes, sizeof *env);
  for (size_t at = 8; at < sizeof *env; at += sizeof(void *)) {
    void *member;
    memcpy(&member, (char *)env + at, sizeof member);
    ck_assert_msg(member != NULL, "nothing at %zu of the table", at);
  }
}

START_TEST(the_table_has_no_gaps)
{
  native_run(table_body);
}
END_TEST

static void classes_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F"), g = class_of(env, "G");
  bamboo_class base = env->get_superclass(env, g);
  ck_assert(env->is_same(env, base, f));
  bamboo_class root = env->get_superclass(env, f);
  ck_assert_str_eq(env->get_class_name(env, root), "panda.Object");
  ck_assert_ptr_null(env->get_superclass(env, root));
  ck_assert(env->is_assignable(env, g, f));
  ck_assert(!env->is_assignable(env, f, g));
  bamboo_object object = object_of(env, "G");
  ck_assert(env->is_instance(env, object, f));
  ck_assert(env->is_instance(env, NULL, f));
  ck_assert(!env->is_instance(env, object, class_of(env, "H")));
  ck_assert(env->is_same(env, env->get_object_class(env, object), g));
  ck_assert_str_eq(env->get_class_name(env, class_of(env, "i32[][]")),
                   "i32[][]");
  ck_assert_ptr_null(env->find_class(env, "Nowhere"));
  native_expect(env, "panda.NoClassDefFoundError");
  ck_assert_ptr_null(env->get_object_class(env, NULL));
  native_expect(env, "panda.NullPointerException");
  ck_assert_ptr_null(env->alloc_object(env, class_of(env, "i32[]")));
  native_expect(env, "panda.InstantiationError");
}

START_TEST(classes_are_found_and_compared)
{
  native_run(classes_body);
}
END_TEST

#define CHECK_FIELDS(name, type, value, width)                                 \
  {                                                                            \
    bamboo_field field = env->field_id(env, f, "f_" #name, #name);             \
    bamboo_field fixed = env->static_field_id(env, f, "s_" #name, NULL);       \
    ck_assert(field &&fixed);                                                  \
    ck_assert(env->get_##name(env, object, field) == 0);                       \
    env->set_##name(env, object, field, value);                                \
    native_collect(env);                                                       \
    ck_assert(env->get_##name(env, object, field) == (value));                 \
    env->set_static_##name(env, f, fixed, value);                              \
    ck_assert(env->get_static_##name(env, f, fixed) == (value));               \
  }

static void fields_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_object object = object_of(env, "G");
  SAMPLES(CHECK_FIELDS)
  bamboo_field field = env->field_id(env, f, "f_object", "panda.Object");
  bamboo_field fixed = env->static_field_id(env, f, "s_object", NULL);
  ck_assert_ptr_null(env->get_object(env, object, field));
  env->set_object(env, object, field, object);
  env->set_static_object(env, f, fixed, object);
  native_collect(env);
  ck_assert(env->is_same(env, env->get_object(env, object, field), object));
  ck_assert(env->is_same(env, env->get_static_object(env, f, fixed), object));
  bamboo_field shared = env->field_id(env, f, "v", "i32");
  env->set_i32(env, object, shared, 7);
  ck_assert_int_eq(env->get_i32(env, object, shared), 7);
  ck_assert_ptr_null(env->field_id(env, f, "f_i32", "i64"));
  native_expect(env, "panda.NoSuchFieldError");
  ck_assert_ptr_null(env->static_field_id(env, f, "f_i32", NULL));
  native_expect(env, "panda.NoSuchFieldError");
  ck_assert_int_eq(env->get_i32(env, NULL, shared), 0);
  native_expect(env, "panda.NullPointerException");
  ck_assert_ptr_null(env->get_object(env, NULL, field));
  native_expect(env, "panda.NullPointerException");
}

START_TEST(fields_of_each_type_are_read_and_written)
{
  native_run(fields_body);
}
END_TEST

/* A number that a program stored in a u1 is a whole byte. */
static void wide_u1_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_object object = object_of(env, "F");
  bamboo_field field = env->field_id(env, f, "f_u1", "u1");
  struct vm_field *inside = core_field("F", "f_u1");
  union vm_slot *fixed =
      &core_class("F")->statics[core_field("F", "s_u1")->offset];
  fixed->u64 = 2;
  ck_assert(
      env->get_static_u1(env, f, env->static_field_id(env, f, "s_u1", NULL)));
  env->set_u1(env, object, field, true);
  ck_assert(env->get_u1(env, object, field));
  ck_assert_int_eq(inside->prim, VM_PRIM_U1);
}

START_TEST(a_u1_that_is_not_0_is_true)
{
  native_run(wide_u1_body);
}
END_TEST

#define CHECK_CALLS(name, type, value, width)                                  \
  {                                                                            \
    union bamboo_value pair[2] = {{.i32 = 1}, {.name = value}};                \
    union bamboo_value one[2] = {{.name = value}, {.i64 = 9}};                 \
    bamboo_method fixed =                                                      \
        env->static_method_id(env, f, "static_" #name, NULL);                  \
    bamboo_method method =                                                     \
        env->method_id(env, f, "same_" #name, #name "(" #name ", i64)");       \
    ck_assert(fixed &&method);                                                 \
    ck_assert(env->call_static_##name(env, f, fixed, 1, value) == (value));    \
    ck_assert(env->call_static_##name##_a(env, f, fixed, pair) == (value));    \
    ck_assert(env->call_##name(env, object, method, value, (int64_t)9) ==      \
              (value));                                                        \
    ck_assert(env->call_##name##_a(env, object, method, one) == (value));      \
    ck_assert(env->call_nonvirtual_##name(env, object, f, method, value,       \
                                          (int64_t)9) == (value));             \
    ck_assert(env->call_nonvirtual_##name##_a(env, object, f, method, one) ==  \
              (value));                                                        \
    ck_assert(listed_##name(env, object, method, NULL, false, value,           \
                            (int64_t)9) == (value));                           \
    ck_assert(listed_##name(env, object, method, f, false, value,              \
                            (int64_t)9) == (value));                           \
    ck_assert(listed_##name(env, f, fixed, NULL, true, 1, value) == (value));  \
  }

/* The forms that take a list. */
#define LISTED(name, type, value, width)                                         \
  static type listed_##name(struct bamboo_env *env, bamboo_object self,          \
                            bamboo_method method, bamboo_class in,               \
                            int is_static, ...)                                  \
  {                                                                              \
    va_list list;                                                                \
    va_start(list, is_static);                                                   \
    type result =                                                                \
        is_static ? env->call_static_##name##_v(env, self, method, list)         \
        : in      ? env->call_nonvirtual_##name##_v(env, self, in, method, list) \
                  : env->call_##name##_v(env, self, method, list);                    \
    va_end(list);                                                                \
    return result;                                                               \
  }
SAMPLES(LISTED)
LISTED(object, bamboo_object, 0, 0)

static void calls_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_object object = object_of(env, "G");
  SAMPLES(CHECK_CALLS)
}

START_TEST(methods_of_each_type_are_called_in_each_form)
{
  native_run(calls_body);
}
END_TEST

static void listed_void(struct bamboo_env *env, bamboo_object self,
                        bamboo_method method, bamboo_class in, int is_static,
                        ...)
{
  va_list list;
  va_start(list, is_static);
  if (is_static)
    env->call_static_void_v(env, self, method, list);
  else if (in)
    env->call_nonvirtual_void_v(env, self, in, method, list);
  else
    env->call_void_v(env, self, method, list);
  va_end(list);
}

static int32_t take_set(struct bamboo_env *env)
{
  bamboo_class h = class_of(env, "H");
  bamboo_field set = env->static_field_id(env, h, "set", NULL);
  int32_t value = env->get_static_i32(env, h, set);
  env->set_static_i32(env, h, set, 0);
  return value;
}

static void void_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_object object = object_of(env, "F");
  bamboo_method method = env->method_id(env, f, "nothing", "void()");
  bamboo_method fixed = env->static_method_id(env, f, "static_nothing", NULL);
  env->call_void(env, object, method);
  ck_assert_int_eq(take_set(env), 1);
  env->call_void_a(env, object, method, NULL);
  ck_assert_int_eq(take_set(env), 1);
  env->call_nonvirtual_void(env, object, f, method);
  ck_assert_int_eq(take_set(env), 1);
  env->call_nonvirtual_void_a(env, object, f, method, NULL);
  ck_assert_int_eq(take_set(env), 1);
  env->call_static_void(env, f, fixed);
  ck_assert_int_eq(take_set(env), 2);
  env->call_static_void_a(env, f, fixed, NULL);
  ck_assert_int_eq(take_set(env), 2);
  listed_void(env, object, method, NULL, false);
  ck_assert_int_eq(take_set(env), 1);
  listed_void(env, object, method, f, false);
  ck_assert_int_eq(take_set(env), 1);
  listed_void(env, f, fixed, NULL, true);
  ck_assert_int_eq(take_set(env), 2);
}

START_TEST(methods_that_return_nothing_are_called_in_each_form)
{
  native_run(void_body);
}
END_TEST

static void objects_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_object object = object_of(env, "F");
  bamboo_method method = env->method_id(env, f, "same_object", NULL);
  bamboo_method fixed = env->static_method_id(env, f, "static_object", NULL);
  union bamboo_value value = {.object = object};
  bamboo_object results[] = {
      env->call_object(env, object, method, object),
      env->call_object_a(env, object, method, &value),
      env->call_nonvirtual_object(env, object, f, method, object),
      env->call_nonvirtual_object_a(env, object, f, method, &value),
      env->call_static_object(env, f, fixed, object),
      env->call_static_object_a(env, f, fixed, &value),
      listed_object(env, object, method, NULL, false, object),
      listed_object(env, object, method, f, false, object),
      listed_object(env, f, fixed, NULL, true, object),
  };
  for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
    ck_assert(env->is_same(env, results[i], object));
  ck_assert_ptr_null(
      env->call_object(env, object, method, (bamboo_object)NULL));
}

START_TEST(objects_are_passed_and_returned)
{
  native_run(objects_body);
}
END_TEST

static void virtual_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_object derived = object_of(env, "G");
  bamboo_method who = env->method_id(env, f, "who", "i32()");
  ck_assert_int_eq(env->call_i32(env, derived, who), 2);
  ck_assert_int_eq(env->call_nonvirtual_i32(env, derived, f, who), 1);
  ck_assert_int_eq(env->call_i32(env, NULL, who), 0);
  native_expect(env, "panda.NullPointerException");
  bamboo_class global = class_of(env, "_GLOBAL");
  bamboo_method over = env->static_method_id(env, global, "over", "i32( i64 )");
  ck_assert_int_eq(env->call_static_i32(env, global, over, (int64_t)0), 2);
  ck_assert_ptr_null(env->static_method_id(env, global, "over", NULL));
  native_expect(env, "panda.NoSuchMethodError");
  ck_assert_ptr_null(env->method_id(env, f, "who", "i64()"));
  native_expect(env, "panda.NoSuchMethodError");
  bamboo_method throws = env->static_method_id(env, global, "throws", NULL);
  env->call_static_void(env, global, throws);
  native_expect(env, "panda.RuntimeException");
}

START_TEST(a_virtual_call_runs_what_overrides)
{
  native_run(virtual_body);
}
END_TEST

static bamboo_object new_listed(struct bamboo_env *env, bamboo_class of,
                                bamboo_method constructor, ...)
{
  va_list list;
  va_start(list, constructor);
  bamboo_object object = env->new_object_v(env, of, constructor, list);
  va_end(list);
  return object;
}

static void new_body(struct bamboo_env *env)
{
  bamboo_class f = class_of(env, "F");
  bamboo_method constructor = env->method_id(env, f, ".ctor", "void(i32)");
  bamboo_field field = env->field_id(env, f, "f_i32", NULL);
  union bamboo_value value = {.i32 = 41};
  bamboo_object made[] = {
      env->new_object(env, f, constructor, 41),
      env->new_object_a(env, f, constructor, &value),
      new_listed(env, f, constructor, 41),
  };
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(env->get_i32(env, made[i], field), 41);
  ck_assert_ptr_null(
      env->method_id(env, class_of(env, "G"), ".ctor", "void(i32)"));
  native_expect(env, "panda.NoSuchMethodError");
}

START_TEST(new_objects_are_constructed)
{
  native_run(new_body);
}
END_TEST

static void references_body(struct bamboo_env *env)
{
  bamboo_object local = object_of(env, "F");
  bamboo_object global = env->new_global(env, local);
  bamboo_object weak = env->new_weak(env, local);
  ck_assert_int_eq(env->reference_kind(env, local), BAMBOO_REFERENCE_LOCAL);
  ck_assert_int_eq(env->reference_kind(env, global), BAMBOO_REFERENCE_GLOBAL);
  ck_assert_int_eq(env->reference_kind(env, weak), BAMBOO_REFERENCE_WEAK);
  ck_assert_int_eq(env->reference_kind(env, NULL), BAMBOO_REFERENCE_NONE);
  ck_assert_int_eq(env->reference_kind(env, (bamboo_object)&local),
                   BAMBOO_REFERENCE_NONE);
  native_collect(env);
  ck_assert(env->is_same(env, local, global));
  ck_assert(env->is_same(env, weak, global));
  ck_assert(!env->is_same(env, weak, NULL));
  env->delete_local(env, local);
  env->delete_global(env, global);
  native_collect(env);
  ck_assert(env->is_same(env, weak, NULL));
  ck_assert_ptr_null(env->new_local(env, weak));
  env->delete_weak(env, weak);
  ck_assert_int_eq(env->reference_kind(env, weak), BAMBOO_REFERENCE_NONE);
  env->delete_global(env, NULL);
  ck_assert_ptr_null(env->new_global(env, NULL));
}

START_TEST(references_keep_alive_what_they_are_to)
{
  native_run(references_body);
}
END_TEST

static void frames_body(struct bamboo_env *env)
{
  ck_assert(env->push_frame(env, 8));
  bamboo_object inner = object_of(env, "F");
  ck_assert(env->ensure_capacity(env, 100));
  for (int i = 0; i < 1000; i++)
    object_of(env, "H");
  bamboo_object outer = env->pop_frame(env, inner);
  ck_assert_int_eq(env->reference_kind(env, inner), BAMBOO_REFERENCE_NONE);
  ck_assert_int_eq(env->reference_kind(env, outer), BAMBOO_REFERENCE_LOCAL);
  ck_assert(env->is_instance(env, outer, class_of(env, "F")));
  ck_assert(env->push_frame(env, 0));
  ck_assert_ptr_null(env->pop_frame(env, NULL));
  ck_assert(!env->push_frame(env, -1));
  native_expect(env, "panda.NegativeArraySizeException");
}

START_TEST(a_frame_takes_its_references_along)
{
  native_run(frames_body);
}
END_TEST

static void monitors_body(struct bamboo_env *env)
{
  bamboo_object object = object_of(env, "F");
  ck_assert(env->monitor_enter(env, object));
  ck_assert(env->monitor_enter(env, object));
  ck_assert(env->monitor_exit(env, object));
  ck_assert(env->monitor_exit(env, object));
  ck_assert(!env->monitor_exit(env, object));
  native_expect(env, "panda.IllegalMonitorStateException");
  ck_assert(!env->monitor_enter(env, NULL));
  native_expect(env, "panda.NullPointerException");
}

START_TEST(monitors_are_entered_and_left)
{
  native_run(monitors_body);
}
END_TEST

static void exceptions_body(struct bamboo_env *env)
{
  bamboo_class runtime = class_of(env, "panda.RuntimeException");
  ck_assert(!env->exception_check(env));
  ck_assert_ptr_null(env->exception_occurred(env));
  env->exception_describe(env);
  env->throw_new(env, runtime, "told by C");
  ck_assert(env->exception_check(env));
  native_collect(env);
  bamboo_throwable exception = env->exception_occurred(env);
  env->exception_describe(env);
  env->exception_clear(env);
  ck_assert(!env->exception_check(env));
  env->throw_object(env, exception);
  native_expect(env, "panda.RuntimeException");
  env->throw_object(env, NULL);
  native_expect(env, "panda.NullPointerException");
  env->throw_new(env, runtime, NULL);
  native_expect(env, "panda.RuntimeException");
  machine_flush();
  ck_assert_ptr_nonnull(strstr(machine.err_text, "told by C"));
}

START_TEST(exceptions_are_thrown_seen_and_cleared)
{
  native_run(exceptions_body);
}
END_TEST

static void describe_one(struct bamboo_env *env, bamboo_class class)
{
  env->throw_new(env, class, NULL);
  env->exception_describe(env);
  env->exception_clear(env);
}

static void *describe_beside(void *vm)
{
  struct bamboo_vm *host = vm;
  struct bamboo_env *env = host->attach(host, NULL);
  ck_assert_ptr_nonnull(env);
  bamboo_class runtime = class_of(env, "panda.RuntimeException");
  bamboo_class threads = class_of(env, "panda.Thread");
  bamboo_method current = env->static_method_id(env, threads, "current", NULL);
  describe_one(env, runtime);
  ck_assert_ptr_nonnull(env->call_static_object(env, threads, current));
  describe_one(env, runtime);
  ck_assert(host->detach(host));
  return NULL;
}

static void describe_body(struct bamboo_env *env)
{
  pthread_t thread;
  ck_assert_int_eq(
      pthread_create(&thread, NULL, describe_beside, env->get_vm(env)), 0);
  pthread_join(thread, NULL);
  machine_flush();
  ck_assert_ptr_nonnull(strstr(machine.err_text, "in thread \"attached\""));
  ck_assert_ptr_nonnull(strstr(machine.err_text, "in thread \"Thread-"));
  ck_assert_ptr_null(strstr(machine.err_text, "\"main\""));
}

START_TEST(an_attached_thread_is_not_called_main)
{
  native_run(describe_body);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("env");
  tcase_add_checked_fixture(tests, setup, machine_close);
  tcase_add_test(tests, the_table_has_no_gaps);
  tcase_add_test(tests, classes_are_found_and_compared);
  tcase_add_test(tests, fields_of_each_type_are_read_and_written);
  tcase_add_test(tests, a_u1_that_is_not_0_is_true);
  tcase_add_test(tests, methods_of_each_type_are_called_in_each_form);
  tcase_add_test(tests, methods_that_return_nothing_are_called_in_each_form);
  tcase_add_test(tests, objects_are_passed_and_returned);
  tcase_add_test(tests, a_virtual_call_runs_what_overrides);
  tcase_add_test(tests, new_objects_are_constructed);
  tcase_add_test(tests, references_keep_alive_what_they_are_to);
  tcase_add_test(tests, a_frame_takes_its_references_along);
  tcase_add_test(tests, monitors_are_entered_and_left);
  tcase_add_test(tests, exceptions_are_thrown_seen_and_cleared);
  tcase_add_test(tests, an_attached_thread_is_not_called_main);
  return suite_main("native env", (TCase *[]){tests, NULL});
}
