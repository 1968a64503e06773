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
 */
#include "config.h"

#include "mm/gc/reference_job_internal.h"

#include "mm/assert_internal.h"
#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"

/* Collections --------------------------------------------------------------
 */

bool mm_pending_has_any(struct mm_heap *heap)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++)
    if (!mm_is_null(*mm_pending_list(heap, i)))
      return true;
  return false;
}

static void visit_list(struct mm_ref at, struct mm_root_visitor *visitor)
{
  struct mm_ref next;
  for (; mm_link_goes_on(at); at = next) {
    struct mm_ref reference = at, referent = *mm_referent_slot(at);
    next = *mm_link_slot(at);
    visitor->slot(visitor, &reference, MM_ROOT_GLOBAL);
    visitor->slot(visitor, &referent, MM_ROOT_GLOBAL);
  }
}

void mm_pending_visit(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++) {
    struct mm_ref first = *mm_pending_list(heap, i);
    if (!mm_is_null(first) &&
        !mm_breaks(heap, i == 0 ? MM_FAULT_PENDING : MM_FAULT_PENDING_QUEUE))
      visit_list(first, visitor);
  }
}

static void follow_list(struct mm_heap *heap, struct mm_ref *slot,
                        const struct mm_reach *reach)
{
  struct mm_worker *worker = &heap->workers->each[0];
  while (mm_link_goes_on(*slot)) {
    struct mm_ref reference = reach->place(heap, *slot);
    *slot = reference;
    if (!mm_is_null(*mm_referent_slot(reference)))
      reach->keep(worker, mm_referent_slot(reference));
    slot = mm_link_slot(reference);
  }
}

void mm_pending_follow(struct mm_heap *heap, const struct mm_reach *reach)
{
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++)
    follow_list(heap, mm_pending_list(heap, i), reach);
}

static void update_list(struct mm_ref *slot,
                        void (*update)(void *context, struct mm_ref *slot),
                        void *context)
{
  while (mm_link_goes_on(*slot)) {
    struct mm_ref reference = *slot;
    update(context, slot);
    slot = mm_link_slot(reference);
  }
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
  mm_language_require_kind(mutator->heap, layout_of(reference));
  if (mm_reference_strength(layout_of(reference)) == MM_STRENGTH_SOFT)
    use(mutator, reference);
  store(slot, referent);
  note(mutator, slot, referent);
}

struct mm_ref mm_reference_get(struct mm_mutator *mutator,
                               struct mm_ref reference)
{
  struct mm_ref referent = load(mm_referent_slot(reference));
  if (mm_reference_strength(layout_of(reference)) == MM_STRENGTH_SOFT)
    use(mutator, reference);
  mm_barrier_keep(mutator, referent);
  return referent;
}

bool mm_reference_refers_to(struct mm_ref reference, struct mm_ref object)
{
  return mm_same(load(mm_referent_slot(reference)), object);
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
  struct mm_ref value = load(mm_value_slot(ephemeron));
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

/* Taking --------------------------------------------------------------------
 */

bool mm_language_has_pending(const struct mm_heap *heap, unsigned language)
{
  return !mm_is_null(load(&heap->references.pending)) ||
         !mm_is_null(load(&heap->references.queues[language]));
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

/* The first one leaves the list. */
static struct mm_ref pop_locked(struct mm_ref *list)
{
  struct mm_ref first = load(list);
  if (mm_is_null(first))
    return MM_NULL;
  struct mm_ref next = *mm_link_slot(first);
  store(list, mm_link_goes_on(next) ? next : MM_NULL);
  *mm_link_slot(first) = MM_NULL;
  return first;
}

static void push_locked(struct mm_ref *list, struct mm_ref reference)
{
  struct mm_ref next = load(list);
  *mm_link_slot(reference) = mm_is_null(next) ? MM_LINK_END : next;
  store(list, reference);
}

/* From what the collector found to queues, until there is one for the language,
   or the lock was held for long enough. */
static void sort_locked(struct mm_references *references, unsigned language)
{
  enum { MOST = 256 };
  for (int i = 0; i < MOST && mm_is_null(references->queues[language]); i++) {
    struct mm_ref reference = pop_locked(&references->pending);
    if (mm_is_null(reference))
      return;
    push_locked(&references->queues[mm_layout_of(reference)->language],
                reference);
  }
}

static struct mm_ref take_locked(struct mm_heap *heap, unsigned language)
{
  struct mm_references *references = &heap->references;
  sort_locked(references, language);
  struct mm_ref first = pop_locked(&references->queues[language]);
  if (!mm_is_null(first)) {
    references->taken[language]++;
    mm_stat_count(&heap->stat, MM_COUNT_REFERENCES_TAKEN, 1);
  }
  return first;
}

struct mm_ref mm_language_take_pending(struct mm_mutator *mutator,
                                       unsigned language,
                                       struct mm_ref *referent)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_ref first = MM_NULL;
  while (mm_is_null(first) && mm_language_has_pending(heap, language)) {
    pthread_mutex_lock(&heap->lock);
    first = take_locked(heap, language);
    pthread_mutex_unlock(&heap->lock);
  }
  *referent = mm_is_null(first) ? MM_NULL : take_referent(mutator, first);
  return first;
}

struct mm_ref mm_references_take_pending(struct mm_mutator *mutator,
                                         struct mm_ref *referent)
{
  return mm_language_take_pending(mutator, 0, referent);
}
