/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of bench_malloc share.  A cell of its table is one sequence
 * of allocations with one allocator, in a process of its own:
 *
 *   main (bench_malloc.c)   starts a process per cell and round, makes tables
 *   allocators              one table; adding one is one entry
 *   sequences               likewise
 *   trace                   replays recorded allocations, makes up some
 */
#ifndef TESTS_BENCH_BENCH_MALLOC_H
#define TESTS_BENCH_BENCH_MALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { BENCH_LARGE_BYTES = 1024 };

struct bench_allocator {
  const char *name;
  size_t most_bytes;          /* of a block */
  bool is_for_threads;        /* several may use it at once */
  const char *preload;        /* the libraries to try as LD_PRELOAD, with blanks
                                 between them; null: none is needed */
  void (*open)(void);         /* null: nothing to do; so for all that follow */
  void (*begin_thread)(void); /* each thread, the first one too */
  void (*end_thread)(void);
  void *(*alloc)(size_t bytes);
  void (*free)(void *block, size_t bytes);
};

/* What a sequence is run with, and what it measures. */
struct bench_cell {
  const struct bench_allocator *allocator;
  uint64_t scale;       /* divides the number of steps */
  const char *trace;    /* a file */
  uint64_t pairs;       /* pairs of an allocation and a free that were timed */
  double ns;            /* for all of them */
  uint64_t first_bytes; /* anonymous memory of the process at its beginning */
  uint64_t test_bytes;  /* of that, what the tables of the test took since */
  uint64_t peak_bytes;  /* the rest, with what the process has anyway */
  uint64_t live_bytes;
  bool is_wall; /* several threads: time that passes is what counts */
  double started_ns;
};

struct bench_sequence {
  const char *name;
  const char *what;
  size_t most_bytes;
  bool has_threads;
  void (*run)(struct bench_cell *cell);
};

/* Tables that end with a null name. */
extern const struct bench_allocator bench_allocators[];
extern const struct bench_sequence bench_sequences[];

/* A text and the end of the process, with status 1. */
void bench_give_up(const char *what, const char *detail)
    __attribute__((noreturn));

/* Zeroed memory that no allocator under test sees, touched. */
void *bench_map(size_t bytes);

/* Opens the allocator: memory from now on is its own. */
void bench_open(struct bench_cell *cell);

/* Around what is timed; `pairs` is added to those of the cell. */
void bench_start(struct bench_cell *cell);
void bench_stop(struct bench_cell *cell, uint64_t pairs);

/* Now is a moment with this much in use. */
void bench_look(struct bench_cell *cell, uint64_t live_bytes);

uint64_t bench_random(uint64_t *state);

/* A block with its first word written, and the last byte of a large one. */
static inline void *bench_alloc(const struct bench_allocator *allocator,
                                size_t bytes)
{
  char *block = allocator->alloc(bytes);
  if (__builtin_expect(!block, 0))
    bench_give_up("an allocation failed", allocator->name);
  if (bytes >= sizeof(uint64_t))
    *(uint64_t *)block = bytes;
  if (bytes > BENCH_LARGE_BYTES)
    block[bytes - 1] = 1;
  return block;
}

static inline void bench_free(const struct bench_allocator *allocator,
                              void *block, size_t bytes)
{
  allocator->free(block, bytes);
}

/* bench_malloc_trace.c */
void bench_replay(struct bench_cell *cell);
size_t bench_trace_most_bytes(const char *file);
void bench_make_trace(FILE *out, uint64_t seed, unsigned steps);

#endif
