/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads in one machine: monitors between them, and what a program
 * sees of threads.  Those of the first half are made by the test and run C
 * code; those of the second half are started by programs.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm/mm_inline.h"
#include "mm/native.h"
#include "tests/unit/core_fixture.h"
#include "vm/core/monitor_internal.h"
#include "vm/core/object.h"
#include "vm/core/threads.h"

enum { THREADS = 4, TIMES = 2000, DEEP = 20000 };

/* --- Threads of C code --- */

static struct mm_ref held[1]; /* the object that a test is about */
static struct mm_scope scope;
static void (*job)(struct vm_thread *thread, int number);
static pthread_t handles[THREADS];

struct place {
  int number;
};

static void *work(void *argument)
{
  static const size_t stack_bytes = 1 << 20;
  struct mm_error error = {{0}};
  struct vm_thread *thread;
  enum mm_status status =
      vm_thread_create(machine.vm, stack_bytes, &thread, &error);
  ck_assert_msg(status == MM_OK, "%s", error.text);
  job(thread, ((struct place *)argument)->number);
  vm_thread_destroy(thread);
  return NULL;
}

static void begin(int count, void (*what)(struct vm_thread *, int))
{
  static struct place places[THREADS];
  job = what;
  for (int i = 0; i < count; i++) {
    places[i].number = i;
    ck_assert_int_eq(pthread_create(&handles[i], NULL, work, &places[i]), 0);
  }
}

static void finish(int count)
{
  mm_enter_native(&machine.thread->mutator);
  for (int i = 0; i < count; i++)
    pthread_join(handles[i], NULL);
  mm_leave_native(&machine.thread->mutator);
}

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
  return vm_mark_state(vm_mark_load(held[0]));
}

static void enter(struct vm_thread *thread, int times)
{
  for (int i = 0; i < times; i++)
    ck_assert(vm_monitor_enter(thread, held[0]));
}

static void leave(struct vm_thread *thread, int times)
{
  for (int i = 0; i < times; i++)
    ck_assert(vm_monitor_exit(thread, held[0]));
}

static int count_parked(enum vm_wait_kind kind)
{
  int count = 0;
  vm_lock(machine.vm, VM_LOCK_SYNC);
  for (struct vm_thread *t = machine.vm->threads; t; t = t->next)
    count += t->wait.kind == kind;
  vm_unlock(machine.vm, VM_LOCK_SYNC);
  return count;
}

/* Until so many threads wait for something of this kind. */
static void await_parked(enum vm_wait_kind kind, int count)
{
  static const struct timespec moment = {.tv_nsec = 100000};
  while (count_parked(kind) != count)
    nanosleep(&moment, NULL);
}

/* Guarded by the monitor of held[0] and by nothing else. */
static int counter;

static void count_under_monitor(struct vm_thread *thread, int number)
{
  (void)number;
  for (int i = 0; i < TIMES; i++) {
    enter(thread, 1 + i % 3);
    counter++;
    leave(thread, 1 + i % 3);
    mm_poll(&thread->mutator);
  }
}

START_TEST(a_monitor_has_one_owner_at_a_time)
{
  hold_new_object();
  begin(THREADS, count_under_monitor);
  finish(THREADS);
  ck_assert_int_eq(counter, THREADS * TIMES);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_UNLOCKED);
  ck_assert_uint_eq(vm_monitor_count(machine.vm->monitors), 0);
  release();
}
END_TEST

START_TEST(a_monitor_has_one_owner_while_its_object_moves)
{
  hold_new_object();
  begin(THREADS, count_under_monitor);
  for (int i = 0; i < 20; i++)
    machine_collect();
  finish(THREADS);
  ck_assert_int_eq(counter, THREADS * TIMES);
  release();
}
END_TEST

static void enter_once(struct vm_thread *thread, int number)
{
  (void)number;
  enter(thread, 1);
  counter++;
  leave(thread, 1);
}

START_TEST(a_thread_that_finds_a_light_lock_inflates_it_as_deep_as_it_is)
{
  hold_new_object();
  enter(machine.thread, 3);
  ck_assert_uint_eq(state(), MM_MARK_LIGHT);
  begin(1, enter_once);
  await_parked(VM_WAIT_ENTER, 1);
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 3);
  leave(machine.thread, 2);
  ck_assert_int_eq(counter, 0);
  leave(machine.thread, 1);
  finish(1);
  ck_assert_int_eq(counter, 1);
  release();
}
END_TEST

START_TEST(what_is_wanted_or_held_is_not_deflated)
{
  hold_new_object();
  enter(machine.thread, 1);
  begin(1, enter_once);
  await_parked(VM_WAIT_ENTER, 1);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  leave(machine.thread, 1);
  finish(1);
  enter(machine.thread, 1);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_INFLATED);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 1);
  leave(machine.thread, 1);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_UNLOCKED);
  release();
}
END_TEST

static void try_foreign(struct vm_thread *thread, int number)
{
  (void)number;
  ck_assert_uint_eq(vm_monitor_depth(thread, held[0]), 0);
  ck_assert(!vm_monitor_exit(thread, held[0]));
  ck_assert_str_eq(vm_class_of(vm_thread_take_exception(thread))->name,
                   "panda.IllegalMonitorStateException");
  ck_assert(!vm_monitor_notify(thread, held[0], true));
  ck_assert_str_eq(vm_class_of(vm_thread_take_exception(thread))->name,
                   "panda.IllegalMonitorStateException");
}

START_TEST(a_monitor_cannot_be_left_by_another_thread)
{
  hold_new_object();
  enter(machine.thread, 2);
  begin(1, try_foreign);
  finish(1);
  ck_assert_uint_eq(vm_monitor_depth(machine.thread, held[0]), 2);
  leave(machine.thread, 2);
  release();
}
END_TEST

/* --- Waiting --- */

static int woken[THREADS], woken_count;

static void wait_for_ever(struct vm_thread *thread, int number)
{
  enter(thread, 1 + number);
  ck_assert(vm_monitor_wait(thread, held[0], UINT64_MAX));
  ck_assert_uint_eq(vm_monitor_depth(thread, held[0]), 1 + (uint64_t)number);
  woken[woken_count++] = number;
  leave(thread, 1 + number);
}

/* Begins them one after the other. */
static void begin_waiters(void)
{
  static struct place places[THREADS];
  job = wait_for_ever;
  for (int i = 0; i < THREADS; i++) {
    places[i].number = i;
    ck_assert_int_eq(pthread_create(&handles[i], NULL, work, &places[i]), 0);
    await_parked(VM_WAIT_NOTIFY, i + 1);
  }
}

static void notify(bool all)
{
  enter(machine.thread, 1);
  ck_assert(vm_monitor_notify(machine.thread, held[0], all));
  leave(machine.thread, 1);
}

START_TEST(notify_wakes_the_thread_that_has_waited_longest)
{
  hold_new_object();
  begin_waiters();
  for (int i = 0; i < THREADS; i++) {
    notify(false);
    await_parked(VM_WAIT_NOTIFY, THREADS - 1 - i);
    machine_collect();
    if (i < THREADS - 1)
      ck_assert_uint_eq(state(), MM_MARK_INFLATED);
    for (;;) { /* until it has told who it is */
      enter(machine.thread, 1);
      int count = woken_count;
      leave(machine.thread, 1);
      if (count == i + 1)
        break;
    }
    ck_assert_int_eq(woken[i], i);
  }
  finish(THREADS);
  release();
}
END_TEST

START_TEST(notify_all_wakes_all_and_each_has_its_depth_again)
{
  hold_new_object();
  begin_waiters();
  notify(true);
  finish(THREADS);
  ck_assert_int_eq(woken_count, THREADS);
  machine_collect();
  ck_assert_uint_eq(state(), MM_MARK_UNLOCKED);
  release();
}
END_TEST

static void wait_a_moment(struct vm_thread *thread, int number)
{
  (void)number;
  for (int i = 0; i < 20; i++) {
    enter(thread, 2);
    ck_assert(vm_monitor_wait(thread, held[0], 100000));
    ck_assert_uint_eq(vm_monitor_depth(thread, held[0]), 2);
    counter++;
    leave(thread, 2);
  }
}

START_TEST(timed_waits_end_though_nobody_notifies)
{
  hold_new_object();
  begin(THREADS, wait_a_moment);
  for (int i = 0; i < 10; i++)
    machine_collect();
  finish(THREADS);
  ck_assert_int_eq(counter, THREADS * 20);
  release();
}
END_TEST

/* --- Hashes --- */

enum { OBJECTS = 64 };

static struct mm_ref many[OBJECTS];
static uint32_t hashes[THREADS][OBJECTS];

static void hash_all(struct vm_thread *thread, int number)
{
  for (int i = 0; i < OBJECTS; i++) {
    if ((i + number) % 3 == 0)
      ck_assert(vm_monitor_enter(thread, many[i]));
    hashes[number][i] = vm_object_hash(thread, many[i]);
    if ((i + number) % 3 == 0)
      ck_assert(vm_monitor_exit(thread, many[i]));
  }
}

START_TEST(threads_that_ask_for_a_hash_at_once_get_the_same)
{
  struct mm_scope objects;
  mm_scope_open(&machine.thread->mutator, &objects, many, OBJECTS);
  for (int i = 0; i < OBJECTS; i++)
    many[i] = machine_object();
  begin(THREADS, hash_all);
  finish(THREADS);
  machine_collect();
  for (int i = 0; i < OBJECTS; i++) {
    uint32_t hash = vm_object_hash(machine.thread, many[i]);
    ck_assert_uint_ne(hash, 0);
    for (int t = 0; t < THREADS; t++)
      ck_assert_uint_eq(hashes[t][i], hash);
    ck_assert_uint_eq(vm_mark_state(vm_mark_load(many[i])), MM_MARK_HASHED);
  }
  mm_scope_close(&machine.thread->mutator, &objects);
}
END_TEST

static void look_up(struct vm_thread *thread, int number)
{
  struct vm_class *class = vm_class_find(machine.vm, "panda.Thread[][][]");
  ck_assert_ptr_nonnull(class);
  struct mm_ref mirror = vm_class_mirror(thread, class);
  hashes[number][0] = mirror.bits; /* it does not move */
  hashes[number][1] = vm_string_intern_utf8(thread, "a text", 6).bits;
  hashes[number][2] = (uint32_t)(uintptr_t) class;
}

START_TEST(classes_mirrors_and_interned_strings_are_one_for_all)
{
  begin(THREADS, look_up);
  finish(THREADS);
  for (int t = 1; t < THREADS; t++)
    for (int i = 0; i < 3; i++)
      ck_assert_uint_eq(hashes[t][i], hashes[0][i]);
}
END_TEST

/* --- Threads of programs --- */

#define PRELUDE                                                                \
  CORE_PRELUDE                                                                 \
  ".record panda.Thread <external>\n"                                          \
  ".record Object <external>\n"                                                \
  ".record panda.IllegalStateException <external>\n"                           \
  ".function void panda.Thread.start(panda.Thread a0) <external>\n"            \
  ".function void panda.Thread.join(panda.Thread a0) <external>\n"             \
  ".function void panda.Thread.sleep(i64 a0) <external>\n"                     \
  ".function panda.Thread panda.Thread.current() <external>\n"                 \
  ".function void panda.Thread.setDaemon(panda.Thread a0, u1 a1) "             \
  "<external>\n"                                                               \
  ".function void Object.monitorEnter(panda.Object a0) <external>\n"           \
  ".function void Object.monitorExit(panda.Object a0) <external>\n"            \
  ".record W <extends=panda.Thread> { i32 result }\n" /* Makes, starts and     \
                                                         joins five threads;   \
                                                         the sum of their      \
                                                         results. */           \
  ".function i32 five() {\n"                                                   \
  "  movi v0, 5\n newarr v1, v0, W[]\n movi v2, 0\n"                           \
  "make:\n newobj v3, W\n lda.obj v3\n starr.obj v1, v2\n"                     \
  "  call.short panda.Thread.start, v3\n"                                      \
  "  inci v2, 1\n lda v2\n jlt v0, make\n"                                     \
  "  movi v2, 0\n movi v4, 0\n"                                                \
  "join:\n lda v2\n ldarr.obj v1\n sta.obj v3\n"                               \
  "  call.short panda.Thread.join, v3\n"                                       \
  "  ldobj v3, W.result\n add2v v4, v4\n"                                      \
  "  inci v2, 1\n lda v2\n jlt v0, join\n"                                     \
  "  lda v4\n return\n}\n"

START_TEST(a_class_is_initialised_once_while_others_wait)
{
  core_load("t.pa",
            PRELUDE ".record C { i32 value <static>\n i32 times <static> }\n"
                    ".function void C.cctor() <cctor> {\n"
                    "  ldstatic C.times\n addi 1\n ststatic C.times\n"
                    "  movi.64 v0, 5\n call.short panda.Thread.sleep, v0\n"
                    "  ldai 7\n ststatic C.value\n return.void\n}\n"
                    ".function void W.run(W a0) {\n"
                    "  ldstatic C.value\n stobj a0, W.result\n return.void\n}\n"
                    ".function i32 main() {\n"
                    "  call.short five\n sta v0\n ldstatic C.times\n muli 100\n"
                    "  add2 v0\n return\n}\n");
  ck_assert_int_eq(core_run(), 135);
}
END_TEST

START_TEST(a_class_that_failed_for_one_thread_is_broken_for_those_that_waited)
{
  core_load("t.pa",
            PRELUDE ".record panda.NoClassDefFoundError <external>\n"
                    ".record panda.ExceptionInInitializerError <external>\n"
                    ".record C { i32 value <static> }\n"
                    ".function void C.cctor() <cctor> {\n"
                    "  movi.64 v0, 5\n call.short panda.Thread.sleep, v0\n"
                    "  ldai 7\n divi 0\n ststatic C.value\n return.void\n}\n"
                    ".function void W.run(W a0) {\n"
                    "b:\n ldstatic C.value\ne:\n return.void\n"
                    "first:\n ldai 100\n stobj a0, W.result\n return.void\n"
                    "later:\n ldai 1\n stobj a0, W.result\n return.void\n"
                    ".catch panda.ExceptionInInitializerError, b, e, first\n"
                    ".catch panda.NoClassDefFoundError, b, e, later\n}\n"
                    ".function i32 main() {\n call.short five\n return\n}\n");
  ck_assert_int_eq(core_run(), 104);
}
END_TEST

/* Main and a thread: each has one class and needs the other's.  They meet, as
   neither may be done before the other begins. */
START_TEST(classes_that_wait_for_each_other_are_a_deadlock)
{
  core_load("t.pa", PRELUDE
            ".record S { i32 a <static, volatile>\n"
            "  i32 b <static, volatile> }\n"
            ".record A { i32 x <static> }\n .record B { i32 x <static> }\n"
            ".function void A.cctor() <cctor> {\n"
            "  ldai 1\n ststatic S.a\n movi.64 v0, 1\n"
            "await:\n call.short panda.Thread.sleep, v0\n"
            "  ldstatic S.b\n jeqz await\n"
            "  ldstatic B.x\n ststatic A.x\n return.void\n}\n"
            ".function void B.cctor() <cctor> {\n"
            "  ldai 1\n ststatic S.b\n movi.64 v0, 1\n"
            "await:\n call.short panda.Thread.sleep, v0\n"
            "  ldstatic S.a\n jeqz await\n"
            "  ldstatic A.x\n ststatic B.x\n return.void\n}\n"
            ".function void W.run(W a0) {\n ldstatic A.x\n return.void\n}\n"
            ".function i32 main() {\n newobj v0, W\n"
            "  call.short panda.Thread.start, v0\n"
            "  ldstatic B.x\n return\n}\n");
  int status;
  struct mm_error error;
  ck_assert_int_eq(
      vm_run(machine.vm, "_GLOBAL::main", 0, NULL, &status, &error),
      VM_DEADLOCKED);
  ck_assert_int_eq(status, 1);
  machine_flush();
  ck_assert_ptr_nonnull(strstr(machine.err_text,
                               "Thread \"main\" waits for the initialisation "
                               "of A by thread \"Thread-0\""));
  ck_assert_ptr_nonnull(strstr(machine.err_text,
                               "Thread \"Thread-0\" waits for the "
                               "initialisation of B by thread \"main\""));
}
END_TEST

START_TEST(who_joins_itself_is_in_a_deadlock)
{
  core_load("t.pa",
            PRELUDE ".function i32 main() {\n call.short panda.Thread.current\n"
                    "  sta.obj v0\n call.short panda.Thread.join, v0\n"
                    "  ldai 0\n return\n}\n");
  int status;
  struct mm_error error;
  ck_assert_int_eq(
      vm_run(machine.vm, "_GLOBAL::main", 0, NULL, &status, &error),
      VM_DEADLOCKED);
  machine_flush();
  ck_assert_ptr_nonnull(strstr(
      machine.err_text, "Thread \"main\" waits for the end of thread \"main\"\n"
                        "    at panda.Thread.join (native)\n"
                        "    at main (t.pa:"));
}
END_TEST

/* The main thread has ended and waits for the others; one of them for it. */
START_TEST(joining_the_main_thread_ends_when_its_method_does)
{
  core_load("t.pa", PRELUDE
            ".record S { panda.Thread main <static> }\n"
            ".function void W.run(W a0) {\n ldstatic.obj S.main\n"
            "  sta.obj v0\n call.short panda.Thread.join, v0\n"
            "  ldai 5\n sta v0\n call.short IO.printI32, v0\n return.void\n}\n"
            ".function i32 main() {\n call.short panda.Thread.current\n"
            "  ststatic.obj S.main\n newobj v0, W\n"
            "  call.short panda.Thread.start, v0\n ldai 0\n return\n}\n");
  core_run_prints("5");
}
END_TEST

START_TEST(a_thread_that_ends_gives_up_its_monitors_and_that_is_told)
{
  core_load("t.pa", PRELUDE
            ".record L {}\n .record S { L light <static>\n L deep <static> }\n"
            ".function void W.run(W a0) {\n"
            "  ldstatic.obj S.light\n sta.obj v0\n"
            "  call.short Object.monitorEnter, v0\n"
            "  call.short Object.monitorEnter, v0\n"
            "  ldstatic.obj S.deep\n sta.obj v0\n movi v1, 9000\n"
            "again:\n call.short Object.monitorEnter, v0\n"
            "  inci v1, -1\n lda v1\n jgtz again\n return.void\n}\n"
            ".function i32 main() {\n"
            "  newobj v0, L\n lda.obj v0\n ststatic.obj S.light\n"
            "  newobj v1, L\n lda.obj v1\n ststatic.obj S.deep\n"
            "  newobj v2, W\n call.short panda.Thread.start, v2\n"
            "  call.short panda.Thread.join, v2\n"
            "  call.short Object.monitorEnter, v0\n"
            "  call.short Object.monitorEnter, v1\n"
            "  call.short Object.monitorExit, v0\n"
            "  call.short Object.monitorExit, v1\n"
            "  ldai 3\n return\n}\n");
  ck_assert_int_eq(core_run(), 3);
  ck_assert_str_eq(
      machine.err_text,
      "Thread \"Thread-0\" ended with 2 monitors that it had not left\n");
}
END_TEST

START_TEST(daemons_end_with_the_program_and_the_machine_can_run_again)
{
  core_load("t.pa", PRELUDE
            ".function void W.run(W a0) {\nagain:\n jmp again\n}\n"
            ".function i32 main() {\n newobj v0, W\n movi v1, 1\n"
            "  call.short panda.Thread.setDaemon, v0, v1\n"
            "  call.short panda.Thread.start, v0\n ldai 4\n return\n}\n");
  ck_assert_int_eq(core_run(), 4);
  ck_assert(vm_threads_alone(machine.vm));
  ck_assert_int_eq(core_run(), 4);
  ck_assert(!vm_is_exiting(machine.vm));
}
END_TEST

/* Structure and stack of the thread, and the thread of the system. */
enum { START_ALLOCATIONS = 3 };

static bool fail_next(struct vm_thread *thread)
{
  static uint64_t count;
  (void)thread;
  count++;
  mm_native_fail_at(count <= START_ALLOCATIONS ? count : 0, false);
  return true;
}

/* Each allocation that a start makes fails in turn. */
START_TEST(a_refused_start_is_an_exception_and_can_be_tried_again)
{
  core_load("t.pa",
            PRELUDE ".function void W.run(W a0) {\n"
                    "  ldai 1\n stobj a0, W.result\n return.void\n}\n"
                    ".function i32 main() {\n newobj v0, W\n movi v1, 0\n"
                    "again:\n call.short Test.hook\n"
                    "b:\n call.short panda.Thread.start, v0\ne:\n"
                    "  call.short panda.Thread.join, v0\n"
                    "  ldobj v0, W.result\n muli 100\n add2 v1\n return\n"
                    "caught:\n inci v1, 1\n jmp again\n"
                    ".catch panda.OutOfMemoryError, b, e, caught\n}\n");
  core_hook(fail_next);
  ck_assert_int_eq(core_run(), 100 + START_ALLOCATIONS);
}
END_TEST

/* All of them meet the same unresolved names and untranslated methods. */
START_TEST(methods_are_translated_and_names_resolved_by_several_threads)
{
  core_load("t.pa", PRELUDE
            ".record R { R next\n i32 n\n i32 made <static>\n R[] all }\n"
            ".function void R.ctor(R a0, i32 a1) <ctor> {\n"
            "  stobj.v a1, a0, R.n\n return.void\n}\n"
            ".function i32 R.get(R a0) {\n ldobj a0, R.n\n return\n}\n"
            ".function i32 deep(i32 a0) {\n lda a0\n jeqz done\n"
            "  subi 1\n sta v0\n initobj.short R.ctor, v0\n sta.obj v1\n"
            "  call.virt.short R.get, v1\n sta v0\n"
            "  call.short deep, v0\n addi 1\n return\n"
            "done:\n lda.str \"text\"\n sta.obj v0\n lda.type R[]\n"
            "  checkcast panda.Class\n ldstatic R.made\n ldai 0\n return\n}\n"
            ".function void W.run(W a0) {\n movi v0, 40\n"
            "  call.short deep, v0\n stobj a0, W.result\n return.void\n}\n"
            ".function i32 main() {\n call.short five\n return\n}\n");
  ck_assert_int_eq(core_run(), 200);
}
END_TEST

/* --- Atomic --- */

static bool atomic(const char *name, struct mm_ref array, int32_t index,
                   union vm_slot a, union vm_slot b, union vm_slot *result)
{
  union vm_slot args[4] = {{.u64 = array.bits}, {.i64 = index}, a, b};
  return machine_call("Atomic", name, args, result);
}

START_TEST(atomic_references_are_checked_like_stores)
{
  struct mm_ref held_here[3];
  struct mm_scope here;
  union vm_slot none = {0}, value = {0}, result = {0};
  mm_scope_open(&machine.thread->mutator, &here, held_here, 3);
  held_here[0] =
      vm_new_array(machine.thread, machine.vm->known.string_array, 2);
  held_here[1] = machine_object();
  held_here[2] = machine_string("text");
  value.ref = held_here[1];
  ck_assert(!atomic("setRef", held_here[0], 0, value, none, &result));
  machine_expect("panda.ArrayStoreException", "panda.Object");
  ck_assert(!atomic("compareAndSetRef", held_here[0], 0, none, value, &result));
  machine_expect("panda.ArrayStoreException", "panda.Object");
  ck_assert(!atomic("getRef", held_here[0], 2, none, none, &result));
  machine_expect("panda.ArrayIndexOutOfBoundsException", "idx = 2");
  ck_assert(!atomic("getRef", MM_NULL, 0, none, none, &result));
  machine_expect("panda.NullPointerException", NULL);
  value.ref = held_here[2];
  ck_assert(atomic("compareAndSetRef", held_here[0], 1, value, value, &result));
  ck_assert_int_eq(result.i32, 0);
  ck_assert(atomic("compareAndSetRef", held_here[0], 1, none, value, &result));
  ck_assert_int_eq(result.i32, 1);
  ck_assert(atomic("getAndSetRef", held_here[0], 1, none, none, &result));
  ck_assert(mm_same(result.ref, held_here[2]));
  ck_assert(mm_is_null(vm_array_ref(held_here[0], 1)));
  mm_scope_close(&machine.thread->mutator, &here);
}
END_TEST

START_TEST(atomic_numbers_tell_what_was_there)
{
  union vm_slot five = {.i64 = 5}, nine = {.i64 = 9}, result;
  struct mm_ref array =
      vm_new_array(machine.thread, vm_class_find(machine.vm, "i64[]"), 3);
  ck_assert(atomic("setI64", array, 2, five, five, &result));
  ck_assert(atomic("getAndAddI64", array, 2, nine, five, &result));
  ck_assert_int_eq(result.i64, 5);
  ck_assert(atomic("getAndSetI64", array, 2, nine, five, &result));
  ck_assert_int_eq(result.i64, 14);
  ck_assert(atomic("compareAndSetI64", array, 2, five, nine, &result));
  ck_assert_int_eq(result.i64, 0);
  ck_assert(atomic("compareAndSetI64", array, 2, nine, five, &result));
  ck_assert_int_eq(result.i64, 1);
  ck_assert(atomic("getI64", array, 2, five, nine, &result));
  ck_assert_int_eq(result.i64, 5);
  array = vm_new_array(machine.thread, vm_class_find(machine.vm, "i32[]"), 1);
  five.i64 = INT32_MIN;
  ck_assert(atomic("setI32", array, 0, five, five, &result));
  ck_assert(atomic("getAndAddI32", array, 0, nine, five, &result));
  ck_assert_int_eq(result.i64, INT32_MIN);
  ck_assert(atomic("getI32", array, 0, five, nine, &result));
  ck_assert_int_eq(result.i64, INT32_MIN + 9);
}
END_TEST

/* --- Loading --- */

#define LATE ".function i32 late() { ldai 3\n return\n }\n"

static bool load_late(struct vm_thread *thread)
{
  (void)thread;
  core_load_refused("late.pa", LATE, "other threads run");
  return true;
}

START_TEST(modules_are_refused_while_other_threads_run)
{
  core_hook(load_late);
  core_load("t.pa",
            PRELUDE ".function void W.run(W a0) {\n"
                    "  ldai.64 100000\n sta.64 v0\n"
                    "  call.short panda.Thread.sleep, v0\n return.void\n}\n"
                    ".function i32 main() {\n"
                    "  newobj v0, W\n ldai 1\n sta v1\n"
                    "  call.short panda.Thread.setDaemon, v0, v1\n"
                    "  call.short panda.Thread.start, v0\n"
                    "  call.short Test.hook\n ldai 7\n return\n}\n");
  ck_assert_int_eq(core_run(), 7);
  core_load("later.pa", LATE);
  ck_assert_int_eq(core_run(), 7);
}
END_TEST

#define ADD(test) tcase_add_test(tests, test)

static void add_c_tests(TCase *tests)
{
  ADD(a_monitor_has_one_owner_at_a_time);
  ADD(a_monitor_has_one_owner_while_its_object_moves);
  ADD(a_thread_that_finds_a_light_lock_inflates_it_as_deep_as_it_is);
  ADD(what_is_wanted_or_held_is_not_deflated);
  ADD(a_monitor_cannot_be_left_by_another_thread);
  ADD(notify_wakes_the_thread_that_has_waited_longest);
  ADD(notify_all_wakes_all_and_each_has_its_depth_again);
  ADD(timed_waits_end_though_nobody_notifies);
  ADD(threads_that_ask_for_a_hash_at_once_get_the_same);
  ADD(classes_mirrors_and_interned_strings_are_one_for_all);
}

int main(void)
{
  TCase *tests = tcase_create("threads");
  add_c_tests(tests);
  ADD(a_class_is_initialised_once_while_others_wait);
  ADD(a_class_that_failed_for_one_thread_is_broken_for_those_that_waited);
  ADD(classes_that_wait_for_each_other_are_a_deadlock);
  ADD(who_joins_itself_is_in_a_deadlock);
  ADD(joining_the_main_thread_ends_when_its_method_does);
  ADD(a_thread_that_ends_gives_up_its_monitors_and_that_is_told);
  ADD(daemons_end_with_the_program_and_the_machine_can_run_again);
  ADD(a_refused_start_is_an_exception_and_can_be_tried_again);
  ADD(methods_are_translated_and_names_resolved_by_several_threads);
  ADD(atomic_references_are_checked_like_stores);
  ADD(atomic_numbers_tell_what_was_there);
  ADD(modules_are_refused_while_other_threads_run);
  return machine_main("threads", tests);
}
