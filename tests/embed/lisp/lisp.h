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
 *
 * Note [Values in C]
 *
 * Any allocation may move objects, so C code holds values in the machine's
 * stack (push, pop), which are roots, and takes them from there again.  A value
 * in a C variable is good until the next allocation.
 *
 * Read next: heap.c, then eval.c.
 */
#ifndef TESTS_EMBED_LISP_H
#define TESTS_EMBED_LISP_H

#include "mm/barrier_inline.h"
#include "mm/language.h"
#include "mm/mm_inline.h"

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
  STACK_MOST = 1 << 16,
  DEPTH_MOST = 4000, /* of calls in C */
};

enum type { CONS, CLOSURE, SYMBOL, VECTOR, STRING, TABLE, TYPE_COUNT };

enum form { QUOTE, IF, DEFINE, SET, LAMBDA, LET, BEGIN, FORM_COUNT };

struct weak_table;

struct lisp {
  struct mm_mutator mutator; /* first: the binding casts back */
  struct mm_heap *heap;
  struct mm_layout *layouts[TYPE_COUNT];
  value *stack;
  size_t top;
  unsigned depth;
  value forms[FORM_COUNT]; /* their symbols: roots */
  value globals;           /* a list of the symbols that have a value: a root */
  struct mm_ref *symbols;  /* the weak table of all symbols, by hash */
  size_t symbols_size, symbols_used;
  struct weak_table *tables;
  size_t tables_size;
  char error[160];
};

/* heap.c */
bool lisp_open(struct lisp *lisp, const struct mm_options *options);
void lisp_close(struct lisp *lisp);
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
value intern(struct lisp *lisp, const char *name, size_t length);

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
size_t weak_count(value table, const struct lisp *lisp);
bool weak_add(struct lisp *lisp, uint32_t *number);
void weak_bind(struct lisp *lisp, uint32_t number, value table);
void weak_visit(struct lisp *lisp, struct mm_weak_visitor *visitor);
void weak_close(struct lisp *lisp);

/* read.c: the next expression of *text, UNBOUND at the end, or ERROR. */
value read_expression(struct lisp *lisp, const char **text);
void print(struct lisp *lisp, value v);

/* eval.c: of what stands at these places of the stack. */
value eval(struct lisp *lisp, size_t expression, size_t environment);

/* primitives.c: the arguments stand on the stack from `first' on. */
value call_primitive(struct lisp *lisp, value primitive, size_t first,
                     size_t count);
bool define_primitives(struct lisp *lisp);

#endif
