/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory from the operating system.
 *
 *   reserved --commit--> committed --protect--> protected (keeps content)
 *      ^                     |                       |
 *      +------uncommit-------+<-------commit---------+
 *
 * Reserved memory is address space only: it costs nothing and faults when it
 * is touched.  Each function takes whole pages.  A failing call leaves things
 * as they were and says so: MM_NO_MEMORY when the machine or a limit refuses,
 * MM_OS_FAILED for anything else.  Any thread; no locks.
 */
#ifndef MM_OS_INTERNAL_H
#define MM_OS_INTERNAL_H

#include "mm/mm.h"

/* Size of a page. */
size_t mm_os_page_bytes(void);

/* Memory of the machine, or of the control group if that has less. */
uint64_t mm_os_physical_bytes(void);

/* Address space that this process may take (ulimit -v); UINT64_MAX: any. */
uint64_t mm_os_address_space_bytes(void);

/* The most memory that this process ever had at once, all of it. */
uint64_t mm_os_peak_resident_bytes(void);

/* Processors that this process may use; at least 1. */
unsigned mm_os_processors(void);

/* This thread works beside the program: when it wakes up, it takes no processor
   away from a thread that runs, but gets its share as ever. */
void mm_os_work_beside(void);

/*
 * Reserves `bytes` at a multiple of `align` (a power of two) that starts at
 * or above `low` and ends at or below `high`.  Tries places from below to
 * above, `step` bytes apart (a multiple of `align`).
 */
enum mm_status mm_os_reserve_between(uint64_t bytes, uint64_t align,
                                     uint64_t step, uintptr_t low,
                                     uintptr_t high, uintptr_t *base);

/* Reserves `bytes` anywhere, at a multiple of `align` (a power of two). */
enum mm_status mm_os_reserve(uint64_t bytes, uint64_t align, uintptr_t *base);

/* Makes memory readable and writable; zero if it was not committed. */
enum mm_status mm_os_commit(uintptr_t at, uint64_t bytes);

/* Gives the memory back but keeps the address space. */
enum mm_status mm_os_uncommit(uintptr_t at, uint64_t bytes);

/* Gives the memory back; it stays committed, and is zero when it is touched
   again. */
enum mm_status mm_os_discard(uintptr_t at, uint64_t bytes);

/* Takes away access; the content stays. */
enum mm_status mm_os_protect(uintptr_t at, uint64_t bytes);

/* Asks for huge pages, where the machine grants them on request. */
void mm_os_prefer_huge(uintptr_t at, uint64_t bytes);

/* Asks for small ones, until huge ones are preferred. */
void mm_os_avoid_huge(uintptr_t at, uint64_t bytes);

/* Gives memory back that stays accessible, as zeroes, in small pages.  Others
   may touch it. */
void mm_os_forget(uintptr_t at, uint64_t bytes);

/* Touches committed memory, whose content stays, so that nobody waits for it
   later.  Others may use it. */
void mm_os_touch(uintptr_t at, uint64_t bytes);

/* Zeroed memory anywhere, which takes room only once it is touched. */
enum mm_status mm_os_map(uint64_t bytes, void **base);

/* Gives back what a function that reserves or mm_os_map gave. */
void mm_os_release(void *base, uint64_t bytes);

/* From now on this process can call mm_os_fence_all; false: the system does not
   do it. */
bool mm_os_fences_start(void);

/* All threads of the process pass a full fence between the begin of the call
   and its end.  About a microsecond. */
void mm_os_fence_all(void);

#endif
