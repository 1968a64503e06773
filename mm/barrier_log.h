/* SPDX-License-Identifier: Apache-2.0 */
/* What barriers note for the collector: cards, or references. */
#ifndef MM_BARRIER_LOG_H
#define MM_BARRIER_LOG_H

#include <stdint.h>

enum { MM_BARRIER_LOG_ENTRIES = 1020 }; /* a log takes 4 KiB */

struct mm_barrier_log {
  struct mm_barrier_log *next;
  uint32_t count;
  uint32_t entries[MM_BARRIER_LOG_ENTRIES];
};

#endif
