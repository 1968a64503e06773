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

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interp/interp.h"
#include "jit_stub/jit.h"
#include "mm/handle.h"
#include "mm/native.h"
#include "vm/cli/crash.h"
#include "vm/cli/show.h"
#include "vm/cli/sources.h"
#include "vm/cli/special.h"
#include "vm/core/natives.h"
#include "vm/lib/output.h"

enum { OUTPUT_BUFFER_BYTES = 64 * 1024 };

struct session {
  struct cli_settings settings;
  struct cli_sources sources;
  struct vm *vm;
  FILE *log, *stats,
      *dump; /* opened here, or standard error; null: not wanted */
};

static bool is_same_file(const struct stat *one, const struct stat *other)
{
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static bool is_of_program(const struct cli_settings *settings,
                          const struct stat *file)
{
  struct stat source;
  for (int i = 0; i < settings->file_count; i++)
    if (stat(settings->files[i], &source) == 0 && is_same_file(&source, file))
      return true;
  return false;
}

static bool is_open_as(FILE *out, const struct stat *file)
{
  struct stat opened;
  return out && out != stderr && fstat(fileno(out), &opened) == 0 &&
         is_same_file(&opened, file);
}

/* Would opening it destroy the program, or what another option writes?  Devices
   and pipes may be shared. */
static bool is_free(const struct session *session, const char *option,
                    const char *name)
{
  struct stat file;
  if (stat(name, &file) != 0 || !S_ISREG(file.st_mode))
    return true;
  if (is_of_program(&session->settings, &file)) {
    cli_usage_error(CLI_RUN,
                    "--%s: `%s' is a file of the program; name another one",
                    option, name);
    return false;
  }
  const char *other = is_open_as(session->log, &file)     ? "gc-log"
                      : is_open_as(session->stats, &file) ? "stats"
                                                          : NULL;
  if (other)
    cli_usage_error(CLI_RUN,
                    "--%s: `%s' is the file of --%s already; give each a file "
                    "of its own",
                    option, name, other);
  return !other;
}

/* Opens a file of an option; null: standard error. */
static FILE *open_output(const struct session *session, const char *option,
                         const char *file)
{
  if (!file)
    return stderr;
  if (!is_free(session, option, file))
    return NULL;
  FILE *out = fopen(file, "we");
  if (!out)
    cli_usage_error(CLI_RUN, "--%s: cannot write `%s': %s", option, file,
                    strerror(errno));
  return out;
}

static int open_outputs(struct session *session)
{
  struct cli_settings *settings = &session->settings;
  if (settings->vm.mm.log_level > 0) {
    session->log = open_output(session, "gc-log", settings->log_file);
    if (!session->log)
      return CLI_USAGE;
    settings->vm.mm.log = session->log;
  }
  if (settings->stats != CLI_STATS_NONE) {
    session->stats = open_output(session, "stats", settings->stats_file);
    if (!session->stats)
      return CLI_USAGE;
  }
  if (settings->vm.jit.dump_methods_bytes) {
    session->dump = open_output(session, "jit-dump", settings->dump_file);
    if (!session->dump)
      return CLI_USAGE;
    settings->vm.jit.dump = session->dump;
  }
  return CLI_OK;
}

/* Why was a write refused?  That may be long ago, and errno of something else
   since; so one more byte is tried.  0: the file would take it now. */
static int ask_reason(FILE *out)
{
  return write(fileno(out), "\n", 1) < 0 ? errno : 0;
}

static int close_output(FILE *out, const char *option)
{
  if (!out || out == stderr)
    return CLI_OK;
  bool failed = ferror(out) != 0;
  int reason = failed ? ask_reason(out) : 0;
  if (fclose(out) != 0 && !reason)
    reason = errno;
  if (!failed && !reason)
    return CLI_OK;
  fprintf(stderr, "bamboo run: --%s: cannot write the file%s%s\n", option,
          reason ? ": " : "", reason ? strerror(reason) : "");
  return CLI_FAILED;
}

/* What a pipe or a disk refuses is an error like any other, not a signal. */
static void prepare_output(void)
{
  signal(SIGPIPE, SIG_IGN);
  if (!isatty(STDOUT_FILENO))
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER_BYTES);
}

static void print_stats_stopped(void *context)
{
  struct session *session = context;
  if (session->settings.stats == CLI_STATS_JSON)
    mm_stats_print_json(session->vm->heap, session->stats);
  else
    mm_stats_print_text(session->vm->heap, session->stats);
}

/* Daemons may still run, and a cycle. */
static void print_stats(struct session *session)
{
  if (!session->stats)
    return;
  mm_with_world_stopped(&session->vm->main_thread->mutator, print_stats_stopped,
                        session);
  fflush(session->stats);
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
  print_stats(session);
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
  int log_status = close_output(session.log, "gc-log");
  int stats_status = close_output(session.stats, "stats");
  int dump_status = close_output(session.dump, "jit-dump");
  return status         ? status
         : log_status   ? log_status
         : stats_status ? stats_status
                        : dump_status;
}
