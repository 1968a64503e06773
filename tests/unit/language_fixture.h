/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A language for the tests of the memory manager, on the heap of a fixture:
 * conses and vectors with tagged slots, custom boxes, and loaders, which own
 * classes and hold statics outside of the heap.
 */
#ifndef TESTS_UNIT_LANGUAGE_FIXTURE_H
#define TESTS_UNIT_LANGUAGE_FIXTURE_H

#include "mm/barrier_inline.h"
#include "mm/language.h"
#include "tests/unit/mm_fixture.h"

enum {
  LANGUAGE_CAR = 8,
  LANGUAGE_CDR = 16,
  /* A box: the length word, how many slots there are, a reference, padding, and
     then so many tagged slots; the rest is data. */
  LANGUAGE_BOX_COUNT = 12,
  LANGUAGE_BOX_REF = 16,
  LANGUAGE_BOX_SLOTS = 24,
  LANGUAGE_LOADERS = 32,
  LANGUAGE_STATICS = 4,
  LANGUAGE_MORTALS = 1 << 15,
};

extern const struct mm_language language_test;
#define LANGUAGE_TAGGING                                                       \
  ((struct mm_tagging){UINT64_C(0xffff000000000000),                           \
                       UINT64_C(0xfff5000000000000)})

/* A loader as the host knows it.  Its classes are plain pairs and arrays of
   bytes. */
struct language_loader {
  struct mm_ref object; /* null: there is none */
  struct mm_metadata_arena *arena;
  struct mm_ref *statics; /* in the arena: a dead loader may be scanned */
  struct fixture_class *pair, *bytes;
};

struct language {
  struct fixture *fixture;
  struct fixture_class *cons, *vector, *box, *loader;
  struct fixture_class *wide; /* tagged slots in a wide map */
  struct language_loader loaders[LANGUAGE_LOADERS];
  unsigned loaders_died;
};

/* After fixture_open: registers the language, makes its classes. */
void language_open(struct language *l, struct fixture *f);

struct mm_ref language_cons(struct language *l, uint64_t car, uint64_t cdr);
struct mm_ref language_vector(struct language *l, uint32_t length);
/* A box with so many slots and so many bytes of data after them. */
struct mm_ref language_box(struct language *l, uint32_t slots, uint32_t bytes);

uint64_t language_ref(struct mm_ref ref);
uint64_t language_number(double number);
struct mm_ref language_to_ref(uint64_t value);
double language_to_number(uint64_t value);

void *language_slot(struct mm_ref ref, size_t offset);
uint64_t language_get(struct mm_ref ref, size_t offset);
void language_set(struct language *l, struct mm_ref ref, size_t offset,
                  uint64_t value);
uint64_t language_element(struct mm_ref vector, size_t index);
void language_set_element(struct language *l, struct mm_ref vector,
                          size_t index, uint64_t value);

/* A new loader, with two classes; nothing holds it but the one root that was
   pushed.  Returns its index. */
unsigned language_load(struct language *l);
/* One whose object takes so many bytes. */
unsigned language_load_wide(struct language *l, uint32_t bytes);
struct mm_ref language_static(struct language *l, unsigned loader, unsigned at);
void language_set_static(struct language *l, unsigned loader, unsigned at,
                         struct mm_ref value);
/* Instances; they hold the loader. */
struct mm_ref language_pair_of(struct language *l, unsigned loader);
struct mm_ref language_bytes_of(struct language *l, unsigned loader,
                                uint32_t length);

/* Weak tables of the two languages below, to be emptied before their heap is
   closed. */
enum { LANGUAGE_STRINGS = 100 };
extern struct mm_ref language_strings[2][LANGUAGE_STRINGS];

/* Classes of weak and final references of the host (0) or of the language of
   this number, of which there are two; returns its index. */
unsigned language_references(struct fixture *f, unsigned number,
                             struct fixture_class **weak,
                             struct fixture_class **final);

/* Another language, `mortal', whose objects of 16 bytes are watched; it counts
   how often the death of each number was told. */
struct fixture_class *language_mortals(struct fixture *f);
struct mm_ref language_mortal(struct fixture_thread *thread,
                              struct fixture_class *mortals, uint32_t number);
unsigned language_told(uint32_t number);
uint64_t language_told_all(void);
/* With the lock held that `died' takes, nobody is told. */
void language_hold_died(bool holds);

#endif
