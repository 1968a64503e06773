/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of handles share: a heap `f' under a plan, and the moves of
 * its only thread, which have to succeed.  Plans: each with the world stopped,
 * then each with gc=concurrent.
 */
#ifndef TESTS_UNIT_HANDLE_FIXTURE_H
#define TESTS_UNIT_HANDLE_FIXTURE_H

#include "mm/handle_inline.h"
#include "tests/unit/mm_fixture.h"

enum { ALL_PLANS = 2 * FIXTURE_PLANS_ALL };

static struct fixture f;

static inline struct mm_options options_of(int i)
{
  struct mm_options options = fixture_options();
  if (i >= FIXTURE_PLANS_ALL)
    options.gc = MM_GC_CONCURRENT;
  fixture_choose_plan(&options, i % FIXTURE_PLANS_ALL);
  return options;
}

static inline void open_plan(int i)
{
  struct mm_options options = options_of(i);
  fixture_open(&f, &options);
}

static inline struct mm_mutator *self(void)
{
  return &f.main.mutator;
}

static inline struct mm_ref numbered(int64_t number)
{
  struct mm_ref pair = fixture_pair(&f.main);
  fixture_set_value(pair, number);
  return pair;
}

static inline struct mm_handle local(struct mm_ref ref)
{
  struct mm_handle handle;
  ck_assert_int_eq(mm_local_new(self(), ref, &handle), MM_HANDLE_OK);
  return handle;
}

static inline struct mm_handle global(struct mm_ref ref)
{
  struct mm_handle handle;
  ck_assert_int_eq(mm_global_new(self(), ref, &handle), MM_HANDLE_OK);
  return handle;
}

static inline struct mm_handle weak(struct mm_ref ref)
{
  struct mm_handle handle;
  ck_assert_int_eq(mm_weak_new(self(), ref, &handle), MM_HANDLE_OK);
  return handle;
}

static inline struct mm_ref get(struct mm_handle handle)
{
  struct mm_ref ref;
  ck_assert_int_eq(mm_handle_get(self(), handle, &ref), MM_HANDLE_OK);
  return ref;
}

static inline int status_of(struct mm_handle handle)
{
  struct mm_ref ref;
  int checked = (int)mm_handle_check(self(), handle);
  ck_assert_int_eq(mm_handle_get(self(), handle, &ref), checked);
  return checked;
}

static inline void check_number(struct mm_handle handle, int64_t number)
{
  ck_assert_int_eq(fixture_value(get(handle)), number);
}

/* Everything at a time: young, a cycle where there are some, and full. */
static inline void collect(void)
{
  mm_collect(self(), MM_CAUSE_STRESS);
  if (f.heap->options.gc == MM_GC_CONCURRENT)
    fixture_run_cycle(&f);
  mm_collect(self(), MM_CAUSE_EXPLICIT);
}

static inline void check_counts(enum mm_handle_kind kind, uint64_t live,
                                uint64_t peak, uint64_t created)
{
  struct mm_handle_counts counts;
  mm_handle_counts(f.heap, kind, &counts);
  ck_assert_uint_eq(counts.live, live);
  ck_assert_uint_eq(counts.peak, peak);
  ck_assert_uint_eq(counts.created, created);
}

static inline void check_described(struct mm_handle handle, const char *wanted)
{
  char text[512];
  mm_handle_describe(f.heap, self(), handle, text, sizeof text);
  ck_assert_str_eq(text, wanted);
}

#endif
