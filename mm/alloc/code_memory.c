/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the code allocator: which units have any, and what free memory
 * holds; see code_internal.h.
 */
#include "config.h"

#include "mm/alloc/code_parts_internal.h"

#include <string.h>

enum {
  IDLE_UNITS_LEAST = 4, /* so many idle units stay committed; or */
  IDLE_FRACTION = 4,    /* this part of those in use, if that is more */
};

_Static_assert(MM_SPAN_BYTES % MM_CODE_ALIGN_MOST == 0, "units begin on pages");

/* Traps ------------------------------------------------------------------- */

#if defined __x86_64__ || defined __i386__
static const uint8_t trap[] = {0xcc}; /* int3 */
#elif defined __aarch64__
static const uint8_t trap[] = {0x00, 0x00, 0x20, 0xd4}; /* brk #0 */
#elif defined __riscv
static const uint8_t trap[] = {0x02, 0x90}; /* c.ebreak */
#else
static const uint8_t trap[] = {0x00}; /* illegal on most machines */
#endif

void mm_code_fill_with_traps(struct mm_code_allocator *allocator,
                             uint64_t offset, uint64_t bytes)
{
  uint8_t *at = (uint8_t *)allocator->source->write_base + offset;
  MM_ASSERT(offset % MM_CODE_ALIGN == 0 && bytes % MM_CODE_ALIGN == 0);
  for (uint64_t i = 0; i < bytes; i += sizeof trap)
    memcpy(at + i, trap, sizeof trap);
  allocator->source->flush(allocator->source, offset, bytes);
}

/* Units of memory --------------------------------------------------------- */

static void commit_done(struct mm_code_allocator *allocator, uint64_t first,
                        uint64_t beyond)
{
  for (uint64_t i = first; i < beyond; i++) {
    MM_ASSERT(!allocator->units[i].committed);
    allocator->units[i] = (struct mm_code_unit){.committed = true};
    allocator->committed_units++;
    allocator->idle_units++;
  }
  mm_code_fill_with_traps(allocator, first * MM_SPAN_BYTES,
                          (beyond - first) * MM_SPAN_BYTES);
}

/* Commits what is not in the units that [offset, offset + bytes) touches. */
enum mm_status mm_code_commit(struct mm_code_allocator *allocator,
                              uint64_t offset, uint64_t bytes)
{
  uint64_t unit = offset / MM_SPAN_BYTES;
  uint64_t beyond = (offset + bytes - 1) / MM_SPAN_BYTES + 1;
  MM_ASSERT(beyond <= allocator->unit_count);
  while (unit < beyond) {
    uint64_t first = unit;
    while (unit < beyond && !allocator->units[unit].committed)
      unit++;
    if (unit == first) {
      unit++;
      continue;
    }
    enum mm_status status =
        allocator->source->commit(allocator->source, first * MM_SPAN_BYTES,
                                  (unit - first) * MM_SPAN_BYTES);
    if (status != MM_OK)
      return status;
    commit_done(allocator, first, unit);
  }
  return MM_OK;
}

/* These bytes become used, or unused. */
void mm_code_account(struct mm_code_allocator *allocator, uint64_t offset,
                     uint64_t bytes, bool used)
{
  uint64_t end = offset + bytes;
  for (uint64_t i = offset / MM_SPAN_BYTES; i * MM_SPAN_BYTES < end; i++) {
    struct mm_code_unit *unit = &allocator->units[i];
    uint32_t part = mm_code_part_in(i, offset, end);
    MM_ASSERT(unit->committed);
    allocator->idle_units -= unit->used_bytes == 0;
    unit->used_bytes += used ? part : -part;
    MM_ASSERT(unit->used_bytes <= MM_SPAN_BYTES);
    allocator->idle_units += unit->used_bytes == 0;
  }
  allocator->used_bytes += used ? bytes : -bytes;
}

/* Gives back the idle units in a row that end before `beyond`, at most
   `count`; false: the source would not have them. */
static bool give_back(struct mm_code_allocator *allocator, uint32_t beyond,
                      uint32_t count)
{
  uint32_t first = beyond;
  while (first > 0 && beyond - first < count &&
         mm_code_is_idle(&allocator->units[first - 1]))
    first--;
  if (allocator->source->uncommit(
          allocator->source, (uint64_t)first * MM_SPAN_BYTES,
          (uint64_t)(beyond - first) * MM_SPAN_BYTES) != MM_OK)
    return false;
  for (uint32_t i = first; i < beyond; i++)
    allocator->units[i].committed = false;
  allocator->committed_units -= beyond - first;
  allocator->idle_units -= beyond - first;
  return true;
}

/* Keeps idle units that may soon be wanted, and returns more than that: the
   highest first, down to half, so that one block that comes and goes does not
   take its memory from the system each time. */
void mm_code_return_memory(struct mm_code_allocator *allocator)
{
  uint32_t used = allocator->committed_units - allocator->idle_units;
  uint32_t keep = used / IDLE_FRACTION;
  if (keep < IDLE_UNITS_LEAST)
    keep = IDLE_UNITS_LEAST;
  if (allocator->idle_units <= keep)
    return;
  for (uint32_t i = allocator->unit_count;
       i > 0 && allocator->idle_units > keep / 2; i--)
    if (mm_code_is_idle(&allocator->units[i - 1]) &&
        !give_back(allocator, i, allocator->idle_units - keep / 2))
      return;
}

void mm_code_uncommit_all(struct mm_code_allocator *allocator)
{
  for (uint32_t i = 0; i < allocator->unit_count; i++)
    allocator->units[i].used_bytes = 0;
  allocator->idle_units = allocator->committed_units;
  for (uint32_t i = allocator->unit_count; i > 0; i--)
    if (allocator->units[i - 1].committed &&
        !give_back(allocator, i, allocator->unit_count))
      return;
}
