/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the memory manager itself, charged to a purpose.  The one place
 * where it calls malloc, so that a failure can be injected here.
 *
 * Counts are of the process, not of a heap, and relaxed atomics: any thread.
 */
#ifndef MM_NATIVE_INTERNAL_H
#define MM_NATIVE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mm_purpose {
#define MM_PURPOSE(NAME, key, text) MM_PURPOSE_##NAME,
#include "mm/alloc/purposes_internal.def"
  MM_PURPOSE_COUNT
};

/* Zeroed memory, aligned for any type; null when there is none. */
void *mm_native_alloc(enum mm_purpose purpose, size_t bytes);

/* The same with any content. */
void *mm_native_alloc_dirty(enum mm_purpose purpose, size_t bytes);

/* Null is allowed.  `bytes` and `purpose` as they were asked for. */
void mm_native_free(enum mm_purpose purpose, void *at, size_t bytes);

/* Charges or discharges memory that came from elsewhere (mappings). */
void mm_native_charge(enum mm_purpose purpose, int64_t bytes);

/* Bytes in use now. */
uint64_t mm_native_bytes(enum mm_purpose purpose);

const char *mm_purpose_key(enum mm_purpose purpose);
const char *mm_purpose_text(enum mm_purpose purpose);

/* From now on the `count`-th allocation (from 1) and all after it fail; 0:
   none does.  For tests. */
void mm_native_fail_at(uint64_t count);

#endif
