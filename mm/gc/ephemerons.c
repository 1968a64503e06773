/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ephemerons: the value is reached when the key is (Hayes, 1997).
 *
 * First in rounds, on all workers: look at each that is left, keep the values
 * of keys that are reached, trace.  Where values lead to the keys of others a
 * few rounds suffice in practice, but a chain of n may take n of them, n * n
 * steps.  So after some rounds a lone worker goes on with a table from keys to
 * their ephemerons: it looks up each object that it reaches, and each ephemeron
 * is looked at once (as V8 does, "linear algorithm", 2019).  The table's chains
 * go through the links of the ephemerons; without memory for its heads there
 * are more rounds instead.
 *
 *   key reached -> its ephemerons leave the table -> ready -> value kept
 *        ^                                                       |
 *        +---------------- stack: scanned <----------------------+
 */
#include "config.h"

#include "mm/gc/reference_job_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/native.h"

enum { ROUNDS = 4 };

/* Rounds --------------------------------------------------------------------
 */

static bool is_reached(const struct mm_reference_job *job,
                       struct mm_ref reference)
{
  return job->reach->is_reached(job->heap, *mm_referent_slot(reference));
}

/* `waiting' tells the row for those that go on waiting. */
static void look_at(struct mm_worker *worker, struct mm_ref ephemeron)
{
  const struct mm_reference_job *job = worker->heap->references.job;
  if (!is_reached(job, ephemeron)) {
    mm_reference_put(worker, job->waiting, ephemeron);
    return;
  }
  worker->references.kept++;
  job->reach->keep(worker, mm_referent_slot(ephemeron));
  if (!mm_breaks(worker->heap, MM_FAULT_EPHEMERON))
    job->reach->keep(worker, mm_value_slot(ephemeron));
}

static uint64_t take_kept(struct mm_heap *heap)
{
  uint64_t kept = 0;
  for (unsigned i = 0; i < heap->workers->count; i++) {
    kept += heap->workers->each[i].references.kept;
    heap->workers->each[i].references.kept = 0;
  }
  return kept;
}

/* From the row of those just discovered, and the one of those that waited, to
   the other one. */
static bool round_of(struct mm_reference_job *job, uint64_t *kept)
{
  unsigned from = job->waiting;
  job->waiting = from == MM_ROW_WAITING ? MM_ROW_WAITING_TOO : MM_ROW_WAITING;
  job->rows[0] = MM_STRENGTH_EPHEMERON;
  job->rows[1] = from;
  job->row_count = 2;
  mm_reference_visit(job, true, look_at);
  *kept = take_kept(job->heap);
  return *kept == 0 || mm_reference_trace(job);
}

static void go_home(struct mm_worker *worker, struct mm_ref ephemeron)
{
  mm_reference_put(worker, MM_STRENGTH_EPHEMERON, ephemeron);
}

/* The table ----------------------------------------------------------------
 */

struct mm_ephemeron_table {
  struct mm_reference_job *job;
  struct mm_worker *worker; /* whose stack is worked off */
  struct mm_ref *heads;
  size_t places;       /* a power of two */
  struct mm_ref ready; /* their keys are reached */
};

static struct mm_ref *head_of(const struct mm_ephemeron_table *table,
                              struct mm_ref key)
{
  uint64_t hash = key.bits * UINT64_C(0x9e3779b97f4a7c15);
  return &table->heads[hash >> 32 & (table->places - 1)];
}

static void push(struct mm_ref *list, struct mm_ref ephemeron)
{
  *mm_link_slot(ephemeron) = mm_is_null(*list) ? MM_LINK_END : *list;
  *list = ephemeron;
}

static struct mm_ref pop(struct mm_ref *list)
{
  struct mm_ref first = *list, next = *mm_link_slot(first);
  *list = mm_link_goes_on(next) ? next : MM_NULL;
  *mm_link_slot(first) = MM_NULL;
  return first;
}

/* An object is reached: who waited for it is ready. */
static void find_waiting(struct mm_ephemeron_table *table, struct mm_ref key)
{
  struct mm_ref *head = head_of(table, key), rest = *head;
  *head = MM_NULL;
  while (!mm_is_null(rest)) {
    struct mm_ref ephemeron = pop(&rest);
    bool is_ready = mm_same(*mm_referent_slot(ephemeron), key);
    push(is_ready ? &table->ready : head, ephemeron);
  }
}

static void visit_watched(void *context, struct mm_ref *slot)
{
  struct mm_ephemeron_table *table = context;
  const struct mm_reach *reach = table->job->reach;
  struct mm_ref ref = *slot;
  if (mm_is_null(ref))
    return;
  bool is_new = !reach->is_reached(table->job->heap, ref);
  reach->keep(&table->job->heap->workers->each[0], slot);
  if (is_new)
    find_waiting(table, ref);
}

static void scan_chunk(struct mm_ephemeron_table *table, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  uint32_t chunk = mm_trace_chunk(entry);
  uint32_t from = chunk * MM_SCAN_CHUNK, to = mm_length_word(ref);
  if (to - from > MM_SCAN_CHUNK) {
    to = from + MM_SCAN_CHUNK;
    mm_trace_push(table->worker, mm_trace_entry(ref, chunk + 1));
  }
  mm_scan_elements(mm_address(ref), from, to, visit_watched, table);
}

/* As a whole: nothing is pushed for other chunks.  `keep' of a young collection
   asks whose slot it gets, and an owner is in no slot of an object. */
static void scan_special(struct mm_ephemeron_table *table, struct mm_ref ref,
                         const struct mm_layout *layout)
{
  struct mm_special how = {.visit = visit_watched,
                           .context = table,
                           .skips_owner = table->job->reach->is_young};
  mm_scan_special(mm_address(ref), layout, 0, UINT32_MAX, &how);
}

static void scan(struct mm_ephemeron_table *table, uint64_t entry)
{
  struct mm_heap *heap = table->job->heap;
  const struct mm_reach *reach = table->job->reach;
  struct mm_ref ref = mm_trace_ref(entry);
  if (!reach->enter(heap, table->worker, entry))
    return;
  const struct mm_layout *layout = mm_layout_of(ref);
  if (mm_is_special(layout)) {
    scan_special(table, ref, layout);
  } else if (layout->kind == MM_KIND_REF_ARRAY) {
    scan_chunk(table, entry);
    return;
  } else {
    mm_scan_object(mm_address(ref), layout, visit_watched, table);
  }
  if (layout->kind == MM_KIND_REFERENCE)
    mm_reference_meet(&heap->workers->each[0], ref, reach);
}

static bool pop_entry(struct mm_trace_stack *stack, uint64_t *entry)
{
  if (stack->next == stack->oldest)
    return false;
  *entry = stack->entries[--stack->next & (stack->capacity - 1)];
  return true;
}

static void keep_ready(struct mm_ephemeron_table *table)
{
  struct mm_ref ephemeron = pop(&table->ready);
  struct mm_worker *worker = &table->job->heap->workers->each[0];
  table->job->reach->keep(worker, mm_referent_slot(ephemeron));
  visit_watched(table, mm_value_slot(ephemeron));
}

static void work_off(struct mm_ephemeron_table *table)
{
  uint64_t entry;
  for (;;) {
    if (!mm_is_null(table->ready))
      keep_ready(table);
    else if (pop_entry(&table->worker->stack, &entry))
      scan(table, entry);
    else
      return;
  }
}

/* Those of a row; some keys may be reached already. */
static void take_row(struct mm_ephemeron_table *table, unsigned row)
{
  struct mm_heap *heap = table->job->heap;
  for (unsigned i = 0; i < heap->workers->count; i++)
    for (unsigned j = 0; j < MM_ROW_LISTS; j++) {
      struct mm_ref *list = &heap->workers->each[i].references.lists[row][j];
      while (!mm_is_null(*list)) {
        struct mm_ref ephemeron = pop(list);
        struct mm_ref key = *mm_referent_slot(ephemeron);
        push(is_reached(table->job, ephemeron) ? &table->ready
                                               : head_of(table, key),
             ephemeron);
      }
    }
}

static void give_back(struct mm_ephemeron_table *table)
{
  struct mm_worker *worker = &table->job->heap->workers->each[0];
  for (size_t i = 0; i < table->places; i++)
    while (!mm_is_null(table->heads[i]))
      mm_reference_put(worker, table->job->waiting, pop(&table->heads[i]));
}

static void table_goal(struct mm_worker *worker)
{
  struct mm_ephemeron_table *table = worker->heap->references.job->table;
  mm_trace_stack_reset(&worker->stack);
  take_row(table, table->job->waiting);
  do {
    take_row(table, MM_STRENGTH_EPHEMERON);
    work_off(table);
  } while (mm_reference_has(worker->heap, MM_STRENGTH_EPHEMERON));
  give_back(table);
}

static size_t count_waiting(const struct mm_heap *heap, unsigned row)
{
  size_t count = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    for (unsigned j = 0; j < MM_ROW_LISTS; j++) {
      struct mm_ref at = heap->workers->each[i].references.lists[row][j];
      for (; mm_link_goes_on(at); at = *mm_link_slot(at))
        count++;
    }
  return count;
}

/* False: the processing has to be given up. */
static bool use_table(struct mm_reference_job *job)
{
  struct mm_heap *heap = job->heap;
  struct mm_ephemeron_table table = {
      .job = job,
      .worker =
          job->reach->is_lone ? heap->cycle.marker : &heap->workers->each[0],
      .places = 64,
  };
  size_t count = count_waiting(heap, job->waiting);
  while (table.places < count)
    table.places *= 2;
  size_t bytes = table.places * sizeof *table.heads;
  table.heads = mm_native_alloc(MM_PURPOSE_TRACE, bytes);
  if (!table.heads) /* more rounds */
    return true;
  job->table = &table;
  mm_workers_run(heap->workers, 1, table_goal);
  job->table = NULL;
  mm_native_free(MM_PURPOSE_TRACE, table.heads, bytes);
  return mm_reference_trace(job);
}

/* The last round keeps nothing, whatever was dropped before. */
bool mm_ephemerons_run(struct mm_reference_job *job)
{
  uint64_t kept = 1;
  if (!mm_reference_has(job->heap, MM_STRENGTH_EPHEMERON))
    return true;
  job->waiting = MM_ROW_WAITING;
  for (unsigned i = 1; kept > 0; i++) {
    if (!round_of(job, &kept) ||
        (kept > 0 && i % ROUNDS == 0 && !use_table(job)))
      return false;
  }
  job->rows[0] = job->waiting;
  job->row_count = 1;
  mm_reference_visit(job, false, go_home);
  MM_ASSERT(!mm_reference_has(job->heap, MM_ROW_WAITING));
  return true;
}
