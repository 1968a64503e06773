/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small Lisp on libbamboo-mm: a dynamic language as a host of the memory
 * manager.  Nothing but the installed headers is included.
 *
 *   value     64 bits: a double, or a NaN whose upper half tells what it is
 *               0xfffc....  a reference to an object of the heap
 *               0xfffd....  nil, true, false, unbound, or an error
 *               0xfffe....  a primitive, by number
 *   cons      +8 car     +16 cdr                      tagged slots
 *   closure   +8 names   +16 body   +24 environment   tagged slots
 *   symbol    +8 string  +16 global value             tagged slots
 *   vector    length, then tagged slots
 *   string    Latin-1
 *   table     +8 number of a weak table of the host   (weak.c)
 *   map       +8 buckets, a vector                    tagged slot (map.c)
 *             +16 how many entries
 *   entry     an ephemeron; +20 map, +24 next of its bucket, +28 hash of its
 * key port      +8 address of a record of the host      (ports.c) thread    +8
 * what came of it                      tagged slot (threads.c) +16 address of a
 * record of the host
 *
 * Note [Values in C]
 *
 * Any allocation may move objects, so C code holds values in the machine's
 * stack (push, pop), which are roots, and takes them from there again.  A value
 * in a C variable is good until the next allocation.
 *
 * Note [Threads of the Lisp]
 *
 * A struct lisp is what one thread has: it is a mutator, with a stack of its
 * own.  All share a struct world, whose lock guards the tables: symbols, weak
 * tables, maps.  Nothing is allocated in the heap with the lock held, so nobody
 * stops at a safepoint with it: what is needed is made before, and thrown away
 * if another thread was faster.  What programs share otherwise they have to
 * pass on by spawn and join.
 *
 * Read next: heap.c, then eval.c.
 */
#ifndef TESTS_EMBED_LISP_H
#define TESTS_EMBED_LISP_H

#include "mm/barrier_inline.h"
#include "mm/handle_inline.h"
#include "mm/language.h"
#include "mm/mm_inline.h"
#include "mm/reference.h"

#include <pthread.h>
#include <stdio.h>

typedef uint64_t value;

#define TAG_MASK UINT64_C(0xffffffff00000000)
#define TAG_REF UINT64_C(0xfffcffff00000000)
#define TAG_CONSTANT UINT64_C(0xfffdffff00000000)
#define TAG_PRIMITIVE UINT64_C(0xfffeffff00000000)
#define TAGGING ((struct mm_tagging){TAG_MASK, TAG_REF})

#define NIL (TAG_CONSTANT | 0)
#define TRUE (TAG_CONSTANT | 1)
#define FALSE (TAG_CONSTANT | 2)
#define UNBOUND (TAG_CONSTANT | 3)
#define ERROR (TAG_CONSTANT | 4) /* lisp.error says which */

enum {
  CAR = 8,
  CDR = 16,
  CLOSURE_NAMES = 8,
  CLOSURE_BODY = 16,
  CLOSURE_ENV = 24,
  SYMBOL_STRING = 8,
  SYMBOL_VALUE = 16,
  TABLE_NUMBER = 8,
  MAP_BUCKETS = 8,
  MAP_COUNT = 16,
  ENTRY_MAP = MM_REFERENCE_FIELDS_OFFSET,
  ENTRY_NEXT = 24,
  ENTRY_HASH = 28,
  PORT_RECORD = 8,
  THREAD_RESULT = 8,
  THREAD_RECORD = 16,
  STACK_MOST = 1 << 16,
  DEPTH_MOST = 4000, /* of calls in C */
};

enum type {
  CONS,
  CLOSURE,
  SYMBOL,
  VECTOR,
  STRING,
  TABLE,
  MAP,
  ENTRY,
  PORT,
  THREAD,
  TYPE_COUNT
};

enum form { QUOTE, IF, DEFINE, SET, LAMBDA, LET, BEGIN, FORM_COUNT };

struct weak_table;

/* What all threads share. */
struct world {
  struct mm_heap *heap;
  struct mm_layout *layouts[TYPE_COUNT];
  unsigned language;
  value forms[FORM_COUNT]; /* their symbols: roots */
  pthread_mutex_t lock;    /* of what follows; see Note [Threads of the Lisp] */
  pthread_cond_t ended;    /* a thread has */
  unsigned running;        /* threads that were spawned and have not ended */
  unsigned ports;          /* that are open */
  value globals;           /* a list of the symbols that have a value: a root */
  struct mm_ref *symbols;  /* the weak table of all symbols, by hash */
  size_t symbols_size, symbols_used;
  struct weak_table *tables;
  size_t tables_size;
};

/* What a thread has. */
struct lisp {
  struct mm_mutator mutator; /* first: the binding casts back */
  struct world *world;
  value *stack;
  size_t top;
  unsigned depth;
  char error[160];
};

/* heap.c */
bool world_open(struct world *world, struct lisp *lisp,
                const struct mm_options *options);
void world_close(struct world *world, struct lisp *lisp);

/* Makes the calling thread one of the Lisp's.  False: no memory. */
bool lisp_attach(struct lisp *lisp, struct world *world);
void lisp_detach(struct lisp *lisp);
value lisp_fail(struct lisp *lisp, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
size_t push(struct lisp *lisp, value v);
value pop(struct lisp *lisp);

/* All may collect, and give ERROR when the heap is full.  The operands of
   cons_top are the last two that were pushed; it pops them. */
value cons_top(struct lisp *lisp);
value new_closure(struct lisp *lisp, size_t names, size_t body, size_t env);
value new_vector(struct lisp *lisp, uint32_t length);
value new_string(struct lisp *lisp, uint32_t length);
value new_table(struct lisp *lisp);
value new_plain(struct lisp *lisp, enum type type);
value intern(struct lisp *lisp, const char *name, size_t length);
size_t count_symbols(struct lisp *lisp);

/* The name has this value from now on, in all threads; both stand on the
   stack. */
value set_global(struct lisp *lisp, size_t symbol, size_t v);

char *address(value object);
value load(value object, size_t offset);
void store(struct lisp *lisp, value object, size_t offset, value v);
uint32_t length_of(value object); /* of a vector or a string */
char *characters(value string);
bool is_type(const struct lisp *lisp, value v, enum type type);

static inline bool is_number(value v)
{
  return v < (TAG_REF & UINT64_C(0xffff000000000000));
}

static inline bool is_ref(value v)
{
  return (v & TAG_MASK) == TAG_REF;
}

static inline value of_ref(struct mm_ref ref)
{
  return mm_is_null(ref) ? ERROR : mm_tagged_value(TAGGING, ref);
}

static inline size_t slot_offset(size_t index)
{
  return MM_ARRAY_BASE_WIDE + 8 * index;
}

value of_number(double number);
double to_number(value v);

/* weak.c: a key that dies takes its entry along, and so does a value. */
bool weak_put(struct lisp *lisp, value table, value key, value v);
value weak_get(struct lisp *lisp, value table, value key);
size_t weak_count(struct lisp *lisp, value table);
bool weak_add(struct lisp *lisp, value table);
void weak_visit(struct world *world, struct mm_weak_visitor *visitor);
void weak_close(struct world *world);

/* map.c: a value lives as long as its key does, also if it refers to it.  What
   is put stands on the stack. */
value new_map(struct lisp *lisp);
value map_put(struct lisp *lisp, size_t map, size_t key, size_t v);
value map_get(struct lisp *lisp, value map, value key);
size_t map_count(struct lisp *lisp, value map);

/* ports.c: files to write to, closed when nobody holds them any more. */
value open_port(struct lisp *lisp, const char *name); /* null: a scratch file */
bool close_port(struct lisp *lisp, value port);
FILE *port_file(value port); /* null: it was closed */
void port_died(struct world *world, void *record);

/* threads.c */
value spawn(struct lisp *lisp, size_t thunk);
value join(struct lisp *lisp, size_t thread);
void threads_await(struct lisp *lisp);
void thread_died(void *record);

/* read.c: the next expression of *text, UNBOUND at the end, or ERROR. */
value read_expression(struct lisp *lisp, const char **text);
void print(struct lisp *lisp, FILE *out, value v);

/* eval.c: of what stands at these places of the stack. */
value eval(struct lisp *lisp, size_t expression, size_t environment);

/* primitives.c: the arguments stand on the stack from `first' on. */
value call_primitive(struct lisp *lisp, value primitive, size_t first,
                     size_t count);
bool define_primitives(struct lisp *lisp);

#endif
