/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the runtime itself: everything that is neither an object nor
 * metadata nor machine code, charged to the purpose it is taken for.  The
 * memory manager and its host take it here and nowhere else, so that it can be
 * limited, counted, checked, and made to fail in tests.
 *
 * Any thread, at any time, before a heap exists and after it is gone.  No
 * function is a safepoint.
 */
#ifndef MM_NATIVE_H
#define MM_NATIVE_H

#include "mm/mm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum mm_purpose {
#define MM_PURPOSE(NAME, key, text) MM_PURPOSE_##NAME,
#include "mm/purposes.def"
  MM_PURPOSE_HOST, /* the host's own purposes count from here */
  MM_PURPOSE_COUNT = 64
};

/* What reports call a purpose. */
struct mm_purpose_name {
  const char *key;  /* in JSON */
  const char *text; /* for people */
};

/* Names the host's purposes, MM_PURPOSE_HOST and following.  `names` stays
   where it is for good.  Once, before the first report. */
void mm_native_name_purposes(const struct mm_purpose_name *names,
                             unsigned count);

/* Zeroed memory, aligned to 16 bytes if that divides its size, to 8 otherwise;
   null when there is none.  0 bytes are granted like 1. */
void *mm_native_alloc(unsigned purpose, size_t bytes);

/* The same with any content. */
void *mm_native_alloc_dirty(unsigned purpose, size_t bytes);

/* Zeroed memory for `count` items; null too when the product overflows. */
void *mm_native_alloc_array(unsigned purpose, size_t count, size_t item_bytes);

/*
 * Grows or shrinks a block (null: none yet, with old_bytes 0) and keeps its
 * content; what is new has any content.  Null when there is no memory: the
 * block is then as it was.
 */
void *mm_native_resize(unsigned purpose, void *at, size_t old_bytes,
                       size_t new_bytes);

/* Null is allowed.  `bytes` and `purpose` as they were asked for; a debug
   build ends the process with a message when they are others. */
void mm_native_free(unsigned purpose, void *at, size_t bytes);

/* A copy of a string; free it with mm_native_free_text. */
char *mm_native_copy_text(unsigned purpose, const char *text);
char *mm_native_copy_bytes(unsigned purpose, const char *text, size_t length);
void mm_native_free_text(unsigned purpose, char *text);

/* Who serves native memory. */
enum mm_native_allocator {
  MM_NATIVE_SLOTS,    /* slots up to 2 KiB, then a freelist; the default */
  MM_NATIVE_FREELIST, /* a freelist for all sizes */
  MM_NATIVE_SYSTEM,   /* the C library */
};

/*
 * From now on blocks come from `allocator`, and not more than `max_bytes` are
 * taken (0: what the reservation has); what is in use stays where it is, and
 * above the limit until it is freed.  MM_NO_MEMORY: the machine refuses the
 * address space, nothing is changed.  Any thread, at any time.
 */
enum mm_status mm_native_configure(enum mm_native_allocator allocator,
                                   uint64_t max_bytes);

/* requested <= used; used + free <= held <= committed <= reserved. */
struct mm_native_stats {
  uint64_t reserved_bytes;  /* address space */
  uint64_t committed_bytes; /* may have memory */
  uint64_t held_bytes;      /* by allocators */
  uint64_t used_bytes;      /* of blocks, as large as they are */
  uint64_t requested_bytes; /* the same as they were asked for */
  uint64_t blocks;
  uint64_t free_bytes; /* that blocks could be made of as it is */
  uint64_t largest_free_bytes;
  uint64_t limit_bytes; /* UINT64_MAX: none */
};

/* The relations hold while no other thread allocates or frees. */
void mm_native_stats(struct mm_native_stats *stats);

/* Charges or discharges memory that came from elsewhere (mappings). */
void mm_native_charge(unsigned purpose, int64_t bytes);

/* Bytes in use now, as they were asked for, and in how many blocks: what was
   charged has none. */
uint64_t mm_native_bytes(unsigned purpose);
uint64_t mm_native_blocks(unsigned purpose);

/*
 * Writes a line for each purpose that has memory in use, but for the tables of
 * the allocators, which live as long as the process: its blocks and bytes. Once
 * all that was made is destroyed, those are leaks.  Returns how many it was.
 */
unsigned mm_native_print_leaks(FILE *out);

const char *mm_purpose_key(unsigned purpose);
const char *mm_purpose_text(unsigned purpose);

/* Was memory ever in use for it? */
bool mm_purpose_is_used(unsigned purpose);

/*
 * Injection of failures: the `count`-th allocation from now on (from 1) fails;
 * `and_after`: so do all that follow.  0: none does.
 */
void mm_native_fail_at(uint64_t count, bool and_after);

/* Is it time for a planned failure?  Counts as an allocation.  For what cuts
   its blocks from larger ones (arenas) or maps memory by itself: each block
   of theirs can be made to fail too. */
bool mm_native_fails_now(void);

/* Has a planned failure come to pass? */
bool mm_native_has_failed(void);

#endif
