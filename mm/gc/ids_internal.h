/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of objects: numbers that stay the same wherever an object moves, and
 * that do not depend on addresses, so that two runs, or two reports of one,
 * can be held against each other.
 *
 *   index (open addressing, by reference)      entries
 *   [ - | 2 | - | - | 1 | 3 | - | - ]    --->  1: ref, before, id
 *     a slot holds the number of an entry      2: ...           count
 *     counted from 1; 0: empty                 3: (died)        ended
 *
 * A side table, since neither the header nor the object has room.  It is empty,
 * and costs nothing, until somebody asks for an id.  A collection treats it as
 * a weak table: what lives is followed, what died is moved behind `count`,
 * where reports find it until an entry is added there; then the index is made
 * anew, which takes no memory.
 *
 * Invariants (mm_ids_check): each entry before `count` is found through the
 * index, and by its own reference only; count <= ended <= capacity; the index
 * has at least twice as many slots as there may be entries.
 *
 * Locks: `lock`, a leaf, by running mutators; with the world stopped none.
 */
#ifndef MM_IDS_INTERNAL_H
#define MM_IDS_INTERNAL_H

#include "mm/binding.h"

#include <pthread.h>

struct mm_heap;

struct mm_id_entry {
  struct mm_ref ref;
  struct mm_ref before; /* where it was before the last collection */
  uint64_t id;
};

struct mm_object_ids {
  pthread_mutex_t lock;
  struct mm_id_entry *entries;
  uint32_t count, ended, capacity;
  uint32_t *index; /* 2 * capacity slots, a power of two */
  uint64_t last;   /* the id given out last */
};

void mm_ids_init(struct mm_object_ids *ids);
void mm_ids_destroy(struct mm_object_ids *ids);

/* Numbers a new object when the options say so, and hands it on. */
struct mm_ref mm_ids_number(struct mm_heap *heap, struct mm_ref ref);

/* After tracing: follows what lives and drops what died. */
void mm_ids_follow(struct mm_object_ids *ids, struct mm_weak_visitor *visitor);

/* For reports; 0 when there is none.  The object that is here; the one that
   was here before the last collection and has moved or died. */
uint64_t mm_ids_find(const struct mm_object_ids *ids, struct mm_ref ref);
uint64_t mm_ids_find_before(const struct mm_object_ids *ids, struct mm_ref ref);

/* Do the invariants hold? */
bool mm_ids_check(const struct mm_object_ids *ids);

#endif
