/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bamboo verify': all files are loaded into one machine, so that they see
 * each other's records, and then verified strictly.  Nothing is run.
 */
#include "config.h"

#include "vm/verify/verify.h"

#include "interp/interp.h"
#include "vm/cli/sources.h"

static unsigned verify_modules(struct vm *vm, struct vm_diags *diags)
{
  unsigned errors = 0;
  for (struct vm_module *module = vm->modules; module; module = module->next)
    errors += vm_verify_module_strict(vm, module, diags);
  return errors;
}

static int load_and_verify(struct cli_sources *sources)
{
  struct vm *vm = NULL;
  struct mm_error error = {{0}};
  enum mm_status created =
      vm_create(&sources->settings->vm, interp_engine(), &vm, &error);
  if (created != MM_OK)
    return cli_create_error(CLI_VERIFY, created, &error);
  int status = cli_sources_load(sources, vm);
  if (status == CLI_OK && verify_modules(vm, &sources->diags) > 0)
    status = CLI_BAD_INPUT;
  cli_sources_report(sources, true);
  vm_destroy(vm);
  return sources->diags.out_of_memory ? CLI_INTERNAL : status;
}

static int verify(const struct cli_settings *settings)
{
  struct cli_sources sources;
  if (settings->file_count == 0)
    return cli_usage_error(CLI_VERIFY, "no file to verify");
  int status = cli_sources_assemble(&sources, settings);
  if (status == CLI_OK)
    status = load_and_verify(&sources);
  else
    cli_sources_report(&sources, true);
  cli_sources_destroy(&sources);
  return status;
}

int cli_command_verify(int argc, char **argv)
{
  struct cli_settings settings;
  int status = cli_settings_read(&settings, CLI_VERIFY, argc, argv);
  if (status == CLI_OK)
    status = settings.help ? cli_help(CLI_VERIFY) : verify(&settings);
  cli_settings_destroy(&settings);
  return status;
}
