/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bamboo run': assemble, create a machine, load, run, sum up.
 *
 * Assembling comes first: a file with errors costs no heap, and no file of an
 * option is emptied before the program's were read.  Standard output
 * is the program's alone; the log and the statistics go to standard error
 * unless they have files of their own.
 */
#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "interp/interp.h"
#include "jit_stub/jit.h"
#include "mm/handle.h"
#include "mm/native.h"
#include "vm/cli/crash.h"
#include "vm/cli/outputs.h"
#include "vm/cli/show.h"
#include "vm/cli/sources.h"
#include "vm/cli/special.h"
#include "vm/core/natives.h"
#include "vm/lib/output.h"

enum { OUTPUT_BUFFER_BYTES = 64 * 1024 };

struct session {
  struct cli_settings settings;
  struct cli_sources sources;
  struct cli_outputs outputs;
  struct vm *vm;
};

/* What a pipe or a disk refuses is an error like any other, not a signal. */
static void prepare_output(void)
{
  signal(SIGPIPE, SIG_IGN);
  if (!isatty(STDOUT_FILENO))
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER_BYTES);
}

/* Natives are to delete the handles that they make for good, at the latest when
   they are told of the end. */
static void print_leaked_handles(const struct session *session)
{
  vm_natives_unload(session->vm->main_thread);
  if (session->settings.vm.mm.handle_origins)
    (void)mm_handles_report_leaks(session->vm->heap, stderr);
}

static int exit_status(enum vm_outcome outcome, int status,
                       const struct mm_error *error)
{
  switch (outcome) {
  case VM_RETURNED:
  case VM_EXITED:
    return status & 0xff;
  case VM_UNCAUGHT:
  case VM_DEADLOCKED:
    return CLI_FAILED;
  case VM_NO_ENTRY:
    fprintf(stderr, "bamboo run: %s\n", error->text);
    return CLI_BAD_INPUT;
  case VM_RUN_OUT_OF_MEMORY:
    cli_no_memory("the program did not begin");
    return CLI_FAILED;
  }
  return CLI_INTERNAL;
}

static int run_loaded(struct session *session)
{
  const struct cli_settings *settings = &session->settings;
  struct mm_error error = {{0}};
  int returned = 0;
  enum vm_outcome outcome =
      vm_run(session->vm, settings->entry, settings->program_arg_count,
             settings->program_args, &returned, &error);
  bool written = vm_output_flush(session->vm);
  int status = exit_status(outcome, returned, &error);
  cli_outputs_write_stats(&session->outputs, settings, session->vm);
  print_leaked_handles(session);
  return written || status ? status : CLI_FAILED;
}

static int start_compiler(struct vm *vm)
{
  struct mm_error error = {{0}};
  enum mm_status status = jit_start(vm, &error);
  return status == MM_OK ? CLI_OK : cli_create_error(CLI_RUN, status, &error);
}

/* The libraries with its natives; what they begin with runs here. */
static int open_libraries(struct session *session)
{
  const struct cli_settings *settings = &session->settings;
  struct mm_error error = {{0}};
  for (size_t i = 0; i < settings->native_lib_count; i++) {
    const struct cli_span *lib = &settings->native_libs[i];
    enum mm_status status = vm_natives_open(session->vm->main_thread, NULL,
                                            lib->text, lib->length, &error);
    if (status == MM_OK)
      continue;
    fprintf(stderr, "bamboo run: --native-lib: %s\n", error.text);
    return status == MM_NO_MEMORY ? CLI_FAILED : CLI_BAD_INPUT;
  }
  return CLI_OK;
}

static int load_and_run(struct session *session)
{
  struct mm_error error = {{0}};
  enum mm_status created =
      vm_create(&session->settings.vm, interp_engine(), &session->vm, &error);
  if (created != MM_OK)
    return cli_create_error(CLI_RUN, created, &error);
  cli_crash_watch(session->vm);
  int status = start_compiler(session->vm);
  if (status == CLI_OK) {
    status = cli_sources_load(&session->sources, session->vm);
    cli_sources_report(&session->sources, session->settings.warnings);
  }
  if (status == CLI_OK)
    status = open_libraries(session);
  if (status == CLI_OK)
    status = run_loaded(session);
  cli_crash_watch(NULL);
  jit_stop(session->vm);
  vm_destroy(session->vm);
  return status;
}

static int open_outputs(struct session *session)
{
  struct cli_problem problem;
  return cli_outputs_open(&session->outputs, &session->settings, &problem)
             ? CLI_OK
             : cli_problem_report(CLI_RUN, NULL, &problem);
}

static int assemble_and_run(struct session *session)
{
  int status = cli_sources_assemble(&session->sources, &session->settings);
  if (status != CLI_OK)
    cli_sources_report(&session->sources, session->settings.warnings);
  else
    status = open_outputs(session);
  if (status == CLI_OK)
    status = load_and_run(session);
  cli_sources_destroy(&session->sources);
  return status;
}

/* With a file standard output is the program's. */
static int print_options(const struct cli_settings *settings)
{
  struct mm_error error;
  FILE *out = settings->file_count ? stderr : stdout;
  enum mm_status status = cli_settings_print(settings, out, &error);
  return status == MM_OK ? CLI_OK : cli_create_error(CLI_RUN, status, &error);
}

/* Where the runtime's own memory comes from, before it takes any. */
static int configure_memory(const struct cli_settings *settings)
{
  if (mm_native_configure(settings->internal_allocator,
                          settings->vm.mm.internal_max_bytes) == MM_OK)
    return CLI_OK;
  fputs("bamboo run: no memory: the system refuses address space; raise the "
        "limit (ulimit -v), or choose --internal-allocator=system\n",
        stderr);
  return CLI_INTERNAL;
}

/* From here on the runtime takes memory, and is refused some on request. */
static int run_with_failures(struct session *session)
{
  const struct cli_settings *settings = &session->settings;
  const struct cli_fail_alloc *fail = &settings->fail_alloc;
  mm_native_fail_at(fail->count, fail->and_after);
  int status = assemble_and_run(session);
  if (fail->count && !mm_native_has_failed())
    fprintf(stderr,
            "bamboo run: --fail-alloc=%" PRIu64
            ": so many requests were not made\n",
            fail->count);
  mm_native_fail_at(0, false);
  return status;
}

static int run(struct session *session)
{
  const struct cli_settings *settings = &session->settings;
  int status = CLI_OK;
  if (settings->help)
    return cli_finish(cli_help(CLI_RUN));
  if (settings->list_faults) {
    cli_faults_print(stdout);
    return cli_finish(CLI_OK);
  }
  if (settings->print_options)
    status = print_options(settings);
  if (status == CLI_OK && settings->file_count == 0)
    return settings->print_options ? cli_finish(CLI_OK)
                                   : cli_usage_error(CLI_RUN, "no file to run");
  if (status == CLI_OK)
    status = configure_memory(settings);
  if (status != CLI_OK)
    return status;
  prepare_output();
  return run_with_failures(session);
}

int cli_command_run(int argc, char **argv)
{
  struct session session = {.vm = NULL};
  cli_crash_install(argc, argv);
  int status = cli_settings_read(&session.settings, CLI_RUN, argc, argv);
  if (status == CLI_OK)
    status = run(&session);
  bool written = cli_outputs_close(&session.outputs, "bamboo run");
  return written || status ? status : CLI_FAILED;
}
