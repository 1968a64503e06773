/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles that are misused, forgotten, or that there is no memory for: what is
 * said of them.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "mm/native.h"
#include "tests/unit/handle_fixture.h"

/* Misuse --------------------------------------------------------------------
 */

START_TEST(null_is_null_everywhere)
{
  struct mm_ref ref = {5};
  struct mm_handle handle = {5};
  open_plan(0);
  ck_assert_int_eq(mm_handle_get(self(), MM_HANDLE_NONE, &ref), MM_HANDLE_NULL);
  ck_assert(mm_is_null(ref));
  ck_assert_int_eq(mm_local_new(self(), MM_NULL, &handle), MM_HANDLE_OK);
  ck_assert(mm_handle_is_null(handle));
  handle.bits = 5;
  ck_assert_int_eq(mm_global_new(self(), MM_NULL, &handle), MM_HANDLE_OK);
  ck_assert(mm_handle_is_null(handle));
  handle.bits = 5;
  ck_assert_int_eq(mm_weak_new(self(), MM_NULL, &handle), MM_HANDLE_OK);
  ck_assert(mm_handle_is_null(handle));
  ck_assert_int_eq(mm_local_delete(self(), MM_HANDLE_NONE), MM_HANDLE_NULL);
  ck_assert_int_eq(mm_global_delete(self(), MM_HANDLE_NONE), MM_HANDLE_NULL);
  ck_assert_int_eq(mm_weak_delete(self(), MM_HANDLE_NONE), MM_HANDLE_NULL);
  check_described(MM_HANDLE_NONE, "the null handle");
  fixture_close(&f);
}
END_TEST

START_TEST(what_is_no_handle_is_not_followed)
{
  open_plan(0);
  struct mm_handle good = global(numbered(1)), own = local(numbered(2));
  uint64_t state = 1;
  ck_assert_int_eq(status_of((struct mm_handle){good.bits ^ 3}),
                   MM_HANDLE_MALFORMED); /* of no kind's chunk, or kind 0 */
  ck_assert_int_eq(
      status_of((struct mm_handle){good.bits + ((uint64_t)1 << 32)}),
      MM_HANDLE_MALFORMED);
  ck_assert_int_eq(
      status_of((struct mm_handle){good.bits + ((uint64_t)2 << 32)}),
      MM_HANDLE_MALFORMED); /* to come */
  ck_assert_int_eq(
      status_of((struct mm_handle){own.bits + ((uint64_t)2 << 32)}),
      MM_HANDLE_MALFORMED);
  ck_assert_int_eq(status_of(mm_handle_of_pointer(&state)),
                   MM_HANDLE_MALFORMED);
  for (int i = 0; i < 20000; i++) {
    struct mm_handle wild = {fixture_random(&state)};
    ck_assert_int_ge(status_of(wild), MM_HANDLE_MALFORMED);
    ck_assert_int_ne(mm_local_delete(self(), wild), MM_HANDLE_OK);
    ck_assert_int_ne(mm_global_delete(self(), wild), MM_HANDLE_OK);
    ck_assert_int_ne(mm_weak_delete(self(), wild), MM_HANDLE_OK);
  }
  ck_assert_int_eq((int)mm_handle_of_pointer(mm_handle_to_pointer(good)).bits,
                   (int)good.bits);
  check_number(good, 1);
  check_described((struct mm_handle){0x7ffc01020304},
                  "0x7ffc01020304: no handle");
  fixture_close(&f);
}
END_TEST

START_TEST(kinds_do_not_mix)
{
  open_plan(0);
  struct mm_ref ref = numbered(1);
  struct mm_handle l = local(ref), g = global(ref), w = weak(ref);
  ck_assert_int_eq(mm_local_delete(self(), g), MM_HANDLE_WRONG_KIND);
  ck_assert_int_eq(mm_local_delete(self(), w), MM_HANDLE_WRONG_KIND);
  ck_assert_int_eq(mm_global_delete(self(), l), MM_HANDLE_WRONG_KIND);
  ck_assert_int_eq(mm_global_delete(self(), w), MM_HANDLE_WRONG_KIND);
  ck_assert_int_eq(mm_weak_delete(self(), l), MM_HANDLE_WRONG_KIND);
  ck_assert_int_eq(mm_weak_delete(self(), g), MM_HANDLE_WRONG_KIND);
  bool same = false;
  ck_assert_int_eq(mm_handle_same(self(), l, w, &same), MM_HANDLE_OK);
  ck_assert(same);
  ck_assert_int_eq(mm_handle_same(self(), l, MM_HANDLE_NONE, &same),
                   MM_HANDLE_OK);
  ck_assert(!same);
  fixture_close(&f);
}
END_TEST

START_TEST(deleting_twice_is_told)
{
  open_plan(0);
  struct mm_ref ref = numbered(1);
  struct mm_handle g = global(ref), w = weak(ref), l = local(ref);
  local(ref);
  ck_assert_int_eq(mm_global_delete(self(), g), MM_HANDLE_OK);
  ck_assert_int_eq(mm_global_delete(self(), g), MM_HANDLE_STALE);
  ck_assert_int_eq(mm_weak_delete(self(), w), MM_HANDLE_OK);
  ck_assert_int_eq(mm_weak_delete(self(), w), MM_HANDLE_STALE);
  ck_assert_int_eq(mm_local_delete(self(), l), MM_HANDLE_OK);
  ck_assert_int_eq(mm_local_delete(self(), l), MM_HANDLE_STALE);
  check_described(g, "global handle 0 (serial 1), deleted");
  check_described(w, "weak global handle 256 (serial 1), deleted");
  check_described(l, "local handle 512 (serial 1) of thread 1, deleted");
  global(ref);
  check_described(g, "global handle 0 (serial 1), deleted; its slot is in use "
                     "again");
  bool same;
  ck_assert_int_eq(mm_handle_same(self(), g, l, &same), MM_HANDLE_STALE);
  fixture_close(&f);
}
END_TEST

struct visitor_thread {
  struct fixture_thread thread;
  struct mm_handle foreign, made;
  int found, deleted;
};

static void *use_foreign(void *context)
{
  struct visitor_thread *other = context;
  struct mm_ref ref;
  fixture_attach(&f, &other->thread);
  struct mm_mutator *mutator = &other->thread.mutator;
  other->found = (int)mm_handle_get(mutator, other->foreign, &ref);
  other->deleted = (int)mm_local_delete(mutator, other->foreign);
  mm_local_new(mutator, fixture_pair(&other->thread), &other->made);
  fixture_detach(&other->thread);
  return NULL;
}

START_TEST(local_handles_belong_to_their_thread)
{
  pthread_t thread;
  open_plan(0);
  struct visitor_thread other = {.foreign = local(numbered(1))};
  mm_enter_native(self());
  ck_assert_int_eq(pthread_create(&thread, NULL, use_foreign, &other), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  mm_leave_native(self());
  ck_assert_int_eq(other.found, MM_HANDLE_FOREIGN);
  ck_assert_int_eq(other.deleted, MM_HANDLE_FOREIGN);
  check_number(other.foreign, 1);
  ck_assert_int_eq(status_of(other.made), MM_HANDLE_STALE);
  check_described(other.made, "local handle 256 (serial 1) of a thread that "
                              "has ended, its frame was closed");
  for (int i = 0; i < 256; i++) /* the chunk that it left serves again */
    local(numbered(i));
  ck_assert_int_eq(status_of(other.made), MM_HANDLE_STALE);
  fixture_close(&f);
}
END_TEST

/* Origins -------------------------------------------------------------------
 */

START_TEST(what_was_not_deleted_is_reported_by_who_made_it)
{
  struct mm_options options = options_of(0);
  struct fixture_text text;
  options.handle_origins = _i != 0;
  fixture_open(&f, &options);
  fixture_text_open(&text);
  ck_assert_uint_eq(mm_handles_report_leaks(f.heap, text.out), 0);
  ck_assert_str_eq(fixture_text_read(&text), "");
  struct mm_ref ref = numbered(1);
  struct mm_handle held[300];
  ck_assert_ptr_null(mm_handle_tag(self(), "put"));
  for (int i = 0; i < 300; i++)
    held[i] = global(ref);
  ck_assert_str_eq(mm_handle_tag(self(), "watch"), "put");
  for (int i = 0; i < 7; i++)
    weak(ref);
  for (int i = 0; i < 2; i++)
    global(ref);
  mm_handle_tag(self(), NULL);
  global(ref);
  for (int i = 0; i < 299; i++)
    ck_assert_int_eq(mm_global_delete(self(), held[i]), MM_HANDLE_OK);
  ck_assert_uint_eq(mm_handles_report_leaks(f.heap, text.out), 11);
  ck_assert_str_eq(fixture_text_read(&text),
                   _i ? "handles not deleted: 4 global, 7 weak global\n"
                        "  2 global: watch at root 0\n"
                        "  1 global: put at root 0\n"
                        "  1 global: root 0\n"
                        "  7 weak global: watch at root 0\n"
                      : "handles not deleted: 4 global, 7 weak global\n");
  fixture_text_close(&text);
  fixture_close(&f);
}
END_TEST

START_TEST(what_was_not_unpinned_is_reported_by_who_pinned_it)
{
  struct mm_options options = options_of(0);
  struct fixture_text text;
  struct mm_handle held[40];
  struct mm_ref ref;
  options.handle_origins = _i != 0;
  fixture_open(&f, &options);
  fixture_text_open(&text);
  mm_handle_tag(self(), "read");
  for (int i = 0; i < 40; i++) {
    held[i] = local(numbered(i));
    ck_assert_int_eq(mm_pin(self(), held[i], &ref), MM_HANDLE_OK);
  }
  mm_handle_tag(self(), "write"); /* again: one object, and the last counts */
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(mm_pin(self(), held[i], &ref), MM_HANDLE_OK);
  mm_handle_tag(self(), NULL);
  for (int i = 0; i < 30; i++)
    ck_assert_int_eq(mm_unpin(self(), held[i]), MM_HANDLE_OK);
  ck_assert_uint_eq(mm_handles_report_leaks(f.heap, text.out), 13);
  ck_assert_str_eq(fixture_text_read(&text),
                   _i ? "objects not unpinned: 13\n"
                        "  10 pinned: read at root 0\n"
                        "  3 pinned: write at root 0\n"
                      : "objects not unpinned: 13\n");
  fixture_text_close(&text);
  fixture_close(&f);
}
END_TEST

START_TEST(stale_handles_tell_who_made_and_who_deleted_them)
{
  struct mm_options options = options_of(0);
  struct mm_frame frame;
  options.handle_origins = true;
  fixture_open(&f, &options);
  struct mm_ref ref = numbered(1);
  mm_frame_open(self(), &frame);
  mm_handle_tag(self(), "maker");
  struct mm_handle g = global(ref), l = local(ref), again = local(ref);
  mm_handle_tag(self(), "breaker");
  fixture_push(&f.main, ref);
  ck_assert_int_eq(mm_global_delete(self(), g), MM_HANDLE_OK);
  ck_assert_int_eq(mm_local_delete(self(), l), MM_HANDLE_OK);
  check_described(g, "global handle 0 (serial 1), deleted; made by maker at "
                     "root 0; deleted by breaker at root 1");
  check_described(l, "local handle 256 (serial 1) of thread 1, deleted; made "
                     "by maker at root 0; deleted by breaker at root 1");
  check_described(again, "local handle 257 (serial 1) of thread 1; made by "
                         "maker at root 0");
  mm_frame_close(self(), &frame);
  check_described(again, "local handle 257 (serial 1) of thread 1, its frame "
                         "was closed; made by maker at root 0");
  mm_handle_tag(self(), NULL);
  fixture_close(&f);
}
END_TEST

START_TEST(a_thousand_origins_are_told_apart)
{
  struct mm_options options = options_of(0);
  struct fixture_text text;
  options.handle_origins = true;
  fixture_open(&f, &options);
  fixture_text_open(&text);
  struct mm_ref ref = numbered(1);
  for (int i = 0; i < 1000; i++) {
    char tag[16];
    snprintf(tag, sizeof tag, "native%03d", i);
    mm_handle_tag(self(), tag);
    for (int j = 0; j <= i % 3; j++)
      global(ref);
  }
  mm_handle_tag(self(), NULL);
  mm_handles_report_leaks(f.heap, text.out);
  const char *report = fixture_text_read(&text);
  const char *first = strstr(report, "  3 global: native002 at");
  const char *last = strstr(report, "  1 global: native999 at");
  ck_assert(first && last && first < last);
  fixture_text_close(&text);
  fixture_close(&f);
}
END_TEST

START_TEST(a_dump_counts_by_class)
{
  struct fixture_text text;
  open_plan(0);
  fixture_text_open(&text);
  for (int i = 0; i < 3; i++)
    local(numbered(i));
  local(fixture_new(&f.main, FIXTURE_BYTES, 10));
  for (int i = 0; i < 2; i++)
    global(fixture_new(&f.main, FIXTURE_STRING, 10));
  weak(get(global(numbered(1))));
  weak(numbered(2));
  collect();
  mm_handles_dump(f.heap, text.out);
  ck_assert_str_eq(fixture_text_read(&text), "local handles: 4\n"
                                             "  3 Pair\n"
                                             "  1 i8[]\n"
                                             "global handles: 3\n"
                                             "  2 String\n"
                                             "  1 Pair\n"
                                             "weak global handles: 2\n"
                                             "  1 Pair\n"
                                             "  1 cleared\n");
  fixture_text_close(&text);
  fixture_close(&f);
}
END_TEST

/* Memory --------------------------------------------------------------------
 */

/* A life of handles in which each allocation may fail; what fails says so, and
   all the rest goes on. */
static void live_with_failures(void)
{
  struct mm_frame frame;
  struct mm_handle handle, escaped;
  struct mm_ref ref = fixture_at(&f.main, 0);
  mm_frame_open(self(), &frame);
  for (int i = 0; i < 300; i++) {
    int status = (int)mm_local_new(self(), ref, &handle);
    ck_assert(status == MM_HANDLE_OK || status == MM_HANDLE_NO_MEMORY);
    ck_assert(mm_handle_is_null(handle) == (status != MM_HANDLE_OK));
    status = (int)mm_global_new(self(), ref, &handle);
    ck_assert(status == MM_HANDLE_OK || status == MM_HANDLE_NO_MEMORY);
    if (status == MM_HANDLE_OK && i % 2)
      ck_assert_int_eq(mm_global_delete(self(), handle), MM_HANDLE_OK);
    status = (int)mm_frame_push(self(), 20);
    ck_assert(status == MM_HANDLE_OK || status == MM_HANDLE_NO_MEMORY);
    if (status == MM_HANDLE_OK && i % 3)
      mm_frame_pop(self(), MM_HANDLE_NONE, &escaped);
  }
  mm_frame_close(self(), &frame);
}

START_TEST(what_there_is_no_memory_for_is_told)
{
  bool has_failed = true;
  for (uint64_t at = 1; has_failed; at++) {
    struct mm_options options = options_of(0);
    struct fixture_text text;
    options.handle_origins = _i & 1;
    fixture_open(&f, &options);
    fixture_push(&f.main, numbered(1));
    mm_native_fail_at(at, _i & 2);
    live_with_failures();
    has_failed = mm_native_has_failed();
    mm_native_fail_at(0, false);
    collect();
    fixture_text_open(&text);
    mm_handles_report_leaks(f.heap, text.out);
    fixture_text_close(&text);
    fixture_pop(&f.main, 1);
    fixture_close(&f);
    ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_HANDLES), 0);
  }
}
END_TEST

START_TEST(every_status_and_kind_has_a_text)
{
  for (int i = 0; i < MM_HANDLE_STATUS_COUNT; i++)
    for (int j = 0; j < i; j++)
      ck_assert_str_ne(mm_handle_status_text((enum mm_handle_status)i),
                       mm_handle_status_text((enum mm_handle_status)j));
  for (int i = 0; i < MM_HANDLE_KIND_COUNT; i++)
    ck_assert_ptr_nonnull(mm_handle_kind_text((enum mm_handle_kind)i));
}
END_TEST

static TCase *misuse_tests(void)
{
  TCase *tests = tcase_create("misuse");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, null_is_null_everywhere);
  tcase_add_test(tests, what_is_no_handle_is_not_followed);
  tcase_add_test(tests, kinds_do_not_mix);
  tcase_add_test(tests, deleting_twice_is_told);
  tcase_add_test(tests, local_handles_belong_to_their_thread);
  tcase_add_test(tests, every_status_and_kind_has_a_text);
  return tests;
}

static TCase *report_tests(void)
{
  TCase *tests = tcase_create("reports");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, what_was_not_deleted_is_reported_by_who_made_it, 0,
                      2);
  tcase_add_loop_test(tests, what_was_not_unpinned_is_reported_by_who_pinned_it,
                      0, 2);
  tcase_add_test(tests, stale_handles_tell_who_made_and_who_deleted_them);
  tcase_add_test(tests, a_thousand_origins_are_told_apart);
  tcase_add_test(tests, a_dump_counts_by_class);
  tcase_add_loop_test(tests, what_there_is_no_memory_for_is_told, 0, 4);
  return tests;
}

int main(void)
{
  return fixture_main("mm_handle_misuse",
                      (TCase *[]){misuse_tests(), report_tests(), NULL});
}
