/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the operating system, native memory and arenas: no heap. */
#include "config.h"

#include <signal.h>
#include <string.h>

#include "mm/alloc/arena.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"
#include "tests/unit/mm_fixture.h"

enum { BYTES = 16 * FIXTURE_REGION_BYTES };

static uintptr_t base;

static void setup(void)
{
  ck_assert_int_eq(mm_os_reserve_between(BYTES, FIXTURE_REGION_BYTES,
                                         FIXTURE_REGION_BYTES, 1u << 28,
                                         (uintptr_t)2 << 30, &base),
                   MM_OK);
}

static void teardown(void)
{
  mm_os_release((void *)base, BYTES);
}

static bool all_are(uintptr_t at, size_t bytes, unsigned char byte)
{
  const unsigned char *memory = (const unsigned char *)at;
  for (size_t i = 0; i < bytes; i++)
    if (memory[i] != byte)
      return false;
  return true;
}

START_TEST(a_reservation_lies_where_it_was_asked_for)
{
  ck_assert_uint_eq(base % FIXTURE_REGION_BYTES, 0);
  ck_assert_uint_ge(base, 1u << 28);
  ck_assert_uint_le(base + BYTES, (uintptr_t)2 << 30);
}
END_TEST

START_TEST(a_second_reservation_goes_around_the_first)
{
  uintptr_t other;
  ck_assert_int_eq(mm_os_reserve_between(BYTES, FIXTURE_REGION_BYTES,
                                         FIXTURE_REGION_BYTES, base,
                                         base + 64 * (uintptr_t)BYTES, &other),
                   MM_OK);
  ck_assert(other >= base + BYTES || other + BYTES <= base);
  mm_os_release((void *)other, BYTES);
}
END_TEST

START_TEST(a_range_that_is_taken_is_refused_and_nothing_is_written)
{
  uintptr_t other = 4711;
  ck_assert_int_eq(mm_os_reserve_between(BYTES, FIXTURE_REGION_BYTES,
                                         FIXTURE_REGION_BYTES, base,
                                         base + BYTES, &other),
                   MM_NO_MEMORY);
  ck_assert_uint_eq(other, 4711);
}
END_TEST

START_TEST(committed_memory_is_zero_and_keeps_what_is_written)
{
  ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
  ck_assert(all_are(base, BYTES, 0));
  memset((void *)base, 7, BYTES);
  ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
  ck_assert(all_are(base, BYTES, 7));
}
END_TEST

START_TEST(memory_given_back_is_zero_when_it_is_used_again)
{
  ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
  memset((void *)base, 7, BYTES);
  ck_assert_int_eq(mm_os_uncommit(base, BYTES / 2), MM_OK);
  ck_assert_int_eq(mm_os_commit(base, BYTES / 2), MM_OK);
  ck_assert(all_are(base, BYTES / 2, 0));
  ck_assert(all_are(base + BYTES / 2, BYTES / 2, 7));
}
END_TEST

START_TEST(discarded_memory_is_zero_without_being_committed_again)
{
  ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
  memset((void *)base, 7, BYTES);
  ck_assert_int_eq(mm_os_discard(base, BYTES / 2), MM_OK);
  ck_assert(all_are(base, BYTES / 2, 0));
  ck_assert(all_are(base + BYTES / 2, BYTES / 2, 7));
}
END_TEST

START_TEST(a_reservation_anywhere_is_aligned_and_of_use_to_its_end)
{
  static const uint64_t aligns[] = {4096, 65536, 1 << 21};
  uintptr_t at;
  ck_assert_int_eq(mm_os_reserve(BYTES, aligns[_i], &at), MM_OK);
  ck_assert_uint_eq(at % aligns[_i], 0);
  ck_assert_int_eq(mm_os_commit(at, BYTES), MM_OK);
  memset((void *)at, 7, BYTES);
  mm_os_release((void *)at, BYTES);
  ck_assert_int_eq(mm_os_reserve((uint64_t)1 << 50, aligns[_i], &at),
                   MM_NO_MEMORY);
  ck_assert_int_eq(mm_os_reserve(-(uint64_t)4096, aligns[_i], &at),
                   MM_NO_MEMORY);
}
END_TEST

START_TEST(protected_memory_keeps_its_content)
{
  ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
  memset((void *)base, 7, BYTES);
  ck_assert_int_eq(mm_os_protect(base, BYTES), MM_OK);
  ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
  ck_assert(all_are(base, BYTES, 7));
}
END_TEST

START_TEST(memory_without_access_faults)
{
  signal(SIGSEGV, SIG_DFL); /* a sanitizer would answer in its own way */
  if (_i == 1) {
    ck_assert_int_eq(mm_os_commit(base, BYTES), MM_OK);
    ck_assert_int_eq(mm_os_protect(base, BYTES), MM_OK);
  }
  *(volatile char *)base = 1;
}
END_TEST

START_TEST(mapped_memory_is_zero)
{
  void *at;
  ck_assert_int_eq(mm_os_map(BYTES, &at), MM_OK);
  ck_assert(all_are((uintptr_t)at, BYTES, 0));
  mm_os_release(at, BYTES);
}
END_TEST

/* Situation 11. */
START_TEST(a_mapping_that_the_system_refuses_is_a_status)
{
  void *at = &at;
  ck_assert_int_eq(mm_os_map((uint64_t)1 << 50, &at), MM_NO_MEMORY);
  ck_assert_ptr_eq(at, &at);
}
END_TEST

START_TEST(the_machine_has_pages_memory_and_processors)
{
  size_t page = mm_os_page_bytes();
  ck_assert_uint_ge(page, 4096);
  ck_assert_uint_eq(page & (page - 1), 0);
  ck_assert_uint_gt(mm_os_physical_bytes(), 1 << 20);
  ck_assert_uint_ge(mm_os_processors(), 1);
}
END_TEST

/* Situation 12. */
START_TEST(native_memory_is_counted_by_purpose)
{
  uint64_t before = mm_native_bytes(MM_PURPOSE_TRACE);
  char *at = mm_native_alloc(MM_PURPOSE_TRACE, 1000);
  ck_assert(all_are((uintptr_t)at, 1000, 0));
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_TRACE), before + 1000);
  mm_native_charge(MM_PURPOSE_TRACE, 500);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_TRACE), before + 1500);
  mm_native_charge(MM_PURPOSE_TRACE, -500);
  mm_native_free(MM_PURPOSE_TRACE, at, 1000);
  mm_native_free(MM_PURPOSE_TRACE, NULL, 1000);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_TRACE), before);
}
END_TEST

START_TEST(a_planned_failure_strikes_the_nth_allocation_and_all_after_it)
{
  mm_native_fail_at(3, true);
  for (int i = 1; i <= 4; i++) {
    void *at = mm_native_alloc(MM_PURPOSE_TRACE, 8);
    ck_assert_int_eq(at != NULL, i < 3);
    mm_native_free(MM_PURPOSE_TRACE, at, 8);
  }
  mm_native_fail_at(0, true);
  void *at = mm_native_alloc(MM_PURPOSE_TRACE, 8);
  ck_assert_ptr_nonnull(at);
  mm_native_free(MM_PURPOSE_TRACE, at, 8);
}
END_TEST

START_TEST(arena_blocks_are_zero_aligned_and_apart)
{
  struct mm_arena *arena = mm_arena_create(NULL);
  uint64_t seed = 5;
  char *blocks[500];
  size_t sizes[500];
  for (int i = 0; i < 500; i++) {
    sizes[i] = fixture_random(&seed) % (i % 50 == 0 ? 100000 : 300);
    blocks[i] = mm_arena_alloc(arena, sizes[i]);
    ck_assert_ptr_nonnull(blocks[i]);
    ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
    ck_assert(all_are((uintptr_t)blocks[i], sizes[i], 0));
    memset(blocks[i], i & 0xff, sizes[i]);
  }
  for (int i = 0; i < 500; i++)
    ck_assert(all_are((uintptr_t)blocks[i], sizes[i], (unsigned char)i));
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(a_rewound_arena_keeps_one_chunk_and_its_blocks_are_zero_again)
{
  struct mm_arena *arena = mm_arena_create(NULL);
  char *kept = mm_arena_alloc(arena, 100);
  memset(kept, 1, 100);
  struct mm_arena_mark mark = mm_arena_mark(arena);
  size_t full = 0, rewound = 0;
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 100; i++) {
      char *block = mm_arena_alloc(arena, 1000);
      ck_assert(all_are((uintptr_t)block, 1000, 0));
      memset(block, 0xff, 1000);
    }
    full = mm_arena_bytes(arena);
    mm_arena_rewind(arena, mark);
    /* Several chunks at first, then one that is used over and over. */
    if (round == 0)
      ck_assert_uint_lt(mm_arena_bytes(arena), full);
    if (round == 4)
      ck_assert_uint_eq(mm_arena_bytes(arena), rewound);
    rewound = mm_arena_bytes(arena);
    ck_assert(all_are((uintptr_t)kept, 100, 1));
  }
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(an_arena_rewound_to_its_beginning_uses_its_spare_chunk_again)
{
  struct mm_arena *arena = mm_arena_create(NULL);
  struct mm_arena_mark mark = mm_arena_mark(arena);
  char *first = mm_arena_alloc(arena, 1 << 20);
  ck_assert_ptr_nonnull(first);
  size_t bytes = mm_arena_bytes(arena);
  for (int round = 0; round < 3; round++) {
    mm_arena_rewind(arena, mark);
    ck_assert_ptr_eq(mm_arena_alloc(arena, 1 << 20), first);
    ck_assert_uint_eq(mm_arena_bytes(arena), bytes);
  }
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(a_destroyed_arena_leaves_no_native_memory_behind)
{
  uint64_t before = mm_native_bytes(MM_PURPOSE_ARENA);
  struct mm_arena *arena = mm_arena_create(NULL);
  for (int i = 0; i < 1000; i++)
    mm_arena_alloc(arena, 777);
  ck_assert_uint_gt(mm_native_bytes(MM_PURPOSE_ARENA), before + 777000);
  mm_arena_destroy(arena);
  mm_arena_destroy(NULL);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_ARENA), before);
}
END_TEST

START_TEST(an_arena_without_memory_answers_null_and_stays_usable)
{
  struct mm_arena *arena = mm_arena_create(NULL);
  ck_assert_ptr_null(mm_arena_alloc(arena, SIZE_MAX));
  ck_assert_ptr_null(mm_arena_alloc(arena, SIZE_MAX - 16));
  mm_native_fail_at(1, true);
  ck_assert_ptr_null(mm_arena_alloc(arena, 1 << 20));
  ck_assert_ptr_null(mm_arena_create(NULL));
  mm_native_fail_at(0, true);
  ck_assert_ptr_nonnull(mm_arena_alloc(arena, 1 << 20));
  mm_arena_destroy(arena);
}
END_TEST

int main(void)
{
  TCase *os = tcase_create("os");
  tcase_add_checked_fixture(os, setup, teardown);
  tcase_add_test(os, a_reservation_lies_where_it_was_asked_for);
  tcase_add_test(os, a_second_reservation_goes_around_the_first);
  tcase_add_test(os, a_range_that_is_taken_is_refused_and_nothing_is_written);
  tcase_add_test(os, committed_memory_is_zero_and_keeps_what_is_written);
  tcase_add_test(os, memory_given_back_is_zero_when_it_is_used_again);
  tcase_add_test(os, discarded_memory_is_zero_without_being_committed_again);
  tcase_add_loop_test(
      os, a_reservation_anywhere_is_aligned_and_of_use_to_its_end, 0, 3);
  tcase_add_test(os, protected_memory_keeps_its_content);
  fixture_add_death(os, memory_without_access_faults, SIGSEGV, 0, 0, 2);
  tcase_add_test(os, mapped_memory_is_zero);
  tcase_add_test(os, a_mapping_that_the_system_refuses_is_a_status);
  tcase_add_test(os, the_machine_has_pages_memory_and_processors);
  TCase *native = tcase_create("native memory and arenas");
  tcase_add_test(native, native_memory_is_counted_by_purpose);
  tcase_add_test(native,
                 a_planned_failure_strikes_the_nth_allocation_and_all_after_it);
  tcase_add_test(native, arena_blocks_are_zero_aligned_and_apart);
  tcase_add_test(native,
                 a_rewound_arena_keeps_one_chunk_and_its_blocks_are_zero_again);
  tcase_add_test(native,
                 an_arena_rewound_to_its_beginning_uses_its_spare_chunk_again);
  tcase_add_test(native, a_destroyed_arena_leaves_no_native_memory_behind);
  tcase_add_test(native, an_arena_without_memory_answers_null_and_stays_usable);
  return fixture_main("mm_os", (TCase *[]){os, native, NULL});
}
