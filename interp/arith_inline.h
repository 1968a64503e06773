/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic with the language's results where C leaves them undefined:
 * wrapping, shift counts taken modulo the width, division of the minimum by
 * -1, saturating conversions.  Divisors are not 0: the caller has looked.
 */
#ifndef INTERP_ARITH_INLINE_H
#define INTERP_ARITH_INLINE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline double f64_of(uint64_t bits)
{
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint64_t f64_bits(double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float f32_of(uint64_t slot)
{
  uint32_t bits = (uint32_t)slot;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint64_t sext32(uint32_t value)
{
  return (uint64_t)(int64_t)(int32_t)value;
}

/* Extended like any other 32 bits, so that a move of 32 bits changes nothing.
 */
static inline uint64_t f32_bits(float value)
{
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return sext32(bits);
}

static inline uint32_t shl_32(uint32_t a, uint32_t n)
{
  return a << (n & 31);
}
static inline uint32_t shr_32(uint32_t a, uint32_t n)
{
  return a >> (n & 31);
}
static inline uint32_t ashr_32(uint32_t a, uint32_t n)
{
  return (uint32_t)((int32_t)a >> (n & 31));
}
static inline uint64_t shl_64(uint64_t a, uint64_t n)
{
  return a << (n & 63);
}
static inline uint64_t shr_64(uint64_t a, uint64_t n)
{
  return a >> (n & 63);
}
static inline uint64_t ashr_64(uint64_t a, uint64_t n)
{
  return (uint64_t)((int64_t)a >> (n & 63));
}

static inline uint32_t div_32(uint32_t a, uint32_t b)
{
  return b == UINT32_MAX ? 0 - a : (uint32_t)((int32_t)a / (int32_t)b);
}
static inline uint32_t mod_32(uint32_t a, uint32_t b)
{
  return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}
static inline uint64_t div_64(uint64_t a, uint64_t b)
{
  return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}
static inline uint64_t mod_64(uint64_t a, uint64_t b)
{
  return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

/* Truncation toward zero that saturates; NaN is 0.  The bounds are the
   nearest doubles outside the range of the integer type. */
static inline int32_t to_i32(double v)
{
  if (v > -2147483649.0 && v < 2147483648.0)
    return (int32_t)v;
  return v != v ? 0 : v < 0 ? INT32_MIN : INT32_MAX;
}
static inline uint32_t to_u32(double v)
{
  if (v > -1.0 && v < 4294967296.0)
    return (uint32_t)v;
  return v > 0 ? UINT32_MAX : 0;
}
static inline int64_t to_i64(double v)
{
  if (v >= -9223372036854775808.0 && v < 9223372036854775808.0)
    return (int64_t)v;
  return v != v ? 0 : v < 0 ? INT64_MIN : INT64_MAX;
}
static inline uint64_t to_u64(double v)
{
  if (v > -1.0 && v < 18446744073709551616.0)
    return (uint64_t)v;
  return v > 0 ? UINT64_MAX : 0;
}

static inline int three_way_i64(int64_t a, int64_t b)
{
  return (a > b) - (a < b);
}
static inline int three_way_u64(uint64_t a, uint64_t b)
{
  return (a > b) - (a < b);
}
/* What a comparison with NaN gives is -1 for `l` and 1 for `g`. */
static inline int three_way_l(double a, double b)
{
  return a > b ? 1 : a == b ? 0 : -1;
}
static inline int three_way_g(double a, double b)
{
  return a < b ? -1 : a == b ? 0 : 1;
}

#endif
