/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slow path of allocation: everything that the inline fast path does not
 * do.
 *
 *   stress: a forced collection at each N-th
 *   up to 8 KiB          TLAB             (tenured=freelist: slots up to
 *   up to half a region  beside the TLABs  2 KiB, gaps up to half a region)
 *   above                large object
 *   no region left for young objects, with tenured=freelist: among old ones
 *   no room -> collect as planned -> no room -> compact all -> null
 *
 * What a collection frees is anybody's once the world goes on, and a thread
 * with bad luck would find nothing left of it time after time, its own or
 * others'.  So whoever waits for room says so (struct mm_request), and is
 * served before the world goes on, by the thread that collected; see
 * Note [No wrong refusal].
 */
#include "config.h"

#include "mm/alloc/tlab_internal.h"
#include "mm/assert_internal.h"
#include "mm/gc/alloc_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/collect_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/pacing_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/mm_inline.h"
#include "mm/space/fixed_internal.h"
#include "mm/space/large_internal.h"
#include "mm/space/object_internal.h"

/* A mutator that needs two collections while the program allocates less than
   this part of the heap collects for every few objects. */
enum { STARVING_FRACTION = 64 };

/* Under stress, one collection of so many stops the world as a whole. */
enum { FORCED_FULL = 8 };

/* False when no object can have this length. */
static inline bool measure(struct mm_request *request)
{
  const struct mm_layout *layout = request->layout;
  uint32_t length = request->length;
  switch ((enum mm_kind)layout->kind) {
  case MM_KIND_PLAIN:
  case MM_KIND_REFERENCE:
    request->bytes = layout->base_bytes;
    return true;
  case MM_KIND_REF_ARRAY:
  case MM_KIND_DATA_ARRAY:
  case MM_KIND_TAGGED_ARRAY:
    request->bytes = mm_array_bytes(layout, length);
    return length <= MM_ARRAY_LENGTH_MAX;
  case MM_KIND_STRING:
    request->bytes = mm_string_bytes(length);
    return length >> 1 <= MM_STRING_LENGTH_MAX;
  case MM_KIND_CUSTOM:
    request->bytes = length;
    return length >= MM_CUSTOM_LEAST_BYTES && length % MM_OBJECT_ALIGN == 0;
  case MM_KIND_FILLER:
    break;
  }
  mm_size_unknown(layout);
}

static void count_direct(struct mm_mutator *mutator, uint64_t bytes)
{
  mutator->allocated_bytes += bytes;
  mm_stat_count(&mutator->heap->stat, MM_COUNT_ALLOCATED_BYTES, bytes);
}

/* One that is not to move is old from the start, as smaller ones are: slots
   outside of the heap have no cards, and instances of a class do not keep its
   owner in a young collection (Note [Owners of classes] in mm/language.h). */
static enum mm_status alloc_large(struct mm_heap *heap, uint64_t bytes,
                                  bool nonmoving, uint32_t limit, uintptr_t *at)
{
  enum mm_status status = mm_large_alloc(heap, bytes, limit, at);
  if (status != MM_OK)
    return status;
  /* What it takes: the rest of its last region is of no use to others. */
  heap->fixed[MM_FIXED_OBJECTS].claimed_bytes +=
      (bytes + MM_REGION_BYTES - 1) & ~(uint64_t)(MM_REGION_BYTES - 1);
  if (mm_cycle_marks(heap))
    mm_region_clear_marks(heap, mm_region_index(&heap->regions, *at));
  mm_cycle_bear(heap, *at);
  uint32_t index = mm_region_index(&heap->regions, *at);
  if (mm_is_generational(heap) && !nonmoving)
    mm_object_add_young(heap, index, MM_AGE_EDEN);
  else if (heap->has_cards)
    mm_object_make_tenured(heap, index);
  if (nonmoving)
    heap->old_allocated_bytes += bytes;
  return MM_OK;
}

static enum mm_status alloc_nonmoving(struct mm_heap *heap, size_t bytes,
                                      uint32_t limit, uintptr_t *at)
{
  enum mm_status status =
      mm_fixed_alloc(heap, &heap->fixed[MM_FIXED_NONMOVING], bytes, limit, at);
  if (status != MM_OK)
    return status;
  mm_stat_count(&heap->stat, MM_COUNT_NONMOVING_ALLOCATED, 1);
  heap->old_allocated_bytes += bytes;
  return MM_OK;
}

/* Among the old ones: no region may be left for young ones where old objects
   leave room in plenty, between them. */
static enum mm_status alloc_old(struct mm_heap *heap, size_t bytes,
                                uint32_t limit, uintptr_t *at)
{
  enum mm_status status =
      mm_fixed_alloc(heap, &heap->fixed[MM_FIXED_OBJECTS], bytes, limit, at);
  if (status == MM_OK)
    heap->old_allocated_bytes += bytes;
  return status;
}

static bool is_small(const struct mm_request *request)
{
  return request->bytes <= MM_SMALL_OBJECT_MAX_BYTES;
}

/* What mutators allocate is old, and stays in a slot. */
static bool has_slots(const struct mm_mutator *mutator)
{
  return mutator->slots && !mm_is_generational(mutator->heap);
}

static enum mm_status find_usual_room(struct mm_mutator *mutator,
                                      const struct mm_request *request,
                                      uint32_t limit, uintptr_t *at)
{
  struct mm_heap *heap = mutator->heap;
  uint64_t bytes = request->bytes;
  bool is_bounded = mm_is_generational(heap) && is_small(request) &&
                    !request->nonmoving && limit < heap->sizing.max_regions;
  if (is_bounded && mm_sizing_eden_left(heap) == 0)
    return MM_NO_MEMORY;
  if (is_small(request) && !request->nonmoving && has_slots(mutator))
    return mm_fixed_alloc_mutator(mutator, bytes, limit, at);
  if (bytes <= MM_TLAB_OBJECT_MAX_BYTES && !request->nonmoving)
    return mm_tlab_alloc(mutator, bytes, limit, at);
  enum mm_status status;
  if (!is_small(request))
    status = alloc_large(heap, bytes, request->nonmoving, limit, at);
  else if (request->nonmoving)
    status = alloc_nonmoving(heap, bytes, limit, at);
  else
    status = mm_object_cut_medium(heap, heap->born_age, bytes, limit, true, at);
  if (status == MM_OK)
    count_direct(mutator, bytes);
  return status;
}

static enum mm_status find_room_locked(struct mm_mutator *mutator,
                                       const struct mm_request *request,
                                       uint32_t limit, uintptr_t *at)
{
  struct mm_heap *heap = mutator->heap;
  enum mm_status status = find_usual_room(mutator, request, limit, at);
  if (status == MM_OK || !is_small(request) || request->nonmoving ||
      !mm_sizing_is_crowded(heap))
    return status;
  status = alloc_old(heap, request->bytes, limit, at);
  if (status == MM_OK)
    count_direct(mutator, request->bytes);
  return status;
}

/* The first and the last word of an object to be; the middle is the affair of
   tests. */
static bool is_zero(uintptr_t at, uint64_t bytes)
{
  return *(const uint64_t *)at == 0 &&
         *(const uint64_t *)(at + bytes - sizeof(uint64_t)) == 0;
}

static struct mm_ref write_object(const struct mm_request *request,
                                  uintptr_t at)
{
  MM_ASSERT((at & (MM_OBJECT_ALIGN - 1)) == 0 && is_zero(at, request->bytes));
  mm_write_header(at, request->layout);
  if (request->layout->kind != MM_KIND_PLAIN &&
      request->layout->kind != MM_KIND_REFERENCE)
    *(uint32_t *)(at + MM_ARRAY_LENGTH_OFFSET) = request->length;
  return mm_ref_at((void *)at);
}

/* Room was taken: a cycle may be due, or memory to be touched ahead. */
static void look_ahead_locked(struct mm_heap *heap)
{
  if (mm_sizing_wants_cycle(heap) || heap->options.stress_phase)
    mm_cycle_request_locked(heap);
  mm_cycle_wake_if_cold_locked(heap);
}

/* What a mutator was given: a buffer, room in gaps and slots, or an object. */
static uint64_t given_bytes(const struct mm_mutator *mutator,
                            const struct mm_request *request, uint64_t refills,
                            uint64_t claimed_bytes)
{
  if (mutator->refills != refills)
    return mutator->tlab_end - mutator->tlab_start;
  uint64_t claimed = mm_sizing_claimed_bytes(mutator->heap);
  return claimed > claimed_bytes ? claimed - claimed_bytes : request->bytes;
}

/* Allocates without a collection; null when that needs one. */
static struct mm_ref attempt(struct mm_mutator *mutator,
                             const struct mm_request *request)
{
  struct mm_heap *heap = mutator->heap;
  uintptr_t at;
  pthread_mutex_lock(&heap->lock);
  uint32_t limit = mm_sizing_allocation_limit(heap),
           ceiling = mm_sizing_ceiling(heap);
  if (ceiling < limit && request->bytes <= MM_REGION_BYTES)
    limit = ceiling;
  uint64_t refills = mutator->refills, claimed = mm_sizing_claimed_bytes(heap);
  enum mm_status status = find_room_locked(mutator, request, limit, &at);
  if (status == MM_OK)
    mm_pacing_charge_locked(heap,
                            given_bytes(mutator, request, refills, claimed));
  look_ahead_locked(heap);
  pthread_mutex_unlock(&heap->lock);
  return status == MM_OK ? write_object(request, at) : MM_NULL;
}

static bool nonmoving_is_full(const struct mm_heap *heap)
{
  const struct mm_fixed_space *space = &heap->fixed[MM_FIXED_NONMOVING];
  return space->regions >= space->max_regions;
}

static struct mm_ref refuse(struct mm_mutator *mutator,
                            const struct mm_request *request)
{
  struct mm_heap *heap = mutator->heap;
  mm_stat_count(&heap->stat, MM_COUNT_OUT_OF_MEMORY, 1);
  pthread_mutex_lock(&heap->lock);
  mutator->refusal = request->nonmoving && nonmoving_is_full(heap)
                         ? MM_REFUSED_NONMOVING
                         : MM_REFUSED_HEAP;
  pthread_mutex_unlock(&heap->lock);
  return MM_NULL;
}

enum mm_refusal mm_take_refusal(struct mm_mutator *mutator)
{
  enum mm_refusal refusal = mutator->refusal;
  mutator->refusal = MM_REFUSED_HEAP;
  return refusal;
}

const char *mm_refusal_text(enum mm_refusal refusal)
{
  static const char *const texts[MM_REFUSAL_COUNT] = {
      [MM_REFUSED_HEAP] = "the heap is full",
      [MM_REFUSED_NONMOVING] =
          "the space of objects that do not move is full (--nonmoving-max)",
      [MM_REFUSED_NATIVE] =
          ("the runtime gets no more memory of its own (--internal-max, "
           "--metadata-max, --compiler-max)"),
  };
  return texts[refusal];
}

/* What the program sees of a collection: how long this allocation took. */
static void count_stall(struct mm_heap *heap, uint64_t began_ns)
{
  uint64_t ns = mm_stat_now_ns() - began_ns;
  pthread_mutex_lock(&heap->lock);
  mm_stat_stall(&heap->stat, ns);
  pthread_mutex_unlock(&heap->lock);
}

static bool may_collect_young(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->lock);
  bool has_room = mm_is_generational(heap) && mm_sizing_has_young_room(heap);
  pthread_mutex_unlock(&heap->lock);
  return has_room;
}

/* Waiting for room ----------------------------------------------------------
 *
 * Note [No wrong refusal]
 *
 * A request is refused in a pause and nowhere else: with the world stopped,
 * after a collection of the utmost effort, when the whole heap has no room for
 * it.  Then it is true that live objects and this one do not fit, for nobody
 * has allocated since the collection but mutators that waited as well.
 *
 * No request waits for ever either.  One that is not urgent is tried once.  An
 * urgent one is answered by the next pause of any mutator, whoever asked for
 * that: a pause goes on to the utmost effort while urgent requests are left.
 * Each such pause answers one at least, so all together get on, too.
 *
 * There is one more way to be refused.  Near the limit, an error is better than
 * a collection for every few objects: when collections left hardly any room
 * twice in a row (sizing.c), one of which cleared all soft references, and this
 * very mutator needed two while hardly anything was allocated, it is told so.
 * The last half matters: others may ask in vain for what is too large, and
 * collect each time, in a heap that has room for this one.
 */

static void put_request(struct mm_heap *heap, struct mm_request *request)
{
  struct mm_request **last = &heap->requests;
  pthread_mutex_lock(&heap->lock);
  while (*last)
    last = &(*last)->next;
  *last = request;
  pthread_mutex_unlock(&heap->lock);
}

static void take_back(struct mm_heap *heap, const struct mm_request *request)
{
  struct mm_request **each = &heap->requests;
  pthread_mutex_lock(&heap->lock);
  while (*each && *each != request)
    each = &(*each)->next;
  if (*each)
    *each = request->next;
  look_ahead_locked(heap);
  pthread_mutex_unlock(&heap->lock);
}

static uint64_t allocated_stw(const struct mm_heap *heap)
{
  return mm_stat_counter(&heap->stat, MM_COUNT_ALLOCATED_BYTES);
}

/* Has hardly anything been allocated since this mutator was here last? */
static bool is_starving_stw(const struct mm_mutator *mutator)
{
  const struct mm_heap *heap = mutator->heap;
  uint64_t most = heap->options.heap_max_bytes / STARVING_FRACTION;
  return mutator->starved_bytes != 0 &&
         allocated_stw(heap) + 1 - mutator->starved_bytes < most;
}

static bool serve_stw(struct mm_request *request, uint32_t limit)
{
  uintptr_t at;
  if (find_room_locked(request->mutator, request, limit, &at) != MM_OK)
    return false;
  *request->made = write_object(request, at);
  return true;
}

static enum mm_answer answer_stw(struct mm_request *request, bool is_utmost)
{
  struct mm_heap *heap = request->mutator->heap;
  uint32_t limit = request->is_urgent ? heap->sizing.max_regions
                                      : mm_sizing_allocation_limit(heap);
  bool is_futile = request->is_urgent && !is_utmost &&
                   is_starving_stw(request->mutator) &&
                   mm_sizing_is_futile(heap);
  if (request->is_urgent)
    request->mutator->starved_bytes = allocated_stw(heap) + 1;
  if (is_futile)
    return MM_ANSWER_REFUSED;
  if (serve_stw(request, limit))
    return MM_ANSWER_SERVED;
  return request->is_urgent && is_utmost ? MM_ANSWER_REFUSED : MM_ANSWER_NONE;
}

bool mm_requests_answer(struct mm_heap *heap, bool is_utmost)
{
  MM_ASSERT(mm_is_stopping(heap));
  bool has_urgent = false;
  struct mm_request **link = &heap->requests;
  while (*link) {
    struct mm_request *request = *link;
    MM_ASSERT(request->answer == MM_ANSWER_NONE);
    request->answer = answer_stw(request, is_utmost);
    if (request->answer != MM_ANSWER_NONE) {
      *link = request->next;
      continue;
    }
    has_urgent |= request->is_urgent;
    link = &request->next;
  }
  MM_ASSERT(!has_urgent || !is_utmost);
  return !has_urgent;
}

/* Collects and hands out what the request was served with, or null.  Until
   then the object hangs on a root: another collection may come before this
   mutator wakes up. */
static struct mm_ref collect_for(struct mm_mutator *mutator,
                                 struct mm_request *request, bool is_urgent)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_ref made;
  struct mm_scope scope;
  mm_scope_open(mutator, &scope, &made, 1);
  request->mutator = mutator;
  request->made = &made;
  request->is_urgent = is_urgent;
  request->answer = MM_ANSWER_NONE;
  request->next = NULL;
  put_request(heap, request);
  do
    mm_collect_once(mutator, MM_CAUSE_ALLOCATION, false);
  while (is_urgent && request->answer == MM_ANSWER_NONE);
  take_back(heap, request);
  mm_scope_close(mutator, &scope);
  MM_ASSERT(mm_is_null(made) == (request->answer != MM_ANSWER_SERVED));
  return made;
}

/* With generations: a young collection may be enough, while there is room for
   what it copies. */
static struct mm_ref alloc_after_young(struct mm_mutator *mutator,
                                       struct mm_request *request)
{
  return may_collect_young(mutator->heap) ? collect_for(mutator, request, false)
                                          : MM_NULL;
}

static uint32_t candidates_left(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->lock);
  uint32_t left = mm_candidates_left(heap);
  pthread_mutex_unlock(&heap->lock);
  return left;
}

/* With candidates that wait: evacuates them, some in each pause, until there is
   room.  The next cycle would forget them, and with them all the work of the
   last one.  Ends: a pause takes one at least, and what other threads find
   meanwhile does not count. */
static struct mm_ref alloc_after_mixed(struct mm_mutator *mutator,
                                       struct mm_request *request)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_ref ref = MM_NULL;
  for (uint32_t most = candidates_left(heap);
       most > 0 && mm_is_null(ref) && candidates_left(heap) > 0; most--)
    ref = alloc_after_young(mutator, request);
  return ref;
}

/* What a cycle frees, it frees bit by bit: a candidate or two in each pause. */
static struct mm_ref wait_for_cycle(struct mm_mutator *mutator,
                                    struct mm_request *request)
{
  struct mm_ref ref;
  bool goes_on;
  do {
    goes_on = mm_cycle_wait_for_room(mutator);
    ref = attempt(mutator, request);
    if (mm_is_null(ref))
      ref = alloc_after_young(mutator, request);
  } while (mm_is_null(ref) && goes_on);
  if (mm_is_null(ref))
    ref = alloc_after_mixed(mutator, request);
  return ref;
}

/* With gc=concurrent: while a cycle is under way, or a new one, there may be
   more room than before; else waits for its end. */
static struct mm_ref alloc_after_cycle(struct mm_mutator *mutator,
                                       struct mm_request *request)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_ref ref = alloc_after_mixed(mutator, request);
  for (int i = 0; heap->cycle.has_thread && mm_is_null(ref) && i < 2; i++) {
    pthread_mutex_lock(&heap->lock);
    mm_cycle_request_locked(heap);
    pthread_mutex_unlock(&heap->lock);
    ref = alloc_after_young(mutator, request);
    if (mm_is_null(ref))
      ref = wait_for_cycle(mutator, request);
  }
  return ref;
}

static struct mm_ref alloc_after_collecting(struct mm_mutator *mutator,
                                            struct mm_request *request)
{
  struct mm_ref made = alloc_after_young(mutator, request);
  if (mm_is_null(made))
    made = alloc_after_cycle(mutator, request);
  if (mm_is_null(made))
    made = collect_for(mutator, request, true);
  return mm_is_null(made) ? refuse(mutator, request) : made;
}

/* With gc=concurrent, most are steps of cycles; with generations as well, every
   other one is a collection between steps. */
static void collect_forced(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  uint64_t number = mm_collections(heap);
  bool steps = number % FORCED_FULL != 0 &&
               (!mm_is_generational(heap) || number % 2 == 0);
  if (heap->cycle.has_thread && steps) {
    mm_cycle_step(mutator);
    return;
  }
  while (!mm_collect_once(mutator, MM_CAUSE_STRESS, true))
    ;
}

/* Collects if this is the N-th allocation, or a barrier asked for it. */
static void stress(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  uint64_t every = heap->options.stress_alloc;
  if (mm_stress_take_due(mutator))
    collect_forced(mutator);
  if (every == 0)
    return;
  uint64_t count =
      __atomic_add_fetch(&heap->stress_allocations, 1, __ATOMIC_RELAXED);
  if (count % every == 0)
    collect_forced(mutator);
}

static struct mm_ref alloc_slow(struct mm_mutator *mutator,
                                struct mm_request *request)
{
  struct mm_heap *heap = mutator->heap;
  bool is_possible = measure(request);
  mm_schedule_yield(heap);
  if (mm_is_stopping(heap))
    mm_safepoint_wait(mutator);
  stress(mutator);
  mutator->allocated_objects_slow++;
  mm_stat_count(&heap->stat, MM_COUNT_SLOW_ALLOCATIONS, 1);
  if (!is_possible || request->bytes > heap->options.heap_max_bytes)
    return refuse(mutator, request);
  mm_pacing_pay(mutator);
  struct mm_ref ref = attempt(mutator, request);
  if (!mm_is_null(ref))
    return ref;
  if (heap->options.gc == MM_GC_EPSILON)
    return refuse(mutator, request);
  uint64_t began_ns = mm_stat_now_ns();
  ref = alloc_after_collecting(mutator, request);
  count_stall(heap, began_ns);
  return ref;
}

/* A slot from the mutator's cursors: the common case of tenured=freelist. */
static struct mm_ref alloc_slot(struct mm_mutator *mutator,
                                struct mm_request *request)
{
  if (mutator->heap->options.stress_alloc != 0 || mutator->stress_due ||
      !measure(request) || request->bytes > MM_SLOT_MAX_BYTES)
    return MM_NULL;
  uintptr_t at = mm_fixed_alloc_fast(mutator, request->bytes);
  return at != 0 ? write_object(request, at) : MM_NULL;
}

struct mm_ref mm_alloc_slow(struct mm_mutator *mutator,
                            struct mm_layout *layout, uint32_t length)
{
  struct mm_request request = {.layout = layout, .length = length};
  if (has_slots(mutator)) {
    struct mm_ref ref = alloc_slot(mutator, &request);
    if (!mm_is_null(ref))
      return mm_ids_number(mutator->heap, ref);
  }
  return mm_ids_number(mutator->heap, alloc_slow(mutator, &request));
}

struct mm_ref mm_alloc_nonmoving(struct mm_mutator *mutator,
                                 struct mm_layout *layout, uint32_t length)
{
  struct mm_request request = {
      .layout = layout, .length = length, .nonmoving = true};
  return mm_ids_number(mutator->heap, alloc_slow(mutator, &request));
}

/* Without room for a young collection, allocation sees to it, and polls are not
   to ask again and again. */
static void collect_cards(struct mm_mutator *mutator)
{
  if (may_collect_young(mutator->heap))
    mm_collect_once(mutator, MM_CAUSE_CARDS, false);
  else
    mm_cards_set_most(mutator->heap, UINT64_MAX);
}

void mm_poll_slow(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  mm_schedule_yield(heap);
  if (mm_is_stopping(heap))
    mm_safepoint_wait(mutator);
  if (mm_cards_are_many(heap))
    collect_cards(mutator);
  if (mm_stress_take_due(mutator))
    collect_forced(mutator);
  uint64_t every = heap->options.stress_poll;
  if (every == 0)
    return;
  uint64_t count = __atomic_add_fetch(&heap->stress_polls, 1, __ATOMIC_RELAXED);
  if (count % every == 0)
    collect_forced(mutator);
}
