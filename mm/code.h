/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine code: memory for a compiler that makes code while the program runs.
 *
 *   heap --start--> code space --alloc--> block being written
 *                                           |  seal: cut, flush
 *                        free <-- unused -- block that runs
 *
 * Each byte of a block has two addresses.  Through `write` it can be read and
 * written but not run, through `run` it can be read and run but not written;
 * no page is ever both.  All code of a heap lies within 1 GiB, so that direct
 * calls and jumps between blocks reach.  What is free holds instructions that
 * trap, or no memory at all.
 *
 * Threads: any, at any time, mutator or not; the space has a lock of its own.
 * No function is a safepoint.  A block belongs to whoever allocated it until
 * it is freed: two threads may not write, seal or free the same one at once.
 * Nothing here may be called from a signal handler but mm_code_contains.
 *
 * A child after fork shares the code with its parent.  It may run it for as
 * long as the parent leaves it there, but cannot write: `write` addresses are
 * not mapped there, mm_code_alloc answers MM_NO_MEMORY, the calls that change
 * a block do nothing.  Finding and walking work there if no other thread was in
 * this space when the process forked.
 *
 * Next: space/code_internal.h, alloc/code_internal.h.
 */
#ifndef MM_CODE_H
#define MM_CODE_H

#include "mm/mm.h"

#include <stddef.h>

enum { MM_CODE_ALIGN = 16 }; /* of each block */

/* A block of code. */
struct mm_code {
  void *write;     /* its first byte, to write it */
  const void *run; /* the same byte, to run it */
  size_t bytes;
  void *owner; /* as given to mm_code_alloc */
};

/*
 * Reserves the space, the size of code_max_bytes of the options; 64 MiB, or
 * less where the limit on address space is low, when that is 0.  Has to
 * succeed once before anything else here is called; more calls do nothing.
 * Errors, with a text: MM_NO_MEMORY, and MM_OS_FAILED when the system forbids
 * executable memory; a program can then run without.
 */
enum mm_status mm_code_start(struct mm_heap *heap, struct mm_error *error);

/* The most that all blocks together can take, once it has succeeded. */
uint64_t mm_code_max_bytes(const struct mm_heap *heap);

/* Has it succeeded? */
bool mm_code_is_started(struct mm_heap *heap);

/*
 * A block of at least `bytes` that holds trapping instructions, 16-byte
 * aligned, valid until it is freed or the heap destroyed.  `align`: 0, or a
 * power of two of at most 4096.  `owner` is what mm_code_find tells of its
 * addresses.  MM_NO_MEMORY at the limit or when the machine has none.
 */
enum mm_status mm_code_alloc(struct mm_heap *heap, size_t bytes, size_t align,
                             void *owner, struct mm_code *code);

/*
 * The code is written: its first `used_bytes` remain, what is behind goes
 * back, and the processor sees the instructions.  Writes code->bytes.  The
 * host then publishes code->run with release order.  Code may be written
 * again through `write` while nobody runs it; mm_code_flush follows.
 */
void mm_code_seal(struct mm_heap *heap, struct mm_code *code,
                  size_t used_bytes);

/* Makes the processor see what was written to these bytes of a block. */
void mm_code_flush(const void *run, size_t bytes);

/* Gives a block back.  No thread is in it, or will return into it.  Null is
   allowed. */
void mm_code_free(struct mm_heap *heap, const void *run);

/* Which block is this executable address in?  Any address at all; false: in
   none.  O(log n); for stack walks and profilers. */
bool mm_code_find(struct mm_heap *heap, const void *address,
                  struct mm_code *code);

/* Is this address in the part of memory that all blocks are in, be it in one of
   them or not?  Takes no lock, and may be called from a signal handler. */
bool mm_code_contains(const struct mm_heap *heap, const void *address);

/* Calls `visit` for each block, in the order of addresses, under the space's
   lock: it may not call back here. */
void mm_code_walk(struct mm_heap *heap,
                  void (*visit)(void *context, const struct mm_code *code),
                  void *context);

#endif
