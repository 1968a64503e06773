/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code space; see code_internal.h and mm/code.h.
 *
 * In a child after fork the allocator's tables are the child's own, but the
 * memory is its parent's: whatever would write there is refused, without
 * taking the lock, which a thread of the parent may have held.
 */
#include "config.h"

#include "mm/space/code_internal.h"

#include "mm/gc/heap_internal.h"
#include "mm/gc/options_internal.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"

#include <errno.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* A limit on address space is for the heap, mainly. */
enum { LIMIT_FRACTION = 16, VIEWS = 2 };

#define DEFAULT_BYTES (64 * MIB)
#define LEAST_BYTES ((uint64_t)MM_SPAN_BYTES)
#define LEAST_DEFAULT_BYTES (1 * MIB)

static struct mm_code_space *space_of(struct mm_code_source *source)
{
  return (struct mm_code_space *)((char *)source -
                                  offsetof(struct mm_code_space, source));
}

static enum mm_status commit(struct mm_code_source *source, uint64_t offset,
                             uint64_t bytes)
{
  struct mm_code_space *space = space_of(source);
  enum mm_status status = mm_dual_commit(&space->dual, offset, bytes);
  if (status != MM_OK)
    return status;
  space->committed_bytes += bytes;
  if (space->peak_committed_bytes < space->committed_bytes)
    space->peak_committed_bytes = space->committed_bytes;
  mm_native_charge(MM_PURPOSE_CODE, (int64_t)bytes);
  return MM_OK;
}

static enum mm_status uncommit(struct mm_code_source *source, uint64_t offset,
                               uint64_t bytes)
{
  struct mm_code_space *space = space_of(source);
  enum mm_status status = mm_dual_uncommit(&space->dual, offset, bytes);
  if (status != MM_OK)
    return status;
  MM_ASSERT(bytes <= space->committed_bytes);
  space->committed_bytes -= bytes;
  mm_native_charge(MM_PURPOSE_CODE, -(int64_t)bytes);
  return MM_OK;
}

static void flush(struct mm_code_source *source, uint64_t offset,
                  uint64_t bytes)
{
  mm_code_flush((const void *)(source->run_base + offset), bytes);
}

/* Starting ---------------------------------------------------------------- */

void mm_code_space_init(struct mm_code_space *space)
{
  pthread_mutex_init(&space->lock, NULL);
}

static uint64_t default_bytes(void)
{
  uint64_t bytes = DEFAULT_BYTES;
  uint64_t bound = mm_os_address_space_bytes() / LIMIT_FRACTION / VIEWS;
  while (bytes > bound && bytes > LEAST_DEFAULT_BYTES)
    bytes /= 2;
  return bytes;
}

/* Reserves as much as was asked for; or the default, or less of it. */
static enum mm_status reserve(struct mm_code_space *space, uint64_t asked,
                              struct mm_error *error)
{
  const char *refused = "";
  uint64_t bytes = asked ? asked : default_bytes();
  bytes = (bytes + MM_SPAN_BYTES - 1) & ~(uint64_t)(MM_SPAN_BYTES - 1);
  enum mm_status status = mm_dual_create(bytes, &space->dual, &refused);
  while (!asked && status == MM_NO_MEMORY && bytes > LEAST_DEFAULT_BYTES) {
    bytes /= 2;
    status = mm_dual_create(bytes, &space->dual, &refused);
  }
  if (status != MM_OK)
    mm_error_set(error,
                 "cannot have %lluK of code space: the system refuses %s: %s; "
                 "choose another --code-cache or do without compiled code",
                 (unsigned long long)(bytes / 1024), refused, strerror(errno));
  return status;
}

enum mm_status mm_code_space_check_limit(uint64_t bytes, struct mm_error *error)
{
  if (bytes == 0 || (bytes >= LEAST_BYTES && bytes <= MM_CODE_MOST_BYTES))
    return MM_OK;
  mm_error_set(error, "--code-cache must be between %uK and %uM",
               (unsigned)(LEAST_BYTES / 1024),
               (unsigned)(MM_CODE_MOST_BYTES / MIB));
  return MM_BAD_OPTION;
}

static enum mm_status start(struct mm_code_space *space, uint64_t asked,
                            struct mm_error *error)
{
  enum mm_status status = reserve(space, asked, error);
  if (status != MM_OK)
    return status;
  space->source = (struct mm_code_source){
      .write_base = space->dual.write_base,
      .run_base = space->dual.run_base,
      .reserved_bytes = space->dual.bytes,
      .commit = commit,
      .uncommit = uncommit,
      .flush = flush,
  };
  space->allocator = mm_code_allocator_create(&space->source);
  if (space->allocator)
    return MM_OK;
  mm_error_set(error, "no memory for the tables of the code space");
  mm_dual_destroy(&space->dual);
  return MM_NO_MEMORY;
}

static bool is_started(const struct mm_code_space *space)
{
  return __atomic_load_n(&space->started, __ATOMIC_ACQUIRE);
}

enum mm_status mm_code_start(struct mm_heap *heap, struct mm_error *error)
{
  struct mm_code_space *space = &heap->code;
  enum mm_status status = MM_OK;
  pthread_mutex_lock(&space->lock);
  if (!space->started)
    status = start(space, heap->options.code_max_bytes, error);
  if (status == MM_OK)
    __atomic_store_n(&space->started, true, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&space->lock);
  return status;
}

uint64_t mm_code_max_bytes(const struct mm_heap *heap)
{
  return heap->code.dual.bytes;
}

bool mm_code_is_started(struct mm_heap *heap)
{
  return is_started(&heap->code);
}

void mm_code_space_destroy(struct mm_code_space *space)
{
  if (space->started) {
    MM_ASSERT(!mm_code_space_check(space));
    mm_code_allocator_destroy(space->allocator);
    mm_dual_destroy(&space->dual);
    /* Something is left when this is a child, or the system kept it. */
    mm_native_charge(MM_PURPOSE_CODE, -(int64_t)space->committed_bytes);
  }
  pthread_mutex_destroy(&space->lock);
}

/* Blocks ------------------------------------------------------------------ */

static bool may_change(struct mm_code_space *space)
{
  MM_ASSERT(is_started(space));
  return !mm_dual_is_inherited(&space->dual);
}

enum mm_status mm_code_alloc(struct mm_heap *heap, size_t bytes, size_t align,
                             void *owner, struct mm_code *code)
{
  struct mm_code_space *space = &heap->code;
  if (!may_change(space))
    return MM_NO_MEMORY;
  pthread_mutex_lock(&space->lock);
  enum mm_status status =
      mm_code_allocator_alloc(space->allocator, bytes, align, owner, code);
  pthread_mutex_unlock(&space->lock);
  return status;
}

void mm_code_seal(struct mm_heap *heap, struct mm_code *code, size_t used_bytes)
{
  struct mm_code_space *space = &heap->code;
  if (!may_change(space))
    return;
  pthread_mutex_lock(&space->lock);
  code->bytes = mm_code_allocator_trim(space->allocator, code->run, used_bytes);
  pthread_mutex_unlock(&space->lock);
  mm_code_flush(code->run, code->bytes);
}

void mm_code_flush(const void *run, size_t bytes)
{
  __builtin___clear_cache((char *)run, (char *)run + bytes);
}

void mm_code_free(struct mm_heap *heap, const void *run)
{
  struct mm_code_space *space = &heap->code;
  if (!run || !may_change(space))
    return;
  pthread_mutex_lock(&space->lock);
  mm_code_allocator_free(space->allocator, run);
  pthread_mutex_unlock(&space->lock);
}

bool mm_code_find(struct mm_heap *heap, const void *address,
                  struct mm_code *code)
{
  struct mm_code_space *space = &heap->code;
  if (!is_started(space))
    return false;
  pthread_mutex_lock(&space->lock);
  bool found = mm_code_allocator_find(space->allocator, address, code);
  pthread_mutex_unlock(&space->lock);
  return found;
}

bool mm_code_contains(const struct mm_heap *heap, const void *address)
{
  const struct mm_code_space *space = &heap->code;
  return is_started(space) &&
         (uintptr_t)address - space->dual.run_base < space->dual.bytes;
}

void mm_code_walk(struct mm_heap *heap,
                  void (*visit)(void *context, const struct mm_code *code),
                  void *context)
{
  struct mm_code_space *space = &heap->code;
  if (!is_started(space))
    return;
  pthread_mutex_lock(&space->lock);
  mm_code_allocator_walk(space->allocator, visit, context);
  pthread_mutex_unlock(&space->lock);
}

bool mm_code_space_stat(struct mm_code_space *space,
                        struct mm_code_space_stat *stat)
{
  if (!is_started(space))
    return false;
  pthread_mutex_lock(&space->lock);
  mm_allocator_stats(mm_code_allocator_base(space->allocator), &stat->alloc);
  mm_code_allocator_count(space->allocator, &stat->counts);
  stat->reserved_bytes = space->dual.bytes;
  stat->committed_bytes = space->committed_bytes;
  stat->peak_committed_bytes = space->peak_committed_bytes;
  pthread_mutex_unlock(&space->lock);
  return true;
}

const char *mm_code_space_check(struct mm_code_space *space)
{
  if (!is_started(space))
    return NULL;
  pthread_mutex_lock(&space->lock);
  const char *wrong =
      mm_allocator_check(mm_code_allocator_base(space->allocator));
  pthread_mutex_unlock(&space->lock);
  return wrong;
}
