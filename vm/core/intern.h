/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intern table: one string for equal contents.  It holds its strings
 * weakly: one that nothing else refers to dies and leaves the table.
 *
 * vm_string_intern_utf8 (vm/core/runtime.h) is the way in.
 */
#ifndef VM_CORE_INTERN_H
#define VM_CORE_INTERN_H

#include "mm/binding.h"

#include <stddef.h>

struct vm_intern_table;

/* An empty table; null when there is no memory. */
struct vm_intern_table *vm_intern_create(void);
void vm_intern_destroy(struct vm_intern_table *table);

/* How many strings it holds. */
size_t vm_intern_count(struct vm_intern_table *table);

/* Drops the strings that died and follows those that moved.  World stopped,
   allocates nothing. */
void vm_intern_visit_weak(struct vm_intern_table *table,
                          struct mm_weak_visitor *visitor);

#endif
