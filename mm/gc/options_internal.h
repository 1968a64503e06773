/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking the options of a heap; mm/mm.h has mm_options_complete.
 */
#ifndef MM_OPTIONS_INTERNAL_H
#define MM_OPTIONS_INTERNAL_H

#include "mm/mm.h"

/* Writes the text of an error. */
void mm_error_set(struct mm_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "heap-max" and so on are refused above this. */
uint64_t mm_heap_max_possible_bytes(void);

#endif
