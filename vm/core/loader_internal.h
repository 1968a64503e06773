/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between loader.c, which decides what is defined and when, and record.c,
 * which makes one class.
 */
#ifndef VM_CORE_LOADER_INTERNAL_H
#define VM_CORE_LOADER_INTERNAL_H

#include "vm/core/core_internal.h"

/* The functions of a module that belong to one type, in textual order. */
struct vm_owned_functions {
  uint32_t *indices;
  uint32_t count;
};

/* Defines a record as a class.  False: no memory. */
bool vm_load_record(struct vm_module *module,
                    const struct vm_record_def *record, struct vm_class *base,
                    const struct vm_owned_functions *functions);

/* Makes the module's _GLOBAL class. Null: no memory. */
struct vm_class *vm_load_global(struct vm_module *module,
                                const struct vm_owned_functions *functions);

#endif
