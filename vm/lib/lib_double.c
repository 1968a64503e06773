/* SPDX-License-Identifier: Apache-2.0 */
/* Double and Float: what kind of number it is. */
#include "config.h"

#include <math.h>

#include "vm/lib/library_internal.h"

static bool is_infinite_f64(struct vm_thread *thread, union vm_slot *args,
                            union vm_slot *result)
{
  (void)thread;
  return vm_lib_return_i32(result, isinf(args[0].f64) ? 1 : 0);
}

static bool is_infinite_f32(struct vm_thread *thread, union vm_slot *args,
                            union vm_slot *result)
{
  (void)thread;
  return vm_lib_return_i32(result, isinf(args[0].f32) ? 1 : 0);
}

static const struct vm_native_def double_methods[] = {
    {"u1 Double.isInfinite(f64)", is_infinite_f64, 0},
};

static const struct vm_native_def float_methods[] = {
    {"u1 Float.isInfinite(f32)", is_infinite_f32, 0},
};

const struct vm_library_class vm_lib_double =
    VM_LIB_RECORD("Double", double_methods);
const struct vm_library_class vm_lib_float =
    VM_LIB_RECORD("Float", float_methods);
