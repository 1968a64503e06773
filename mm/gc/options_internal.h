/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completing and checking the options of a heap.
 */
#ifndef MM_OPTIONS_INTERNAL_H
#define MM_OPTIONS_INTERNAL_H

#include "mm/mm.h"

/* Writes the text of an error. */
void mm_error_set(struct mm_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Replaces zeros by what this machine suggests, rounds sizes to regions, and
   refuses what cannot be had. */
enum mm_status mm_options_complete(struct mm_options *options,
                                   struct mm_error *error);

/* "heap-max" and so on are refused above this. */
uint64_t mm_heap_max_possible_bytes(void);

#endif
