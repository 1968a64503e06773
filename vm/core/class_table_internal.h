/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loader's table of classes by name: chained through vm_class.hash_next,
 * doubled when it holds as many classes as buckets.  Under the lock LINK.
 */
#ifndef VM_CORE_CLASS_TABLE_INTERNAL_H
#define VM_CORE_CLASS_TABLE_INTERNAL_H

#include "vm/core/class.h"

struct vm_class_table;

/* For about so many classes. Null: no memory. */
struct vm_class_table *vm_class_table_create(size_t class_count);
void vm_class_table_destroy(struct vm_class_table *table);

/* `name` need not end with a zero. Null: not there. */
struct vm_class *vm_class_table_find(const struct vm_class_table *table,
                                     const char *name, size_t length);

/* Adds a class whose name is not there yet. */
void vm_class_table_add(struct vm_class_table *table, struct vm_class *class);

#endif
