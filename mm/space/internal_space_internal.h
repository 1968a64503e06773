/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The internal space: blocks of any size for the runtime itself, one space for
 * the whole process, made when it is first used and never given up.
 *
 *   one reservation, spans of 64 KiB, an owner each
 *   | slots | freelist | slots | large block | free | ...
 *
 *   bytes        taken from                        locks
 *   up to 2048   slots, by the thread's own cache  none, in the fast path
 *   up to 512 K  the freelist                      that of the freelist
 *   above        spans of their own                that of the spans
 *
 * Configured otherwise, the freelist serves small blocks too, or the C library
 * serves all.  The owner of a block follows from its address (no owner: the C
 * library), so that the choice can be changed while there are blocks.
 *
 * What an allocator keeps for later goes back to the spans before an
 * allocation fails.
 *
 * Locks, in the order in which they are taken: guard; slots, shared and own;
 * freelist; spans.  A fork takes them all, so that the child finds each
 * structure whole and each lock free.  What was cached by threads that the
 * child does not have stays unused there.
 *
 * In a debug build the guard (guard_internal.h) stands around all of it.
 */
#ifndef MM_SPACE_INTERNAL_SPACE_INTERNAL_H
#define MM_SPACE_INTERNAL_SPACE_INTERNAL_H

#include "mm/alloc/allocator_internal.h"
#include "mm/native.h"

enum {
  MM_INTERNAL_LARGE_BYTES = 512 * 1024, /* above: spans of their own */
};

/* At least `bytes`, 16-byte aligned; null when there are none.  `zeroed`: zero,
   otherwise of any content.  Any thread. */
void *mm_internal_alloc(unsigned purpose, size_t bytes, bool zeroed);

/* `purpose` and `bytes` as they were asked for.  Any thread. */
void mm_internal_free(unsigned purpose, void *block, size_t bytes);

/* See mm_native_configure. */
enum mm_status mm_internal_configure(enum mm_native_allocator allocator,
                                     uint64_t max_bytes);

/* All but requested_bytes. */
void mm_internal_stats(struct mm_native_stats *stats);

/* Null, or what is wrong.  Wants other threads to keep still. */
const char *mm_internal_check(void);

/* The space without a guard, as an allocator like others: for the guard, and
   for tests. */
struct mm_allocator *mm_internal_allocator(void);

/* Blocks of the C library, each with a head that tells its size; see
   internal_system.c. */
void *mm_internal_system_alloc(size_t bytes, bool zeroed);
size_t mm_internal_system_free(void *block); /* bytes with the head */
size_t mm_internal_system_bytes(const void *block);
bool mm_internal_system_is_block(const void *block);
size_t mm_internal_system_whole(size_t bytes); /* with the head */

#endif
