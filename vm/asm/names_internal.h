/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of names: text within a scope -> a number.  It grows, keeps its
 * entries in the order in which they were added, and is never freed by
 * itself: all of it lies in an arena.  The texts are not copied.
 */
#ifndef VM_ASM_NAMES_INTERNAL_H
#define VM_ASM_NAMES_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

struct mm_arena;

#define VM_NO_NAME UINT32_MAX

struct vm_name {
  const char *text;
  uint32_t length;
  uint32_t value;
  uint64_t scope;
  uint64_t hash;
};

struct vm_names {
  struct mm_arena *arena;
  struct vm_name *entries;
  uint32_t *slots; /* index of an entry + 1; 0 when free */
  uint32_t count, capacity, slot_count;
};

/* An empty table; takes no memory yet. */
void vm_names_init(struct vm_names *names, struct mm_arena *arena);

/* Index of the entry, or VM_NO_NAME. */
uint32_t vm_names_find(const struct vm_names *names, uint64_t scope,
                       const char *text, uint32_t length);

/* Adds a name that is not there yet; VM_NO_NAME when memory ran out. */
uint32_t vm_names_add(struct vm_names *names, uint64_t scope, const char *text,
                      uint32_t length, uint32_t value);

#endif
