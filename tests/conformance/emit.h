/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing test programs in Panda Assembly: the frame of a program, constants,
 * checks, instructions by shape, and the edge values they are run on.
 *
 * In each test function v0 and v1 are the operands, v2 is the result, v3 what
 * is wanted, v4 the name of the test, v5 the number of the case, and v6 the
 * accumulator where it must be kept.
 */
#ifndef TESTS_CONFORMANCE_EMIT_H
#define TESTS_CONFORMANCE_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The types of registers. */
enum type { I32, I64, F32, F64 };

/* Where operands and result are. */
enum shape {
  ACC_V,   /* acc = acc op v1: the first from the accumulator */
  D_S,     /* v2 = acc op v1, the accumulator stays */
  A_B,     /* acc = v0 op v1 */
  A_B_V,   /* v2 = v2 op v1 */
  ACC_IMM, /* acc = acc op imm */
  D_S_IMM, /* v2 = v0 op imm */
};

struct values {
  const uint64_t *bits;
  size_t count;
};

extern FILE *out;
extern const char *const move_suffix[]; /* of lda, sta and mov, by type */
extern const struct values values_of[]; /* edge values, by type */
extern const struct values more_of[];   /* where conversions round, saturate */

void open_program(const char *directory, const char *name);
/* Writes what all tests share, and NAME.head with what is expected. */
void close_program(const char *directory, const char *name);
void begin_function(const char *what);
void end_function(void);
/* A constant into a register. */
void put_constant(unsigned reg, enum type type, uint64_t bits);
/* v2 must hold these bits. */
void put_check(enum type type, uint64_t wanted, unsigned number);
/* The instruction with its operands in place; the result goes to v2, the
   accumulator, where it stays, to v6. */
void put_operation(const char *mnemonic, enum shape shape, enum type type,
                   int64_t imm);
/* The accumulator, kept in v6, is as it was. */
void put_kept_check(enum type type, uint64_t wanted, unsigned number);
/* Operands, the operation, and the check of its result. */
void put_pair(const char *mnemonic, enum shape shape, enum type type,
              const uint64_t operands[2], uint64_t wanted, unsigned number);

float f32_of(uint64_t bits);
double f64_of(uint64_t bits);
uint64_t bits_of_f32(float value);
uint64_t bits_of_f64(double value);
/* Sign-extends the low `bits` bits. */
int64_t extend(uint64_t value, unsigned bits);
uint32_t low(uint64_t value);
/* Modulo 2^64. */
uint64_t negative(uint64_t value);

/* The families; each writes its programs. */
void integers(const char *directory);
void floats(const char *directory);
void conversions(const char *directory);
void comparisons(const char *directory);
void moves(const char *directory);
void storage(const char *directory);

#endif
