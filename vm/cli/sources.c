/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the files of a command.  All are assembled before a word is said,
 * so that one run shows all that is wrong with all of them.
 */
#include "config.h"

#include "vm/cli/sources.h"

#include <errno.h>
#include <unistd.h>

#include "interp/interp.h"
#include "mm/native.h"
#include "vm/core/purposes.h"

int cli_sources_assemble(struct cli_sources *sources,
                         const struct cli_settings *settings)
{
  size_t count = (size_t)settings->file_count;
  *sources = (struct cli_sources){.settings = settings};
  vm_diags_init(&sources->diags);
  sources->modules = mm_native_alloc_array(VM_PURPOSE_COMMAND, count,
                                           sizeof *sources->modules);
  if (!sources->modules) {
    cli_no_memory(NULL);
    return CLI_INTERNAL;
  }
  bool failed = false;
  for (size_t i = 0; i < count; i++) {
    sources->modules[i] = vm_assemble_file(settings->files[i], &sources->diags);
    failed |= !sources->modules[i];
  }
  return sources->diags.out_of_memory ? CLI_INTERNAL
         : failed                     ? CLI_BAD_INPUT
                                      : CLI_OK;
}

int cli_sources_load(struct cli_sources *sources, struct vm *vm)
{
  int status = CLI_OK;
  for (int i = 0; i < sources->settings->file_count; i++) {
    struct vm_module *module = sources->modules[i];
    sources->modules[i] = NULL;
    if (!vm_load_module(vm, module, &sources->diags))
      status = CLI_BAD_INPUT;
  }
  return sources->diags.out_of_memory ? CLI_INTERNAL : status;
}

/* Moves diagnostics below errors, with the notes that follow them, from one
   list to another. */
static void split_warnings(struct vm_diags *diags, struct vm_diags *warnings)
{
  struct vm_diag **kept = &diags->first, *diag = diags->first;
  bool is_kept = true;
  while (diag) {
    struct vm_diag *next = diag->next;
    if (diag->severity != VM_DIAG_NOTE)
      is_kept = diag->severity == VM_DIAG_ERROR;
    struct vm_diag ***end = is_kept ? &kept : &warnings->last;
    diag->next = NULL;
    **end = diag;
    *end = &diag->next;
    diag = next;
  }
  *kept = NULL;
  diags->last = kept;
}

/* A word for the program that was taken for a file. */
static void hint_at_arguments(const struct cli_settings *settings)
{
  for (int i = 1; i < settings->file_count; i++)
    if (access(settings->files[i], F_OK) != 0 && errno == ENOENT) {
      fprintf(stderr,
              "note: words for the program itself come after `--', as in "
              "`bamboo run %s -- %s'\n",
              settings->files[0], settings->files[i]);
      return;
    }
}

void cli_sources_report(struct cli_sources *sources, bool with_warnings)
{
  struct vm_diags *diags = &sources->diags;
  struct vm_diags warnings;
  vm_diags_init(&warnings);
  if (!with_warnings)
    split_warnings(diags, &warnings);
  vm_diags_print(diags, stderr, cli_use_color());
  vm_diags_destroy(&warnings);
  if (diags->errors)
    hint_at_arguments(sources->settings);
  if (diags->errors > 1)
    fprintf(stderr, "%u errors\n", diags->errors);
  if (diags->out_of_memory)
    cli_no_memory("not all errors are shown");
}

int cli_sources_inspect(struct cli_sources *sources, enum cli_command command,
                        bool with_warnings,
                        int (*use)(struct cli_sources *sources, struct vm *vm))
{
  struct vm *vm = NULL;
  struct mm_error error = {{0}};
  enum mm_status created =
      vm_create(&sources->settings->vm, interp_engine(), &vm, &error);
  if (created != MM_OK)
    return cli_create_error(command, created, &error);
  int status = cli_sources_load(sources, vm);
  if (status == CLI_OK)
    status = use(sources, vm);
  cli_sources_report(sources, with_warnings);
  vm_destroy(vm);
  return sources->diags.out_of_memory ? CLI_INTERNAL : status;
}

void cli_sources_destroy(struct cli_sources *sources)
{
  if (sources->modules)
    for (int i = 0; i < sources->settings->file_count; i++)
      if (sources->modules[i])
        vm_module_destroy(sources->modules[i]);
  mm_native_free(VM_PURPOSE_COMMAND, sources->modules,
                 (size_t)sources->settings->file_count *
                     sizeof *sources->modules);
  vm_diags_destroy(&sources->diags);
}
