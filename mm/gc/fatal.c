/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the line: an internal failure; see assert_internal.h.
 */
#include "config.h"

#include "mm/assert_internal.h"

#include "mm/gc/faults_internal.h"
#include "mm/gc/heap_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *gc_name(enum mm_gc gc)
{
  switch (gc) {
  case MM_GC_EPSILON:
    return "epsilon";
  case MM_GC_STW:
    return "stw";
  case MM_GC_CONCURRENT:
    break;
  }
  return "concurrent";
}

static const char *generational_name(const struct mm_heap *heap)
{
  if (heap->options.generational == MM_GENERATIONAL_AUTO)
    return mm_is_generational(heap) ? "auto (on)" : "auto (off)";
  return heap->options.generational ? "on" : "off";
}

static void describe_heap(const struct mm_heap *heap)
{
  const struct mm_options *options = &heap->options;
  fprintf(stderr,
          "  version %s, gc=%s, generational=%s, tenured=%s, heap-max=%lluK, "
          "heap-min=%lluK, workers=%u\n"
          "  stress alloc:%llu poll:%llu barrier:%llu%s, verify=%u, "
          "seed=%llu%s\n"
          "  collection %llu (%s, %s), regions used %u of %u\n",
          PACKAGE_VERSION, gc_name(options->gc), generational_name(heap),
          options->tenured == MM_TENURED_REGIONS ? "regions" : "freelist",
          (unsigned long long)options->heap_max_bytes / 1024,
          (unsigned long long)options->heap_min_bytes / 1024, options->workers,
          (unsigned long long)options->stress_alloc,
          (unsigned long long)options->stress_poll,
          (unsigned long long)options->stress_barrier,
          options->stress_phase ? " phase" : "", options->verify,
          (unsigned long long)options->seed,
          options->deterministic ? ", deterministic" : "",
          (unsigned long long)heap->stat.current.number,
          mm_cause_name(heap->stat.current.cause),
          mm_collection_kind_name(heap->stat.current.kind), heap->regions.used,
          heap->regions.count);
  mm_faults_print(heap, stderr);
}

static void describe_mutators(struct mm_heap *heap)
{
  if (!heap->binding.describe_mutator)
    return;
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next)
    heap->binding.describe_mutator(heap->host, mutator, stderr);
}

void mm_fatal(struct mm_heap *heap, const char *format, ...)
{
  va_list arguments;
  fflush(stdout);
  fputs("bamboo: internal failure: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  if (heap) {
    describe_heap(heap);
    describe_mutators(heap);
    if (heap->options.log)
      fflush(heap->options.log);
  }
  fflush(stderr);
  _exit(MM_FATAL_STATUS);
}
