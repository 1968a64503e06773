/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler tells in a summary. */
#include "config.h"

#include "jit_stub/code_internal.h"

static uint64_t ratio(uint64_t a, uint64_t b)
{
  return b ? a / b : 0;
}

void jit_report(struct vm *vm, struct mm_stat_sink *sink)
{
  struct jit_compiler *compiler = jit_compiler_of(vm);
  vm_lock(vm, VM_LOCK_CODE);
  struct jit_counts counts = compiler->counts;
  vm_unlock(vm, VM_LOCK_CODE);
  const struct {
    const char *key, *text;
    uint64_t value;
    enum mm_unit unit;
  } lines[] = {
      {"methods_compiled", "compiled, again or not", counts.compiled,
       MM_UNIT_NUMBER},
      {"methods_now", "with code now", counts.live, MM_UNIT_NUMBER},
      {"methods_refused", "refused: no room, or too large", counts.refused,
       MM_UNIT_NUMBER},
      {"methods_evicted", "code dropped to make room", counts.evicted,
       MM_UNIT_NUMBER},
      {"evicted_bytes", "bytes of that", counts.evicted_bytes, MM_UNIT_BYTES},
      {"code_sweeps", "sweeps that made room", counts.sweeps, MM_UNIT_NUMBER},
      {"instructions", "instructions compiled", counts.insns, MM_UNIT_NUMBER},
      {"code_bytes", "machine code made", counts.code_bytes, MM_UNIT_BYTES},
      {"bytes_per_instruction", "bytes per instruction",
       ratio(counts.code_bytes, counts.insns), MM_UNIT_NUMBER},
      {"compile_ns", "time for compiling", counts.compile_ns, MM_UNIT_NS},
      {"instructions_per_second", "instructions per second",
       ratio(counts.insns * 1000000, counts.compile_ns / 1000 + 1),
       MM_UNIT_NUMBER},
  };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
    sink->line(sink, lines[i].key, lines[i].text, lines[i].value,
               lines[i].unit);
}
