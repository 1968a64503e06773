/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of monitors, and what is done to it while the world is stopped;
 * see monitor_internal.h.
 *
 * The world being stopped, threads in native state may still take themselves
 * off queues, so the lock SYNC is taken here too; nobody holds it for long
 * (Note [No lock over a safepoint] in lock.h).
 */
#include "config.h"

#include "vm/core/monitor_internal.h"

#include "vm/core/purposes.h"

struct vm_monitor_table *vm_monitor_create(void)
{
  struct vm_monitor_table *table =
      mm_native_alloc(VM_PURPOSE_MONITORS, sizeof *table);
  if (table)
    table->fresh = VM_MONITOR_NONE + 1;
  return table;
}

/* Monitors of the chunk that begins at `first`. */
static uint32_t chunk_size(uint32_t first)
{
  return first ? first : 1u << VM_MONITOR_FIRST_LOG2;
}

void vm_monitor_destroy(struct vm_monitor_table *table)
{
  if (!table)
    return;
  for (uint32_t first = 0; first < table->capacity;) {
    uint32_t size = chunk_size(first), begin;
    unsigned chunk = vm_monitor_chunk(first, &begin);
    mm_native_free(VM_PURPOSE_MONITORS, table->chunks[chunk],
                   size * sizeof(struct vm_monitor));
    first += size;
  }
  mm_native_free(VM_PURPOSE_MONITORS, table, sizeof *table);
}

size_t vm_monitor_count(const struct vm_monitor_table *table)
{
  return table->used;
}

static bool grow_locked(struct vm_monitor_table *table)
{
  uint32_t first;
  unsigned chunk = vm_monitor_chunk(table->capacity, &first);
  uint32_t size = chunk_size(first);
  if (chunk == VM_MONITOR_CHUNKS)
    return false;
  struct vm_monitor *monitors =
      mm_native_alloc_array(VM_PURPOSE_MONITORS, size, sizeof *monitors);
  if (!monitors)
    return false;
  __atomic_store_n(&table->chunks[chunk], monitors, __ATOMIC_RELEASE);
  table->capacity += size;
  return true;
}

struct vm_monitor *vm_monitor_take_locked(struct vm_monitor_table *table,
                                          uint32_t *index)
{
  if (table->free != VM_MONITOR_NONE) {
    *index = table->free;
    table->free = vm_monitor_at(table, *index)->next_free;
  } else {
    if (table->fresh >= table->capacity && !grow_locked(table))
      return NULL;
    *index = table->fresh++;
  }
  table->used++;
  return vm_monitor_at(table, *index);
}

void vm_monitor_give_locked(struct vm_monitor_table *table, uint32_t index)
{
  struct vm_monitor *monitor = vm_monitor_at(table, index);
  VM_ASSERT(!monitor->entry.first && !monitor->waiting.first);
  *monitor = (struct vm_monitor){.next_free = table->free};
  table->free = index;
  table->used--;
}

/* --- World stopped --- */

static bool is_idle(const struct vm_monitor *monitor)
{
  return !mm_is_null(monitor->object) && vm_monitor_owner(monitor) == 0 &&
         !monitor->entry.first && !monitor->waiting.first &&
         monitor->users == 0;
}

static void deflate_locked(struct vm_monitor_table *table, uint32_t index)
{
  const struct vm_monitor *monitor = vm_monitor_at(table, index);
  uint32_t mark = monitor->hash
                      ? vm_mark_of_payload(MM_MARK_HASHED, monitor->hash)
                      : MM_MARK_UNLOCKED;
  VM_ASSERT(vm_mark_load(monitor->object) ==
            vm_mark_of_payload(MM_MARK_INFLATED, index));
  __atomic_store_n(mm_mark_word(monitor->object), mark, __ATOMIC_RELAXED);
  vm_monitor_give_locked(table, index);
}

void vm_monitor_deflate_idle(struct vm *vm)
{
  struct vm_monitor_table *table = vm->monitors;
  vm_lock(vm, VM_LOCK_SYNC);
  for (uint32_t i = VM_MONITOR_NONE + 1; i < table->fresh; i++)
    if (is_idle(vm_monitor_at(table, i)))
      deflate_locked(table, i);
  vm_unlock(vm, VM_LOCK_SYNC);
}

void vm_monitor_visit_weak(struct vm *vm, struct mm_weak_visitor *visitor)
{
  struct vm_monitor_table *table = vm->monitors;
  vm_lock(vm, VM_LOCK_SYNC);
  for (uint32_t i = VM_MONITOR_NONE + 1; i < table->fresh; i++) {
    struct mm_ref *object = &vm_monitor_at(table, i)->object;
    if (!mm_is_null(*object) && !visitor->keep(visitor, object))
      vm_monitor_give_locked(table, i);
  }
  vm_unlock(vm, VM_LOCK_SYNC);
}

/* --- A thread that ends --- */

struct search {
  struct vm_thread *thread;
  uint32_t found;
};

static void release_light(void *context, struct mm_ref object)
{
  struct search *search = context;
  uint32_t mark = vm_mark_load(object);
  if (vm_mark_state(mark) != MM_MARK_LIGHT ||
      vm_light_owner(mark) != search->thread->mutator.id)
    return;
  __atomic_store_n(mm_mark_word(object), MM_MARK_UNLOCKED, __ATOMIC_RELEASE);
  search->found++;
}

static bool release_inflated_locked(struct vm_thread *thread,
                                    struct vm_monitor *monitor)
{
  if (mm_is_null(monitor->object) ||
      vm_monitor_owner(monitor) != thread->mutator.id)
    return false;
  monitor->depth = 0;
  __atomic_store_n(&monitor->owner, 0, __ATOMIC_SEQ_CST);
  struct vm_thread *next = vm_queue_take_locked(&monitor->entry);
  if (next)
    vm_unpark_locked(next);
  return true;
}

/* The dead are walked too, as long as they were not reclaimed; what they hold
   would be nobody's affair, and does no harm. */
static void release_stw(void *context)
{
  struct search *search = context;
  struct vm *vm = search->thread->vm;
  struct vm_monitor_table *table = vm->monitors;
  mm_heap_walk(vm->heap, release_light, search);
  vm_lock(vm, VM_LOCK_SYNC);
  for (uint32_t i = VM_MONITOR_NONE + 1; i < table->fresh; i++)
    search->found +=
        release_inflated_locked(search->thread, vm_monitor_at(table, i));
  vm_unlock(vm, VM_LOCK_SYNC);
}

uint32_t vm_monitor_release_all(struct vm_thread *thread)
{
  struct search search = {thread, 0};
  if (thread->monitors_held == 0)
    return 0;
  mm_with_world_stopped(&thread->mutator, release_stw, &search);
  thread->monitors_held = 0;
  return search.found;
}
