/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled code as it stays, the state of a machine's compiler, and how
 * compiled code uses the machine's registers.
 *
 * Note [Registers of compiled code]
 *
 *   rbp   the frame (struct vm_frame)          rbx  the thread
 *   rax   the accumulator, results             rcx, rdx, rsi, rdi  scratch
 *   r8-r15                                     homes of registers of the frame
 *   xmm0  the accumulator too                  xmm1, xmm2  scratch
 *   xmm3-xmm15                                 homes
 *
 * Note [The machine stack of compiled code]
 *
 * A compiled frame has exactly one word on the machine stack: the address to
 * return to.  Whoever unwinds n frames adds 8 n to rsp.  C code runs below
 * that, called through stubs (stubs.c) that align the stack.
 *
 *   enter (C) -> [saved registers, activation] -> base frame -> ... -> top
 *
 * An activation is one stay in compiled code, from the C code that entered it
 * to the first compiled frame's return.  All frames from its base to the top
 * are compiled, or the top is a native's.  Interpreted frames in between begin
 * a C call of their own (interp_continue), and maybe another activation.
 */
#ifndef JIT_STUB_CODE_INTERNAL_H
#define JIT_STUB_CODE_INTERNAL_H

#include "interp/code.h"
#include "jit_stub/emit.h"
#include "jit_stub/jit.h"
#include "mm/barrier_set.h"
#include "mm/code.h"
#include "mm/gc/faults.h"
#include "vm/core/lock.h"
#include "vm/core/runtime.h"

/* ThreadSanitizer does not see the loads and stores of machine code.  Where it
   watches, C code makes those that other threads' memory is ordered by. */
#if defined __SANITIZE_THREAD__
#define JIT_ORDERS_IN_C 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define JIT_ORDERS_IN_C 1
#endif
#endif
#ifndef JIT_ORDERS_IN_C
#define JIT_ORDERS_IN_C 0
#endif

enum {
  JIT_ACC_REG = JIT_RAX,
  JIT_T0 = JIT_RCX,
  JIT_T1 = JIT_RDX,
  JIT_THREAD = JIT_RBX,
  JIT_FRAME = JIT_RBP,
  JIT_ACC_VECTOR_REG = 0,
  JIT_F1 = 1,
  JIT_F2 = 2,
};

/* Where compiled code may be entered: heads of loops, handlers. */
struct jit_entry {
  uint32_t word;   /* offset of the decoded operation */
  uint32_t offset; /* of the machine code */
};

/* Which operation the machine code from an offset on belongs to. */
struct jit_line {
  uint32_t offset;
  uint32_t word;
};

/* An instruction that faults if an object is null, and where that is thrown. */
struct jit_fault {
  uint32_t offset;
  uint32_t target;
};

/*
 * Note [Entering a method]
 *
 * Compiled code begins with one compare, of the frame with the mutator's
 * entry_limit, which is lowered when the mutator is to poll.  That limit leaves
 * JIT_SLACK_SLOTS to the thread's code_limit, so that for most methods the
 * frame's own address is what is compared.  Who does not pass goes to
 * `enter_slow', where the frame has not begun: it holds its arguments, and its
 * position is 0.  There it polls, and goes on behind the compare if there is
 * room, be it that in the slack; if there is none for the code, in the
 * interpreter; and if there is none for the frame, it throws.  Till then the
 * header and the arguments stand beyond the limit, in the stack's reserve
 * (vm/core/thread.c).  The stub `interpret' checks too, before the interpreter
 * takes a frame whose caller's operation did not.
 *
 * So a call polls once, whoever runs the callee: that of compiled code in the
 * callee's entry or stub, that of the interpreter in its own operation, which
 * then enters compiled code behind the compare.
 */
enum { JIT_SLACK_SLOTS = 64 };

/* Where methods begin: at a line of the cache.  What a method's first lines
   hold is fetched at each call, and a call costs by the lines it takes: fib
   takes 175 ms or 210 as it is placed. */
enum { JIT_CODE_ALIGN = 64 };

/* Accesses below this address fault. */
enum { JIT_NULL_PAGE_BYTES = 4096 };

struct jit_code {
  struct vm_method *method;
  struct mm_code block;
  struct jit_code *older; /* of the same method, stale and not freed yet */
  struct jit_code *next, *previous; /* all of the machine, as they were made */
  size_t bytes;                     /* of this structure with its tables */
  uint32_t code_bytes;
  uint32_t version;    /* 0 or VM_FRAME_VERSION */
  uint32_t insns;      /* that it was made of */
  uint32_t start;      /* offset behind the compare of entries */
  uint32_t slow_start; /* offset where what stands out of line begins */
  uint32_t safepoints; /* places where frames may be walked */
  uint32_t entry_count, line_bytes;
  struct jit_entry *entries; /* ascending by word */
  uint32_t fault_count;
  struct jit_fault *faults; /* ascending by offset */
  uint8_t *lines;           /* packed; see jit_lines_pack */
  void *debug;              /* what a debugger was told; or null */
  bool is_stale;            /* atomic; frames leave it at their next poll */
  bool is_touched;          /* atomic; called since the last sweep */
  bool is_in_use;           /* found by a sweep: a frame is in it */
  bool has_unresolved;      /* leaves for operations that are not resolved */
  bool is_outdated;         /* one of these is, by now; lock CODE */
  uint32_t resolved_count;  /* as its method's decoded code had it then */
};

struct jit_activation;

/* Places in the machine code of stubs; see stubs.c. */
struct jit_stubs {
  struct mm_code block;
  bool (*enter)(struct vm_thread *thread, struct vm_frame *frame,
                const void *code, union vm_slot *result,
                struct jit_activation *activation);
  const void *threw;       /* where `enter' returns false */
  const void *interpret;   /* calls: the callee runs in the interpreter */
  const void *touch;       /* calls: the first one since a sweep */
  const void *call_native; /* calls: the callee is a native */
  const void *interpret_now, *native_now; /* the same, who has polled */
  const void *enter_slow; /* jumped to at a method's start, before its frame is
                             begun: to poll, or the stack does not suffice */
  const void *leave;      /* jumped to: the interpreter goes on; ecx: word */
  const void *call_runtime; /* calls rax(thread, rsi, rdx) as a safepoint */
  const void *call_leaf;    /* calls rax(rdi, rsi), which stops for nothing */
  const void *throw_null, *throw_division; /* jumped to */
  const void *throw_index;                 /* ecx: index, edx: array */
  const void *throw_runtime;    /* jumped to: rax(thread, rsi, rdx) throws */
  const void *unwind_to_caller; /* jumped to: an exception goes to the code of
                                   thread->top, to which [rsp] returns */
};

/* Methods that wait to be compiled, and the thread that does it. */
struct jit_queue {
  pthread_mutex_t lock; /* of all that follows */
  pthread_cond_t more;
  struct vm_method **methods; /* a ring */
  uint32_t first, count, capacity;
  struct vm_method *compiling; /* off the ring; or null */
  bool is_ending;
  bool is_running; /* the thread has started, and is not joined */
  bool is_refused; /* the system had none */
  pthread_t thread;
};

struct jit_counts {
  uint64_t compiled, insns, code_bytes; /* in all */
  uint64_t compile_ns;                  /* time that it took */
  uint64_t refused;                     /* too large, or no memory or room */
  uint64_t live;                        /* methods that have code */
  uint64_t sweeps, evicted, evicted_bytes;
};

struct jit_compiler {
  struct vm *vm;
  struct jit_stubs stubs;
  struct mm_barrier_set barriers;
  uint64_t space_bytes;   /* the most that code may take */
  bool is_sync;           /* methods are compiled by the thread that asks */
  bool is_compiling;      /* atomic; with is_sync */
  struct jit_queue queue; /* else */
  struct jit_code *first, *last; /* lock CODE */
  uint32_t stale_count;          /* atomic; codes that are stale */
  struct jit_counts counts;      /* lock CODE */
  FILE *perf_map;                /* or null; see observe.c */
  void *debug;        /* what a debugger was told of the stubs; or null */
  bool is_gdb_warned; /* atomic; that it was not told of all */
};

static inline struct jit_compiler *jit_compiler_of(const struct vm *vm)
{
  return vm->compiler;
}

/*
 * One stay in compiled code; lies on the C stack.
 *
 * Note [Leaving compiled code]
 *
 * Where the base frame leaves, it returns to the interpreter that entered it,
 * which goes on there (VM_TIER_LEFT).  A frame that compiled code called has no
 * interpreter yet: one is begun on top (jit_go_on), and is the one that it
 * returns to from then on.  So a loop that leaves and is entered again for ever
 * takes one interpreter and one activation of the C stack.
 */
struct jit_activation {
  struct jit_activation *outer;
  struct vm_frame *base;
  uintptr_t rsp; /* when the base frame is unwound */
  bool is_left;  /* the base frame goes on in the interpreter */
};

/* What a runtime function of compiled code answers, in rax and rdx. */
struct jit_result {
  uint64_t value;
  uint64_t what; /* enum jit_what */
};

enum jit_what {
  JIT_GO_ON,
  JIT_UNWIND, /* an exception is pending, or the machine is exiting */
  JIT_LEAVE,  /* the interpreter has to go on where the frame stands */
};

/* Where unwinding ends. */
struct jit_landing {
  uintptr_t rsp;
  const void *code; /* to jump to with rbp = frame, rax = exception */
  struct vm_frame *frame;
  uint64_t acc;
};

typedef struct jit_result jit_runtime_function(struct vm_thread *thread,
                                               uint64_t a, uint64_t b);

/* --- stubs.c --- */

/* Makes the stubs; false with a text: no memory for code. */
enum mm_status jit_stubs_make(struct jit_compiler *compiler,
                              struct mm_error *error);

/* --- runtime.c: called from compiled code --- */

jit_runtime_function jit_poll, jit_new_object, jit_new_array, jit_literal,
    jit_type, jit_initialise, jit_multi_array;
jit_runtime_function jit_throw_null, jit_throw_division, jit_throw_index,
    jit_throw_cast, jit_throw_store, jit_throw_object, jit_throw_check;
/* Of the stubs; see there. */
struct jit_result jit_interpret(struct vm_thread *thread,
                                struct vm_frame *frame);
struct jit_result jit_go_on(struct vm_thread *thread, struct vm_frame *frame,
                            uint64_t word, uint64_t acc);
struct jit_result jit_enter_slow(struct vm_thread *thread,
                                 struct vm_frame *frame);
void jit_unwind(struct vm_thread *thread, uintptr_t rsp,
                struct jit_landing *landing);

/* --- tier.c --- */

extern const struct vm_tier jit_tier;
const void *jit_initial_entry(struct vm *vm, const struct vm_method *method);
/* Compiles and publishes, making room if need be; by a thread of the machine or
   (null) another. */
void jit_compile_method(struct jit_compiler *compiler, struct vm_method *method,
                        struct vm_thread *thread);
/* Nobody enters the code any more; frames in it leave at their next poll. */
void jit_retire_locked(struct jit_compiler *compiler, struct jit_code *code);
/* No frame is in it.  With the world stopped, or at the machine's end. */
void jit_free_locked(struct jit_compiler *compiler, struct jit_code *code);
/* Sets how far frames of compiled code may reach. */
void jit_set_code_limit(struct vm_thread *thread, union vm_slot *limit);
/* Code that leaves for an operation that is resolved now makes place for
   better, as soon as there may be a new one. */
void jit_retire_outdated_locked(struct jit_compiler *compiler,
                                struct jit_code *code);

/* --- report.c --- */
void jit_report(struct vm *vm, struct mm_stat_sink *sink);

/* --- fault.c --- */
/* From now on faults of compiled code become exceptions. */
void jit_faults_start(void);
/* `thread` runs compiled code on the calling thread of the system; null: none
   does.  Returns who did before. */
struct vm_thread *jit_fault_watch(struct vm_thread *thread);

/* --- jit.c --- */
void jit_destroy(struct vm *vm);

/* --- queue.c --- */
void jit_queue_init(struct jit_compiler *compiler);
/* Nothing is queued any more.  True: jit_queue_join has to follow. */
bool jit_queue_end(struct jit_compiler *compiler);
void jit_queue_join(struct jit_compiler *compiler);
void jit_queue_destroy(struct jit_compiler *compiler);
/* Unless it is there already; if there is no memory, not this time.  False: the
   system refuses the thread that would compile it. */
bool jit_queue_add(struct jit_compiler *compiler, struct vm_method *method);
bool jit_queue_let_go(struct vm *vm, const struct vm_loader *loader);

/* --- collect.c --- */

/* The code that a compiled frame runs. */
struct jit_code *jit_code_of(const struct vm_frame *frame);
void jit_world_stopped(struct vm *vm);
/* Drops code of methods that have not run for long; false: that is switched
   off.  `thread` null: the caller is no thread of the machine.  Safepoint. */
bool jit_make_room(struct jit_compiler *compiler, struct vm_thread *thread);

/* --- code.c --- */

/* Its start, for who has polled and knows that there is room. */
static inline const void *jit_code_start(const struct jit_code *code)
{
  return (const char *)code->block.run + code->start;
}

/* Where the code may be entered at this operation; null: nowhere. */
const void *jit_code_entry(const struct jit_code *code, uint32_t word);

/*
 * Lines take two variable-length numbers each, the distances from the line
 * before: offsets ascend, words go either way.  Packing returns the bytes it
 * takes; `to' null: it only counts.
 */
size_t jit_lines_pack(const struct jit_line *lines, uint32_t count,
                      uint8_t *to);

/* Reads them one by one, from the first on. */
struct jit_line_reader {
  const uint8_t *at, *end;
  struct jit_line line; /* the last one that was read */
};

struct jit_line_reader jit_lines_of(const struct jit_code *code);
/* False: there are no more. */
bool jit_line_next(struct jit_line_reader *reader);

/* --- compile.c --- */

enum jit_outcome {
  JIT_COMPILED,
  JIT_NOT_NOW, /* it has code, or frames are still in two older ones */
  JIT_NO_ROOM, /* in the code space */
  JIT_REFUSED, /* too large, or no memory */
};

/* Compiles a method that was translated. */
enum jit_outcome jit_compile(struct jit_compiler *compiler,
                             struct vm_method *method, uint32_t version,
                             struct jit_code **code);

#endif
