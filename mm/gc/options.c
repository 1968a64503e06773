/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a heap: defaults, completion, refusal.  Nothing that is not
 * there is accepted and ignored: each refusal names the option and what there
 * is instead.
 *
 *   heap_max   default a quarter of the machine's memory, or of the address
 *              space that the process may take, at most 24 GiB
 *              (with AddressSanitizer 1 GiB: its shadow leaves no more below
 *              2 GiB); at least 1 MiB; rounded up to regions of 128 KiB
 *   heap_min   default 64 MiB, or heap_max if that is less
 *   growth     default 400 percent; with MM_GROWTH_BALANCE 2500 millionths per
 *              MiB
 *   workers    default one per processor, at most 4; 1 if deterministic
 */
#include "config.h"

#include "mm/gc/options_internal.h"

#include "mm/os/os_internal.h"
#include "mm/space/region_internal.h"
#include "mm/stat/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#ifdef BAMBOO_ASAN
#define HEAP_MAX_POSSIBLE (1536 * MIB)
#define HEAP_MAX_DEFAULT_MOST (1 * GIB)
#else
#define HEAP_MAX_POSSIBLE (30 * GIB)
#define HEAP_MAX_DEFAULT_MOST (24 * GIB)
#endif
#define HEAP_MAX_LEAST (1 * MIB)
/* One region of slots, one of freelist. */
#define NONMOVING_MAX_LEAST ((uint64_t)2 * MM_REGION_BYTES)
#define HEAP_MIN_DEFAULT (64 * MIB)

enum {
  WORKERS_DEFAULT_MOST = 4,
  WORKERS_MOST = 64,
  MEMORY_FRACTION = 4,
  GROWTH_DEFAULT_PERCENT = 400,
  GROWTH_LEAST_PERCENT = 110,
  GROWTH_MOST_PERCENT = 10000,
  GROWTH_PRICE_MOST = 1000000,
  LOCAL_HANDLES_DEFAULT = 1 << 20,
  SHARED_HANDLES_DEFAULT = 1 << 26,
  HANDLES_MOST = 1 << 29,
};

uint64_t mm_heap_max_possible_bytes(void)
{
  return HEAP_MAX_POSSIBLE;
}

void mm_error_set(struct mm_error *error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof(error->text), format, arguments);
  va_end(arguments);
}

void mm_options_init(struct mm_options *options)
{
  *options = (struct mm_options){
      .gc = MM_GC_STW,
      .tenured = MM_TENURED_REGIONS,
      .soft_ms_per_mib = MM_SOFT_MS_PER_MIB,
      .pacing = true,
  };
#ifdef BAMBOO_DEBUG
  options->verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
#endif
}

static enum mm_status check_plan(const struct mm_options *options,
                                 struct mm_error *error)
{
  if (options->generational && options->gc == MM_GC_EPSILON) {
    mm_error_set(error, "--gc=epsilon never collects, young objects neither; "
                        "choose --generational=off or --gc=stw");
    return MM_UNSUPPORTED;
  }
  if (options->gc == MM_GC_EPSILON && mm_fault_any(&options->faults)) {
    mm_error_set(error, "--break breaks collections, but --gc=epsilon never "
                        "collects; choose stw");
    return MM_UNSUPPORTED;
  }
  if (options->gc == MM_GC_EPSILON &&
      (options->stress_alloc || options->stress_poll ||
       options->stress_barrier || options->stress_phase)) {
    mm_error_set(error, "--gc-stress forces collections, but --gc=epsilon "
                        "never collects; choose stw");
    return MM_UNSUPPORTED;
  }
  return MM_OK;
}

static uint64_t round_to_regions(uint64_t bytes)
{
  return (bytes + MM_REGION_BYTES - 1) & ~(uint64_t)(MM_REGION_BYTES - 1);
}

static uint64_t default_heap_max(void)
{
  uint64_t bytes = mm_os_physical_bytes() / MEMORY_FRACTION;
  if (bytes > HEAP_MAX_DEFAULT_MOST)
    bytes = HEAP_MAX_DEFAULT_MOST;
  uint64_t limit = mm_os_address_space_bytes() / MEMORY_FRACTION;
  if (bytes > limit)
    bytes = limit;
  return bytes < HEAP_MAX_LEAST ? HEAP_MAX_LEAST : bytes;
}

static enum mm_status check_sizes(const struct mm_options *options,
                                  struct mm_error *error)
{
  uint64_t most = HEAP_MAX_POSSIBLE;
  if (options->heap_max_bytes != 0 &&
      (options->heap_max_bytes < HEAP_MAX_LEAST ||
       options->heap_max_bytes > most)) {
    mm_error_set(error, "--heap-max must be between %uM and %uM",
                 (unsigned)(HEAP_MAX_LEAST / MIB), (unsigned)(most / MIB));
    return MM_BAD_OPTION;
  }
  if (options->workers > WORKERS_MOST) {
    mm_error_set(error, "--gc-workers must be between 1 and %d", WORKERS_MOST);
    return MM_BAD_OPTION;
  }
  if (options->deterministic && options->workers > 1) {
    mm_error_set(error, "--deterministic runs one thread at a time, so one "
                        "collects; choose --gc-workers=1");
    return MM_BAD_OPTION;
  }
  if (options->growth_percent != 0 &&
      (options->growth_percent < GROWTH_LEAST_PERCENT ||
       options->growth_percent > GROWTH_MOST_PERCENT)) {
    mm_error_set(error, "--heap-growth must be between %d and %d percent",
                 GROWTH_LEAST_PERCENT, GROWTH_MOST_PERCENT);
    return MM_BAD_OPTION;
  }
  if (options->growth_price > GROWTH_PRICE_MOST) {
    mm_error_set(error, "--heap-growth=balance:N must be at most %d",
                 GROWTH_PRICE_MOST);
    return MM_BAD_OPTION;
  }
  if (options->nonmoving_max_bytes != 0 &&
      options->nonmoving_max_bytes < NONMOVING_MAX_LEAST) {
    mm_error_set(error, "--nonmoving-max must be at least %uK",
                 (unsigned)(NONMOVING_MAX_LEAST / 1024));
    return MM_BAD_OPTION;
  }
  if (options->local_handles_max > HANDLES_MOST ||
      options->global_handles_max > HANDLES_MOST ||
      options->weak_handles_max > HANDLES_MOST) {
    mm_error_set(error,
                 "--local-handles-max, --global-handles-max and "
                 "--weak-handles-max must be at most %d",
                 HANDLES_MOST);
    return MM_BAD_OPTION;
  }
  if (MM_FAULT_COUNT % 64 != 0 &&
      options->faults.words[MM_FAULT_WORDS - 1] >> MM_FAULT_COUNT % 64 != 0) {
    mm_error_set(error, "--break has no fault beyond %d", MM_FAULT_COUNT - 1);
    return MM_BAD_OPTION;
  }
  if (options->log_level < 0 || options->log_level >= MM_LOG_LEVEL_COUNT) {
    mm_error_set(error, "--gc-log has no level %d", options->log_level);
    return MM_BAD_OPTION;
  }
  return MM_OK;
}

static void complete_sizes(struct mm_options *options)
{
  if (options->heap_max_bytes == 0) {
    options->heap_max_bytes = default_heap_max();
    /* A larger least size asks for a larger most one. */
    if (options->heap_max_bytes < options->heap_min_bytes)
      options->heap_max_bytes = options->heap_min_bytes;
  }
  options->heap_max_bytes = round_to_regions(options->heap_max_bytes);
  if (options->heap_min_bytes == 0) {
    options->heap_min_bytes = HEAP_MIN_DEFAULT;
    if (options->heap_min_bytes > options->heap_max_bytes)
      options->heap_min_bytes = options->heap_max_bytes;
  }
  options->heap_min_bytes = round_to_regions(options->heap_min_bytes);
}

static void complete_handles(struct mm_options *options)
{
  if (options->local_handles_max == 0)
    options->local_handles_max = LOCAL_HANDLES_DEFAULT;
  if (options->global_handles_max == 0)
    options->global_handles_max = SHARED_HANDLES_DEFAULT;
  if (options->weak_handles_max == 0)
    options->weak_handles_max = SHARED_HANDLES_DEFAULT;
}

enum mm_status mm_options_complete(struct mm_options *options,
                                   struct mm_error *error)
{
  enum mm_status status = check_plan(options, error);
  if (status == MM_OK)
    status = check_sizes(options, error);
  if (status != MM_OK)
    return status;
  if (options->heap_min_bytes > HEAP_MAX_POSSIBLE ||
      (options->heap_max_bytes != 0 &&
       options->heap_min_bytes > options->heap_max_bytes)) {
    mm_error_set(error, "--heap-min is larger than --heap-max%s",
                 options->heap_max_bytes ? "" : " can be");
    return MM_BAD_OPTION;
  }
  complete_sizes(options);
  if (options->growth_percent == 0)
    options->growth_percent = GROWTH_DEFAULT_PERCENT;
  if (options->growth_price == 0)
    options->growth_price = MM_GROWTH_PRICE;
  complete_handles(options);
  if (options->workers == 0 && options->deterministic)
    options->workers = 1;
  if (options->workers == 0) {
    options->workers = mm_os_processors();
    if (options->workers > WORKERS_DEFAULT_MOST)
      options->workers = WORKERS_DEFAULT_MOST;
  }
  return MM_OK;
}
