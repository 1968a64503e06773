/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monitors, for the machine's one thread.
 *
 *   mark word           who has it
 *   unlocked, hashed    nobody
 *   light               the thread; the count is in the word
 *   inflated            the thread; monitors[index] has count and hash
 *
 * A slot of the table is either in use (its object not null) or on the free
 * list, which goes through `next_free`.
 *
 * Invariants: a slot in use has depth >= 1, its object's mark word names it,
 * and no other slot has that object.  A collection keeps the mark word with
 * the object, so only the slot's reference has to follow.
 */
#include "config.h"

#include "vm/core/monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "vm/core/assert.h"
#include "vm/core/purposes.h"
#include "vm/core/runtime.h"

enum {
  NO_SLOT = 0, /* slot 0 is never used */
  FIRST_CAPACITY = 16,
  LIGHT_COUNT_MAX = (1 << MM_MARK_LIGHT_COUNT_BITS) - 1,
  NS_PER_S = 1000000000,
};

struct monitor {
  struct mm_ref object;
  uint32_t hash; /* 0: none was asked for */
  uint64_t depth;
  uint32_t next_free;
};

struct vm_monitor_table {
  struct monitor *monitors;
  uint32_t capacity, free;
  size_t used;
};

/* --- Mark words --- */

static uint32_t load_mark(struct mm_ref object)
{
  return __atomic_load_n(mm_mark_word(object), __ATOMIC_RELAXED);
}

static void store_mark(struct mm_ref object, uint32_t mark)
{
  __atomic_store_n(mm_mark_word(object), mark, __ATOMIC_RELAXED);
}

static uint32_t state_of(uint32_t mark)
{
  return mark & MM_MARK_STATE_MASK;
}

static uint32_t light_count(uint32_t mark)
{
  return mark >> MM_MARK_PAYLOAD_SHIFT & LIGHT_COUNT_MAX;
}

static uint32_t light_mark(const struct vm_thread *thread, uint32_t count)
{
  return thread->mutator.id << MM_MARK_LIGHT_OWNER_SHIFT |
         count << MM_MARK_PAYLOAD_SHIFT | MM_MARK_LIGHT;
}

static uint32_t payload_mark(uint32_t state, uint32_t payload)
{
  return payload << MM_MARK_PAYLOAD_SHIFT | state;
}

/* --- The table --- */

struct vm_monitor_table *vm_monitor_create(void)
{
  return mm_native_alloc(VM_PURPOSE_MONITORS, sizeof(struct vm_monitor_table));
}

void vm_monitor_destroy(struct vm_monitor_table *table)
{
  if (!table)
    return;
  mm_native_free(VM_PURPOSE_MONITORS, table->monitors,
                 table->capacity * sizeof *table->monitors);
  mm_native_free(VM_PURPOSE_MONITORS, table, sizeof *table);
}

size_t vm_monitor_count(const struct vm_monitor_table *table)
{
  return table->used;
}

static void free_slot(struct vm_monitor_table *table, uint32_t slot)
{
  table->monitors[slot] = (struct monitor){.next_free = table->free};
  table->free = slot;
  table->used--;
}

static bool grow(struct vm_monitor_table *table)
{
  uint32_t old = table->capacity;
  uint32_t capacity = old ? old * 2 : FIRST_CAPACITY;
  if (capacity > UINT32_MAX >> MM_MARK_PAYLOAD_SHIFT)
    return false;
  struct monitor *monitors =
      mm_native_resize(VM_PURPOSE_MONITORS, table->monitors,
                       old * sizeof *monitors, capacity * sizeof *monitors);
  if (!monitors)
    return false;
  for (uint32_t i = capacity; i-- > old;) {
    monitors[i] = (struct monitor){.next_free = table->free};
    if (i != NO_SLOT)
      table->free = i;
  }
  table->monitors = monitors;
  table->capacity = capacity;
  return true;
}

static struct vm_monitor_table *table_of(struct vm_thread *thread)
{
  return thread->vm->monitors;
}

static struct monitor *monitor_of(struct vm_thread *thread, uint32_t mark)
{
  return &table_of(thread)->monitors[mark >> MM_MARK_PAYLOAD_SHIFT];
}

/* Sees to it that the next inflation finds a slot. */
static bool reserve(struct vm_thread *thread)
{
  struct vm_monitor_table *table = table_of(thread);
  return table->free != NO_SLOT || grow(table) ||
         vm_throw_out_of_memory(thread);
}

/* Moves an object's lock and hash into a slot of the table; `reserve` has
   succeeded. */
static void inflate(struct vm_thread *thread, struct mm_ref object,
                    uint64_t depth, uint32_t hash)
{
  struct vm_monitor_table *table = table_of(thread);
  uint32_t slot = table->free;
  VM_ASSERT(slot != NO_SLOT);
  struct monitor *monitor = &table->monitors[slot];
  table->free = monitor->next_free;
  table->used++;
  *monitor = (struct monitor){.object = object, .hash = hash, .depth = depth};
  store_mark(object, payload_mark(MM_MARK_INFLATED, slot));
}

static bool inflate_entered(struct vm_thread *thread, struct mm_ref object,
                            uint64_t depth, uint32_t hash)
{
  if (!reserve(thread))
    return false;
  inflate(thread, object, depth, hash);
  return true;
}

/* The last exit: the mark word alone says the rest. */
static void deflate(struct vm_thread *thread, struct mm_ref object)
{
  uint32_t mark = load_mark(object);
  uint32_t hash = monitor_of(thread, mark)->hash;
  store_mark(object,
             hash ? payload_mark(MM_MARK_HASHED, hash) : MM_MARK_UNLOCKED);
  free_slot(table_of(thread), mark >> MM_MARK_PAYLOAD_SHIFT);
}

void vm_monitor_visit_weak(struct vm_monitor_table *table,
                           struct mm_weak_visitor *visitor)
{
  for (uint32_t i = 0; i < table->capacity; i++) {
    struct mm_ref *object = &table->monitors[i].object;
    if (!mm_is_null(*object) && !visitor->keep(visitor, object))
      free_slot(table, i);
  }
}

/* --- Operations --- */

uint64_t vm_monitor_depth(struct vm_thread *thread, struct mm_ref object)
{
  uint32_t mark = load_mark(object);
  switch (state_of(mark)) {
  case MM_MARK_LIGHT:
    return light_count(mark);
  case MM_MARK_INFLATED:
    return monitor_of(thread, mark)->depth;
  default:
    return 0;
  }
}

bool vm_monitor_enter(struct vm_thread *thread, struct mm_ref object)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  uint32_t mark = load_mark(object);
  switch (state_of(mark)) {
  case MM_MARK_LIGHT:
    if (light_count(mark) == LIGHT_COUNT_MAX)
      return inflate_entered(thread, object, LIGHT_COUNT_MAX + 1, 0);
    store_mark(object, light_mark(thread, light_count(mark) + 1));
    return true;
  case MM_MARK_INFLATED:
    monitor_of(thread, mark)->depth++;
    return true;
  case MM_MARK_HASHED:
    return inflate_entered(thread, object, 1, mark >> MM_MARK_PAYLOAD_SHIFT);
  default:
    store_mark(object, light_mark(thread, 1));
    return true;
  }
}

static bool throw_not_owner(struct vm_thread *thread, struct mm_ref object)
{
  const char *name = vm_class_of(object)->name;
  uint32_t hash = vm_object_hash(thread, object);
  return vm_throw(thread, VM_ERROR_MONITOR_STATE,
                  "the monitor of %s@%" PRIx32 " is not held by this thread",
                  name, hash);
}

/* Null and foreign monitors are refused. */
static bool check_owner(struct vm_thread *thread, struct mm_ref object)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  return vm_monitor_depth(thread, object) > 0 ||
         throw_not_owner(thread, object);
}

bool vm_monitor_exit(struct vm_thread *thread, struct mm_ref object)
{
  if (!check_owner(thread, object))
    return false;
  uint32_t mark = load_mark(object);
  if (state_of(mark) == MM_MARK_LIGHT) {
    uint32_t count = light_count(mark) - 1;
    store_mark(object, count ? light_mark(thread, count) : MM_MARK_UNLOCKED);
  } else if (--monitor_of(thread, mark)->depth == 0) {
    deflate(thread, object);
  }
  return true;
}

bool vm_monitor_notify(struct vm_thread *thread, struct mm_ref object)
{
  /* Whoever could wait would be another thread. */
  return check_owner(thread, object);
}

/* Sleeps outside the heap, through signals that are handled. */
static void sleep_ns(struct vm_thread *thread, uint64_t ns)
{
  struct timespec left = {
      .tv_sec = (time_t)(ns / NS_PER_S),
      .tv_nsec = (long)(ns % NS_PER_S),
  };
  mm_enter_native(&thread->mutator);
  while (nanosleep(&left, &left) != 0 && errno == EINTR)
    continue;
  mm_leave_native(&thread->mutator);
}

bool vm_monitor_wait(struct vm_thread *thread, struct mm_ref object,
                     uint64_t ns)
{
  if (!check_owner(thread, object))
    return false;
  if (ns == UINT64_MAX)
    return vm_throw(thread, VM_ERROR_ILLEGAL_STATE,
                    "waiting for ever: no other thread can notify");
  sleep_ns(thread, ns);
  return true;
}

/* mm_identity_hash makes a hash of an object that is not locked: the lock
   gives way for a moment. */
static uint32_t make_hash(struct vm_thread *thread, struct mm_ref object)
{
  uint32_t mark = load_mark(object);
  store_mark(object, MM_MARK_UNLOCKED);
  uint32_t hash = mm_identity_hash(&thread->mutator, object);
  store_mark(object, mark);
  return hash;
}

static uint32_t hash_of_light(struct vm_thread *thread, struct mm_ref object)
{
  if (!reserve(thread))
    return 0;
  uint32_t hash = make_hash(thread, object);
  inflate(thread, object, light_count(load_mark(object)), hash);
  return hash;
}

static uint32_t hash_of_inflated(struct vm_thread *thread, struct mm_ref object)
{
  struct monitor *monitor = monitor_of(thread, load_mark(object));
  if (!monitor->hash)
    monitor->hash = make_hash(thread, object);
  return monitor->hash;
}

uint32_t vm_object_hash(struct vm_thread *thread, struct mm_ref object)
{
  switch (state_of(load_mark(object))) {
  case MM_MARK_LIGHT:
    return hash_of_light(thread, object);
  case MM_MARK_INFLATED:
    return hash_of_inflated(thread, object);
  default:
    return mm_identity_hash(&thread->mutator, object);
  }
}
