/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pinning and unpinning; see pins_internal.h.
 */
#include "config.h"

#include "mm/refs/pins_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"

enum { FIRST_CAPACITY = 16 };

void mm_pins_destroy(struct mm_pins *pins)
{
  mm_native_free(MM_PURPOSE_HANDLES, pins->entries,
                 pins->capacity * sizeof(*pins->entries));
}

/* The table ----------------------------------------------------------------
 */

static uint32_t home_of(const struct mm_pins *pins, struct mm_ref ref)
{
  return (uint32_t)((ref.bits * UINT64_C(0x9e3779b97f4a7c15)) >> 32) &
         (pins->capacity - 1);
}

/* The entry of `ref', or the free one where it would stand. */
static struct mm_pin_entry *place_of(const struct mm_pins *pins,
                                     struct mm_ref ref)
{
  uint32_t at = home_of(pins, ref);
  while (!mm_is_null(pins->entries[at].ref) &&
         !mm_same(pins->entries[at].ref, ref))
    at = (at + 1) & (pins->capacity - 1);
  return &pins->entries[at];
}

struct mm_pin_entry *mm_pins_find(const struct mm_pins *pins, struct mm_ref ref)
{
  if (pins->capacity == 0)
    return NULL;
  struct mm_pin_entry *entry = place_of(pins, ref);
  return mm_is_null(entry->ref) ? NULL : entry;
}

static bool grow(struct mm_pins *pins)
{
  struct mm_pins larger = *pins;
  if (pins->capacity > UINT32_MAX / 4)
    return false;
  larger.capacity = pins->capacity ? pins->capacity * 2 : FIRST_CAPACITY;
  larger.entries = mm_native_alloc_array(MM_PURPOSE_HANDLES, larger.capacity,
                                         sizeof(*larger.entries));
  if (!larger.entries)
    return false;
  for (uint32_t i = 0; i < pins->capacity; i++)
    if (!mm_is_null(pins->entries[i].ref))
      *place_of(&larger, pins->entries[i].ref) = pins->entries[i];
  mm_pins_destroy(pins);
  pins->entries = larger.entries;
  pins->capacity = larger.capacity;
  return true;
}

/* Is `home' cyclically in (gap, at]?  Then what stands at `at' stays. */
static bool stays(uint32_t gap, uint32_t home, uint32_t at)
{
  return gap <= at ? gap < home && home <= at : gap < home || home <= at;
}

static void take_out(struct mm_pins *pins, struct mm_pin_entry *entry)
{
  uint32_t mask = pins->capacity - 1;
  uint32_t gap = (uint32_t)(entry - pins->entries);
  for (uint32_t at = (gap + 1) & mask; !mm_is_null(pins->entries[at].ref);
       at = (at + 1) & mask) {
    if (stays(gap, home_of(pins, pins->entries[at].ref), at))
      continue;
    pins->entries[gap] = pins->entries[at];
    gap = at;
  }
  pins->entries[gap] = (struct mm_pin_entry){0};
}

/* Pinning ------------------------------------------------------------------
 */

static struct mm_region *region_of(const struct mm_heap *heap,
                                   struct mm_ref ref)
{
  return mm_region_of(&heap->regions, (uintptr_t)mm_address(ref));
}

static void set_count(struct mm_pins *pins, uint32_t count)
{
  __atomic_store_n(&pins->count, count, __ATOMIC_RELAXED);
}

/* `by': options.handle_origins; or null. */
static enum mm_handle_status pin_locked(struct mm_heap *heap, struct mm_ref ref,
                                        const char *by)
{
  struct mm_pins *pins = &heap->pins;
  struct mm_pin_entry *entry = mm_pins_find(pins, ref);
  if (entry && entry->count == UINT32_MAX)
    return MM_HANDLE_LIMIT;
  if (!entry) {
    if ((uint64_t)pins->count * 2 >= pins->capacity && !grow(pins))
      return MM_HANDLE_NO_MEMORY;
    entry = place_of(pins, ref);
    entry->ref = ref;
    entry->place = ref;
    set_count(pins, pins->count + 1);
    if (pins->peak < pins->count)
      pins->peak = pins->count;
    region_of(heap, ref)->pins++;
  }
  entry->count++;
  if (by)
    entry->origin = mm_origin_find_locked(heap, by);
  pins->created++;
  return MM_HANDLE_OK;
}

static enum mm_handle_status unpin_locked(struct mm_heap *heap,
                                          struct mm_ref ref)
{
  struct mm_pins *pins = &heap->pins;
  struct mm_pin_entry *entry = mm_pins_find(pins, ref);
  if (!entry)
    return MM_HANDLE_UNBALANCED;
  if (--entry->count > 0)
    return MM_HANDLE_OK;
  take_out(pins, entry);
  set_count(pins, pins->count - 1);
  MM_ASSERT(region_of(heap, ref)->pins > 0);
  region_of(heap, ref)->pins--;
  return MM_HANDLE_OK;
}

enum mm_handle_status mm_pin(struct mm_mutator *mutator,
                             struct mm_handle handle, struct mm_ref *ref)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_ref found = MM_NULL;
  bool is_noted = heap->options.handle_origins;
  char by[MM_ORIGIN_BYTES];
  enum mm_handle_status status = mm_handle_get(mutator, handle, &found);
  if (status == MM_HANDLE_NULL || status == MM_HANDLE_CLEARED)
    *ref = MM_NULL;
  if (status != MM_HANDLE_OK)
    return status;
  if (is_noted)
    mm_origin_text(mutator, by, sizeof by);
  pthread_mutex_lock(&heap->handles.lock);
  status = pin_locked(heap, found, is_noted ? by : NULL);
  pthread_mutex_unlock(&heap->handles.lock);
  if (status == MM_HANDLE_OK)
    *ref = found;
  return status;
}

enum mm_handle_status mm_unpin(struct mm_mutator *mutator,
                               struct mm_handle handle)
{
  struct mm_ref ref;
  enum mm_handle_status status = mm_handle_get(mutator, handle, &ref);
  return status == MM_HANDLE_OK ? mm_unpin_object(mutator->heap, ref) : status;
}

enum mm_handle_status mm_unpin_object(struct mm_heap *heap,
                                      struct mm_ref object)
{
  pthread_mutex_lock(&heap->handles.lock);
  enum mm_handle_status status = unpin_locked(heap, object);
  pthread_mutex_unlock(&heap->handles.lock);
  return status;
}

uint64_t mm_pin_count(struct mm_heap *heap)
{
  return __atomic_load_n(&heap->pins.count, __ATOMIC_RELAXED);
}

/* Visiting -----------------------------------------------------------------
 */

void mm_pins_visit(struct mm_pins *pins, struct mm_root_visitor *visitor)
{
  for (uint32_t i = 0; pins->count > 0 && i < pins->capacity; i++)
    if (!mm_is_null(pins->entries[i].ref))
      visitor->slot(visitor, &pins->entries[i].ref, MM_ROOT_PIN);
}
