/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for the tests of the memory manager: a few classes, threads with a
 * shadow stack of roots, global roots, a weak table.  It is as simple as a
 * host can be, so that what goes wrong in a test is the memory manager.
 *
 *   struct fixture f;
 *   struct mm_options options = fixture_options();
 *   fixture_open(&f, &options);
 *   size_t a = fixture_push(&f.main, fixture_pair(&f.main));
 *   mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
 *   struct mm_ref moved = fixture_at(&f.main, a);
 *   fixture_close(&f);
 *
 * Functions fail the running test when something is refused; those that end
 * in _or_null hand the null on.  Not thread safe but per thread.
 */
#ifndef TESTS_UNIT_MM_FIXTURE_H
#define TESTS_UNIT_MM_FIXTURE_H

#include <check.h>

#include "mm/gc/heap_internal.h"
#include "mm/mm_inline.h"

/* An assertion for loops: Check's own write each of their places to a file,
   which takes a microsecond. */
#define fixture_require(condition)                                             \
  do {                                                                         \
    if (!(condition))                                                          \
      ck_abort_msg("%s does not hold", #condition);                            \
  } while (0)

enum {
  FIXTURE_STACK = 1 << 17, /* roots on a thread's shadow stack */
  FIXTURE_GLOBALS = 16,
  /* From here on the globals are roots of all kinds, in their order. */
  FIXTURE_OF_KIND = FIXTURE_GLOBALS - MM_ROOT_HOST_KIND_COUNT,
  FIXTURE_WEAK = 64,
  FIXTURE_MIB = 1 << 20,
  FIXTURE_REGION_BYTES = 128 * 1024,
  /* A plain object this large needs a wide map: 300 slots of 4 bytes. */
  FIXTURE_WIDE_BYTES = 8 + 300 * 4,
  /* Offsets of the fields of a pair. */
  FIXTURE_LEFT = 8,
  FIXTURE_RIGHT = 12,
  FIXTURE_VALUE = 16, /* 8 bytes of data */
  FIXTURE_EXTRA = 20, /* the field of a reference */
};

enum fixture_kind {
  FIXTURE_PAIR,  /* two references and a 64-bit value: 24 bytes */
  FIXTURE_LEAF,  /* no field at all: 8 bytes */
  FIXTURE_WIDE,  /* many fields, each third one a reference */
  FIXTURE_REFS,  /* array of references */
  FIXTURE_BYTES, /* array of bytes */
  FIXTURE_LONGS, /* array of 64-bit numbers */
  FIXTURE_STRING,
  FIXTURE_KIND_COUNT,
  /* References (mm/reference.h), with a field of their own. */
  FIXTURE_SOFT = FIXTURE_KIND_COUNT,
  FIXTURE_WEAK_REFERENCE,
  FIXTURE_FINAL,
  FIXTURE_EPHEMERON,
  FIXTURE_PHANTOM,
  FIXTURE_CLASS_COUNT
};

/* The layout stands first, as the memory manager demands. */
struct fixture_class {
  struct mm_layout layout;
  const char *name;
  uint64_t wide_ref_map[(FIXTURE_WIDE_BYTES / 4 + 63) / 64];
};

struct fixture_thread {
  struct mm_mutator mutator; /* first: the binding casts back */
  struct fixture *fixture;
  struct mm_ref *stack;
  size_t top;
};

struct fixture {
  struct mm_heap *heap;
  struct fixture_class *classes[FIXTURE_CLASS_COUNT];
  struct fixture_thread main;
  struct mm_ref globals[FIXTURE_GLOBALS];
  struct mm_ref weak[FIXTURE_WEAK]; /* dead entries become null */
  uint64_t weak_died;
  bool hide_main_stack; /* plants a missing root */
};

/* ThreadSanitizer, which slows this down most, is to see whether what workers
   wrote may be read after them; what it says is proved by other builds. */
enum {
  FIXTURE_VERIFY_ALL = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK,
#ifdef BAMBOO_TSAN
  FIXTURE_VERIFY = MM_VERIFY_AFTER,
#else
  FIXTURE_VERIFY = FIXTURE_VERIFY_ALL,
#endif
};

/* 32 MiB of stop-the-world heap, one worker, no log, verified around each
   collection. */
struct mm_options fixture_options(void);

/* The plans there are, by number; for looped tests. */
enum { FIXTURE_PLANS = 6, FIXTURE_PLAN_YOUNG = 3 };
/* And with generations as long as they pay, up to FIXTURE_PLANS_ALL. */
enum { FIXTURE_PLAN_AUTO = FIXTURE_PLANS, FIXTURE_PLANS_ALL = 9 };

/* Numbers of workers: 1, 2 and 4.  ThreadSanitizer has nothing to see where
   one thread is alone. */
#ifdef BAMBOO_TSAN
enum { FIXTURE_LEAST_WORKERS = 2, FIXTURE_WORKERS = 2 };
#else
enum { FIXTURE_LEAST_WORKERS = 1, FIXTURE_WORKERS = 3 };
#endif

/* `variant` % FIXTURE_WORKERS says how many. */
static inline unsigned fixture_workers(int variant)
{
  return (unsigned)FIXTURE_LEAST_WORKERS << variant % FIXTURE_WORKERS;
}
void fixture_choose_plan(struct mm_options *options, int plan);

/* Creates the heap, the classes, and attaches the calling thread. */
void fixture_open(struct fixture *f, const struct mm_options *options);
void fixture_close(struct fixture *f);

/* Attaches the calling thread with a shadow stack of its own. */
void fixture_attach(struct fixture *f, struct fixture_thread *thread);
void fixture_detach(struct fixture_thread *thread);

extern const struct mm_binding fixture_binding;

/* Allocation.  Lengths in elements; a string's in units. */
struct mm_ref fixture_pair(struct fixture_thread *thread);
struct mm_ref fixture_new(struct fixture_thread *thread, enum fixture_kind kind,
                          uint32_t length);
struct mm_ref fixture_new_or_null(struct fixture_thread *thread,
                                  enum fixture_kind kind, uint32_t length);
struct mm_ref fixture_wide_string(struct fixture_thread *thread,
                                  uint32_t units);
struct mm_ref fixture_nonmoving(struct fixture_thread *thread,
                                enum fixture_kind kind, uint32_t length);

/* The shadow stack: push returns the index. */
size_t fixture_push(struct fixture_thread *thread, struct mm_ref ref);
void fixture_pop(struct fixture_thread *thread, size_t count);
struct mm_ref fixture_at(struct fixture_thread *thread, size_t index);
void fixture_put(struct fixture_thread *thread, size_t index,
                 struct mm_ref ref);

/* Fields and elements, by byte offset or index. */
struct mm_ref fixture_get(struct mm_ref ref, size_t offset);
void fixture_set(struct mm_ref ref, size_t offset, struct mm_ref value);
struct mm_ref fixture_element(struct mm_ref array, size_t index);
void fixture_set_element(struct mm_ref array, size_t index,
                         struct mm_ref value);
int64_t fixture_value(struct mm_ref pair);
void fixture_set_value(struct mm_ref pair, int64_t value);
char *fixture_data(struct mm_ref ref, size_t offset);

/* A list of `length` pairs, values length - 1 down to 0, linked by LEFT;
   pushed, so that it costs one root.  Returns the root's index. */
size_t fixture_push_list(struct fixture_thread *thread, uint32_t length);
void fixture_check_list(struct mm_ref head, uint32_t length);

/* A complete binary tree; leaves have depth 0.  Not kept by any root. */
struct mm_ref fixture_tree(struct fixture_thread *thread, unsigned depth);
uint64_t fixture_tree_nodes(struct mm_ref tree);

/* Collects by this kind, if there is room for it, with all the heap's workers
   however little there is to do. */
void fixture_collect(struct fixture *f, enum mm_collection_kind kind);

/* From now on the thread of the cycles waits in this state; IDLE: in none. */
void fixture_hold(struct fixture *f, enum mm_cycle_state state);

/* A cycle is under way: polls until it is in the state.  What its thread wrote
   before that can be read. */
void fixture_await(struct fixture *f, enum mm_cycle_state state);

/* Starts a cycle, whose marker waits.  Lets it go on, and waits for the end. */
void fixture_start_cycle(struct fixture *f);
void fixture_end_cycle(struct fixture *f);
void fixture_run_cycle(struct fixture *f);

/* Collections of each kind that the plan has, one after the other. */
void fixture_collect_all_ways(struct fixture *f);

uint64_t fixture_pauses(const struct fixture *f, enum mm_collection_kind kind);

/* mm_verify, once a cycle that is under way has ended. */
uint64_t fixture_verify(struct fixture *f);

/* Bytes of the heap, of at most 32 MiB, that the machine has given memory
   for. */
uint64_t fixture_resident_bytes(const struct fixture *f);

/* What a walk of the heap finds. */
struct fixture_census {
  uint64_t objects, bytes;
};
struct fixture_census fixture_census(struct fixture *f);

/* The words of a stream, as a string that the caller frees. */
struct fixture_text {
  FILE *out;
  char *text;
  size_t bytes;
};
void fixture_text_open(struct fixture_text *text);
const char *fixture_text_read(struct fixture_text *text);
void fixture_text_close(struct fixture_text *text);

/* A reproducible generator: xorshift64*, Marsaglia 2003 and Vigna 2016. */
uint64_t fixture_random(uint64_t *state);

/* Adds a looped test that has to end its process: by `signal`, or with the
   exit status when that is 0.  Left out where ThreadSanitizer watches, since
   tests have no processes of their own there. */
void fixture_add_death(TCase *tests, const TTest *test, int signal, int status,
                       int first, int beyond);

/* Runs a suite of one test case per `cases`, ended by null; the result is
   what main returns.  Without forks where ThreadSanitizer watches. */
int fixture_main(const char *suite, TCase *cases[]);

#endif
