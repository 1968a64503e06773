/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module: one source file in verified form.  The assembler makes it, the
 * disassembler prints it, the loader turns its records into classes, the
 * verifier annotates its functions, and the interpreter translates them.
 *
 * Operands that are not registers are indices into the module's tables.  The
 * `resolved` fields of the tables are filled in lazily, at the first run of
 * an instruction that needs them; until then they are null.
 *
 * Everything in a module lives in its arena and dies with it.  After it was
 * built only the `resolved` fields change.
 */
#ifndef VM_CORE_MODULE_H
#define VM_CORE_MODULE_H

#include "mm/object.h"
#include "vm/isa/isa.h"

struct mm_arena;
struct vm_class;
struct vm_field;
struct vm_loader;
struct vm_method;
struct vm_verified;

/* The kinds of types that a name can mean. */
enum vm_prim {
  VM_PRIM_VOID,
  VM_PRIM_U1,
  VM_PRIM_I8,
  VM_PRIM_U8,
  VM_PRIM_I16,
  VM_PRIM_U16,
  VM_PRIM_I32,
  VM_PRIM_U32,
  VM_PRIM_I64,
  VM_PRIM_U64,
  VM_PRIM_F32,
  VM_PRIM_F64,
  VM_PRIM_REF, /* a record or an array */
  VM_PRIM_COUNT
};

struct vm_prim_info {
  const char *name; /* "i32"; null for VM_PRIM_REF */
  uint8_t bytes;    /* in a field or an array element; 0 for void */
  uint8_t log2;     /* log2 of bytes */
  uint8_t type;     /* enum vm_type in a register: I32, I64, F32, ... */
};

extern const struct vm_prim_info vm_prim_table[VM_PRIM_COUNT];

/* The primitive with this name, or VM_PRIM_REF when there is none. */
enum vm_prim vm_prim_find(const char *name, size_t len);

/* A type named in the module.  Types of one name are one entry. */
struct vm_type_ref {
  const char *name; /* canonical, no blanks: "i32", "R", "i32[][]" */
  uint8_t prim;     /* enum vm_prim; arrays and records are REF */
  uint32_t dims;    /* number of "[]" */
  uint32_t element; /* arrays: index of the element type */
  bool is_own; /* of a record (or arrays of one) that the module's loader has to
                  itself; set by the loader, see Note [What a name means] */
  struct vm_class *resolved; /* atomic, release; references only */
};

/* A string constant: modified UTF-8, with its length, zero-terminated too. */
struct vm_string_const {
  const char *bytes;
  uint32_t length_bytes;
  struct mm_ref resolved; /* atomic, release; the interned string, a root;
                             null until used */
};

static inline struct mm_ref
vm_string_const_ref(const struct vm_string_const *string)
{
  return (struct mm_ref){
      __atomic_load_n(&string->resolved.bits, __ATOMIC_ACQUIRE)};
}

/* A literal array: `.array name type count { ... }`. */
struct vm_array_const {
  const char *name;
  uint32_t type; /* index of the element type (primitive or panda.String) */
  uint32_t count;
  const void *data; /* primitives: count elements as they lie in the heap;
                       strings: count uint32_t indices into strings */
  uint32_t line;
  struct vm_class *resolved; /* atomic, release; the array class */
};

/* A field as an instruction names it. */
struct vm_field_ref {
  uint32_t owner; /* type index of the record that is named */
  const char *name;
  uint32_t type; /* type index */
  bool is_static;
  struct vm_field *resolved; /* atomic, release */
};

/* A function as an instruction names it. */
struct vm_method_ref {
  uint32_t owner;         /* type index; the type "_GLOBAL" for functions
                             without a record */
  const char *name;       /* run-time name: ".ctor", ".cctor", or the part
                             after the last dot */
  uint32_t return_type;   /* type index */
  uint32_t param_count;   /* the receiver counts */
  const uint32_t *params; /* type indices */
  bool is_static;
  bool is_ctor;
  bool is_array_ctor;         /* constructor of an array type (3.6) */
  struct vm_method *resolved; /* atomic, release */
};

enum {
  VM_REG_COUNT_MAX = 65536, /* locals and arguments of a frame */
  VM_REG_UNUSED = 0xffff,   /* in calls: a register slot that was left out */
};

/*
 * One instruction.  Of a call `nregs` counts the registers that the callee
 * takes.  Those written beyond them are ignored when it runs and stay in
 * `regs` for the disassembler.  Three things of calls are not refused when
 * a module is made and so are the verifier's to look at: a range that runs
 * past the last register, an accumulator's position that is no parameter's
 * (an argument may be missing then), and initobj of what is no constructor.
 */
struct vm_insn {
  uint16_t op;      /* enum vm_op */
  uint8_t nregs;    /* how many of regs are used */
  uint8_t acc_pos;  /* call.acc*: position of the accumulator, 0 to 15 */
  uint16_t regs[4]; /* mapped numbers: locals first, then arguments */
  union {
    int64_t imm;     /* truncated and sign-extended; floats: bit pattern */
    uint32_t target; /* index of an instruction; insn_count: end of body */
    uint32_t index;  /* into strings, arrays, types, fields or methods */
  } operand;
  uint32_t line;   /* 1-based */
  uint32_t column; /* 1-based, of the mnemonic */
};

/* One `.catch` or `.catchall`, in the order in which they are searched
   (7.2): by first appearance of the (begin, end) pair, then as written. */
struct vm_catch {
  uint32_t begin, end;  /* instruction indices; end is exclusive */
  uint32_t handler;     /* instruction index */
  uint32_t handler_end; /* or UINT32_MAX when not given */
  uint32_t type;        /* type index, or UINT32_MAX for catchall */
  uint32_t line, column;
};

enum {
  VM_FLAG_EXTERNAL = 1 << 0,
  VM_FLAG_STATIC = 1 << 1, /* functions: static by rule 3.2, not only by
                              metadata */
  VM_FLAG_FINAL = 1 << 2,
  VM_FLAG_CTOR = 1 << 3,
  VM_FLAG_CCTOR = 1 << 4,
  VM_FLAG_NATIVE = 1 << 5,
  VM_FLAG_NOIMPL = 1 << 6,
  VM_FLAG_VARARGS = 1 << 7,
  VM_FLAG_VOLATILE = 1 << 8,
  VM_FLAG_READONLY = 1 << 9,
  VM_FLAG_MARKED_STATIC = 1 << 10, /* `static` stood in the metadata */
  VM_FLAG_HAS_VALUE = 1 << 11,     /* fields: `value=` given */
  /* Access: two bits; 0 not given. */
  VM_FLAG_ACCESS_SHIFT = 12,
  VM_FLAG_ACCESS_MASK = 3 << 12,
  VM_FLAG_PUBLIC = 1 << 12,
  VM_FLAG_PROTECTED = 2 << 12,
  VM_FLAG_PRIVATE = 3 << 12,
};

/* A field as a record declares it. */
struct vm_field_def {
  const char *name;
  uint32_t type;
  uint32_t flags;
  uint64_t value; /* bits, when VM_FLAG_HAS_VALUE; a string's index for
                     a field of type panda.String */
  uint32_t line, column;
};

struct vm_record_def {
  uint32_t type; /* type index of the record itself */
  uint32_t base; /* type index, or UINT32_MAX: panda.Object */
  uint32_t flags;
  uint32_t field_count;
  struct vm_field_def *fields;
  uint32_t line, column;
};

struct vm_function_def {
  uint32_t method;       /* index into methods: owner, name, types */
  const char *text_name; /* as written, "R.Construct": for messages */
  uint32_t flags;
  uint32_t local_count; /* registers below the arguments */
  uint32_t reg_count;   /* local_count + parameters */
  uint32_t fixed_count; /* parameters before the first that is marked `varargs';
                           as many as there are: none is */
  uint32_t insn_count;
  struct vm_insn *insns; /* null without a body */
  uint32_t catch_count;
  struct vm_catch *catches;
  uint32_t line, column;
  uint32_t end_line;            /* of the closing brace */
  struct vm_verified *verified; /* what the verifier found; null before */
};

struct vm_module {
  struct mm_arena *arena;
  const char *file;   /* as given by the user */
  const char *source; /* whole text, for messages; not zero-terminated */
  size_t source_bytes;
  uint32_t type_count, string_count, array_count, field_count, method_count;
  uint32_t record_count, function_count;
  struct vm_type_ref *types;
  struct vm_string_const *strings;
  struct vm_array_const *arrays;
  struct vm_field_ref *fields;
  struct vm_method_ref *methods;
  struct vm_record_def *records;     /* external ones too */
  struct vm_function_def *functions; /* external ones too */
  struct vm_loader *loader;          /* that took it over; null before */
  struct vm_module *next;            /* of the loader, in load order */
};

/*
 * Checks that every index, register and target of a module is in range and
 * that operand kinds fit the instructions, so that the verifier and the
 * translator may trust them.  The assembler's output always passes; modules
 * from elsewhere (fuzzing) may not.  Returns null, or a text in static or
 * arena storage that says what is wrong.
 */
const char *vm_module_check(struct vm_module *module);

#endif
