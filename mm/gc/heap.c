/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap from creation to destruction.
 *
 *   0        4 GiB                                             32 GiB
 *   | metadata |          heap: one reservation, 2 MiB aligned    |
 *
 *   anywhere: descriptors | traces | marks | starts | blocks | runs | cards |
 *   first objects of cards | lists of regions, one mapping, touched (and so
 * backed by memory) only where the heap is in use
 *
 * References are 32-bit multiples of 8 and class words 32-bit addresses: that
 * is what the two bounds are for.  AddressSanitizer's shadow begins below
 * 2 GiB, so its builds put both below that.
 */
#include "config.h"

#include "mm/native.h"
#include "mm/assert_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/generations_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/gc/options_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/os/os_internal.h"
#include "mm/space/metadata_internal.h"
#include "mm/space/object_internal.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#ifdef BAMBOO_ASAN
#define HEAP_LOWEST (256 * MIB)
#define HEAP_HIGHEST ((uintptr_t)0x7fff0000)
#define HEAP_STEP (32 * MIB)
#else
#define HEAP_LOWEST (4 * GIB)
#define HEAP_HIGHEST (32 * GIB)
#define HEAP_STEP (256 * MIB)
#endif

enum {
  GROUP_BYTES = MM_REGION_BYTES * MM_REGION_GROUP,
  BLOCK_BYTES = 512,
  MUTATOR_ID_WORDS = 65536 / 64,
};

static uint64_t heap_bytes(const struct mm_heap *heap)
{
  return (uint64_t)heap->regions.count << MM_REGION_LOG2;
}

/* The first part of the heap has small pages, so that a program that needs
   little takes little; with gc=concurrent, all that is not touched ahead of the
   program (warm_internal.h). */
static void choose_pages(const struct mm_heap *heap)
{
  uintptr_t base = heap->regions.base;
  uint64_t bytes = heap_bytes(heap);
  if (heap->options.gc == MM_GC_CONCURRENT)
    mm_os_avoid_huge(base, bytes);
  else if (bytes > MM_SMALL_PAGES_BYTES)
    mm_os_prefer_huge(base + MM_SMALL_PAGES_BYTES,
                      bytes - MM_SMALL_PAGES_BYTES);
}

static enum mm_status reserve_heap(struct mm_heap *heap, struct mm_error *error)
{
  uint64_t bytes = heap->options.heap_max_bytes;
  uintptr_t base;
  enum mm_status status = mm_os_reserve_between(
      bytes, GROUP_BYTES, HEAP_STEP, HEAP_LOWEST, HEAP_HIGHEST, &base);
  /* A crowded address space may have room between the metadata and 4 GiB. */
  if (status != MM_OK)
    status = mm_os_reserve_between(bytes, GROUP_BYTES, GROUP_BYTES, 64 * MIB,
                                   HEAP_HIGHEST, &base);
  if (status != MM_OK) {
    mm_error_set(error,
                 "cannot reserve %lluM of address space for the heap; choose "
                 "a smaller --heap-max or raise the limit (ulimit -v)",
                 (unsigned long long)(bytes / MIB));
    return status;
  }
  heap->regions.base = base;
  heap->regions.count = (uint32_t)(bytes >> MM_REGION_LOG2);
  choose_pages(heap);
  return MM_OK;
}

static uint64_t page_align(uint64_t bytes)
{
  uint64_t page = mm_os_page_bytes();
  return (bytes + page - 1) & ~(page - 1);
}

static enum mm_status map_tables(struct mm_heap *heap, struct mm_error *error)
{
  uint64_t count = heap->regions.count, bytes = heap_bytes(heap);
  uint64_t table = page_align(count * sizeof(struct mm_region));
  uint64_t traces = page_align(count);
  uint64_t marks = page_align(bytes / MM_OBJECT_ALIGN / 8);
  uint64_t blocks = page_align(bytes / BLOCK_BYTES * sizeof(struct mm_block));
  uint64_t runs = page_align(count * MM_REGION_RUNS * sizeof(struct mm_run));
  uint64_t cards = page_align(bytes / MM_CARD_BYTES);
  uint64_t lists = page_align(count * sizeof(uint32_t));
  uint64_t fresh = page_align(2 * count * MM_REGION_RUNS * sizeof(uint32_t));
  uint64_t candidates = page_align(count * sizeof(struct mm_candidate));
  heap->tables_bytes = table + traces + 3 * marks + blocks + runs + 3 * cards +
                       2 * lists + fresh + candidates;
  enum mm_status status = mm_os_map(heap->tables_bytes, &heap->tables);
  if (status != MM_OK) {
    mm_error_set(error,
                 "cannot map %lluM for the tables of the heap; choose a "
                 "smaller --heap-max",
                 (unsigned long long)(heap->tables_bytes / MIB));
    return status;
  }
  mm_native_charge(MM_PURPOSE_TABLES, (int64_t)heap->tables_bytes);
  char *at = heap->tables;
  mm_regions_init(&heap->regions, heap->regions.base, (uint32_t)count,
                  (struct mm_region *)at);
  heap->traces = (uint8_t *)(at + table);
  heap->marks = (uint64_t *)(at + table + traces);
  heap->starts = (uint64_t *)(at + table + traces + marks);
  heap->blocks = (struct mm_block *)(at + table + traces + 2 * marks);
  heap->runs = (struct mm_run *)(at + table + traces + 2 * marks + blocks);
  at += table + traces + 2 * marks + blocks + runs;
  heap->cards.bytes = (uint8_t *)at;
  heap->cards.firsts = (uint8_t *)(at + cards);
  heap->young = (uint32_t *)(at + 2 * cards);
  heap->targets = (uint32_t *)(at + 2 * cards + lists);
  heap->fresh_runs = (uint32_t *)(at + 2 * cards + 2 * lists);
  heap->fresh = (uint64_t *)(at + 2 * cards + 2 * lists + fresh);
  at += 2 * cards + 2 * lists + fresh + marks;
  heap->cards.calm = (uint8_t *)at;
  heap->candidates.each = (struct mm_candidate *)(at + cards);
  return MM_OK;
}

static struct mm_layout *make_filler(struct mm_heap *heap, uint32_t bytes)
{
  struct mm_layout *layout = mm_metadata_alloc(heap, sizeof(*layout));
  if (layout)
    *layout = (struct mm_layout){.base_bytes = bytes, .kind = MM_KIND_FILLER};
  return layout;
}

static enum mm_status init_metadata(struct mm_heap *heap,
                                    struct mm_error *error)
{
  enum mm_status status = mm_metadata_init(heap, error);
  if (status != MM_OK)
    return status;
  heap->filler_granule = make_filler(heap, MM_OBJECT_ALIGN);
  heap->filler = make_filler(heap, 2 * MM_OBJECT_ALIGN);
  if (heap->filler_granule && heap->filler)
    return MM_OK;
  mm_error_set(error, "no memory for metadata");
  return MM_NO_MEMORY;
}

static enum mm_status start_workers(struct mm_heap *heap,
                                    struct mm_error *error)
{
  enum mm_status status =
      mm_workers_create(heap, heap->options.workers, &heap->workers);
  if (status == MM_NO_MEMORY)
    mm_error_set(error, "no memory for collector threads");
  else if (status != MM_OK)
    mm_error_set(error,
                 "cannot start %u collector threads; choose a smaller "
                 "--gc-workers",
                 heap->options.workers - 1);
  return status;
}

static enum mm_status start_cycles(struct mm_heap *heap, struct mm_error *error)
{
  enum mm_status status = mm_cycle_create(heap);
  if (status == MM_NO_MEMORY)
    mm_error_set(error, "no memory for the thread of --gc=concurrent");
  else if (status != MM_OK)
    mm_error_set(error, "cannot start the thread of --gc=concurrent; choose "
                        "--gc=stw");
  return status;
}

/* Waits that end by themselves go by the clock that nobody sets. */
static void init_timed(pthread_cond_t *condition)
{
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

static void init_plain(struct mm_heap *heap)
{
  heap->trace_entries_max = SIZE_MAX;
  pthread_mutex_init(&heap->lock, NULL);
  pthread_mutex_init(&heap->space_lock, NULL);
  pthread_cond_init(&heap->stopped, NULL);
  pthread_cond_init(&heap->resumed, NULL);
  init_timed(&heap->cycle.wake);
  pthread_cond_init(&heap->cycle.changed, NULL);
  heap->has_fences = mm_os_fences_start();
  mm_logs_init(heap);
  mm_ids_init(&heap->ids);
  pthread_mutex_init(&heap->handles.lock, NULL);
  mm_deaths_init(heap);
  mm_code_space_init(&heap->code);
  mm_compiler_space_init(&heap->compiler);
  mm_schedule_init(heap);
  mm_stat_init(&heap->stat, heap->options.log, heap->options.log_level);
  mm_stress_init(heap);
}

/* With gc=concurrent and regions all that is not young has cards: they find
   the references to what is evacuated. */
static void init_ages(struct mm_heap *heap)
{
  const struct mm_options *options = &heap->options;
  bool evacuates =
      options->gc == MM_GC_CONCURRENT && options->tenured == MM_TENURED_REGIONS;
  heap->has_cards = options->generational != MM_GENERATIONAL_OFF || evacuates;
  heap->full_age = heap->has_cards ? MM_AGE_TENURED : MM_AGE_EDEN;
  mm_generations_init(heap);
}

static enum mm_status init_parts(struct mm_heap *heap, struct mm_error *error)
{
  const struct mm_options *options = &heap->options;
  enum mm_status status =
      mm_code_space_check_limit(options->code_max_bytes, error);
  if (status == MM_OK)
    status = mm_compiler_space_limit(&heap->compiler,
                                     options->compiler_max_bytes, error);
  if (status == MM_OK)
    status = init_metadata(heap, error);
  if (status == MM_OK)
    status = reserve_heap(heap, error);
  if (status == MM_OK)
    status = map_tables(heap, error);
  if (status == MM_OK)
    status = start_workers(heap, error);
  if (status == MM_OK)
    status = start_cycles(heap, error);
  if (status != MM_OK)
    return status;
  heap->mutator_ids = mm_native_alloc(
      MM_PURPOSE_HEAP, MUTATOR_ID_WORDS * sizeof(*heap->mutator_ids));
  if (!heap->mutator_ids || !mm_handles_init(heap)) {
    mm_error_set(error, "out of memory");
    return MM_NO_MEMORY;
  }
  mm_object_spaces_reset(heap);
  init_ages(heap);
  heap->tenure_age = MM_AGE_SURVIVOR + 1;
  mm_fixed_init(heap, MM_FIXED_OBJECTS);
  mm_fixed_init(heap, MM_FIXED_NONMOVING);
  mm_sizing_init(heap);
  return MM_OK;
}

void mm_heap_free_region(struct mm_heap *heap, uint32_t index)
{
  if (heap->has_cards) /* a log may still name one */
    mm_cards_set_region(heap, index, MM_CARD_YOUNG);
  if (mm_is_stressed(heap))
    mm_region_free_poisoned(&heap->regions, index);
  else
    mm_region_free(&heap->regions, index);
}

enum mm_status mm_heap_create(const struct mm_options *options,
                              const struct mm_binding *binding, void *host,
                              struct mm_heap **heap, struct mm_error *error)
{
  struct mm_options completed = *options;
  enum mm_status status = mm_options_complete(&completed, error);
  if (status != MM_OK)
    return status;
  struct mm_heap *new = mm_native_alloc(MM_PURPOSE_HEAP, sizeof(*new));
  if (!new) {
    mm_error_set(error, "out of memory");
    return MM_NO_MEMORY;
  }
  new->options = completed;
  new->binding = *binding;
  new->host = host;
  init_plain(new);
  if (!mm_classes_init(&new->classes, MM_REF_SHIFT, MM_OBJECT_ALIGN,
                       MM_SLOT_MAX_BYTES, completed.slot_bytes,
                       completed.slot_count)) {
    mm_error_set(error,
                 "--slot-sizes: too many sizes; at most %d in all, "
                 "with the usual ones",
                 MM_CLASSES_MOST);
    mm_heap_destroy(new);
    return MM_BAD_OPTION;
  }
  status = init_parts(new, error);
  if (status != MM_OK) {
    mm_heap_destroy(new);
    return status;
  }
  mm_schedule_settle(new);
  mm_references_init(new);
  *heap = new;
  return MM_OK;
}

/* Undoes as much as there is: creation that failed ends here too. */
void mm_heap_destroy(struct mm_heap *heap)
{
  MM_ASSERT(!heap->mutators);
  mm_cycle_destroy(heap);
  mm_deaths_destroy(heap);
  mm_workers_destroy(heap->workers);
  if (!mm_breaks(heap, MM_FAULT_LEAK))
    mm_native_free(MM_PURPOSE_HEAP, heap->mutator_ids,
                   MUTATOR_ID_WORDS * sizeof(*heap->mutator_ids));
  mm_logs_drop(heap, &heap->cards.full);
  mm_logs_destroy(heap);
  if (heap->tables) {
    mm_native_charge(MM_PURPOSE_TABLES, -(int64_t)heap->tables_bytes);
    mm_os_release(heap->tables, heap->tables_bytes);
  }
  if (heap->regions.base)
    mm_os_release((void *)heap->regions.base, heap_bytes(heap));
  mm_compiler_space_destroy(&heap->compiler);
  mm_code_space_destroy(&heap->code);
  mm_metadata_destroy(heap);
  mm_pins_destroy(&heap->pins);
  mm_handles_destroy(heap);
  mm_ids_destroy(&heap->ids);
  mm_schedule_destroy(heap);
  pthread_cond_destroy(&heap->cycle.changed);
  pthread_cond_destroy(&heap->cycle.wake);
  pthread_cond_destroy(&heap->resumed);
  pthread_cond_destroy(&heap->stopped);
  pthread_mutex_destroy(&heap->space_lock);
  pthread_mutex_destroy(&heap->lock);
  mm_native_free(MM_PURPOSE_HEAP, heap, sizeof(*heap));
}
