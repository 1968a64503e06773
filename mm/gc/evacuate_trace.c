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
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/header_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"
#include "mm/mm_inline.h"
#include "mm/space/object_internal.h"

enum {
  SHARED_BUFFER_BYTES = 32 * 1024, /* when several workers share a region */
  COPY_WORDS_MAX = 16,             /* copied in a loop; memcpy above */
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
static void end_buffer(struct mm_worker *worker)
{
  mm_bump_check(&worker->buffer);
  worker->moved_bytes += mm_bump_used(&worker->buffer);
  mm_object_chunk_end(worker->heap, &worker->buffer);
}

void mm_evacuate_end_buffer(struct mm_worker *worker)
{
  lock_space(worker);
  end_buffer(worker);
  unlock_space(worker);
}

/* A new buffer with room for at least `bytes`. */
static enum mm_status refill(struct mm_worker *worker, size_t bytes)
{
  struct mm_heap *heap = worker->heap;
  size_t want = has_company(worker) ? SHARED_BUFFER_BYTES : MM_REGION_BYTES;
  MM_ASSERT(bytes <= MM_SMALL_OBJECT_MAX_BYTES);
  if (want < bytes)
    want = bytes;
  lock_space(worker);
  end_buffer(worker);
  enum mm_status status = mm_object_chunk_cut(
      heap, bytes, want, heap->regions.count, false, &worker->buffer);
  unlock_space(worker);
  return status;
}

/* Room for an object that would waste too much of a buffer. */
static enum mm_status find_room_apart(struct mm_worker *worker, size_t bytes,
                                      uintptr_t *to)
{
  struct mm_heap *heap = worker->heap;
  lock_space(worker);
  enum mm_status status =
      mm_object_cut_medium(heap, bytes, heap->regions.count, false, to);
  unlock_space(worker);
  return status;
}

/* The state of the inner loop ---------------------------------------------- */

struct tracer {
  struct mm_tracer stack;
  uintptr_t base; /* of the heap */
  const uint8_t *traces;
  uintptr_t cursor, limit; /* the buffer's */
  uint64_t copied;         /* objects, since tracer_load */
};

static MM_ALWAYS_INLINE void tracer_load(struct tracer *tracer)
{
  tracer->cursor = tracer->stack.worker->buffer.cursor;
  tracer->limit = tracer->stack.worker->buffer.limit;
  tracer->copied = 0;
  if (mm_breaks_copies(tracer->stack.worker->heap))
    tracer->limit = tracer->cursor; /* each copy takes the slow path */
}

static MM_ALWAYS_INLINE void tracer_save(struct tracer *tracer)
{
  tracer->stack.worker->buffer.cursor = tracer->cursor;
  tracer->stack.worker->moved_objects += tracer->copied;
}

static MM_ALWAYS_INLINE void
tracer_begin(struct tracer *tracer, struct mm_worker *worker, bool parallel)
{
  *tracer = (struct tracer){
      .base = worker->heap->regions.base,
      .traces = worker->heap->traces,
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

static void count_apart(struct mm_worker *worker, size_t bytes)
{
  worker->moved_objects++;
  worker->moved_bytes += bytes;
}

/* The buffer is full, or the object too large for it.  True: the object at
 *place was not visited before and has to be pushed. */
static __attribute__((noinline)) bool
evacuate_slow(struct mm_worker *worker, struct mm_ref ref, uint64_t header,
              size_t bytes, struct mm_ref *place)
{
  bool parallel = has_company(worker), mine;
  uintptr_t to;
  if (bytes >= worker->refused_bytes)
    return keep(worker, ref, header, bytes, place);
  if (bytes > MM_TLAB_OBJECT_MAX_BYTES &&
      find_room_apart(worker, bytes, &to) == MM_OK) {
    mine = copy_to(to, ref, header, bytes, parallel, place);
    if (mine)
      count_apart(worker, bytes);
    else
      mm_fill(worker->heap, to, to + bytes);
    return mine;
  }
  if (bytes > mm_bump_left(&worker->buffer) && refill(worker, bytes) != MM_OK) {
    /* None is freed while this runs: asking again would be in vain. */
    worker->refused_bytes = bytes;
    return keep(worker, ref, header, bytes, place);
  }
  to = worker->buffer.cursor;
  mine = copy_to(to, ref, header, bytes, parallel, place);
  if (mine) {
    worker->buffer.cursor = to + bytes;
    worker->moved_objects++;
  }
  return mine;
}

static MM_ALWAYS_INLINE struct mm_ref
evacuate(struct tracer *tracer, struct mm_ref ref, uint64_t header)
{
  const struct mm_layout *layout = mm_header_layout(header);
  size_t bytes = mm_size_with(mm_address(ref), layout);
  struct mm_ref place;
  bool mine;
  if (__builtin_expect(bytes <= tracer->limit - tracer->cursor, 1)) {
    mine = copy_to(tracer->cursor, ref, header, bytes, tracer->stack.parallel,
                   &place);
    if (mine) {
      tracer->cursor += bytes;
      tracer->copied++;
    }
  } else {
    struct mm_ref slow_place;
    tracer_save(tracer);
    mine = evacuate_slow(tracer->stack.worker, ref, header, bytes, &slow_place);
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

static MM_ALWAYS_INLINE void mark_object(struct tracer *tracer,
                                         struct mm_ref ref)
{
  struct mm_worker *worker = tracer->stack.worker;
  if (!mm_mark(worker->heap, ref, tracer->stack.parallel))
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

static MM_ALWAYS_INLINE void visit_slot(void *context, struct mm_ref *slot)
{
  struct tracer *tracer = context;
  struct mm_ref ref = *slot;
  if (mm_is_null(ref))
    return;
  uintptr_t offset = (uintptr_t)mm_address(ref) - tracer->base;
  MM_ASSERT(mm_regions_contain(&tracer->stack.worker->heap->regions,
                               (uintptr_t)mm_address(ref)));
  uint8_t trace = tracer->traces[offset >> MM_REGION_LOG2];
  if (__builtin_expect(trace != MM_TRACE_MOVE, 0)) {
    if (trace == MM_TRACE_MARK)
      mark_object(tracer, ref);
    return;
  }
  uint64_t header = load_header(ref, tracer->stack.parallel);
  *slot = mm_header_is_visited(header) ? mm_header_place(ref, header)
                                       : evacuate(tracer, ref, header);
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

static MM_ALWAYS_INLINE void scan_entry(struct tracer *tracer, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  const struct mm_layout *layout = mm_layout_of(ref);
  MM_ASSERT(mm_has_slots(layout));
  if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, visit_slot, tracer);
  else
    scan_chunk(tracer, entry);
}

static MM_ALWAYS_INLINE void trace(struct mm_worker *worker, bool parallel)
{
  struct tracer tracer;
  uint64_t entry;
  tracer_begin(&tracer, worker, parallel);
  while (mm_tracer_pop_own(&tracer.stack, &entry) ||
         mm_tracer_find(&tracer.stack, &entry))
    scan_entry(&tracer, entry);
  tracer_end(&tracer);
}

/* Goals -------------------------------------------------------------------- */

static void trace_alone(struct mm_worker *worker)
{
  trace(worker, false);
}

static void trace_parallel(struct mm_worker *worker)
{
  trace(worker, true);
}

static MM_ALWAYS_INLINE void visit_one(struct mm_worker *worker,
                                       struct mm_ref *slot, bool parallel)
{
  struct tracer tracer;
  tracer_begin(&tracer, worker, parallel);
  visit_slot(&tracer, slot);
  tracer_end(&tracer);
}

static void visit_root_slot(void *worker, struct mm_ref *slot)
{
  if (has_company(worker))
    visit_one(worker, slot, true);
  else
    visit_one(worker, slot, false);
}

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct mm_worker *worker;
};

static void visit_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  (void)kind;
  visit_root_slot(((struct root_visitor *)visitor)->worker, slot);
}

void mm_evacuate_goal(struct mm_worker *worker)
{
  mm_trace_stack_reset(&worker->stack);
  if (worker->index == 0) {
    struct root_visitor visitor = {{visit_root}, worker};
    mm_roots_visit(worker->heap, &visitor.visitor);
  }
  if (has_company(worker))
    trace_parallel(worker);
  else
    trace_alone(worker);
  mm_evacuate_end_buffer(worker);
}

void mm_evacuate_rescan(void *worker, struct mm_ref ref)
{
  struct mm_worker *self = worker;
  mm_trace_stack_reset(&self->stack);
  mm_scan_object(mm_address(ref), mm_layout_of(ref), visit_root_slot, self);
  trace_alone(self);
}
