/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References as mutators use them, and those that are pending; see
 * references_internal.h.
 *
 *   heap->references.pending -> reference -> reference -> 1
 *                                 link         link
 *
 * The list is a root.  It goes through objects, so a collection that moves them
 * first visits copies of the references on it, which reaches the objects, and
 * brings the list itself up to date when nobody copies any more.  Nobody has to
 * remember cards for links.
 *
 * The referent of a final reference that is pending is held by the list too,
 * since tracing does not discover what has a link.
 *
 * Nobody has to take what is pending, so no pause looks at all of it again and
 * again.  From `settled' on there are old objects only, and links and referents
 * that lead to old ones: young collections end there, unless they move old
 * objects as well.  What is new is put first, and is old after a few of them. A
 * cycle begins with the first one, and its marker follows the links: who takes
 * a reference cuts the list there, so the next one is logged as if its slot had
 * been overwritten.
 */
#include "config.h"

#include "mm/gc/reference_job_internal.h"

#include "mm/assert_internal.h"
#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"

/* Collections --------------------------------------------------------------
 */

/* Where the collection that runs need not look further. */
static struct mm_ref end_of(const struct mm_heap *heap)
{
  return heap->handles.visits_young_only ? heap->references.settled : MM_NULL;
}

void mm_pending_visit(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  struct mm_ref at = heap->references.pending, end = end_of(heap), next;
  if (mm_breaks(heap, MM_FAULT_PENDING) ||
      (heap->handles.visits_young_only &&
       mm_breaks(heap, MM_FAULT_PENDING_YOUNG)))
    return;
  for (; mm_link_goes_on(at) && !mm_same(at, end); at = next) {
    struct mm_ref reference = at, referent = *mm_referent_slot(at);
    next = *mm_link_slot(at);
    visitor->slot(visitor, &reference, MM_ROOT_GLOBAL);
    visitor->slot(visitor, &referent, MM_ROOT_GLOBAL);
  }
}

static bool is_old(const struct mm_heap *heap, struct mm_ref ref)
{
  return mm_is_null(ref) || !mm_handle_is_young(heap, ref);
}

void mm_pending_follow(struct mm_heap *heap, const struct mm_reach *reach)
{
  struct mm_ref *slot = &heap->references.pending;
  struct mm_ref end = end_of(heap), settled = MM_NULL;
  struct mm_worker *worker = &heap->workers->each[0];
  while (mm_link_goes_on(*slot) && !mm_same(*slot, end)) {
    struct mm_ref reference = reach->place(heap, *slot);
    struct mm_ref *referent = mm_referent_slot(reference);
    *slot = reference;
    if (!mm_is_null(*referent))
      reach->keep(worker, referent);
    if (!is_old(heap, reference) || !is_old(heap, *referent))
      settled = MM_NULL;
    else if (mm_is_null(settled))
      settled = reference;
    slot = mm_link_slot(reference);
  }
  heap->references.settled = mm_is_null(settled) ? end : settled;
}

void mm_pending_update(struct mm_heap *heap,
                       void (*update)(void *context, struct mm_ref *slot),
                       void *context)
{
  struct mm_ref *slot = &heap->references.pending;
  while (mm_link_goes_on(*slot)) {
    struct mm_ref reference = *slot;
    update(context, slot);
    slot = mm_link_slot(reference);
  }
  heap->references.settled = MM_NULL;
}

/* Mutators ----------------------------------------------------------------- */

static const struct mm_layout *layout_of(struct mm_ref reference)
{
  const struct mm_layout *layout = mm_layout_of(reference);
  MM_ASSERT(layout->kind == MM_KIND_REFERENCE);
  return layout;
}

static struct mm_ref load(const struct mm_ref *slot)
{
  return (struct mm_ref){__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
}

static void store(struct mm_ref *slot, struct mm_ref value)
{
  __atomic_store_n(&slot->bits, value.bits, __ATOMIC_RELAXED);
}

/* The second time the whole card is dirty: then the reference is found, and not
   a slot that would be taken for a strong one. */
static void note(struct mm_mutator *mutator, struct mm_ref *slot,
                 struct mm_ref value)
{
  mm_barrier_after(mutator, slot, value);
  mm_barrier_after(mutator, slot, value);
}

static void use(struct mm_mutator *mutator, struct mm_ref reference)
{
  const struct mm_references *references = &mutator->heap->references;
  uint32_t now = __atomic_load_n(&references->clock_ms, __ATOMIC_RELAXED);
  store(mm_value_slot(reference), (struct mm_ref){now});
}

void mm_reference_init(struct mm_mutator *mutator, struct mm_ref reference,
                       struct mm_ref referent)
{
  struct mm_ref *slot = mm_referent_slot(reference);
  MM_ASSERT(mm_is_null(*slot));
  if (mm_reference_strength(layout_of(reference)) == MM_STRENGTH_SOFT)
    use(mutator, reference);
  store(slot, referent);
  note(mutator, slot, referent);
}

/* While a cycle clears, what is dead is as good as cleared: see
   noted_internal.h. */
static bool is_dead(struct mm_heap *heap, struct mm_ref ref)
{
  return mm_cycle_is_white(heap, ref) && !mm_breaks(heap, MM_FAULT_WINDOW_GET);
}

/* Of the finalizable, all soft and weak references are cleared before the first
   is marked: so one that was marked by that is not in the slot any more. */
static struct mm_ref load_stronger(struct mm_heap *heap,
                                   const struct mm_ref *slot, struct mm_ref ref)
{
  if (is_dead(heap, ref))
    return MM_NULL;
  return load(slot);
}

static struct mm_ref load_live(struct mm_heap *heap, struct mm_ref reference,
                               const struct mm_ref *slot)
{
  struct mm_ref ref = load(slot);
  enum mm_cycle_state state = mm_cycle_state(heap);
  if (mm_is_null(ref) || !mm_cycle_marks(heap))
    return ref;
  if (state == MM_CYCLE_CLEARING)
    return is_dead(heap, ref) ? MM_NULL : ref;
  if (state == MM_CYCLE_FINALS &&
      mm_reference_strength(layout_of(reference)) < MM_STRENGTH_FINAL)
    return load_stronger(heap, slot, ref);
  return ref;
}

struct mm_ref mm_reference_get(struct mm_mutator *mutator,
                               struct mm_ref reference)
{
  struct mm_ref referent =
      load_live(mutator->heap, reference, mm_referent_slot(reference));
  if (mm_reference_strength(layout_of(reference)) == MM_STRENGTH_SOFT)
    use(mutator, reference);
  mm_barrier_keep(mutator, referent);
  return referent;
}

bool mm_reference_refers_to(struct mm_mutator *mutator, struct mm_ref reference,
                            struct mm_ref object)
{
  const struct mm_ref *slot = mm_referent_slot(reference);
  if (mm_is_null(object))
    return mm_is_null(load_live(mutator->heap, reference, slot));
  return mm_same(load(slot), object);
}

/* A cycle need not mark the referent for it, but a value that was read. */
void mm_reference_clear(struct mm_mutator *mutator, struct mm_ref reference)
{
  if (mm_reference_strength(layout_of(reference)) == MM_STRENGTH_EPHEMERON)
    mm_ephemeron_set_value(mutator, reference, MM_NULL);
  store(mm_referent_slot(reference), MM_NULL);
}

struct mm_ref mm_ephemeron_value(struct mm_mutator *mutator,
                                 struct mm_ref ephemeron)
{
  struct mm_ref value =
      load_live(mutator->heap, ephemeron, mm_value_slot(ephemeron));
  MM_ASSERT(mm_reference_strength(layout_of(ephemeron)) ==
            MM_STRENGTH_EPHEMERON);
  mm_barrier_keep(mutator, value);
  return value;
}

void mm_ephemeron_set_value(struct mm_mutator *mutator, struct mm_ref ephemeron,
                            struct mm_ref value)
{
  struct mm_ref *slot = mm_value_slot(ephemeron);
  MM_ASSERT(mm_reference_strength(layout_of(ephemeron)) ==
            MM_STRENGTH_EPHEMERON);
  mm_barrier_before(mutator, slot);
  store(slot, value);
  note(mutator, slot, value);
}

bool mm_references_are_pending(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->references.pending.bits, __ATOMIC_RELAXED) != 0;
}

/* What a final one refers to was reached by the list until now. */
static struct mm_ref take_referent(struct mm_mutator *mutator,
                                   struct mm_ref reference)
{
  struct mm_ref *slot = mm_referent_slot(reference), referent = load(slot);
  mm_barrier_keep(mutator, referent);
  store(slot, MM_NULL);
  return referent;
}

struct mm_ref mm_references_take_pending(struct mm_mutator *mutator,
                                         struct mm_ref *referent)
{
  struct mm_heap *heap = mutator->heap;
  *referent = MM_NULL;
  if (!mm_references_are_pending(heap))
    return MM_NULL;
  pthread_mutex_lock(&heap->lock);
  struct mm_ref first = load(&heap->references.pending), next = MM_NULL;
  if (!mm_is_null(first)) {
    next = load(mm_link_slot(first));
    next = mm_link_goes_on(next) ? next : MM_NULL;
    store(&heap->references.pending, next);
    if (mm_same(first, heap->references.settled))
      heap->references.settled = next;
    store(mm_link_slot(first), MM_NULL);
    mm_stat_count(&heap->stat, MM_COUNT_REFERENCES_TAKEN, 1);
  }
  pthread_mutex_unlock(&heap->lock);
  if (mm_is_null(first))
    return first;
  if (!mm_breaks(heap, MM_FAULT_PENDING_CUT))
    mm_barrier_keep(mutator, next);
  *referent = take_referent(mutator, first);
  return first;
}
