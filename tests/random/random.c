/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers from a seed, by the generator PCG-XSH-RR of Melissa O'Neill (2014),
 * and text that grows.
 */
#include "random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t state;

static uint32_t next(void)
{
  uint64_t old = state;
  state = old * 6364136223846793005u + 1442695040888963407u;
  uint32_t mixed = (uint32_t)(((old >> 18) ^ old) >> 27);
  unsigned turn = (unsigned)(old >> 59);
  return mixed >> turn | mixed << ((32 - turn) & 31);
}

void seed_with(uint64_t seed)
{
  state = seed * 2654435761u + 1442695040888963407u;
  next();
  next();
}

unsigned below(unsigned limit)
{
  return (unsigned)(((uint64_t)next() * limit) >> 32);
}

int between(int least, int most)
{
  return least + (int)below((unsigned)(most - least + 1));
}

bool chance(unsigned percent)
{
  return below(100) < percent;
}

uint64_t random_bits(void)
{
  static const uint64_t edges[] = {
      0,
      1,
      2,
      7,
      31,
      32,
      33,
      63,
      64,
      65,
      127,
      128,
      255,
      256,
      32767,
      32768,
      65535,
      65536,
      0x7fffffff,
      0x80000000,
      0xffffffff,
      0x100000000,
      INT64_MAX,
      (uint64_t)1 << 63,
      UINT64_MAX,
      1000003,
      0x5555555555555555,
      0x1000001,
      0x1000003,
      0x20000000000001,
      0x7fffff80,
      0x7fffffbf,
      0x7ffffffffffffc00,
      0x7ffffffffffffdff,
      0x8000008000000000,
      0x8000008000000001,
      0x8000000000000400,
      0x8000000000000401,
      0xfffffffffffffbff,
  };
  uint64_t bits = edges[below(COUNT(edges))];
  if (chance(30))
    bits = (uint64_t)next() << 32 | next();
  else if (chance(30))
    bits = ~bits;
  else if (chance(20))
    bits++;
  return bits >> (chance(20) ? below(64) : 0);
}

int64_t random_factor(void)
{
  static const int64_t factors[] = {
      0,  1,  2,  3,  4,   5,   7,   8,   9,   10,  16,   25,    31,      32,
      33, 63, 64, 65, 100, 127, 128, 641, 255, 256, 1000, 65536, 1000003, 4096};
  int64_t factor = factors[below(COUNT(factors))];
  if (chance(15))
    factor = (int64_t)((uint64_t)1 << below(64));
  else if (chance(10))
    factor = (int64_t)random_bits();
  return chance(35) ? (int64_t)(0 - (uint64_t)factor) : factor;
}

void random_float(char *text, size_t size, bool is_wide)
{
  static const char *const narrow[] = {
      "0x7f800000", "0xff800000", "0x7fc00000", "0x7fc00000", "0xffc00001",
      "0x80000000", "0x00000001", "0x7f7fffff", "0x4f000000", "0xcf000000",
      "0x5f000000", "0x3f7fffff", "0x4b800001", "0x4f800000", "0x5f800000",
      "0xdf000000", "0xdf000001", "0x4effffff", "0x5effffff", "0xcf000001",
      "0x4f7fffff", "0x5f7fffff", "0xbf7fffff"};
  static const char *const wide[] = {
      "0x7ff0000000000000", "0xfff0000000000000", "0x7ff8000000000000",
      "0x7ff8000000000000", "0xfff8000000000001", "0x8000000000000000",
      "0x0000000000000001", "0x7fefffffffffffff", "0x41e0000000000000",
      "0xc1e0000000000000", "0x43e0000000000000", "0xc3e0000000000000",
      "0x41efffffffffffff", "0x3fefffffffffffff", "0x41f0000000000000",
      "0x43f0000000000000", "0x41dfffffffc00000", "0x41dfffffffe00000",
      "0xc1e0000000100000", "0xc1e0000000200000", "0x41efffffffe00000",
      "0x43dfffffffffffff", "0xc3e0000000000001", "0x43efffffffffffff",
      "0xbfefffffffffffff", "0x4340000000000001", "0x47efffffefffffff",
      "0x47effffff0000000", "0x380fffffffffffff"};
  if (chance(55))
    snprintf(text, size, "%s",
             is_wide ? wide[below(COUNT(wide))] : narrow[below(COUNT(narrow))]);
  else
    snprintf(text, size, "%d.%u", between(-999, 999), below(100000));
}

void put(struct text *text, const char *format, ...)
{
  va_list args;
  for (;;) {
    size_t room = text->capacity - text->length;
    va_start(args, format);
    int length = vsnprintf(text->bytes ? text->bytes + text->length : NULL,
                           room, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < room) {
      text->length += (size_t)length;
      return;
    }
    text->capacity = 2 * text->capacity + (size_t)length + 1;
    text->bytes = realloc(text->bytes, text->capacity);
    if (!text->bytes) {
      fputs("generate: no memory\n", stderr);
      exit(2);
    }
  }
}
