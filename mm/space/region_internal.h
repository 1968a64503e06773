/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap's regions: which are free, what the others hold.
 *
 *   base                                  fresh_from            count
 *   |  S  |  S  |  -  |  L  |  l  |  N  |  (never used)            |
 *                 free     one run
 *
 * Invariants (mm_regions_check)
 *   a region at or beyond fresh_from is free and was never touched;
 *   memory below open_to has been opened (made readable and writable) once,
 *   in groups of 2 MiB, so that huge pages fit;
 *   a free region below fresh_from is on the free list, warm ones first;
 *   used + listed = fresh_from; committed <= fresh_from <= open_to;
 *   start <= top <= end, objects and fillers fill [start, top) of a walkable
 *   region; memory in [zero_from, end) of a committed one is zero;
 *   a run of a large object is one LARGE and then `span - 1` LARGE_TAIL.
 *
 * All functions need the heap lock, or the world stopped and one thread.
 * Next: object_internal.h, large_internal.h, fixed_internal.h.
 */
#ifndef MM_REGION_INTERNAL_H
#define MM_REGION_INTERNAL_H

#include "mm/mm.h"

enum {
  MM_REGION_LOG2 = 17,
  MM_REGION_BYTES = 1 << MM_REGION_LOG2,
  MM_REGION_GRANULES = MM_REGION_BYTES / MM_OBJECT_ALIGN,
  MM_REGION_GROUP = 16, /* regions that are opened together */
};

enum mm_region_kind {
#define MM_REGION_KIND(NAME, name, walkable) MM_REGION_##NAME,
#include "mm/space/region_kinds_internal.def"
  MM_REGION_KIND_COUNT
};

/*
 * How many collections the objects of a region have survived, up to the last
 * but one; TENURED ones are old.  Without generations all are of age 0.
 */
enum mm_age {
  MM_AGE_EDEN,
  MM_AGE_SURVIVOR, /* and the ages after it */
  MM_AGE_TENURED = 4,
  MM_AGE_COUNT
};

enum {
  MM_REGION_COMMITTED = 1 << 0, /* its memory may be touched, once usable */
  MM_REGION_PROTECTED = 1 << 1, /* stress: free, and faults when touched */
  MM_REGION_FROM = 1 << 2,      /* being evacuated */
  MM_REGION_KEPT = 1 << 3,      /* holds objects that found no room */
  MM_REGION_PARTIAL = 1 << 4,   /* its tail is on offer to the allocators */
  MM_REGION_TARGET = 1 << 5,    /* is being copied to */
  MM_REGION_REACHED = 1 << 6,   /* a young large object that lives */
};

#define MM_NO_REGION UINT32_MAX

struct mm_region {
  uintptr_t top;
  uintptr_t zero_from;
  uintptr_t scan_top;      /* tenured: top when the collection began */
  uintptr_t mark_top;      /* a cycle marks what stands below; 0: nothing */
  uintptr_t walk_top;      /* a cycle's walk ends here; 0: it leaves it out */
  uint32_t live_bytes;     /* marked by the cycle */
  uint32_t candidate;      /* its number + 1 among the candidates; or 0 */
  uint32_t pins;           /* pinned objects that start in it */
  uint32_t next, previous; /* of the free list or the list of partial ones */
  uint32_t span;           /* LARGE: regions of the run; LARGE_TAIL: distance
                              to its head */
  uint8_t kind;            /* enum mm_region_kind */
  uint8_t flags;           /* MM_REGION_* */
  uint8_t fixed;           /* SLOTS, FREELIST: enum mm_fixed_which */
  uint8_t age;             /* SMALL, LARGE: enum mm_age */
};

struct mm_regions {
  uintptr_t base;
  uint32_t count;      /* of the reservation: heap_max */
  uint32_t fresh_from; /* walks over the table end here */
  uint32_t open_to;    /* atomic for who looks on */
  uint32_t reached_to; /* end of the last group in use; atomic as well */
  uint32_t ahead;      /* groups that are opened before they are needed */
  uint32_t touched;    /* first of the group that is being touched; atomic */
  uint32_t used;       /* not free */
  uint32_t committed;
  uint32_t free_first, free_last; /* warm .. cold (not committed) */
  struct mm_region *table;
};

/* An empty table over `count` regions from `base` on; `table` is zero. */
void mm_regions_init(struct mm_regions *regions, uintptr_t base, uint32_t count,
                     struct mm_region *table);

/*
 * Beside the program: nobody takes access to the group of region `index' away
 * until mm_regions_touch_end.  False: the program has reached it.
 */
bool mm_regions_touch_begin(struct mm_regions *regions, uint32_t index);
void mm_regions_touch_end(struct mm_regions *regions);

/* As reports show it: "small", "large", ... */
const char *mm_region_kind_name(enum mm_region_kind kind);
bool mm_region_is_walkable(enum mm_region_kind kind);

static inline uintptr_t mm_region_start(const struct mm_regions *regions,
                                        uint32_t index)
{
  return regions->base + ((uintptr_t)index << MM_REGION_LOG2);
}

static inline uintptr_t mm_region_end(const struct mm_regions *regions,
                                      uint32_t index)
{
  return mm_region_start(regions, index) + MM_REGION_BYTES;
}

/* Is the address inside the reservation?  Then mm_region_index is valid. */
static inline bool mm_regions_contain(const struct mm_regions *regions,
                                      uintptr_t address)
{
  return address - regions->base < (uintptr_t)regions->count << MM_REGION_LOG2;
}

static inline uint32_t mm_region_index(const struct mm_regions *regions,
                                       uintptr_t address)
{
  return (uint32_t)((address - regions->base) >> MM_REGION_LOG2);
}

static inline struct mm_region *mm_region_of(const struct mm_regions *regions,
                                             uintptr_t address)
{
  return &regions->table[mm_region_index(regions, address)];
}

/*
 * Takes a free region, committed and usable, of kind `kind` and empty.
 * MM_NO_MEMORY: all are in use, or the OS refused to commit.
 */
enum mm_status mm_region_take(struct mm_regions *regions,
                              enum mm_region_kind kind, uint32_t *index);

/* The same for the free region `index`, below fresh_from. */
enum mm_status mm_region_take_at(struct mm_regions *regions,
                                 enum mm_region_kind kind, uint32_t index);

/* Takes `span` free regions in a row as LARGE and LARGE_TAIL. */
enum mm_status mm_region_take_run(struct mm_regions *regions, uint32_t span,
                                  uint32_t *index);

/* Gives a region (of a run: its head, and with it the run) back. */
void mm_region_free(struct mm_regions *regions, uint32_t index);

/* The same, after filling [start, top) with poison and taking away access
   until the region is taken again. */
void mm_region_free_poisoned(struct mm_regions *regions, uint32_t index);

/* Returns the memory of free regions to the OS, cold ones first, until at
   most `keep` are committed or none is free.  Returns how many it was. */
uint32_t mm_regions_trim(struct mm_regions *regions, uint32_t keep);

/* Regions that are not in use. */
static inline uint32_t mm_regions_free(const struct mm_regions *regions)
{
  return regions->count - regions->used;
}

/* Debug builds: asserts the invariants above.  O(regions). */
void mm_regions_check(const struct mm_regions *regions);

/* What freed memory is filled with under stress. */
enum { MM_POISON_BYTE = 0xdb };

#endif
