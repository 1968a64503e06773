/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one assembly and what the parts of the assembler share.
 *
 *   pass 1  declare.c    directives: records, fields, signatures of functions,
 *                        literal arrays; bodies are only delimited
 *   between declare.c    owners, staticness, duplicates, unknown records
 *   pass 2  body.c       bodies, with everything declared known
 *   end     assemble.c   the tables are copied into the module
 *
 * Errors are added as they are found and sorted by place at the end.  A
 * function here that returns false has reported why, or has run out of
 * memory, which is noted in `no_memory` and reported once at the end.
 *
 * Three arenas: the module's, one for the whole assembly, and one that is
 * rewound after each body.
 */
#ifndef VM_ASM_ASM_INTERNAL_H
#define VM_ASM_ASM_INTERNAL_H

#include "vm/asm/asm.h"
#include "vm/asm/lexer_internal.h"
#include "vm/asm/names_internal.h"
#include "vm/asm/suggest_internal.h"

#include "mm/alloc/arena.h"

#define VM_NONE UINT32_MAX

enum {
  VM_DIMS_MAX = 255, /* "[]" behind one type */
};

/* A vector that grows inside an arena; items are zeroed. */
struct vm_vec {
  struct mm_arena *arena;
  void *items;
  uint32_t count, capacity;
};

#define VM_ITEM(type, vec, index) (&((type *)(vec)->items)[index])

struct asm_type {
  struct vm_type_ref ref;
  uint32_t record;   /* index of the record declared with this name */
  uint32_t array_of; /* index of the array type of this one */
};

struct asm_field {
  struct vm_field_def def;
  struct vm_token name;
  uint32_t ref; /* index of its vm_field_ref, made when first named */
};

struct asm_record {
  struct vm_record_def def;
  struct vm_token name;
  struct vm_token base;
  bool has_meta;
  struct vm_vec fields; /* struct asm_field */
};

struct asm_function {
  struct vm_function_def def;
  struct vm_method_ref ref;
  struct vm_token name;
  struct vm_lexer body; /* from behind `{` up to `}` */
  bool has_body;
  const char *signature; /* "NAME:(T,T)" */
  uint32_t signature_length;
};

/* What a name means when no parameter list is given. */
struct asm_overloads {
  uint32_t static_function, instance_function;
  const char *signature;
  uint32_t signature_length;
  bool is_ambiguous; /* there are several parameter lists */
  bool is_broken;    /* a declaration of this name had errors */
};

/* A record that a declaration mentions; looked at after pass 1. */
struct asm_mention {
  uint32_t type;
  struct vm_token token;
};

struct vm_asm {
  const char *file;
  const char *source;
  size_t source_bytes;
  struct vm_diags *diags;
  bool no_memory;
  bool seen_directive, seen_language;
  uint64_t suggest_budget;
  struct mm_arena *arena;         /* the module's */
  struct mm_arena *scratch;       /* this assembly's */
  struct mm_arena *local;         /* one body's */
  struct vm_names type_names;     /* records, primitives, unions -> type */
  struct vm_names field_names;    /* scope: record * 2 + static */
  struct vm_names function_names; /* -> overloads */
  struct vm_names signatures;     /* scope: static; -> function */
  struct vm_names constructors;   /* scope: owner; run-time name and types */
  struct vm_names array_names;
  struct vm_names string_names;
  struct vm_vec types;     /* struct asm_type */
  struct vm_vec strings;   /* struct vm_string_const */
  struct vm_vec arrays;    /* struct vm_array_const */
  struct vm_vec fields;    /* struct vm_field_ref */
  struct vm_vec records;   /* struct asm_record */
  struct vm_vec functions; /* struct asm_function */
  struct vm_vec overloads; /* struct asm_overloads */
  struct vm_vec mentions;  /* struct asm_mention */
};

/* Memory (assemble.c) */

void vm_vec_init(struct vm_vec *vec, struct mm_arena *arena);
/* A zeroed item at the end, or null.  Moves the others. */
void *vm_vec_push(struct vm_asm *a, struct vm_vec *vec, size_t item_bytes);
void *vm_asm_alloc(struct vm_asm *a, struct mm_arena *arena, size_t bytes);
/* A zero-terminated copy in the module, or null. */
const char *vm_asm_text(struct vm_asm *a, const char *text, size_t length);

/* Messages (message.c) */

/* A token's text for a message: shortened, unprintable bytes masked. */
struct vm_quoted {
  char text[72];
};
struct vm_quoted vm_quote(const char *text, size_t length);
struct vm_quoted vm_quote_token(const struct vm_token *token);

void vm_asm_report(struct vm_asm *a, enum vm_severity severity,
                   const struct vm_token *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define vm_asm_error(a, at, ...)                                               \
  vm_asm_report(a, VM_DIAG_ERROR, at, __VA_ARGS__)

/* Reports that `wanted` should stand where `found` does; returns false. */
bool vm_asm_expected(struct vm_asm *a, const struct vm_token *found,
                     const char *wanted);
/* Takes one character of punctuation or reports. */
bool vm_asm_expect(struct vm_asm *a, struct vm_lexer *lexer, char c,
                   const char *where);
/* The line must end here. */
bool vm_asm_expect_eol(struct vm_asm *a, struct vm_lexer *lexer);
/* Adds the note "did you mean" when there is something near. */
void vm_asm_suggest_names(struct vm_asm *a, const struct vm_token *word,
                          const struct vm_names *names, uint64_t scope);
void vm_asm_suggest_note(struct vm_asm *a, const struct vm_token *word,
                         const struct vm_suggest *suggest);

/* Literals (literal.c) */

bool vm_asm_integer(struct vm_asm *a, const struct vm_token *token,
                    int64_t *value);
/* The bit pattern of a 32- or 64-bit float. */
bool vm_asm_float(struct vm_asm *a, const struct vm_token *token, bool wide,
                  int64_t *bits);
/* Index of the string constant. */
bool vm_asm_string(struct vm_asm *a, const struct vm_token *token,
                   uint32_t *index);

/* Types (types.c) */

enum vm_name_kind { VM_NAME_SIMPLE, VM_NAME_PREFIXED, VM_NAME_FUNCTION };
bool vm_name_is_valid(const char *text, uint32_t length,
                      enum vm_name_kind kind);

/* Index of the type with this name, made when it is new; VM_NONE: memory. */
uint32_t vm_asm_type(struct vm_asm *a, const char *text, uint32_t length);
uint32_t vm_asm_array_type(struct vm_asm *a, uint32_t element);

static inline struct asm_type *vm_asm_type_at(struct vm_asm *a, uint32_t type)
{
  return VM_ITEM(struct asm_type, &a->types, type);
}

enum vm_type_use {
  VM_TYPE_DECLARED, /* in a declaration: checked later, arrays not at all */
  VM_TYPE_OPERAND,  /* in an operand: checked now, elements of arrays too */
  VM_TYPE_LISTED,   /* in the parameter list of an operand: not checked */
};
/* `span` receives the whole type as written. */
bool vm_asm_parse_type(struct vm_asm *a, struct vm_lexer *lexer,
                       enum vm_type_use use, uint32_t *type,
                       struct vm_token *span);
/* The "[]" behind a type. */
bool vm_asm_parse_dims(struct vm_asm *a, struct vm_lexer *lexer,
                       uint32_t *type);
/* Reports the records among the mentions that were never declared. */
void vm_asm_check_mentions(struct vm_asm *a);

/* Metadata (metadata.c) */

enum vm_meta_on {
  VM_META_RECORD,
  VM_META_FIELD,
  VM_META_FUNCTION,
  VM_META_PARAMETER
};
struct vm_meta {
  uint32_t flags;
  bool is_present;
  struct vm_token base;  /* of extends=; kind VM_TOK_EOF when not given */
  struct vm_token value; /* of value= */
};
/* Parses `<...>` when it comes next. */
bool vm_asm_parse_meta(struct vm_asm *a, struct vm_lexer *lexer,
                       enum vm_meta_on on, struct vm_meta *meta);

/* Declarations (declare.c, record.c, function.c, array.c).  Each directive's
   parser leaves the lexer at the end of the last line it took, or before a
   directive that came too early. */

void vm_asm_declare(struct vm_asm *a);
/* Takes the `{` of a body, on this line or alone at the next one's start.  In
   `recover` mode what stands in front of it on the line is skipped. */
bool vm_asm_open_body(struct vm_lexer *lexer, bool recover);
/* Takes a `}` that comes next, or goes to the next line that has tokens;
   reports the end of the text and directives.  What was found: */
enum vm_body_step { VM_BODY_CLOSED, VM_BODY_LINE, VM_BODY_BROKEN };
enum vm_body_step vm_asm_body_step(struct vm_asm *a, struct vm_lexer *lexer,
                                   const char *what,
                                   const struct vm_token *name);
/* A directive that may not stand inside a body. */
bool vm_asm_is_directive(const struct vm_token *token);
void vm_asm_record(struct vm_asm *a, struct vm_lexer *lexer);
void vm_asm_function(struct vm_asm *a, struct vm_lexer *lexer,
                     const struct vm_token *directive);
void vm_asm_array(struct vm_asm *a, struct vm_lexer *lexer);
void vm_asm_finish_records(struct vm_asm *a);
void vm_asm_finish_functions(struct vm_asm *a);
/* A function's name, in a declaration or an operand.  The text lies in the
   source or in the local arena; owner: the array type of an array's
   constructor, else VM_NONE. */
bool vm_asm_parse_function_name(struct vm_asm *a, struct vm_lexer *lexer,
                                struct vm_token *name, uint32_t *owner);

/* Bodies (body.c, operand.c, callee.c) */

/* One instruction before its labels and arguments are resolved. */
struct asm_insn {
  struct vm_insn insn;
  struct vm_token mnemonic;
  struct vm_token label; /* jumps */
  uint32_t written;      /* registers written, ignored ones too */
  uint32_t columns[4];   /* of the registers */
  uint8_t widths[4];
  uint8_t argument_mask; /* bit i: regs[i] is the number of an aN */
};

struct asm_body {
  struct asm_function *function;
  struct vm_names labels; /* -> instruction index */
  struct vm_vec insns;    /* struct asm_insn */
  struct vm_vec catches;  /* struct asm_catch, in body.c */
  uint32_t local_count;
};

void vm_asm_bodies(struct vm_asm *a);
bool vm_asm_operands(struct vm_asm *a, struct asm_body *body,
                     struct vm_lexer *lexer, struct asm_insn *insn);
/* Maps arguments to register numbers and checks that they fit. */
void vm_asm_map_registers(struct vm_asm *a, struct asm_body *body);
/* Parses a call's function operand. */
bool vm_asm_callee(struct vm_asm *a, struct vm_lexer *lexer, enum vm_op op,
                   uint32_t *function);
/* Orders catches and resolves their labels. */
bool vm_asm_parse_catch(struct vm_asm *a, struct asm_body *body,
                        struct vm_lexer *lexer,
                        const struct vm_token *directive);
void vm_asm_finish_catches(struct vm_asm *a, struct asm_body *body);
bool vm_asm_find_label(struct vm_asm *a, const struct asm_body *body,
                       const struct vm_token *label, uint32_t *insn);

#endif
