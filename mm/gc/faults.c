/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted faults; see faults.def and faults_internal.h.
 */
#include "config.h"

#include "mm/gc/faults_internal.h"

#include "mm/gc/bitmap_internal.h"
#include "mm/gc/scan_internal.h"

static const struct {
  const char *name, *text;
  uint64_t every;
} faults[MM_FAULT_COUNT] = {
#define MM_FAULT(NAME, key, every, text)                                       \
  [MM_FAULT_##NAME] = {#key, text, every},
#include "mm/gc/faults.def"
};

const char *mm_fault_name(enum mm_fault fault)
{
  return faults[fault].name;
}

const char *mm_fault_text(enum mm_fault fault)
{
  return faults[fault].text;
}

bool mm_fault_strikes(struct mm_heap *heap, enum mm_fault fault)
{
  uint64_t chances =
      __atomic_fetch_add(&heap->fault_chances[fault], 1, __ATOMIC_RELAXED);
  return chances % faults[fault].every == 0;
}

bool mm_fault_is_due(struct mm_heap *heap, enum mm_fault fault)
{
  return mm_breaks(heap, fault);
}

void mm_faults_print(const struct mm_heap *heap, FILE *out)
{
  const char *before = "  broken on purpose: ";
  for (int i = 0; i < MM_FAULT_COUNT; i++)
    if (mm_is_broken(heap, i)) {
      fprintf(out, "%s%s", before, mm_fault_name(i));
      before = ", ";
    }
  if (mm_fault_any(&heap->options.faults))
    putc('\n', out);
}

/* Only of an object that nobody will scan, so that the collector itself does
   not stumble over it. */
static void tear_class(struct mm_heap *heap, struct mm_ref copy)
{
  uint32_t *word = mm_address(copy);
  if (!mm_has_slots(mm_layout_of(copy)) && mm_breaks(heap, MM_FAULT_COPY_CLASS))
    *word &= 0xffff;
}

static void lose_hash(struct mm_heap *heap, struct mm_ref copy)
{
  uint32_t *mark = mm_mark_word(copy);
  if ((*mark & MM_MARK_STATE_MASK) == MM_MARK_HASHED &&
      mm_breaks(heap, MM_FAULT_COPY_HASH))
    *mark = MM_MARK_UNLOCKED;
}

struct mm_ref mm_fault_copied(struct mm_heap *heap, struct mm_ref from,
                              struct mm_ref place)
{
  if (mm_same(from, place)) /* kept where it was */
    return place;
  lose_hash(heap, place);
  tear_class(heap, place);
  return mm_breaks(heap, MM_FAULT_FORWARD) ? from : place;
}

static void unmark(void *context, struct mm_ref ref)
{
  struct mm_heap *heap = context;
  uint64_t granule = mm_granule_of(heap, ref);
  if (mm_breaks(heap, MM_FAULT_MARK_BIT))
    heap->marks[granule >> 6] &= ~((uint64_t)1 << (granule & 63));
}

void mm_fault_marked(struct mm_heap *heap)
{
  if (!mm_is_broken(heap, MM_FAULT_MARK_BIT))
    return;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    if (mm_region_is_walkable(heap->regions.table[i].kind))
      mm_region_each_marked(heap, i, unmark, heap);
}
