/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of the library's records.  All are defined when a machine is
 * created, so a table has to be cheap to read: no record here has an
 * initialiser, and none looks for another.
 */
#include "config.h"

#include "vm/lib/library_internal.h"

static const struct vm_library_class *const records[] = {
    &vm_lib_io,
    &vm_lib_math,
    &vm_lib_double,
    &vm_lib_float,
    &vm_lib_system,
    &vm_lib_convert,
    &vm_lib_debug_utils,
    &vm_lib_object,
    &vm_lib_thread,
    &vm_lib_atomic,
    &vm_lib_loader,
    &vm_lib_reference, /* before those that extend it */
    &vm_lib_soft_reference,
    &vm_lib_weak_reference,
    &vm_lib_phantom_reference,
    &vm_lib_reference_queue,
    &vm_lib_final_reference,
    &vm_lib_cleanable,
    &vm_lib_finalizer_thread,
    &vm_lib_finalizer,
    &vm_lib_cleaner,
    &vm_lib_ephemeron,
    &vm_lib_ephemeron_table,
};

bool vm_library_define(struct vm *vm)
{
  for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
    if (!vm_define_class(vm, records[i]))
      return false;
  return vm_lib_define_exceptions(vm);
}
