/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling languages that objects of theirs died; see deaths_internal.h.
 */
#include "config.h"

#include "mm/refs/deaths_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"

#include <errno.h>
#include <signal.h>

enum { FIRST_CAPACITY = 64 };

/* Watching ------------------------------------------------------------------
 */

static bool resize_locked(struct mm_deaths *deaths, size_t capacity)
{
  if (capacity > SIZE_MAX / sizeof *deaths->each)
    return false;
  struct mm_watch *each = mm_native_resize(MM_PURPOSE_HANDLES, deaths->each,
                                           deaths->capacity * sizeof *each,
                                           capacity * sizeof *each);
  if (!each)
    return false;
  deaths->each = each;
  deaths->capacity = capacity;
  return true;
}

/* An old one stands among the old ones; what it displaces goes to the end. */
static bool add_locked(struct mm_heap *heap, struct mm_watch watch)
{
  struct mm_deaths *deaths = &heap->deaths;
  if (deaths->count == deaths->capacity &&
      !resize_locked(deaths,
                     deaths->capacity ? 2 * deaths->capacity : FIRST_CAPACITY))
    return false;
  bool is_young = mm_handle_is_young(heap, watch.object) &&
                  !mm_breaks(heap, MM_FAULT_DEATH_YOUNG);
  size_t at = deaths->count++;
  if (!is_young) {
    deaths->each[at] = deaths->each[deaths->old];
    at = deaths->old++;
  }
  deaths->each[at] = watch;
  return true;
}

enum mm_status mm_language_watch(struct mm_mutator *mutator,
                                 struct mm_ref object, uint64_t word)
{
  struct mm_heap *heap = mutator->heap;
  unsigned language = mm_layout_of(object)->language;
  const struct mm_language *known = mm_language_of_index(language);
  if (!known || !known->died || !mm_heap_has_language(heap, language))
    return MM_UNSUPPORTED;
  pthread_mutex_lock(&heap->deaths.lock);
  bool is_added = add_locked(
      heap,
      (struct mm_watch){.word = word, .object = object, .language = language});
  pthread_mutex_unlock(&heap->deaths.lock);
  return is_added ? MM_OK : MM_NO_MEMORY;
}

/* Collections ---------------------------------------------------------------
 */

static void swap(struct mm_deaths *deaths, size_t one, size_t other)
{
  struct mm_watch watch = deaths->each[one];
  deaths->each[one] = deaths->each[other];
  deaths->each[other] = watch;
}

/* `at' is an old one's place; all those before it were visited. */
static void bury_locked(struct mm_heap *heap, size_t at)
{
  struct mm_deaths *deaths = &heap->deaths;
  deaths->each[at].object = MM_NULL;
  if (mm_breaks(heap, MM_FAULT_DEATH_LOST))
    deaths->each[at].language = 0;
  swap(deaths, at, deaths->dead++);
}

static void visit_old_locked(struct mm_heap *heap,
                             struct mm_weak_visitor *visitor)
{
  struct mm_deaths *deaths = &heap->deaths;
  for (size_t i = deaths->dead; i < deaths->old; i++)
    if (!visitor->keep(visitor, &deaths->each[i].object))
      bury_locked(heap, i);
}

/* Those that die or get old become old ones first. */
static void visit_young_locked(struct mm_heap *heap,
                               struct mm_weak_visitor *visitor)
{
  struct mm_deaths *deaths = &heap->deaths;
  for (size_t i = deaths->old; i < deaths->count; i++) {
    struct mm_ref *object = &deaths->each[i].object;
    bool lives = visitor->keep(visitor, object);
    if (lives && mm_handle_is_young(heap, *object))
      continue;
    swap(deaths, i, deaths->old++);
    if (!lives)
      bury_locked(heap, deaths->old - 1);
  }
}

void mm_deaths_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor)
{
  struct mm_deaths *deaths = &heap->deaths;
  pthread_mutex_lock(&deaths->lock);
  if (!heap->handles.visits_young_only)
    visit_old_locked(heap, visitor);
  visit_young_locked(heap, visitor);
  pthread_mutex_unlock(&deaths->lock);
}

/* Telling -------------------------------------------------------------------
 */

/* The last of the dead ones leaves; so do its places among the others. */
static void remove_dead_locked(struct mm_deaths *deaths)
{
  MM_ASSERT(deaths->dead > 0);
  deaths->each[--deaths->dead] = deaths->each[--deaths->old];
  deaths->each[deaths->old] = deaths->each[--deaths->count];
}

/* Dead ones of one language; how many. */
static size_t take_batch_locked(struct mm_deaths *deaths, uint64_t *words,
                                uint32_t *language)
{
  size_t count = 0;
  *language = deaths->each[deaths->dead - 1].language;
  while (count < MM_DEATHS_MOST && deaths->dead > 0 &&
         deaths->each[deaths->dead - 1].language == *language) {
    words[count++] = deaths->each[deaths->dead - 1].word;
    remove_dead_locked(deaths);
  }
  return count;
}

/* What is left is far from what there was. */
static void shrink_locked(struct mm_deaths *deaths)
{
  if (deaths->capacity > FIRST_CAPACITY && deaths->count < deaths->capacity / 4)
    (void)resize_locked(deaths, deaths->capacity / 2); /* or stays as it is */
}

/* Gives up the lock meanwhile. */
static void tell_batch_locked(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  uint64_t words[MM_DEATHS_MOST];
  uint32_t index;
  size_t count = take_batch_locked(deaths, words, &index);
  const struct mm_language *language = mm_language_of_index(index);
  MM_ASSERT(!deaths->is_telling);
  deaths->is_telling = true;
  pthread_mutex_unlock(&deaths->lock);
  if (language)
    language->died(heap->host, words, count);
  pthread_mutex_lock(&deaths->lock);
  deaths->is_telling = false;
  deaths->told_of[index] += language ? count : 0;
  mm_stat_count(&heap->stat, MM_COUNT_DEATHS_TOLD, language ? count : 0);
  shrink_locked(deaths);
  mm_condition_notify(heap, &deaths->told);
}

static void tell_all_locked(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  while (deaths->dead > 0 || deaths->is_telling)
    if (deaths->is_telling)
      mm_condition_wait(heap, &deaths->told, &deaths->lock);
    else
      tell_batch_locked(heap);
}

void mm_language_tell_deaths(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  mm_enter_native(mutator);
  pthread_mutex_lock(&heap->deaths.lock);
  tell_all_locked(heap);
  pthread_mutex_unlock(&heap->deaths.lock);
  mm_leave_native(mutator);
}

void mm_deaths_wake(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  pthread_mutex_lock(&deaths->lock);
  if (deaths->dead > 0)
    mm_condition_notify(heap, &deaths->wake);
  pthread_mutex_unlock(&deaths->lock);
}

/* The thread ----------------------------------------------------------------
 */

static void *thread_main(void *argument)
{
  struct mm_heap *heap = argument;
  struct mm_deaths *deaths = &heap->deaths;
  mm_os_work_beside();
  mm_schedule_begin(heap, &deaths->task);
  pthread_mutex_lock(&deaths->lock);
  while (!deaths->quit)
    if (deaths->is_telling)
      mm_condition_wait(heap, &deaths->told, &deaths->lock);
    else if (deaths->dead > 0)
      tell_batch_locked(heap);
    else
      mm_condition_wait(heap, &deaths->wake, &deaths->lock);
  pthread_mutex_unlock(&deaths->lock);
  mm_schedule_end(heap, &deaths->task);
  return NULL;
}

/* Signals are the host's threads' affair. */
static bool create_thread(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  mm_schedule_add(heap, &deaths->task);
  int error = mm_native_fails_now()
                  ? EAGAIN
                  : pthread_create(&deaths->thread, NULL, thread_main, heap);
  if (error != 0)
    mm_schedule_end(heap, &deaths->task);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error == 0;
}

/* Who counts (mm_deaths_count) may do so already. */
static bool make_counts(struct mm_deaths *deaths)
{
  pthread_mutex_lock(&deaths->lock);
  if (!deaths->told_of)
    deaths->told_of = mm_native_alloc_array(MM_PURPOSE_HANDLES, MM_LANGUAGES,
                                            sizeof *deaths->told_of);
  bool is_made = deaths->told_of != NULL;
  pthread_mutex_unlock(&deaths->lock);
  return is_made;
}

enum mm_status mm_deaths_start(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  if (deaths->has_thread)
    return MM_OK;
  if (!make_counts(deaths))
    return MM_NO_MEMORY;
  deaths->has_thread = create_thread(heap);
  return deaths->has_thread ? MM_OK : MM_OS_FAILED;
}

void mm_deaths_quit(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  if (!deaths->has_thread)
    return;
  pthread_mutex_lock(&deaths->lock);
  deaths->quit = true;
  mm_condition_notify(heap, &deaths->wake);
  pthread_mutex_unlock(&deaths->lock);
  mm_schedule_await_end(heap, &deaths->task);
  pthread_join(deaths->thread, NULL);
  deaths->has_thread = false;
}

/* A heap from begin to end --------------------------------------------------
 */

void mm_deaths_init(struct mm_heap *heap)
{
  pthread_mutex_init(&heap->deaths.lock, NULL);
  pthread_cond_init(&heap->deaths.wake, NULL);
  pthread_cond_init(&heap->deaths.told, NULL);
}

void mm_deaths_destroy(struct mm_heap *heap)
{
  struct mm_deaths *deaths = &heap->deaths;
  mm_deaths_quit(heap);
  pthread_mutex_lock(&deaths->lock);
  deaths->dead = deaths->old = deaths->count;
  tell_all_locked(heap);
  pthread_mutex_unlock(&deaths->lock);
  mm_native_free(MM_PURPOSE_HANDLES, deaths->each,
                 deaths->capacity * sizeof *deaths->each);
  mm_native_free(MM_PURPOSE_HANDLES, deaths->told_of,
                 MM_LANGUAGES * sizeof *deaths->told_of);
  pthread_cond_destroy(&deaths->told);
  pthread_cond_destroy(&deaths->wake);
  pthread_mutex_destroy(&deaths->lock);
}

/* Checking, counting --------------------------------------------------------
 */

static bool is_ordered_locked(const struct mm_deaths *deaths)
{
  if (deaths->dead > deaths->old || deaths->old > deaths->count ||
      deaths->count > deaths->capacity)
    return false;
  for (size_t i = 0; i < deaths->count; i++)
    if (mm_is_null(deaths->each[i].object) != (i < deaths->dead))
      return false;
  return true;
}

bool mm_deaths_check(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->deaths.lock);
  bool is_ordered = is_ordered_locked(&heap->deaths);
  pthread_mutex_unlock(&heap->deaths.lock);
  return is_ordered;
}

void mm_deaths_count(struct mm_heap *heap, unsigned language, uint64_t *watched,
                     uint64_t *told)
{
  struct mm_deaths *deaths = &heap->deaths;
  uint64_t count = 0;
  pthread_mutex_lock(&deaths->lock);
  for (size_t i = deaths->dead; i < deaths->count; i++)
    count += deaths->each[i].language == language;
  *watched = count;
  *told = deaths->told_of ? deaths->told_of[language] : 0;
  pthread_mutex_unlock(&deaths->lock);
}
