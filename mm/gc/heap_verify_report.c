/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verifier writes: a head, once, with all that a replay needs, and a
 * line for each fault.
 *
 *   heap verifier: after GC(3) (Stress, evacuate), seed 7
 *   broken edge: Pair at 0x40000010 + 8 (small region 0) -> 0x40080008
 *     (free region 2): it points into a free region
 *
 * Behind an address stands the id of the object there, if it has one: " #7",
 * or " (once #7)" where it was before the last collection.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>

#include "mm/gc/faults_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/gc/verifier_internal.h"

static void print_head(struct mm_verifier *verifier)
{
  const struct mm_stat *stat = &verifier->heap->stat;
  const struct mm_stat_collection *last = &stat->current;
  const struct mm_options *options = &verifier->heap->options;
  fprintf(verifier->out, "heap verifier: %s ", verifier->when);
  if (last->active || mm_collections(verifier->heap) > 0)
    fprintf(verifier->out, "GC(%" PRIu64 ") (%s, %s)", last->number,
            mm_cause_name(last->cause), mm_collection_kind_name(last->kind));
  else
    fprintf(verifier->out, "any collection");
  fprintf(verifier->out,
          ", %" PRIu64 " forced, seed %" PRIu64 "%s, workers %u, stress alloc:"
          "%" PRIu64 " poll:%" PRIu64 " barrier:%" PRIu64 "%s\n",
          mm_collections_forced(verifier->heap), options->seed,
          options->deterministic ? ", deterministic" : "", options->workers,
          options->stress_alloc, options->stress_poll, options->stress_barrier,
          options->stress_phase ? " phase" : "");
  mm_faults_print(verifier->heap, verifier->out);
}

static void count_fault(struct mm_verifier *verifier)
{
  if (verifier->faults++ == 0)
    print_head(verifier);
}

/* " #7", of the object that is or was there, if it has an id. */
static void print_id(struct mm_verifier *verifier, uintptr_t address)
{
  const struct mm_object_ids *ids = &verifier->heap->ids;
  struct mm_ref ref = mm_ref_at((void *)address);
  uint64_t id = mm_ids_find(ids, ref), before = 0;
  if (id == 0)
    before = mm_ids_find_before(ids, ref);
  if (id != 0)
    fprintf(verifier->out, " #%" PRIu64, id);
  else if (before != 0)
    fprintf(verifier->out, " (once #%" PRIu64 ")", before);
}

static void print_place(struct mm_verifier *verifier, uintptr_t address)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  fprintf(verifier->out, "0x%" PRIxPTR, address);
  print_id(verifier, address);
  if (!mm_regions_contain(regions, address)) {
    fprintf(verifier->out, " (outside of the heap)");
    return;
  }
  uint32_t index = mm_region_index(regions, address);
  if (index >= regions->fresh_from)
    fprintf(verifier->out, " (region %" PRIu32 ", never used)", index);
  else
    fprintf(verifier->out, " (%s region %" PRIu32 ")",
            mm_region_kind_name(regions->table[index].kind), index);
}

/* The class's name, when the header is sound enough to ask for it. */
static void print_class(struct mm_verifier *verifier, uintptr_t address)
{
  struct mm_heap *heap = verifier->heap;
  uint32_t word = *(const uint32_t *)address;
  char name[128];
  if (mm_verify_layout_fault(heap, word)) {
    fprintf(verifier->out, "object of unknown class at ");
    return;
  }
  struct mm_layout *layout = (struct mm_layout *)(uintptr_t)word;
  if (layout->kind == MM_KIND_FILLER)
    snprintf(name, sizeof name, "filler");
  else
    mm_layout_name(heap, layout, name, sizeof name);
  fprintf(verifier->out, "%s at ", name);
}

static void print_holder(struct mm_verifier *verifier,
                         const struct mm_verify_edge *edge)
{
  if (mm_is_null(edge->holder)) {
    fprintf(verifier->out, "%s root at %p", edge->root, edge->slot);
    if (edge->mutator)
      fprintf(verifier->out, " of mutator %" PRIu32, edge->mutator);
    return;
  }
  print_class(verifier, (uintptr_t)mm_address(edge->holder));
  print_place(verifier, (uintptr_t)mm_address(edge->holder));
  fprintf(verifier->out, " + %" PRIu64, edge->offset);
}

void mm_verify_edge_fault(struct mm_verifier *verifier,
                          const struct mm_verify_edge *edge, const char *fault)
{
  count_fault(verifier);
  fprintf(verifier->out, "broken edge: ");
  print_holder(verifier, edge);
  fprintf(verifier->out, " -> ");
  print_place(verifier, (uintptr_t)mm_address(edge->value));
  fprintf(verifier->out, ": it %s\n", fault);
}

void mm_verify_object_fault(struct mm_verifier *verifier, uintptr_t address,
                            const char *format, ...)
{
  va_list arguments;
  count_fault(verifier);
  fprintf(verifier->out, "broken object: ");
  print_class(verifier, address);
  print_place(verifier, address);
  fprintf(verifier->out, ": ");
  va_start(arguments, format);
  vfprintf(verifier->out, format, arguments);
  va_end(arguments);
  putc('\n', verifier->out);
}

void mm_verify_region_fault(struct mm_verifier *verifier, uint32_t region,
                            const char *format, ...)
{
  va_list arguments;
  count_fault(verifier);
  fprintf(verifier->out, "broken region: %" PRIu32 " (%s): ", region,
          mm_region_kind_name(verifier->heap->regions.table[region].kind));
  va_start(arguments, format);
  vfprintf(verifier->out, format, arguments);
  va_end(arguments);
  putc('\n', verifier->out);
}
