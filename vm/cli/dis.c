/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bamboo dis': prints a file as it was understood, in a form that assembles
 * again.  With --maps a comment before each instruction at which a collection
 * can happen names the registers that hold live references there, and a
 * second one those that are live while a call from it is in progress.
 */
#include "config.h"

#include <inttypes.h>

#include "vm/cli/sources.h"
#include "vm/verify/verify.h"

/* Registers by the names they have in the text: locals, then arguments. */
static void print_map(const struct vm_function_def *function,
                      const uint64_t *map, const char *title, FILE *out)
{
  bool any = false;
  fprintf(out, "    # %s:", title);
  for (uint32_t slot = 0; slot <= function->reg_count; slot++) {
    if (!vm_map_has(map, slot))
      continue;
    any = true;
    if (slot == function->reg_count)
      fputs(" acc", out);
    else if (slot < function->local_count)
      fprintf(out, " v%" PRIu32, slot);
    else
      fprintf(out, " a%" PRIu32, slot - function->local_count);
  }
  fputs(any ? "\n" : " none\n", out);
}

/* What may throw may make an exception object, and a jump backwards polls. */
static bool may_collect(const struct vm_insn *insn, uint32_t index)
{
  if (vm_op_is_jump((enum vm_op)insn->op))
    return insn->operand.target <= index;
  return vm_op_table[insn->op].raises != 0;
}

static void annotate(void *context, const struct vm_function_def *function,
                     uint32_t insn, FILE *out)
{
  const struct vm_verified *verified = function->verified;
  (void)context;
  if (!verified)
    return;
  const struct vm_insn *at = &function->insns[insn];
  if (!(verified->flags[insn] & VM_INSN_REACHABLE)) {
    fputs("    # never reached\n", out);
    return;
  }
  if (verified->flags[insn] & VM_INSN_BAD)
    fputs("    # throws panda.VerifyError\n", out);
  if (!may_collect(at, insn))
    return;
  print_map(function, vm_map_before(verified, insn), "live", out);
  if (vm_op_is_call((enum vm_op)at->op))
    print_map(function, vm_map_call(verified, insn), "live in the call", out);
}

/* False: memory ran out. */
static bool make_maps(struct vm *vm, struct vm_diags *diags)
{
  for (struct vm_module *module = vm->boot->modules; module; module = module->next)
    for (uint32_t i = 0; i < module->function_count; i++) {
      struct vm_function_def *function = &module->functions[i];
      if (function->insns && !function->verified &&
          !vm_verify_function(vm, module, function, false, diags))
        return false;
    }
  return true;
}

static int out_of_memory(void)
{
  cli_no_memory(NULL);
  return CLI_INTERNAL;
}

static int print(const struct vm_module *module,
                 void (*annotator)(void *context,
                                   const struct vm_function_def *function,
                                   uint32_t insn, FILE *out))
{
  return vm_disassemble(module, stdout, annotator, NULL) ? CLI_OK
                                                         : out_of_memory();
}

static int print_with_maps(struct cli_sources *sources, struct vm *vm)
{
  if (!make_maps(vm, &sources->diags))
    return out_of_memory();
  return print(vm->boot->modules, annotate);
}

/* Maps need the classes of the file, hence a machine. */
static int disassemble(const struct cli_settings *settings)
{
  struct cli_sources sources;
  if (settings->file_count != 1)
    return cli_usage_error(CLI_DIS, settings->file_count
                                        ? "one file at a time"
                                        : "no file to disassemble");
  int status = cli_sources_assemble(&sources, settings);
  if (status != CLI_OK)
    cli_sources_report(&sources, false);
  else if (settings->maps)
    status = cli_sources_inspect(&sources, CLI_DIS, false, print_with_maps);
  else
    status = print(sources.modules[0], NULL);
  cli_sources_destroy(&sources);
  return status;
}

int cli_command_dis(int argc, char **argv)
{
  return cli_perform(CLI_DIS, argc, argv, disassemble);
}
