/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of objects; see ids_internal.h.
 */
#include "config.h"

#include "mm/gc/ids_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"

#include <string.h>

enum { FIRST_CAPACITY = 256 };

void mm_ids_init(struct mm_object_ids *ids)
{
  memset(ids, 0, sizeof *ids);
  pthread_mutex_init(&ids->lock, NULL);
}

void mm_ids_destroy(struct mm_object_ids *ids)
{
  mm_native_free(MM_PURPOSE_IDS, ids->entries,
                 (size_t)ids->capacity * sizeof *ids->entries);
  mm_native_free(MM_PURPOSE_IDS, ids->index,
                 (size_t)ids->capacity * 2 * sizeof *ids->index);
  pthread_mutex_destroy(&ids->lock);
}

/* The index -----------------------------------------------------------------
 */

/* Multiplicative hashing (Knuth, "The Art of Computer Programming" 3, 6.4). */
static uint32_t home_of(const struct mm_object_ids *ids, struct mm_ref ref)
{
  uint32_t mask = 2 * ids->capacity - 1;
  return (uint32_t)((ref.bits * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
}

/* The slot that holds the entry of `ref', or the empty one where it would
   stand. */
static uint32_t *slot_of(const struct mm_object_ids *ids, struct mm_ref ref)
{
  uint32_t mask = 2 * ids->capacity - 1, at = home_of(ids, ref);
  while (ids->index[at] != 0 &&
         !mm_same(ids->entries[ids->index[at] - 1].ref, ref))
    at = (at + 1) & mask;
  return &ids->index[at];
}

static void make_index(struct mm_object_ids *ids)
{
  memset(ids->index, 0, (size_t)ids->capacity * 2 * sizeof *ids->index);
  for (uint32_t i = 0; i < ids->count; i++) {
    uint32_t *slot = slot_of(ids, ids->entries[i].ref);
    MM_ASSERT(*slot == 0);
    *slot = i + 1;
  }
}

/* Adding --------------------------------------------------------------------
 */

static bool grow(struct mm_object_ids *ids)
{
  if (ids->capacity > UINT32_MAX / 4)
    return false;
  uint32_t capacity = ids->capacity ? ids->capacity * 2 : FIRST_CAPACITY;
  struct mm_id_entry *entries =
      mm_native_alloc_array(MM_PURPOSE_IDS, capacity, sizeof *entries);
  uint32_t *index = mm_native_alloc_array(MM_PURPOSE_IDS, (size_t)capacity * 2,
                                          sizeof *index);
  if (!entries || !index) {
    mm_native_free(MM_PURPOSE_IDS, entries, capacity * sizeof *entries);
    mm_native_free(MM_PURPOSE_IDS, index, (size_t)capacity * 2 * sizeof *index);
    return false;
  }
  if (ids->count > 0)
    memcpy(entries, ids->entries, ids->count * sizeof *entries);
  mm_native_free(MM_PURPOSE_IDS, ids->entries,
                 (size_t)ids->capacity * sizeof *entries);
  mm_native_free(MM_PURPOSE_IDS, ids->index,
                 (size_t)ids->capacity * 2 * sizeof *index);
  ids->entries = entries;
  ids->index = index;
  ids->capacity = capacity;
  ids->ended = ids->count;
  make_index(ids);
  return true;
}

static uint64_t id_of_locked(struct mm_object_ids *ids, struct mm_ref ref)
{
  uint64_t known = mm_ids_find(ids, ref);
  if (known != 0)
    return known;
  if (ids->count == ids->capacity && !grow(ids))
    return 0;
  ids->entries[ids->count] =
      (struct mm_id_entry){.ref = ref, .before = ref, .id = ++ids->last};
  ids->count++;
  if (ids->ended < ids->count)
    ids->ended = ids->count;
  *slot_of(ids, ref) = ids->count;
  return ids->last;
}

uint64_t mm_object_id(struct mm_heap *heap, struct mm_ref ref)
{
  struct mm_object_ids *ids = &heap->ids;
  if (mm_is_null(ref))
    return 0;
  pthread_mutex_lock(&ids->lock);
  uint64_t id = id_of_locked(ids, ref);
  pthread_mutex_unlock(&ids->lock);
  return id;
}

struct mm_ref mm_ids_number(struct mm_heap *heap, struct mm_ref ref)
{
  if (heap->options.object_ids)
    (void)mm_object_id(heap, ref); /* 0: no memory; reports do without */
  return ref;
}

/* Collections ---------------------------------------------------------------
 */

void mm_ids_follow(struct mm_object_ids *ids, struct mm_weak_visitor *visitor)
{
  uint32_t kept = 0;
  if (ids->count == 0)
    return;
  for (uint32_t i = 0; i < ids->count; i++) {
    struct mm_id_entry entry = ids->entries[i];
    entry.before = entry.ref;
    bool lives = visitor->keep(visitor, &entry.ref);
    ids->entries[i] = entry;
    if (!lives)
      continue;
    ids->entries[i] = ids->entries[kept];
    ids->entries[kept++] = entry;
  }
  ids->ended = ids->count;
  ids->count = kept;
  make_index(ids);
}

/* Reports -------------------------------------------------------------------
 */

uint64_t mm_ids_find(const struct mm_object_ids *ids, struct mm_ref ref)
{
  if (ids->count == 0)
    return 0;
  uint32_t number = *slot_of(ids, ref);
  return number ? ids->entries[number - 1].id : 0;
}

uint64_t mm_ids_find_before(const struct mm_object_ids *ids, struct mm_ref ref)
{
  for (uint32_t i = 0; i < ids->ended; i++) {
    const struct mm_id_entry *entry = &ids->entries[i];
    if (mm_same(entry->before, ref) &&
        (i >= ids->count || !mm_same(entry->ref, ref)))
      return entry->id;
  }
  return 0;
}

bool mm_ids_check(const struct mm_object_ids *ids)
{
  uint32_t listed = 0;
  if (ids->count > ids->ended || ids->ended > ids->capacity)
    return false;
  for (uint32_t i = 0; i < ids->count; i++)
    if (*slot_of(ids, ids->entries[i].ref) != i + 1 ||
        ids->entries[i].id > ids->last)
      return false;
  for (uint32_t i = 0; i < 2 * ids->capacity; i++)
    listed += ids->index[i] != 0;
  return listed == ids->count;
}
