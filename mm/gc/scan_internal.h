/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes of objects, and their reference slots.  Inlined into each tracing
 * loop with the visitor known, so that a plain object costs a loop over the
 * set bits of its map and no call.
 *
 * Referent and value of MM_KIND_REFERENCE are no strong slots: who traces hands
 * such an object to mm_reference_meet (references_internal.h), who updates
 * visits them with the others (mm_scan_every).
 *
 * Layouts of kind MM_KIND_CUSTOM belong to languages, which this version lacks;
 * meeting one here is an internal failure (the allocator refuses them first).
 *
 * Arrays are scanned MM_SCAN_CHUNK slots at a time, so that one large array
 * can be shared between workers and needs no room on a stack.
 */
#ifndef MM_SCAN_INTERNAL_H
#define MM_SCAN_INTERNAL_H

#include "mm/reference.h"

#include <stddef.h>

enum { MM_SCAN_CHUNK = 1024 };

/* Called for each reference slot of an object; `slot` may be rewritten. */
typedef void mm_slot_visit(void *context, struct mm_ref *slot);

/* Cold half of mm_size_with: fails. */
uint64_t mm_size_unknown(const struct mm_layout *layout)
    __attribute__((noreturn, cold));

/* Size of the object at `at`, whose layout is known. */
static inline uint64_t mm_size_with(const void *at,
                                    const struct mm_layout *layout)
{
  uint32_t length;
  switch ((enum mm_kind)layout->kind) {
  case MM_KIND_PLAIN:
  case MM_KIND_REFERENCE:
    return layout->base_bytes;
  case MM_KIND_REF_ARRAY:
  case MM_KIND_DATA_ARRAY:
    length = *(const uint32_t *)((const char *)at + MM_ARRAY_LENGTH_OFFSET);
    return mm_array_bytes(layout, length);
  case MM_KIND_STRING:
    length = *(const uint32_t *)((const char *)at + MM_ARRAY_LENGTH_OFFSET);
    return mm_string_bytes(length);
  case MM_KIND_FILLER:
    if (layout->base_bytes == MM_OBJECT_ALIGN)
      return MM_OBJECT_ALIGN;
    return *(const uint32_t *)((const char *)at + MM_ARRAY_LENGTH_OFFSET);
  case MM_KIND_CUSTOM:
    break;
  }
  return mm_size_unknown(layout);
}

static inline bool mm_is_filler(const struct mm_layout *layout)
{
  return layout->kind == MM_KIND_FILLER;
}

/*
 * The slots that one word of a map names, last one first (bit 0 stands for
 * `base`): what is pushed on a stack last is popped first, so an evacuation
 * goes on with the first field and copies in the order in which programs
 * walk.
 */
static inline __attribute__((always_inline)) void
mm_scan_word(char *base, uint64_t map, mm_slot_visit *visit, void *context)
{
  while (map) {
    unsigned last = 63 - (unsigned)__builtin_clzll(map);
    visit(context, (struct mm_ref *)(base + 4 * (size_t)last));
    map &= ~((uint64_t)1 << last);
  }
}

/* All reference slots of a plain object. */
static inline __attribute__((always_inline)) void
mm_scan_plain(void *at, const struct mm_layout *layout, mm_slot_visit *visit,
              void *context)
{
  if (!(layout->flags & MM_LAYOUT_WIDE_MAP)) {
    mm_scan_word(at, layout->ref_map, visit, context);
    return;
  }
  uint32_t words = (layout->base_bytes / 4 + 63) / 64;
  for (uint32_t i = words; i-- > 0;)
    mm_scan_word((char *)at + 256 * (size_t)i, layout->wide_ref_map[i], visit,
                 context);
}

/* Can an object of this layout hold references at all? */
static inline bool mm_has_slots(const struct mm_layout *layout)
{
  if (layout->kind == MM_KIND_PLAIN)
    return layout->ref_map != 0 || (layout->flags & MM_LAYOUT_WIDE_MAP);
  return layout->kind == MM_KIND_REF_ARRAY || layout->kind == MM_KIND_REFERENCE;
}

/* Slots [from, to) of a reference array. */
static inline __attribute__((always_inline)) void
mm_scan_elements(void *at, uint32_t from, uint32_t to, mm_slot_visit *visit,
                 void *context)
{
  struct mm_ref *slots = (struct mm_ref *)((char *)at + MM_ARRAY_BASE);
  for (uint32_t i = from; i < to; i++)
    visit(context, &slots[i]);
}

/* The slots of a reference that are not strong. */
static inline __attribute__((always_inline)) void
mm_scan_weak(void *at, const struct mm_layout *layout, mm_slot_visit *visit,
             void *context)
{
  visit(context, (struct mm_ref *)((char *)at + MM_REFERENCE_REFERENT_OFFSET));
  if (mm_reference_strength(layout) == MM_STRENGTH_EPHEMERON)
    visit(context, (struct mm_ref *)((char *)at + MM_REFERENCE_VALUE_OFFSET));
}

/* All strong reference slots of any object. */
static inline __attribute__((always_inline)) void
mm_scan_object(void *at, const struct mm_layout *layout, mm_slot_visit *visit,
               void *context)
{
  if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(at, layout, visit, context);
  else if (layout->kind == MM_KIND_REF_ARRAY)
    mm_scan_elements(at, 0, *(uint32_t *)((char *)at + MM_ARRAY_LENGTH_OFFSET),
                     visit, context);
  else if (layout->kind == MM_KIND_REFERENCE)
    mm_scan_plain(at, layout, visit, context);
}

/* The same, and those that are not strong. */
static inline __attribute__((always_inline)) void
mm_scan_every(void *at, const struct mm_layout *layout, mm_slot_visit *visit,
              void *context)
{
  if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(at, layout, visit, context);
  else if (layout->kind == MM_KIND_REF_ARRAY)
    mm_scan_elements(at, 0, *(uint32_t *)((char *)at + MM_ARRAY_LENGTH_OFFSET),
                     visit, context);
  else if (layout->kind == MM_KIND_REFERENCE) {
    mm_scan_plain(at, layout, visit, context);
    mm_scan_weak(at, layout, visit, context);
  }
}

#endif
