/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convert: numbers out of strings, by the rules of the C functions named
 * here.  The 32-bit integers are the low halves of 64-bit results.
 */
#include "config.h"

#include <stdlib.h>

#include "vm/lib/library_internal.h"

/* The string as zero-terminated text, for vm_text_free; null with an
   exception pending. */
static char *text_of(struct vm_thread *thread, struct mm_ref string,
                     size_t *bytes)
{
  if (mm_is_null(string)) {
    vm_throw_null(thread);
    return NULL;
  }
  char *text = vm_string_to_utf8(string, bytes);
  if (!text)
    vm_throw_out_of_memory(thread);
  return text;
}

/* CONVERT(name, how the result is returned, its type, the C call) */
#define CONVERT(name, as, type, parse)                                         \
  static bool name(struct vm_thread *thread, union vm_slot *args,              \
                   union vm_slot *result)                                      \
  {                                                                            \
    size_t bytes;                                                              \
    char *text = text_of(thread, args[0].ref, &bytes);                         \
    if (!text)                                                                 \
      return false;                                                            \
    type value = (type)parse;                                                  \
    vm_text_free(text, bytes);                                                 \
    return vm_lib_return_##as(result, value);                                  \
  }

CONVERT(to_i32, u32, uint32_t, strtoll(text, NULL, 10))
CONVERT(to_u32, u32, uint32_t, strtoull(text, NULL, 10))
CONVERT(to_i64, i64, int64_t, strtoll(text, NULL, 10))
CONVERT(to_u64, i64, int64_t, strtoull(text, NULL, 10))
CONVERT(to_f32, f32, float, strtof(text, NULL))
CONVERT(to_f64, f64, double, strtod(text, NULL))

static const struct vm_native_def methods[] = {
    {"i32 Convert.stringToI32(panda.String)", to_i32, 0},
    {"u32 Convert.stringToU32(panda.String)", to_u32, 0},
    {"i64 Convert.stringToI64(panda.String)", to_i64, 0},
    {"u64 Convert.stringToU64(panda.String)", to_u64, 0},
    {"f32 Convert.stringToF32(panda.String)", to_f32, 0},
    {"f64 Convert.stringToF64(panda.String)", to_f64, 0},
};

const struct vm_library_class vm_lib_convert =
    VM_LIB_RECORD("Convert", methods);
