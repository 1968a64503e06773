/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that grow at their end, charged to a purpose: files that are read,
 * texts that are put together.
 *
 *   struct vm_buffer text = {.purpose = VM_PURPOSE_TEXT};
 *   if (vm_buffer_print(&text, "%s.%s", owner, name))
 *     ... text.bytes ...
 *   vm_buffer_free(&text);
 *
 * A buffer that could not grow is as it was before.
 */
#ifndef VM_CORE_BUFFER_H
#define VM_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "vm/core/purposes.h"

struct vm_buffer {
  enum vm_purpose purpose;
  char *bytes; /* null while capacity is 0 */
  size_t count, capacity;
};

/* Makes room for `more` bytes behind what there is; false: no memory. */
bool vm_buffer_reserve(struct vm_buffer *buffer, size_t more);

/* Appends by printf rules, and a zero byte that does not count; false: no
   memory, or what printf refuses. */
bool vm_buffer_print(struct vm_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives the bytes back; the buffer is empty then. */
void vm_buffer_free(struct vm_buffer *buffer);

#endif
