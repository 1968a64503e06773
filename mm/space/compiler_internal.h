/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler space: where the arenas of compilations get their chunks.
 *
 *   arena --take--> pool of chunks, by size --map--> system
 *         <--give--                         <-unmap--   beyond POOL_BYTES
 *
 * Chunks of an arena are powers of two from 4 KiB to 1 MiB, and larger ones
 * for single blocks; the former are kept in the pool.  A compilation thus
 * usually takes memory that the last one has just left, and what many at once
 * took goes back to the system.
 *
 * Invariants (mm_compiler_space_check)
 *   committed = used + pooled <= limit, in whole pages;
 *   pooled <= POOL_BYTES; the lists hold `pooled` bytes.
 *
 * Its lock is a leaf: nothing else is locked under it.
 */
#ifndef MM_SPACE_COMPILER_INTERNAL_H
#define MM_SPACE_COMPILER_INTERNAL_H

#include "mm/compiler_space.h"

#include <pthread.h>

enum { MM_COMPILER_POOL_LISTS = 9 }; /* 4 KiB to 1 MiB */

struct mm_compiler_chunk;

struct mm_compiler_space_stat {
  uint64_t limit_bytes;
  uint64_t used_bytes;      /* in chunks of running compilations */
  uint64_t requested_bytes; /* as arenas asked for them */
  uint64_t used_chunks;
  uint64_t pooled_bytes, pooled_chunks, largest_pooled_bytes;
  uint64_t peak_bytes; /* most of used and pooled together */
  uint64_t compilations, running, peak_running;
  uint64_t refused; /* chunks, by the limit or the system */
};

struct mm_compiler_space {
  pthread_mutex_t lock;
  struct mm_arena_source source;
  struct mm_compiler_chunk *pool[MM_COMPILER_POOL_LISTS];
  struct mm_compiler_space_stat stat;
};

/* Takes no memory yet. */
void mm_compiler_space_init(struct mm_compiler_space *space);

/* Before the first compilation.  `bytes` 0: choose.  MM_BAD_OPTION with a text
   when no compilation could run with so little. */
enum mm_status mm_compiler_space_limit(struct mm_compiler_space *space,
                                       uint64_t bytes, struct mm_error *error);

/* No compilation runs. */
void mm_compiler_space_destroy(struct mm_compiler_space *space);

/* Gives the pool back to the system. */
void mm_compiler_space_trim(struct mm_compiler_space *space);

void mm_compiler_space_stat(struct mm_compiler_space *space,
                            struct mm_compiler_space_stat *stat);

/* Null, or what is wrong. */
const char *mm_compiler_space_check(struct mm_compiler_space *space);

#endif
