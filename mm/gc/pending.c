/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References as mutators use them, and those that are pending; see
 * references_internal.h.
 *
 *   heap->references.pending -> reference -> reference -> 1
 *                                 link         link
 *
 * That is where the collector puts them, whatever language they are of.  Who
 * takes those of one language (mm_language_take_pending) puts the others that
 * come first on queues of theirs, which are lists of the same kind; so nobody
 * takes what is another's, and nothing is looked at twice.
 *
 * Each list is a root.  It goes through objects, so a collection that moves
 * them first visits copies of the references on it, which reaches the objects,
 * and brings the list itself up to date when nobody copies any more.  Nobody
 * has to remember cards for links.
 *
 * The referent of a final reference that is pending is held by the list too,
 * since tracing does not discover what has a link.
 *
 * Nobody has to take what is pending, so no pause looks at all of it again and
 * again.  From `settled' on there are old objects only, and links and referents
 * that lead to old ones: young collections end there, unless they move old
 * objects as well.  What is new is put first, and is old after a few of them. A
 * cycle begins with the first one, and its marker follows the links: who takes
 * a reference, or puts it aside, cuts the list there, so the next one is logged
 * as if its slot had been overwritten.
 */
#include "config.h"

#include "mm/gc/reference_job_internal.h"

#include "mm/assert_internal.h"
#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/noted_internal.h"

/* Collections --------------------------------------------------------------
 */

bool mm_pending_has_any(struct mm_heap *heap)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++)
    if (!mm_is_null(mm_pending_list(heap, i)->first))
      return true;
  return false;
}

/* Where the collection that runs need not look further. */
static struct mm_ref end_of(const struct mm_heap *heap,
                            const struct mm_pending_list *list)
{
  return heap->handles.visits_young_only ? list->settled : MM_NULL;
}

static struct mm_ref load(const struct mm_ref *slot)
{
  return (struct mm_ref){__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
}

static void store(struct mm_ref *slot, struct mm_ref value)
{
  __atomic_store_n(&slot->bits, value.bits, __ATOMIC_RELAXED);
}

static bool is_overlooked(struct mm_heap *heap, unsigned i)
{
  return mm_breaks(heap, i == 0 ? MM_FAULT_PENDING : MM_FAULT_PENDING_QUEUE) ||
         (heap->handles.visits_young_only &&
          mm_breaks(heap, MM_FAULT_PENDING_YOUNG));
}

static void visit_list(struct mm_heap *heap, const struct mm_pending_list *list,
                       struct mm_root_visitor *visitor)
{
  struct mm_ref at = list->first, end = end_of(heap, list), next;
  for (; mm_link_goes_on(at) && !mm_same(at, end); at = next) {
    struct mm_ref reference = at, referent = *mm_referent_slot(at);
    next = *mm_link_slot(at);
    visitor->slot(visitor, &reference, MM_ROOT_GLOBAL);
    visitor->slot(visitor, &referent, MM_ROOT_GLOBAL);
  }
}

void mm_pending_visit(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++) {
    const struct mm_pending_list *list = mm_pending_list(heap, i);
    if (!mm_is_null(list->first) && !is_overlooked(heap, i))
      visit_list(heap, list, visitor);
  }
}

static bool is_old(const struct mm_heap *heap, struct mm_ref ref)
{
  return mm_is_null(ref) || !mm_handle_is_young(heap, ref);
}

static void follow_list(struct mm_heap *heap, struct mm_pending_list *list,
                        const struct mm_reach *reach)
{
  struct mm_ref *slot = &list->first;
  struct mm_ref end = end_of(heap, list), settled = MM_NULL;
  struct mm_worker *worker = &heap->workers->each[0];
  while (mm_link_goes_on(*slot) && !mm_same(*slot, end)) {
    struct mm_ref reference = reach->place(heap, *slot);
    struct mm_ref *referent = mm_referent_slot(reference);
    store(slot, reference); /* threads ask whether something is pending */
    if (!mm_is_null(*referent))
      reach->keep(worker, referent);
    if (!is_old(heap, reference) || !is_old(heap, *referent))
      settled = MM_NULL;
    else if (mm_is_null(settled))
      settled = reference;
    slot = mm_link_slot(reference);
  }
  list->settled = mm_is_null(settled) ? end : settled;
}

void mm_pending_follow(struct mm_heap *heap, const struct mm_reach *reach)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++)
    follow_list(heap, mm_pending_list(heap, i), reach);
}

static void update_list(struct mm_pending_list *list,
                        void (*update)(void *context, struct mm_ref *slot),
                        void *context)
{
  struct mm_ref *slot = &list->first;
  while (mm_link_goes_on(*slot)) {
    struct mm_ref reference = *slot, moved = reference;
    update(context, &moved);
    store(slot, moved);
    slot = mm_link_slot(reference);
  }
  list->settled = MM_NULL;
}

void mm_pending_update(struct mm_heap *heap,
                       void (*update)(void *context, struct mm_ref *slot),
                       void *context)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++)
    update_list(mm_pending_list(heap, i), update, context);
}

/* Mutators ----------------------------------------------------------------- */

static const struct mm_layout *layout_of(struct mm_ref reference)
{
  const struct mm_layout *layout = mm_layout_of(reference);
  MM_ASSERT(layout->kind == MM_KIND_REFERENCE);
  return layout;
}

/* The second time the whole card is dirty: then the reference is found, and not
   a slot that would be taken for a strong one. */
static void note(struct mm_mutator *mutator, struct mm_ref *slot,
                 struct mm_ref value)
{
  mm_barrier_after(mutator, slot, value);
  mm_barrier_after(mutator, slot, value);
}

/* As a soft reference has it that was used now. */
static struct mm_ref clock_of(const struct mm_heap *heap)
{
  return (struct mm_ref){
      __atomic_load_n(&heap->references.clock_ms, __ATOMIC_RELAXED)};
}

static void use(struct mm_mutator *mutator, struct mm_ref reference)
{
  store(mm_value_slot(reference), clock_of(mutator->heap));
}

/* The cycle, as a weak reference has it that was made in it. */
static struct mm_ref stamp(const struct mm_heap *heap)
{
  uint64_t number = __atomic_load_n(&heap->cycle.number, __ATOMIC_RELAXED);
  return (struct mm_ref){(uint32_t)number};
}

void mm_reference_init(struct mm_mutator *mutator, struct mm_ref reference,
                       struct mm_ref referent)
{
  struct mm_ref *slot = mm_referent_slot(reference);
  unsigned strength = mm_reference_strength(layout_of(reference));
  MM_ASSERT(mm_is_null(*slot));
  mm_language_require_kind(mutator->heap, layout_of(reference));
  if (strength == MM_STRENGTH_SOFT)
    use(mutator, reference);
  else if (strength == MM_STRENGTH_WEAK &&
           mm_cycle_state(mutator->heap) == MM_CYCLE_FINALS)
    store(mm_value_slot(reference), stamp(mutator->heap));
  store(slot, referent);
  note(mutator, slot, referent);
}

/* While a cycle clears, what is dead is as good as cleared: see
   noted_internal.h. */
static bool is_dead(struct mm_heap *heap, struct mm_ref ref)
{
  return mm_cycle_is_white(heap, ref) && !mm_breaks(heap, MM_FAULT_WINDOW_GET);
}

/* While finals are marked: was the reference made meanwhile?  Then the marker
   has not noted it, and the cycle does not clear it.  Where room is used again,
   what is new is covered and marked as the rest is: a weak one has a stamp, and
   a soft one was used since the clock went on, when the cycle began.  (So may
   be one that the marker noted: but only while the cycle marked, which kept
   what it refers to.) */
static bool is_new(const struct mm_heap *heap, struct mm_ref reference)
{
  if (!mm_cycle_covers(heap, reference))
    return true;
  if (mm_reference_strength(layout_of(reference)) == MM_STRENGTH_SOFT)
    return mm_same(load(mm_value_slot(reference)), clock_of(heap));
  return mm_same(load(mm_value_slot(reference)), stamp(heap));
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
      mm_reference_strength(layout_of(reference)) < MM_STRENGTH_FINAL &&
      !is_new(heap, reference))
    return load_stronger(heap, slot, ref);
  return ref;
}

struct mm_ref mm_reference_get(struct mm_mutator *mutator,
                               struct mm_ref reference)
{
  struct mm_ref referent =
      load_live(mutator->heap, reference, mm_referent_slot(reference));
  if (!mm_is_null(referent) &&
      mm_reference_strength(layout_of(reference)) == MM_STRENGTH_SOFT)
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

/* No point where a deterministic schedule passes the turn on: hosts have tables
   of ephemerons, and locks of theirs. */
void mm_ephemeron_set_value(struct mm_mutator *mutator, struct mm_ref ephemeron,
                            struct mm_ref value)
{
  struct mm_ref *slot = mm_value_slot(ephemeron);
  MM_ASSERT(mm_reference_strength(layout_of(ephemeron)) ==
            MM_STRENGTH_EPHEMERON);
  mm_barrier_keep(mutator, load(slot));
  store(slot, value);
  note(mutator, slot, value);
}

/* Taking --------------------------------------------------------------------
 */

bool mm_language_has_pending(const struct mm_heap *heap, unsigned language)
{
  return !mm_is_null(load(&heap->references.pending.first)) ||
         !mm_is_null(load(&heap->references.queues[language].first));
}

bool mm_references_are_pending(const struct mm_heap *heap)
{
  return mm_language_has_pending(heap, 0);
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

/* The first one leaves the list.  `next': the one behind it, or null. */
static struct mm_ref pop_locked(struct mm_pending_list *list,
                                struct mm_ref *next)
{
  struct mm_ref first = load(&list->first);
  *next = MM_NULL;
  if (mm_is_null(first))
    return MM_NULL;
  struct mm_ref link = load(mm_link_slot(first));
  if (mm_link_goes_on(link))
    *next = link;
  store(&list->first, *next);
  if (mm_same(first, list->settled))
    list->settled = *next;
  store(mm_link_slot(first), MM_NULL);
  return first;
}

static void push_locked(struct mm_pending_list *list, struct mm_ref reference)
{
  struct mm_ref next = load(&list->first);
  store(mm_link_slot(reference), mm_is_null(next) ? MM_LINK_END : next);
  store(&list->first, reference);
}

/* Those that stood behind one that was taken: a cycle has to hear of them. */
enum { SORT_MOST = 256 };
struct cuts {
  unsigned count;
  struct mm_ref behind[SORT_MOST + 1];
};

/* From what the collector found to queues, until there is one for the language,
   or the lock was held for long enough. */
static void sort_locked(struct mm_references *references, unsigned language,
                        struct cuts *cuts)
{
  for (int i = 0;
       i < SORT_MOST && mm_is_null(references->queues[language].first); i++) {
    struct mm_ref reference =
        pop_locked(&references->pending, &cuts->behind[cuts->count]);
    if (mm_is_null(reference))
      return;
    cuts->count++;
    push_locked(&references->queues[mm_layout_of(reference)->language],
                reference);
  }
}

static struct mm_ref take_locked(struct mm_heap *heap, unsigned language,
                                 struct cuts *cuts)
{
  struct mm_references *references = &heap->references;
  sort_locked(references, language, cuts);
  struct mm_ref first =
      pop_locked(&references->queues[language], &cuts->behind[cuts->count++]);
  if (!mm_is_null(first)) {
    references->taken[language]++;
    mm_stat_count(&heap->stat, MM_COUNT_REFERENCES_TAKEN, 1);
  }
  return first;
}

/* No safepoint lies between the cut and this. */
static void keep_cuts(struct mm_mutator *mutator, const struct cuts *cuts)
{
  if (mm_breaks(mutator->heap, MM_FAULT_PENDING_CUT))
    return;
  for (unsigned i = 0; i < cuts->count; i++)
    mm_barrier_keep(mutator, cuts->behind[i]);
}

struct mm_ref mm_language_take_pending(struct mm_mutator *mutator,
                                       unsigned language,
                                       struct mm_ref *referent)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_ref first = MM_NULL;
  while (mm_is_null(first) && mm_language_has_pending(heap, language)) {
    struct cuts cuts;
    cuts.count = 0;
    pthread_mutex_lock(&heap->lock);
    first = take_locked(heap, language, &cuts);
    pthread_mutex_unlock(&heap->lock);
    keep_cuts(mutator, &cuts);
  }
  *referent = mm_is_null(first) ? MM_NULL : take_referent(mutator, first);
  return first;
}

struct mm_ref mm_references_take_pending(struct mm_mutator *mutator,
                                         struct mm_ref *referent)
{
  return mm_language_take_pending(mutator, 0, referent);
}
