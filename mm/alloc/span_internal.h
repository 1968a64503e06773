/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans: one reservation of address space, handed out in runs of 64 KiB.
 *
 *   base                              top        committed        count
 *   | used | kept | free | used | used | readable | reserved         |
 *
 *   used   handed out; its owner stands in a table
 *   kept   given back, its memory still there: the next to ask gets it at once
 *   free   given back, its memory with the operating system
 *
 * A run is the first that fits, from below, so that use gathers at low
 * addresses and top stays low.  Bits of neighbours make one run of themselves:
 * there is nothing to coalesce.  Finding one reads a word per 64 spans (4 MiB).
 *
 * Kept spans are at most an eighth of what is used, or 1 MiB if that is more;
 * when there are more, the highest go back until half of that is left.
 *
 * Invariants (mm_spans_check): a span is used or kept or neither, never both;
 * runs tile the used spans and have one owner each; the counts are those of the
 * bits; used and kept together respect the limit, unless the limit was lowered
 * below what is used.
 *
 * A lock of its own: any thread.  mm_spans_owner and mm_spans_run_bytes take
 * none.
 */
#ifndef MM_ALLOC_SPAN_INTERNAL_H
#define MM_ALLOC_SPAN_INTERNAL_H

#include "mm/alloc/allocator_internal.h"

#include <pthread.h>

enum { MM_SPAN_OWNERS = 256 }; /* 1 to 255; 0 is nobody */

struct mm_spans {
  pthread_mutex_t lock;
  uintptr_t base;
  uint32_t count;
  uint32_t committed;   /* spans below are readable and writable */
  uint32_t top;         /* no span from here on was ever used */
  uint32_t lowest_free; /* every span below is used */
  uint32_t used, kept;
  uint32_t limit; /* of used and kept together */
  uint64_t *used_bits, *kept_bits;
  uint32_t *runs;  /* of the first span of a run: how many it has; else 0 */
  uint8_t *owners; /* 0: not used */
  void *tables;    /* all four of them */
  uint64_t tables_bytes;
};

struct mm_span_stats {
  uint64_t reserved_bytes;  /* of address space, tables included */
  uint64_t committed_bytes; /* used and kept */
  uint64_t used_bytes;
  uint64_t limit_bytes;
  uint64_t largest_free_bytes; /* the largest run that the limit allows */
};

/*
 * Reserves most_bytes, or as much as the machine grants, halving down to
 * least_bytes; never more than 1 / `fraction` of a limit on address space.
 * MM_NO_MEMORY when not even that is to be had.
 */
enum mm_status mm_spans_init(struct mm_spans *spans, uint64_t most_bytes,
                             uint64_t least_bytes, unsigned fraction);

/* Gives back all, whatever is used.  Harmless after a failed init. */
void mm_spans_destroy(struct mm_spans *spans);

/* Zeroed memory of a multiple of MM_SPAN_BYTES; 0 when there is none. */
uintptr_t mm_spans_take(struct mm_spans *spans, size_t bytes, unsigned owner);

/* Gives back what one take returned, whole. */
void mm_spans_give(struct mm_spans *spans, uintptr_t at, size_t bytes);

/* Not more than this from now on.  What is used beyond it stays until it is
   given back. */
void mm_spans_limit(struct mm_spans *spans, uint64_t bytes);

/* All kept memory goes back to the operating system. */
void mm_spans_trim(struct mm_spans *spans);

/* Who holds the span that any address lies in; 0: nobody. */
unsigned mm_spans_owner(const struct mm_spans *spans, const void *address);

/* Bytes of the run that starts at this address; 0: none does. */
size_t mm_spans_run_bytes(const struct mm_spans *spans, const void *address);

/* Each run of one owner.  The lock is held meanwhile. */
void mm_spans_walk(struct mm_spans *spans, unsigned owner,
                   mm_block_visit *visit, void *context);

void mm_spans_stats(struct mm_spans *spans, struct mm_span_stats *stats);

/* Null, or what is wrong. */
const char *mm_spans_check(struct mm_spans *spans);

/* Around a fork, so that the child finds the lock free. */
void mm_spans_lock(struct mm_spans *spans);
void mm_spans_unlock(struct mm_spans *spans);

/* Spans on behalf of one owner. */
struct mm_span_source {
  struct mm_source source; /* first: what allocators see */
  struct mm_spans *spans;
  unsigned owner;
};

void mm_span_source_init(struct mm_span_source *source, struct mm_spans *spans,
                         unsigned owner);

#endif
