/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Size classes; see classes_internal.h.
 */
#include "config.h"

#include "mm/alloc/classes_internal.h"

#include "mm/assert_internal.h"

enum { STEPS = 8 }; /* classes per doubling */

/* The class after one of `granules`, in the plain table. */
static uint32_t next_granules(uint32_t granules)
{
  uint32_t step = 1;
  while (granules >= 2 * STEPS * step)
    step *= 2;
  return granules + step;
}

static void mark_plain(bool *wanted, uint32_t least, uint32_t most)
{
  for (uint32_t granules = least; granules < most;
       granules = next_granules(granules))
    wanted[granules] = true;
  wanted[most] = true;
}

static void mark_extra(bool *wanted, uint32_t least, uint32_t most,
                       uint32_t granule_log2, const uint32_t *extra,
                       size_t extra_count)
{
  for (size_t i = 0; i < extra_count; i++) {
    uint64_t granule = (uint64_t)1 << granule_log2;
    uint64_t granules = (extra[i] + granule - 1) >> granule_log2;
    if (granules >= least && granules <= most)
      wanted[granules] = true;
  }
}

bool mm_classes_init(struct mm_classes *classes, uint32_t granule_log2,
                     uint32_t least_bytes, uint32_t most_bytes,
                     const uint32_t *extra, size_t extra_count)
{
  uint32_t least = least_bytes >> granule_log2;
  uint32_t most = most_bytes >> granule_log2;
  bool wanted[MM_CLASS_GRANULES_MOST + 1] = {false};
  MM_ASSERT(least > 0 && least <= most && most <= MM_CLASS_GRANULES_MOST);
  mark_plain(wanted, least, most);
  mark_extra(wanted, least, most, granule_log2, extra, extra_count);
  *classes = (struct mm_classes){.granule_log2 = granule_log2};
  for (uint32_t granules = 1; granules <= most; granules++) {
    classes->of_granules[granules] = (uint8_t)classes->count;
    if (!wanted[granules])
      continue;
    if (classes->count == MM_CLASSES_MOST)
      return false;
    classes->bytes[classes->count++] = granules << granule_log2;
  }
  classes->most_bytes = most << granule_log2;
  return true;
}
