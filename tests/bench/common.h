/* SPDX-License-Identifier: Apache-2.0 */
/* What the C programs share: a clock, and memory that is only ever freed by
 * hand.  A program that runs out of it has nothing to measure and ends. */

#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEW(T) ((T *)need(malloc(sizeof(T))))
#define NEWARR(bytes) need(calloc(1, bytes))
#define NEWATOMIC(bytes) need(malloc(bytes))

static inline double now_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

static inline void *need(void *block)
{
  if (!block) {
    fputs("out of memory\n", stderr);
    exit(1);
  }
  return block;
}

#endif
