/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting a moment before sleeping.  Twice as long as a sleeper takes to wake
 * is the bound: then the wait costs at most three times the best choice.
 */
#ifndef MM_SPIN_INTERNAL_H
#define MM_SPIN_INTERNAL_H

#include "mm/os/os_internal.h"
#include "mm/stat/stat_internal.h"

enum { MM_SPIN_NS = 60 * 1000, MM_SPIN_BATCH = 64 };

/* Begins as {0}. */
struct mm_spin {
  uint64_t until_ns;
  unsigned rounds;
};

static inline void mm_spin_pause(void)
{
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

/* Waits a little; false when it is time to sleep. */
static inline bool mm_spin_once(struct mm_spin *spin)
{
  if (++spin->rounds % MM_SPIN_BATCH != 0) {
    mm_spin_pause();
    return true;
  }
  uint64_t now_ns = mm_stat_now_ns();
  if (spin->until_ns == 0)
    spin->until_ns = now_ns + MM_SPIN_NS;
  return now_ns < spin->until_ns;
}

#endif
