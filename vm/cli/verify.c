/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bamboo verify': all files are loaded into one machine, so that they see
 * each other's records, and then verified strictly.  Nothing is run.
 */
#include "config.h"

#include "vm/verify/verify.h"

#include "vm/cli/sources.h"

static int verify_modules(struct cli_sources *sources, struct vm *vm)
{
  unsigned errors = 0;
  for (struct vm_module *module = vm->boot->modules; module; module = module->next)
    errors += vm_verify_module_strict(vm, module, &sources->diags);
  return errors ? CLI_BAD_INPUT : CLI_OK;
}

static int verify(const struct cli_settings *settings)
{
  struct cli_sources sources;
  if (settings->file_count == 0)
    return cli_usage_error(CLI_VERIFY, "no file to verify");
  int status = cli_sources_assemble(&sources, settings);
  if (status == CLI_OK)
    status = cli_sources_inspect(&sources, CLI_VERIFY, true, verify_modules);
  else
    cli_sources_report(&sources, true);
  cli_sources_destroy(&sources);
  return status;
}

int cli_command_verify(int argc, char **argv)
{
  return cli_perform(CLI_VERIFY, argc, argv, verify);
}
