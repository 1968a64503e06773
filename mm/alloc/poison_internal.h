/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free memory that AddressSanitizer watches over: in a build with it, a touch
 * of a poisoned byte ends the process with a report; elsewhere nothing of this
 * leaves any code.
 *
 * An allocator keeps its heads and links in poisoned memory too, and reads
 * them in functions marked MM_UNWATCHED.
 */
#ifndef MM_ALLOC_POISON_INTERNAL_H
#define MM_ALLOC_POISON_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef BAMBOO_ASAN

#include <sanitizer/asan_interface.h>

#define MM_UNWATCHED __attribute__((no_sanitize_address, noinline))

static inline void mm_poison(uintptr_t at, size_t bytes)
{
  __asan_poison_memory_region((void *)at, bytes);
}

static inline void mm_unpoison(uintptr_t at, size_t bytes)
{
  __asan_unpoison_memory_region((void *)at, bytes);
}

#else

#define MM_UNWATCHED

static inline void mm_poison(uintptr_t at, size_t bytes)
{
  (void)at, (void)bytes;
}

static inline void mm_unpoison(uintptr_t at, size_t bytes)
{
  (void)at, (void)bytes;
}

#endif

#endif
