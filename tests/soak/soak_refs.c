/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References and handles of the soak.
 *
 * A reference goes through a life that its thread knows:
 *
 *   made      its object is held: it is not cleared, an ephemeron has its value
 *   dropped   the object is held by nothing; cleared one day, or by hand
 *   told      taken from what is pending, by any thread, once; never before it
 *             was dropped, never after it was cleared by hand
 *
 * so at the end as many were told or cleared by hand as were made, of each
 * strength.  What a thread has not seen told when its life ends it puts into a
 * list of all.
 *
 * Handles are of objects that nothing else holds, but for weak ones, unless the
 * object is pinned; pinned ones have to stay where they are.  Some are made by
 * one thread and deleted by another.  At the end none is left, and as many were
 * made as were counted.
 */
#include "config.h"

#include "tests/soak/soak.h"

#include "mm/handle_inline.h"
#include "mm/mm_inline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
  NEXT = MM_REFERENCE_FIELDS_OFFSET, /* in host.left */
  REFERENCE_NUMBER = 24,
  FLAGS = 32,
  STRENGTH = 36,
  REFERENCE_BYTES = 40,
  PINS_MOST = 2, /* of each thread: each keeps a region */
  LOCALS_MOST = 40,
  DEPTH_MOST = 10,
};

enum { DROPPED = 1, TOLD = 2, BY_HAND = 4 };

static void count(uint64_t *counter)
{
  __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint32_t *word(struct mm_ref ref, size_t offset)
{
  return (uint32_t *)((char *)mm_address(ref) + offset);
}

static uint64_t *long_word(struct mm_ref ref, size_t offset)
{
  return (uint64_t *)((char *)mm_address(ref) + offset);
}

/* Layouts --------------------------------------------------------------------
 */

bool make_reference_layouts(struct host *host)
{
  for (int i = 0; i < MM_STRENGTH_COUNT; i++) {
    host->reference[i] =
        mm_metadata_alloc(host->heap, sizeof *host->reference[i]);
    if (!host->reference[i])
      return false;
    *host->reference[i] = (struct mm_layout){.base_bytes = REFERENCE_BYTES,
                                             .kind = MM_KIND_REFERENCE,
                                             .elem_log2 = (uint8_t)i,
                                             .ref_map = 1 << NEXT / 4};
  }
  return true;
}

static const char *const strength_names[MM_STRENGTH_COUNT] = {
    "Soft", "Weak", "Final", "Ephemeron", "Phantom"};

const char *reference_name(const struct host *host,
                           const struct mm_layout *layout)
{
  for (int i = 0; i < MM_STRENGTH_COUNT; i++)
    if (layout == host->reference[i])
      return strength_names[i];
  return NULL;
}

void visit_references(struct soaker *soaker, struct mm_root_visitor *visitor)
{
  for (int i = 0; i < WATCHED; i++) {
    visitor->slot(visitor, &soaker->watched[i].reference, MM_ROOT_VREG);
    visitor->slot(visitor, &soaker->watched[i].list, MM_ROOT_VREG);
  }
  for (int i = 0; i < KEPT; i++)
    visitor->slot(visitor, &soaker->kept[i].target, MM_ROOT_VREG);
}

/* References -----------------------------------------------------------------
 */

static uint32_t flags_of(struct mm_ref reference)
{
  return __atomic_load_n(word(reference, FLAGS), __ATOMIC_RELAXED);
}

static uint32_t add_flag(struct mm_ref reference, uint32_t flag)
{
  return __atomic_fetch_or(word(reference, FLAGS), flag, __ATOMIC_RELAXED);
}

static enum mm_strength strength_of(struct mm_ref reference)
{
  return (enum mm_strength) * word(reference, STRENGTH);
}

static struct mm_ref target_of(const struct watched *watched)
{
  struct mm_ref target = watched->list;
  for (uint32_t i = 0; i < watched->depth; i++)
    target = get(target, LEFT);
  return target;
}

static bool put_before(struct soaker *soaker, struct watched *watched)
{
  struct mm_ref node = new_node(soaker, 0);
  if (mm_is_null(node))
    return false;
  set(soaker, node, LEFT, watched->list);
  watched->list = node;
  watched->depth++;
  return true;
}

/* The value refers to its key, and does not keep it for that. */
static bool give_value(struct soaker *soaker, struct watched *watched)
{
  struct mm_ref value = new_node(soaker, watched->number + 1);
  if (mm_is_null(value))
    return false;
  set(soaker, value, LEFT, target_of(watched));
  mm_ephemeron_set_value(&soaker->mutator, watched->reference, value);
  return true;
}

static void forget(struct watched *watched)
{
  *watched = (struct watched){.reference = MM_NULL};
}

static void watch(struct soaker *soaker, struct watched *watched)
{
  struct mm_mutator *mutator = &soaker->mutator;
  enum mm_strength strength = below(soaker, MM_STRENGTH_COUNT);
  watched->number = below(soaker, 1 << 30);
  watched->list = new_node(soaker, watched->number);
  if (mm_is_null(watched->list))
    return;
  for (uint32_t i = below(soaker, DEPTH_MOST); i > 0; i--)
    if (!put_before(soaker, watched))
      break;
  watched->reference = count_refusal(
      soaker, mm_alloc_plain(mutator, soaker->host->reference[strength]));
  if (mm_is_null(watched->reference)) {
    forget(watched);
    return;
  }
  *long_word(watched->reference, REFERENCE_NUMBER) = watched->number;
  *word(watched->reference, STRENGTH) = strength;
  mm_reference_init(mutator, watched->reference, target_of(watched));
  if (strength == MM_STRENGTH_EPHEMERON && !give_value(soaker, watched)) {
    mm_reference_clear(mutator, watched->reference);
    forget(watched);
    return;
  }
  count(&soaker->host->tally.made[strength]);
}

static void check_value(struct soaker *soaker, struct mm_ref ephemeron,
                        struct mm_ref key, uint64_t expected)
{
  struct mm_ref value = mm_ephemeron_value(&soaker->mutator, ephemeron);
  if (mm_is_null(value) || number(value) != expected + 1)
    wrong(soaker, "an ephemeron lost its value");
  if (!mm_same(get(value, LEFT), key))
    wrong(soaker, "the value of an ephemeron has another key");
}

static void check_held(struct soaker *soaker, const struct watched *watched)
{
  struct mm_ref reference = watched->reference, target = target_of(watched);
  if (number(target) != watched->number)
    wrong(soaker, "an object that is referred to has another number");
  if (!mm_reference_refers_to(&soaker->mutator, reference, target))
    wrong(soaker, "a reference was cleared, though its object is held");
  if (below(soaker, 2) == 0 &&
      !mm_same(mm_reference_get(&soaker->mutator, reference), target))
    wrong(soaker, "a reference has another object");
  if (strength_of(reference) == MM_STRENGTH_EPHEMERON)
    check_value(soaker, reference, target, watched->number);
}

static void finish(struct soaker *soaker, struct mm_ref reference)
{
  count(&soaker->host->tally.finished[strength_of(reference)]);
}

/* One that was dropped: is it done with?  Finals are never cleared by hand;
   of the others some are, and softs sooner or later. */
static bool is_done(struct soaker *soaker, struct mm_ref reference,
                    bool is_by_hand)
{
  uint64_t expected = *long_word(reference, REFERENCE_NUMBER);
  if (flags_of(reference) & TOLD)
    return true;
  struct mm_ref found = mm_reference_get(&soaker->mutator, reference);
  if (mm_is_null(found))
    return false; /* pending */
  if (number(found) != expected)
    wrong(soaker, "a reference has an object with another number");
  if (strength_of(reference) == MM_STRENGTH_EPHEMERON)
    check_value(soaker, reference, found, expected);
  if (!is_by_hand || strength_of(reference) == MM_STRENGTH_FINAL)
    return false;
  add_flag(reference, BY_HAND);
  mm_reference_clear(&soaker->mutator, reference);
  count(&soaker->host->tally.by_hand[strength_of(reference)]);
  return true;
}

static void drop_target(struct watched *watched)
{
  add_flag(watched->reference, DROPPED);
  watched->list = MM_NULL;
}

/* False: nothing is pending. */
static bool take_pending(struct soaker *soaker)
{
  struct mm_ref referent;
  struct mm_ref reference =
      mm_references_take_pending(&soaker->mutator, &referent);
  if (mm_is_null(reference))
    return false;
  uint32_t flags = add_flag(reference, TOLD);
  bool is_final = strength_of(reference) == MM_STRENGTH_FINAL;
  if (!(flags & DROPPED))
    wrong(soaker, "a reference is told, though its object is held");
  if (flags & TOLD)
    wrong(soaker, "a reference is told twice");
  if (flags & BY_HAND)
    wrong(soaker, "a reference is told that was cleared by hand");
  if (is_final != !mm_is_null(referent))
    wrong(soaker, "a reference is told with an object, or a final one without");
  if (is_final && number(referent) != *long_word(reference, REFERENCE_NUMBER))
    wrong(soaker, "a finalizable object has another number");
  if (!mm_is_null(mm_reference_get(&soaker->mutator, reference)))
    wrong(soaker, "a reference is told, and not cleared");
  count(&soaker->host->tally.told[strength_of(reference)]);
  return true;
}

static void visit_watched(struct soaker *soaker, struct watched *watched)
{
  if (mm_is_null(watched->reference))
    watch(soaker, watched);
  else if (!mm_is_null(watched->list)) {
    check_held(soaker, watched);
    if (below(soaker, 4) == 0)
      drop_target(watched);
  } else if (is_done(soaker, watched->reference, below(soaker, 50) == 0)) {
    finish(soaker, watched->reference);
    forget(watched);
  }
}

void reference_step(struct soaker *soaker)
{
  visit_watched(soaker, &soaker->watched[below(soaker, WATCHED)]);
  if (below(soaker, 10) == 0)
    while (take_pending(soaker))
      ;
}

/* The list of those that were left, without those that are done. */
static void prune_left(struct soaker *soaker, bool is_by_hand)
{
  struct host *host = soaker->host;
  struct mm_ref before = MM_NULL, next;
  for (struct mm_ref each = host->left; !mm_is_null(each); each = next) {
    next = get(each, NEXT);
    if (!is_done(soaker, each, is_by_hand)) {
      before = each;
      continue;
    }
    finish(soaker, each);
    if (mm_is_null(before))
      host->left = next;
    else
      set(soaker, before, NEXT, next);
  }
}

static void leave(struct soaker *soaker, struct watched *watched)
{
  if (mm_is_null(watched->reference))
    return;
  drop_target(watched);
  set(soaker, watched->reference, NEXT, soaker->host->left);
  soaker->host->left = watched->reference;
  forget(watched);
}

/* Handles --------------------------------------------------------------------
 */

static void expect(struct soaker *soaker, enum mm_handle_status status,
                   enum mm_handle_status wanted, const char *what)
{
  if (status == wanted)
    return;
  fprintf(stderr, "soak: %s, not %s\n", mm_handle_status_text(status),
          mm_handle_status_text(wanted));
  wrong(soaker, what);
}

static void check_handle(struct soaker *soaker, struct mm_handle handle,
                         uint64_t expected)
{
  struct mm_ref ref = MM_NULL;
  expect(soaker, mm_handle_get(&soaker->mutator, handle, &ref), MM_HANDLE_OK,
         "a handle");
  if (number(ref) != expected)
    wrong(soaker, "the object of a handle has another number");
}

static void delete_global(struct soaker *soaker, struct mm_handle handle)
{
  struct mm_ref ref;
  expect(soaker, mm_global_delete(&soaker->mutator, handle), MM_HANDLE_OK,
         "a global handle is deleted");
  expect(soaker, mm_handle_get(&soaker->mutator, handle, &ref), MM_HANDLE_STALE,
         "a global handle that was deleted");
}

/* Null: the heap is full. */
static struct mm_handle new_global(struct soaker *soaker, uint64_t value)
{
  struct mm_handle handle = MM_HANDLE_NONE;
  struct mm_ref node = new_node(soaker, value);
  if (mm_is_null(node))
    return handle;
  expect(soaker, mm_global_new(&soaker->mutator, node, &handle), MM_HANDLE_OK,
         "a new global handle");
  count(&soaker->host->tally.handles[MM_HANDLE_GLOBAL]);
  return handle;
}

static int pinned_by(const struct soaker *soaker)
{
  int pinned = 0;
  for (int i = 0; i < KEPT; i++)
    pinned += soaker->kept[i].kind == KEPT_PINNED;
  return pinned;
}

static void pin(struct soaker *soaker, struct kept *kept)
{
  expect(soaker, mm_pin(&soaker->mutator, kept->handle, &kept->place),
         MM_HANDLE_OK, "an object is pinned");
  count(&soaker->host->tally.pins);
  kept->kind = KEPT_PINNED;
}

static bool is_weak(const struct kept *kept)
{
  return mm_handle_kind(kept->handle) == MM_HANDLE_WEAK;
}

static void keep_global(struct soaker *soaker, struct kept *kept)
{
  kept->handle = new_global(soaker, kept->number);
  if (mm_handle_is_null(kept->handle))
    return;
  kept->kind = KEPT_GLOBAL;
  if (below(soaker, 4) == 0 && pinned_by(soaker) < PINS_MOST)
    pin(soaker, kept);
}

static void keep_weak(struct soaker *soaker, struct kept *kept)
{
  kept->target = new_node(soaker, kept->number);
  if (mm_is_null(kept->target))
    return;
  expect(soaker, mm_weak_new(&soaker->mutator, kept->target, &kept->handle),
         MM_HANDLE_OK, "a new weak handle");
  count(&soaker->host->tally.handles[MM_HANDLE_WEAK]);
  kept->kind = KEPT_WEAK;
  if (below(soaker, 4) > 0 || pinned_by(soaker) >= PINS_MOST)
    return;
  pin(soaker, kept); /* which alone keeps it */
  kept->target = MM_NULL;
}

static void check_weak(struct soaker *soaker, struct kept *kept)
{
  struct mm_ref ref = MM_NULL;
  enum mm_handle_status status =
      mm_handle_get(&soaker->mutator, kept->handle, &ref);
  if (status != MM_HANDLE_CLEARED || !mm_is_null(kept->target))
    expect(soaker, status, MM_HANDLE_OK, "a weak handle");
  if (status == MM_HANDLE_OK && number(ref) != kept->number)
    wrong(soaker, "the object of a weak handle has another number");
  if (!mm_is_null(kept->target) && !mm_same(ref, kept->target))
    wrong(soaker, "a weak handle has another object");
}

static void check_kept(struct soaker *soaker, struct kept *kept)
{
  struct mm_ref ref = MM_NULL;
  if (kept->kind == KEPT_WEAK) {
    check_weak(soaker, kept);
    return;
  }
  check_handle(soaker, kept->handle, kept->number);
  mm_handle_get(&soaker->mutator, kept->handle, &ref);
  if (kept->kind == KEPT_PINNED && !mm_same(ref, kept->place))
    wrong(soaker, "a pinned object has moved");
}

static void let_go(struct soaker *soaker, struct kept *kept)
{
  if (kept->kind == KEPT_PINNED)
    expect(soaker, mm_unpin(&soaker->mutator, kept->handle), MM_HANDLE_OK,
           "an object is unpinned");
  if (kept->kind != KEPT_NOTHING && is_weak(kept))
    expect(soaker, mm_weak_delete(&soaker->mutator, kept->handle), MM_HANDLE_OK,
           "a weak handle is deleted");
  else if (kept->kind != KEPT_NOTHING)
    delete_global(soaker, kept->handle);
  *kept = (struct kept){.kind = KEPT_NOTHING};
}

static void visit_kept(struct soaker *soaker, struct kept *kept)
{
  if (kept->kind == KEPT_NOTHING) {
    kept->number = below(soaker, 1 << 30);
    if (below(soaker, 2) == 0)
      keep_global(soaker, kept);
    else
      keep_weak(soaker, kept);
    return;
  }
  check_kept(soaker, kept);
  if (below(soaker, 8) == 0)
    kept->target = MM_NULL;
  if (below(soaker, 8) == 0)
    let_go(soaker, kept);
}

/* A frame as a native call opens it, with garbage made in between; one object
   goes into the outer frame. */
static void use_locals(struct soaker *soaker)
{
  struct mm_mutator *mutator = &soaker->mutator;
  struct mm_handle locals[LOCALS_MOST], escaped = MM_HANDLE_NONE;
  struct mm_frame outer, inner;
  uint32_t total = 1 + below(soaker, LOCALS_MOST - 1), made = 0;
  mm_frame_open(mutator, &outer);
  mm_frame_open(mutator, &inner);
  for (; made < total; made++) {
    struct mm_ref node = new_node(soaker, made);
    if (mm_is_null(node))
      break;
    expect(soaker, mm_local_new(mutator, node, &locals[made]), MM_HANDLE_OK,
           "a new local handle");
    count(&soaker->host->tally.handles[MM_HANDLE_LOCAL]);
  }
  for (int i = 0; i < 6; i++)
    make_garbage(soaker);
  for (uint32_t i = 0; i < made; i++)
    check_handle(soaker, locals[i], i);
  if (made > 0) {
    expect(soaker,
           mm_frame_close_with(mutator, &inner, locals[made - 1], &escaped),
           MM_HANDLE_OK, "a handle escapes");
    count(&soaker->host->tally.handles[MM_HANDLE_LOCAL]);
    check_handle(soaker, escaped, made - 1);
  } else
    mm_frame_close(mutator, &inner);
  mm_frame_close(mutator, &outer);
  struct mm_ref ref;
  if (made > 0)
    expect(soaker, mm_handle_get(mutator, escaped, &ref), MM_HANDLE_STALE,
           "a local handle of a frame that was closed");
}

/* Made here, checked and deleted by whoever comes by. */
static void use_shared(struct soaker *soaker)
{
  struct host *host = soaker->host;
  uint32_t place = below(soaker, SHARED);
  uint64_t value = below(soaker, 1 << 30);
  struct mm_handle handle = new_global(soaker, value);
  lock_table(host);
  struct mm_handle old = host->shared[place];
  uint64_t old_value = host->shared_numbers[place];
  host->shared[place] = handle;
  host->shared_numbers[place] = value;
  pthread_mutex_unlock(&host->lock);
  if (mm_handle_is_null(old))
    return;
  check_handle(soaker, old, old_value);
  delete_global(soaker, old);
}

void handle_step(struct soaker *soaker)
{
  switch (below(soaker, 8)) {
  case 0:
    use_locals(soaker);
    break;
  case 1:
    use_shared(soaker);
    break;
  default:
    visit_kept(soaker, &soaker->kept[below(soaker, KEPT)]);
  }
}

/* The end --------------------------------------------------------------------
 */

void end_references(struct soaker *soaker)
{
  while (take_pending(soaker))
    ;
  for (int i = 0; i < KEPT; i++)
    let_go(soaker, &soaker->kept[i]);
  lock_table(soaker->host);
  for (int i = 0; i < WATCHED; i++)
    leave(soaker, &soaker->watched[i]);
  prune_left(soaker, false);
  pthread_mutex_unlock(&soaker->host->lock);
}

static int judge_handles(const struct host *host)
{
  int status = 0;
  for (int kind = MM_HANDLE_LOCAL; kind < MM_HANDLE_KIND_COUNT; kind++) {
    struct mm_handle_counts counts;
    mm_handle_counts(host->heap, (enum mm_handle_kind)kind, &counts);
    printf("%s handles: %" PRIu64 "\n",
           mm_handle_kind_text((enum mm_handle_kind)kind),
           host->tally.handles[kind]);
    if (counts.live != 0 || counts.created != host->tally.handles[kind])
      status =
          fprintf(stderr, "soak: %" PRIu64 " are left, %" PRIu64 " were made\n",
                  counts.live, counts.created) > 0;
  }
  printf("pins: %" PRIu64 "\n", host->tally.pins);
  if (mm_pin_count(host->heap) != 0)
    status = fprintf(stderr, "soak: objects are pinned\n") > 0;
  return status;
}

static int judge_strength(const struct host *host, int strength,
                          const struct mm_reference_counts *counts)
{
  const struct tally *tally = &host->tally;
  uint64_t made = tally->made[strength], told = tally->told[strength];
  uint64_t by_hand = tally->by_hand[strength];
  printf("%s references: %" PRIu64 " made, %" PRIu64 " told, %" PRIu64
         " cleared by hand\n",
         strength_names[strength], made, told, by_hand);
  if (made == told + by_hand && made == tally->finished[strength] &&
      told == counts->cleared[strength])
    return 0;
  fprintf(stderr, "soak: %" PRIu64 " have finished, %" PRIu64 " were cleared\n",
          tally->finished[strength], counts->cleared[strength]);
  return 1;
}

/* Softs may be there still, and finals fire now that nothing holds theirs. */
int judge_references(struct soaker *soaker)
{
  struct host *host = soaker->host;
  struct mm_reference_counts counts;
  int status = 0;
  for (int i = 0; i < SHARED; i++)
    if (!mm_handle_is_null(host->shared[i]))
      delete_global(soaker, host->shared[i]);
  mm_collect(&soaker->mutator, MM_CAUSE_EXPLICIT);
  while (take_pending(soaker))
    ;
  prune_left(soaker, true);
  if (!mm_is_null(host->left))
    status = fprintf(stderr, "soak: references were not told\n") > 0;
  mm_reference_count(host->heap, &counts);
  for (int i = 0; i < MM_STRENGTH_COUNT; i++)
    status |= judge_strength(host, i, &counts);
  return status | judge_handles(host);
}
