/* SPDX-License-Identifier: Apache-2.0 */
/* The natives of the runtime library, called as the engine calls them. */
#include "config.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "tests/unit/vm_fixture.h"
#include "vm/core/monitor.h"
#include "vm/core/object.h"

/* --- Which functions there are --- */

/* Signatures as programs declare them. */
static const char *const signatures[] = {
    "void IO.printI32(i32)",
    "void IO.printU32(u32)",
    "void IO.printI64(i64)",
    "void IO.printU64(u64)",
    "void IO.printF32(f32)",
    "void IO.printF64(f64)",
    "void IO.printString(panda.String)",
    "i32 Math.absI32(i32)",
    "i64 Math.absI64(i64)",
    "f32 Math.absF32(f32)",
    "f64 Math.absF64(f64)",
    "f32 Math.fsin(f32)",
    "f64 Math.sin(f64)",
    "f32 Math.fcos(f32)",
    "f64 Math.cos(f64)",
    "f32 Math.fpow(f32,f32)",
    "f64 Math.pow(f64,f64)",
    "f32 Math.fsqrt(f32)",
    "f64 Math.sqrt(f64)",
    "i32 Math.minI32(i32,i32)",
    "i32 Math.maxI32(i32,i32)",
    "i64 Math.minI64(i64,i64)",
    "i64 Math.maxI64(i64,i64)",
    "f32 Math.minF32(f32,f32)",
    "f32 Math.maxF32(f32,f32)",
    "f64 Math.minF64(f64,f64)",
    "f64 Math.maxF64(f64,f64)",
    "u1 Double.isInfinite(f64)",
    "u1 Float.isInfinite(f32)",
    "f64 Math.calculateDouble(u32,f64)",
    "f32 Math.calculateFloat(u32,f32)",
    "void System.exit(i32)",
    "i64 System.nanoTime()",
    "void System.assert(u1)",
    "void System.assertPrint(u1,panda.String)",
    "u8 System.compileMethod(panda.String)",
    "void System.scheduleCoroutine()",
    "i32 System.getCoroutineWorkerId()",
    "i32 Convert.stringToI32(panda.String)",
    "u32 Convert.stringToU32(panda.String)",
    "i64 Convert.stringToI64(panda.String)",
    "u64 Convert.stringToU64(panda.String)",
    "f32 Convert.stringToF32(panda.String)",
    "f64 Convert.stringToF64(panda.String)",
    "void DebugUtils.checkTag(i64,i64)",
    "panda.Object Object.createNonMovable(panda.Class)",
    "void Object.monitorEnter(panda.Object)",
    "void Object.monitorExit(panda.Object)",
    "void Object.Wait(panda.Object)",
    "void Object.TimedWait(panda.Object,u64)",
    "void Object.TimedWaitNanos(panda.Object,u64,u64)",
    "void Object.Notify(panda.Object)",
    "void Object.NotifyAll(panda.Object)",
    "i32 Object.identityHash(panda.Object)",
    "void panda.Error..ctor(panda.Error,panda.String,panda.Object)",
    "panda.String panda.Error.getMessage(panda.Error)",
    "panda.Object panda.Error.getCause(panda.Error)",
    ("panda.String panda.StackOverflowException.getCause("
     "panda.StackOverflowException)"),
};

static void write_signature(const struct vm_method *method, char *text,
                            size_t bytes)
{
  int used = snprintf(text, bytes, "%s %s.%s(", method->return_type,
                      method->owner->name, method->name);
  for (uint32_t i = 0; i < method->param_count; i++)
    used += snprintf(text + used, bytes - (size_t)used, "%s%s", i ? "," : "",
                     method->param_types[i]);
  snprintf(text + used, bytes - (size_t)used, ")");
}

static bool is_defined(const char *signature)
{
  char text[200];
  for (const struct vm_class *class = machine.vm->boot->classes; class;
       class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++) {
      write_signature(&class->methods[i], text, sizeof text);
      if (strcmp(text, signature) == 0)
        return class->methods[i].native != NULL;
    }
  return false;
}

START_TEST(every_function_has_the_signature_that_programs_declare)
{
  ck_assert_msg(is_defined(signatures[_i]), "%s is not there", signatures[_i]);
}
END_TEST

START_TEST(every_exception_has_its_constructor_and_getters)
{
  for (int i = 0; i < VM_ERROR_COUNT; i++) {
    const struct vm_class *class = machine.vm->known.error[i];
    ck_assert_ptr_nonnull(class);
    ck_assert_uint_eq(class->method_count, 3);
    ck_assert_ptr_eq(class->base, machine.vm->known.object);
    ck_assert(vm_class_is_throwable(class));
  }
}
END_TEST

/* --- Calls --- */

static union vm_slot slot_i(int64_t value)
{
  return (union vm_slot){.i64 = value};
}

static union vm_slot slot_d(double value)
{
  return (union vm_slot){.f64 = value};
}

static union vm_slot slot_f(float value)
{
  union vm_slot slot = {.u64 = 0};
  slot.f32 = value;
  return slot;
}

static union vm_slot slot_r(struct mm_ref value)
{
  union vm_slot slot = {.u64 = 0};
  slot.ref = value;
  return slot;
}

static union vm_slot call(const char *record, const char *name, union vm_slot a,
                          union vm_slot b)
{
  union vm_slot args[4] = {a, b};
  union vm_slot result = {.u64 = 0xa5a5a5a5a5a5a5a5};
  ck_assert_msg(machine_call(record, name, args, &result), "%s.%s threw",
                record, name);
  return result;
}

static const union vm_slot none = {.u64 = 0};

static bool fails(const char *record, const char *name, union vm_slot a,
                  union vm_slot b)
{
  union vm_slot args[4] = {a, b}, result;
  return !machine_call(record, name, args, &result);
}

/* Prints and compares all that was printed so far. */
static void check_print(const char *name, union vm_slot value,
                        const char *expected)
{
  machine_flush();
  size_t before = machine.out_bytes;
  call("IO", name, value, none);
  machine_flush();
  ck_assert_str_eq(machine.out_text + before, expected);
}

START_TEST(integers_print_in_decimal)
{
  check_print("printI32", slot_i(0), "0");
  check_print("printI32", slot_i(INT32_MIN), "-2147483648");
  check_print("printI32", slot_i(INT64_C(0x100000001)), "1");
  check_print("printU32", slot_i(-1), "4294967295");
  check_print("printI64", slot_i(INT64_MIN), "-9223372036854775808");
  check_print("printI64", slot_i(INT64_MAX), "9223372036854775807");
  check_print("printU64", slot_i(-1), "18446744073709551615");
}
END_TEST

START_TEST(floats_print_with_six_digits)
{
  check_print("printF64", slot_d(26.6), "26.6");
  check_print("printF64", slot_d(0.785398163), "0.785398");
  check_print("printF64", slot_d(1e100), "1e+100");
  check_print("printF64", slot_d(-0.0), "-0");
  check_print("printF64", slot_d((double)INFINITY), "inf");
  check_print("printF64", slot_d(-(double)INFINITY), "-inf");
  check_print("printF64", slot_d((double)NAN), "nan");
  check_print("printF64", slot_d(-(double)NAN), "nan");
  check_print("printF32", slot_f(0.1f), "0.1");
  check_print("printF32", slot_f(-NAN), "nan");
  check_print("printF32", slot_f(3.4028235e38f), "3.40282e+38");
}
END_TEST

START_TEST(strings_print_as_utf8)
{
  check_print("printString", slot_r(machine_string("")), "");
  check_print("printString", slot_r(machine_string("h\xc3\xa9\n")),
              "h\xc3\xa9\n");
  check_print("printString", slot_r(machine_string("\xed\xa0\xbc\xed\xbe\x8b")),
              "\xf0\x9f\x8e\x8b");
  ck_assert(fails("IO", "printString", none, none));
  machine_expect("panda.NullPointerException", NULL);
}
END_TEST

START_TEST(long_strings_print_whole)
{
  static char text[20001];
  for (size_t i = 0; i + 3 < sizeof text; i += 3)
    memcpy(text + i, "\xe2\x82\xac", 3);
  check_print("printString", slot_r(machine_string(text)), text);
}
END_TEST

START_TEST(output_that_cannot_be_written_ends_the_program)
{
  FILE *usual = machine.vm->options.out;
  FILE *full = fopen("/dev/full", "w");
  ck_assert_ptr_nonnull(full);
  setvbuf(full, NULL, _IONBF, 0);
  machine.vm->options.out = full;
  ck_assert(fails("IO", "printI32", slot_i(1), none));
  ck_assert(fails("IO", "printI32", slot_i(2), none));
  machine.vm->options.out = usual;
  fclose(full);
  ck_assert(machine.vm->exiting);
  ck_assert_int_eq(machine.vm->exit_status, 1);
  ck_assert(mm_is_null(machine.thread->exception));
  machine_flush();
  ck_assert_str_eq(machine.err_text, "Cannot write the program's output: "
                                     "No space left on device\n");
}
END_TEST

START_TEST(absolute_values_keep_the_least_integer)
{
  ck_assert_int_eq(call("Math", "absI32", slot_i(-5), none).i64, 5);
  ck_assert_int_eq(call("Math", "absI32", slot_i(INT32_MIN), none).i64,
                   INT32_MIN);
  ck_assert(call("Math", "absI64", slot_i(INT64_MIN), none).i64 == INT64_MIN);
  ck_assert_int_eq(call("Math", "absI64", slot_i(-7), none).i64, 7);
  ck_assert(!signbit(call("Math", "absF64", slot_d(-0.0), none).f64));
  ck_assert(!signbit(call("Math", "absF32", slot_f(-2.5f), none).f32));
  ck_assert_uint_eq(call("Math", "absF32", slot_f(-2.5f), none).u64,
                    0x40200000);
}
END_TEST

START_TEST(roots_and_powers_are_those_of_c)
{
  ck_assert(call("Math", "sqrt", slot_d(2), none).f64 == sqrt(2));
  ck_assert(call("Math", "fsqrt", slot_f(2), none).f32 == sqrtf(2));
  ck_assert(isnan(call("Math", "sqrt", slot_d(-1), none).f64));
  ck_assert(call("Math", "pow", slot_d(2), slot_d(-2)).f64 == 0.25);
  ck_assert(call("Math", "fpow", slot_f(2), slot_f(10)).f32 == 1024);
  ck_assert(call("Math", "sin", slot_d(1), none).f64 == sin(1));
  ck_assert(call("Math", "cos", slot_d(1), none).f64 == cos(1));
  ck_assert(call("Math", "fsin", slot_f(1), none).f32 == sinf(1));
  ck_assert(call("Math", "fcos", slot_f(1), none).f32 == cosf(1));
}
END_TEST

START_TEST(minima_and_maxima_of_integers_are_signed)
{
  ck_assert_int_eq(call("Math", "minI32", slot_i(-1), slot_i(1)).i64, -1);
  ck_assert_int_eq(call("Math", "maxI32", slot_i(-1), slot_i(1)).i64, 1);
  ck_assert_int_eq(call("Math", "minI64", slot_i(INT64_MIN), slot_i(0)).i64,
                   INT64_MIN);
  ck_assert_int_eq(call("Math", "maxI64", slot_i(INT64_MIN), slot_i(0)).i64, 0);
}
END_TEST

START_TEST(minima_and_maxima_respect_nan_and_minus_zero)
{
  union vm_slot nan = slot_d((double)NAN), minus = slot_d(-0.0);
  union vm_slot plus = slot_d(0.0), one = slot_d(1);
  ck_assert(isnan(call("Math", "minF64", nan, one).f64));
  ck_assert(isnan(call("Math", "minF64", one, nan).f64));
  ck_assert(isnan(call("Math", "maxF64", nan, one).f64));
  ck_assert(isnan(call("Math", "maxF64", one, nan).f64));
  ck_assert(signbit(call("Math", "minF64", minus, plus).f64));
  ck_assert(signbit(call("Math", "minF64", plus, minus).f64));
  ck_assert(!signbit(call("Math", "maxF64", minus, plus).f64));
  ck_assert(!signbit(call("Math", "maxF64", plus, minus).f64));
  ck_assert(isnan(call("Math", "minF32", slot_f(NAN), slot_f(1)).f32));
  ck_assert(isnan(call("Math", "maxF32", slot_f(1), slot_f(NAN)).f32));
  ck_assert(signbit(call("Math", "minF32", slot_f(0), slot_f(-0.0f)).f32));
  ck_assert(!signbit(call("Math", "maxF32", slot_f(-0.0f), slot_f(0)).f32));
  ck_assert(call("Math", "minF32", slot_f(2), slot_f(3)).f32 == 2);
  ck_assert(call("Math", "maxF64", slot_d(2), slot_d(3)).f64 == 3);
}
END_TEST

START_TEST(infinity_is_told_from_other_numbers)
{
  ck_assert_int_eq(
      call("Double", "isInfinite", slot_d((double)INFINITY), none).i64, 1);
  ck_assert_int_eq(
      call("Double", "isInfinite", slot_d(-(double)INFINITY), none).i64, 1);
  ck_assert_int_eq(call("Double", "isInfinite", slot_d((double)NAN), none).i64,
                   0);
  ck_assert_int_eq(call("Float", "isInfinite", slot_f(-INFINITY), none).i64, 1);
  ck_assert_int_eq(call("Float", "isInfinite", slot_f(3e38f), none).i64, 0);
}
END_TEST

START_TEST(sums_are_made_in_the_named_precision)
{
  double sum = 0;
  float small_sum = 0;
  for (int i = 0; i < 1000; i++) {
    sum += i * 0.1;
    small_sum += (float)i * 0.1f;
  }
  ck_assert(call("Math", "calculateDouble", slot_i(1000), slot_d(0.1)).f64 ==
            sum);
  ck_assert(call("Math", "calculateFloat", slot_i(1000), slot_f(0.1f)).f32 ==
            small_sum);
  ck_assert(call("Math", "calculateDouble", slot_i(0), slot_d(1)).f64 == 0);
}
END_TEST

static union vm_slot convert(const char *name, const char *text)
{
  return call("Convert", name, slot_r(machine_string(text)), none);
}

START_TEST(text_converts_as_c_does_it)
{
  ck_assert_int_eq(convert("stringToI32", "-2147483649").i64, 2147483647);
  ck_assert_int_eq(convert("stringToI32", " 42 apples").i64, 42);
  ck_assert_int_eq(convert("stringToI32", "apples").i64, 0);
  ck_assert_int_eq(convert("stringToU32", "4294967295").i64, -1);
  ck_assert(convert("stringToI64", "-9223372036854775808").i64 == INT64_MIN);
  ck_assert(convert("stringToI64", "99999999999999999999").i64 == INT64_MAX);
  ck_assert(convert("stringToU64", "18446744073709551615").u64 == UINT64_MAX);
  ck_assert(convert("stringToF64", "1e-3").f64 == 1e-3);
  ck_assert(convert("stringToF32", "0.1").f32 == 0.1f);
  ck_assert(isinf(convert("stringToF64", "1e999").f64));
  ck_assert(fails("Convert", "stringToI32", none, none));
  machine_expect("panda.NullPointerException", NULL);
}
END_TEST

START_TEST(the_clock_always_advances)
{
  int64_t last = call("System", "nanoTime", none, none).i64;
  for (int i = 0; i < 100000; i++) {
    int64_t now = call("System", "nanoTime", none, none).i64;
    ck_assert_int_gt(now, last);
    last = now;
  }
}
END_TEST

START_TEST(exit_marks_the_machine_and_throws_nothing)
{
  ck_assert(fails("System", "exit", slot_i(300), none));
  ck_assert(machine.vm->exiting);
  ck_assert_int_eq(machine.vm->exit_status, 300);
  ck_assert(mm_is_null(machine.thread->exception));
}
END_TEST

START_TEST(a_failed_assertion_aborts)
{
  call("System", "assert", slot_i(1), none);
  call("System", "assertPrint", slot_i(1), none);
  if (_i == 0)
    call("System", "assert", slot_i(0), none);
  else if (_i == 1)
    call("System", "assertPrint", slot_i(0), slot_r(machine_string("why")));
  else
    call("System", "assertPrint", slot_i(0), none);
}
END_TEST

static int64_t compile(const char *name)
{
  return call("System", "compileMethod", slot_r(machine_string(name)), none)
      .i64;
}

START_TEST(compile_method_tells_what_is_wrong_with_a_name)
{
  ck_assert_int_eq(compile("IO::printI32"), 0);
  ck_assert_int_eq(compile("IO.printI32"), 1);
  ck_assert_int_eq(compile("::printI32"), 1);
  ck_assert_int_eq(compile("IO::"), 1);
  ck_assert_int_eq(compile(""), 1);
  ck_assert_int_eq(compile("Nothing::printI32"), 2);
  ck_assert_int_eq(compile("IO::printI33"), 3);
  ck_assert(fails("System", "compileMethod", none, none));
  machine_expect("panda.NullPointerException", NULL);
}
END_TEST

START_TEST(coroutine_hooks_answer_for_one_worker)
{
  call("System", "scheduleCoroutine", none, none);
  ck_assert_int_eq(call("System", "getCoroutineWorkerId", none, none).i64, 0);
  call("DebugUtils", "checkTag", slot_i(1), slot_i(2));
}
END_TEST

START_TEST(exceptions_keep_message_and_cause)
{
  struct vm_class *class = machine.vm->known.error[VM_ERROR_RUNTIME];
  struct mm_ref held[3];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 3);
  held[0] = vm_new_object(machine.thread, class);
  held[1] = machine_string("message");
  held[2] = machine_object();
  union vm_slot args[4] = {slot_r(held[0]), slot_r(held[1]), slot_r(held[2])};
  union vm_slot result;
  ck_assert(machine_call(class->name, ".ctor", args, &result));
  result = call(class->name, "getMessage", slot_r(held[0]), none);
  ck_assert(mm_same(result.ref, held[1]));
  result = call(class->name, "getCause", slot_r(held[0]), none);
  ck_assert(mm_same(result.ref, held[2]));
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

/* Its getCause is declared to return a string: nothing else may come out. */
START_TEST(the_cause_of_a_stack_overflow_is_a_string_or_null)
{
  struct vm_class *class = machine.vm->known.error[VM_ERROR_STACK_OVERFLOW];
  struct mm_ref held[2];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 2);
  held[0] = vm_new_object(machine.thread, class);
  held[1] = machine_string("deep");
  vm_object_set_ref(machine.thread, held[0], VM_EXCEPTION_CAUSE_OFFSET,
                    held[1]);
  union vm_slot result = call(class->name, "getCause", slot_r(held[0]), none);
  ck_assert(mm_same(result.ref, held[1]));
  vm_object_set_ref(machine.thread, held[0], VM_EXCEPTION_CAUSE_OFFSET,
                    held[0]);
  result = call(class->name, "getCause", slot_r(held[0]), none);
  ck_assert(mm_is_null(result.ref));
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

START_TEST(non_movable_objects_stay_where_they_are)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  struct mm_ref mirror =
      vm_class_mirror(machine.thread, machine.vm->known.object);
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] = call("Object", "createNonMovable", slot_r(mirror), none).ref;
  struct mm_ref before = held[0];
  ck_assert_str_eq(vm_class_of(before)->name, "panda.Object");
  machine_collect();
  machine_collect();
  ck_assert(mm_same(before, held[0]));
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

START_TEST(non_movable_objects_are_refused_where_new_ones_are)
{
  struct mm_ref mirror = vm_class_mirror(
      machine.thread, vm_class_find(machine.vm, "panda.String[]"));
  ck_assert(fails("Object", "createNonMovable", slot_r(mirror), none));
  machine_expect("panda.InstantiationError", "");
  ck_assert(fails("Object", "createNonMovable", none, none));
  machine_expect("panda.NullPointerException", NULL);
}
END_TEST

START_TEST(an_identity_hash_stays_wherever_its_object_goes)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] = machine_object();
  int64_t hash = call("Object", "identityHash", slot_r(held[0]), none).i64;
  ck_assert_int_ne(hash, 0);
  ck_assert_int_eq(hash, (int32_t)hash); /* a result of 32 bits, extended */
  machine_collect();
  ck_assert_int_eq(call("Object", "identityHash", slot_r(held[0]), none).i64,
                   hash);
  call("Object", "monitorEnter", slot_r(held[0]), none);
  machine_collect();
  ck_assert_int_eq(call("Object", "identityHash", slot_r(held[0]), none).i64,
                   hash);
  ck_assert(fails("Object", "identityHash", none, none));
  machine_expect("panda.NullPointerException", NULL);
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

START_TEST(monitors_are_reached_through_the_library)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] = machine_object();
  call("Object", "monitorEnter", slot_r(held[0]), none);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 1);
  call("Object", "Notify", slot_r(held[0]), none);
  call("Object", "NotifyAll", slot_r(held[0]), none);
  call("Object", "TimedWait", slot_r(held[0]), slot_i(1));
  call("Object", "TimedWaitNanos", slot_r(held[0]), none);
  call("Object", "monitorExit", slot_r(held[0]), none);
  ck_assert(fails("Object", "monitorExit", slot_r(held[0]), none));
  machine_expect("panda.IllegalMonitorStateException", "panda.Object@");
  call("Object", "monitorEnter", slot_r(held[0]), none);
  ck_assert(fails("Object", "Wait", slot_r(held[0]), none));
  ck_assert(vm_is_exiting(machine.vm)); /* nobody could notify: a deadlock */
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

enum { SIGNATURES = sizeof signatures / sizeof signatures[0] };

int main(void)
{
  TCase *tests = tcase_create("library");
  tcase_add_loop_test(tests,
                      every_function_has_the_signature_that_programs_declare, 0,
                      SIGNATURES);
  tcase_add_test(tests, every_exception_has_its_constructor_and_getters);
  tcase_add_test(tests, integers_print_in_decimal);
  tcase_add_test(tests, floats_print_with_six_digits);
  tcase_add_test(tests, strings_print_as_utf8);
  tcase_add_test(tests, long_strings_print_whole);
  tcase_add_test(tests, output_that_cannot_be_written_ends_the_program);
  tcase_add_test(tests, absolute_values_keep_the_least_integer);
  tcase_add_test(tests, roots_and_powers_are_those_of_c);
  tcase_add_test(tests, minima_and_maxima_of_integers_are_signed);
  tcase_add_test(tests, minima_and_maxima_respect_nan_and_minus_zero);
  tcase_add_test(tests, infinity_is_told_from_other_numbers);
  tcase_add_test(tests, sums_are_made_in_the_named_precision);
  tcase_add_test(tests, text_converts_as_c_does_it);
  tcase_add_test(tests, the_clock_always_advances);
  tcase_add_test(tests, exit_marks_the_machine_and_throws_nothing);
  tcase_add_loop_test_raise_signal(tests, a_failed_assertion_aborts, SIGABRT, 0,
                                   3);
  tcase_add_test(tests, compile_method_tells_what_is_wrong_with_a_name);
  tcase_add_test(tests, coroutine_hooks_answer_for_one_worker);
  tcase_add_test(tests, exceptions_keep_message_and_cause);
  tcase_add_test(tests, the_cause_of_a_stack_overflow_is_a_string_or_null);
  tcase_add_test(tests, non_movable_objects_stay_where_they_are);
  tcase_add_test(tests, non_movable_objects_are_refused_where_new_ones_are);
  tcase_add_test(tests, an_identity_hash_stays_wherever_its_object_goes);
  tcase_add_test(tests, monitors_are_reached_through_the_library);
  return machine_main("library", tests);
}
