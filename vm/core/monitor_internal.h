/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark words and the table of monitors, for monitor.c (the operations) and
 * monitor_table.c (the table, and what the collector asks of it).
 *
 *   chunks[0]   16 monitors      index 0 .. 15      0 is never used
 *   chunks[1]   16               16 .. 31
 *   chunks[c]   16 << (c - 1)    as many as all chunks before it
 *
 * A chunk stays where it is once it was made, so a monitor never moves under
 * a reader.  A monitor is in use (its object not null) or on the free list,
 * which goes through `next_free`.
 *
 * Invariants: the mark word of a monitor's object names it, and no other
 * monitor has that object; depth > 0 only while there is an owner.
 */
#ifndef VM_CORE_MONITOR_INTERNAL_H
#define VM_CORE_MONITOR_INTERNAL_H

#include "vm/core/monitor.h"
#include "vm/core/park_internal.h"

enum {
  VM_MONITOR_NONE = 0,
  VM_MONITOR_CHUNKS = 26,
  VM_MONITOR_FIRST_LOG2 = 4,
  VM_LIGHT_COUNT_MAX = (1 << MM_MARK_LIGHT_COUNT_BITS) - 1,
};

struct vm_monitor {
  uint32_t owner;          /* atomic; a mutator's id, 0: nobody */
  uint32_t hash;           /* atomic; 0: none was asked for */
  uint64_t depth;          /* the owner's */
  struct vm_queue entry;   /* threads that want to enter; lock SYNC */
  struct vm_queue waiting; /* threads that wait to be notified; lock SYNC */
  uint32_t users;          /* threads between wait and being owner again; lock
                              SYNC */
  uint32_t next_free;
  struct mm_ref object;
};

struct vm_monitor_table {
  struct vm_monitor *chunks[VM_MONITOR_CHUNKS]; /* lock SYNC to change */
  uint32_t free, fresh, capacity;               /* lock SYNC */
  size_t used;                                  /* lock SYNC */
};

/* The chunk of an index, and where it begins. */
static inline unsigned vm_monitor_chunk(uint32_t index, uint32_t *first)
{
  uint32_t high = index >> VM_MONITOR_FIRST_LOG2;
  unsigned chunk = high ? 32u - (unsigned)__builtin_clz(high) : 0;
  *first = chunk ? 1u << (chunk - 1 + VM_MONITOR_FIRST_LOG2) : 0;
  return chunk;
}

static inline struct vm_monitor *
vm_monitor_at(const struct vm_monitor_table *table, uint32_t index)
{
  uint32_t first;
  unsigned chunk = vm_monitor_chunk(index, &first);
  return __atomic_load_n(&table->chunks[chunk], __ATOMIC_RELAXED) + index -
         first;
}

/* --- Mark words --- */

static inline uint32_t vm_mark_load(struct mm_ref object)
{
  return __atomic_load_n(mm_mark_word(object), __ATOMIC_ACQUIRE);
}

/* From *mark to `to`; on failure *mark is what stands there. */
static inline bool vm_mark_change(struct mm_ref object, uint32_t *mark,
                                  uint32_t to)
{
  return __atomic_compare_exchange_n(mm_mark_word(object), mark, to, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint32_t vm_mark_state(uint32_t mark)
{
  return mark & MM_MARK_STATE_MASK;
}

static inline uint32_t vm_mark_payload(uint32_t mark)
{
  return mark >> MM_MARK_PAYLOAD_SHIFT;
}

static inline uint32_t vm_mark_of_payload(uint32_t state, uint32_t payload)
{
  return payload << MM_MARK_PAYLOAD_SHIFT | state;
}

static inline uint32_t vm_light_owner(uint32_t mark)
{
  return mark >> MM_MARK_LIGHT_OWNER_SHIFT;
}

static inline uint32_t vm_light_count(uint32_t mark)
{
  return mark >> MM_MARK_PAYLOAD_SHIFT & VM_LIGHT_COUNT_MAX;
}

static inline uint32_t vm_light_mark(const struct vm_thread *thread,
                                     uint32_t count)
{
  return thread->mutator.id << MM_MARK_LIGHT_OWNER_SHIFT |
         count << MM_MARK_PAYLOAD_SHIFT | MM_MARK_LIGHT;
}

/* --- The table --- */

/* A monitor that is in no use, its index in *index; null: no memory. */
struct vm_monitor *vm_monitor_take_locked(struct vm_monitor_table *table,
                                          uint32_t *index);
void vm_monitor_give_locked(struct vm_monitor_table *table, uint32_t index);

static inline uint32_t vm_monitor_owner(const struct vm_monitor *monitor)
{
  return __atomic_load_n(&monitor->owner, __ATOMIC_RELAXED);
}

#endif
