/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The freelist allocator: blocks of any size, split and coalesced.
 *
 *   chunk    [block][block       ][block][block            ][tail]
 *   starts    1      1             1      1                  1      three bits
 *   handed    1                    1                         1      per 16
 * bytes free             1                                       1      beside
 * it
 *
 * Blocks have no heads.  Where they start, and what they are, stands in bits
 * beside the memory, so that to free a block touches nothing of it, and any
 * address can be asked whether a block starts there.
 *
 *             alloc                      free
 *   free ------------> handed out ----------------> free, coalesced
 *    ^                  ^     |
 *    |                  |     | up to 512 bytes, while the list has room
 *    |    flush         |     v
 *    +---------------- quick
 *
 *   free    in the index by size (fit_internal.h), its node in the block
 *   quick   freed, but not yet coalesced: on a list of its exact size, at most
 *           64 of them, for the next request of that size.  Flushed when half
 *           of what was used has been freed, unless that was less than 32 KiB,
 *           and before memory is taken
 *
 * The size of a block is the distance to the next start.  A block that covers
 * whole words of bits has its size written into the first and the last of those
 * words of the `free` bits, where no bit of its own can stand; so both
 * neighbours of a block are found by looking at two words each way.
 *
 * Every operation is O(1).  A flush coalesces at most 64 blocks of each of the
 * 32 quick sizes, each of which was freed once.
 *
 * A chunk is what one `take` of the source gave: 256 KiB, or an eighth of what
 * is held if that is more, up to 4 MiB, or as large as one large block needs.
 * Empty chunks are kept while they are no more than an eighth of what is used,
 * or 256 KiB if that is more; others go back to the source.
 *
 * Fragmentation.  Memory is taken only when all that can be is coalesced and no
 * free block of the request's size is left, rounded up by at most 1/32.  Then a
 * used block lies between any two free ones of a chunk: there is at most one
 * free block per used one and one per chunk, each smaller than that.  For
 * blocks between a and b bytes, multiples of 16, b at most 16 KiB, and n =
 * 33/32
 * * b/a, that makes
 *
 *   held <= 5/4 * (1 + n) * peak + 1 MiB
 *
 * with peak the most that was ever handed out (5/4 for the chunk that is taken
 * and the free block each chunk may have besides).  This is the order of best
 * fit (Robson, "Worst case fragmentation of first fit and best fit storage
 * allocation strategies", 1977); it takes an opponent who knows the allocator
 * to come near it.  tests/unit/test_mm_freelist.c plays one.
 *
 * Coalescing at once was measured too: random replacement among 100,000 blocks
 * of 16 to 511 bytes took two and a half times as long as with quick lists.
 *
 * One thread at a time; whoever shares it locks.
 */
#ifndef MM_ALLOC_FREELIST_INTERNAL_H
#define MM_ALLOC_FREELIST_INTERNAL_H

#include "mm/alloc/allocator_internal.h"
#include "mm/alloc/fit_internal.h"

enum {
  MM_FREELIST_QUICK = 32, /* the largest quick block, in granules of 16 bytes */
  MM_FREELIST_QUICK_BLOCKS = 64,
};

/* For 64 granules. */
struct mm_freelist_bits {
  uint64_t starts, handed;
};

/* At the end of a chunk. */
struct mm_freelist_chunk {
  struct mm_freelist_chunk *next, *before;
  struct mm_freelist_chunk *next_empty, *before_empty;
  uint64_t bytes;
};

struct mm_freelist {
  struct mm_allocator allocator; /* first: class "freelist" */
  struct mm_source *source;
  struct mm_freelist_bits *bits; /* both by granule from the base on, */
  uint64_t *free_bits;           /* and a word before it */
  void *tables;
  uint64_t tables_bytes;
  struct mm_freelist_chunk *chunks;
  struct mm_freelist_chunk *empty; /* those without a block in use */
  uint64_t chunk_count;
  uint64_t held_bytes;
  uint64_t empty_bytes;
  uint64_t blocks; /* handed out */
  uint64_t used_granules;
  uint64_t flush_granules; /* the quick lists are flushed down here */
  uint32_t quick_counts[MM_FREELIST_QUICK + 1];
  uint32_t quick[MM_FREELIST_QUICK + 1][MM_FREELIST_QUICK_BLOCKS];
  struct mm_fit_index fit;
};

/* An allocator without memory yet.  `source` outlives it. MM_NO_MEMORY: no room
   for the bits. */
enum mm_status mm_freelist_init(struct mm_freelist *freelist,
                                struct mm_source *source);

/* Coalesces all it can and gives every empty chunk back. */
void mm_freelist_trim(struct mm_freelist *freelist);

/* For mm_allocator_check. */
const char *mm_freelist_check(struct mm_allocator *allocator);

#endif
