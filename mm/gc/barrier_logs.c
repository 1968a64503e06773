/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of barriers; see barrier_logs_internal.h. */
#include "config.h"

#include "mm/gc/barrier_logs_internal.h"

#include "mm/native.h"

enum { SPARE_LOGS = 64 }; /* kept for the next pause */

void mm_logs_init(struct mm_heap *heap)
{
  heap->logs.keep = SPARE_LOGS;
  pthread_mutex_init(&heap->logs.lock, NULL);
}

void mm_logs_destroy(struct mm_heap *heap)
{
  while (heap->logs.spare) {
    struct mm_barrier_log *log = heap->logs.spare;
    heap->logs.spare = log->next;
    mm_native_free(MM_PURPOSE_BARRIERS, log, sizeof *log);
  }
  pthread_mutex_destroy(&heap->logs.lock);
}

static struct mm_barrier_log *pop_locked(struct mm_barrier_log **list)
{
  struct mm_barrier_log *log = *list;
  if (log)
    *list = log->next;
  return log;
}

struct mm_barrier_log *mm_log_pop(struct mm_heap *heap,
                                  struct mm_barrier_log **list)
{
  pthread_mutex_lock(&heap->logs.lock);
  struct mm_barrier_log *log = pop_locked(list);
  pthread_mutex_unlock(&heap->logs.lock);
  return log;
}

struct mm_barrier_log *mm_log_take(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->logs.lock);
  struct mm_barrier_log *log = pop_locked(&heap->logs.spare);
  heap->logs.spare_count -= log != NULL;
  pthread_mutex_unlock(&heap->logs.lock);
  if (!log)
    log = mm_native_alloc_dirty(MM_PURPOSE_BARRIERS, sizeof *log);
  if (log) {
    log->next = NULL;
    log->count = 0;
  }
  return log;
}

void mm_log_release(struct mm_heap *heap, struct mm_barrier_log *log)
{
  pthread_mutex_lock(&heap->logs.lock);
  bool is_kept = heap->logs.spare_count < heap->logs.keep;
  if (is_kept) {
    log->next = heap->logs.spare;
    heap->logs.spare = log;
    heap->logs.spare_count++;
  }
  pthread_mutex_unlock(&heap->logs.lock);
  if (!is_kept)
    mm_native_free(MM_PURPOSE_BARRIERS, log, sizeof *log);
}

static bool has_spare(struct mm_heap *heap, uint32_t count)
{
  pthread_mutex_lock(&heap->logs.lock);
  bool has = heap->logs.spare_count >= count;
  pthread_mutex_unlock(&heap->logs.lock);
  return has;
}

static void keep(struct mm_heap *heap, uint32_t count)
{
  pthread_mutex_lock(&heap->logs.lock);
  heap->logs.keep = count;
  pthread_mutex_unlock(&heap->logs.lock);
}

void mm_logs_prepare(struct mm_heap *heap, uint32_t count)
{
  keep(heap, SPARE_LOGS + count);
  while (!has_spare(heap, count)) {
    struct mm_barrier_log *log =
        mm_native_alloc(MM_PURPOSE_BARRIERS, sizeof *log);
    if (!log)
      return;
    mm_log_release(heap, log);
  }
}

void mm_logs_relax(struct mm_heap *heap)
{
  keep(heap, SPARE_LOGS);
}

void mm_log_push(struct mm_heap *heap, struct mm_barrier_log **list,
                 struct mm_barrier_log **log)
{
  if (!*log)
    return;
  pthread_mutex_lock(&heap->logs.lock);
  (*log)->next = *list;
  *list = *log;
  pthread_mutex_unlock(&heap->logs.lock);
  *log = NULL;
}

void mm_logs_drop(struct mm_heap *heap, struct mm_barrier_log **list)
{
  struct mm_barrier_log *log;
  while ((log = mm_log_pop(heap, list)))
    mm_log_release(heap, log);
}

bool mm_log_put(struct mm_heap *heap, struct mm_barrier_log **list,
                struct mm_barrier_log **log, uint32_t entry)
{
  if (!*log || (*log)->count == MM_BARRIER_LOG_ENTRIES) {
    mm_log_push(heap, list, log);
    *log = mm_log_take(heap);
  }
  if (!*log)
    return false;
  (*log)->entries[(*log)->count++] = entry;
  return true;
}

void mm_old_log_settle(struct mm_mutator *mutator)
{
  struct mm_barrier_log *log = mutator->old_log;
  if (log)
    log->count = (uint32_t)(mutator->old_at - log->entries);
}

void mm_old_log_open(struct mm_mutator *mutator, struct mm_barrier_log *log)
{
  mutator->old_log = log;
  mutator->old_at = log ? log->entries + log->count : NULL;
  mutator->old_end = log ? log->entries + MM_BARRIER_LOG_ENTRIES : NULL;
}

void mm_old_log_push(struct mm_heap *heap, struct mm_mutator *mutator)
{
  mm_old_log_settle(mutator);
  mm_log_push(heap, &heap->cycle.full, &mutator->old_log);
  mm_old_log_open(mutator, NULL);
}
