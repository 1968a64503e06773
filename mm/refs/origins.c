/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who made which handle and pinned which object (options.handle_origins), the
 * report of those that were not deleted or unpinned, and the dump by class.
 *
 * An origin is a text: the native's name and where the program was.  Each is
 * kept once, in a table of chains that doubles when there are as many origins
 * as chains; slots of handles point to it.  Origins live as long as the heap.
 */
#include "config.h"

#include "mm/refs/handles_internal.h"

#include "mm/gc/heap_internal.h"
#include "mm/native.h"
#include "mm/refs/pins_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CHAINS = 64, NAME_BYTES = 128 };

struct mm_origin {
  struct mm_origin *next;  /* of the chain */
  struct mm_origin *after; /* of a report */
  uint64_t count;          /* of a report */
  uint32_t hash;
  char *text;
};

struct mm_origins {
  struct mm_origin **chains;
  uint32_t chain_count; /* a power of 2 */
  uint32_t count;
};

/* The table ----------------------------------------------------------------
 */

/* FNV-1a (Fowler, Noll, Vo). */
static uint32_t hash_of(const char *text)
{
  uint32_t hash = 2166136261u;
  for (; *text; text++)
    hash = (hash ^ (unsigned char)*text) * 16777619u;
  return hash;
}

static struct mm_origins *make_table(void)
{
  struct mm_origins *origins =
      mm_native_alloc(MM_PURPOSE_HANDLES, sizeof(*origins));
  if (!origins)
    return NULL;
  origins->chain_count = FIRST_CHAINS;
  origins->chains = mm_native_alloc_array(MM_PURPOSE_HANDLES, FIRST_CHAINS,
                                          sizeof(*origins->chains));
  if (origins->chains)
    return origins;
  mm_native_free(MM_PURPOSE_HANDLES, origins, sizeof(*origins));
  return NULL;
}

static void link_origin(struct mm_origins *origins, struct mm_origin *origin)
{
  struct mm_origin **chain =
      &origins->chains[origin->hash & (origins->chain_count - 1)];
  origin->next = *chain;
  *chain = origin;
}

/* Without memory chains become longer. */
static void grow(struct mm_origins *origins)
{
  struct mm_origin **old = origins->chains;
  uint32_t old_count = origins->chain_count;
  struct mm_origin **chains = mm_native_alloc_array(
      MM_PURPOSE_HANDLES, (size_t)old_count * 2, sizeof(*chains));
  if (!chains)
    return;
  origins->chains = chains;
  origins->chain_count = old_count * 2;
  for (uint32_t i = 0; i < old_count; i++)
    for (struct mm_origin *each = old[i], *next; each; each = next) {
      next = each->next;
      link_origin(origins, each);
    }
  mm_native_free(MM_PURPOSE_HANDLES, old, old_count * sizeof(*old));
}

static struct mm_origin *add(struct mm_origins *origins, const char *text,
                             uint32_t hash)
{
  struct mm_origin *origin =
      mm_native_alloc(MM_PURPOSE_HANDLES, sizeof(*origin));
  if (!origin)
    return NULL;
  origin->hash = hash;
  origin->text = mm_native_copy_text(MM_PURPOSE_HANDLES, text);
  if (!origin->text) {
    mm_native_free(MM_PURPOSE_HANDLES, origin, sizeof(*origin));
    return NULL;
  }
  if (origins->count == origins->chain_count)
    grow(origins);
  link_origin(origins, origin);
  origins->count++;
  return origin;
}

/* Null: no memory. */
struct mm_origin *mm_origin_find_locked(struct mm_heap *heap, const char *text)
{
  struct mm_handles *handles = &heap->handles;
  if (!handles->origins)
    handles->origins = make_table();
  struct mm_origins *origins = handles->origins;
  if (!origins)
    return NULL;
  uint32_t hash = hash_of(text);
  struct mm_origin *each = origins->chains[hash & (origins->chain_count - 1)];
  for (; each; each = each->next)
    if (each->hash == hash && strcmp(each->text, text) == 0)
      return each;
  return add(origins, text, hash);
}

static void destroy_chain(struct mm_origin *origin)
{
  while (origin) {
    struct mm_origin *next = origin->next;
    mm_native_free_text(MM_PURPOSE_HANDLES, origin->text);
    mm_native_free(MM_PURPOSE_HANDLES, origin, sizeof(*origin));
    origin = next;
  }
}

void mm_origins_destroy(struct mm_heap *heap)
{
  struct mm_origins *origins = heap->handles.origins;
  if (!origins)
    return;
  for (uint32_t i = 0; i < origins->chain_count; i++)
    destroy_chain(origins->chains[i]);
  mm_native_free(MM_PURPOSE_HANDLES, origins->chains,
                 origins->chain_count * sizeof(*origins->chains));
  mm_native_free(MM_PURPOSE_HANDLES, origins, sizeof(*origins));
  heap->handles.origins = NULL;
}

/* Notes --------------------------------------------------------------------
 */

void mm_origin_text(struct mm_mutator *mutator, char *text, size_t text_bytes)
{
  struct mm_heap *heap = mutator->heap;
  const char *tag = mutator->handle_tag;
  char place[MM_ORIGIN_BYTES / 2] = "";
  if (heap->binding.where)
    heap->binding.where(heap->host, mutator, place, sizeof place);
  snprintf(text, text_bytes, "%s%s%s", tag ? tag : "",
           tag && place[0] ? " at " : "", place);
  if (text[0] == '\0')
    snprintf(text, text_bytes, "thread %" PRIu32, mutator->id);
}

static struct mm_handle_notes *notes_of(struct mm_heap *heap, uint32_t index)
{
  return mm_handle_chunk_of(heap->handles.directory, index)->notes;
}

void mm_origin_made_locked(struct mm_heap *heap, uint32_t index,
                           const char *text)
{
  struct mm_handle_notes *notes = notes_of(heap, index);
  uint32_t slot = index & (MM_HANDLE_CHUNK_SLOTS - 1);
  if (!notes)
    return;
  notes->made[slot] = mm_origin_find_locked(heap, text);
  notes->deleted[slot] = NULL;
}

void mm_origin_deleted_locked(struct mm_heap *heap, uint32_t index,
                              const char *text)
{
  struct mm_handle_notes *notes = notes_of(heap, index);
  if (notes)
    notes->deleted[index & (MM_HANDLE_CHUNK_SLOTS - 1)] =
        mm_origin_find_locked(heap, text);
}

static const char *text_of(const struct mm_origin *origin)
{
  return origin ? origin->text : NULL;
}

const char *mm_origin_of_made(const struct mm_handle_chunk *chunk,
                              uint32_t index)
{
  return chunk->notes
             ? text_of(chunk->notes->made[index & (MM_HANDLE_CHUNK_SLOTS - 1)])
             : NULL;
}

const char *mm_origin_of_deleted(const struct mm_handle_chunk *chunk,
                                 uint32_t index)
{
  uint32_t slot = index & (MM_HANDLE_CHUNK_SLOTS - 1);
  return chunk->notes ? text_of(chunk->notes->deleted[slot]) : NULL;
}

/* Leaks --------------------------------------------------------------------
 */

static bool comes_first(const struct mm_origin *one,
                        const struct mm_origin *other)
{
  if (one->count != other->count)
    return one->count > other->count;
  return strcmp(one->text, other->text) < 0;
}

static struct mm_origin *merge(struct mm_origin *one, struct mm_origin *other)
{
  struct mm_origin *first = NULL, **last = &first;
  while (one && other) {
    struct mm_origin **from = comes_first(one, other) ? &one : &other;
    *last = *from;
    last = &(*from)->after;
    *from = *last;
  }
  *last = one ? one : other;
  return first;
}

/* Merge sort, of a list. */
static struct mm_origin *sort(struct mm_origin *list)
{
  struct mm_origin *middle = list, *end = list;
  if (!list || !list->after)
    return list;
  while (end->after && end->after->after) {
    middle = middle->after;
    end = end->after->after;
  }
  struct mm_origin *second = middle->after;
  middle->after = NULL;
  return merge(sort(list), sort(second));
}

/* What is left of one kind, by who made it. */
struct left {
  struct mm_origin *list; /* those that made some */
  uint64_t unknown;       /* what is of nobody */
};

static void add_left(struct left *left, struct mm_origin *origin)
{
  left->unknown += !origin;
  if (origin && origin->count++ == 0) {
    origin->after = left->list;
    left->list = origin;
  }
}

static void add_handles(struct left *left,
                        const struct mm_shared_handles *shared)
{
  const struct mm_handle_chunk *chunk = shared->first;
  for (; chunk; chunk = chunk->next)
    for (uint32_t i = 0; i < MM_HANDLE_CHUNK_SLOTS; i++)
      if (chunk->slots[i].serial & 1)
        add_left(left, chunk->notes ? chunk->notes->made[i] : NULL);
}

static void add_pins(struct left *left, const struct mm_pins *pins)
{
  for (uint32_t i = 0; i < pins->capacity; i++)
    if (!mm_is_null(pins->entries[i].ref))
      add_left(left, pins->entries[i].origin);
}

static void report_left(const struct left *left, const char *name, FILE *out)
{
  struct mm_origin *each = sort(left->list);
  for (; each; each = each->after) {
    fprintf(out, "  %" PRIu64 " %s: %s\n", each->count, name, each->text);
    each->count = 0;
  }
  if (left->unknown > 0)
    fprintf(out, "  %" PRIu64 " %s: not known\n", left->unknown, name);
}

static void report_kind(const struct mm_heap *heap, enum mm_handle_kind kind,
                        FILE *out)
{
  struct left left = {NULL, 0};
  add_handles(&left, &heap->handles.shared[kind]);
  report_left(&left, mm_handle_kind_text(kind), out);
}

static uint64_t report_handles_locked(const struct mm_heap *heap, FILE *out)
{
  const struct mm_shared_handles *shared = heap->handles.shared;
  uint64_t global = shared[MM_HANDLE_GLOBAL].live;
  uint64_t weak = shared[MM_HANDLE_WEAK].live;
  if (global + weak == 0)
    return 0;
  fprintf(out,
          "handles not deleted: %" PRIu64 " global, %" PRIu64 " weak global\n",
          global, weak);
  if (heap->options.handle_origins) {
    report_kind(heap, MM_HANDLE_GLOBAL, out);
    report_kind(heap, MM_HANDLE_WEAK, out);
  }
  return global + weak;
}

static uint64_t report_pins_locked(const struct mm_heap *heap, FILE *out)
{
  struct left left = {NULL, 0};
  if (heap->pins.count == 0)
    return 0;
  fprintf(out, "objects not unpinned: %" PRIu32 "\n", heap->pins.count);
  if (heap->options.handle_origins) {
    add_pins(&left, &heap->pins);
    report_left(&left, "pinned", out);
  }
  return heap->pins.count;
}

uint64_t mm_handles_report_leaks(struct mm_heap *heap, FILE *out)
{
  pthread_mutex_lock(&heap->handles.lock);
  uint64_t count = report_handles_locked(heap, out);
  count += report_pins_locked(heap, out);
  pthread_mutex_unlock(&heap->handles.lock);
  return count;
}

/* By class -----------------------------------------------------------------
 */

/* A class that handles name, and how many of each kind do. */
struct class_count {
  const struct mm_layout *layout; /* null: free */
  uint64_t counts[MM_HANDLE_KIND_COUNT];
};

/* Open addressing; at most half full.  Grows. */
struct dump {
  struct mm_root_visitor visitor; /* first: cast back */
  struct class_count *classes;
  uint32_t capacity, count;
  bool failed;
};

static struct class_count *place_of(const struct dump *dump,
                                    const struct mm_layout *layout)
{
  uint32_t mask = dump->capacity - 1;
  uint32_t at =
      (uint32_t)((uintptr_t)layout * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
  while (dump->classes[at].layout && dump->classes[at].layout != layout)
    at = (at + 1) & mask;
  return &dump->classes[at];
}

static bool grow_dump(struct dump *dump)
{
  struct dump larger = {.capacity = dump->capacity ? dump->capacity * 2 : 64};
  larger.classes = mm_native_alloc_array(MM_PURPOSE_HANDLES, larger.capacity,
                                         sizeof(*larger.classes));
  if (!larger.classes)
    return false;
  for (uint32_t i = 0; i < dump->capacity; i++)
    if (dump->classes[i].layout)
      *place_of(&larger, dump->classes[i].layout) = dump->classes[i];
  mm_native_free(MM_PURPOSE_HANDLES, dump->classes,
                 dump->capacity * sizeof(*dump->classes));
  dump->classes = larger.classes;
  dump->capacity = larger.capacity;
  return true;
}

static void count_class(struct dump *dump, struct mm_ref ref,
                        enum mm_handle_kind kind)
{
  if (dump->count * 2 >= dump->capacity && !grow_dump(dump)) {
    dump->failed = true;
    return;
  }
  struct class_count *place = place_of(dump, mm_layout_of(ref));
  dump->count += !place->layout;
  place->layout = mm_layout_of(ref);
  place->counts[kind]++;
}

static void count_local(struct mm_root_visitor *visitor, struct mm_ref *slot,
                        enum mm_root_kind kind)
{
  (void)kind;
  count_class((struct dump *)visitor, *slot, MM_HANDLE_LOCAL);
}

static void count_shared(struct dump *dump, const struct mm_heap *heap,
                         enum mm_handle_kind kind)
{
  const struct mm_handle_chunk *chunk = heap->handles.shared[kind].first;
  for (; chunk; chunk = chunk->next)
    for (uint32_t i = 0; i < MM_HANDLE_CHUNK_SLOTS; i++)
      if (chunk->slots[i].serial & 1 && !mm_is_null(chunk->slots[i].ref))
        count_class(dump, chunk->slots[i].ref, kind);
}

/* The class with most of the kind; null: none is left.  It is forgotten. */
static const struct mm_layout *
take_most(struct dump *dump, enum mm_handle_kind kind, uint64_t *count)
{
  struct class_count *most = NULL;
  for (uint32_t i = 0; i < dump->capacity; i++) {
    struct class_count *each = &dump->classes[i];
    if (each->counts[kind] > 0 &&
        (!most || each->counts[kind] > most->counts[kind] ||
         (each->counts[kind] == most->counts[kind] &&
          each->layout < most->layout)))
      most = each;
  }
  if (!most)
    return NULL;
  *count = most->counts[kind];
  most->counts[kind] = 0;
  return most->layout;
}

static void write_kind(struct mm_heap *heap, struct dump *dump,
                       enum mm_handle_kind kind, FILE *out)
{
  struct mm_handle_counts counts;
  mm_handle_counts(heap, kind, &counts);
  fprintf(out, "%s handles: %" PRIu64 "\n", mm_handle_kind_text(kind),
          counts.live);
  const struct mm_layout *layout;
  uint64_t count;
  while ((layout = take_most(dump, kind, &count))) {
    char name[NAME_BYTES];
    heap->binding.layout_name(heap->host, layout, name, sizeof name);
    fprintf(out, "  %" PRIu64 " %s\n", count, name);
  }
  if (counts.cleared > 0)
    fprintf(out, "  %" PRIu64 " cleared\n", counts.cleared);
}

void mm_handles_dump(struct mm_heap *heap, FILE *out)
{
  struct dump dump = {.visitor = {.slot = count_local}};
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next)
    mm_locals_visit(mutator, &dump.visitor);
  count_shared(&dump, heap, MM_HANDLE_GLOBAL);
  count_shared(&dump, heap, MM_HANDLE_WEAK);
  for (int kind = MM_HANDLE_LOCAL; kind < MM_HANDLE_KIND_COUNT; kind++)
    write_kind(heap, &dump, (enum mm_handle_kind)kind, out);
  if (dump.failed)
    fprintf(out, "no memory to count all classes\n");
  mm_native_free(MM_PURPOSE_HANDLES, dump.classes,
                 dump.capacity * sizeof(*dump.classes));
}
