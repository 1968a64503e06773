/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of objects as C code reads and writes them, and the shape of the
 * objects that the machine itself knows.
 *
 *   exception   +8 message   +12 cause   +16 trace (hidden; see trace.c)
 *   mirror      +8 address of the class, 32 bits   +12 its loader's object
 *               (both hidden)
 *   loader      +8 its size   +16 address of the loader, 64 bits (both hidden)
 *
 * References are read and written as relaxed atomics, because collectors read
 * them while they change.  None of these is a safepoint.
 */
#ifndef VM_CORE_OBJECT_H
#define VM_CORE_OBJECT_H

#include "mm/barrier_inline.h"
#include "vm/core/runtime.h"

/* Offsets in the exception records of the library, asserted where they are
   laid out. */
enum {
  VM_EXCEPTION_MESSAGE_OFFSET = 8,
  VM_EXCEPTION_CAUSE_OFFSET = 12,
  VM_EXCEPTION_TRACE_OFFSET = 16,
  VM_MIRROR_CLASS_OFFSET = 8,
  VM_MIRROR_LOADER_OFFSET = 12,
  VM_LOADER_ADDRESS_OFFSET = 16,
  VM_LOADER_BYTES = 24,
};

/*
 * Stands between making an object and handing it out.  A program may pass a
 * reference on through a race; whoever gets it must find class and length
 * there, or the machine would crash.  No instruction on x86-64.
 * ThreadSanitizer knows no fences; it reports such a program anyway.
 */
static inline void vm_object_made(void)
{
#ifndef BAMBOO_TSAN
  __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

static inline void *vm_object_at(struct mm_ref object, size_t offset)
{
  return (char *)mm_address(object) + offset;
}

static inline struct mm_ref vm_object_ref(struct mm_ref object, size_t offset)
{
  uint32_t *slot = vm_object_at(object, offset);
  return (struct mm_ref){__atomic_load_n(slot, __ATOMIC_RELAXED)};
}

/* Every store of a reference into an object that C code of the machine makes
   goes through here or the three below: this is where a write barrier
   stands. */
static inline void vm_object_set_ref(struct vm_thread *thread,
                                     struct mm_ref object, size_t offset,
                                     struct mm_ref value)
{
  mm_store_ref(&thread->mutator, vm_object_at(object, offset), value);
}

/* The same, but never a point where a deterministic schedule passes the turn
   on: a lock may be held. */
static inline void vm_object_set_ref_locked(struct vm_thread *thread,
                                            struct mm_ref object, size_t offset,
                                            struct mm_ref value)
{
  uint32_t *slot = vm_object_at(object, offset);
  mm_barrier_keep(&thread->mutator, vm_object_ref(object, offset));
  __atomic_store_n(slot, value.bits, __ATOMIC_RELAXED);
  mm_barrier_after(&thread->mutator, slot, value);
}

/* Volatile fields: what was done before the store is seen after the load. */
static inline struct mm_ref vm_object_volatile_ref(struct mm_ref object,
                                                   size_t offset)
{
  uint32_t *slot = vm_object_at(object, offset);
  return (struct mm_ref){__atomic_load_n(slot, __ATOMIC_SEQ_CST)};
}

static inline void vm_object_set_volatile_ref(struct vm_thread *thread,
                                              struct mm_ref object,
                                              size_t offset,
                                              struct mm_ref value)
{
  uint32_t *slot = vm_object_at(object, offset);
  mm_barrier_before(&thread->mutator, slot);
  __atomic_store_n(slot, value.bits, __ATOMIC_SEQ_CST);
  mm_barrier_after(&thread->mutator, slot, value);
}

/* The same at once with reading what was there before; `slot` is a field or an
   element of the object. */
static inline struct mm_ref vm_object_exchange_ref(struct vm_thread *thread,
                                                   struct mm_ref object,
                                                   uint32_t *slot,
                                                   struct mm_ref value)
{
  (void)object;
  uint32_t old = __atomic_exchange_n(slot, value.bits, __ATOMIC_SEQ_CST);
  mm_barrier_old(&thread->mutator, (struct mm_ref){old});
  mm_barrier_after(&thread->mutator, slot, value);
  return (struct mm_ref){old};
}

/* Stores if `expected` is there; was it? */
static inline bool vm_object_change_ref(struct vm_thread *thread,
                                        struct mm_ref object, uint32_t *slot,
                                        struct mm_ref expected,
                                        struct mm_ref value)
{
  (void)object;
  bool changed =
      __atomic_compare_exchange_n(slot, &expected.bits, value.bits, false,
                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  if (changed) {
    mm_barrier_old(&thread->mutator, expected);
    mm_barrier_after(&thread->mutator, slot, value);
  }
  return changed;
}

static inline struct mm_ref vm_array_ref(struct mm_ref array, uint32_t index)
{
  return vm_object_ref(array, MM_ARRAY_BASE + (size_t)index * 4);
}

static inline void vm_array_set_ref(struct vm_thread *thread,
                                    struct mm_ref array, uint32_t index,
                                    struct mm_ref value)
{
  vm_object_set_ref(thread, array, MM_ARRAY_BASE + (size_t)index * 4, value);
}

/* Has this class the fields of the library's exceptions?  True of them and of
   records that extend one. */
bool vm_class_is_throwable(const struct vm_class *class);

/* May `newobj` make an instance?  Not of arrays, panda.Class, _GLOBAL, nor of
   records that extend one of those; of panda.String yes (an empty one).
   Throws InstantiationError naming the class when it may not. */
bool vm_class_check_instantiable(struct vm_thread *thread,
                                 struct vm_class *class);

/* The same question, without an answer to the program. */
bool vm_class_is_instantiable(const struct vm_class *class);

#endif
