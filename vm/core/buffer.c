/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing buffers; see buffer.h.  The room doubles, so that appending costs
 * the same per byte however long it goes on.
 */
#include "config.h"

#include "vm/core/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "vm/core/assert.h"

enum { FIRST_BYTES = 128 };

static size_t grown_capacity(const struct vm_buffer *buffer, size_t need)
{
  size_t doubled = 2 * buffer->capacity;
  if (doubled < FIRST_BYTES)
    doubled = FIRST_BYTES;
  return need > doubled ? need : doubled;
}

bool vm_buffer_reserve(struct vm_buffer *buffer, size_t more)
{
  VM_ASSERT(buffer->count <= buffer->capacity);
  if (more <= buffer->capacity - buffer->count)
    return true;
  if (more > SIZE_MAX / 2 - buffer->count)
    return false;
  size_t capacity = grown_capacity(buffer, buffer->count + more);
  char *bytes = mm_native_resize(buffer->purpose, buffer->bytes,
                                 buffer->capacity, capacity);
  if (!bytes)
    return false;
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return true;
}

bool vm_buffer_print(struct vm_buffer *buffer, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0 || !vm_buffer_reserve(buffer, (size_t)length + 1))
    return false;
  va_start(arguments, format);
  vsnprintf(buffer->bytes + buffer->count, (size_t)length + 1, format,
            arguments);
  va_end(arguments);
  buffer->count += (size_t)length;
  return true;
}

void vm_buffer_free(struct vm_buffer *buffer)
{
  mm_native_free(buffer->purpose, buffer->bytes, buffer->capacity);
  buffer->bytes = NULL;
  buffer->count = buffer->capacity = 0;
}
