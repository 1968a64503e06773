/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listing of a method: its machine code beside what it was made of.
 *
 *   _GLOBAL.sum(i32), fact.pa:3
 *   # 5: add2 v0            line of the source, and the instruction
 *   @12 add32_aar           offset of the decoded operation, and its name
 *       001c  add eax, r8d  offset in the code
 *   L0021:                  something jumps here
 *   slow paths:             from here on out of line
 *   9 instructions, 210 bytes of code (23.3 per instruction), 4 safepoints
 *
 * An operation may have been resolved since it was compiled; then it has the
 * name that it has now.
 */
#include "config.h"

#include "jit_stub/observe_internal.h"

#include "vm/asm/asm.h"

#include <inttypes.h>

static void print_head(const struct jit_listing *listing)
{
  const struct vm_method *method = listing->code->method;
  FILE *out = listing->out;
  fprintf(out, "%s.%s(", method->owner->name, method->name);
  for (uint32_t i = 0; i < method->param_count; i++)
    fprintf(out, "%s%s", i ? ", " : "", method->param_types[i]);
  fprintf(out, "), %s:%" PRIu32 "\n", method->module->file,
          method->function->line);
}

static void print_insn(const struct jit_listing *listing, uint32_t insn)
{
  const struct vm_method *method = listing->code->method;
  fprintf(listing->out, "# %" PRIu32 ": ", method->function->insns[insn].line);
  vm_disassemble_insn(method->module, method->function, insn, listing->out);
  fputc('\n', listing->out);
}

/* The instructions of an operation: all that it stands for if it is fused.
   Of several operations that one instruction became, the last shows it. */
static void print_insns(const struct jit_listing *listing,
                        const struct interp_code *decoded, uint32_t word)
{
  const struct interp_origin *origin =
      interp_origin_of(decoded, decoded->words + word);
  bool is_last = origin + 1 == decoded->origins + decoded->origin_count;
  uint32_t end = is_last ? listing->code->insns : origin[1].insn;
  for (uint32_t insn = origin->insn; insn < end; insn++)
    if (insn == origin->insn || decoded->insn_words[insn] == UINT32_MAX)
      print_insn(listing, insn);
}

static void print_operation(const struct jit_listing *listing, uint32_t word)
{
  const struct interp_code *decoded = interp_code_of(listing->code->method);
  print_insns(listing, decoded, word);
  fprintf(listing->out, "@%" PRIu32 " %s\n", word,
          interp_op_name(decoded->words + word));
}

/* Once, where what stands out of line begins. */
static void print_border(const struct jit_listing *listing, uint32_t offset,
                         bool *is_past)
{
  uint32_t slow = listing->code->slow_start;
  if (!*is_past && offset >= slow && slow < listing->code->code_bytes)
    fputs("slow paths:\n", listing->out);
  *is_past |= offset >= slow;
}

/* Machine code up to the next line. */
static void print_code(struct jit_listing *listing, uint32_t from, uint32_t to,
                       bool *is_past)
{
  uint32_t slow = listing->code->slow_start;
  if (from < slow && slow < to) {
    jit_machine_print(listing, from, slow);
    print_border(listing, slow, is_past);
    from = slow;
  }
  jit_machine_print(listing, from, to);
}

static void print_lines(struct jit_listing *listing)
{
  const struct jit_code *code = listing->code;
  struct jit_line_reader reader = jit_lines_of(code);
  bool is_past = false, more = jit_line_next(&reader);
  jit_machine_print(listing, 0, more ? reader.line.offset : code->code_bytes);
  while (more) {
    struct jit_line line = reader.line;
    more = jit_line_next(&reader);
    print_border(listing, line.offset, &is_past);
    print_operation(listing, line.word);
    print_code(listing, line.offset,
               more ? reader.line.offset : code->code_bytes, &is_past);
  }
}

static void print_totals(const struct jit_listing *listing)
{
  const struct jit_code *code = listing->code;
  fprintf(listing->out,
          "%" PRIu32 " instructions, %" PRIu32
          " bytes of code (%.1f per instruction), %" PRIu32 " safepoints\n\n",
          code->insns, code->code_bytes,
          (double)code->code_bytes / (code->insns ? code->insns : 1),
          code->safepoints);
}

void jit_dump(const struct jit_compiler *compiler, const struct jit_code *code,
              FILE *out)
{
  struct jit_listing listing = {.out = out, .compiler = compiler, .code = code};
  jit_machine_begin(&listing);
  print_head(&listing);
  print_lines(&listing);
  print_totals(&listing);
  jit_machine_end(&listing);
  fflush(out);
}
