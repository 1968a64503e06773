/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier's walk: TLABs, regions and headers.  It believes nothing that
 * it has not checked: a class word is not followed before it is known to lie
 * in the metadata, and a region is left at the first object whose size cannot
 * be told.
 */
#include "config.h"

#include <inttypes.h>

#include "mm/gc/languages_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/verifier_internal.h"
#include "mm/reference.h"

/* The word that poison shows as, wherever it is read. */
#define POISON_WORD (MM_POISON_BYTE * 0x01010101u)

static const char *plain_fault(const struct mm_layout *layout)
{
  uint32_t base = layout->base_bytes;
  if (base < MM_HEADER_BYTES || base % MM_OBJECT_ALIGN != 0)
    return "its class has an impossible size";
  if (layout->flags & MM_LAYOUT_TAGGED && !mm_language_is_known(layout))
    return "its class is of an unknown language";
  if (layout->flags & MM_LAYOUT_WIDE_MAP)
    return layout->wide_ref_map ? NULL : "its class lacks its map";
  if (layout->flags & MM_LAYOUT_TAGGED &&
      layout->ref_map & UINT64_C(0xaaaaaaaaaaaaaaaa))
    return "its class has a tagged slot that is not aligned";
  return layout->ref_map & 3 ? "its class has a reference in the header" : NULL;
}

static const char *reference_fault(const struct mm_layout *layout)
{
  if (layout->base_bytes < MM_REFERENCE_LEAST_BYTES ||
      layout->elem_log2 >= MM_STRENGTH_COUNT ||
      layout->flags & MM_LAYOUT_TAGGED)
    return "its class is no reference's";
  if (layout->ref_map >> 2 & 7)
    return "its class has a reference in place of the link";
  return plain_fault(layout);
}

static const char *shape_fault(const struct mm_layout *layout)
{
  uint32_t base = layout->base_bytes;
  switch (layout->kind) {
  case MM_KIND_PLAIN:
    return plain_fault(layout);
  case MM_KIND_REFERENCE:
    return reference_fault(layout);
  case MM_KIND_REF_ARRAY:
    return base == MM_ARRAY_BASE && layout->elem_log2 == 2
               ? NULL
               : "its class has an impossible element";
  case MM_KIND_DATA_ARRAY:
    return (base == MM_ARRAY_BASE && layout->elem_log2 < 3) ||
                   (base == MM_ARRAY_BASE_WIDE && layout->elem_log2 == 3)
               ? NULL
               : "its class has an impossible element";
  case MM_KIND_STRING:
    return base == MM_STRING_BASE ? NULL : "its class has an impossible base";
  case MM_KIND_FILLER:
    return NULL;
  case MM_KIND_TAGGED_ARRAY:
    if (!mm_language_is_known(layout))
      return "its class is of an unknown language";
    return base == MM_ARRAY_BASE_WIDE && layout->elem_log2 == 3
               ? NULL
               : "its class has an impossible element";
  case MM_KIND_CUSTOM:
    return mm_language_is_known(layout) ? NULL
                                        : "its class is of an unknown language";
  default:
    return "its class is of an unknown kind";
  }
}

const char *mm_verify_layout_fault(const struct mm_heap *heap, uint32_t word)
{
  const struct mm_metadata_space *metadata = &heap->metadata;
  if (word == POISON_WORD)
    return "its header is poison";
  if (word == 0)
    return "it has no class";
  if (word < metadata->memory.start || word >= metadata->committed ||
      metadata->committed - word < sizeof(struct mm_layout))
    return "its class is not in the metadata";
  if (word % _Alignof(struct mm_layout) != 0)
    return "its class is not aligned";
  return shape_fault((const struct mm_layout *)(uintptr_t)word);
}

uint64_t mm_verify_bytes(uintptr_t address)
{
  const uint32_t *words = (const uint32_t *)address;
  const struct mm_layout *layout =
      (const struct mm_layout *)(uintptr_t)words[0];
  uint64_t bytes = layout->base_bytes;
  switch (layout->kind) {
  case MM_KIND_REF_ARRAY:
  case MM_KIND_DATA_ARRAY:
  case MM_KIND_TAGGED_ARRAY:
    bytes += (uint64_t)words[2] << layout->elem_log2;
    break;
  case MM_KIND_STRING:
    bytes += (uint64_t)(words[2] >> 1) << (words[2] & 1);
    break;
  case MM_KIND_CUSTOM:
    bytes = mm_size_custom(words, layout);
    break;
  case MM_KIND_FILLER:
    if (bytes != MM_OBJECT_ALIGN)
      bytes = words[2];
    break;
  default:
    break;
  }
  return (bytes + MM_OBJECT_ALIGN - 1) / MM_OBJECT_ALIGN * MM_OBJECT_ALIGN;
}

static const char *mark_fault(uint32_t mark)
{
  switch (mark & MM_MARK_STATE_MASK) {
  case MM_MARK_UNLOCKED:
    return mark == 0 ? NULL : "its mark word is unlocked and not empty";
  case MM_MARK_LIGHT:
    return mark >> MM_MARK_LIGHT_OWNER_SHIFT ? NULL : "its lock has no owner";
  case MM_MARK_INFLATED:
    return NULL;
  case MM_MARK_HASHED:
    return mark >> MM_MARK_PAYLOAD_SHIFT ? NULL : "its hash is empty";
  case MM_MARK_FORWARDED:
    return "a forwarded header was left behind";
  default:
    return "its mark word is that of a collection";
  }
}

/* Checks one header; its size, or 0 when it cannot be told. */
static uint64_t check_object(struct mm_verifier *verifier, uintptr_t at,
                             uintptr_t top)
{
  const uint32_t *words = (const uint32_t *)at;
  const char *fault = mark_fault(words[1]);
  if (fault)
    mm_verify_object_fault(verifier, at, "%s (mark word 0x%08" PRIx32 ")",
                           fault, words[1]);
  if (words[1] == MM_MARK_FORWARDED)
    return 0;
  fault = mm_verify_layout_fault(verifier->heap, words[0]);
  if (fault) {
    mm_verify_object_fault(verifier, at, "%s (class word 0x%08" PRIx32 ")",
                           fault, words[0]);
    return 0;
  }
  uint64_t bytes = mm_verify_bytes(at);
  if (bytes < MM_OBJECT_ALIGN || bytes > top - at) {
    mm_verify_object_fault(verifier, at,
                           "its %" PRIu64 " bytes do not fit the %" PRIuPTR
                           " up to the region's top",
                           bytes, top - at);
    return 0;
  }
  return bytes;
}

static bool is_filler(uintptr_t at)
{
  const struct mm_layout *layout =
      (const struct mm_layout *)(uintptr_t)(*(const uint32_t *)at);
  return layout->kind == MM_KIND_FILLER;
}

/* An object in a slot: its header, and that it fits. */
static void check_slot(void *context, struct mm_ref ref)
{
  struct mm_verifier *verifier = context;
  uintptr_t at = (uintptr_t)mm_address(ref);
  uint32_t slot_bytes = mm_fixed_slot_bytes(verifier->heap, at);
  uint64_t bytes = check_object(verifier, at, at + slot_bytes);
  if (bytes == 0)
    return;
  if (is_filler(at))
    mm_verify_object_fault(verifier, at, "a filler stands in a slot in use");
  else
    mm_verify_put(verifier->starts, mm_verify_granule(verifier, at));
}

/* Returns how many objects stand in the region. */
static uint64_t walk_region(struct mm_verifier *verifier, uint32_t index)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  uintptr_t at = mm_region_start(regions, index);
  uintptr_t top = regions->table[index].top;
  uint64_t objects = 0;
  while (at < top) {
    uint64_t bytes = check_object(verifier, at, top);
    if (bytes == 0)
      return objects; /* reported; what follows cannot be found */
    if (!is_filler(at)) {
      mm_verify_put(verifier->starts, mm_verify_granule(verifier, at));
      objects++;
    }
    at += bytes;
  }
  return objects;
}

static void check_zero(struct mm_verifier *verifier, uint32_t index,
                       uintptr_t from, uintptr_t end, const char *what)
{
  for (; from < end; from += sizeof(uint64_t))
    if (*(const uint64_t *)from != 0) {
      mm_verify_region_fault(verifier, index, "%s is not zero at 0x%" PRIxPTR,
                             what, from);
      return;
    }
}

/* The run behind the head of a large object. */
static void check_run(struct mm_verifier *verifier, uint32_t index)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  uint32_t span = regions->table[index].span;
  if (span == 0 || span > regions->fresh_from - index) {
    mm_verify_region_fault(verifier, index,
                           "its run of %" PRIu32 " regions leaves the heap",
                           span);
    return;
  }
  for (uint32_t i = 1; i < span; i++) {
    const struct mm_region *tail = &regions->table[index + i];
    if (tail->kind != MM_REGION_LARGE_TAIL || tail->span != i)
      mm_verify_region_fault(verifier, index + i,
                             "it does not belong to the run of region %" PRIu32,
                             index);
  }
}

static uintptr_t end_of(const struct mm_regions *regions, uint32_t index)
{
  const struct mm_region *region = &regions->table[index];
  uint32_t span = region->kind == MM_REGION_LARGE ? region->span : 1;
  return mm_region_start(regions, index) + (uintptr_t)span * MM_REGION_BYTES;
}

/* Bounds that the walk relies on.  False: it had better not walk. */
static bool check_bounds(struct mm_verifier *verifier, uint32_t index)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  const struct mm_region *region = &regions->table[index];
  uintptr_t start = mm_region_start(regions, index);
  if (!(region->flags & MM_REGION_COMMITTED))
    mm_verify_region_fault(verifier, index, "in use and not committed");
  else if (region->flags & MM_REGION_PROTECTED)
    mm_verify_region_fault(verifier, index, "in use and protected");
  else if (region->top < start || region->top > end_of(regions, index) ||
           region->top % MM_OBJECT_ALIGN != 0)
    mm_verify_region_fault(verifier, index,
                           "its top 0x%" PRIxPTR " is not in it", region->top);
  else
    return true;
  return false;
}

static void check_region(struct mm_verifier *verifier, uint32_t index)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  const struct mm_region *region = &regions->table[index];
  if (region->kind == MM_REGION_LARGE)
    check_run(verifier, index);
  if (!check_bounds(verifier, index))
    return;
  if (region->kind == MM_REGION_SLOTS) {
    mm_fixed_each_slot(verifier->heap, index, check_slot, verifier);
    return;
  }
  uint64_t objects = walk_region(verifier, index);
  if (region->kind == MM_REGION_LARGE && objects != 1)
    mm_verify_region_fault(verifier, index,
                           "%" PRIu64 " large objects in one run", objects);
  if (region->zero_from >= region->top)
    check_zero(verifier, index, region->zero_from, end_of(regions, index),
               "memory on offer");
}

void mm_verify_tlabs(struct mm_verifier *verifier)
{
  struct mm_mutator *mutator = verifier->heap->mutators;
  for (; mutator; mutator = mutator->next) {
    uintptr_t cursor = mutator->tlab_cursor, end = mutator->tlab_end;
    if (mutator->tlab_start == end)
      continue;
    const struct mm_regions *regions = &verifier->heap->regions;
    if (!mm_regions_contain(regions, mutator->tlab_start) ||
        cursor < mutator->tlab_start || cursor > end) {
      mm_verify_region_fault(verifier, 0,
                             "the TLAB of mutator %" PRIu32 " is out of order",
                             mutator->id);
      continue;
    }
    check_zero(verifier, mm_region_index(regions, mutator->tlab_start), cursor,
               end, "the rest of a TLAB");
  }
}

void mm_verify_walk(struct mm_verifier *verifier)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  uint32_t used = 0;
  for (uint32_t i = 0; i < regions->fresh_from; i++) {
    used += regions->table[i].kind != MM_REGION_FREE;
    if (mm_region_is_walkable(regions->table[i].kind))
      check_region(verifier, i);
  }
  if (used != regions->used)
    mm_verify_region_fault(verifier, 0,
                           "%" PRIu32 " regions are in use, counted as "
                           "%" PRIu32,
                           used, regions->used);
}
