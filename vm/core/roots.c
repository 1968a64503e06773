/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the memory manager asks of the machine: where references are.
 *
 *   of a thread   live registers and accumulators of its frames, the loaders
 *                 of their methods, the pending exception
 *   of all        static fields, mirrors, resolved string constants of the
 *                 boot loader (of others: loader_end.c), preallocated
 *                 exceptions, the objects of threads (one that is being
 *                 started is no mutator yet), references that are
 *                 registered, and what the finalizer is to do
 *   weak          interned strings, monitors
 *
 * The world is stopped; nothing here allocates in the heap.  The lists that
 * are walked are changed by running threads only.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <stdio.h>

#include "vm/core/intern.h"
#include "vm/core/monitor.h"
#include "vm/core/references.h"

/* --- Of a thread --- */

static void visit_slot(struct mm_root_visitor *visitor, union vm_slot *slot)
{
  visitor->slot(visitor, &slot->ref, MM_ROOT_VREG);
}

/* Of natives, and of methods that are about to be translated. */
static void visit_arguments(struct vm_frame *frame,
                            struct mm_root_visitor *visitor)
{
  const struct vm_method *method = frame->method;
  union vm_slot *arguments = frame->vregs + method->local_count;
  for (uint32_t i = 0; i < method->param_count; i++)
    if (method->param_prims[i] == VM_PRIM_REF)
      visit_slot(visitor, &arguments[i]);
}

static void visit_map_word(struct vm_frame *frame, uint64_t bits,
                           uint32_t first, struct mm_root_visitor *visitor)
{
  for (; bits != 0; bits &= bits - 1) {
    uint32_t slot = first + (uint32_t)__builtin_ctzll(bits);
    visit_slot(visitor, slot == frame->method->reg_count ? &frame->acc
                                                         : &frame->vregs[slot]);
  }
}

static void visit_frame(struct vm_thread *thread, struct vm_frame *frame,
                        struct mm_root_visitor *visitor)
{
  struct vm_frame_info info;
  vm_frame_info_of(thread, frame, &info);
  vm_loader_visit_of(frame->method, visitor);
  if (info.insn == UINT32_MAX) {
    visit_arguments(frame, visitor);
    return;
  }
  const uint64_t *map = vm_frame_map(&info);
  uint32_t slots = frame->method->reg_count + 1;
  for (uint32_t first = 0; first < slots; first += 64)
    visit_map_word(frame, map[first / 64], first, visitor);
}

/* Where the pending exception was thrown: it may have no trace of its own.  If
   it has one, this is the same, or empty. */
static void visit_trace(struct vm_thread *thread,
                        struct mm_root_visitor *visitor)
{
  const struct vm_trace *trace = &vm_thread_private(thread)->trace;
  if (mm_is_null(thread->exception))
    return;
  for (uint32_t i = 0; i < trace->kept; i++)
    vm_loader_visit_of(trace->frames[i].method, visitor);
}

static void visit_mutator_roots(void *host, struct mm_mutator *mutator,
                                struct mm_root_visitor *visitor)
{
  struct vm_thread *thread = vm_thread_of(mutator);
  (void)host;
  for (struct vm_frame *f = thread->top; f; f = f->caller)
    if (!vm_frame_is_boundary(f))
      visit_frame(thread, f, visitor);
  visit_trace(thread, visitor);
  visitor->slot(visitor, &thread->exception, MM_ROOT_THREAD);
}

/* --- Of all --- */

static void visit_global_roots(void *host, struct mm_root_visitor *visitor)
{
  struct vm *vm = host;
  struct core *core = vm_core_of(vm);
  vm_loaders_visit_roots(vm, visitor);
  for (struct vm_thread *t = vm->threads; t; t = t->next)
    visitor->slot(visitor, &t->object, MM_ROOT_THREAD);
  visitor->slot(visitor, &vm->out_of_memory, MM_ROOT_GLOBAL);
  visitor->slot(visitor, &vm->stack_overflow, MM_ROOT_GLOBAL);
  for (int why = 0; why < MM_REFUSAL_COUNT; why++)
    visitor->slot(visitor, &core->refusal_texts[why], MM_ROOT_GLOBAL);
  visitor->slot(visitor, &core->stack_overflow_text, MM_ROOT_GLOBAL);
  visitor->slot(visitor, &core->references.registered, MM_ROOT_GLOBAL);
  visitor->slot(visitor, &core->references.first_job, MM_ROOT_GLOBAL);
  visitor->slot(visitor, &core->references.last_job, MM_ROOT_GLOBAL);
  visitor->slot(visitor, &core->references.finalizer, MM_ROOT_GLOBAL);
}

static void visit_weak(void *host, struct mm_weak_visitor *visitor)
{
  struct vm *vm = host;
  vm_intern_visit_weak(vm->intern, visitor);
  vm_monitor_visit_weak(vm, visitor);
}

static void world_stopped(void *host)
{
  struct vm *vm = host;
  if (vm->monitors) /* there are none while the machine is created */
    vm_monitor_deflate_idle(vm);
  if (vm->tier)
    vm->tier->world_stopped(vm);
}

/* The collector may take a lock: see Note [No lock over a safepoint]. */
static void references_pending(void *host)
{
  vm_references_wake(host);
}

/* --- For reports --- */

static void report(void *host, struct mm_stat_sink *sink)
{
  struct vm *vm = host;
  vm_loaders_report(vm, sink);
  if (vm->tier)
    vm->tier->report(vm, sink);
}

static void layout_name(void *host, const struct mm_layout *layout, char *name,
                        size_t name_bytes)
{
  (void)host;
  snprintf(name, name_bytes, "%s", ((const struct vm_class *)layout)->name);
}

static void where(void *host, struct mm_mutator *mutator, char *text,
                  size_t text_bytes)
{
  (void)host;
  vm_trace_where(vm_thread_of(mutator), text, text_bytes);
}

static void describe_mutator(void *host, struct mm_mutator *mutator, FILE *out)
{
  struct vm_trace trace;
  (void)host;
  vm_trace_capture(vm_thread_of(mutator), &trace);
  vm_trace_print(&trace, out);
}

const struct mm_binding vm_binding = {
    .visit_global_roots = visit_global_roots,
    .visit_mutator_roots = visit_mutator_roots,
    .visit_weak = visit_weak,
    .world_stopped = world_stopped,
    .references_pending = references_pending,
    .report = report,
    .sweep_owners = vm_loaders_sweep,
    .host_title = "the machine",
    .layout_name = layout_name,
    .where = where,
    .describe_mutator = describe_mutator,
};
