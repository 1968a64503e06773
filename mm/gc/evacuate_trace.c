/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evacuation, the hot half: from slots to copies.
 *
 *   slot -> object visited?  yes: the slot gets its place
 *                            no:  install forwarding, copy, push the copy
 *   pop -> scan its slots
 *
 * Written once and inlined twice: for a lone worker (no atomics; the stack and
 * the buffer are held in machine registers, see struct tracer) and for
 * several, which each have a buffer of their own and install the forwarding to
 * its next place before they copy, so that the one who loses has done nothing
 * (Flood et al., "Parallel garbage collection for shared memory
 * multiprocessors", 2001, copy first; here nobody reads a copy but the one who
 * made it, until it is pushed).
 *
 * Order: last field first, and the copy pushed last is scanned next, so an
 * object's children lie beside each other and the first one's children beside
 * it.  That is close to depth first and about twice as fast as breadth first,
 * for the collector and for the program after it (on why order matters: Moon,
 * 1984; Wilson, Lam and Moher, 1991).
 *
 * Invariants: copies and kept objects are pushed exactly once, by the worker
 * whose store or exchange of the header succeeded; while a tracer is at work,
 * the cursor in its worker is stale, so every call that uses it stands
 * between tracer_save and tracer_load.
 *
 * Next: evacuate.c (begin, end, what found no room).
 */
#include "config.h"

#include "mm/gc/evacuate_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/card_scan_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/header_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"
#include "mm/mm_inline.h"
#include "mm/space/object_internal.h"

enum {
  SHARED_BUFFER_BYTES = 32 * 1024, /* when several workers share a region */
  COPY_WORDS_MAX = 16,             /* copied in a loop; memcpy above */
  CARDS_AHEAD = 8,                 /* prefetched */
};

/* Room to copy to ---------------------------------------------------------- */

static bool has_company(const struct mm_worker *worker)
{
  return worker->workers->active > 1;
}

static void lock_space(struct mm_worker *worker)
{
  if (has_company(worker))
    pthread_mutex_lock(&worker->heap->space_lock);
}

static void unlock_space(struct mm_worker *worker)
{
  if (has_company(worker))
    pthread_mutex_unlock(&worker->heap->space_lock);
}

/* What a buffer holds are copies, nothing else. */
static void end_buffer(struct mm_worker *worker, enum mm_age age)
{
  struct mm_bump *buffer = &worker->buffers[age];
  mm_bump_check(buffer);
  worker->moved_bytes += mm_bump_used(buffer);
  worker->aged_bytes[age] += mm_bump_used(buffer);
  mm_object_chunk_end(worker->heap, buffer);
}

void mm_evacuate_end_buffers(struct mm_worker *worker)
{
  lock_space(worker);
  for (enum mm_age age = 0; age < MM_AGE_COUNT; age++)
    end_buffer(worker, age);
  if (worker->slots)
    mm_fixed_retire_cursors(worker->heap, worker->slots);
  unlock_space(worker);
}

/* A new buffer with room for at least `bytes`. */
static enum mm_status refill(struct mm_worker *worker, enum mm_age age,
                             size_t bytes)
{
  struct mm_heap *heap = worker->heap;
  size_t want = has_company(worker) ? SHARED_BUFFER_BYTES : MM_REGION_BYTES;
  MM_ASSERT(bytes <= MM_SMALL_OBJECT_MAX_BYTES);
  if (want < bytes)
    want = bytes;
  lock_space(worker);
  end_buffer(worker, age);
  enum mm_status status =
      mm_object_chunk_cut(heap, age, bytes, want, heap->regions.count, false,
                          &worker->buffers[age]);
  unlock_space(worker);
  return status;
}

/* Room for an object that would waste too much of a buffer. */
static enum mm_status find_room_apart(struct mm_worker *worker, enum mm_age age,
                                      size_t bytes, uintptr_t *to)
{
  struct mm_heap *heap = worker->heap;
  lock_space(worker);
  enum mm_status status =
      mm_object_cut_medium(heap, age, bytes, heap->regions.count, false, to);
  unlock_space(worker);
  return status;
}

/* The state of the inner loop ---------------------------------------------- */

struct tracer {
  struct mm_tracer stack;
  uintptr_t base; /* of the heap */
  const uint8_t *traces;
  bool young;              /* a constant: only young objects move */
  bool holder_is_old;      /* young: of the slots that are being visited */
  enum mm_age full_age;    /* of the copies, when all objects move */
  uintptr_t cursor, limit; /* the buffer's, when all objects move */
  uint64_t copied;         /* objects, since tracer_load */
};

static MM_ALWAYS_INLINE void tracer_load(struct tracer *tracer)
{
  tracer->copied = 0;
  if (tracer->young)
    return;
  tracer->cursor = tracer->stack.worker->buffers[tracer->full_age].cursor;
  tracer->limit = tracer->stack.worker->buffers[tracer->full_age].limit;
  if (mm_breaks_copies(tracer->stack.worker->heap))
    tracer->limit = tracer->cursor; /* each copy takes the slow path */
}

static MM_ALWAYS_INLINE void tracer_save(struct tracer *tracer)
{
  tracer->stack.worker->moved_objects += tracer->copied;
  if (!tracer->young)
    tracer->stack.worker->buffers[tracer->full_age].cursor = tracer->cursor;
}

static MM_ALWAYS_INLINE void tracer_begin(struct tracer *tracer,
                                          struct mm_worker *worker,
                                          bool parallel, bool young)
{
  *tracer = (struct tracer){
      .base = worker->heap->regions.base,
      .traces = worker->heap->traces,
      .young = young,
      .full_age = worker->heap->full_age,
  };
  mm_tracer_begin(&tracer->stack, worker, parallel);
  tracer_load(tracer);
}

static MM_ALWAYS_INLINE void tracer_end(struct tracer *tracer)
{
  tracer_save(tracer);
  mm_tracer_save(&tracer->stack);
}

static MM_ALWAYS_INLINE void push_object(struct tracer *tracer,
                                         struct mm_ref ref,
                                         const struct mm_layout *layout)
{
  if (mm_has_slots(layout))
    mm_tracer_push(&tracer->stack, mm_trace_entry(ref, 0));
}

/* Copying ------------------------------------------------------------------ */

static MM_ALWAYS_INLINE void copy_body(uintptr_t to, const void *from,
                                       size_t bytes)
{
  uint64_t *target = (uint64_t *)to;
  const uint64_t *source = from;
  size_t words = bytes / sizeof(uint64_t);
  if (words > COPY_WORDS_MAX) {
    memcpy(target + 1, source + 1, bytes - MM_HEADER_BYTES);
    return;
  }
  for (size_t i = 1; i < words; i++) {
    target[i] = source[i];
    /* Keeps the compiler from making a call of so short a loop. */
    __asm__ volatile("" : "+r"(i));
  }
}

/* Writes `header` over `*seen`.  False: another worker was first, and *seen
   is what it wrote. */
static MM_ALWAYS_INLINE bool install(struct mm_ref ref, uint64_t *seen,
                                     uint64_t header, bool parallel)
{
  if (parallel)
    return __atomic_compare_exchange_n(mm_header_at(ref), seen, header, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  *mm_header_at(ref) = header;
  return true;
}

/* Copies to `to`.  False: another worker was first; *place is its choice. */
static MM_ALWAYS_INLINE bool copy_to(uintptr_t to, struct mm_ref ref,
                                     uint64_t header, size_t bytes,
                                     bool parallel, struct mm_ref *place)
{
  struct mm_ref copy = mm_ref_at((void *)to);
  MM_ASSERT((bytes & (MM_OBJECT_ALIGN - 1)) == 0 && bytes >= MM_HEADER_BYTES);
  MM_ASSERT(!mm_header_is_visited(header));
  uint64_t seen = header;
  if (!install(ref, &seen, mm_header_forwarding(copy), parallel)) {
    *place = mm_header_place(ref, seen);
    return false;
  }
  *(uint64_t *)to = header;
  copy_body(to, mm_address(ref), bytes);
  *place = copy;
  return true;
}

/* Leaves an object where it is: there is no room.  True: by this worker. */
static bool keep(struct mm_worker *worker, struct mm_ref ref, uint64_t header,
                 size_t bytes, struct mm_ref *place)
{
  struct mm_region *region =
      mm_region_of(&worker->heap->regions, (uintptr_t)mm_address(ref));
  uint64_t kept = mm_header_keeping(header);
  MM_ASSERT(region->kind == MM_REGION_SMALL);
  MM_ASSERT(__atomic_load_n(&region->flags, __ATOMIC_RELAXED) & MM_REGION_FROM);
  MM_ASSERT(mm_header_unkept(kept) == header);
  if (!install(ref, &header, kept, has_company(worker))) {
    *place = mm_header_place(ref, header);
    return false;
  }
  __atomic_fetch_or(&region->flags, MM_REGION_KEPT, __ATOMIC_RELAXED);
  worker->kept_objects++;
  worker->live_objects++;
  worker->live_bytes += bytes;
  *place = ref;
  return true;
}

static void count_apart(struct mm_worker *worker, enum mm_age age, size_t bytes)
{
  worker->moved_objects++;
  worker->moved_bytes += bytes;
  worker->aged_bytes[age] += bytes;
}

/* Old objects have to be found from their cards. */
static MM_ALWAYS_INLINE void
note_copy(struct mm_worker *worker, enum mm_age age, uintptr_t to, size_t bytes)
{
  if (age == MM_AGE_TENURED && mm_card_is_first(to, to + bytes))
    mm_card_note_first(worker->heap, to, to + bytes);
}

/* Copies an object that becomes old where it will stay. */
static bool promote(struct mm_worker *worker, struct mm_ref ref,
                    uint64_t header, size_t bytes, struct mm_ref *place)
{
  struct mm_heap *heap = worker->heap;
  uintptr_t to;
  bool is_gap = !mm_fixed_fits_slot(heap, bytes);
  if (is_gap) /* others walk over gaps: see mm_card_visit_gaps */
    lock_space(worker);
  bool has_room = mm_fixed_promote(heap, worker->slots, bytes, &to) == MM_OK;
  bool mine =
      has_room && copy_to(to, ref, header, bytes, has_company(worker), place);
  if (has_room && !mine)
    mm_fixed_unpromote(heap, worker->slots, bytes, to);
  if (is_gap)
    unlock_space(worker);
  if (!has_room)
    return keep(worker, ref, header, bytes, place);
  if (mine)
    count_apart(worker, MM_AGE_TENURED, bytes);
  return mine;
}

/* The buffer is full, or the object too large for it.  True: the object at
 *place was not visited before and has to be pushed. */
static __attribute__((noinline)) bool
evacuate_slow(struct mm_worker *worker, enum mm_age age, struct mm_ref ref,
              uint64_t header, size_t bytes, struct mm_ref *place)
{
  bool parallel = has_company(worker), mine;
  uintptr_t to;
  if (age == MM_AGE_TENURED && worker->slots)
    return promote(worker, ref, header, bytes, place);
  if (bytes >= worker->refused_bytes)
    return keep(worker, ref, header, bytes, place);
  if (bytes > MM_TLAB_OBJECT_MAX_BYTES &&
      find_room_apart(worker, age, bytes, &to) == MM_OK) {
    mine = copy_to(to, ref, header, bytes, parallel, place);
    note_copy(worker, age, to, bytes);
    if (mine)
      count_apart(worker, age, bytes);
    else
      mm_fill(worker->heap, to, to + bytes);
    return mine;
  }
  if (bytes > mm_bump_left(&worker->buffers[age]) &&
      refill(worker, age, bytes) != MM_OK) {
    /* None is freed while this runs: asking again would be in vain. */
    worker->refused_bytes = bytes;
    return keep(worker, ref, header, bytes, place);
  }
  to = worker->buffers[age].cursor;
  mine = copy_to(to, ref, header, bytes, parallel, place);
  if (mine) {
    worker->buffers[age].cursor = to + bytes;
    worker->moved_objects++;
    note_copy(worker, age, to, bytes);
  }
  return mine;
}

/* The age of a copy. */
static MM_ALWAYS_INLINE enum mm_age age_for(const struct tracer *tracer,
                                            struct mm_ref ref)
{
  if (!tracer->young)
    return tracer->full_age;
  const struct mm_heap *heap = tracer->stack.worker->heap;
  enum mm_age age =
      mm_region_of(&heap->regions, (uintptr_t)mm_address(ref))->age + 1;
  return age >= heap->tenure_age ? MM_AGE_TENURED : age;
}

/* The bounds of the buffer that is copied into. */
static MM_ALWAYS_INLINE uintptr_t *cursor_of(struct tracer *tracer,
                                             enum mm_age age, uintptr_t *limit)
{
  struct mm_bump *buffer = &tracer->stack.worker->buffers[age];
  *limit = tracer->young ? buffer->limit : tracer->limit;
  return tracer->young ? &buffer->cursor : &tracer->cursor;
}

static MM_ALWAYS_INLINE struct mm_ref
evacuate(struct tracer *tracer, struct mm_ref ref, uint64_t header)
{
  const struct mm_layout *layout = mm_header_layout(header);
  size_t bytes = mm_size_with(mm_address(ref), layout);
  struct mm_ref place;
  bool mine;
  enum mm_age age = age_for(tracer, ref);
  uintptr_t limit, *cursor = cursor_of(tracer, age, &limit);
  if (__builtin_expect(bytes <= limit - *cursor, 1)) {
    mine = copy_to(*cursor, ref, header, bytes, tracer->stack.parallel, &place);
    if (mine) {
      note_copy(tracer->stack.worker, age, *cursor, bytes);
      *cursor += bytes;
      tracer->copied++;
    }
  } else {
    struct mm_ref slow_place;
    tracer_save(tracer);
    mine = evacuate_slow(tracer->stack.worker, age, ref, header, bytes,
                         &slow_place);
    tracer_load(tracer);
    place = slow_place;
    if (mine && mm_breaks_copies(tracer->stack.worker->heap)) {
      push_object(tracer, place, layout);
      return mm_fault_copied(tracer->stack.worker->heap, ref, place);
    }
  }
  if (mine)
    push_object(tracer, place, layout);
  return place;
}

/* Slots -------------------------------------------------------------------- */

/* A young large object is old from now on. */
static bool reach_large(struct mm_worker *worker, struct mm_ref ref)
{
  struct mm_heap *heap = worker->heap;
  uint32_t index = mm_region_index(&heap->regions, (uintptr_t)mm_address(ref));
  uint8_t *flags = &heap->regions.table[index].flags;
  if (__atomic_fetch_or(flags, MM_REGION_REACHED, __ATOMIC_RELAXED) &
      MM_REGION_REACHED)
    return false;
  mm_object_make_tenured(heap, index);
  worker->aged_bytes[MM_AGE_TENURED] +=
      heap->regions.table[index].top - mm_region_start(&heap->regions, index);
  return true;
}

static MM_ALWAYS_INLINE void mark_object(struct tracer *tracer,
                                         struct mm_ref ref)
{
  struct mm_worker *worker = tracer->stack.worker;
  if (tracer->young ? !reach_large(worker, ref)
                    : !mm_mark(worker->heap, ref, tracer->stack.parallel))
    return;
  const struct mm_layout *layout = mm_layout_of(ref);
  worker->live_objects++;
  worker->live_bytes += mm_size_with(mm_address(ref), layout);
  push_object(tracer, ref, layout);
}

static MM_ALWAYS_INLINE uint64_t load_header(struct mm_ref ref, bool parallel)
{
  return __atomic_load_n(mm_header_at(ref),
                         parallel ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED);
}

static MM_ALWAYS_INLINE uint8_t trace_of(const struct tracer *tracer,
                                         struct mm_ref ref)
{
  uintptr_t offset = (uintptr_t)mm_address(ref) - tracer->base;
  const uint8_t *trace = &tracer->traces[offset >> MM_REGION_LOG2];
  return tracer->young ? __atomic_load_n(trace, __ATOMIC_RELAXED) : *trace;
}

static __attribute__((noinline)) void
remember_candidate(struct mm_worker *worker, struct mm_ref *slot, bool parallel)
{
  struct mm_heap *heap = worker->heap;
  uint32_t region =
      mm_region_index(&heap->regions, (uintptr_t)mm_address(*slot));
  mm_candidate_remember(heap, region, mm_card_of(heap, (uintptr_t)slot),
                        parallel);
}

/* An old object that refers to a young one, or to a candidate: a later
   collection has to know. */
static MM_ALWAYS_INLINE void remember(struct tracer *tracer,
                                      struct mm_ref *slot)
{
  struct mm_worker *worker = tracer->stack.worker;
  if (!tracer->young || !tracer->holder_is_old)
    return;
  uint8_t trace = trace_of(tracer, *slot);
  if (trace == MM_TRACE_YOUNG)
    mm_card_remember(worker->heap, &worker->card_log, (uintptr_t)slot,
                     tracer->stack.parallel);
  else if (__builtin_expect(trace == MM_TRACE_CANDIDATE, 0))
    remember_candidate(worker, slot, tracer->stack.parallel);
}

static MM_ALWAYS_INLINE void visit_slot(void *context, struct mm_ref *slot)
{
  struct tracer *tracer = context;
  struct mm_ref ref = *slot;
  if (mm_is_null(ref))
    return;
  MM_ASSERT(mm_regions_contain(&tracer->stack.worker->heap->regions,
                               (uintptr_t)mm_address(ref)));
  uint8_t trace = trace_of(tracer, ref);
  if (__builtin_expect(trace != MM_TRACE_MOVE, 0)) {
    if (trace == MM_TRACE_MARK)
      mark_object(tracer, ref);
    else
      remember(tracer, slot);
    return;
  }
  uint64_t header = load_header(ref, tracer->stack.parallel);
  *slot = mm_header_is_visited(header) ? mm_header_place(ref, header)
                                       : evacuate(tracer, ref, header);
  remember(tracer, slot);
}

static MM_ALWAYS_INLINE void scan_chunk(struct tracer *tracer, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  uint32_t chunk = mm_trace_chunk(entry);
  uint32_t from = chunk * MM_SCAN_CHUNK, to = mm_length_word(ref);
  MM_ASSERT(from <= to);
  if (to - from > MM_SCAN_CHUNK) {
    to = from + MM_SCAN_CHUNK;
    if (!mm_breaks(tracer->stack.worker->heap, MM_FAULT_CHUNK))
      mm_tracer_push(&tracer->stack, mm_trace_entry(ref, chunk + 1));
  }
  mm_scan_elements(mm_address(ref), from, to, visit_slot, tracer);
}

static void meet_alone(struct mm_worker *worker, struct mm_ref ref, bool young);

/* What is special is scanned out of line by a tracer of its own, so that the
   address of the inner loop's does not escape. */
static __attribute__((noinline)) void
scan_special(struct mm_worker *worker, uint64_t entry, bool young, bool is_old)
{
  void *at = mm_address(mm_trace_ref(entry));
  const struct mm_layout *layout = mm_layout_of(mm_trace_ref(entry));
  uint32_t chunk = mm_trace_chunk(entry), from = chunk * MM_SCAN_CHUNK;
  bool goes_on;
  uint32_t to = mm_chunk_end(layout, at, from, &goes_on);
  if (goes_on && !mm_breaks(worker->heap, MM_FAULT_CHUNK))
    mm_trace_push(worker, mm_trace_entry(mm_trace_ref(entry), chunk + 1));
  struct tracer tracer;
  tracer_begin(&tracer, worker, has_company(worker), young);
  tracer.holder_is_old = is_old;
  struct mm_special how = {.visit = visit_slot,
                           .context = &tracer,
                           .heap = worker->heap,
                           .skips_owner = young};
  mm_scan_special(at, layout, from, to, &how);
  tracer_end(&tracer);
  if (layout->kind == MM_KIND_REFERENCE)
    meet_alone(worker, mm_trace_ref(entry), young);
}

static MM_ALWAYS_INLINE void scan_apart(struct tracer *tracer, uint64_t entry)
{
  tracer_end(tracer);
  scan_special(tracer->stack.worker, entry, tracer->young,
               tracer->holder_is_old);
  mm_tracer_load(&tracer->stack);
  tracer_load(tracer);
}

static void scan_reference(struct mm_worker *worker, struct mm_ref ref,
                           bool young);

/* Out of line: the worker has what the tracer had. */
static MM_ALWAYS_INLINE void meet_reference(
    struct tracer *tracer, struct mm_ref ref,
    void (*meet)(struct mm_worker *worker, struct mm_ref ref, bool young))
{
  struct mm_worker *worker = tracer->stack.worker;
  tracer_end(tracer);
  meet(worker, ref, tracer->young);
  mm_tracer_load(&tracer->stack);
  tracer_load(tracer);
}

static MM_ALWAYS_INLINE void scan_entry(struct tracer *tracer, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  const struct mm_layout *layout = mm_layout_of(ref);
  MM_ASSERT(mm_has_slots(layout));
  if (tracer->young)
    tracer->holder_is_old = trace_of(tracer, ref) != MM_TRACE_YOUNG;
  if (__builtin_expect(mm_is_simple(layout), 1))
    mm_scan_word(mm_address(ref), layout->ref_map, visit_slot, tracer);
  else if (mm_is_special(layout))
    scan_apart(tracer, entry);
  else if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, visit_slot, tracer);
  else if (__builtin_expect(layout->kind == MM_KIND_REF_ARRAY, 1))
    scan_chunk(tracer, entry);
  else
    meet_reference(tracer, ref, scan_reference);
}

static MM_ALWAYS_INLINE void trace(struct mm_worker *worker, bool parallel,
                                   bool young)
{
  struct tracer tracer;
  uint64_t entry;
  tracer_begin(&tracer, worker, parallel, young);
  while (mm_tracer_pop_own(&tracer.stack, &entry) ||
         mm_tracer_find(&tracer.stack, &entry))
    scan_entry(&tracer, entry);
  tracer_end(&tracer);
}

/* Goals -------------------------------------------------------------------- */

static void trace_alone(struct mm_worker *worker)
{
  trace(worker, false, false);
}

static void trace_parallel(struct mm_worker *worker)
{
  trace(worker, true, false);
}

static void trace_young_alone(struct mm_worker *worker)
{
  trace(worker, false, true);
}

static void trace_young_parallel(struct mm_worker *worker)
{
  trace(worker, true, true);
}

static MM_ALWAYS_INLINE void visit_one(struct mm_worker *worker,
                                       struct mm_ref *slot, bool parallel,
                                       bool young)
{
  struct tracer tracer;
  tracer_begin(&tracer, worker, parallel, young);
  visit_slot(&tracer, slot);
  tracer_end(&tracer);
}

static void visit_root_slot(void *worker, struct mm_ref *slot)
{
  if (has_company(worker))
    visit_one(worker, slot, true, false);
  else
    visit_one(worker, slot, false, false);
}

static void visit_young_root_slot(void *worker, struct mm_ref *slot)
{
  if (has_company(worker))
    visit_one(worker, slot, true, true);
  else
    visit_one(worker, slot, false, true);
}

/* A slot of an object, which a later collection may have to know of. */
static MM_ALWAYS_INLINE void visit_held_by(struct mm_worker *worker,
                                           struct mm_ref *slot, bool parallel)
{
  struct tracer tracer;
  MM_ASSERT(mm_regions_contain(&worker->heap->regions, (uintptr_t)slot));
  tracer_begin(&tracer, worker, parallel, true);
  tracer.holder_is_old = trace_of(&tracer, mm_ref_at(slot)) != MM_TRACE_YOUNG;
  visit_slot(&tracer, slot);
  tracer_end(&tracer);
}

static void visit_held_slot(void *worker, struct mm_ref *slot)
{
  if (has_company(worker))
    visit_held_by(worker, slot, true);
  else
    visit_held_by(worker, slot, false);
}

/* References --------------------------------------------------------------- */

void mm_evacuate_keep(struct mm_worker *worker, struct mm_ref *slot)
{
  visit_root_slot(worker, slot);
}

void mm_young_keep(struct mm_worker *worker, struct mm_ref *slot)
{
  visit_held_slot(worker, slot);
}

void mm_evacuate_trace(struct mm_worker *worker)
{
  if (has_company(worker))
    trace_parallel(worker);
  else
    trace_alone(worker);
  mm_evacuate_end_buffers(worker);
}

void mm_young_trace(struct mm_worker *worker)
{
  if (has_company(worker))
    trace_young_parallel(worker);
  else
    trace_young_alone(worker);
  mm_evacuate_end_buffers(worker);
}

static void meet_alone(struct mm_worker *worker, struct mm_ref ref, bool young)
{
  mm_reference_meet(worker, ref,
                    young ? &mm_reach_young : &mm_reach_evacuating);
}

static __attribute__((noinline)) void
scan_reference(struct mm_worker *worker, struct mm_ref ref, bool young)
{
  mm_scan_plain(mm_address(ref), mm_layout_of(ref),
                young ? visit_held_slot : visit_root_slot, worker);
  meet_alone(worker, ref, young);
}

/* One that stays in from-space was kept before all began, and nobody has pushed
   it.  See Note [Pinned objects]. */
static MM_ALWAYS_INLINE void visit_pinned(struct mm_worker *worker,
                                          struct mm_ref *slot, bool parallel,
                                          bool young)
{
  struct tracer tracer;
  tracer_begin(&tracer, worker, parallel, young);
  uint64_t header = load_header(*slot, parallel);
  if (trace_of(&tracer, *slot) == MM_TRACE_MOVE &&
      mm_header_is_visited(header) && !mm_header_is_forwarded(header))
    push_object(&tracer, *slot, mm_header_layout(header));
  else
    visit_slot(&tracer, slot);
  tracer_end(&tracer);
}

static void visit_pinned_root(struct mm_worker *worker, struct mm_ref *slot,
                              bool young)
{
  if (has_company(worker))
    visit_pinned(worker, slot, true, young);
  else
    visit_pinned(worker, slot, false, young);
}

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct mm_worker *worker;
};

static void visit_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  struct mm_worker *worker = ((struct root_visitor *)visitor)->worker;
  if (__builtin_expect(kind == MM_ROOT_PIN, 0))
    visit_pinned_root(worker, slot, false);
  else
    visit_root_slot(worker, slot);
}

static void visit_young_root(struct mm_root_visitor *visitor,
                             struct mm_ref *slot, enum mm_root_kind kind)
{
  struct mm_worker *worker = ((struct root_visitor *)visitor)->worker;
  if (__builtin_expect(kind == MM_ROOT_PIN, 0))
    visit_pinned_root(worker, slot, true);
  else
    visit_young_root_slot(worker, slot);
}

void mm_evacuate_goal(struct mm_worker *worker)
{
  mm_trace_stack_reset(&worker->stack);
  if (worker->index == 0) {
    struct root_visitor visitor = {{.slot = visit_root}, worker};
    mm_roots_visit(worker->heap, &visitor.visitor);
  }
  mm_evacuate_trace(worker);
}

/* Cards ---------------------------------------------------------------------
 */

static MM_ALWAYS_INLINE void meet_on_card(void *context, struct mm_ref ref)
{
  meet_reference(context, ref, meet_alone);
}

static MM_ALWAYS_INLINE void visit_card(struct tracer *tracer, uint32_t card)
{
  struct mm_heap *heap = tracer->stack.worker->heap;
  uint8_t was = mm_card_claim(heap, card, tracer->stack.parallel);
  if (mm_breaks(heap, MM_FAULT_CARD_SKIPPED))
    return;
  if (mm_card_is_one(was))
    mm_card_visit_one(heap, mm_card_slot(heap, card, was), visit_slot, tracer);
  else if (mm_card_is_dirty(was))
    mm_card_visit(heap, card, visit_slot, meet_on_card, tracer);
}

static MM_ALWAYS_INLINE void visit_logs(struct mm_worker *worker, bool parallel)
{
  struct mm_heap *heap = worker->heap;
  struct mm_barrier_log *log;
  struct tracer tracer;
  bool has_marks = mm_cycle_state(heap) == MM_CYCLE_SWEEPING;
  tracer_begin(&tracer, worker, parallel, true);
  tracer.holder_is_old = true;
  while ((log = mm_cards_next_log(heap))) {
    for (uint32_t i = 0; i < log->count; i++) {
      if (i + 2 * CARDS_AHEAD < log->count)
        mm_card_prefetch(heap, log->entries[i + 2 * CARDS_AHEAD], has_marks);
      if (i + CARDS_AHEAD < log->count)
        mm_card_prefetch_first(heap, log->entries[i + CARDS_AHEAD]);
      visit_card(&tracer, log->entries[i]);
    }
    worker->cards += log->count;
    mm_log_release(heap, log);
  }
  tracer_end(&tracer);
}

/* All cards of old regions: a lone worker's. */
static void search_cards(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  struct tracer tracer;
  tracer_begin(&tracer, worker, false, true);
  tracer.holder_is_old = true;
  uint32_t count;
  for (uint32_t index = 0; index < heap->regions.fresh_from; index++) {
    if (!mm_region_is_walkable(heap->regions.table[index].kind))
      continue;
    uint32_t first = mm_cards_of_region(heap, index, &count);
    for (uint32_t i = 0; i < count; i++)
      visit_card(&tracer, first + i);
  }
  tracer_end(&tracer);
}

static void visit_cards(struct mm_worker *worker)
{
  if (worker->heap->searches_cards)
    search_cards(worker);
  else if (has_company(worker))
    visit_logs(worker, true);
  else
    visit_logs(worker, false);
}

/* How long that takes is known apart from the rest: it does not depend on how
   much is young (sizing.c). */
static void visit_young_roots(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  struct root_visitor visitor = {{.slot = visit_young_root, .keeps_old = true},
                                 worker};
  uint64_t began_ns = mm_stat_now_ns();
  mm_roots_visit(heap, &visitor.visitor);
  heap->sizing.roots_ns = mm_stat_now_ns() - began_ns;
}

void mm_young_goal(struct mm_worker *worker)
{
  mm_trace_stack_reset(&worker->stack);
  if (worker->index == 0)
    visit_young_roots(worker);
  visit_cards(worker);
  mm_young_trace(worker);
}

static void visit_old_slot(void *worker, struct mm_ref *slot)
{
  struct tracer tracer;
  tracer_begin(&tracer, worker, false, true);
  tracer.holder_is_old = true;
  visit_slot(&tracer, slot);
  tracer_end(&tracer);
}

/* Without the owner, which is old. */
static void rescan_special(struct mm_worker *worker, struct mm_ref ref,
                           bool is_old)
{
  struct mm_special how = {.visit =
                               is_old ? visit_old_slot : visit_young_root_slot,
                           .context = worker,
                           .skips_owner = true};
  mm_scan_special(mm_address(ref), mm_layout_of(ref), 0, UINT32_MAX, &how);
}

void mm_young_rescan(void *worker, struct mm_ref ref)
{
  struct mm_worker *self = worker;
  const struct mm_heap *heap = self->heap;
  uint32_t index = mm_region_index(&heap->regions, (uintptr_t)mm_address(ref));
  const struct mm_layout *layout = mm_layout_of(ref);
  bool is_old = heap->traces[index] != MM_TRACE_YOUNG;
  mm_trace_stack_reset(&self->stack);
  if (mm_is_special(layout))
    rescan_special(self, ref, is_old);
  else
    mm_scan_object(mm_address(ref), layout,
                   is_old ? visit_old_slot : visit_young_root_slot, self);
  if (layout->kind == MM_KIND_REFERENCE)
    meet_alone(self, ref, true);
  trace_young_alone(self);
}

void mm_evacuate_rescan(void *worker, struct mm_ref ref)
{
  struct mm_worker *self = worker;
  const struct mm_layout *layout = mm_layout_of(ref);
  mm_trace_stack_reset(&self->stack);
  mm_scan_object(mm_address(ref), layout, visit_root_slot, self);
  if (layout->kind == MM_KIND_REFERENCE)
    meet_alone(self, ref, false);
  trace_alone(self);
}
