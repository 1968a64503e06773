/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the slots: a source of spans that counts and can refuse,
 * slots that take from it and report wrong frees here, and a model to use
 * them beside.
 *
 *   struct slots_fixture f;
 *   slots_fixture_open(&f, NULL, 0);
 *   struct slots_model model = {.slots = &f};
 *   slots_model_step(&model, cache, &seed);     as often as you like
 *   slots_model_compare(&model);
 */
#ifndef TESTS_UNIT_SLOTS_FIXTURE_H
#define TESTS_UNIT_SLOTS_FIXTURE_H

#include "mm/alloc/slots_internal.h"

enum { SLOTS_FIXTURE_SPANS = 2048, SLOTS_MODEL_BLOCKS = 3000 };

/* Hands out the lowest span that is free.  Called under the slots' lock. */
struct slots_source {
  struct mm_source source; /* first: the functions cast back */
  void *mapping;
  bool is_taken[SLOTS_FIXTURE_SPANS];
  size_t held, limit; /* in spans */
  size_t takes, gives;
};

struct slots_fixture {
  struct slots_source source;
  struct mm_slots *slots;
  struct mm_allocator *allocator; /* the same */
  unsigned faults;                /* wrong frees heard of, and the last one */
  enum mm_slots_fault fault;
  const void *fault_at;
};

void slots_fixture_open(struct slots_fixture *f, const uint32_t *extra,
                        size_t extra_count);

/* Everything has gone back to the source, no fault has been left unseen. */
void slots_fixture_close(struct slots_fixture *f);

/* Fails the test with the complaint of the allocator's check, if any. */
/* What a block of so many bytes is aligned to. */
static inline size_t slots_fixture_align(size_t bytes)
{
  return bytes % MM_BLOCK_ALIGN == 0 ? MM_BLOCK_ALIGN : 8;
}

void slots_fixture_check(struct slots_fixture *f);

bool slots_fixture_all_are(const void *at, size_t bytes, uint8_t byte);

/* Blocks as they should be: each is full of its byte. */
struct slots_model {
  struct slots_fixture *slots;
  size_t count;
  struct slots_model_block {
    void *at; /* null: none */
    size_t bytes;
    uint8_t byte;
  } blocks[SLOTS_MODEL_BLOCKS];
};

/* Frees or makes a block; `cache` null: by the functions of the class. */
void slots_model_step(struct slots_model *model, struct mm_slots_cache *cache,
                      uint64_t *seed);

/* Walk, totals and check agree with the model. */
void slots_model_compare(struct slots_model *model);

void slots_model_free_all(struct slots_model *model,
                          struct mm_slots_cache *cache);

#endif
