/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References, queues and the finalizer; see references.h.
 *
 * The lists go through the references themselves:
 *
 *   registered   doubly linked, so that nothing dies before its time
 *   jobs         those that fired, first come first
 *   a queue      those that were cleared, first come first
 *
 * All are changed under the lock SYNC by running threads: the stores have
 * barriers, and none of this is a safepoint.
 */
#include "config.h"

#include "vm/core/references.h"

#include <string.h>

#include "mm/mm_inline.h"
#include "vm/core/park_internal.h"
#include "vm/core/threads.h"
#include "vm/lib/output.h"

static struct mm_ref next_of(struct mm_ref reference)
{
  return vm_object_ref(reference, VM_REFERENCE_NEXT_OFFSET);
}

static void set_next(struct vm_thread *thread, struct mm_ref reference,
                     struct mm_ref next)
{
  vm_object_set_ref_locked(thread, reference, VM_REFERENCE_NEXT_OFFSET, next);
}

static uint8_t *state_of(struct mm_ref reference)
{
  return vm_object_at(reference, VM_REFERENCE_STATE_OFFSET);
}

static bool is_registered_kind(const struct vm *vm, struct mm_ref reference)
{
  const struct vm_class *class = vm_class_of(reference);
  return class == vm->known.final || class == vm->known.cleanable;
}

/* --- Queues --- */

static void append_locked(struct vm_thread *thread, struct mm_ref queue,
                          struct mm_ref reference)
{
  struct mm_ref last = vm_object_ref(queue, VM_QUEUE_LAST_OFFSET);
  set_next(thread, reference, MM_NULL);
  if (mm_is_null(last))
    vm_object_set_ref_locked(thread, queue, VM_QUEUE_FIRST_OFFSET, reference);
  else
    set_next(thread, last, reference);
  vm_object_set_ref_locked(thread, queue, VM_QUEUE_LAST_OFFSET, reference);
}

static struct mm_ref take_first_locked(struct vm_thread *thread,
                                       struct mm_ref queue)
{
  struct mm_ref first = vm_object_ref(queue, VM_QUEUE_FIRST_OFFSET);
  if (mm_is_null(first))
    return first;
  struct mm_ref next = next_of(first);
  vm_object_set_ref_locked(thread, queue, VM_QUEUE_FIRST_OFFSET, next);
  if (mm_is_null(next))
    vm_object_set_ref_locked(thread, queue, VM_QUEUE_LAST_OFFSET, MM_NULL);
  set_next(thread, first, MM_NULL);
  *state_of(first) &= (uint8_t)~VM_REFERENCE_QUEUED;
  return first;
}

static void wake_locked(struct vm *vm, enum vm_wait_kind kind)
{
  for (struct vm_thread *t = vm->threads; t; t = t->next)
    if (t->wait.kind == kind)
      vm_unpark_locked(t);
}

void vm_references_wake(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_SYNC);
  wake_locked(vm, VM_WAIT_QUEUE);
  vm_unlock(vm, VM_LOCK_SYNC);
}

/* True: it stands in its queue now. */
static bool enqueue_locked(struct vm_thread *thread, struct mm_ref reference)
{
  uint8_t *state = state_of(reference);
  struct mm_ref queue = vm_object_ref(reference, VM_REFERENCE_QUEUE_OFFSET);
  if (mm_is_null(queue) || *state & VM_REFERENCE_DONE ||
      is_registered_kind(thread->vm, reference))
    return false;
  *state |= VM_REFERENCE_DONE | VM_REFERENCE_QUEUED;
  append_locked(thread, queue, reference);
  wake_locked(thread->vm, VM_WAIT_QUEUE);
  return true;
}

/* --- What is registered, and jobs --- */

static void register_locked(struct vm_thread *thread, struct mm_ref reference)
{
  struct mm_ref *first = &vm_core_of(thread->vm)->references.registered;
  set_next(thread, reference, *first);
  if (!mm_is_null(*first))
    vm_object_set_ref_locked(thread, *first, VM_REGISTERED_PREVIOUS_OFFSET,
                             reference);
  *first = reference;
}

/* A static root holds it no more; who reads it has it in hand. */
static void unregister_locked(struct vm_thread *thread, struct mm_ref reference)
{
  struct mm_ref *first = &vm_core_of(thread->vm)->references.registered;
  struct mm_ref next = next_of(reference);
  struct mm_ref previous =
      vm_object_ref(reference, VM_REGISTERED_PREVIOUS_OFFSET);
  if (mm_is_null(previous))
    *first = next;
  else
    set_next(thread, previous, next);
  if (!mm_is_null(next))
    vm_object_set_ref_locked(thread, next, VM_REGISTERED_PREVIOUS_OFFSET,
                             previous);
  vm_object_set_ref_locked(thread, reference, VM_REGISTERED_PREVIOUS_OFFSET,
                           MM_NULL);
  set_next(thread, reference, MM_NULL);
}

static void add_job_locked(struct vm_thread *thread, struct mm_ref reference)
{
  struct core *core = vm_core_of(thread->vm);
  if (mm_is_null(core->references.last_job))
    core->references.first_job = reference;
  else
    set_next(thread, core->references.last_job, reference);
  core->references.last_job = reference;
  wake_locked(thread->vm, VM_WAIT_QUEUE);
}

static struct mm_ref take_job_locked(struct vm_thread *thread)
{
  struct core *core = vm_core_of(thread->vm);
  struct mm_ref first = core->references.first_job;
  if (mm_is_null(first))
    return first;
  core->references.first_job = next_of(first);
  if (mm_is_null(core->references.first_job))
    core->references.last_job = MM_NULL;
  set_next(thread, first, MM_NULL);
  return first;
}

/* --- Dispatching --- */

/* `referent' is that of a final reference. */
static void dispatch_one_locked(struct vm_thread *thread,
                                struct mm_ref reference, struct mm_ref referent)
{
  uint8_t *state = state_of(reference);
  if (!is_registered_kind(thread->vm, reference)) {
    enqueue_locked(thread, reference);
    return;
  }
  if (*state & VM_REFERENCE_DONE) /* cleaned by hand */
    return;
  *state |= VM_REFERENCE_DONE;
  unregister_locked(thread, reference);
  if (!mm_is_null(referent))
    vm_object_set_ref_locked(thread, reference, VM_REGISTERED_TARGET_OFFSET,
                             referent);
  add_job_locked(thread, reference);
}

/* Never a safepoint.  The list of the collector holds what is on it; what was
   taken is in hand until it stands on another list. */
static void dispatch_locked(struct vm_thread *thread)
{
  struct mm_ref reference, referent;
  while (!mm_is_null(
      reference = mm_references_take_pending(&thread->mutator, &referent)))
    dispatch_one_locked(thread, reference, referent);
}

/* --- References --- */

bool vm_reference_construct(struct vm_thread *thread, struct mm_ref reference,
                            struct mm_ref referent, struct mm_ref queue)
{
  uint8_t *state = state_of(reference);
  vm_lock(thread->vm, VM_LOCK_SYNC);
  bool is_new = !(*state & VM_REFERENCE_MADE);
  *state |= VM_REFERENCE_MADE;
  if (is_new) {
    vm_object_set_ref_locked(thread, reference, VM_REFERENCE_QUEUE_OFFSET,
                             queue);
    mm_reference_init(&thread->mutator, reference, referent);
  }
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return is_new || vm_throw(thread, VM_ERROR_ILLEGAL_STATE,
                            "the reference was made before");
}

bool vm_reference_enqueue(struct vm_thread *thread, struct mm_ref reference)
{
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  mm_reference_clear(&thread->mutator, reference);
  bool is_queued = enqueue_locked(thread, reference);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return is_queued;
}

/* Of what is registered, too; false: it was done before. */
static bool end_locked(struct vm_thread *thread, struct mm_ref reference)
{
  uint8_t *state = state_of(reference);
  mm_reference_clear(&thread->mutator, reference);
  if (!is_registered_kind(thread->vm, reference) || *state & VM_REFERENCE_DONE)
    return false;
  *state |= VM_REFERENCE_DONE;
  unregister_locked(thread, reference);
  return true;
}

void vm_reference_clear(struct vm_thread *thread, struct mm_ref reference)
{
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  end_locked(thread, reference);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
}

bool vm_reference_is_queued(struct vm_thread *thread, struct mm_ref reference)
{
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  bool is_queued = *state_of(reference) & VM_REFERENCE_QUEUED;
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return is_queued;
}

struct mm_ref vm_queue_poll(struct vm_thread *thread, struct mm_ref queue)
{
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  struct mm_ref first = take_first_locked(thread, queue);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return first;
}

static uint64_t deadline_of(uint64_t ns)
{
  uint64_t now_ns = vm_now_ns();
  return ns >= UINT64_MAX - now_ns ? UINT64_MAX : now_ns + ns;
}

/* Would nobody be left to bring about a collection? */
static bool is_last(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  vm_lock(vm, VM_LOCK_SYNC);
  bool last = core->threads.blocked + 1 == core->threads.alive;
  vm_unlock(vm, VM_LOCK_SYNC);
  return last;
}

/* Parks unless there is one, or one may be; false: did not. */
static bool begin_remove(struct vm_thread *thread, const struct mm_ref *queue,
                         bool for_ever)
{
  struct vm_wait wait = {
      .kind = VM_WAIT_QUEUE, .for_ever = for_ever, .object = queue};
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  bool parked = mm_is_null(vm_object_ref(*queue, VM_QUEUE_FIRST_OFFSET)) &&
                vm_park_locked(thread, &wait);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return parked;
}

static void wait_for_reference(struct vm_thread *thread,
                               const struct mm_ref *queue, uint64_t ns)
{
  uint64_t deadline_ns = deadline_of(ns);
  if (ns == UINT64_MAX && is_last(thread->vm))
    mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  while (begin_remove(thread, queue, ns == UINT64_MAX) &&
         vm_park(thread, deadline_ns))
    continue;
}

bool vm_queue_remove(struct vm_thread *thread, struct mm_ref queue, uint64_t ns,
                     struct mm_ref *reference)
{
  struct mm_ref held[1], first = vm_queue_poll(thread, queue);
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = queue;
  bool in_time = true;
  uint64_t deadline_ns = deadline_of(ns);
  while (mm_is_null(first) && in_time && !vm_is_exiting(thread->vm)) {
    uint64_t now_ns = vm_now_ns();
    in_time = now_ns < deadline_ns;
    if (in_time)
      wait_for_reference(thread, &held[0],
                         ns == UINT64_MAX ? ns : deadline_ns - now_ns);
    first = vm_queue_poll(thread, held[0]);
  }
  mm_scope_close(&thread->mutator, &scope);
  *reference = first;
  return !vm_is_exiting(thread->vm);
}

/* --- The finalizer --- */

/* A virtual method without parameters and result; null: none. */
static const struct vm_method *method_of(const struct vm_class *class,
                                         const char *name)
{
  for (uint32_t i = 0; i < class->vtable_count; i++) {
    const struct vm_method *method = class->vtable[i];
    if (method->param_count == 1 && method->return_prim == VM_PRIM_VOID &&
        strcmp(method->name, name) == 0)
      return method;
  }
  return NULL;
}

static const char *method_name(const struct vm_thread *thread,
                               struct mm_ref reference)
{
  return vm_class_of(reference) == thread->vm->known.final ? "finalize" : "run";
}

static bool check_method(struct vm_thread *thread, struct mm_ref object,
                         const char *name)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  return method_of(vm_class_of(object), name) ||
         vm_throw(thread, VM_ERROR_UNSUPPORTED, "%s has no method void %s()",
                  vm_class_of(object)->name, name);
}

/* Others may have started one meanwhile. */
static bool claim_finalizer(struct vm_thread *thread, struct mm_ref object)
{
  struct mm_ref *finalizer = &vm_core_of(thread->vm)->references.finalizer;
  vm_lock(thread->vm, VM_LOCK_SYNC);
  bool is_first = mm_is_null(*finalizer);
  if (is_first)
    *finalizer = object;
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return is_first;
}

static void disclaim_finalizer(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_SYNC);
  vm_core_of(vm)->references.finalizer = MM_NULL;
  vm_unlock(vm, VM_LOCK_SYNC);
}

/* It does not count among the threads that programs number. */
static struct mm_ref make_finalizer(struct vm_thread *thread)
{
  struct mm_ref held[1], name;
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] =
      mm_alloc_plain(&thread->mutator, &thread->vm->known.finalizer->layout);
  if (mm_is_null(held[0])) {
    vm_throw_refused(thread);
  } else {
    *(int64_t *)vm_object_at(held[0], VM_THREAD_ID_OFFSET) = INT64_MAX;
    *(uint8_t *)vm_object_at(held[0], VM_THREAD_DAEMON_OFFSET) = 1;
    name = vm_string_from_utf8(thread, "Finalizer", strlen("Finalizer"));
    if (mm_is_null(name))
      held[0] = MM_NULL;
    else
      vm_object_set_ref_locked(thread, held[0], VM_THREAD_NAME_OFFSET, name);
  }
  mm_scope_close(&thread->mutator, &scope);
  return held[0];
}

static bool has_finalizer(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_SYNC);
  bool has = !mm_is_null(vm_core_of(vm)->references.finalizer);
  vm_unlock(vm, VM_LOCK_SYNC);
  return has;
}

static bool start_finalizer(struct vm_thread *thread)
{
  if (has_finalizer(thread->vm))
    return true;
  struct mm_ref object = make_finalizer(thread);
  if (mm_is_null(object))
    return false;
  if (!claim_finalizer(thread, object))
    return true;
  if (vm_threads_start(thread, object))
    return true;
  disclaim_finalizer(thread->vm);
  return false;
}

/* held[0]: the object, held[1]: the target, or null. */
static struct mm_ref make_registered(struct vm_thread *thread,
                                     struct vm_class *class,
                                     const struct mm_ref *held)
{
  struct mm_ref made = mm_alloc_plain(&thread->mutator, &class->layout);
  if (mm_is_null(made)) {
    vm_throw_refused(thread);
    return made;
  }
  vm_object_made();
  /* Whom to tell is looked up by the class. */
  vm_object_set_ref_locked(thread, made, VM_REFERENCE_QUEUE_OFFSET, made);
  vm_object_set_ref_locked(thread, made, VM_REGISTERED_TARGET_OFFSET, held[1]);
  vm_lock(thread->vm, VM_LOCK_SYNC);
  *state_of(made) |= VM_REFERENCE_MADE;
  mm_reference_init(&thread->mutator, made, held[0]);
  register_locked(thread, made);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return made;
}

static struct mm_ref register_for(struct vm_thread *thread,
                                  struct vm_class *class, struct mm_ref object,
                                  struct mm_ref target)
{
  struct mm_ref held[2], made = MM_NULL;
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 2);
  held[0] = object;
  held[1] = target;
  if (start_finalizer(thread))
    made = make_registered(thread, class, held);
  mm_scope_close(&thread->mutator, &scope);
  return made;
}

bool vm_finalizer_register(struct vm_thread *thread, struct mm_ref object)
{
  return check_method(thread, object, "finalize") &&
         !mm_is_null(
             register_for(thread, thread->vm->known.final, object, MM_NULL));
}

bool vm_cleaner_register(struct vm_thread *thread, struct mm_ref object,
                         struct mm_ref action, struct mm_ref *cleanable)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  if (!check_method(thread, action, "run"))
    return false;
  *cleanable =
      register_for(thread, thread->vm->known.cleanable, object, action);
  return !mm_is_null(*cleanable);
}

/* Calls the method of a job; its target is forgotten before, for it runs but
   once. */
static bool call(struct vm_thread *thread, struct mm_ref reference)
{
  union vm_slot self = {0}, result;
  self.ref = vm_object_ref(reference, VM_REGISTERED_TARGET_OFFSET);
  const struct vm_method *method =
      method_of(vm_class_of(self.ref), method_name(thread, reference));
  vm_object_set_ref_locked(thread, reference, VM_REGISTERED_TARGET_OFFSET,
                           MM_NULL);
  return thread->vm->engine.invoke(thread, method, &self, &result);
}

bool vm_cleanable_clean(struct vm_thread *thread, struct mm_ref cleanable)
{
  vm_lock(thread->vm, VM_LOCK_SYNC);
  bool is_first = end_locked(thread, cleanable);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return !is_first || call(thread, cleanable);
}

/* An exception is told and forgotten, as at the end of a thread. */
static void do_job(struct vm_thread *thread, struct mm_ref reference)
{
  struct vm *vm = thread->vm;
  if (call(thread, reference) || vm_is_exiting(vm))
    return;
  mm_enter_native(&thread->mutator);
  vm_output_flush(vm);
  mm_leave_native(&thread->mutator);
  vm_trace_report(thread, vm->options.err);
  thread->exception = MM_NULL;
}

/* The next job, or null: there is none, and the finalizer is idle. */
static struct mm_ref next_job(struct vm_thread *thread)
{
  struct core *core = vm_core_of(thread->vm);
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  struct mm_ref job = take_job_locked(thread);
  core->references.is_busy = !mm_is_null(job);
  if (mm_is_null(job))
    wake_locked(thread->vm, VM_WAIT_IDLE);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return job;
}

static bool has_no_job_locked(struct vm *vm)
{
  return mm_is_null(vm_core_of(vm)->references.first_job) &&
         !mm_references_are_pending(vm->heap);
}

static void wait_for_jobs(struct vm_thread *thread)
{
  struct vm_wait wait = {.kind = VM_WAIT_QUEUE, .for_ever = true};
  vm_lock(thread->vm, VM_LOCK_SYNC);
  bool parked = has_no_job_locked(thread->vm) && vm_park_locked(thread, &wait);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  if (parked)
    vm_park(thread, UINT64_MAX);
}

bool vm_finalizer_run(struct vm_thread *thread)
{
  while (!vm_is_exiting(thread->vm)) {
    struct mm_ref job = next_job(thread);
    if (mm_is_null(job))
      wait_for_jobs(thread);
    else
      do_job(thread, job);
    mm_poll(&thread->mutator);
  }
  return false;
}

/* Parks unless there is nothing to wait for. */
static bool begin_drain(struct vm_thread *thread)
{
  struct core *core = vm_core_of(thread->vm);
  struct vm_wait wait = {.kind = VM_WAIT_IDLE, .for_ever = true};
  vm_lock(thread->vm, VM_LOCK_SYNC);
  dispatch_locked(thread);
  bool parked = !mm_same(thread->object, core->references.finalizer) &&
                (core->references.is_busy || !has_no_job_locked(thread->vm)) &&
                vm_park_locked(thread, &wait);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return parked;
}

/* Without a finalizer nothing is registered. */
bool vm_finalizer_drain(struct vm_thread *thread)
{
  while (has_finalizer(thread->vm) && begin_drain(thread))
    vm_park(thread, UINT64_MAX);
  return !vm_is_exiting(thread->vm);
}
