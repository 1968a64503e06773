/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots and several threads: blocks that another thread frees, caches that
 * outlive their threads, runs that change hands.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "mm/alloc/slots_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"
#include "tests/unit/slots_fixture.h"

enum {
  BYTES = 48,
  PER_RUN = MM_SPAN_BYTES / BYTES,
  THREADS = 4,
  MOST_BLOCKS = 8 * PER_RUN,
};

static struct slots_fixture f;
static struct mm_slots_cache *own, *other; /* two threads', here by turns */
static void *blocks[MOST_BLOCKS];

static struct mm_slots_cache *acquire(void)
{
  struct mm_slots_cache *cache = mm_slots_cache_acquire(f.slots);
  fixture_require(cache);
  return cache;
}

static void setup(void)
{
  slots_fixture_open(&f, NULL, 0);
  own = acquire();
  other = acquire();
}

static void teardown(void)
{
  mm_slots_cache_release(own);
  mm_slots_cache_release(other);
  slots_fixture_close(&f);
}

static void alloc_many(struct mm_slots_cache *cache, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    blocks[i] = mm_slots_alloc(cache, BYTES);
    fixture_require(blocks[i]);
  }
}

static void free_many(struct mm_slots_cache *cache, size_t from, size_t beyond)
{
  for (size_t i = from; i < beyond; i++)
    mm_slots_free(cache, blocks[i]);
}

static void end_own(void)
{
  mm_slots_cache_release(own);
  own = NULL;
}

/* By turns --------------------------------------------------------------------
 */

START_TEST(caches_do_not_share_runs)
{
  char *one = mm_slots_alloc(own, BYTES), *two = mm_slots_alloc(other, BYTES);
  ck_assert_uint_ne((uintptr_t)one / MM_SPAN_BYTES,
                    (uintptr_t)two / MM_SPAN_BYTES);
  mm_slots_free(own, one);
  mm_slots_free(other, two);
}
END_TEST

START_TEST(a_block_that_another_thread_frees_is_free)
{
  struct mm_alloc_stats stats;
  alloc_many(own, 10);
  mm_slots_free(other, blocks[3]);
  ck_assert(!mm_allocator_is_block(f.allocator, blocks[3]));
  mm_allocator_stats(f.allocator, &stats);
  ck_assert_uint_eq(stats.blocks, 9);
  slots_fixture_check(&f);
}
END_TEST

START_TEST(slots_that_others_freed_are_used_before_new_memory)
{
  alloc_many(own, 3 * PER_RUN);
  for (size_t i = 0; i < 3 * PER_RUN; i += 2)
    mm_slots_free(other, blocks[i]);
  slots_fixture_check(&f);
  for (size_t i = 0; i < 3 * PER_RUN; i += 2)
    blocks[i] = mm_slots_alloc(own, BYTES);
  ck_assert_uint_eq(f.source.takes, 3);
  slots_fixture_check(&f);
  free_many(own, 0, 3 * PER_RUN);
}
END_TEST

START_TEST(runs_that_others_emptied_go_back)
{
  alloc_many(own, 5 * PER_RUN);
  free_many(other, 0, 5 * PER_RUN);
  mm_slots_free(own, mm_slots_alloc(own, BYTES));
  ck_assert_uint_le(f.source.held, 2);
  slots_fixture_check(&f);
}
END_TEST

START_TEST(a_new_thread_adopts_the_cache_of_one_that_ended)
{
  struct mm_slots_cache *before = own;
  alloc_many(own, 10);
  end_own();
  own = acquire();
  ck_assert_ptr_eq(own, before);
  void *block = mm_slots_alloc(own, BYTES);
  ck_assert_uint_eq(f.source.takes, 1);
  mm_slots_free(own, block);
  free_many(own, 0, 10);
}
END_TEST

START_TEST(caches_that_come_and_go_take_no_more_memory)
{
  uint64_t charged = mm_native_bytes(MM_PURPOSE_ALLOCATORS);
  for (int i = 0; i < 1000; i++) {
    struct mm_slots_cache *cache = acquire();
    mm_slots_cache_release(cache);
  }
  ck_assert_uint_le(mm_native_bytes(MM_PURPOSE_ALLOCATORS),
                    charged + 2 * sizeof(struct mm_slots_cache));
  mm_slots_cache_release(NULL);
}
END_TEST

START_TEST(a_thread_that_ends_gives_its_empty_runs_back)
{
  alloc_many(own, 3 * PER_RUN);
  free_many(own, 0, 3 * PER_RUN);
  ck_assert_uint_gt(f.source.held, 0);
  end_own();
  ck_assert_uint_eq(f.source.held, 0);
}
END_TEST

START_TEST(free_slots_of_an_orphan_are_used_before_new_memory)
{
  alloc_many(own, 3 * PER_RUN);
  for (size_t i = 0; i < 3 * PER_RUN; i += 2)
    mm_slots_free(own, blocks[i]);
  end_own();
  for (size_t i = 0; i < 3 * PER_RUN; i += 2)
    blocks[i] = mm_slots_alloc(other, BYTES);
  ck_assert_uint_eq(f.source.takes, 3);
  slots_fixture_check(&f);
  free_many(other, 0, 3 * PER_RUN);
}
END_TEST

START_TEST(a_run_taken_over_is_its_new_owners_own)
{
  alloc_many(own, PER_RUN / 2);
  end_own();
  void *block = mm_slots_alloc(other, BYTES);
  mm_slots_free(other, blocks[7]);
  ck_assert_ptr_null(other->queue);
  ck_assert_ptr_eq(mm_slots_alloc(other, BYTES), blocks[7]);
  mm_slots_free(other, block);
  ck_assert_uint_eq(f.source.takes, 1);
  slots_fixture_check(&f);
}
END_TEST

START_TEST(runs_of_a_thread_that_ended_go_back_when_their_blocks_are_freed)
{
  alloc_many(own, 4 * PER_RUN);
  free_many(other, 0, 10); /* before the end */
  end_own();
  ck_assert_uint_eq(f.source.held, 4);
  free_many(other, 10, 4 * PER_RUN);
  ck_assert_uint_eq(f.source.held, 0);
  slots_fixture_check(&f);
}
END_TEST

START_TEST(destroying_gives_back_what_caches_still_hold)
{
  alloc_many(own, 4 * PER_RUN);
  free_many(other, 100, 2 * PER_RUN);
  mm_slots_alloc(other, 300);
  mm_allocator_alloc(f.allocator, 700);
  ck_assert_uint_ge(f.source.held, 6);
  /* teardown looks that the source has it all */
}
END_TEST

START_TEST(destroying_leaves_no_charge)
{
  uint64_t charged = mm_native_bytes(MM_PURPOSE_ALLOCATORS);
  struct slots_fixture another;
  slots_fixture_open(&another, NULL, 0);
  mm_slots_cache_acquire(another.slots);
  ck_assert_uint_gt(mm_native_bytes(MM_PURPOSE_ALLOCATORS), charged);
  slots_fixture_close(&another);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_ALLOCATORS), charged);
}
END_TEST

/* At once ---------------------------------------------------------------------
 */

/* A place where threads leave blocks for each other. */
struct exchange {
  void *blocks[512]; /* atomic */
};

static struct exchange exchange;

/* The first word of a block has its size, the rest is a byte made of it. */
static void fill(void *block, size_t bytes)
{
  memset(block, (int)(bytes & 0xff), bytes);
  *(uint64_t *)block = bytes;
}

static void check_and_free(struct mm_slots_cache *cache, void *block)
{
  if (!block)
    return;
  size_t bytes = *(uint64_t *)block;
  fixture_require(
      slots_fixture_all_are((char *)block + 8, bytes - 8, (uint8_t)bytes));
  mm_slots_free(cache, block);
}

static void swap_block(struct mm_slots_cache *cache, uint64_t *seed)
{
  size_t bytes = fixture_random(seed) % 200 + 8;
  void **place = &exchange.blocks[fixture_random(seed) % 512];
  void *block = mm_slots_alloc(cache, bytes);
  fixture_require(block);
  fill(block, bytes);
  block = __atomic_exchange_n(place, block, __ATOMIC_ACQ_REL);
  check_and_free(cache, block);
}

struct work {
  pthread_t thread;
  uint64_t seed;
  int lives, steps;
};

/* A thread that changes its cache `lives` times, as that many threads that
   follow each other would. */
static void *swap_blocks(void *argument)
{
  struct work *work = argument;
  for (int life = 0; life < work->lives; life++) {
    struct mm_slots_cache *cache = acquire();
    for (int i = 0; i < work->steps; i++)
      swap_block(cache, &work->seed);
    mm_slots_cache_release(cache);
  }
  return NULL;
}

static void run_threads(struct work *work, int lives, int steps)
{
  for (int i = 0; i < THREADS; i++) {
    work[i] =
        (struct work){.seed = 17 + (uint64_t)i, .lives = lives, .steps = steps};
    ck_assert_int_eq(
        pthread_create(&work[i].thread, NULL, swap_blocks, &work[i]), 0);
  }
  for (int i = 0; i < THREADS; i++)
    pthread_join(work[i].thread, NULL);
}

static void empty_exchange(void)
{
  for (size_t i = 0; i < 512; i++) {
    check_and_free(other, exchange.blocks[i]);
    exchange.blocks[i] = NULL;
  }
}

static size_t blocks_left(void)
{
  struct mm_alloc_stats stats;
  mm_allocator_stats(f.allocator, &stats);
  return stats.blocks;
}

static size_t blocks_in_exchange(void)
{
  size_t count = 0;
  for (size_t i = 0; i < 512; i++)
    count += exchange.blocks[i] != NULL;
  return count;
}

/* Situation 3. */
START_TEST(threads_that_free_each_others_blocks_lose_none)
{
  struct work work[THREADS];
  run_threads(work, 1, 20000);
  slots_fixture_check(&f);
  ck_assert_uint_eq(blocks_left(), blocks_in_exchange());
  empty_exchange();
  ck_assert_uint_eq(blocks_left(), 0);
  slots_fixture_check(&f);
}
END_TEST

/* Runs go from orphans to other caches while their blocks are being freed. */
START_TEST(threads_that_end_and_begin_lose_no_block_and_no_run)
{
  struct work work[THREADS];
  run_threads(work, 150, 150);
  slots_fixture_check(&f);
  ck_assert_uint_eq(blocks_left(), blocks_in_exchange());
  ck_assert_uint_eq(f.faults, 0);
  empty_exchange();
  ck_assert_uint_eq(blocks_left(), 0);
  slots_fixture_check(&f);
}
END_TEST

struct pipe {
  void *blocks[1024]; /* atomic */
  struct mm_slots_cache *producer, *consumer;
  int count;
};

static void *produce(void *argument)
{
  struct pipe *pipe = argument;
  for (int i = 0; i < pipe->count; i++) {
    void **place = &pipe->blocks[i % 1024];
    void *block = mm_slots_alloc(pipe->producer, BYTES);
    fixture_require(block);
    fill(block, BYTES);
    while (__atomic_load_n(place, __ATOMIC_ACQUIRE))
      sched_yield();
    __atomic_store_n(place, block, __ATOMIC_RELEASE);
  }
  return NULL;
}

static void consume(struct pipe *pipe)
{
  for (int i = 0; i < pipe->count; i++) {
    void **place = &pipe->blocks[i % 1024], *block;
    while (!(block = __atomic_load_n(place, __ATOMIC_ACQUIRE)))
      sched_yield();
    __atomic_store_n(place, NULL, __ATOMIC_RELEASE);
    check_and_free(pipe->consumer, block);
  }
}

START_TEST(a_producer_gets_back_what_a_consumer_frees)
{
  static struct pipe pipe;
  pthread_t thread;
  pipe = (struct pipe){.producer = own, .consumer = other, .count = 200000};
  ck_assert_int_eq(pthread_create(&thread, NULL, produce, &pipe), 0);
  consume(&pipe);
  pthread_join(thread, NULL);
  slots_fixture_check(&f);
  ck_assert_uint_eq(blocks_left(), 0);
  ck_assert_uint_le(f.source.held, 4);
}
END_TEST

static void *use_class(void *argument)
{
  struct slots_model *model = argument;
  uint64_t seed = (uintptr_t)model;
  for (int i = 0; i < 10000; i++)
    slots_model_step(model, NULL, &seed);
  return NULL;
}

START_TEST(the_functions_of_the_class_are_for_any_thread)
{
  static struct slots_model models[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    models[i] = (struct slots_model){.slots = &f};
    ck_assert_int_eq(pthread_create(&threads[i], NULL, use_class, &models[i]),
                     0);
  }
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  ck_assert_uint_eq(blocks_left(), models[0].count + models[1].count);
  slots_model_free_all(&models[0], NULL);
  slots_model_compare(&models[1]);
  slots_model_free_all(&models[1], NULL);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("slots and threads");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, caches_do_not_share_runs);
  tcase_add_test(tests, a_block_that_another_thread_frees_is_free);
  tcase_add_test(tests, slots_that_others_freed_are_used_before_new_memory);
  tcase_add_test(tests, runs_that_others_emptied_go_back);
  tcase_add_test(tests, a_new_thread_adopts_the_cache_of_one_that_ended);
  tcase_add_test(tests, caches_that_come_and_go_take_no_more_memory);
  tcase_add_test(tests, a_thread_that_ends_gives_its_empty_runs_back);
  tcase_add_test(tests, free_slots_of_an_orphan_are_used_before_new_memory);
  tcase_add_test(tests, a_run_taken_over_is_its_new_owners_own);
  tcase_add_test(
      tests, runs_of_a_thread_that_ended_go_back_when_their_blocks_are_freed);
  tcase_add_test(tests, destroying_gives_back_what_caches_still_hold);
  tcase_add_test(tests, destroying_leaves_no_charge);
  tcase_add_test(tests, threads_that_free_each_others_blocks_lose_none);
  tcase_add_test(tests, threads_that_end_and_begin_lose_no_block_and_no_run);
  tcase_add_test(tests, a_producer_gets_back_what_a_consumer_frees);
  tcase_add_test(tests, the_functions_of_the_class_are_for_any_thread);
  return fixture_main("mm_slots_threads", (TCase *[]){tests, NULL});
}
