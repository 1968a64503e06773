/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at compiled code: who wants to know of it is told here.
 *
 *   observe.c       who is told what; names; the map of Linux perf
 *   dump.c          the listing of --jit-dump
 *   dump_machine.c  machine instructions as text
 *   gdb.c           the list of objects that gdb reads
 *   gdb_object.c    one such object: ELF with symbols and lines
 */
#ifndef JIT_STUB_OBSERVE_INTERNAL_H
#define JIT_STUB_OBSERVE_INTERNAL_H

#include "jit_stub/code_internal.h"
#include "jit_stub/native_internal.h"

#include <stdio.h>

/* --- observe.c --- */

/* The compiler has its stubs, and nothing else yet. */
void jit_observe_started(struct jit_compiler *compiler);
/* The code is complete, and nobody runs it yet.  One thread at a time. */
void jit_observe_compiled(struct jit_compiler *compiler, struct jit_code *code);
/* The same of a bridge to a C function. */
void jit_observe_native(struct jit_compiler *compiler,
                        struct jit_native *native);
void jit_observe_native_freed(struct jit_native *native);
/* Nobody runs it any more. */
void jit_observe_freed(struct jit_compiler *compiler, struct jit_code *code);
/* All code is freed but the stubs. */
void jit_observe_ended(struct jit_compiler *compiler);

/* A piece of machine code that has a name. */
struct jit_place {
  const char *class_name; /* null: a stub */
  const char *name;
  const void *run;
  size_t bytes;
};

enum { JIT_PLACES_MAX = 16 };

/* The stubs, ascending by address; returns how many. */
uint32_t jit_stub_places(const struct jit_compiler *compiler,
                         struct jit_place places[JIT_PLACES_MAX]);

/* Class.method, or stub.name. */
void jit_place_print(const struct jit_place *place, FILE *out);

/* Do these bytes, Class.method or method, a `*' at the end for anything more,
   mean the method? */
bool jit_method_matches(const struct vm_method *method, const char *pattern,
                        size_t bytes);

/* --- dump.c --- */

void jit_dump(const struct jit_compiler *compiler, const struct jit_code *code,
              FILE *out);

/* --- dump_machine.c --- */

struct jit_listing {
  FILE *out;
  const struct jit_compiler *compiler;
  const struct jit_code *code;
  uint8_t *targets; /* bit set by offset: what code jumps to; or null */
  size_t reader;    /* the disassembler's; 0: none, bytes are shown */
};

void jit_machine_begin(struct jit_listing *listing);
void jit_machine_print(struct jit_listing *listing, uint32_t from, uint32_t to);
void jit_machine_end(struct jit_listing *listing);

/* --- gdb.c --- */

/* Tells a debugger.  Null: there is no memory, it is told nothing. */
void *jit_gdb_register(const struct jit_place *places, uint32_t count,
                       const struct jit_code *code);
/* Null is allowed. */
void jit_gdb_unregister(void *registered);

/* --- gdb_object.c --- */

/* Bytes that grow. */
struct jit_bytes {
  uint8_t *bytes;
  size_t count, capacity;
  bool out_of_memory;
};

/*
 * An ELF object for the machine code of these places, neighbours in ascending
 * order: a symbol for each, and, if `code` is not null, which source lines its
 * machine code comes from.  False: no memory, and nothing is left.
 */
bool jit_gdb_object_make(struct jit_bytes *object,
                         const struct jit_place *places, uint32_t count,
                         const struct jit_code *code);
void jit_bytes_free(struct jit_bytes *bytes);

#endif
