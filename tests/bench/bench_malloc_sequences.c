/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequences of allocations of bench_malloc; each is the same for all
 * allocators, to the last random number.
 */
#include "config.h"

#include "tests/bench/bench_malloc.h"

#include <pthread.h>
#include <sched.h>

enum {
  SMALL_BYTES = 24,
  PAIRS = 20000000,
  BATCH = 1000,
  BATCHES = 20000,
  MANY = 1000000,
  REPLACEMENTS = 4000000,
  MIXED = 100000,
  MIXED_LEAST = 16,
  MIXED_MOST = 511,
  RING = 4096, /* a power of two */
  RING_BYTES = 64,
  PASSED = 3000000,
};

struct block {
  void *at;
  uint32_t bytes;
};

/* Allocation and free by turns
 * -------------------------------------------------- */

static void run_pairs(struct bench_cell *cell)
{
  const struct bench_allocator *allocator = cell->allocator;
  uint64_t count = PAIRS / cell->scale;
  bench_open(cell);
  bench_start(cell);
  for (uint64_t i = 0; i < count; i++) {
    void *block = bench_alloc(allocator, SMALL_BYTES);
    bench_free(allocator, block, SMALL_BYTES);
  }
  bench_stop(cell, count);
  void *block = bench_alloc(allocator, SMALL_BYTES);
  bench_look(cell, SMALL_BYTES);
  bench_free(allocator, block, SMALL_BYTES);
}

static void fill_batch(const struct bench_allocator *allocator, void **blocks)
{
  for (int i = 0; i < BATCH; i++)
    blocks[i] = bench_alloc(allocator, SMALL_BYTES);
}

static void empty_batch(const struct bench_allocator *allocator, void **blocks)
{
  for (int i = 0; i < BATCH; i++)
    bench_free(allocator, blocks[i], SMALL_BYTES);
}

static void run_batches(struct bench_cell *cell)
{
  void **blocks = bench_map(BATCH * sizeof *blocks);
  uint64_t count = BATCHES / cell->scale;
  bench_open(cell);
  bench_start(cell);
  for (uint64_t i = 0; i < count; i++) {
    fill_batch(cell->allocator, blocks);
    empty_batch(cell->allocator, blocks);
  }
  bench_stop(cell, count * BATCH);
  fill_batch(cell->allocator, blocks);
  bench_look(cell, BATCH * SMALL_BYTES);
  empty_batch(cell->allocator, blocks);
}

/* Random replacement
 * ------------------------------------------------------------- */

static void make(struct bench_cell *cell, struct block *block, uint64_t *seed,
                 uint32_t least, uint32_t most, uint64_t *live)
{
  uint32_t range = most - least + 1;
  block->bytes =
      range == 1 ? least : least + (uint32_t)(bench_random(seed) % range);
  block->at = bench_alloc(cell->allocator, block->bytes);
  *live += block->bytes;
}

static void drop(struct bench_cell *cell, struct block *block, uint64_t *live)
{
  bench_free(cell->allocator, block->at, block->bytes);
  *live -= block->bytes;
}

static void replace(struct bench_cell *cell, uint64_t count, uint32_t least,
                    uint32_t most)
{
  struct block *blocks = bench_map(count * sizeof *blocks);
  uint64_t seed = 1, live = 0, steps = REPLACEMENTS / cell->scale;
  bench_open(cell);
  for (uint64_t i = 0; i < count; i++)
    make(cell, &blocks[i], &seed, least, most, &live);
  bench_look(cell, live);
  bench_start(cell);
  for (uint64_t i = 0; i < steps; i++) {
    struct block *block = &blocks[bench_random(&seed) % count];
    drop(cell, block, &live);
    make(cell, block, &seed, least, most, &live);
  }
  bench_stop(cell, steps);
  bench_look(cell, live);
  for (uint64_t i = 0; i < count; i++)
    drop(cell, &blocks[i], &live);
}

static void run_million(struct bench_cell *cell)
{
  replace(cell, MANY / cell->scale, SMALL_BYTES, SMALL_BYTES);
}

static void run_mixed(struct bench_cell *cell)
{
  replace(cell, MIXED / cell->scale, MIXED_LEAST, MIXED_MOST);
}

/* A producer and a consumer
 * ------------------------------------------------------- */

struct ring {
  void *blocks[RING]; /* atomic; null: free */
  struct bench_cell *cell;
  uint64_t count;
};

static void *wait_full(void **place)
{
  void *block;
  while (!(block = __atomic_load_n(place, __ATOMIC_ACQUIRE)))
    sched_yield();
  return block;
}

static void wait_empty(void **place)
{
  while (__atomic_load_n(place, __ATOMIC_ACQUIRE))
    sched_yield();
}

static void *consume(void *argument)
{
  struct ring *ring = argument;
  const struct bench_allocator *allocator = ring->cell->allocator;
  if (allocator->begin_thread)
    allocator->begin_thread();
  for (uint64_t i = 0; i < ring->count; i++) {
    void **place = &ring->blocks[i % RING];
    void *block = wait_full(place);
    __atomic_store_n(place, NULL, __ATOMIC_RELEASE);
    bench_free(allocator, block, RING_BYTES);
  }
  if (allocator->end_thread)
    allocator->end_thread();
  return NULL;
}

static void produce(struct ring *ring)
{
  const struct bench_allocator *allocator = ring->cell->allocator;
  for (uint64_t i = 0; i < ring->count; i++) {
    void **place = &ring->blocks[i % RING];
    void *block = bench_alloc(allocator, RING_BYTES);
    wait_empty(place);
    __atomic_store_n(place, block, __ATOMIC_RELEASE);
  }
}

static void run_threads(struct bench_cell *cell)
{
  struct ring *ring = bench_map(sizeof *ring);
  pthread_t thread;
  ring->cell = cell;
  ring->count = PASSED / cell->scale;
  cell->is_wall = true;
  bench_open(cell);
  bench_start(cell);
  if (pthread_create(&thread, NULL, consume, ring) != 0)
    bench_give_up("no thread", cell->allocator->name);
  produce(ring);
  pthread_join(thread, NULL);
  bench_stop(cell, ring->count);
  bench_look(cell, RING * RING_BYTES);
}

const struct bench_sequence bench_sequences[] = {
    {"pairs", "24 bytes, freed at once", SMALL_BYTES, false, run_pairs},
    {"batches", "1,000 blocks of 24 bytes, then their frees", SMALL_BYTES,
     false, run_batches},
    {"million", "random replacement among 1,000,000 of 24 bytes", SMALL_BYTES,
     false, run_million},
    {"mixed", "random replacement among 100,000 of 16 to 511 bytes", MIXED_MOST,
     false, run_mixed},
    {"threads", "one thread allocates 64 bytes, another frees them", RING_BYTES,
     true, run_threads},
    {"trace", "replay of", 0, false, bench_replay},
    {.name = NULL},
};
