/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Math: what the C library computes, and minima and maxima for which NaN
 * wins and -0 is less than +0.
 */
#include "config.h"

#include <math.h>

#include "vm/lib/library_internal.h"

/* A native of one or two arguments that is an expression of them:
   args[0].slot is a, args[1].slot is b. */
#define MATH_1(name, slot, type, expression)                                   \
  static bool name(struct vm_thread *thread, union vm_slot *args,              \
                   union vm_slot *result)                                      \
  {                                                                            \
    (void)thread;                                                              \
    type a = args[0].slot;                                                     \
    return vm_lib_return_##slot(result, expression);                           \
  }
#define MATH_2(name, slot, type, expression)                                   \
  static bool name(struct vm_thread *thread, union vm_slot *args,              \
                   union vm_slot *result)                                      \
  {                                                                            \
    (void)thread;                                                              \
    type a = args[0].slot, b = args[1].slot;                                   \
    return vm_lib_return_##slot(result, expression);                           \
  }

static double min_double(double a, double b)
{
  if (isnan(a) || isnan(b))
    return (double)NAN;
  if (a == b)
    return signbit(a) ? a : b;
  return a < b ? a : b;
}

static double max_double(double a, double b)
{
  if (isnan(a) || isnan(b))
    return (double)NAN;
  if (a == b)
    return signbit(a) ? b : a;
  return a > b ? a : b;
}

/* Unsigned negation, so that the least integer stays what it is. */
MATH_1(abs_i32, i32, int32_t, a < 0 ? (int32_t)(0u - (uint32_t)a) : a)
MATH_1(abs_i64, i64, int64_t, a < 0 ? (int64_t)(0u - (uint64_t)a) : a)
MATH_1(abs_f32, f32, float, fabsf(a))
MATH_1(abs_f64, f64, double, fabs(a))
MATH_1(sin_f32, f32, float, sinf(a))
MATH_1(sin_f64, f64, double, sin(a))
MATH_1(cos_f32, f32, float, cosf(a))
MATH_1(cos_f64, f64, double, cos(a))
MATH_2(pow_f32, f32, float, powf(a, b))
MATH_2(pow_f64, f64, double, pow(a, b))
MATH_1(sqrt_f32, f32, float, sqrtf(a))
MATH_1(sqrt_f64, f64, double, sqrt(a))
MATH_2(min_i32, i32, int32_t, a < b ? a : b)
MATH_2(max_i32, i32, int32_t, a > b ? a : b)
MATH_2(min_i64, i64, int64_t, a < b ? a : b)
MATH_2(max_i64, i64, int64_t, a > b ? a : b)
/* A float's minimum is that of the doubles it converts to exactly. */
MATH_2(min_f32, f32, float, (float)min_double((double)a, (double)b))
MATH_2(max_f32, f32, float, (float)max_double((double)a, (double)b))
MATH_2(min_f64, f64, double, min_double(a, b))
MATH_2(max_f64, f64, double, max_double(a, b))

static bool calculate_double(struct vm_thread *thread, union vm_slot *args,
                             union vm_slot *result)
{
  (void)thread;
  double sum = 0;
  for (uint32_t i = 0; i < args[0].u32; i++)
    sum += (double)i * args[1].f64;
  return vm_lib_return_f64(result, sum);
}

static bool calculate_float(struct vm_thread *thread, union vm_slot *args,
                            union vm_slot *result)
{
  (void)thread;
  float sum = 0;
  for (uint32_t i = 0; i < args[0].u32; i++)
    sum += (float)i * args[1].f32;
  return vm_lib_return_f32(result, sum);
}

static const struct vm_native_def methods[] = {
    {"i32 Math.absI32(i32)", abs_i32, 0},
    {"i64 Math.absI64(i64)", abs_i64, 0},
    {"f32 Math.absF32(f32)", abs_f32, 0},
    {"f64 Math.absF64(f64)", abs_f64, 0},
    {"f32 Math.fsin(f32)", sin_f32, 0},
    {"f64 Math.sin(f64)", sin_f64, 0},
    {"f32 Math.fcos(f32)", cos_f32, 0},
    {"f64 Math.cos(f64)", cos_f64, 0},
    {"f32 Math.fpow(f32, f32)", pow_f32, 0},
    {"f64 Math.pow(f64, f64)", pow_f64, 0},
    {"f32 Math.fsqrt(f32)", sqrt_f32, 0},
    {"f64 Math.sqrt(f64)", sqrt_f64, 0},
    {"i32 Math.minI32(i32, i32)", min_i32, 0},
    {"i32 Math.maxI32(i32, i32)", max_i32, 0},
    {"i64 Math.minI64(i64, i64)", min_i64, 0},
    {"i64 Math.maxI64(i64, i64)", max_i64, 0},
    {"f32 Math.minF32(f32, f32)", min_f32, 0},
    {"f32 Math.maxF32(f32, f32)", max_f32, 0},
    {"f64 Math.minF64(f64, f64)", min_f64, 0},
    {"f64 Math.maxF64(f64, f64)", max_f64, 0},
    {"f64 Math.calculateDouble(u32, f64)", calculate_double, 0},
    {"f32 Math.calculateFloat(u32, f32)", calculate_float, 0},
};

const struct vm_library_class vm_lib_math = VM_LIB_RECORD("Math", methods);
