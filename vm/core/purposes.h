/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine takes native memory for (purposes.def), so that each byte
 * of it is charged to a purpose; mm/native.h gives and takes the memory.
 */
#ifndef VM_CORE_PURPOSES_H
#define VM_CORE_PURPOSES_H

#include "mm/native.h"

enum vm_purpose {
  VM_PURPOSE_BEFORE_FIRST = MM_PURPOSE_HOST - 1,
#define VM_PURPOSE(NAME, key, text) VM_PURPOSE_##NAME,
#include "vm/core/purposes.def"
  VM_PURPOSE_END
};

struct mm_arena;

/* Tells the memory manager what the purposes are called.  Any number of
   times, from any thread; creating a machine and assembling do it. */
void vm_name_purposes(void);

/* An empty arena whose chunks are charged to the purpose; null: no memory.
   See mm/alloc/arena.h. */
struct mm_arena *vm_arena_create(enum vm_purpose purpose);

#endif
