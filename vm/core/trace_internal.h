/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack traces: where a thread stood when it threw.
 *
 *   frame 0 (innermost) ... TRACE_INNER - 1 | left out | TRACE_OUTER outermost
 *
 * A trace is taken into the thread first, which cannot fail, and then copied
 * into the hidden field of the exception, when it has one and there is memory.
 */
#ifndef VM_CORE_TRACE_INTERNAL_H
#define VM_CORE_TRACE_INTERNAL_H

#include "vm/core/vm.h"

enum { VM_TRACE_INNER = 96, VM_TRACE_OUTER = 32 };
enum { VM_TRACE_MAX = VM_TRACE_INNER + VM_TRACE_OUTER };

struct vm_trace_frame {
  const struct vm_method *method;
  uint32_t line; /* 0: native */
};

/* kept < total: the frames between the first VM_TRACE_INNER and the last
   VM_TRACE_OUTER are left out. */
struct vm_trace {
  uint32_t total, kept;
  struct vm_trace_frame frames[VM_TRACE_MAX];
};

/* Takes the trace of a thread's frames. Never a safepoint. */
void vm_trace_capture(struct vm_thread *thread, struct vm_trace *trace);

/* Captures into the thread and into the pending exception, when it can hold a
   trace and has none. Safepoint when `may_allocate`. */
void vm_trace_attach(struct vm_thread *thread, bool may_allocate);

/* Prints the pending exception, its message, trace and causes. Never a
   safepoint. */
void vm_trace_report(struct vm_thread *thread, FILE *out);

/* Prints a trace, one line per frame, long ones with a gap in the middle. */
void vm_trace_print(const struct vm_trace *trace, FILE *out);

/* Writes where a stopped thread stands, "R.foo (file.pa:12)"; "" when it has
   no frame.  While a native has a name (mm_handle_tag), what called it: the name
   says the rest.  Never a safepoint. */
void vm_trace_where(struct vm_thread *thread, char *text, size_t text_bytes);

#endif
