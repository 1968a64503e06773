/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one compilation, and what its parts share:
 *
 *   compile.c    the driver: reads operations, finds flow, binds, emits, places
 *   bind.c       which registers of the frame get machine registers ("homes")
 *   state.c      what of the homes holds at the borders of blocks
 *   operand.c    operands in machine registers, results to where they belong
 *   template_*.c one function per kind of operation
 *   slow.c       what stands out of line behind the method
 *
 * Note [Homes]
 *
 * A register of the frame either lives in its slot, or has a home: a machine
 * register for the whole method.  Of a home, at each place in the code,
 *
 *   valid   the machine register holds the value
 *   dirty   ... and the slot does not yet
 *
 * is known to the compiler (struct jit_state).  What is neither is loaded when
 * it is next used.  A call leaves nothing valid: the callee uses the same
 * machine registers, and collections change slots.  So what is dirty and still
 * needed is stored before a call; for all other safepoints this is done out of
 * line, only when they are taken.
 *
 * A home whose register of the frame only ever gets 32-bit results is `narrow':
 * it holds them zero-extended, in a vector register with anything above them,
 * and they are sign-extended, as they are to stand in slots, when they are
 * stored.  (That goes for f32 too: moves of 32 bits do not know what they
 * carry.)
 */
#ifndef JIT_STUB_COMPILE_INTERNAL_H
#define JIT_STUB_COMPILE_INTERNAL_H

#include "jit_stub/code_internal.h"
#include "jit_stub/flow.h"
#include "jit_stub/op.h"
#include "mm/alloc/arena.h"

enum {
  JIT_GENERAL_HOMES = 8,
  JIT_VECTOR_HOMES = 13,
  JIT_HOMES = JIT_GENERAL_HOMES + JIT_VECTOR_HOMES,
  JIT_NO_HOME = 0xff,
};

struct jit_home {
  uint32_t vreg;
  uint8_t reg; /* machine register */
  bool is_vector, is_narrow;
};

/* Where the accumulator's value is. */
enum jit_acc {
  JIT_ACC_WIDE,   /* all of rax */
  JIT_ACC_NARROW, /* eax, zero-extended, and to be sign-extended in slots */
  JIT_ACC_VECTOR, /* xmm0 */
  JIT_ACC_F32,    /* the lowest 32 bits of xmm0, to be sign-extended in slots */
};

struct jit_state {
  uint32_t valid, dirty; /* bit sets of homes */
  uint8_t acc;           /* enum jit_acc */
};

struct jit_compile;

/* What stands out of line. */
struct jit_slow {
  struct jit_slow *next;
  void (*emit)(struct jit_compile *c, struct jit_slow *slow);
  const struct jit_op *op;
  uint32_t op_index;
  struct jit_state state; /* when it is entered */
  jit_label label, back;
  uint8_t a, b, d;  /* machine registers, as `emit` takes them */
  bool has_pointer; /* the operation's ptr is an argument */
  uint32_t target;  /* of edges: block */
  struct jit_mem mem;
  const void *helper;
};

struct jit_compile {
  struct jit_compiler *compiler;
  struct vm *vm;
  struct vm_method *method;
  const struct interp_code *decoded;
  const union interp_word *words; /* a copy */
  const struct vm_verified *verified;
  struct mm_arena *arena;
  struct jit_ops ops;
  struct jit_flow *flow;
  struct jit_emitter e;
  struct jit_home homes[JIT_HOMES];
  uint32_t home_count;
  uint8_t *home_of;         /* by register of the frame; JIT_NO_HOME */
  struct jit_state *states; /* by block: at its start */
  jit_label *labels;        /* by block: its start */
  uint32_t *block_live;     /* by block: homes live at its start */
  uint32_t *live;           /* by operation: homes live after it; bit 31 the
                               accumulator */
  struct jit_state state;   /* where code is being emitted */
  const struct jit_op *op;  /* the one that is being emitted */
  uint32_t op_index;
  struct jit_slow *slow_first, **slow_last;
  struct jit_fault *faults; /* their targets are labels yet */
  uint32_t fault_count, fault_capacity;
  struct jit_entry *entries;
  uint32_t entry_count, entry_capacity;
  struct jit_line *lines;
  uint32_t line_count, line_capacity;
  uint32_t start, slow_start, safepoints;
  uint32_t version;
  bool has_unresolved;     /* some JIT_OP_EXIT waits for names to be resolved */
  uint32_t resolved_count; /* of the decoded code, when it was copied */
  struct jit_slow spare;   /* instead of one that there is no memory for */
  bool out_of_memory;
};

#define JIT_LIVE_ACC (UINT32_C(1) << 31)

/* --- bind.c --- */
bool jit_bind(struct jit_compile *c);

/* --- state.c --- */
/* Finds `live` and the states at the start of each block. */
bool jit_states_find(struct jit_compile *c);
/* Homes that hold a reference for the collector where this operation's
   instruction stands: of those it has to see, during a call or before. */
uint32_t jit_map_homes(const struct jit_compile *c, const struct jit_op *op,
                       bool in_call);
/* Is the accumulator one of them, before? */
bool jit_map_has_acc(const struct jit_compile *c, const struct jit_op *op);
/* From the present state to that at the start of a block. */
void jit_emit_edge(struct jit_compile *c, const struct jit_state *to,
                   uint32_t live);
bool jit_edge_is_empty(const struct jit_state *from, const struct jit_state *to,
                       uint32_t live);

/* --- operand.c --- */

/* The slot of a register of the frame. */
struct jit_mem jit_slot(int32_t vreg);
struct jit_mem jit_frame_at(size_t offset); /* field of the frame's head */
struct jit_mem jit_thread_at(size_t offset);

/* The operand in a general register: its home, or `scratch`.  Not wide: the
   upper half is zero in `scratch`; in a wide home, or in rax where the
   accumulator is not JIT_ACC_NARROW, it may be anything. */
unsigned jit_read(struct jit_compile *c, int32_t operand, bool wide,
                  unsigned scratch);
/* The same, zero-extended from 32 bits: usable as an index. */
unsigned jit_read_index(struct jit_compile *c, int32_t operand,
                        unsigned scratch);
/* In exactly this register. */
void jit_read_into(struct jit_compile *c, int32_t operand, bool wide,
                   unsigned reg);
/* In a vector register: its home, xmm0 or `scratch`.  Not wide: anything may be
   above it.  Uses rcx. */
unsigned jit_read_vector(struct jit_compile *c, int32_t operand, bool wide,
                         unsigned scratch);
void jit_read_vector_into(struct jit_compile *c, int32_t operand, bool wide,
                          unsigned reg);
/* Has the operand no home, so that its slot can be used in place? */
bool jit_is_in_slot(const struct jit_compile *c, int32_t operand,
                    struct jit_mem *mem);
/* Where a result may be computed, so that it need not be moved. */
unsigned jit_dest(const struct jit_compile *c, int32_t operand,
                  unsigned scratch);
unsigned jit_dest_vector(const struct jit_compile *c, int32_t operand,
                         unsigned scratch);
/* The result is in that register: puts it where it belongs.  Forms of it: */
enum jit_form {
  JIT_FORM_32,   /* zero-extended, and to be sign-extended in slots */
  JIT_FORM_SEXT, /* sign-extended already */
  JIT_FORM_64,   /* as it is to stand in a slot */
};
void jit_write(struct jit_compile *c, int32_t operand, unsigned reg,
               enum jit_form form);
/* All 64 bits of the register, or the lowest 32, which may be extended there.
   Uses xmm2. */
void jit_write_vector(struct jit_compile *c, int32_t operand, bool wide,
                      unsigned reg);
bool jit_acc_is_vector(const struct jit_compile *c);
/* The accumulator in rax, all of it. */
void jit_acc_to_rax(struct jit_compile *c);

/* Stores what is dirty of these homes, and loads these. */
void jit_emit_spill(struct jit_compile *c, uint32_t homes);
void jit_emit_reload(struct jit_compile *c, uint32_t homes);
void jit_emit_store_position(struct jit_compile *c, uint32_t word,
                             bool in_call);

bool jit_acc_is_live(const struct jit_compile *c);        /* after the op */
bool jit_acc_is_live_before(const struct jit_compile *c); /* before it */

/* --- slow.c --- */

/* Something out of line that is entered in the present state, by a jump to
   its label.  Null: out of memory. */
struct jit_slow *jit_slow_new(struct jit_compile *c,
                              void (*emit)(struct jit_compile *,
                                           struct jit_slow *));
void jit_slow_bind_back(struct jit_compile *c, struct jit_slow *slow);
void jit_emit_slow_paths(struct jit_compile *c);

/* Throws, if the condition holds. */
void jit_throw_null_if(struct jit_compile *c, enum jit_condition condition);
/* If the next instruction, which is an access to memory, faults. */
void jit_throw_null_on_fault(struct jit_compile *c);
void jit_throw_division_if(struct jit_compile *c, enum jit_condition condition);
void jit_throw_index_if(struct jit_compile *c, enum jit_condition condition,
                        unsigned index, unsigned array);
/* The label of one that throws with a runtime function, which takes rsi and rdx
   from these registers (homes, rax, rcx, rdx, rsi; JIT_NO_REG: nothing, and
   rdx then the operation's ptr if has_pointer is set). */
struct jit_slow *jit_throw_with(struct jit_compile *c,
                                jit_runtime_function *function, unsigned a,
                                unsigned b);

/*
 * Calls of runtime functions out of line.  Between the two, rsi and rdx are set
 * up.  `keeps_acc`: the accumulator is used later.  The result is moved to
 * `result` before homes are loaded again.
 */
void jit_slow_runtime_prepare(struct jit_compile *c, bool keeps_acc);
void jit_slow_runtime_call(struct jit_compile *c, const struct jit_slow *slow,
                           jit_runtime_function *function, bool keeps_acc,
                           unsigned result);
/* The accumulator, which is in rax, as it was in a state. */
void jit_acc_as_in(struct jit_compile *c, const struct jit_state *state);
/* A C function that stops for nothing, out of line, with rdi and rsi set up;
   rax is the result. */
void jit_slow_leaf_call(struct jit_compile *c, const struct jit_slow *slow,
                        const void *function);

/*
 * A call, in line, of a C function that stops for nothing: arguments in rdi and
 * rsi, result in rax; or in xmm0 and xmm1, result in xmm0.  First makes the
 * homes ready that the function changes, then `before` sets up the arguments.
 */
void jit_leaf_prepare(struct jit_compile *c);
void jit_leaf_call(struct jit_compile *c, const void *function);
/* The homes that C code may change. */
uint32_t jit_clobbered_homes(const struct jit_compile *c);

/* A call, in line, of a runtime function with rsi and rdx set up between the
   two; the result in rax, nothing valid. */
void jit_runtime_prepare(struct jit_compile *c);
void jit_runtime_call(struct jit_compile *c, jit_runtime_function *function);

/* --- compile.c --- */
void jit_note_line(struct jit_compile *c, uint32_t word);
void jit_note_fault(struct jit_compile *c, jit_label target);
void jit_note_entry(struct jit_compile *c, uint32_t word);

/* --- templates --- */
void jit_template(struct jit_compile *c, const struct jit_op *op);
void jit_template_move(struct jit_compile *c, const struct jit_op *op);
void jit_template_arith(struct jit_compile *c, const struct jit_op *op);
void jit_template_divide(struct jit_compile *c, const struct jit_op *op);
void jit_template_unary(struct jit_compile *c, const struct jit_op *op);
void jit_template_float(struct jit_compile *c, const struct jit_op *op);
void jit_template_branch(struct jit_compile *c, const struct jit_op *op,
                         jit_label target);
void jit_template_memory(struct jit_compile *c, const struct jit_op *op);
void jit_template_object(struct jit_compile *c, const struct jit_op *op);
void jit_template_call(struct jit_compile *c, const struct jit_op *op);
/* The reference to a new, zeroed object in rcx; uses rdx, rdi. */
void jit_allocate(struct jit_compile *c, const struct vm_class *class,
                  bool is_slow);

#endif
