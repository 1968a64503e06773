/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The purposes' names, and a source of chunks for arenas per purpose: which
 * one a chunk is charged to follows from the source's place in its table.
 */
#include "config.h"

#include "vm/core/purposes.h"

#include <pthread.h>

#include "mm/alloc/arena.h"
#include "vm/core/assert.h"

_Static_assert((int)VM_PURPOSE_END <= (int)MM_PURPOSE_COUNT,
               "too many purposes");

static const struct mm_purpose_name names[] = {
#define VM_PURPOSE(NAME, key, text) {#key, text},
#include "vm/core/purposes.def"
};

static void name_all(void)
{
  mm_native_name_purposes(names, sizeof names / sizeof names[0]);
}

void vm_name_purposes(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, name_all);
}

/* --- Arenas --- */

static void *take(struct mm_arena_source *source, size_t bytes);
static void give(struct mm_arena_source *source, void *chunk, size_t bytes);

static struct mm_arena_source sources[] = {
#define VM_PURPOSE(NAME, key, text) {take, give},
#include "vm/core/purposes.def"
};

static unsigned purpose_of(const struct mm_arena_source *source)
{
  return MM_PURPOSE_HOST + (unsigned)(source - sources);
}

static void *take(struct mm_arena_source *source, size_t bytes)
{
  return mm_native_alloc_dirty(purpose_of(source), bytes);
}

static void give(struct mm_arena_source *source, void *chunk, size_t bytes)
{
  mm_native_free(purpose_of(source), chunk, bytes);
}

struct mm_arena *vm_arena_create(enum vm_purpose purpose)
{
  VM_ASSERT(purpose > VM_PURPOSE_BEFORE_FIRST && purpose < VM_PURPOSE_END);
  return mm_arena_create(&sources[purpose - MM_PURPOSE_HOST]);
}
