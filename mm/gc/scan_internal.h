/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes of objects, and their reference slots.  Inlined into each tracing
 * loop with the visitor known, so that a plain object costs a loop over the
 * set bits of its map and no call.
 *
 * What languages bring along (tagged slots, custom objects, owners) is special:
 * scanned out of line, in languages.c.  A plain object is told from it by one
 * test (mm_is_simple).
 *
 * Referent and value of MM_KIND_REFERENCE are no strong slots: who traces hands
 * such an object to mm_reference_meet (references_internal.h), who updates
 * visits them with the others (mm_scan_every).
 *
 * Arrays are scanned MM_SCAN_CHUNK slots at a time, so that one large array
 * can be shared between workers and needs no room on a stack.
 */
#ifndef MM_SCAN_INTERNAL_H
#define MM_SCAN_INTERNAL_H

#include "mm/reference.h"

#include <stddef.h>
#include <string.h>

enum { MM_SCAN_CHUNK = 1024 };

enum {
  MM_LAYOUT_NOT_SIMPLE =
      MM_LAYOUT_WIDE_MAP | MM_LAYOUT_TAGGED | MM_LAYOUT_OWNED,
};

_Static_assert(MM_KIND_PLAIN == 0 && offsetof(struct mm_layout, flags) ==
                                         offsetof(struct mm_layout, kind) + 3,
               "mm_is_simple reads both at once");

/* Called for each reference slot of an object; `slot` may be rewritten. */
typedef void mm_slot_visit(void *context, struct mm_ref *slot);

/* Called beside mutators for a tagged slot, with the reference that was in it;
   only it is a reference. */
typedef void mm_value_visit(void *context, struct mm_ref *slot,
                            struct mm_ref value);

/* Cold half of mm_size_with: asks the language. */
uint64_t mm_size_custom(const void *at, const struct mm_layout *layout);

/* Cold half of mm_size_with: fails. */
uint64_t mm_size_unknown(const struct mm_layout *layout)
    __attribute__((noreturn, cold));

/* Size of the object at `at`, whose layout is known. */
static inline uint64_t mm_size_with(const void *at,
                                    const struct mm_layout *layout)
{
  uint32_t length;
  if (__builtin_expect(layout->kind == MM_KIND_PLAIN, 1))
    return layout->base_bytes; /* before a table of jumps */
  switch ((enum mm_kind)layout->kind) {
  case MM_KIND_PLAIN:
  case MM_KIND_REFERENCE:
    return layout->base_bytes;
  case MM_KIND_REF_ARRAY:
  case MM_KIND_DATA_ARRAY:
  case MM_KIND_TAGGED_ARRAY:
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
    return mm_size_custom(at, layout);
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

/* Can an object of this layout hold references at all, or keep an owner? */
static inline bool mm_has_slots(const struct mm_layout *layout)
{
  if (layout->kind == MM_KIND_PLAIN)
    return layout->ref_map != 0 ||
           (layout->flags & (MM_LAYOUT_WIDE_MAP | MM_LAYOUT_OWNED));
  return layout->kind == MM_KIND_REF_ARRAY ||
         layout->kind >= MM_KIND_REFERENCE ||
         (layout->flags & MM_LAYOUT_OWNED);
}

/* Is it plain, without anything special, its map one word?  One test. */
static inline bool mm_is_simple(const struct mm_layout *layout)
{
  struct mm_layout mask = {.kind = UINT8_MAX, .flags = MM_LAYOUT_NOT_SIMPLE};
  size_t offset = offsetof(struct mm_layout, kind);
  uint32_t bits, of_interest;
  memcpy(&bits, (const char *)layout + offset, sizeof bits);
  memcpy(&of_interest, (const char *)&mask + offset, sizeof of_interest);
  return (bits & of_interest) == 0;
}

/* Is it to be scanned by mm_scan_special? */
static inline bool mm_is_special(const struct mm_layout *layout)
{
  return layout->kind >= MM_KIND_CUSTOM ||
         (layout->flags & (MM_LAYOUT_TAGGED | MM_LAYOUT_OWNED));
}

/* How to scan what is special.  World stopped, or with `value'. */
struct mm_special {
  mm_slot_visit *visit;
  mm_value_visit *value; /* of tagged slots; null: visit */
  void *context;
  struct mm_heap *heap; /* for planted faults; null: none */
  bool skips_owner;     /* old objects are not traced */
  uintptr_t start, end; /* slots that are wanted; end 0: all */
};

/* The strong slots of an object; of an array, those of the elements [from, to),
   and the owner if there is the first among them or none. */
void mm_scan_special(void *at, const struct mm_layout *layout, uint32_t from,
                     uint32_t to, const struct mm_special *how);

/* The end of a chunk; *goes_on: it is not the last one. */
static inline uint32_t mm_chunk_end(const struct mm_layout *layout, void *at,
                                    uint32_t from, bool *goes_on)
{
  *goes_on = false;
  if (layout->kind != MM_KIND_REF_ARRAY && layout->kind != MM_KIND_TAGGED_ARRAY)
    return from;
  uint32_t to = *(uint32_t *)((char *)at + MM_ARRAY_LENGTH_OFFSET);
  *goes_on = to - from > MM_SCAN_CHUNK;
  return *goes_on ? from + MM_SCAN_CHUNK : to;
}

/* All slots, with the world stopped. */
static inline void mm_scan_special_whole(void *at,
                                         const struct mm_layout *layout,
                                         mm_slot_visit *visit, void *context)
{
  struct mm_special how = {.visit = visit, .context = context};
  mm_scan_special(at, layout, 0, UINT32_MAX, &how);
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

/* All strong reference slots of any object.  World stopped. */
static inline __attribute__((always_inline)) void
mm_scan_object(void *at, const struct mm_layout *layout, mm_slot_visit *visit,
               void *context)
{
  if (mm_is_special(layout))
    mm_scan_special_whole(at, layout, visit, context);
  else if (layout->kind == MM_KIND_PLAIN)
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
  mm_scan_object(at, layout, visit, context);
  if (layout->kind == MM_KIND_REFERENCE)
    mm_scan_weak(at, layout, visit, context);
}

#endif
