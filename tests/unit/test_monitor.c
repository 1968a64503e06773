/* SPDX-License-Identifier: Apache-2.0 */
/* Monitors and identity hashes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/vm_fixture.h"
#include "vm/core/monitor.h"

enum { DEEP = 20000 }; /* more than a light lock can count */

/* A root to keep an object in. */
static struct mm_ref held[1];
static struct mm_scope scope;

static void hold_new_object(void)
{
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] = machine_object();
}

static void release(void)
{
  mm_scope_close(&machine.thread->mutator, &scope);
}

static uint32_t state(void)
{
  return *mm_mark_word(held[0]) & MM_MARK_STATE_MASK;
}

static void enter(int times)
{
  for (int i = 0; i < times; i++)
    ck_assert(vm_monitor_enter(machine.thread, held[0]));
}

static void leave(int times)
{
  for (int i = 0; i < times; i++)
    ck_assert(vm_monitor_exit(machine.thread, held[0]));
}

START_TEST(a_monitor_is_entered_and_left_as_often)
{
  hold_new_object();
  enter(3);
  ck_assert_uint_eq(state(), MM_MARK_LIGHT);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 3);
  leave(2);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 1);
  leave(1);
  ck_assert_uint_eq(*mm_mark_word(held[0]), MM_MARK_UNLOCKED);
  release();
}
END_TEST

START_TEST(deep_locking_inflates_and_a_collection_deflates)
{
  hold_new_object();
  enter(DEEP);
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), DEEP);
  ck_assert_uint_eq(vm_monitor_count(machine.vm->monitors), 1);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  leave(DEEP);
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  machine_collect();
  ck_assert_uint_eq(*mm_mark_word(held[0]), MM_MARK_UNLOCKED);
  ck_assert_uint_eq(vm_monitor_count(machine.vm->monitors), 0);
  release();
}
END_TEST

START_TEST(a_hashed_object_keeps_its_hash_through_locks_and_moves)
{
  hold_new_object();
  uint32_t hash = vm_object_hash(machine.thread, held[0]);
  ck_assert_uint_ne(hash, 0);
  enter(2);
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  ck_assert_uint_eq(vm_object_hash(machine.thread, held[0]), hash);
  machine_collect();
  ck_assert_uint_eq(vm_object_hash(machine.thread, held[0]), hash);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 2);
  leave(2);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_HASHED);
  ck_assert_uint_eq(vm_object_hash(machine.thread, held[0]), hash);
  release();
}
END_TEST

START_TEST(hashing_a_locked_object_leaves_it_locked)
{
  hold_new_object();
  enter(5);
  uint32_t hash = vm_object_hash(machine.thread, held[0]);
  ck_assert_uint_ne(hash, 0);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 5);
  leave(5);
  ck_assert_uint_eq(vm_object_hash(machine.thread, held[0]), hash);
  /* inflated without a hash, then hashed */
  held[0] = machine_object();
  enter(DEEP);
  hash = vm_object_hash(machine.thread, held[0]);
  ck_assert_uint_eq(vm_object_hash(machine.thread, held[0]), hash);
  leave(DEEP);
  ck_assert_uint_eq(vm_object_hash(machine.thread, held[0]), hash);
  release();
}
END_TEST

START_TEST(a_light_lock_survives_a_move)
{
  hold_new_object();
  enter(4);
  machine_collect();
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 4);
  leave(4);
  release();
}
END_TEST

START_TEST(the_monitor_of_a_dead_object_is_freed)
{
  hold_new_object();
  enter(DEEP);
  held[0] = MM_NULL;
  machine_collect();
  ck_assert_uint_eq(vm_monitor_count(machine.vm->monitors), 0);
  release();
}
END_TEST

enum { MANY = 1000 };

START_TEST(many_monitors_at_once_do_not_mix)
{
  static struct mm_ref objects[MANY];
  struct mm_scope many;
  mm_scope_open(&machine.thread->mutator, &many, objects, MANY);
  for (int i = 0; i < MANY; i++) {
    objects[i] = machine_object();
    vm_object_hash(machine.thread, objects[i]);
    for (int j = 0; j <= i % 7; j++)
      ck_assert(vm_monitor_enter(machine.thread, objects[i]));
  }
  machine_collect();
  for (int i = 0; i < MANY; i += 2)
    objects[i] = MM_NULL;
  machine_collect();
  ck_assert_uint_eq(vm_monitor_count(machine.vm->monitors), MANY / 2);
  for (int i = 1; i < MANY; i += 2)
    ck_assert_uint_eq(vm_monitor_depth(machine.thread, objects[i]), i % 7 + 1);
  mm_scope_close(&machine.thread->mutator, &many);
}
END_TEST

START_TEST(who_does_not_own_a_monitor_cannot_use_it)
{
  hold_new_object();
  ck_assert(!vm_monitor_exit(machine.thread, held[0]));
  machine_expect("panda.IllegalMonitorStateException", "panda.Object@");
  ck_assert(!vm_monitor_notify(machine.thread, held[0], true));
  machine_expect("panda.IllegalMonitorStateException", "not held");
  ck_assert(!vm_monitor_wait(machine.thread, held[0], 0));
  machine_expect("panda.IllegalMonitorStateException", "not held");
  enter(1);
  leave(1);
  ck_assert(!vm_monitor_exit(machine.thread, held[0]));
  machine_expect("panda.IllegalMonitorStateException", "panda.Object@");
  release();
}
END_TEST

START_TEST(null_has_no_monitor)
{
  ck_assert(!vm_monitor_enter(machine.thread, MM_NULL));
  machine_expect("panda.NullPointerException", NULL);
  ck_assert(!vm_monitor_exit(machine.thread, MM_NULL));
  machine_expect("panda.NullPointerException", NULL);
  ck_assert(!vm_monitor_wait(machine.thread, MM_NULL, 0));
  machine_expect("panda.NullPointerException", NULL);
  ck_assert(!vm_monitor_notify(machine.thread, MM_NULL, false));
  machine_expect("panda.NullPointerException", NULL);
}
END_TEST

static uint64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

START_TEST(a_timed_wait_takes_its_time_and_keeps_the_lock)
{
  hold_new_object();
  enter(2);
  uint64_t before = now_ns();
  ck_assert(vm_monitor_wait(machine.thread, held[0], 20000000));
  ck_assert_uint_ge(now_ns() - before, 20000000);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 2);
  release();
}
END_TEST

START_TEST(waiting_for_ever_where_nobody_can_notify_is_a_deadlock)
{
  hold_new_object();
  enter(1);
  ck_assert(vm_monitor_notify(machine.thread, held[0], false));
  ck_assert(!vm_monitor_wait(machine.thread, held[0], UINT64_MAX));
  ck_assert(mm_is_null(machine.thread->exception));
  ck_assert(vm_is_exiting(machine.vm));
  machine_flush();
  ck_assert_ptr_nonnull(strstr(machine.err_text, "Deadlock"));
  ck_assert_ptr_nonnull(
      strstr(machine.err_text,
             "Thread \"main\" waits for a notification of panda.Object@"));
  release();
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("monitors");
  tcase_add_test(tests, a_monitor_is_entered_and_left_as_often);
  tcase_add_test(tests, deep_locking_inflates_and_a_collection_deflates);
  tcase_add_test(tests, a_hashed_object_keeps_its_hash_through_locks_and_moves);
  tcase_add_test(tests, hashing_a_locked_object_leaves_it_locked);
  tcase_add_test(tests, a_light_lock_survives_a_move);
  tcase_add_test(tests, the_monitor_of_a_dead_object_is_freed);
  tcase_add_test(tests, many_monitors_at_once_do_not_mix);
  tcase_add_test(tests, who_does_not_own_a_monitor_cannot_use_it);
  tcase_add_test(tests, null_has_no_monitor);
  tcase_add_test(tests, a_timed_wait_takes_its_time_and_keeps_the_lock);
  tcase_add_test(tests, waiting_for_ever_where_nobody_can_notify_is_a_deadlock);
  return machine_main("monitor", tests);
}
