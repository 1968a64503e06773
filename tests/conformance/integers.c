/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer arithmetic: every shape of every operation on pairs of edge values,
 * immediates that wrap, and division by zero.
 */
#include "emit.h"

#include <string.h>

#define BINARY(name, expression32, expression64)                               \
  static uint64_t name##_32(uint64_t a, uint64_t b)                            \
  {                                                                            \
    uint32_t x = low(a), y = low(b);                                           \
    return (uint32_t)(expression32);                                           \
  }                                                                            \
  static uint64_t name##_64(uint64_t x, uint64_t y)                            \
  {                                                                            \
    return (expression64);                                                     \
  }

/* Signed division by unsigned: truncates; the remainder has the sign of the
   dividend.  Right for the least number and -1 too. */
static uint64_t divide(int64_t x, int64_t y)
{
  uint64_t a = x < 0 ? negative((uint64_t)x) : (uint64_t)x;
  uint64_t b = y < 0 ? negative((uint64_t)y) : (uint64_t)y;
  return (x < 0) != (y < 0) ? negative(a / b) : a / b;
}

static uint64_t remainder_of(int64_t x, int64_t y)
{
  uint64_t a = x < 0 ? negative((uint64_t)x) : (uint64_t)x;
  uint64_t b = y < 0 ? negative((uint64_t)y) : (uint64_t)y;
  return x < 0 ? negative(a % b) : a % b;
}

static uint64_t shift_sign(uint64_t value, unsigned count, unsigned bits)
{
  uint64_t x = (uint64_t)extend(value, bits);
  uint64_t fill = x >> 63 ? ~(UINT64_MAX >> count) : 0;
  return x >> count | fill;
}

BINARY(add, x + y, x + y)
BINARY(sub, x - y, x - y)
BINARY(mul, (uint64_t)x *y, x *y)
BINARY(and, x &y, x &y)
BINARY(or, x | y, x | y)
BINARY(xor, x ^ y, x ^ y)
BINARY(shl, x << (y & 31), x << (y & 63))
BINARY(shr, x >> (y & 31), x >> (y & 63))
BINARY(ashr, shift_sign(x, y & 31, 32), shift_sign(x, y & 63, 64))
BINARY(div, divide(extend(x, 32), extend(y, 32)),
       divide((int64_t)x, (int64_t)y))
BINARY(mod, remainder_of(extend(x, 32), extend(y, 32)),
       remainder_of((int64_t)x, (int64_t)y))
BINARY(divu, x / y, x / y)
BINARY(modu, x % y, x % y)

struct integer_op {
  const char *stem;
  uint64_t (*f32)(uint64_t, uint64_t);
  uint64_t (*f64)(uint64_t, uint64_t);
  unsigned imm_bits; /* of the forms with an immediate; 0: there are none */
  bool divides;      /* raises when the right operand is 0 */
  bool is_unsigned;  /* has only the forms with the accumulator */
};

static const struct integer_op integer_ops[] = {
    {"add", add_32, add_64, 8, false, false},
    {"sub", sub_32, sub_64, 8, false, false},
    {"mul", mul_32, mul_64, 8, false, false},
    {"and", and_32, and_64, 32, false, false},
    {"or", or_32, or_64, 32, false, false},
    {"xor", xor_32, xor_64, 32, false, false},
    {"shl", shl_32, shl_64, 8, false, false},
    {"shr", shr_32, shr_64, 8, false, false},
    {"ashr", ashr_32, ashr_64, 8, false, false},
    {"div", div_32, div_64, 8, true, false},
    {"mod", mod_32, mod_64, 8, true, false},
    {"divu", divu_32, divu_64, 0, true, true},
    {"modu", modu_32, modu_64, 0, true, true},
};

static void put_integer_registers(const struct integer_op *op,
                                  const char *ending, enum shape shape,
                                  enum type type)
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
      if (op->divides && pair[1] == 0)
        continue;
      put_pair(mnemonic, shape, type, pair,
               (type == I32 ? op->f32 : op->f64)(pair[0], pair[1]), number++);
    }
  end_function();
}

static void put_integer_immediates(const struct integer_op *op,
                                   const char *ending, enum shape shape)
{
  static const int64_t immediates[] = {
      0,    1,     -1,    2,          7,          31,         32,
      33,   127,   -128,  128,        255,        0xe1,       256,
      -129, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x1000000ff,
  };
  char mnemonic[32];
  unsigned number = 0;
  snprintf(mnemonic, sizeof mnemonic, "%s%s", op->stem, ending);
  begin_function(mnemonic);
  for (size_t i = 0; i < values_of[I32].count; i++)
    for (size_t j = 0; j < COUNT(immediates); j++) {
      uint64_t imm = (uint64_t)extend((uint64_t)immediates[j], op->imm_bits);
      if (op->divides && imm == 0)
        continue;
      put_constant(0, I32, values_of[I32].bits[i]);
      put_operation(mnemonic, shape, I32, immediates[j]);
      put_check(I32, op->f32(values_of[I32].bits[i], imm), number++);
    }
  end_function();
}

/* Division by zero raises; the destination stays as it was. */
static void put_division_by_zero(const struct integer_op *op,
                                 const char *ending, enum shape shape,
                                 enum type type)
{
  char mnemonic[32];
  snprintf(mnemonic, sizeof mnemonic, "%s%s%s", op->stem, ending,
           move_suffix[type]);
  begin_function(mnemonic);
  put_constant(0, type, 5);
  put_constant(1, type, 0);
  put_constant(2, type, 5);
  fputs("begin:\n", out);
  put_operation(mnemonic, shape, type, shape == ACC_IMM ? 256 : 0);
  put_constant(2, type, 77); /* not reached */
  fputs("end:\n    jmp after\ncaught:\n    nop\nafter:\n", out);
  put_check(type, 5, 0);
  fputs("    return.void\n"
        ".catch panda.ArithmeticException, begin, end, caught\n}\n",
        out);
}

static void put_divisions_by_zero(const struct integer_op *op)
{
  put_division_by_zero(op, "2", ACC_V, I32);
  put_division_by_zero(op, "2", ACC_V, I64);
  put_division_by_zero(op, "2v", D_S, I32);
  put_division_by_zero(op, "2v", D_S, I64);
  if (op->is_unsigned)
    return;
  put_division_by_zero(op, "", A_B, I32);
  put_division_by_zero(op, "v", A_B_V, I32);
  put_division_by_zero(op, "i", ACC_IMM, I32);
  put_division_by_zero(op, "iv", D_S_IMM, I32);
}

static void put_inci(void)
{
  begin_function("inci");
  for (int imm = -20; imm <= 20; imm++) {
    uint64_t added = (uint64_t)extend((uint64_t)imm, 4);
    put_constant(2, I32, 0x7fffffff);
    fprintf(out, "    inci v2, %d\n", imm);
    put_check(I32, add_32(0x7fffffff, added), (unsigned)(imm + 20));
  }
  end_function();
}

void integers(const char *directory)
{
  for (size_t i = 0; i < COUNT(integer_ops); i++) {
    const struct integer_op *op = &integer_ops[i];
    open_program(directory, op->stem);
    put_integer_registers(op, "2", ACC_V, I32);
    put_integer_registers(op, "2", ACC_V, I64);
    put_integer_registers(op, "2v", D_S, I32);
    put_integer_registers(op, "2v", D_S, I64);
    if (!op->is_unsigned) {
      put_integer_registers(op, "", A_B, I32);
      put_integer_registers(op, "v", A_B_V, I32);
      put_integer_immediates(op, "i", ACC_IMM);
      put_integer_immediates(op, "iv", D_S_IMM);
    }
    if (op->divides)
      put_divisions_by_zero(op);
    if (strcmp(op->stem, "add") == 0)
      put_inci();
    close_program(directory, op->stem);
  }
}
