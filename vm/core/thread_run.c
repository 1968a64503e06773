/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a started thread, and the end of all.
 *
 *   starter                          started thread
 *   make, link, count
 *   native: attach the mutator,
 *           create the system's  --> leave native state
 *   go on                            run
 *                                    give up monitors, unlink, wake who waits
 *                                    detach, drop the stack
 *                                    onto `finished' --> joined and freed by
 *                                                        the next starter or
 *                                                        by the main thread
 *
 * The starter attaches the mutator of the new thread, so that it knows of a
 * refusal; it is in native state meanwhile, since attaching waits for a world
 * that is stopping.  The new mutator is in native state until its own thread
 * takes it over.
 *
 * Only running threads change the list of threads, so that a stopped world
 * can walk it.
 */
#include "config.h"

#include "vm/core/park_internal.h"
#include "vm/core/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "mm/native.h"
#include "vm/core/monitor.h"
#include "vm/core/natives.h"
#include "vm/core/string_internal.h"
#include "vm/lib/output.h"

/* Of the system's stack, which natives and the collector run on. */
#if defined BAMBOO_ASAN || defined BAMBOO_TSAN || defined BAMBOO_UBSAN
enum { C_STACK_BYTES = 8 * 1024 * 1024 };
#else
enum { C_STACK_BYTES = 2 * 1024 * 1024 };
#endif

/* --- The machine's part --- */

bool vm_threads_init(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  core->threads.last_id = 1; /* the main thread's */
  if (!vm_locks_init(vm))
    return false;
  if (vm_condition_init(&core->threads.finish))
    return true;
  vm_locks_destroy(vm);
  return false;
}

void vm_threads_destroy(struct vm *vm)
{
  pthread_cond_destroy(&vm_core_of(vm)->threads.finish);
  vm_locks_destroy(vm);
}

bool vm_threads_alone(struct vm *vm)
{
  return __atomic_load_n(&vm_core_of(vm)->threads.running, __ATOMIC_ACQUIRE) ==
         0;
}

static void count_running_locked(struct core *core, int by)
{
  __atomic_store_n(&core->threads.running, core->threads.running + (uint32_t)by,
                   __ATOMIC_RELEASE);
}

static struct thread_private *take_finished(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  vm_lock(vm, VM_LOCK_SYNC);
  struct thread_private *first = core->threads.finished;
  if (first)
    core->threads.finished = first->next_finished;
  vm_unlock(vm, VM_LOCK_SYNC);
  return first;
}

/* Native state: the system's thread may need a moment to end. */
static void free_finished(struct vm *vm)
{
  struct thread_private *private;
  while ((private = take_finished(vm))) {
    pthread_join(private->handle, NULL);
    vm_thread_free(&private->thread);
  }
}

/* --- Objects --- */

static uint32_t *state_word(struct mm_ref object)
{
  return vm_object_at(object, VM_THREAD_STATE_OFFSET);
}

enum vm_thread_state vm_threads_state(struct mm_ref object)
{
  return (enum vm_thread_state)__atomic_load_n(state_word(object),
                                               __ATOMIC_ACQUIRE);
}

static void set_state(struct mm_ref object, enum vm_thread_state state)
{
  __atomic_store_n(state_word(object), (uint32_t)state, __ATOMIC_RELEASE);
}

static bool is_daemon(struct mm_ref object)
{
  const uint8_t *flag = vm_object_at(object, VM_THREAD_DAEMON_OFFSET);
  return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

static uint64_t id_locked(struct vm *vm, struct mm_ref object)
{
  uint64_t *id = vm_object_at(object, VM_THREAD_ID_OFFSET);
  if (*id == 0) /* who prints a name takes no lock */
    __atomic_store_n(id, ++vm_core_of(vm)->threads.last_id, __ATOMIC_RELAXED);
  return *id;
}

uint64_t vm_threads_id(struct vm *vm, struct mm_ref object)
{
  vm_lock(vm, VM_LOCK_SYNC);
  uint64_t id = id_locked(vm, object);
  vm_unlock(vm, VM_LOCK_SYNC);
  return id;
}

/* A thread that no program started, as a rule the main one. */
static struct mm_ref adopt(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  struct mm_ref object = vm_new_object(thread, vm->known.thread);
  if (mm_is_null(object))
    return object;
  if (thread == vm->main_thread)
    *(uint64_t *)vm_object_at(object, VM_THREAD_ID_OFFSET) = 1;
  set_state(object, VM_THREAD_STARTED);
  vm_lock(vm, VM_LOCK_SYNC);
  id_locked(vm, object);
  thread->object = object;
  vm_unlock(vm, VM_LOCK_SYNC);
  return object;
}

struct mm_ref vm_threads_current(struct vm_thread *thread)
{
  return mm_is_null(thread->object) ? adopt(thread) : thread->object;
}

/* 0: of a thread that C attached, and that has no object yet. */
static void default_name(uint64_t id, char name[32])
{
  if (id == 0)
    strcpy(name, "attached");
  else if (id == 1)
    strcpy(name, "main");
  else
    snprintf(name, 32, "Thread-%" PRIu64, id - 2);
}

/* Several threads may ask for it first. */
struct mm_ref vm_threads_name(struct vm_thread *thread, struct mm_ref object)
{
  struct mm_ref held[1];
  struct mm_ref name = vm_object_volatile_ref(object, VM_THREAD_NAME_OFFSET);
  struct mm_scope scope;
  char text[32];
  if (!mm_is_null(name))
    return name;
  default_name(vm_threads_id(thread->vm, object), text);
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = object;
  name = vm_string_from_utf8(thread, text, strlen(text));
  if (!mm_is_null(name))
    vm_object_set_volatile_ref(thread, held[0], VM_THREAD_NAME_OFFSET, name);
  mm_scope_close(&thread->mutator, &scope);
  return name;
}

void vm_threads_print_name(const struct vm_thread *thread, FILE *out)
{
  char text[32];
  struct mm_ref name = MM_NULL;
  if (!mm_is_null(thread->object))
    name = vm_object_volatile_ref(thread->object, VM_THREAD_NAME_OFFSET);
  if (!mm_is_null(name)) {
    vm_string_print(name, out);
    return;
  }
  uint64_t id = thread == thread->vm->main_thread;
  if (!mm_is_null(thread->object))
    id = __atomic_load_n(
        (const uint64_t *)vm_object_at(thread->object, VM_THREAD_ID_OFFSET),
        __ATOMIC_RELAXED);
  default_name(id, text);
  fputs(text, out);
}

/* --- The end of a thread --- */

static void wake_joiners_locked(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  bool all_ended = vm_core_of(vm)->threads.counted == 0;
  for (struct vm_thread *t = vm->threads; t; t = t->next)
    if ((t->wait.kind == VM_WAIT_JOIN && t->wait.target == thread) ||
        (t->wait.kind == VM_WAIT_OTHERS && all_ended))
      vm_unpark_locked(t);
}

/* A program that locks by functions may forget to unlock. */
static void give_up_monitors(struct vm_thread *thread)
{
  FILE *err = thread->vm->options.err;
  uint32_t count = vm_monitor_release_all(thread);
  if (count == 0 || vm_is_exiting(thread->vm))
    return;
  flockfile(err);
  fputs("Thread \"", err);
  vm_threads_print_name(thread, err);
  fprintf(err, "\" ended with %" PRIu32 " monitor%s that it had not left\n",
          count, count == 1 ? "" : "s");
  funlockfile(err);
}

/* From here on no program sees it. */
static void leave_machine(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  vm_lock(vm, VM_LOCK_SYNC);
  if (!mm_is_null(thread->object)) /* one that was attached may have none */
    set_state(thread->object, VM_THREAD_ENDED);
  thread->object = MM_NULL;
  vm_thread_unlink_locked(thread);
  vm_core_of(vm)->threads.counted -= !vm_thread_private(thread)->daemon;
  wake_joiners_locked(thread);
  vm_check_deadlock_locked(vm);
  vm_unlock(vm, VM_LOCK_SYNC);
  vm_native_end_thread(thread);
  mm_mutator_detach(&thread->mutator);
  vm_thread_drop_stack(thread);
}

static void finish(struct thread_private *private)
{
  struct vm *vm = private->thread.vm;
  struct core *core = vm_core_of(vm);
  vm_lock(vm, VM_LOCK_SYNC);
  private->next_finished = core->threads.finished;
  core->threads.finished = private;
  count_running_locked(core, -1);
  vm_condition_notify(vm, &core->threads.finish);
  vm_unlock(vm, VM_LOCK_SYNC);
}

/* --- Running --- */

static void run_object(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  union vm_slot self = {0}, result;
  const struct vm_method *run =
      vm_class_of(thread->object)->vtable[vm_core_of(vm)->run_index];
  self.ref = thread->object;
  if (vm_is_exiting(vm) || vm->engine.invoke(thread, run, &self, &result) ||
      vm_is_exiting(vm))
    return;
  mm_enter_native(&thread->mutator);
  vm_output_flush(vm);
  mm_leave_native(&thread->mutator);
  vm_trace_report(thread, vm->options.err);
}

static void *thread_main(void *argument)
{
  struct thread_private *private = argument;
  struct vm_thread *thread = &private->thread;
  struct mm_heap *heap = thread->vm->heap;
  mm_schedule_begin(heap, &private->task);
  vm_lock(thread->vm, VM_LOCK_SYNC); /* others look for it (vm_thread_here) */
  vm_thread_settle(thread);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  mm_leave_native(&thread->mutator);
  run_object(thread);
  thread->exception = MM_NULL;
  give_up_monitors(thread);
  leave_machine(thread);
  finish(private);
  mm_schedule_end(heap, &private->task);
  return NULL;
}

/* --- Starting --- */

static struct vm_thread *make_child(struct vm *vm, struct mm_ref object,
                                    struct mm_error *error)
{
  struct core *core = vm_core_of(vm);
  struct vm_thread *child;
  if (vm_thread_make(vm, vm->options.stack_bytes, &child, error) != MM_OK)
    return NULL;
  child->object = object;
  vm_thread_private(child)->daemon = is_daemon(object);
  vm_lock(vm, VM_LOCK_SYNC);
  id_locked(vm, object);
  vm_thread_link_locked(child);
  core->threads.counted += !vm_thread_private(child)->daemon;
  count_running_locked(core, 1);
  vm_unlock(vm, VM_LOCK_SYNC);
  return child;
}

/* Undoes make_child; the object is as if nothing had been tried. */
static void drop_child(struct vm_thread *child)
{
  struct vm *vm = child->vm;
  struct core *core = vm_core_of(vm);
  vm_lock(vm, VM_LOCK_SYNC);
  set_state(child->object, VM_THREAD_NEW);
  vm_thread_unlink_locked(child);
  core->threads.counted -= !vm_thread_private(child)->daemon;
  count_running_locked(core, -1);
  wake_joiners_locked(child);
  vm_unlock(vm, VM_LOCK_SYNC);
  vm_thread_free(child);
}

static bool create_thread(struct vm_thread *child, struct mm_error *error)
{
  pthread_attr_t attributes;
  pthread_t handle;
  int status = mm_native_fails_now() ? ENOMEM : 0;
  if (status == 0)
    status = pthread_attr_init(&attributes);
  if (status == 0) {
    status = pthread_attr_setstacksize(&attributes, C_STACK_BYTES);
    if (status == 0)
      status = pthread_create(&handle, &attributes, thread_main,
                              vm_thread_private(child));
    pthread_attr_destroy(&attributes);
  }
  if (status != 0)
    snprintf(error->text, sizeof error->text, "the system refuses one: %s",
             strerror(status));
  return status == 0;
}

/* Native state. */
static bool attach_and_create(struct vm_thread *child, struct mm_error *error)
{
  if (mm_mutator_attach(child->vm->heap, &child->mutator) != MM_OK) {
    snprintf(error->text, sizeof error->text,
             "the heap has no memory or no place for it");
    return false;
  }
  mm_enter_native(&child->mutator);
  mm_schedule_add(child->vm->heap, &vm_thread_private(child)->task);
  if (create_thread(child, error))
    return true;
  mm_schedule_end(child->vm->heap, &vm_thread_private(child)->task);
  mm_leave_native(&child->mutator);
  mm_mutator_detach(&child->mutator);
  return false;
}

/* False: nothing was started, see the error. */
static bool start(struct vm_thread *thread, struct mm_ref object,
                  struct mm_error *error)
{
  struct vm_thread *child = make_child(thread->vm, object, error);
  if (!child) {
    set_state(object, VM_THREAD_NEW);
    return false;
  }
  mm_enter_native(&thread->mutator);
  free_finished(thread->vm);
  bool created = attach_and_create(child, error);
  mm_leave_native(&thread->mutator);
  if (!created)
    drop_child(child);
  return created;
}

bool vm_threads_start(struct vm_thread *thread, struct mm_ref object)
{
  struct mm_error error = {{0}};
  uint32_t new = VM_THREAD_NEW;
  if (!__atomic_compare_exchange_n(state_word(object), &new, VM_THREAD_STARTED,
                                   false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return vm_throw(thread, VM_ERROR_ILLEGAL_STATE,
                    "the thread was started before");
  return start(thread, object, &error) ||
         vm_throw(thread, VM_ERROR_OUT_OF_MEMORY, "no thread to start: %s",
                  error.text);
}

/* --- Threads that C code made --- */

/* False: the machine is exiting. */
static bool announce(struct vm *vm, bool as_daemon)
{
  struct core *core = vm_core_of(vm);
  vm_lock(vm, VM_LOCK_SYNC);
  bool ok = !vm_is_exiting(vm);
  if (ok) {
    core->threads.counted += !as_daemon;
    count_running_locked(core, 1);
  }
  vm_unlock(vm, VM_LOCK_SYNC);
  return ok;
}

/* From here on the machine may be gone. */
static void withdraw(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  vm_lock(vm, VM_LOCK_SYNC);
  count_running_locked(core, -1);
  vm_condition_notify(vm, &core->threads.finish);
  vm_unlock(vm, VM_LOCK_SYNC);
}

static void uncount(struct vm *vm, struct vm_thread *thread, bool as_daemon)
{
  vm_lock(vm, VM_LOCK_SYNC);
  vm_core_of(vm)->threads.counted -= !as_daemon;
  wake_joiners_locked(thread);
  vm_unlock(vm, VM_LOCK_SYNC);
}

enum mm_status vm_threads_attach(struct vm *vm, bool as_daemon,
                                 struct vm_thread **thread,
                                 struct mm_error *error)
{
  if (vm->options.mm.deterministic) {
    snprintf(error->text, sizeof error->text,
             "no thread can be attached with --deterministic, whose schedule "
             "knows nothing of it");
    return MM_UNSUPPORTED;
  }
  if (!announce(vm, as_daemon)) {
    snprintf(error->text, sizeof error->text, "the program is exiting");
    return MM_UNSUPPORTED;
  }
  enum mm_status status =
      vm_thread_create(vm, vm->options.stack_bytes, thread, error);
  if (status == MM_OK) {
    vm_thread_private(*thread)->daemon = as_daemon;
  } else {
    uncount(vm, NULL, as_daemon);
    withdraw(vm);
  }
  return status;
}

void vm_threads_detach(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  thread->exception = MM_NULL;
  give_up_monitors(thread);
  leave_machine(thread);
  vm_thread_free(thread);
  withdraw(vm);
}

/* --- Waiting --- */

static uint64_t deadline_of(uint64_t ns)
{
  uint64_t now_ns = vm_now_ns();
  return ns >= UINT64_MAX - now_ns ? UINT64_MAX : now_ns + ns;
}

static struct vm_thread *find_locked(struct vm *vm, struct mm_ref object)
{
  struct vm_thread *thread = vm->threads;
  while (thread && !mm_same(thread->object, object))
    thread = thread->next;
  return thread;
}

/* Parks if the thread of the object is running; false: it is not, or the
   machine is exiting. */
static bool begin_join(struct vm_thread *thread, const struct mm_ref *object,
                       bool for_ever)
{
  struct vm_wait wait = {
      .kind = VM_WAIT_JOIN, .for_ever = for_ever, .object = object};
  vm_lock(thread->vm, VM_LOCK_SYNC);
  wait.target = find_locked(thread->vm, *object);
  bool parked = vm_threads_state(*object) == VM_THREAD_STARTED && wait.target &&
                vm_park_locked(thread, &wait);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return parked;
}

bool vm_threads_join(struct vm_thread *thread, struct mm_ref object,
                     uint64_t ns)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  uint64_t deadline_ns = deadline_of(ns);
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = object;
  while (begin_join(thread, &held[0], ns == UINT64_MAX) &&
         vm_park(thread, deadline_ns))
    continue;
  mm_scope_close(&thread->mutator, &scope);
  return !vm_is_exiting(thread->vm);
}

bool vm_threads_sleep(struct vm_thread *thread, uint64_t ns)
{
  struct vm_wait wait = {.kind = VM_WAIT_SLEEP};
  vm_lock(thread->vm, VM_LOCK_SYNC);
  bool parked = vm_park_locked(thread, &wait);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  if (parked)
    vm_park(thread, deadline_of(ns));
  return !vm_is_exiting(thread->vm);
}

/* --- The end of all --- */

/* False: there is nobody to wait for, or the machine is exiting. */
static bool begin_wait_for_others(struct vm_thread *main)
{
  struct vm_wait wait = {.kind = VM_WAIT_OTHERS, .for_ever = true};
  vm_lock(main->vm, VM_LOCK_SYNC);
  bool parked =
      vm_core_of(main->vm)->threads.counted > 0 && vm_park_locked(main, &wait);
  vm_unlock(main->vm, VM_LOCK_SYNC);
  return parked;
}

static void end_main(struct vm_thread *main)
{
  give_up_monitors(main);
  vm_lock(main->vm, VM_LOCK_SYNC);
  if (!mm_is_null(main->object))
    set_state(main->object, VM_THREAD_ENDED);
  wake_joiners_locked(main);
  vm_unlock(main->vm, VM_LOCK_SYNC);
}

static void await_finish(struct vm_thread *main)
{
  struct vm *vm = main->vm;
  struct core *core = vm_core_of(vm);
  mm_enter_native(&main->mutator);
  vm_lock(vm, VM_LOCK_SYNC);
  while (core->threads.running > 0)
    vm_lock_wait(vm, VM_LOCK_SYNC, &core->threads.finish, UINT64_MAX);
  vm_unlock(vm, VM_LOCK_SYNC);
  free_finished(vm);
  mm_leave_native(&main->mutator);
}

void vm_threads_stop(struct vm_thread *main)
{
  struct vm *vm = main->vm;
  bool ours = !vm_threads_alone(vm) && vm_exit(vm, 0);
  await_finish(main);
  mm_poll_always(vm->heap, false);
  if (ours)
    __atomic_store_n(&vm->exiting, false, __ATOMIC_RELEASE);
}

void vm_threads_stop_others(struct vm *vm)
{
  vm_threads_stop(vm->main_thread);
}

void vm_threads_finish(struct vm_thread *main)
{
  end_main(main);
  while (begin_wait_for_others(main))
    vm_park(main, UINT64_MAX);
  vm_threads_stop(main);
}
