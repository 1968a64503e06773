/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack traces and the report of an uncaught exception.
 *
 *   in the heap   i64[]: [0] number of frames in all, then one element each,
 *                 innermost first: the method's address in the low half, the
 *                 line in the high half
 *   or            panda.Object[]: [0] the above, then the loaders of methods in
 *                 it that may be unloaded, each once, which keeps the methods
 *
 * The frames are counted first (one load each), and only those that are kept
 * are asked for their line.
 *
 *   Unhandled exception: panda.RuntimeException      in thread "name": ...
 *   the message
 *       at R.foo (file.pa:12)
 *       ... 40 frames left out ...
 *       at main (file.pa:30)
 *   Caused by: panda.ArithmeticException
 *   / by zero
 *       at R.bar (file.pa:20)
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <inttypes.h>
#include <string.h>

#include "mm/mm_inline.h"
#include "vm/core/string_internal.h"
#include "vm/core/threads.h"

enum {
  CAUSES_MAX = 32,    /* a chain of causes may be a ring */
  PRINTED_FRAMES = 64 /* without a gap up to here */
};

/* --- Capturing --- */

static bool keeps(const struct vm_trace *trace, uint32_t frame)
{
  return frame < VM_TRACE_INNER || frame >= trace->total - VM_TRACE_OUTER;
}

static uint32_t count_frames(const struct vm_thread *thread)
{
  uint32_t count = 0;
  for (const struct vm_frame *f = thread->top; f; f = f->caller)
    count += !vm_frame_is_boundary(f);
  return count;
}

void vm_trace_capture(struct vm_thread *thread, struct vm_trace *trace)
{
  uint32_t at = 0;
  trace->kept = 0;
  trace->total = count_frames(thread);
  for (struct vm_frame *f = thread->top; f; f = f->caller) {
    if (vm_frame_is_boundary(f))
      continue;
    uint32_t index = at++;
    if (trace->total > VM_TRACE_MAX && !keeps(trace, index))
      continue;
    struct vm_frame_info info;
    vm_frame_info_of(thread, f, &info);
    trace->frames[trace->kept].method = f->method;
    trace->frames[trace->kept++].line = info.line;
  }
}

static struct mm_ref make_array(struct vm_thread *thread,
                                const struct vm_trace *trace)
{
  struct vm_class *class = thread->vm->known.trace;
  struct mm_ref array =
      mm_alloc_array(&thread->mutator, &class->layout, trace->kept + 1);
  if (mm_is_null(array))
    return array;
  uint64_t *element = vm_object_at(array, MM_ARRAY_BASE_WIDE);
  *element++ = trace->total;
  for (uint32_t i = 0; i < trace->kept; i++)
    *element++ = (uint64_t)trace->frames[i].line << 32 |
                 (uint32_t)(uintptr_t)trace->frames[i].method;
  return array;
}

/* The loaders that the methods need, each once. */
static uint32_t find_loaders(const struct vm_trace *trace,
                             struct vm_loader *loaders[VM_TRACE_MAX])
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < trace->kept; i++) {
    struct vm_loader *loader = trace->frames[i].method->owner->loader;
    uint32_t seen = 0;
    while (seen < count && loaders[seen] != loader)
      seen++;
    if (seen == count && loader->is_unloadable)
      loaders[count++] = loader;
  }
  return count;
}

/* The trace with its loaders, which the pending exception's frames keep until
   it is there. */
static struct mm_ref make_keeper(struct vm_thread *thread, struct mm_ref trace,
                                 struct vm_loader *const *loaders,
                                 uint32_t count)
{
  struct vm_class *class = thread->vm->known.object_array;
  struct mm_ref held[1], keeper;
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = trace;
  keeper = mm_alloc_array(&thread->mutator, &class->layout, count + 1);
  if (!mm_is_null(keeper)) {
    vm_array_set_ref(thread, keeper, 0, held[0]);
    for (uint32_t i = 0; i < count; i++)
      vm_array_set_ref(thread, keeper, i + 1, loaders[i]->object);
  }
  mm_scope_close(&thread->mutator, &scope);
  return keeper;
}

/* Copies the thread's trace into the pending exception. */
static void store_trace(struct vm_thread *thread)
{
  const struct vm_trace *trace = &vm_thread_private(thread)->trace;
  struct vm_loader *loaders[VM_TRACE_MAX];
  uint32_t count = find_loaders(trace, loaders);
  struct mm_ref stored = make_array(thread, trace);
  if (!mm_is_null(stored) && count > 0)
    stored = make_keeper(thread, stored, loaders, count);
  if (!mm_is_null(stored))
    vm_object_set_volatile_ref(thread, thread->exception,
                               VM_EXCEPTION_TRACE_OFFSET, stored);
}

/* An exception that was made ahead may be thrown by several threads. */
static struct mm_ref stored_trace(struct mm_ref exception)
{
  if (!vm_class_is_throwable(vm_class_of(exception)))
    return MM_NULL;
  struct mm_ref stored =
      vm_object_volatile_ref(exception, VM_EXCEPTION_TRACE_OFFSET);
  bool has_loaders =
      !mm_is_null(stored) && vm_class_of(stored)->element_prim == VM_PRIM_REF;
  return has_loaders ? vm_array_ref(stored, 0) : stored;
}

void vm_trace_attach(struct vm_thread *thread, bool may_allocate)
{
  struct vm_trace *trace = &vm_thread_private(thread)->trace;
  if (!mm_is_null(stored_trace(thread->exception))) { /* thrown again */
    trace->kept = trace->total = 0; /* its methods may have ended by now */
    return;
  }
  vm_trace_capture(thread, trace);
  if (may_allocate && vm_class_is_throwable(vm_class_of(thread->exception)))
    store_trace(thread);
}

static void load_trace(struct mm_ref array, struct vm_trace *trace)
{
  const uint64_t *element = vm_object_at(array, MM_ARRAY_BASE_WIDE);
  trace->kept = mm_length_word(array) - 1;
  trace->total = (uint32_t)*element++;
  for (uint32_t i = 0; i < trace->kept; i++, element++) {
    trace->frames[i].method =
        (const struct vm_method *)(uintptr_t)(uint32_t)*element;
    trace->frames[i].line = (uint32_t)(*element >> 32);
  }
}

/* --- Printing --- */

static const char *base_name(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Functions of a program by the name that stands in its source. */
static void print_frame(const struct vm_trace_frame *frame, FILE *out)
{
  const struct vm_method *method = frame->method;
  if (method->function && method->native)
    fprintf(out, "    at %s (native)\n", method->function->text_name);
  else if (method->function)
    fprintf(out, "    at %s (%s:%" PRIu32 ")\n", method->function->text_name,
            base_name(method->module->file), frame->line);
  else
    fprintf(out, "    at %s.%s (native)\n", method->owner->name, method->name);
}

void vm_trace_print(const struct vm_trace *trace, FILE *out)
{
  bool gap = trace->total > PRINTED_FRAMES;
  uint32_t first = gap ? PRINTED_FRAMES / 2 : trace->kept;
  uint32_t last = gap ? trace->kept - PRINTED_FRAMES / 4 : trace->kept;
  for (uint32_t i = 0; i < first; i++)
    print_frame(&trace->frames[i], out);
  if (gap)
    fprintf(out, "    ... %" PRIu32 " frames left out ...\n",
            trace->total - PRINTED_FRAMES / 2 - PRINTED_FRAMES / 4);
  for (uint32_t i = last; i < trace->kept; i++)
    print_frame(&trace->frames[i], out);
}

static void print_message(struct mm_ref exception, FILE *out)
{
  struct mm_ref message = vm_object_ref(exception, VM_EXCEPTION_MESSAGE_OFFSET);
  if (mm_is_null(message) || vm_string_length(message) == 0)
    return;
  vm_string_print(message, out);
  fputc('\n', out);
}

static void print_exception(struct mm_ref exception, const char *how, FILE *out)
{
  fprintf(out, "%s: %s\n", how, vm_class_of(exception)->name);
  if (vm_class_is_throwable(vm_class_of(exception)))
    print_message(exception, out);
}

static struct mm_ref cause_of(struct mm_ref exception)
{
  if (!vm_class_is_throwable(vm_class_of(exception)))
    return MM_NULL;
  return vm_object_ref(exception, VM_EXCEPTION_CAUSE_OFFSET);
}

static void print_stored_trace(struct mm_ref exception, FILE *out)
{
  struct vm_trace trace;
  struct mm_ref array = stored_trace(exception);
  if (mm_is_null(array))
    return;
  load_trace(array, &trace);
  vm_trace_print(&trace, out);
}

static void print_first(const struct vm_thread *thread, FILE *out)
{
  if (thread == thread->vm->main_thread) {
    print_exception(thread->exception, "Unhandled exception", out);
    return;
  }
  fputs("Unhandled exception in thread \"", out);
  vm_threads_print_name(thread, out);
  print_exception(thread->exception, "\"", out);
}

void vm_trace_report(struct vm_thread *thread, FILE *out)
{
  struct mm_ref exception = thread->exception;
  flockfile(out);
  print_first(thread, out);
  if (mm_is_null(stored_trace(exception)))
    vm_trace_print(&vm_thread_private(thread)->trace, out);
  else
    print_stored_trace(exception, out);
  struct mm_ref cause = cause_of(exception);
  for (int i = 0; i < CAUSES_MAX && !mm_is_null(cause); i++) {
    print_exception(cause, "Caused by", out);
    print_stored_trace(cause, out);
    cause = cause_of(cause);
  }
  if (!mm_is_null(cause))
    fputs("... more causes left out ...\n", out);
  funlockfile(out);
}

static bool is_native_frame(const struct vm_frame *frame)
{
  return !frame->method->function || frame->method->native;
}

void vm_trace_where(struct vm_thread *thread, char *text, size_t text_bytes)
{
  struct vm_frame *frame = thread->top;
  struct vm_frame_info info;
  bool is_named = thread->mutator.handle_tag; /* the native, by its own name */
  while (frame &&
         (vm_frame_is_boundary(frame) || (is_named && is_native_frame(frame))))
    frame = frame->caller;
  text[0] = 0;
  if (!frame)
    return;
  const struct vm_method *method = frame->method;
  vm_frame_info_of(thread, frame, &info);
  if (!is_native_frame(frame))
    snprintf(text, text_bytes, "%s (%s:%" PRIu32 ")",
             method->function->text_name, base_name(method->module->file),
             info.line);
  else
    snprintf(text, text_bytes, "%s.%s (native)", method->owner->name,
             method->name);
}
