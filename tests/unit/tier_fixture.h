/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with a tier that compiles nothing: where compiled code would run,
 * a function of the test does, which imitates it (`enter` below).
 *
 *   static struct tier_script scripts[] = {{"f", f_as_compiled}, {NULL, NULL}};
 *   tier_open(text, scripts, &(struct tier_setting){.threshold = 1});
 *   tier_run();
 *   ... tier.outcome, tier.status, scripts[0].hot ...
 *   tier_close();
 *
 * One machine at a time.
 */
#ifndef TESTS_UNIT_TIER_FIXTURE_H
#define TESTS_UNIT_TIER_FIXTURE_H

#include <check.h>

#include "interp/code.h"
#include "interp/interp.h"

/* What stands for the compiled code of a method; as vm_tier.enter. */
struct tier_script {
  const char *method; /* null: the last one */
  enum vm_tier_outcome (*enter)(struct vm_thread *thread,
                                struct vm_frame *frame, uint32_t word,
                                union vm_slot *result); /* null: no code */
  unsigned hot;     /* how often its counter was used up */
  unsigned entered; /* how often it was asked for code */
};

struct tier_setting {
  int32_t threshold; /* of calls and rounds */
  bool no_fuse;
  size_t stack_bytes;     /* 0: the usual ones */
  bool collects_when_hot; /* as a compiler that needs room does */
  uint64_t stress_alloc;  /* collect at each N-th allocation */
  uint64_t compiler_max_bytes;
};

struct tier {
  struct vm *vm;
  struct vm_thread *thread;
  struct tier_setting setting;
  struct tier_script *scripts;
  unsigned forgotten, destroyed;
  char *out, *err;
  size_t out_bytes, err_bytes;
  enum vm_outcome outcome;
  int status;
};

extern struct tier tier;

/* The text may name panda.ArithmeticException, panda.StackOverflowException and
   System, which three lines before its first declare. */
void tier_open(const char *text, struct tier_script *scripts,
               const struct tier_setting *setting);
void tier_run(void); /* main, to its outcome */
void tier_close(void);

/* What main returns; it must return. */
int tier_result(const char *text, struct tier_script *scripts,
                const struct tier_setting *setting);

struct vm_method *tier_method(const char *name);

/* As if the method had just been compiled: its entry is the stub. */
void tier_publish(const char *name);

/* What methods have as machine_entry. */
const void *tier_machine_entry(void);

/* --- For scripts --- */

/* Word of the operation of an instruction. */
uint32_t tier_word(const struct vm_method *method, uint32_t insn);

/* The frame stands at an instruction as compiled frames do; it is on top. */
void tier_stand(struct vm_thread *thread, struct vm_frame *frame, uint32_t insn,
                bool in_call);

/* Calls `callee`, interpreted, from the instruction `insn` of a compiled
   frame, with register `arg` if it takes an argument. */
bool tier_call(struct vm_thread *thread, struct vm_frame *frame, uint32_t insn,
               const char *callee, uint32_t arg, union vm_slot *value);

/* The frame is left by the pending exception. */
enum vm_tier_outcome tier_threw(struct vm_thread *thread,
                                struct vm_frame *frame);

#endif
