/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A random program, and the parts that write it.
 *
 *   random.c   numbers from a seed, text
 *   world.c    what a program declares: types, fields, functions
 *   body.c     a function: its registers, statements, loops, handlers
 *   step.c     one instruction, as vm/isa/opcodes.def describes it
 *   object.c   one instruction on objects, arrays, statics
 *   call.c     one call
 *   edge.c     what compilers treat specially: bounds, nulls, receivers, chains
 *   foreign.c  references, functions of the C library, modules
 *   prelude.c  what each program has: checksums, the digest of the heap, main
 *
 * What keeps the strict verifier content:
 *
 * - A register has one type in the whole function and is set at its beginning,
 *   but for v0 to v3 and those of the block, which are scratch: they are set
 * and used within one instruction's preparation.
 * - No register is known to be null where a statement ends: null comes from
 *   fields, elements and calls, or is one of two values that meet at a label.
 * - A register whose type is an array of references holds what was made or
 *   declared with that very type, since what is stored into it is judged by
 *   what is known.  Other arrays get there through fields and parameters.
 *
 * What makes it end: each loop and each function pays from G.fuel.
 */
#ifndef TESTS_RANDOM_RANDOM_H
#define TESTS_RANDOM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* --- random.c --- */

struct text {
  char *bytes;
  size_t length, capacity;
};

void seed_with(uint64_t seed);
unsigned below(unsigned limit); /* 0 to limit - 1 */
int between(int least, int most);
bool chance(unsigned percent);
/* As text: infinities, NaN and borders among them. */
void random_float(char *text, size_t size, bool is_wide);
uint64_t random_bits(void); /* of a number that may be interesting */
/* One that compilers multiply, divide or shift by in a special way. */
int64_t random_factor(void);
void put(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- world.c --- */

/* Types are indices of `types`.  The first are the primitives, in the order of
   prim_names; arrays of them begin at T_ARRAYS, in the same order. */
enum {
  T_NONE = -1,
  T_U1,
  T_I8,
  T_U8,
  T_I16,
  T_U16,
  T_I32,
  T_U32,
  T_I64,
  T_U64,
  T_F32,
  T_F64,
  T_OBJECT,
  T_STRING,
  T_CLASS,
  T_ARRAYS,
  T_GRID = T_ARRAYS + T_OBJECT, /* i32[][] */
  T_OBJECTS,
  T_STRINGS,
  T_EXCEPTIONS,
};

enum { MAX_TYPES = 64, MAX_FIELDS = 12, MAX_PARAMS = 8, MAX_FUNCTIONS = 192 };

struct field {
  char name[12];
  int type;
  bool is_static;
};

struct type {
  char name[48];
  int element; /* of an array; else T_NONE */
  int super;   /* of a record of the program, or T_OBJECT; else T_NONE */
  bool is_own; /* a record of the program */
  bool is_exception;
  struct field fields[MAX_FIELDS];
  int field_count;
};

struct function {
  char name[64];
  int owner; /* a type, or T_NONE */
  int params[MAX_PARAMS + 1];
  int param_count;
  int result;
  bool is_instance, is_ctor, is_cctor;
  bool is_external, is_abstract;
  bool is_native; /* external, and of the C library */
};

extern struct type types[MAX_TYPES];
extern int type_count;
extern struct function functions[MAX_FUNCTIONS];
extern int function_count;
extern int statements; /* of a function, about */

bool is_ref(int type);
/* The type a register has for it: one of T_I32, T_I64, T_F32, T_F64, or the
   reference itself. */
int in_register(int type);
bool is_array_of_refs(int type);
bool is_assignable(int from, int to);
bool is_wide(int type);
int array_of(int element); /* T_NONE when the program has none */
int any_number(void);
int any_ref(void);
int any_own(void);

void make_world(int record_total, int function_total);
void declare_world(struct text *text);

/* --- body.c --- */

enum { SCRATCH = 4, MAX_REGS = 256 };

struct body {
  const struct function *function;
  int locals, regs; /* regs: locals and arguments */
  int block;        /* first of MAX_PARAMS + 1 scratch registers; 0: none */
  int types[MAX_REGS];
  bool locked[MAX_REGS];
  int acc; /* its type, or T_NONE */
  int labels;
  int loops, tries;
  int size;         /* statements that are left */
  bool is_wide;     /* many registers, all of which are used to the end */
  bool is_main;     /* each handler is followed by one for anything */
  struct text *out; /* the code, or the handlers */
  struct text code, handlers, catches;
};

extern struct body body;

void emit(const char *format, ...) __attribute__((format(printf, 1, 2)));
int new_label(void);
void put_label(int label);
const char *reg(int number);
/* A register below `limit` that holds a value of the type, or T_NONE. */
int find_reg(int type, int limit);
/* The same, to be written to: of exactly that type. */
int find_target(int type, int limit);
/* A register with a value of the type: one that has it, or v`scratch`, for
   which the accumulator may be lost. */
int need_reg(int type, int limit, int scratch);
/* A number from 0 to `most`, a power of 2 less 1, in v`scratch`. */
void small_number(int scratch, int most);
void load_acc(int type);
/* The same, of a number that may be interesting. */
void load_constant(int type);
/* A new object, array, string or class object, or what the static has. */
void load_new(int type);
/* Puts the accumulator away where there is a register for it. */
void store_acc(void);
void observe(int number);
void steps(int count);
void write_turn(int counter, int head); /* the end of a loop */
void write_function(struct text *text, const struct function *function);
void begin_body(const struct function *function, int locals);
void begin_registers(void);
void end_body(struct text *text);
void write_try(void (*inside)(void));

/* --- step.c, object.c, call.c, edge.c, foreign.c --- */

/* The suffix of moves of that type: "", ".64" or ".obj". */
const char *width(int type);
void plain_step(void);
/* A random conditional jump, or jmp, to the label. */
void write_jump(int label);
void object_step(void);
void call_step(void);
void write_call(const struct function *function);
/* The same of an instance method on the object in v0. */
void write_call_on_v0(const struct function *function);
/* A conversion of a number at the edge of what the other type has. */
void write_conversion(void);
int any_array(void);
/* With the index in v1, of the array in that register. */
void load_element(int type, int number);
void store_element(int type, int number);
/* A register with an array of exactly that type. */
int need_exact(int type);
/* A field of the record, of the object in that register. */
void use_any_field(int record, int number);
/* Statements. */
void write_bounds(void);
void write_nulls(void);
void write_receivers(void);
void write_switch(void);
void write_sum(void);
void write_row(void);
void write_reference(void);
void write_native(void);
void write_module(void);
/* What they need: declarations and functions; what main does first. */
void write_foreign(struct text *text);
void begin_foreign(void);
/* Leaves a new exception, or any object, in v0. */
void write_exception(void);

/* --- prelude.c --- */

void write_prelude(struct text *text);
void write_digest(struct text *text);
/* A function `overflow' that calls until the stack is full. */
void write_overflow(struct text *text);
void write_main(struct text *text, int rounds);

#endif
