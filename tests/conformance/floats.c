/* SPDX-License-Identifier: Apache-2.0 */
/* Floating-point arithmetic, and what goes from the accumulator to itself. */
#include "emit.h"

#include <math.h>

/* Floats -------------------------------------------------------------------*/

#define FLOAT(name, expression32, expression64)                                \
  static uint64_t f##name##_32(uint64_t a, uint64_t b)                         \
  {                                                                            \
    volatile float x = f32_of(a), y = f32_of(b);                               \
    return bits_of_f32(expression32);                                          \
  }                                                                            \
  static uint64_t f##name##_64(uint64_t a, uint64_t b)                         \
  {                                                                            \
    volatile double x = f64_of(a), y = f64_of(b);                              \
    return bits_of_f64(expression64);                                          \
  }

FLOAT(add, x + y, x + y)
FLOAT(sub, x - y, x - y)
FLOAT(mul, x *y, x *y)
FLOAT(div, x / y, x / y)
FLOAT(mod, fmodf(x, y), fmod(x, y))

static const struct float_op {
  const char *stem;
  uint64_t (*f32)(uint64_t, uint64_t);
  uint64_t (*f64)(uint64_t, uint64_t);
} float_ops[] = {
    {"fadd", fadd_32, fadd_64}, {"fsub", fsub_32, fsub_64},
    {"fmul", fmul_32, fmul_64}, {"fdiv", fdiv_32, fdiv_64},
    {"fmod", fmod_32, fmod_64},
};

static void put_float_registers(const struct float_op *op, const char *ending,
                                enum shape shape, enum type type)
{
  char mnemonic[32];
  unsigned number = 0;
  const struct values *values = &values_of[type];
  snprintf(mnemonic, sizeof mnemonic, "%s%s%s", op->stem, ending,
           move_suffix[type]);
  begin_function(mnemonic);
  for (size_t i = 0; i < values->count; i++)
    for (size_t j = 0; j < values->count; j++) {
      uint64_t pair[] = {values->bits[i], values->bits[j]};
      put_pair(mnemonic, shape, type, pair,
               (type == F32 ? op->f32 : op->f64)(pair[0], pair[1]), number++);
    }
  end_function();
}

void floats(const char *directory)
{
  open_program(directory, "float");
  for (size_t i = 0; i < COUNT(float_ops); i++)
    for (enum type type = F32; type <= F64; type++) {
      put_float_registers(&float_ops[i], "2", ACC_V, type);
      put_float_registers(&float_ops[i], "2v", D_S, type);
    }
  close_program(directory, "float");
}

/* Instructions from the accumulator to itself ------------------------------*/

static uint64_t float_to_integer(double value, double least, double beyond,
                                 uint64_t minimum, uint64_t maximum)
{
  if (value != value)
    return 0;
  if (value <= least)
    return minimum;
  if (value >= beyond)
    return maximum;
  return value < 0 ? negative((uint64_t)-value) : (uint64_t)value;
}

static uint64_t to_i32(double value)
{
  return low(float_to_integer(value, -0x1p31, 0x1p31, 0x80000000, 0x7fffffff));
}

static uint64_t to_i64(double value)
{
  return float_to_integer(value, -0x1p63, 0x1p63, (uint64_t)INT64_MIN,
                          INT64_MAX);
}

static uint64_t to_u32(double value)
{
  return float_to_integer(value, 0, 0x1p32, 0, UINT32_MAX);
}

static uint64_t to_u64(double value)
{
  return float_to_integer(value, 0, 0x1p64, 0, UINT64_MAX);
}

#define UNARY(name, expression)                                                \
  static uint64_t do_##name(uint64_t x)                                        \
  {                                                                            \
    return (expression);                                                       \
  }

UNARY(neg, low(negative(x)))
UNARY(not, low(~x))
UNARY(neg64, negative(x))
UNARY(not64, ~x)
UNARY(fneg, x ^ 0x80000000)
UNARY(fneg64, x ^ 0x8000000000000000)
UNARY(i32tof32, bits_of_f32((float)(int32_t)extend(x, 32)))
UNARY(i32tof64, bits_of_f64((double)extend(x, 32)))
UNARY(u32tof32, bits_of_f32((float)low(x)))
UNARY(u32tof64, bits_of_f64((double)low(x)))
UNARY(i64tof32, bits_of_f32((float)(int64_t)x))
UNARY(i64tof64, bits_of_f64((double)(int64_t)x))
UNARY(u64tof32, bits_of_f32((float)x))
UNARY(u64tof64, bits_of_f64((double)x))
UNARY(f32toi32, to_i32(f32_of(x)))
UNARY(f32toi64, to_i64(f32_of(x)))
UNARY(f32tou32, to_u32(f32_of(x)))
UNARY(f32tou64, to_u64(f32_of(x)))
UNARY(f64toi32, to_i32(f64_of(x)))
UNARY(f64toi64, to_i64(f64_of(x)))
UNARY(f64tou32, to_u32(f64_of(x)))
UNARY(f64tou64, to_u64(f64_of(x)))
UNARY(f32tof64, bits_of_f64(f32_of(x)))
UNARY(f64tof32, bits_of_f32((float)f64_of(x)))
UNARY(i32tou1, low(x) != 0)
UNARY(i64tou1, x != 0)
UNARY(extend32, (uint64_t)extend(x, 32))
UNARY(zero32, low(x))
UNARY(extend8, low((uint64_t)extend(x, 8)))
UNARY(extend16, low((uint64_t)extend(x, 16)))
UNARY(zero8, x & 0xff)
UNARY(zero16, x & 0xffff)

static const struct unary_op {
  const char *mnemonic;
  enum type from, to;
  uint64_t (*function)(uint64_t);
} unary_ops[] = {
    {"neg", I32, I32, do_neg},           {"not", I32, I32, do_not},
    {"neg.64", I64, I64, do_neg64},      {"not.64", I64, I64, do_not64},
    {"fneg", F32, F32, do_fneg},         {"fneg.64", F64, F64, do_fneg64},
    {"i32tof32", I32, F32, do_i32tof32}, {"i32tof64", I32, F64, do_i32tof64},
    {"u32tof32", I32, F32, do_u32tof32}, {"u32tof64", I32, F64, do_u32tof64},
    {"i64tof32", I64, F32, do_i64tof32}, {"i64tof64", I64, F64, do_i64tof64},
    {"u64tof32", I64, F32, do_u64tof32}, {"u64tof64", I64, F64, do_u64tof64},
    {"f32toi32", F32, I32, do_f32toi32}, {"f32toi64", F32, I64, do_f32toi64},
    {"f32tou32", F32, I32, do_f32tou32}, {"f32tou64", F32, I64, do_f32tou64},
    {"f64toi32", F64, I32, do_f64toi32}, {"f64toi64", F64, I64, do_f64toi64},
    {"f64tou32", F64, I32, do_f64tou32}, {"f64tou64", F64, I64, do_f64tou64},
    {"f32tof64", F32, F64, do_f32tof64}, {"f64tof32", F64, F32, do_f64tof32},
    {"i32tou1", I32, I32, do_i32tou1},   {"u32tou1", I32, I32, do_i32tou1},
    {"i64tou1", I64, I32, do_i64tou1},   {"u64tou1", I64, I32, do_i64tou1},
    {"i32toi64", I32, I64, do_extend32}, {"u32toi64", I32, I64, do_zero32},
    {"i64toi32", I64, I32, do_zero32},   {"u64toi32", I64, I32, do_zero32},
    {"u64tou32", I64, I32, do_zero32},   {"i32toi8", I32, I32, do_extend8},
    {"u32toi8", I32, I32, do_extend8},   {"i32toi16", I32, I32, do_extend16},
    {"u32toi16", I32, I32, do_extend16}, {"i32tou8", I32, I32, do_zero8},
    {"u32tou8", I32, I32, do_zero8},     {"i32tou16", I32, I32, do_zero16},
    {"u32tou16", I32, I32, do_zero16},
};

static void put_unary_values(const struct unary_op *op,
                             const struct values *values, unsigned *number)
{
  for (size_t i = 0; i < values->count; i++) {
    put_constant(0, op->from, values->bits[i]);
    fprintf(out, "    lda%s v0\n    %s\n    sta%s v2\n", move_suffix[op->from],
            op->mnemonic, move_suffix[op->to]);
    put_check(op->to, op->function(values->bits[i]), (*number)++);
  }
}

void conversions(const char *directory)
{
  open_program(directory, "convert");
  for (size_t i = 0; i < COUNT(unary_ops); i++) {
    unsigned number = 0;
    begin_function(unary_ops[i].mnemonic);
    put_unary_values(&unary_ops[i], &values_of[unary_ops[i].from], &number);
    put_unary_values(&unary_ops[i], &more_of[unary_ops[i].from], &number);
    end_function();
  }
  close_program(directory, "convert");
}
