/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap verifier: a second tracer, as naive as can be, that shares no code
 * with the collector.  It keeps its own sets and its own stack:
 *
 *   walk    every region -> starts: where the walk found objects
 *   trace   roots, then fields -> reached; each reference on the way has to
 *           point at a member of `starts`
 *   compare (marks only) reached against the collector's mark bits
 *
 * All faults are reported, then the count is returned; what to do about it is
 * the caller's affair.  Faults and the tests in which each fires are listed
 * in tests/unit/test_mm_verify.c.
 *
 * Cost: two bits per granule of the regions in use, a stack that grows.  When
 * there is no memory for them the verifier says so and finds nothing.
 */
#include "config.h"

#include "mm/gc/heap_verify_internal.h"

#include <inttypes.h>
#include <string.h>

#include "mm/barrier_log.h"
#include "mm/card.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/native.h"
#include "mm/reference.h"
#include "mm/gc/verifier_internal.h"

static const char *root_name(enum mm_root_kind kind)
{
  static const char *const names[MM_ROOT_KIND_COUNT] = {
      [MM_ROOT_VREG] = "VReg",
      [MM_ROOT_SCOPE] = "scope",
      [MM_ROOT_STATIC] = "static",
      [MM_ROOT_MIRROR] = "mirror",
      [MM_ROOT_CONSTANT] = "constant",
      [MM_ROOT_THREAD] = "thread",
      [MM_ROOT_GLOBAL] = "global",
      [MM_ROOT_HANDLE_LOCAL] = "local handle",
      [MM_ROOT_HANDLE_GLOBAL] = "global handle",
      [MM_ROOT_PIN] = "pin",
  };
  return kind < MM_ROOT_KIND_COUNT ? names[kind] : "unknown";
}

static void collect_log(struct mm_verifier *verifier,
                        const struct mm_barrier_log *log)
{
  for (; log; log = log->next)
    for (uint32_t i = 0; i < log->count; i++)
      mm_verify_put(verifier->logged, log->entries[i]);
}

static size_t logged_words(const struct mm_verifier *verifier)
{
  return verifier->words * MM_OBJECT_ALIGN / MM_CARD_BYTES + 64;
}

/* Which cards are on logs? */
static void collect_logs(struct mm_verifier *verifier)
{
  struct mm_heap *heap = verifier->heap;
  verifier->logged = mm_native_alloc(MM_PURPOSE_VERIFY,
                                     logged_words(verifier) * sizeof(uint64_t));
  verifier->gave_up = !verifier->logged || !mm_verify_candidates_open(verifier);
  if (verifier->gave_up)
    return;
  collect_log(verifier, heap->cards.full);
  for (struct mm_mutator *m = heap->mutators; m; m = m->next)
    collect_log(verifier, m->card_log);
}

static bool open_sets(struct mm_verifier *verifier)
{
  size_t regions = verifier->heap->regions.fresh_from;
  verifier->words = regions * (MM_REGION_GRANULES / 64) + 1;
  size_t bytes = verifier->words * sizeof(uint64_t);
  verifier->starts = mm_native_alloc(MM_PURPOSE_VERIFY, bytes);
  verifier->reached = mm_native_alloc(MM_PURPOSE_VERIFY, bytes);
  verifier->gave_up = !verifier->starts || !verifier->reached;
  if (mm_cycle_marks(verifier->heap)) {
    verifier->found = mm_native_alloc(MM_PURPOSE_VERIFY, bytes);
    verifier->gave_up |= !verifier->found;
  }
  if (verifier->heap->has_cards && !verifier->gave_up)
    collect_logs(verifier);
  return !verifier->gave_up;
}

static void close_sets(struct mm_verifier *verifier)
{
  size_t bytes = verifier->words * sizeof(uint64_t);
  mm_native_free(MM_PURPOSE_VERIFY, verifier->starts, bytes);
  mm_native_free(MM_PURPOSE_VERIFY, verifier->reached, bytes);
  mm_native_free(MM_PURPOSE_VERIFY, verifier->found, bytes);
  mm_native_free(MM_PURPOSE_VERIFY, verifier->logged,
                 logged_words(verifier) * sizeof(uint64_t));
  mm_verify_candidates_close(verifier);
  mm_native_free(MM_PURPOSE_VERIFY, verifier->stack,
                 verifier->capacity * sizeof *verifier->stack);
  mm_native_free(MM_PURPOSE_VERIFY, verifier->ephemerons,
                 verifier->ephemeron_capacity * sizeof *verifier->ephemerons);
}

/* Makes room for one more reference; false: no memory. */
static bool make_room(struct mm_ref **refs, size_t *capacity, size_t count)
{
  size_t size = sizeof **refs, wanted = *capacity ? *capacity * 2 : 4096;
  if (count < *capacity)
    return true;
  struct mm_ref *more = mm_native_alloc(MM_PURPOSE_VERIFY, wanted * size);
  if (!more)
    return false;
  if (count)
    memcpy(more, *refs, count * size);
  mm_native_free(MM_PURPOSE_VERIFY, *refs, *capacity * size);
  *refs = more;
  *capacity = wanted;
  return true;
}

void mm_verify_push(struct mm_verifier *verifier, struct mm_ref ref)
{
  if (!make_room(&verifier->stack, &verifier->capacity, verifier->depth))
    verifier->gave_up = true;
  else
    verifier->stack[verifier->depth++] = ref;
}

static const char *edge_fault(const struct mm_verifier *verifier,
                              uintptr_t address)
{
  const struct mm_regions *regions = &verifier->heap->regions;
  if (!mm_regions_contain(regions, address))
    return "points out of the heap";
  uint32_t index = mm_region_index(regions, address);
  if (index >= regions->fresh_from)
    return "points into a region never used";
  const struct mm_region *region = &regions->table[index];
  if (region->kind == MM_REGION_FREE)
    return region->flags & MM_REGION_PROTECTED
               ? "points into a free, protected region"
               : "points into a free region";
  if (region->kind == MM_REGION_LARGE_TAIL)
    return "points into a large object";
  if (address >= region->top)
    return "points beyond the top of its region";
  if (!mm_verify_has(verifier->starts, mm_verify_granule(verifier, address)))
    return "does not point at the start of an object";
  return NULL;
}

/* Checks one reference; an object met for the first time is pushed when
   `follow` says so. */
static void check_edge(struct mm_verifier *verifier,
                       const struct mm_verify_edge *edge, bool follow)
{
  if (mm_is_null(edge->value))
    return;
  uintptr_t address = (uintptr_t)mm_address(edge->value);
  const char *fault = edge_fault(verifier, address);
  if (fault) {
    mm_verify_edge_fault(verifier, edge, fault);
    return;
  }
  uint64_t granule = mm_verify_granule(verifier, address);
  if (!follow || mm_verify_has(verifier->reached, granule))
    return;
  mm_verify_put(verifier->reached, granule);
  mm_verify_push(verifier, edge->value);
}

static bool is_young(const struct mm_heap *heap, struct mm_ref ref)
{
  uintptr_t address = (uintptr_t)mm_address(ref);
  const struct mm_region *region = mm_region_of(&heap->regions, address);
  return (region->kind == MM_REGION_SMALL || region->kind == MM_REGION_LARGE) &&
         region->age != MM_AGE_TENURED;
}

static bool is_noted(const struct mm_heap *heap, uintptr_t slot)
{
  uint8_t card = *mm_card_at(heap, slot);
  return card == MM_CARD_DIRTY || card == mm_card_one(slot);
}

/* Is the card on a log, or will all be searched? */
static bool is_found(const struct mm_verifier *verifier, uintptr_t slot)
{
  const struct mm_heap *heap = verifier->heap;
  return is_noted(heap, slot) &&
         (mm_verify_has(verifier->logged, mm_card_of(heap, slot)) ||
          heap->cards.overflowed);
}

/* What was allocated since is seen by the next pause. */
static bool is_unseen(const struct mm_heap *heap, uintptr_t slot)
{
  const struct mm_region *region = mm_region_of(&heap->regions, slot);
  return mm_cards_hide_new(heap) && region->kind == MM_REGION_SMALL &&
         slot >= region->scan_top;
}

/* A reference into a candidate is remembered, once all have been looked for. */
static const char *candidate_fault(const struct mm_verifier *verifier,
                                   struct mm_ref value, uintptr_t slot)
{
  const struct mm_heap *heap = verifier->heap;
  uint32_t number =
      mm_region_of(&heap->regions, (uintptr_t)mm_address(value))->candidate;
  if (!heap->candidates.is_complete || number == 0 || is_unseen(heap, slot) ||
      is_found(verifier, slot) || heap->candidates.each[number - 1].is_lost ||
      mm_verify_remembers(verifier, number, mm_card_of(heap, slot)))
    return NULL;
  return "is in a candidate, which does not remember the card";
}

/* An old object that refers to a young one stands on a dirty card. */
static const char *card_fault(const struct mm_verifier *verifier,
                              const struct mm_verify_edge *edge)
{
  const struct mm_heap *heap = verifier->heap;
  uintptr_t value = (uintptr_t)mm_address(edge->value);
  if (!heap->has_cards || edge_fault(verifier, value) ||
      is_young(heap, edge->holder))
    return NULL;
  uintptr_t slot = (uintptr_t)mm_address(edge->holder) + edge->offset;
  if (!is_young(heap, edge->value))
    return candidate_fault(verifier, edge->value, slot);
  if (!is_noted(heap, slot))
    return "is young, and the old object's card is not dirty";
  if (!is_found(verifier, slot))
    return "is young, and the old object's card is on no log";
  return NULL;
}

static void check_value(struct mm_verifier *verifier, struct mm_ref holder,
                        uint64_t offset, struct mm_ref value, bool follow)
{
  if (mm_is_null(value)) /* most of what there is in large arrays */
    return;
  struct mm_verify_edge edge = {
      .holder = holder, .offset = offset, .value = value};
  check_edge(verifier, &edge, follow);
  const char *fault = card_fault(verifier, &edge);
  if (fault)
    mm_verify_edge_fault(verifier, &edge, fault);
}

static void check_slot(struct mm_verifier *verifier, struct mm_ref holder,
                       uint64_t offset, bool follow)
{
  const char *at = (const char *)mm_address(holder) + offset;
  struct mm_ref value = {*(const uint32_t *)at};
  check_value(verifier, holder, offset, value, follow);
}

static void check_field(struct mm_verifier *verifier, struct mm_ref holder,
                        uint64_t offset)
{
  check_slot(verifier, holder, offset, true);
}

/* A tagged slot: 64 bits, which are a reference or not. */
static void check_tagged(struct mm_verifier *verifier, struct mm_ref holder,
                         uint64_t offset, struct mm_tagging tagging)
{
  const char *at = (const char *)mm_address(holder) + offset;
  uint64_t value = *(const uint64_t *)at;
  if ((value & tagging.mask) == tagging.pattern)
    check_value(verifier, holder, offset, (struct mm_ref){(uint32_t)value},
                true);
}

/* What an object refers to without a field: a slot outside of the heap, or the
   owner of its class.  No card stands for it. */
static void check_outside(struct mm_verifier *verifier, const char *what,
                          const void *slot, struct mm_ref value)
{
  struct mm_verify_edge edge = {.root = what, .slot = slot, .value = value};
  check_edge(verifier, &edge, true);
}

struct custom_check {
  struct mm_slot_visitor visitor; /* first: cast back */
  struct mm_verifier *verifier;
  struct mm_ref holder;
  uint64_t bytes;
  struct mm_tagging tagging;
};

static void check_custom(struct custom_check *check, const void *slot,
                         struct mm_ref value)
{
  uintptr_t offset = (uintptr_t)slot - (uintptr_t)mm_address(check->holder);
  if (offset < check->bytes)
    check_value(check->verifier, check->holder, offset, value, true);
  else
    check_outside(check->verifier, "outside", slot, value);
}

static void check_custom_slot(struct mm_slot_visitor *visitor,
                              struct mm_ref *slot)
{
  check_custom((struct custom_check *)visitor, slot, *slot);
}

static void check_custom_tagged(struct mm_slot_visitor *visitor, uint64_t *slot)
{
  struct custom_check *check = (struct custom_check *)visitor;
  if ((*slot & check->tagging.mask) == check->tagging.pattern)
    check_custom(check, slot, (struct mm_ref){(uint32_t)*slot});
}

static void scan_custom(struct mm_verifier *verifier, struct mm_ref ref,
                        const struct mm_layout *layout)
{
  struct custom_check check = {
      .visitor = {check_custom_slot, check_custom_tagged, 0, UINTPTR_MAX},
      .verifier = verifier,
      .holder = ref,
      .bytes = mm_verify_bytes((uintptr_t)mm_address(ref)),
      .tagging = mm_language_tagging_or_none(layout),
  };
  mm_custom_scan(mm_address(ref), layout, &check.visitor);
}

static void scan_plain_tagged(struct mm_verifier *verifier, struct mm_ref ref,
                              const struct mm_layout *layout)
{
  bool wide = layout->flags & MM_LAYOUT_WIDE_MAP;
  const uint64_t *map = wide ? layout->wide_ref_map : &layout->ref_map;
  uint64_t words = layout->base_bytes / 4;
  struct mm_tagging tagging = mm_language_tagging(layout);
  for (uint64_t i = 0; i < words && (wide || i < 64); i += 2)
    if (mm_verify_has(map, i))
      check_tagged(verifier, ref, i * 4, tagging);
}

static void scan_tagged_array(struct mm_verifier *verifier, struct mm_ref ref,
                              const struct mm_layout *layout)
{
  struct mm_tagging tagging = mm_language_tagging(layout);
  const uint32_t *words = mm_address(ref);
  for (uint64_t i = 0; i < words[2]; i++)
    check_tagged(verifier, ref, layout->base_bytes + 8 * i, tagging);
}

static void scan_plain(struct mm_verifier *verifier, struct mm_ref ref,
                       const struct mm_layout *layout)
{
  bool wide = layout->flags & MM_LAYOUT_WIDE_MAP;
  const uint64_t *map = wide ? layout->wide_ref_map : &layout->ref_map;
  uint64_t slots = layout->base_bytes / 4;
  if (!wide && slots > 64)
    slots = 64;
  for (uint64_t i = 0; i < slots; i++)
    if (mm_verify_has(map, i))
      check_field(verifier, ref, i * 4);
}

/* Referents are checked, and not followed; an ephemeron's value is when its key
   was reached (follow_ephemerons). */
static void scan_reference(struct mm_verifier *verifier, struct mm_ref ref,
                           const struct mm_layout *layout)
{
  const uint32_t *words = mm_address(ref);
  scan_plain(verifier, ref, layout);
  check_slot(verifier, ref, MM_REFERENCE_REFERENT_OFFSET, false);
  verifier->linked += words[MM_REFERENCE_LINK_OFFSET / 4] != 0;
  if (layout->elem_log2 != MM_STRENGTH_EPHEMERON)
    return;
  check_slot(verifier, ref, MM_REFERENCE_VALUE_OFFSET, false);
  if (!make_room(&verifier->ephemerons, &verifier->ephemeron_capacity,
                 verifier->ephemeron_count))
    verifier->gave_up = true;
  else
    verifier->ephemerons[verifier->ephemeron_count++] = ref;
}

static void scan(struct mm_verifier *verifier, struct mm_ref ref)
{
  const uint32_t *words = mm_address(ref);
  const struct mm_layout *layout =
      (const struct mm_layout *)(uintptr_t)words[0];
  if (layout->flags & MM_LAYOUT_OWNED)
    check_outside(verifier, "owner", &layout->owner, layout->owner);
  if (layout->kind == MM_KIND_CUSTOM)
    scan_custom(verifier, ref, layout);
  else if (layout->kind == MM_KIND_TAGGED_ARRAY)
    scan_tagged_array(verifier, ref, layout);
  else if (layout->kind == MM_KIND_PLAIN && layout->flags & MM_LAYOUT_TAGGED)
    scan_plain_tagged(verifier, ref, layout);
  else if (layout->kind == MM_KIND_PLAIN)
    scan_plain(verifier, ref, layout);
  else if (layout->kind == MM_KIND_REFERENCE)
    scan_reference(verifier, ref, layout);
  else if (layout->kind == MM_KIND_REF_ARRAY)
    for (uint64_t i = 0; i < words[2]; i++)
      check_field(verifier, ref, layout->base_bytes + 4 * i);
}

static void drain(struct mm_verifier *verifier)
{
  while (verifier->depth > 0)
    scan(verifier, verifier->stack[--verifier->depth]);
}

struct root_check {
  struct mm_root_visitor visitor; /* first: cast back */
  struct mm_verifier *verifier;
  struct mm_mutator *mutator;
};

struct weak_check {
  struct mm_weak_visitor visitor; /* first: cast back */
  struct mm_verifier *verifier;
};

static void check_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  struct root_check *check = (struct root_check *)visitor;
  struct mm_verify_edge edge = {
      .root = root_name(kind),
      .slot = slot,
      .mutator = check->mutator ? check->mutator->id : 0,
      .value = *slot,
  };
  check_edge(check->verifier, &edge, true);
  drain(check->verifier);
}

static bool check_weak(struct mm_weak_visitor *visitor, struct mm_ref *slot)
{
  struct weak_check *check = (struct weak_check *)visitor;
  struct mm_verify_edge edge = {.root = "weak", .slot = slot, .value = *slot};
  check_edge(check->verifier, &edge, false);
  return true;
}

/* Calls `check' with each slot in use of the chunks that are `owner''s: found
   by the directory, not by the lists that the collector goes by. */
static void each_handle(struct mm_verifier *verifier, uintptr_t owner,
                        const struct mm_locals *below,
                        void (*check)(struct mm_verifier *verifier,
                                      void *context,
                                      struct mm_handle_chunk *chunk,
                                      struct mm_handle_slot *slot),
                        void *context)
{
  struct mm_handles *handles = &verifier->heap->handles;
  for (uint32_t number = 0; number < handles->chunk_count; number++) {
    struct mm_handle_chunk *chunk =
        mm_handle_chunk_of(handles->directory, number << MM_HANDLE_SLOT_LOG2);
    for (uint32_t i = 0; chunk->owner == owner && i < MM_HANDLE_CHUNK_SLOTS;
         i++)
      if (chunk->slots[i].serial % 2 == 1 &&
          (!below || mm_local_is_open(below, chunk, &chunk->slots[i])))
        check(verifier, context, chunk, &chunk->slots[i]);
  }
}

static void check_local(struct mm_verifier *verifier, void *context,
                        struct mm_handle_chunk *chunk,
                        struct mm_handle_slot *slot)
{
  struct root_check *check = context;
  (void)verifier;
  (void)chunk;
  check_root(&check->visitor, &slot->ref, MM_ROOT_HANDLE_LOCAL);
}

static void check_global(struct mm_verifier *verifier, void *context,
                         struct mm_handle_chunk *chunk,
                         struct mm_handle_slot *slot)
{
  struct root_check *check = context;
  (void)verifier;
  (void)chunk;
  check_root(&check->visitor, &slot->ref, MM_ROOT_HANDLE_GLOBAL);
}

static void check_weak_handle(struct mm_verifier *verifier, void *context,
                              struct mm_handle_chunk *chunk,
                              struct mm_handle_slot *slot)
{
  struct mm_verify_edge edge = {
      .root = "weak handle", .slot = &slot->ref, .value = slot->ref};
  (void)context;
  (void)chunk;
  check_edge(verifier, &edge, false);
}

/* A handle of a young object is where young collections look. */
static void check_young_handles(struct mm_verifier *verifier,
                                enum mm_handle_kind kind, const char *name)
{
  const struct mm_heap *heap = verifier->heap;
  const struct mm_handle_chunk *chunk = heap->handles.shared[kind].first;
  for (; heap->has_cards && chunk; chunk = chunk->next)
    for (uint32_t i = 0; !chunk->has_young && i < MM_HANDLE_CHUNK_SLOTS; i++) {
      const struct mm_handle_slot *slot = &chunk->slots[i];
      struct mm_verify_edge edge = {
          .root = name, .slot = &slot->ref, .value = slot->ref};
      if (slot->serial % 2 == 1 && !mm_is_null(slot->ref) &&
          is_young(heap, slot->ref))
        mm_verify_edge_fault(verifier, &edge,
                             "is young, and young collections do not know");
    }
}

/* What is watched is where it was left, and where young collections look. */
static void check_watches(struct mm_verifier *verifier)
{
  const struct mm_heap *heap = verifier->heap;
  struct mm_deaths *deaths = &verifier->heap->deaths;
  pthread_mutex_lock(&deaths->lock);
  for (size_t i = deaths->dead; i < deaths->count; i++) {
    struct mm_ref *slot = &deaths->each[i].object;
    struct mm_verify_edge edge = {
        .root = "watch", .slot = slot, .value = *slot};
    check_edge(verifier, &edge, false);
    if (heap->has_cards && i < deaths->old && is_young(heap, *slot))
      mm_verify_edge_fault(verifier, &edge,
                           "its object is young, and young collections do "
                           "not know");
  }
  pthread_mutex_unlock(&deaths->lock);
}

static void trace_locals(struct root_check *check, struct mm_mutator *mutator)
{
  each_handle(check->verifier, (uintptr_t)mutator, &mutator->locals,
              check_local, check);
}

static void trace_mutator(struct mm_verifier *verifier,
                          struct mm_mutator *mutator)
{
  struct mm_heap *heap = verifier->heap;
  struct root_check check = {{.slot = check_root}, verifier, mutator};
  uint64_t faults = verifier->faults;
  for (struct mm_scope *scope = mutator->scopes; scope; scope = scope->outer)
    for (size_t i = 0; i < scope->count; i++)
      check_root(&check.visitor, &scope->refs[i], MM_ROOT_SCOPE);
  trace_locals(&check, mutator);
  heap->binding.visit_mutator_roots(heap->host, mutator, &check.visitor);
  if (faults != verifier->faults && heap->binding.describe_mutator)
    heap->binding.describe_mutator(heap->host, mutator, verifier->out);
}

/* The list goes through the references' links, and holds what finals refer to.
   A link that leads astray is not followed. */
static void trace_pending_list(struct mm_verifier *verifier,
                               struct mm_ref *slot)
{
  struct mm_ref at = *slot;
  while (at.bits > 1) {
    struct mm_verify_edge edge = {.root = "pending", .slot = slot, .value = at};
    check_edge(verifier, &edge, true);
    drain(verifier);
    if (edge_fault(verifier, (uintptr_t)mm_address(at)))
      return;
    char *object = mm_address(at);
    slot = (struct mm_ref *)(object + MM_REFERENCE_LINK_OFFSET);
    check_field(verifier, at, MM_REFERENCE_REFERENT_OFFSET);
    drain(verifier);
    verifier->pending++;
    at = *slot;
  }
}

static void trace_pending(struct mm_verifier *verifier)
{
  struct mm_references *references = &verifier->heap->references;
  trace_pending_list(verifier, &references->pending.first);
  for (unsigned i = 0; i < MM_LANGUAGES; i++)
    trace_pending_list(verifier, &references->queues[i].first);
}

/* What has a link and is not pending would never be discovered. */
static void check_links(struct mm_verifier *verifier)
{
  if (verifier->linked == verifier->pending || verifier->gave_up)
    return;
  verifier->faults++;
  fprintf(verifier->out,
          "heap verifier: %" PRIu64 " references have links, and %" PRIu64
          " are pending\n",
          verifier->linked, verifier->pending);
}

static bool was_reached(const struct mm_verifier *verifier, struct mm_ref ref)
{
  uintptr_t at = (uintptr_t)mm_address(ref);
  return !edge_fault(verifier, at) &&
         mm_verify_has(verifier->reached, mm_verify_granule(verifier, at));
}

/* Rounds over all that are left, until one finds nothing. */
static void follow_ephemerons(struct mm_verifier *verifier)
{
  size_t followed = 1;
  while (followed > 0) {
    size_t count = verifier->ephemeron_count, left = 0;
    followed = 0;
    for (size_t i = 0; i < count; i++) {
      struct mm_ref ref = verifier->ephemerons[i];
      const uint32_t *words = mm_address(ref);
      struct mm_ref key = {words[MM_REFERENCE_REFERENT_OFFSET / 4]};
      if (mm_is_null(key))
        continue;
      if (!was_reached(verifier, key)) {
        verifier->ephemerons[left++] = ref;
        continue;
      }
      check_field(verifier, ref, MM_REFERENCE_VALUE_OFFSET);
      followed++;
    }
    verifier->ephemeron_count = left;
    drain(verifier); /* puts more of them behind these */
  }
}

/* A pinned object stands where it stood when it was pinned. */
static void trace_pins(struct mm_verifier *verifier, struct root_check *check)
{
  struct mm_pins *pins = &verifier->heap->pins;
  for (uint32_t i = 0; i < pins->capacity; i++) {
    struct mm_pin_entry *entry = &pins->entries[i];
    struct mm_verify_edge edge = {
        .root = "pin", .slot = &entry->ref, .value = entry->ref};
    if (mm_is_null(entry->ref))
      continue;
    if (!mm_same(entry->ref, entry->place))
      mm_verify_edge_fault(verifier, &edge, "has moved, though it is pinned");
    check_root(&check->visitor, &entry->ref, MM_ROOT_PIN);
  }
}

static void trace(struct mm_verifier *verifier)
{
  struct mm_heap *heap = verifier->heap;
  struct root_check globals = {{.slot = check_root}, verifier, NULL};
  heap->binding.visit_global_roots(heap->host, &globals.visitor);
  each_handle(verifier, MM_HANDLES_GLOBAL, NULL, check_global, &globals);
  trace_pins(verifier, &globals);
  for (struct mm_mutator *m = heap->mutators; m; m = m->next)
    trace_mutator(verifier, m);
  trace_pending(verifier);
  follow_ephemerons(verifier);
}

static void check_weak_tables(struct mm_verifier *verifier)
{
  struct mm_heap *heap = verifier->heap;
  struct weak_check check = {{check_weak}, verifier};
  if (heap->binding.visit_weak)
    heap->binding.visit_weak(heap->host, &check.visitor);
  mm_languages_visit_weak(heap, &check.visitor);
  each_handle(verifier, MM_HANDLES_WEAK, NULL, check_weak_handle, NULL);
  check_young_handles(verifier, MM_HANDLE_GLOBAL, "global handle");
  check_young_handles(verifier, MM_HANDLE_WEAK, "weak handle");
  check_watches(verifier);
}

static uint64_t finish(struct mm_verifier *verifier)
{
  if (verifier->gave_up)
    fprintf(verifier->out, "heap verifier: no memory to verify the heap\n");
  else if (verifier->faults)
    fprintf(verifier->out, "heap verifier: %" PRIu64 " faults\n",
            verifier->faults);
  fflush(verifier->out);
  close_sets(verifier);
  return verifier->faults;
}

uint64_t mm_verify_heap(struct mm_heap *heap, const char *when, FILE *out)
{
  struct mm_verifier verifier = {.heap = heap, .when = when, .out = out};
  mm_verify_tlabs(&verifier);
  mm_make_walkable(heap);
  if (open_sets(&verifier)) {
    mm_verify_walk(&verifier);
    trace(&verifier);
    check_links(&verifier);
    check_weak_tables(&verifier);
    mm_verify_cycle(&verifier);
  }
  return finish(&verifier);
}

uint64_t mm_verify(struct mm_heap *heap)
{
  return mm_verify_heap(heap, "since", stderr);
}

static const char *mark_fault(const struct mm_verifier *verifier,
                              uint64_t granule)
{
  if (mm_verify_has(verifier->reached, granule))
    return "it is reachable and not marked";
  if (mm_verify_has(verifier->starts, granule))
    return "it is marked and not reachable";
  return "a mark stands where no object starts";
}

uint64_t mm_verify_covered(const struct mm_heap *heap, size_t word)
{
  uintptr_t at = heap->regions.base + word * 64 * MM_OBJECT_ALIGN;
  const struct mm_region *region = mm_region_of(&heap->regions, at);
  if (region->kind != MM_REGION_SMALL ||
      at + 64 * MM_OBJECT_ALIGN <= region->mark_top)
    return UINT64_MAX;
  if (at >= region->mark_top)
    return 0;
  return ((uint64_t)1 << ((region->mark_top - at) / MM_OBJECT_ALIGN)) - 1;
}

/* Compares 64 granules; the index of a word is that of the mark bitmap. */
static void compare_word(struct mm_verifier *verifier, size_t word)
{
  const struct mm_heap *heap = verifier->heap;
  uint64_t differs = heap->marks[word] ^ verifier->reached[word];
  if (!verifier->is_exact)
    differs &= ~(heap->marks[word] & verifier->starts[word]) &
               mm_verify_covered(heap, word);
  while (differs) {
    uint64_t granule = word * 64 + (unsigned)__builtin_ctzll(differs);
    mm_verify_object_fault(verifier,
                           heap->regions.base + granule * MM_OBJECT_ALIGN, "%s",
                           mark_fault(verifier, granule));
    differs &= differs - 1;
  }
}

void mm_verify_each_word(struct mm_verifier *verifier,
                         void (*compare)(struct mm_verifier *verifier,
                                         size_t word))
{
  const struct mm_regions *regions = &verifier->heap->regions;
  size_t words = MM_REGION_GRANULES / 64;
  for (uint32_t i = 0; i < regions->fresh_from; i++)
    if (mm_region_is_walkable(regions->table[i].kind))
      for (size_t word = 0; word < words; word++)
        compare(verifier, i * words + word);
}

uint64_t mm_verify_marks(struct mm_heap *heap, bool exact, FILE *out)
{
  struct mm_verifier verifier = {
      .heap = heap, .when = "marking in", .out = out, .is_exact = exact};
  if (open_sets(&verifier)) {
    mm_verify_walk(&verifier);
    trace(&verifier);
    if (!verifier.gave_up)
      mm_verify_each_word(&verifier, compare_word);
  }
  return finish(&verifier);
}
