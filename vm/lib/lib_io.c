/* SPDX-License-Identifier: Apache-2.0 */
/* IO: printing.  Numbers as C prints them, strings as UTF-8. */
#include "config.h"

#include <inttypes.h>
#include <math.h>

#include "vm/core/string_internal.h"
#include "vm/lib/library_internal.h"
#include "vm/lib/output.h"

enum { NUMBER_BYTES = 32, CHUNK_BYTES = 1024 };

static bool put(struct vm_thread *thread, const char *bytes, size_t count,
                union vm_slot *result)
{
  return vm_output_write(thread, bytes, count) && vm_lib_return_void(result);
}

/* Decimal digits at the end of `text`; returns where they begin. */
static char *put_digits(char text[NUMBER_BYTES], uint64_t value)
{
  char *at = text + NUMBER_BYTES;
  do
    *--at = (char)('0' + value % 10);
  while (value /= 10);
  return at;
}

static bool print_unsigned(struct vm_thread *thread, uint64_t value,
                           union vm_slot *result)
{
  char text[NUMBER_BYTES];
  char *at = put_digits(text, value);
  return put(thread, at, (size_t)(text + NUMBER_BYTES - at), result);
}

static bool print_signed(struct vm_thread *thread, int64_t value,
                         union vm_slot *result)
{
  char text[NUMBER_BYTES];
  char *at = put_digits(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
  if (value < 0)
    *--at = '-';
  return put(thread, at, (size_t)(text + NUMBER_BYTES - at), result);
}

static bool print_i32(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return print_signed(thread, args[0].i32, result);
}

static bool print_u32(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return print_unsigned(thread, args[0].u32, result);
}

static bool print_i64(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return print_signed(thread, args[0].i64, result);
}

static bool print_u64(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return print_unsigned(thread, args[0].u64, result);
}

/* As %g, but a NaN has no sign. */
static bool print_float(struct vm_thread *thread, double value,
                        union vm_slot *result)
{
  char text[NUMBER_BYTES];
  if (isnan(value))
    return put(thread, "nan", 3, result);
  int bytes = snprintf(text, sizeof text, "%g", value);
  return put(thread, text, (size_t)bytes, result);
}

static bool print_f32(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return print_float(thread, (double)args[0].f32, result);
}

static bool print_f64(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return print_float(thread, args[0].f64, result);
}

static bool print_string(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  char chunk[CHUNK_BYTES];
  uint32_t index = 0;
  size_t bytes;
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  bool written = true,
       is_long = vm_string_length(args[0].ref) > CHUNK_BYTES / 4;
  if (is_long)
    vm_output_begin(thread);
  while (written &&
         (bytes = vm_string_encode(args[0].ref, &index, chunk, sizeof chunk)))
    written = vm_output_write(thread, chunk, bytes);
  if (is_long)
    vm_output_end(thread);
  return written && vm_lib_return_void(result);
}

static const struct vm_native_def methods[] = {
    {"void IO.printI32(i32)", print_i32, 0},
    {"void IO.printU32(u32)", print_u32, 0},
    {"void IO.printI64(i64)", print_i64, 0},
    {"void IO.printU64(u64)", print_u64, 0},
    {"void IO.printF32(f32)", print_f32, 0},
    {"void IO.printF64(f64)", print_f64, 0},
    {"void IO.printString(panda.String)", print_string, 0},
};

const struct vm_library_class vm_lib_io = VM_LIB_RECORD("IO", methods);
