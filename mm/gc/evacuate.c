/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full evacuation.
 *
 *   from-space object   header -> forwarding        (one 8-byte store)
 *   its copy            old header, fields; pushed, and scanned when popped
 *
 * Copies are made when a reference to an object is first met, last field
 * first; the first field's object is scanned next.  So an object's children
 * lie beside each other and the first one's children beside it, which is
 * close to depth first and about twice as fast as breadth first, for the
 * collector and for the program after it (Wilson, Lam and Moher, 1991;
 * Moon, 1984, on why order matters).
 *
 * With several workers each copies into a buffer of its own before it tries
 * to install the forwarding; the one who loses takes its copy back (Flood et
 * al., "Parallel garbage collection for shared memory multiprocessors",
 * 2001).  A lone worker uses no atomic operation.
 *
 * Large and non-moving objects stay and are marked in the bitmap.
 *
 * When there is no room left, the object stays too: its header is marked as
 * kept (header_internal.h), its region is not freed, and at the end the dead
 * around it become fillers.
 *
 * Invariants
 *   a slot of a scanned object never refers to a forwarded object
 *   (the verifier); copies and kept objects are pushed exactly once, by the
 *   worker whose store or exchange of the header succeeded.
 *
 * Next: trace_internal.h (stacks, sharing), compact.c (no room at all).
 */
#include "config.h"

#include "mm/gc/evacuate_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/header_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"
#include "mm/mm_inline.h"
#include "mm/space/large_internal.h"
#include "mm/space/nonmoving_internal.h"
#include "mm/space/object_internal.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

enum {
  SHARED_BUFFER_BYTES = 32 * 1024, /* when several workers share a region */
  COPY_WORDS_MAX = 16,             /* copied in a loop; memcpy above */
};

/* Room to copy to ---------------------------------------------------------- */

static void lock_space(struct mm_worker *worker)
{
  if (worker->workers->active > 1)
    pthread_mutex_lock(&worker->heap->space_lock);
}

static void unlock_space(struct mm_worker *worker)
{
  if (worker->workers->active > 1)
    pthread_mutex_unlock(&worker->heap->space_lock);
}

/* A new buffer with room for at least `bytes`. */
static enum mm_status refill(struct mm_worker *worker, size_t bytes)
{
  struct mm_heap *heap = worker->heap;
  size_t want = worker->workers->active > 1 ? SHARED_BUFFER_BYTES
                                            : MM_REGION_BYTES;
  if (want < bytes)
    want = bytes;
  lock_space(worker);
  mm_object_chunk_end(heap, &worker->buffer);
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
  enum mm_status status = mm_object_cut_medium(
      heap, bytes, heap->regions.count, false, to);
  unlock_space(worker);
  return status;
}

/* Copying ------------------------------------------------------------------ */

static ALWAYS_INLINE void copy_body(uintptr_t to, const void *from,
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
    __asm__ volatile("" : : : "memory");
  }
}

/* Writes `header` over `*seen`.  False: another worker was first, and *seen
   is what it wrote. */
static ALWAYS_INLINE bool install(struct mm_ref ref, uint64_t *seen,
                                  uint64_t header, bool parallel)
{
  if (parallel)
    return __atomic_compare_exchange_n(mm_header_at(ref), seen, header, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  *mm_header_at(ref) = header;
  return true;
}

/* Where a visited object is. */
static ALWAYS_INLINE struct mm_ref place_of(struct mm_ref ref, uint64_t header)
{
  return mm_header_is_forwarded(header) ? mm_header_target(header) : ref;
}

static ALWAYS_INLINE void push_object(struct mm_worker *worker,
                                      struct mm_ref ref,
                                      const struct mm_layout *layout)
{
  if (mm_has_slots(layout))
    mm_trace_push(worker, mm_trace_entry(ref, 0));
}

/* Leaves an object where it is: there is no room. */
static struct mm_ref keep(struct mm_worker *worker, struct mm_ref ref,
                          uint64_t header, size_t bytes)
{
  struct mm_region *region =
      mm_region_of(&worker->heap->regions, (uintptr_t)mm_address(ref));
  uint64_t kept = mm_header_keeping(header);
  if (!install(ref, &header, kept, worker->workers->active > 1))
    return place_of(ref, header);
  __atomic_fetch_or(&region->flags, MM_REGION_KEPT, __ATOMIC_RELAXED);
  worker->kept_objects++;
  worker->live_objects++;
  worker->live_bytes += bytes;
  push_object(worker, ref, mm_header_layout(kept));
  return ref;
}

/* Copies to `to`.  False: another worker was first; *place is its choice. */
static ALWAYS_INLINE bool copy_to(struct mm_worker *worker, uintptr_t to,
                                  struct mm_ref ref, uint64_t header,
                                  size_t bytes, bool parallel,
                                  struct mm_ref *place)
{
  struct mm_ref copy = mm_ref_at((void *)to);
  copy_body(to, mm_address(ref), bytes);
  *(uint64_t *)to = header;
  uint64_t seen = header;
  if (!install(ref, &seen, mm_header_forwarding(copy), parallel)) {
    *place = place_of(ref, seen);
    return false;
  }
  worker->moved_objects++;
  worker->moved_bytes += bytes;
  push_object(worker, copy, mm_header_layout(header));
  *place = copy;
  return true;
}

static __attribute__((noinline)) struct mm_ref
evacuate_slow(struct mm_worker *worker, struct mm_ref ref, uint64_t header,
              size_t bytes)
{
  bool parallel = worker->workers->active > 1;
  struct mm_ref place;
  uintptr_t to;
  if (bytes > MM_TLAB_OBJECT_MAX_BYTES &&
      find_room_apart(worker, bytes, &to) == MM_OK) {
    if (!copy_to(worker, to, ref, header, bytes, parallel, &place))
      mm_fill(worker->heap, to, to + bytes);
    return place;
  }
  if (refill(worker, bytes) != MM_OK)
    return keep(worker, ref, header, bytes);
  to = worker->buffer.cursor;
  if (copy_to(worker, to, ref, header, bytes, parallel, &place))
    worker->buffer.cursor = to + bytes;
  return place;
}

static ALWAYS_INLINE struct mm_ref evacuate(struct mm_worker *worker,
                                            struct mm_ref ref, uint64_t header,
                                            bool parallel)
{
  size_t bytes = mm_size_with(mm_address(ref), mm_header_layout(header));
  uintptr_t to = worker->buffer.cursor;
  if (__builtin_expect(bytes > worker->buffer.limit - to, 0))
    return evacuate_slow(worker, ref, header, bytes);
  struct mm_ref place;
  if (copy_to(worker, to, ref, header, bytes, parallel, &place))
    worker->buffer.cursor = to + bytes;
  return place;
}

/* Slots -------------------------------------------------------------------- */

static ALWAYS_INLINE void mark_object(struct mm_worker *worker,
                                      struct mm_ref ref, bool parallel)
{
  if (!mm_mark(worker->heap, ref, parallel))
    return;
  const struct mm_layout *layout = mm_layout_of(ref);
  worker->live_objects++;
  worker->live_bytes += mm_size_with(mm_address(ref), layout);
  push_object(worker, ref, layout);
}

static ALWAYS_INLINE uint64_t load_header(struct mm_ref ref, bool parallel)
{
  return __atomic_load_n(mm_header_at(ref),
                         parallel ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED);
}

static ALWAYS_INLINE void visit_slot(struct mm_worker *worker,
                                     struct mm_ref *slot, bool parallel)
{
  struct mm_ref ref = *slot;
  if (mm_is_null(ref))
    return;
  struct mm_heap *heap = worker->heap;
  uint32_t index = mm_region_index(&heap->regions, (uintptr_t)mm_address(ref));
  uint8_t trace = heap->traces[index];
  if (__builtin_expect(trace != MM_TRACE_MOVE, 0)) {
    if (trace == MM_TRACE_MARK)
      mark_object(worker, ref, parallel);
    return;
  }
  uint64_t header = load_header(ref, parallel);
  *slot = mm_header_is_visited(header)
              ? place_of(ref, header)
              : evacuate(worker, ref, header, parallel);
}

static void visit_slot_alone(void *worker, struct mm_ref *slot)
{
  visit_slot(worker, slot, false);
}

static void visit_slot_parallel(void *worker, struct mm_ref *slot)
{
  visit_slot(worker, slot, true);
}

static ALWAYS_INLINE void scan_chunk(struct mm_worker *worker, uint64_t entry,
                                     mm_slot_visit *visit)
{
  void *at = mm_address(mm_trace_ref(entry));
  uint32_t length = *(uint32_t *)((char *)at + MM_ARRAY_LENGTH_OFFSET);
  uint32_t chunk = mm_trace_chunk(entry);
  uint32_t from = chunk * MM_SCAN_CHUNK, to = length;
  if (length - from > MM_SCAN_CHUNK) {
    to = from + MM_SCAN_CHUNK;
    mm_trace_push(worker, mm_trace_entry(mm_trace_ref(entry), chunk + 1));
  }
  mm_scan_elements(at, from, to, visit, worker);
}

static ALWAYS_INLINE void scan_entry(struct mm_worker *worker, uint64_t entry,
                                     mm_slot_visit *visit)
{
  struct mm_ref ref = mm_trace_ref(entry);
  const struct mm_layout *layout = mm_layout_of(ref);
  if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, visit, worker);
  else
    scan_chunk(worker, entry, visit);
}

static void trace_alone(struct mm_worker *worker)
{
  uint64_t entry;
  while (mm_trace_pop(worker, false, &entry))
    scan_entry(worker, entry, visit_slot_alone);
}

static void trace_parallel(struct mm_worker *worker)
{
  uint64_t entry;
  while (mm_trace_pop(worker, true, &entry))
    scan_entry(worker, entry, visit_slot_parallel);
}

/* Roots -------------------------------------------------------------------- */

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct mm_worker *worker;
  mm_slot_visit *visit;
};

static void visit_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  struct root_visitor *self = (struct root_visitor *)visitor;
  (void)kind;
  self->visit(self->worker, slot);
}

static void visit_roots(struct mm_worker *worker, mm_slot_visit *visit)
{
  struct root_visitor visitor = {{visit_root}, worker, visit};
  mm_roots_visit(worker->heap, &visitor.visitor);
}

static void evacuate_goal(struct mm_worker *worker)
{
  bool parallel = worker->workers->active > 1;
  if (worker->index == 0)
    visit_roots(worker, parallel ? visit_slot_parallel : visit_slot_alone);
  if (parallel)
    trace_parallel(worker);
  else
    trace_alone(worker);
  lock_space(worker);
  mm_object_chunk_end(worker->heap, &worker->buffer);
  unlock_space(worker);
}

/* A stack overflowed: entries were dropped --------------------------------- */

static void rescan_object(void *context, struct mm_ref ref)
{
  struct mm_worker *worker = context;
  mm_scan_object(mm_address(ref), mm_layout_of(ref), visit_slot_alone, worker);
  trace_alone(worker);
}

/* Size of an object in from-space, forwarded or not. */
static uint64_t from_bytes(struct mm_ref ref, uint64_t header)
{
  if (mm_header_is_forwarded(header)) {
    ref = mm_header_target(header);
    header = mm_header_load(ref);
  }
  return mm_size_with(mm_address(ref), mm_header_layout(header));
}

static void rescan_region(struct mm_worker *worker, uint32_t index)
{
  struct mm_region *region = &worker->heap->regions.table[index];
  uintptr_t at = mm_region_start(&worker->heap->regions, index);
  /* Tracing may fill the region further while it is walked. */
  while (at < region->top) {
    if (at == worker->buffer.cursor && at != worker->buffer.limit) {
      at = worker->buffer.limit;
      continue;
    }
    struct mm_ref ref = mm_ref_at((void *)at);
    uint64_t header = mm_header_load(ref);
    at += from_bytes(ref, header);
    if (!(region->flags & MM_REGION_FROM) ||
        (mm_header_is_visited(header) && !mm_header_is_forwarded(header)))
      rescan_object(worker, ref);
  }
}

static void rescan_all(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    if (region->kind == MM_REGION_SMALL) {
      if (!(region->flags & MM_REGION_FROM) || region->flags & MM_REGION_KEPT)
        rescan_region(worker, i);
    } else if (region->kind == MM_REGION_LARGE ||
               region->kind == MM_REGION_NONMOVING) {
      mm_region_each_marked(heap, i, rescan_object, worker);
    }
  }
}

static void rescan_goal(struct mm_worker *worker)
{
  rescan_all(worker);
  mm_object_chunk_end(worker->heap, &worker->buffer);
}

/* Begin and end ------------------------------------------------------------ */

static void prepare_region(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  switch ((enum mm_region_kind)region->kind) {
  case MM_REGION_SMALL:
    region->flags = MM_REGION_COMMITTED | MM_REGION_FROM;
    heap->traces[index] = MM_TRACE_MOVE;
    return;
  case MM_REGION_LARGE:
  case MM_REGION_NONMOVING:
    mm_region_clear_marks(heap, index);
    heap->traces[index] = MM_TRACE_MARK;
    return;
  case MM_REGION_FREE:
  case MM_REGION_LARGE_TAIL:
  case MM_REGION_KIND_COUNT:
    heap->traces[index] = MM_TRACE_NOTHING;
    return;
  }
}

static void prepare(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    prepare_region(heap, i);
  mm_object_space_reset(heap);
}

struct weak_visitor {
  struct mm_weak_visitor visitor; /* first */
  struct mm_heap *heap;
};

static bool keep_weak(struct mm_weak_visitor *visitor, struct mm_ref *slot)
{
  struct mm_heap *heap = ((struct weak_visitor *)visitor)->heap;
  struct mm_ref ref = *slot;
  bool lives = true;
  uint8_t trace =
      heap->traces[mm_region_index(&heap->regions,
                                   (uintptr_t)mm_address(ref))];
  if (trace == MM_TRACE_MARK) {
    lives = mm_is_marked(heap, ref);
  } else if (trace == MM_TRACE_MOVE) {
    uint64_t header = mm_header_load(ref);
    lives = mm_header_is_visited(header);
    *slot = lives ? place_of(ref, header) : MM_NULL;
  }
  if (!lives)
    mm_stat_count(&heap->stat, MM_COUNT_WEAK_CLEARED, 1);
  return lives;
}

static void visit_weak(struct mm_heap *heap)
{
  struct weak_visitor visitor = {{keep_weak}, heap};
  mm_stat_phase_begin(&heap->stat, MM_PHASE_WEAK);
  heap->binding.visit_weak(heap->host, &visitor.visitor);
  mm_stat_phase_end(&heap->stat, MM_PHASE_WEAK);
}

static void bury(struct mm_heap *heap, uintptr_t at, uintptr_t end)
{
  if (mm_is_stressed(heap))
    memset((void *)at, MM_POISON_BYTE, end - at);
  mm_fill(heap, at, end);
}

/* Makes a region with kept objects an ordinary one again. */
static void restore_kept(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  uintptr_t at = mm_region_start(&heap->regions, index), gap = at;
  while (at < region->top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uint64_t header = mm_header_load(ref);
    uintptr_t end = at + from_bytes(ref, header);
    if (mm_header_is_visited(header) && !mm_header_is_forwarded(header)) {
      *mm_header_at(ref) = mm_header_unkept(header);
      bury(heap, gap, at);
      gap = end;
    }
    at = end;
  }
  if (mm_is_stressed(heap))
    memset((void *)gap, MM_POISON_BYTE, region->top - gap);
  region->top = gap;
  region->flags = MM_REGION_COMMITTED;
}

/* Highest first, so that the lowest is taken first again. */
static void free_from_space(struct mm_heap *heap)
{
  for (uint32_t i = heap->regions.fresh_from; i-- > 0;) {
    struct mm_region *region = &heap->regions.table[i];
    heap->traces[i] = MM_TRACE_NOTHING;
    if (region->kind != MM_REGION_SMALL || !(region->flags & MM_REGION_FROM))
      continue;
    if (region->flags & MM_REGION_KEPT)
      restore_kept(heap, i);
    else
      mm_heap_free_region(heap, i);
  }
}

static void release(struct mm_heap *heap)
{
  mm_stat_phase_begin(&heap->stat, MM_PHASE_SWEEP);
  mm_nonmoving_sweep(heap);
  mm_large_sweep(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_SWEEP);
  mm_stat_phase_begin(&heap->stat, MM_PHASE_RELEASE);
  free_from_space(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_RELEASE);
}

bool mm_evacuate(struct mm_heap *heap, unsigned active)
{
  struct mm_workers *workers = heap->workers;
  mm_stat_phase_begin(&heap->stat, MM_PHASE_PREPARE);
  mm_workers_reset(workers);
  prepare(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_PREPARE);
  mm_stat_phase_begin(&heap->stat, MM_PHASE_EVACUATE);
  mm_workers_run(workers, active, evacuate_goal);
  while (mm_trace_take_overflow(workers)) {
    mm_stat_count(&heap->stat, MM_COUNT_MARK_OVERFLOWS, 1);
    mm_workers_run(workers, 1, rescan_goal);
  }
  mm_stat_phase_end(&heap->stat, MM_PHASE_EVACUATE);
  visit_weak(heap);
  release(heap);
  uint64_t kept = 0;
  for (unsigned i = 0; i < workers->count; i++)
    kept += workers->each[i].kept_objects;
  return kept == 0;
}
