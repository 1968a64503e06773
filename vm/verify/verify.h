/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier: types by forward data flow, liveness by backward data flow,
 * and from both the maps of live references that the collector reads.
 *
 * Lenient (to run): an instruction whose types would be unsafe is marked
 * VM_INSN_BAD and throws panda.VerifyError when it is reached; where a
 * reference's class is not proved but could be right, a check is recorded.
 * After that every instruction that runs may trust: a register used as a
 * reference holds null or an object of the class the instruction needs; a
 * register used as a number holds some number.
 *
 * Strict (bamboo verify): as severe as Panda's own verifier; everything it
 * finds is told to the diagnostics.
 *
 * Instruction index insn_count stands for the end of the body; reaching it
 * throws VerifyError too.
 */
#ifndef VM_VERIFY_VERIFY_H
#define VM_VERIFY_VERIFY_H

#include "vm/asm/diag.h"
#include "vm/core/vm.h"

enum {
  VM_INSN_REACHABLE = 1 << 0,
  VM_INSN_BAD = 1 << 1,      /* throws VerifyError instead of running */
  VM_INSN_LEADER = 1 << 2,   /* jump target, handler entry, or border of a try
                                range: no fused sequence may cross it */
  VM_INSN_ACC_LIVE = 1 << 3, /* the accumulator is live *after* it (read
                                later before it is written again) */
  VM_INSN_CHECKED = 1 << 4,  /* has entries in `checks` */
};

/* The value must be null or an instance of the class, else VerifyError.
   Done before the instruction, in order. */
struct vm_ref_check {
  uint32_t insn;
  uint32_t vreg;          /* reg_count: the accumulator */
  struct vm_class *class; /* VM_CHECK_CLASS; _GLOBAL, which has no instances,
                             where only null can be right */
  uint8_t kind;           /* enum vm_check_kind */
  uint8_t prim_log2;      /* VM_CHECK_ARRAY_WIDTH: log2 of the bytes */
};

enum vm_check_kind {
  VM_CHECK_CLASS,       /* instance of `class` */
  VM_CHECK_ANY_ARRAY,   /* some array (lenarr) */
  VM_CHECK_REF_ARRAY,   /* some array of references */
  VM_CHECK_ARRAY_WIDTH, /* array of primitives of this width */
};

/* A map is a bit set over reg_count + 1 slots, the last one the accumulator,
   in (reg_count + 1 + 63) / 64 words.  A live slot that is known to be zero
   or null counts as a reference, so what is live and in no map is a number. */
struct vm_verified {
  uint8_t *flags;       /* insn_count + 1 */
  uint32_t *map_before; /* insn_count + 1: map when the instruction is about
                           to run (poll, allocation, resolution, class
                           initialisation, all of which happen before it
                           changes anything) */
  uint32_t *map_call;   /* map while a call from it is in progress: what is
                           live after it or in its handlers, without its
                           result; for initobj the accumulator slot counts as
                           a reference (it holds the new object) */
  uint32_t map_count, map_words;
  uint64_t *maps; /* map_count * map_words, equal ones shared */
  uint32_t check_count;
  struct vm_ref_check *checks; /* by insn, ascending */
  uint64_t *entry_live; /* bit set over the locals that may be read before
                           they are written: zeroed on entry */
  bool entry_any;       /* entry_live is not empty */
  bool entry_acc_live;  /* the accumulator may be read before it is written:
                           it must be 0 */
};

static inline const uint64_t *vm_map_before(const struct vm_verified *v,
                                            uint32_t insn)
{
  return v->maps + (size_t)v->map_before[insn] * v->map_words;
}

static inline const uint64_t *vm_map_call(const struct vm_verified *v,
                                          uint32_t insn)
{
  return v->maps + (size_t)v->map_call[insn] * v->map_words;
}

static inline bool vm_map_has(const uint64_t *map, uint32_t slot)
{
  return (map[slot / 64] >> (slot % 64)) & 1;
}

/*
 * Verifies one function of a loaded module and fills function->verified
 * (memory from the module's arena), unless that is filled already.  The
 * classes of all loaded modules are known to `vm`, so load them all first;
 * unknown names are left to run time.  In strict mode findings go to `diags`
 * as errors; else it may be null.  A function without a body is left alone.
 * Returns false when memory ran out, and then leaves nothing behind but what
 * the arena took.  Never a safepoint.
 */
bool vm_verify_function(struct vm *vm, struct vm_module *module,
                        struct vm_function_def *function, bool strict,
                        struct vm_diags *diags);

/* Strict verification of a whole module: records too (final bases, access,
   overriding).  Returns the number of errors. */
unsigned vm_verify_module_strict(struct vm *vm, struct vm_module *module,
                                 struct vm_diags *diags);

#endif
