/* SPDX-License-Identifier: Apache-2.0 */
/* Writing test programs; see emit.h. */
#include "emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"i32", "i64", "f32", "f64"};
const char *const move_suffix[] = {"", ".64", "", ".64"};

FILE *out;
static unsigned functions, checks;

/* Writing programs ---------------------------------------------------------*/

static const char prelude[] =
    ".record panda.String <external>\n"
    ".record panda.ArithmeticException <external>\n"
    ".record IO <external>\n"
    ".function void IO.printString(panda.String a0) <external>\n"
    ".function void IO.printI32(i32 a0) <external>\n"
    ".function void IO.printI64(i64 a0) <external>\n"
    ".function void IO.printF32(f32 a0) <external>\n"
    ".function void IO.printF64(f64 a0) <external>\n"
    ".record T {\n    i32 checks <static>\n    i32 wrong <static>\n}\n"
    ".function void text(panda.String a0) {\n"
    "    call.short IO.printString, a0\n    return.void\n}\n"
    ".function void count(u1 a0, panda.String a1, i32 a2) {\n"
    "    ldstatic T.checks\n    addi 1\n    ststatic T.checks\n"
    "    lda a0\n    jnez right\n"
    "    ldstatic T.wrong\n    addi 1\n    ststatic T.wrong\n"
    "    call.short IO.printString, a1\n"
    "    lda.str \" case \"\n    sta.obj v0\n    call.short text, v0\n"
    "    call.short IO.printI32, a2\n"
    "    lda.str \": \"\n    sta.obj v0\n    call.short text, v0\n"
    "right:\n    return.void\n}\n";

/* Compares a0 and a1 and tells; `equal` leaves 1 or 0 in v0. */
static void put_checker(const char *name, enum type type, const char *equal,
                        const char *printer)
{
  fprintf(out,
          ".function void %s(%s a0, %s a1, panda.String a2, i32 a3) {\n"
          "    movi v0, 0\n%s"
          "done:\n    call count, v0, a2, a3\n    lda v0\n    jnez right\n"
          "    lda.str \"got \"\n    sta.obj v1\n    call.short text, v1\n"
          "    call.short IO.%s, a0\n"
          "    lda.str \", not \"\n    sta.obj v1\n    call.short text, v1\n"
          "    call.short IO.%s, a1\n"
          "    lda.str \"\\n\"\n    sta.obj v1\n    call.short text, v1\n"
          "right:\n    return.void\n}\n",
          name, type_names[type], type_names[type], equal, printer, printer);
}

/* Floats are the same when both are NaN, or equal and of one sign. */
static void put_float_checker(const char *name, enum type type,
                              const char *suffix, const char *printer)
{
  char equal[700];
  snprintf(equal, sizeof equal,
           "    lda%s a1\n    fcmpl%s a1\n    jeqz number\n"
           "    lda%s a0\n    fcmpl%s a0\n    jeqz done\n"
           "    movi v0, 1\n    jmp done\n"
           "number:\n    lda%s a0\n    fcmpl%s a1\n    jnez done\n"
           "    fldai%s 1\n    fdiv2%s a0\n    sta%s v2\n"
           "    fldai%s 1\n    fdiv2%s a1\n    fcmpl%s v2\n    jnez done\n"
           "    movi v0, 1\n",
           suffix, suffix, suffix, suffix, suffix, suffix, suffix, suffix,
           suffix, suffix, suffix, suffix);
  put_checker(name, type, equal, printer);
}

void open_program(const char *directory, const char *name)
{
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.pa", directory, name);
  out = fopen(path, "w");
  if (out == NULL) {
    fprintf(stderr, "generate: %s: %s\n", path, strerror(errno));
    exit(2);
  }
  functions = checks = 0;
}

/* The number of checks is known at the end only, so the head with what is
   expected comes into a second file that is put in front. */
void close_program(const char *directory, const char *name)
{
  char path[4096];
  put_checker("check_i32", I32,
              "    lda a0\n    jne a1, done\n    movi v0, 1\n", "printI32");
  put_checker("check_i64", I64,
              "    lda.64 a0\n    cmp.64 a1\n    jnez done\n    movi v0, 1\n",
              "printI64");
  put_float_checker("check_f32", F32, "", "printF32");
  put_float_checker("check_f64", F64, ".64", "printF64");
  fprintf(out, "%s.function i32 main() {\n", prelude);
  for (unsigned i = 0; i < functions; i++)
    fprintf(out, "    call.short test%u\n", i);
  fputs("    ldstatic T.checks\n    sta v0\n    call.short IO.printI32, v0\n"
        "    lda.str \" checks, \"\n    sta.obj v0\n    call.short text, v0\n"
        "    ldstatic T.wrong\n    sta v0\n    call.short IO.printI32, v0\n"
        "    lda.str \" wrong\\n\"\n    sta.obj v0\n    call.short text, v0\n"
        "    ldstatic T.wrong\n    jeqz good\n    ldai 1\ngood:\n"
        "    return\n}\n",
        out);
  if (ferror(out) || fclose(out) != 0)
    exit(2);
  snprintf(path, sizeof path, "%s/%s.head", directory, name);
  FILE *head = fopen(path, "w");
  if (head == NULL)
    exit(2);
  fprintf(head,
          "# Made by tests/conformance/generate.c.\n#\n"
          "# expect-output: %u checks, 0 wrong\n\n",
          checks);
  if (fclose(head) != 0)
    exit(2);
}

void begin_function(const char *what)
{
  fprintf(out,
          ".function void test%u() {\n    lda.str \"%s\"\n"
          "    sta.obj v4\n",
          functions++, what);
}

void end_function(void)
{
  fputs("    return.void\n}\n", out);
}

void put_constant(unsigned reg, enum type type, uint64_t bits)
{
  switch (type) {
  case I32:
    fprintf(out, "    movi v%u, %d\n", reg, (int)(uint32_t)bits);
    break;
  case I64:
    fprintf(out, "    movi.64 v%u, %lld\n", reg, (long long)bits);
    break;
  case F32:
    fprintf(out, "    fmovi v%u, 0x%x\n", reg, (unsigned)bits);
    break;
  default:
    fprintf(out, "    fmovi.64 v%u, 0x%llx\n", reg, (unsigned long long)bits);
    break;
  }
}

void put_check(enum type type, uint64_t wanted, unsigned number)
{
  put_constant(3, type, wanted);
  fprintf(out, "    movi v5, %u\n    call check_%s, v2, v3, v4, v5\n", number,
          type_names[type]);
  checks++;
}

void put_operation(const char *mnemonic, enum shape shape, enum type type,
                   int64_t imm)
{
  const char *suffix = move_suffix[type];
  switch (shape) {
  case ACC_V:
    fprintf(out, "    lda%s v0\n    %s v1\n    sta%s v2\n", suffix, mnemonic,
            suffix);
    break;
  case D_S:
    fprintf(out, "    lda%s v0\n    %s v2, v1\n    sta%s v6\n", suffix,
            mnemonic, suffix);
    break;
  case A_B:
    fprintf(out, "    %s v0, v1\n    sta%s v2\n", mnemonic, suffix);
    break;
  case A_B_V:
    fprintf(out, "    mov%s v2, v0\n    %s v2, v1\n", suffix, mnemonic);
    break;
  case ACC_IMM:
    fprintf(out, "    lda%s v0\n    %s %lld\n    sta%s v2\n", suffix, mnemonic,
            (long long)imm, suffix);
    break;
  case D_S_IMM:
    fprintf(out, "    %s v2, v0, %lld\n", mnemonic, (long long)imm);
    break;
  }
}

void put_kept_check(enum type type, uint64_t wanted, unsigned number)
{
  fprintf(out, "    mov%s v2, v6\n", move_suffix[type]);
  put_check(type, wanted, number);
}

void put_pair(const char *mnemonic, enum shape shape, enum type type,
              const uint64_t operands[2], uint64_t wanted, unsigned number)
{
  put_constant(0, type, operands[0]);
  put_constant(1, type, operands[1]);
  put_operation(mnemonic, shape, type, 0);
  put_check(type, wanted, number);
  if (shape == D_S)
    put_kept_check(type, operands[0], number);
}

/* Bits ---------------------------------------------------------------------*/

float f32_of(uint64_t bits)
{
  uint32_t word = (uint32_t)bits;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

double f64_of(uint64_t bits)
{
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint64_t bits_of_f32(float value)
{
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

uint64_t bits_of_f64(double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

int64_t extend(uint64_t value, unsigned bits)
{
  uint64_t sign = (uint64_t)1 << (bits - 1);
  value &= sign | (sign - 1);
  return (int64_t)((value ^ sign) - sign);
}

uint32_t low(uint64_t value)
{
  return (uint32_t)value;
}

uint64_t negative(uint64_t value)
{
  return 0 - value;
}

/* Edge values --------------------------------------------------------------*/

static const uint64_t i32_values[] = {
    0,  1,  0xffffffff, 2,          0xfffffffe, 7,          0xfffffff9, 31,
    32, 33, 0x7fffffff, 0x80000000, 0x80000001, 0x55555555, 0x12345678,
};

static const uint64_t i64_values[] = {
    0,
    1,
    UINT64_MAX,
    2,
    UINT64_MAX - 1,
    7,
    63,
    64,
    65,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    INT64_MAX,
    (uint64_t)INT64_MIN,
    (uint64_t)INT64_MIN + 1,
    0x5555555555555555,
    0x123456789abcdef0,
};

static const uint64_t f32_values[] = {
    0,          0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 0x40490fdb,
    0x7f800000, 0xff800000, 0x7fc00000, 0x00000001, 0x80000001, 0x7f7fffff,
    0xff7fffff, 0x00800000, 0x4b800000, 0x3dcccccd,
};

static const uint64_t f64_values[] = {
    0,
    0x8000000000000000,
    0x3ff0000000000000,
    0xbff0000000000000,
    0x3fe0000000000000,
    0x400921fb54442d18,
    0x7ff0000000000000,
    0xfff0000000000000,
    0x7ff8000000000000,
    0x0000000000000001,
    0x8000000000000001,
    0x7fefffffffffffff,
    0xffefffffffffffff,
    0x0010000000000000,
    0x4340000000000000,
    0x3fb999999999999a,
};

const struct values values_of[] = {
    [I32] = {i32_values, COUNT(i32_values)},
    [I64] = {i64_values, COUNT(i64_values)},
    [F32] = {f32_values, COUNT(f32_values)},
    [F64] = {f64_values, COUNT(f64_values)},
};

/* Values at which conversions round or saturate. */
static const uint64_t more_i32[] = {
    0x7f,    0x80,      0xff,       0x100,      0x7fff,     0x8000,    0xffff,
    0x10000, 0x1000001, 0x7fffffbf, 0x7fffffc0, 0xffffff7f, 0xffffff80};
static const uint64_t more_i64[] = {
    0x1000001,          0x20000000000001,   0x20000000000003,
    0x7ffffffffffffdff, 0x7ffffffffffffe00, 0x8000000000000400,
    0xfffffffffffffbff, 0xfffffffffffffc00, 0x4000004000000001,
    0x8000008000000000, 0x8000008000000001, 0x1fffffffffffff};
static const uint64_t more_f32[] = {
    0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff, 0x4f800000,
    0x5effffff, 0x5f000000, 0xdf000000, 0xdf000001, 0x5f7fffff, 0x5f800000,
    0x3f7fffff, 0xbf7fffff, 0x40200000, 0xc0200000, 0xffc00000};
static const uint64_t more_f64[] = {
    0x41dfffffffc00000, 0x41dfffffffffffff, 0x41e0000000000000,
    0xc1e0000000000000, 0xc1e0000000200000, 0xc1e0000000100000,
    0x41efffffffe00000, 0x41f0000000000000, 0x43dfffffffffffff,
    0x43e0000000000000, 0xc3e0000000000000, 0xc3e0000000000001,
    0x43efffffffffffff, 0x43f0000000000000, 0x3fefffffffffffff,
    0xbfefffffffffffff, 0x4004000000000000, 0xc004000000000000,
    0x47efffffefffffff, 0x47effffff0000000, 0x36a0000000000000,
    0x3690000000000000, 0x3690000000000001, 0x3ff0000010000000,
    0x3ff0000030000000, 0xfff8000000000000};

const struct values more_of[] = {
    [I32] = {more_i32, COUNT(more_i32)},
    [I64] = {more_i64, COUNT(more_i64)},
    [F32] = {more_f32, COUNT(more_f32)},
    [F64] = {more_f64, COUNT(more_f64)},
};
