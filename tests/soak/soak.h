/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the soak share: the host of the memory manager, and a
 * thread of it.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include "mm/handle.h"
#include "mm/mm.h"
#include "mm/reference.h"
#include "mm/schedule.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  LISTS = 32,
  TREE_DEPTH = 6,
  LEFT = 8,
  RIGHT = 12,
  NUMBER = 16,
  NODE_BYTES = 24,
  WATCHED = 24, /* references, of each thread */
  KEPT = 16,    /* global and weak handles, of each thread */
  SHARED = 32,  /* global handles, of all threads */
};

/* A reference of a thread, and what holds the object that it refers to: a list
   with the object at its end, so that it may be reached late; or null where it
   was dropped: then the reference is kept until it was told. */
struct watched {
  struct mm_ref reference, list;
  uint32_t depth;  /* of the object in the list */
  uint64_t number; /* of the object */
};

enum kept_kind { KEPT_NOTHING, KEPT_GLOBAL, KEPT_PINNED, KEPT_WEAK };

struct kept {
  enum kept_kind kind;
  struct mm_handle handle;
  struct mm_ref target; /* of a weak one; null: dropped */
  struct mm_ref place;  /* of a pinned one: not a root, and never updated */
  uint64_t number;
};

/* What was done, and what has to come out at the end; all atomic. */
struct tally {
  uint64_t made[MM_STRENGTH_COUNT];    /* references */
  uint64_t told[MM_STRENGTH_COUNT];    /* taken as pending */
  uint64_t by_hand[MM_STRENGTH_COUNT]; /* cleared by their owner */
  uint64_t finished[MM_STRENGTH_COUNT];
  uint64_t handles[MM_HANDLE_KIND_COUNT]; /* made */
  uint64_t pins;
};

struct host {
  struct mm_heap *heap;
  struct mm_layout *node, *refs, *bytes;
  struct mm_layout *reference[MM_STRENGTH_COUNT];
  struct mm_ref trees; /* the table: an array */
  struct mm_ref left;  /* references of threads that ended, in a list */
  struct mm_handle shared[SHARED];
  uint64_t shared_numbers[SHARED];
  pthread_mutex_t lock; /* of all these; never held over a safepoint */
  uint64_t half_ns, end_ns;
  uint64_t rounds, first_half_rounds, refused;  /* atomic */
  uint64_t first_half_bytes, second_half_bytes; /* native, peaks; atomic */
  struct tally tally;
};

struct soaker {
  struct mm_mutator mutator; /* first: the binding casts back */
  struct host *host;
  pthread_t thread;
  struct mm_task task;
  uint64_t seed;
  struct mm_ref lists[LISTS];
  uint64_t lengths[LISTS], sums[LISTS];
  struct mm_ref held[TREE_DEPTH + 2]; /* while trees are built and copied */
  struct watched watched[WATCHED];
  struct kept kept[KEPT];
};

/* --- soak.c --- */

_Noreturn void wrong(const struct soaker *soaker, const char *what);
uint32_t below(struct soaker *soaker, uint32_t bound);
struct mm_ref get(struct mm_ref ref, size_t offset);
void set(struct soaker *soaker, struct mm_ref ref, size_t offset,
         struct mm_ref value);
uint64_t number(struct mm_ref node);
/* Null: the heap is full, which is counted. */
struct mm_ref count_refusal(struct soaker *soaker, struct mm_ref made);
struct mm_ref new_node(struct soaker *soaker, uint64_t value);
void make_garbage(struct soaker *soaker);
void lock_table(struct host *host);

/* --- soak_refs.c --- */

bool make_reference_layouts(struct host *host);
const char *reference_name(const struct host *host,
                           const struct mm_layout *layout);
void visit_references(struct soaker *soaker, struct mm_root_visitor *visitor);
void reference_step(struct soaker *soaker);
void handle_step(struct soaker *soaker);
/* The end of a life: handles are deleted, references left to others. */
void end_references(struct soaker *soaker);
/* When all have ended: everything is told, nothing is left.  0: as it should
   be. */
int judge_references(struct soaker *soaker);

#endif
