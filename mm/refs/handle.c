/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a handle, and how to say it.
 *
 *   kind bits 0                            malformed
 *   no such slot, or its chunk never
 *   was of the kind                        malformed
 *   a serial that the slot never had       malformed
 *   local, the chunk another mutator's     foreign
 *   local, the chunk nobody's              stale: its thread has ended
 *   local, at or above the top             stale: its frame was closed
 *   the slot has another serial            stale: deleted, or its frame closed
 *   weak, and the slot is null             cleared
 */
#include "config.h"

#include "mm/refs/handles_internal.h"

#include "mm/gc/heap_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *mm_handle_status_text(enum mm_handle_status status)
{
  static const char *const texts[MM_HANDLE_STATUS_COUNT] = {
      [MM_HANDLE_OK] = "no fault",
      [MM_HANDLE_NULL] = "a null handle",
      [MM_HANDLE_CLEARED] = "a weak handle whose object died",
      [MM_HANDLE_MALFORMED] = "not a handle",
      [MM_HANDLE_STALE] = "a stale handle",
      [MM_HANDLE_FOREIGN] = "a local handle of another thread",
      [MM_HANDLE_WRONG_KIND] = "a handle of another kind",
      [MM_HANDLE_UNBALANCED] = "closed or unpinned once too often",
      [MM_HANDLE_LIMIT] = "too many handles",
      [MM_HANDLE_NO_MEMORY] = "no memory for handles",
  };
  return status < MM_HANDLE_STATUS_COUNT ? texts[status] : "unknown";
}

const char *mm_handle_kind_text(enum mm_handle_kind kind)
{
  static const char *const texts[MM_HANDLE_KIND_COUNT] = {
      [MM_HANDLE_BAD] = "malformed",
      [MM_HANDLE_LOCAL] = "local",
      [MM_HANDLE_GLOBAL] = "global",
      [MM_HANDLE_WEAK] = "weak global",
  };
  return kind < MM_HANDLE_KIND_COUNT ? texts[kind] : "malformed";
}

/* Explaining ---------------------------------------------------------------
 */

/* Only even serials and those to come were never in a handle. */
static enum mm_handle_status explain_serial(uint32_t serial, uint32_t now)
{
  return !(serial & 1) || (int32_t)(serial - now) > 0 ? MM_HANDLE_MALFORMED
                                                      : MM_HANDLE_STALE;
}

static bool has_served(const struct mm_handle_chunk *chunk,
                       enum mm_handle_kind kind)
{
  return __atomic_load_n(&chunk->kinds, __ATOMIC_RELAXED) >> kind & 1;
}

static enum mm_handle_status explain_local(const struct mm_mutator *mutator,
                                           const struct mm_handle_chunk *chunk,
                                           struct mm_handle handle)
{
  uintptr_t owner = __atomic_load_n(&chunk->owner, __ATOMIC_RELAXED);
  if (owner == MM_HANDLES_UNUSED || owner == MM_HANDLES_GLOBAL ||
      owner == MM_HANDLES_WEAK)
    return MM_HANDLE_STALE;
  if (!mutator || owner != (uintptr_t)mutator)
    return MM_HANDLE_FOREIGN;
  uint32_t index = mm_handle_index(handle);
  const struct mm_handle_slot *slot =
      &chunk->slots[index & (MM_HANDLE_CHUNK_SLOTS - 1)];
  if (slot->serial != mm_handle_serial(handle))
    return explain_serial(mm_handle_serial(handle), slot->serial);
  return mm_local_is_open(&mutator->locals, chunk, slot) ? MM_HANDLE_OK
                                                         : MM_HANDLE_STALE;
}

static enum mm_handle_status explain_shared(const struct mm_handle_chunk *chunk,
                                            struct mm_handle handle,
                                            struct mm_ref *ref)
{
  enum mm_handle_kind kind = mm_handle_kind(handle);
  uint32_t index = mm_handle_index(handle);
  uintptr_t owner = __atomic_load_n(&chunk->owner, __ATOMIC_RELAXED);
  if (owner != MM_HANDLES_GLOBAL && owner != MM_HANDLES_WEAK)
    return MM_HANDLE_MALFORMED; /* of a local chunk only its mutator knows */
  struct mm_handle_slot now =
      mm_handle_slot_load(&chunk->slots[index & (MM_HANDLE_CHUNK_SLOTS - 1)]);
  if (now.serial != mm_handle_serial(handle))
    return explain_serial(mm_handle_serial(handle), now.serial);
  *ref = now.ref;
  return kind == MM_HANDLE_WEAK && mm_is_null(now.ref) ? MM_HANDLE_CLEARED
                                                       : MM_HANDLE_OK;
}

/* `ref' is written of global and weak ones that are good. */
static enum mm_handle_status explain(struct mm_handle_chunk ***directory,
                                     const struct mm_mutator *mutator,
                                     struct mm_handle handle,
                                     struct mm_ref *ref)
{
  enum mm_handle_kind kind = mm_handle_kind(handle);
  if (mm_handle_is_null(handle))
    return MM_HANDLE_NULL;
  const struct mm_handle_chunk *chunk =
      mm_handle_chunk_of(directory, mm_handle_index(handle));
  if (kind == MM_HANDLE_BAD || !chunk || !has_served(chunk, kind) ||
      !(mm_handle_serial(handle) & 1))
    return MM_HANDLE_MALFORMED;
  return kind == MM_HANDLE_LOCAL ? explain_local(mutator, chunk, handle)
                                 : explain_shared(chunk, handle, ref);
}

enum mm_handle_status mm_handle_explain(struct mm_mutator *mutator,
                                        struct mm_handle handle,
                                        struct mm_ref *ref)
{
  struct mm_ref found = MM_NULL;
  enum mm_handle_status status =
      explain(mutator->handle_directory, mutator, handle, &found);
  if (status == MM_HANDLE_OK)
    mm_barrier_keep(mutator, found); /* out of a table of weak ones */
  if (status == MM_HANDLE_OK || status == MM_HANDLE_NULL ||
      status == MM_HANDLE_CLEARED)
    *ref = found;
  return status;
}

enum mm_handle_status mm_handle_check(struct mm_mutator *mutator,
                                      struct mm_handle handle)
{
  struct mm_ref ref;
  return explain(mutator->handle_directory, mutator, handle, &ref);
}

static bool is_value(enum mm_handle_status status)
{
  return status == MM_HANDLE_OK || status == MM_HANDLE_NULL ||
         status == MM_HANDLE_CLEARED;
}

enum mm_handle_status mm_handle_same(struct mm_mutator *mutator,
                                     struct mm_handle one,
                                     struct mm_handle other, bool *same)
{
  struct mm_ref first = MM_NULL, second = MM_NULL;
  enum mm_handle_status status = mm_handle_get(mutator, one, &first);
  if (!is_value(status))
    return status;
  status = mm_handle_get(mutator, other, &second);
  if (!is_value(status))
    return status;
  *same = mm_same(first, second);
  return MM_HANDLE_OK;
}

/* Describing ---------------------------------------------------------------
 */

/* A text of limited length that grows. */
struct text {
  char *at;
  size_t left; /* the zero included */
};

static void say(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  int wanted = vsnprintf(text->at, text->left, format, arguments);
  va_end(arguments);
  size_t said = wanted < 0 ? 0 : (size_t)wanted;
  if (said >= text->left)
    said = text->left - 1;
  text->at += said;
  text->left -= said;
}

/* The id of the mutator whose chunk it is; 0: it is nobody's now. */
static uint32_t owner_id_locked(const struct mm_heap *heap,
                                const struct mm_handle_chunk *chunk)
{
  uintptr_t owner = __atomic_load_n(&chunk->owner, __ATOMIC_RELAXED);
  const struct mm_mutator *each = heap->mutators;
  for (; each; each = each->next)
    if ((uintptr_t)each == owner)
      return each->id;
  return 0;
}

static void say_name_locked(struct text *text, const struct mm_heap *heap,
                            const struct mm_handle_chunk *chunk,
                            struct mm_handle handle)
{
  say(text, "%s handle %" PRIu32 " (serial %" PRIu32 ")",
      mm_handle_kind_text(mm_handle_kind(handle)), mm_handle_index(handle),
      mm_handle_serial(handle));
  if (mm_handle_kind(handle) != MM_HANDLE_LOCAL)
    return;
  uint32_t id = owner_id_locked(heap, chunk);
  if (id != 0)
    say(text, " of thread %" PRIu32, id);
  else
    say(text, " of a thread that has ended");
}

/* Deleted, unless a frame was closed over it; if its slot is in use again,
   that cannot be told. */
static void say_stale(struct text *text, const struct mm_handle_chunk *chunk,
                      struct mm_handle handle)
{
  const struct mm_handle_slot *slot =
      &chunk->slots[mm_handle_index(handle) & (MM_HANDLE_CHUNK_SLOTS - 1)];
  uint32_t serial = mm_handle_serial(handle);
  bool is_local = mm_handle_kind(handle) == MM_HANDLE_LOCAL;
  struct mm_handle_slot now = mm_handle_slot_load(slot);
  if (now.serial == serial + 1)
    say(text, ", deleted");
  else if (is_local && now.serial == serial)
    say(text, ", its frame was closed");
  else
    say(text, is_local ? ", deleted or its frame was closed"
                       : ", deleted; its slot is in use again");
}

/* Only of the last handle of a slot it is known. */
static void say_origins(struct text *text, const struct mm_handle_chunk *chunk,
                        struct mm_handle handle, bool is_stale)
{
  uint32_t index = mm_handle_index(handle);
  uint32_t now =
      mm_handle_slot_load(&chunk->slots[index & (MM_HANDLE_CHUNK_SLOTS - 1)])
          .serial;
  uint32_t serial = mm_handle_serial(handle);
  if (now != serial && now != serial + 1)
    return;
  const char *made = mm_origin_of_made(chunk, index);
  const char *deleted = mm_origin_of_deleted(chunk, index);
  if (made)
    say(text, "; made by %s", made);
  if (is_stale && now == serial + 1 && deleted)
    say(text, "; deleted by %s", deleted);
}

static void describe_locked(struct text *text, const struct mm_heap *heap,
                            const struct mm_mutator *mutator,
                            struct mm_handle handle)
{
  struct mm_ref ref;
  enum mm_handle_status status =
      explain(heap->handles.directory, mutator, handle, &ref);
  const struct mm_handle_chunk *chunk =
      mm_handle_chunk_of(heap->handles.directory, mm_handle_index(handle));
  if (status == MM_HANDLE_NULL) {
    say(text, "the null handle");
    return;
  }
  if (status == MM_HANDLE_MALFORMED) {
    say(text, "0x%" PRIx64 ": no handle", handle.bits);
    return;
  }
  say_name_locked(text, heap, chunk, handle);
  if (status == MM_HANDLE_FOREIGN) /* its slots are its thread's */
    return;
  if (status == MM_HANDLE_STALE)
    say_stale(text, chunk, handle);
  else if (status == MM_HANDLE_CLEARED)
    say(text, ", cleared");
  say_origins(text, chunk, handle, status == MM_HANDLE_STALE);
}

/* Locks: the list of mutators, and the notes. */
void mm_handle_describe(struct mm_heap *heap, const struct mm_mutator *mutator,
                        struct mm_handle handle, char *text, size_t text_bytes)
{
  struct text told = {text, text_bytes};
  text[0] = '\0';
  if (mutator)
    pthread_mutex_lock(&heap->lock);
  pthread_mutex_lock(&heap->handles.lock);
  describe_locked(&told, heap, mutator, handle);
  pthread_mutex_unlock(&heap->handles.lock);
  if (mutator)
    pthread_mutex_unlock(&heap->lock);
}
