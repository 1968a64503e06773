/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DebugUtils.  Registers here carry no tags: the verifier knows the kind of
 * each before the program runs, so there is nothing left to check.
 */
#include "config.h"

#include "vm/lib/library_internal.h"

static bool check_tag(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  (void)thread;
  (void)args;
  return vm_lib_return_void(result);
}

static const struct vm_native_def methods[] = {
    {"void DebugUtils.checkTag(i64, i64)", check_tag, 0},
};

const struct vm_library_class vm_lib_debug_utils =
    VM_LIB_RECORD("DebugUtils", methods);
