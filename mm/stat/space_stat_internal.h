/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each space holds, in the same terms for all of them:
 *
 *   reserved                                            address space
 *   | committed                                  |      may have memory
 *   | | used                 | free    | own |   |
 *     | requested     | pad  |         heads
 *
 *   blocks     what was handed out and not taken back: objects (the dead that
 *              no collection has found yet among them), chunks, pieces of code
 *   used       those blocks, as large as they are
 *   requested  the same as they were asked for
 *   free       what blocks could be made of without more memory
 *
 *   internal fragmentation   (used - requested) / used
 *   external fragmentation   (free - largest free block) / free
 *
 * Invariants (mm_space_stat_check): requested <= used; used + free <=
 * committed <= reserved; largest free <= free.
 *
 * A dual mapping is reserved twice and committed once.
 *
 * World stopped, single mutator or none, with TLABs retired.  O(heap): the
 * regions of objects are walked.
 */
#ifndef MM_STAT_SPACE_STAT_INTERNAL_H
#define MM_STAT_SPACE_STAT_INTERNAL_H

#include <stdint.h>

struct mm_heap;

struct mm_space_stat {
  uint64_t reserved_bytes, committed_bytes;
  uint64_t used_bytes, requested_bytes, blocks;
  uint64_t free_bytes, largest_free_bytes;
};

enum mm_space {
#define MM_SPACE(NAME, key, text) MM_SPACE_##NAME,
#include "mm/stat/spaces.def"
  MM_SPACE_COUNT
};

/* One function per space; each fills in a zeroed struct. */
#define MM_SPACE(NAME, key, text)                                              \
  void mm_space_stat_##key(struct mm_heap *heap, struct mm_space_stat *stat);
#include "mm/stat/spaces.def"

/* All of them.  Retires TLABs. */
void mm_space_stats(struct mm_heap *heap,
                    struct mm_space_stat stats[MM_SPACE_COUNT]);

/* Their sum; the largest free block is the largest of all. */
struct mm_space_stat
mm_space_stat_sum(const struct mm_space_stat stats[MM_SPACE_COUNT]);

/* Fragmentation in thousandths of a percent. */
uint64_t mm_space_stat_internal_share(const struct mm_space_stat *stat);
uint64_t mm_space_stat_external_share(const struct mm_space_stat *stat);

/* Null, or which invariant does not hold. */
const char *mm_space_stat_check(const struct mm_space_stat *stat);

/* As reports call a space. */
const char *mm_space_key(enum mm_space space);
const char *mm_space_text(enum mm_space space);

#endif
