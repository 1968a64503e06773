/* SPDX-License-Identifier: Apache-2.0 */
/* See slots_fixture.h. */
#include "config.h"

#include "tests/unit/slots_fixture.h"

#include "mm/os/os_internal.h"
#include "tests/unit/mm_fixture.h"

#include <stdlib.h>
#include <string.h>

/* The source ------------------------------------------------------------------
 */

static uintptr_t take(struct mm_source *source, size_t bytes)
{
  struct slots_source *own = (struct slots_source *)source;
  fixture_require(bytes == MM_SPAN_BYTES);
  size_t span = 0;
  while (span < SLOTS_FIXTURE_SPANS && own->is_taken[span])
    span++;
  if (own->held >= own->limit || span == SLOTS_FIXTURE_SPANS)
    return 0;
  uintptr_t at = source->base + span * MM_SPAN_BYTES;
  fixture_require(mm_os_commit(at, MM_SPAN_BYTES) == MM_OK);
  own->is_taken[span] = true;
  own->held++;
  own->takes++;
  return at;
}

static void give(struct mm_source *source, uintptr_t at, size_t bytes)
{
  struct slots_source *own = (struct slots_source *)source;
  size_t span = (at - source->base) / MM_SPAN_BYTES;
  fixture_require(bytes == MM_SPAN_BYTES && at % MM_SPAN_BYTES == 0);
  fixture_require(span < SLOTS_FIXTURE_SPANS && own->is_taken[span]);
  fixture_require(mm_os_uncommit(at, MM_SPAN_BYTES) == MM_OK);
  own->is_taken[span] = false;
  own->held--;
  own->gives++;
}

/* A mapping as the machine likes it, from its first multiple of a span on. */
static void open_source(struct slots_source *own)
{
  uint64_t bytes = (uint64_t)SLOTS_FIXTURE_SPANS * MM_SPAN_BYTES;
  ck_assert_int_eq(mm_os_map(bytes + MM_SPAN_BYTES, &own->mapping), MM_OK);
  uintptr_t base = (uintptr_t)own->mapping + MM_SPAN_BYTES - 1;
  base &= ~(uintptr_t)(MM_SPAN_BYTES - 1);
  ck_assert_int_eq(mm_os_protect(base, bytes), MM_OK);
  own->limit = SLOTS_FIXTURE_SPANS;
  own->source = (struct mm_source){base, bytes, take, give};
}

static void close_source(struct slots_source *own)
{
  ck_assert_uint_eq(own->held, 0);
  mm_os_release(own->mapping, own->source.reserved_bytes + MM_SPAN_BYTES);
}

/* The slots -------------------------------------------------------------------
 */

static void hear(void *context, enum mm_slots_fault fault, const void *address)
{
  struct slots_fixture *f = context;
  f->faults++;
  f->fault = fault;
  f->fault_at = address;
}

void slots_fixture_open(struct slots_fixture *f, const uint32_t *extra,
                        size_t extra_count)
{
  *f = (struct slots_fixture){.slots = NULL};
  open_source(&f->source);
  ck_assert_int_eq(mm_slots_create(&f->source.source, extra, extra_count, hear,
                                   f, &f->slots),
                   MM_OK);
  f->allocator = &f->slots->allocator;
  ck_assert_str_eq(f->allocator->class->name, "slots");
}

void slots_fixture_close(struct slots_fixture *f)
{
  slots_fixture_check(f);
  mm_allocator_destroy(f->allocator);
  ck_assert_uint_eq(f->faults, 0);
  close_source(&f->source);
}

void slots_fixture_check(struct slots_fixture *f)
{
  const char *wrong = mm_allocator_check(f->allocator);
  ck_assert_msg(!wrong, "%s", wrong);
  ck_assert_uint_eq(f->slots->run_count, f->source.held);
}

bool slots_fixture_all_are(const void *at, size_t bytes, uint8_t byte)
{
  const uint8_t *memory = at;
  for (size_t i = 0; i < bytes; i++)
    if (memory[i] != byte)
      return false;
  return true;
}

/* The model -------------------------------------------------------------------
 */

static void *alloc(struct slots_model *model, struct mm_slots_cache *cache,
                   size_t bytes)
{
  return cache ? mm_slots_alloc(cache, bytes)
               : mm_allocator_alloc(model->slots->allocator, bytes);
}

static void free_block(struct slots_model *model, struct mm_slots_cache *cache,
                       struct slots_model_block *block)
{
  fixture_require(slots_fixture_all_are(block->at, block->bytes, block->byte));
  if (cache)
    mm_slots_free(cache, block->at);
  else
    mm_allocator_free(model->slots->allocator, block->at);
  block->at = NULL;
  model->count--;
}

/* Mostly small, sometimes up to the most. */
static size_t random_bytes(uint64_t *seed)
{
  uint64_t bits = fixture_random(seed);
  size_t most = bits % 16 == 0 ? MM_SLOTS_MOST_BYTES : 256;
  return (bits >> 8) % most + 1;
}

static void make_block(struct slots_model *model, struct mm_slots_cache *cache,
                       struct slots_model_block *block, uint64_t *seed)
{
  block->bytes = random_bytes(seed);
  block->byte = (uint8_t)fixture_random(seed);
  block->at = alloc(model, cache, block->bytes);
  fixture_require(block->at);
  fixture_require((uintptr_t)block->at % slots_fixture_align(block->bytes) ==
                  0);
  memset(block->at, block->byte, block->bytes);
  model->count++;
}

void slots_model_step(struct slots_model *model, struct mm_slots_cache *cache,
                      uint64_t *seed)
{
  struct slots_model_block *block =
      &model->blocks[fixture_random(seed) % SLOTS_MODEL_BLOCKS];
  if (block->at)
    free_block(model, cache, block);
  else
    make_block(model, cache, block, seed);
}

struct seen {
  void *blocks[SLOTS_MODEL_BLOCKS];
  size_t count;
  uint64_t bytes;
};

static void see(void *context, void *block, size_t bytes)
{
  struct seen *seen = context;
  fixture_require(seen->count < SLOTS_MODEL_BLOCKS);
  seen->blocks[seen->count++] = block;
  seen->bytes += bytes;
}

static int by_address(const void *a, const void *b)
{
  uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
  return x < y ? -1 : x > y;
}

/* The model's blocks, as a walk would show them. */
static void look(struct slots_model *model, struct seen *seen)
{
  struct mm_allocator *allocator = model->slots->allocator;
  for (size_t i = 0; i < SLOTS_MODEL_BLOCKS; i++) {
    void *block = model->blocks[i].at;
    if (!block)
      continue;
    fixture_require(mm_allocator_is_block(allocator, block));
    see(seen, block, mm_allocator_block_bytes(allocator, block));
  }
  qsort(seen->blocks, seen->count, sizeof *seen->blocks, by_address);
}

void slots_model_compare(struct slots_model *model)
{
  struct seen walked = {.count = 0}, known = {.count = 0};
  struct mm_alloc_stats stats;
  slots_fixture_check(model->slots);
  mm_allocator_walk(model->slots->allocator, see, &walked);
  mm_allocator_stats(model->slots->allocator, &stats);
  look(model, &known);
  ck_assert_uint_eq(walked.count, model->count);
  ck_assert_uint_eq(known.count, model->count);
  ck_assert_mem_eq(walked.blocks, known.blocks,
                   known.count * sizeof *known.blocks);
  ck_assert_uint_eq(stats.blocks, model->count);
  ck_assert_uint_eq(stats.used_bytes, known.bytes);
  ck_assert_uint_eq(stats.held_bytes,
                    model->slots->source.held * MM_SPAN_BYTES);
}

void slots_model_free_all(struct slots_model *model,
                          struct mm_slots_cache *cache)
{
  for (size_t i = 0; i < SLOTS_MODEL_BLOCKS; i++)
    if (model->blocks[i].at)
      free_block(model, cache, &model->blocks[i]);
}
