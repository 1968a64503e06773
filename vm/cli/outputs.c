/* SPDX-License-Identifier: Apache-2.0 */
/* What options have written, and where: see outputs.h. */
#include "config.h"

#include "vm/cli/outputs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/core/threads.h"

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
static bool is_free(const struct cli_outputs *outputs,
                    const struct cli_settings *settings, const char *option,
                    const char *name, struct cli_problem *problem)
{
  struct stat file;
  if (stat(name, &file) != 0 || !S_ISREG(file.st_mode))
    return true;
  if (is_of_program(settings, &file))
    return cli_wrong(
        problem, "--%s: `%.1000s' is a file of the program; name another one",
        option, name);
  const char *other = is_open_as(outputs->log, &file)     ? "gc-log"
                      : is_open_as(outputs->stats, &file) ? "stats"
                                                          : NULL;
  return !other ||
         cli_wrong(
             problem,
             "--%s: `%.1000s' is the file of --%s already; give each a file "
             "of its own",
             option, name, other);
}

/* No name: standard error.  Null: `problem` says why. */
static FILE *open_output(const struct cli_outputs *outputs,
                         const struct cli_settings *settings,
                         const char *option, const char *name,
                         struct cli_problem *problem)
{
  if (!name)
    return stderr;
  if (!is_free(outputs, settings, option, name, problem))
    return NULL;
  FILE *out = fopen(name, "we");
  if (!out)
    cli_wrong(problem, "--%s: cannot write `%.1000s': %s", option, name,
              strerror(errno));
  return out;
}

bool cli_outputs_open(struct cli_outputs *outputs,
                      struct cli_settings *settings,
                      struct cli_problem *problem)
{
  *outputs = (struct cli_outputs){.log = NULL};
  problem->file = NULL;
  if (settings->vm.mm.log_level > 0) {
    outputs->log = settings->vm.mm.log =
        open_output(outputs, settings, "gc-log", settings->log_file, problem);
    if (!outputs->log)
      return false;
  }
  if (settings->stats != CLI_STATS_NONE) {
    outputs->stats =
        open_output(outputs, settings, "stats", settings->stats_file, problem);
    if (!outputs->stats)
      return false;
  }
  if (settings->vm.jit.dump_methods_bytes) {
    outputs->dump = settings->vm.jit.dump = open_output(
        outputs, settings, "jit-dump", settings->dump_file, problem);
    if (!outputs->dump)
      return false;
  }
  return true;
}

struct writing {
  FILE *out;
  enum cli_stats kind;
  const struct vm *vm;
};

static void write_stats_stopped(void *context)
{
  const struct writing *writing = context;
  if (writing->kind == CLI_STATS_JSON)
    mm_stats_print_json(writing->vm->heap, writing->out);
  else
    mm_stats_print_text(writing->vm->heap, writing->out);
}

/* Daemons may still run, and a cycle. */
void cli_outputs_write_stats(const struct cli_outputs *outputs,
                             const struct cli_settings *settings, struct vm *vm)
{
  struct writing writing = {outputs->stats, settings->stats, vm};
  if (!outputs->stats)
    return;
  mm_with_world_stopped(&vm->main_thread->mutator, write_stats_stopped,
                        &writing);
  fflush(outputs->stats);
}

/* Why was a write refused?  That may be long ago, and errno of something else
   since; so one more byte is tried.  0: the file would take it now. */
static int ask_reason(FILE *out)
{
  return write(fileno(out), "\n", 1) < 0 ? errno : 0;
}

static bool close_output(FILE *out, const char *option, const char *who)
{
  if (!out || out == stderr)
    return true;
  bool failed = ferror(out) != 0;
  int reason = failed ? ask_reason(out) : 0;
  if (fclose(out) != 0 && !reason)
    reason = errno;
  if (!failed && !reason)
    return true;
  fprintf(stderr, "%s: --%s: cannot write the file%s%s\n", who, option,
          reason ? ": " : "", reason ? strerror(reason) : "");
  return false;
}

bool cli_outputs_close(struct cli_outputs *outputs, const char *who)
{
  bool log = close_output(outputs->log, "gc-log", who);
  bool stats = close_output(outputs->stats, "stats", who);
  bool dump = close_output(outputs->dump, "jit-dump", who);
  *outputs = (struct cli_outputs){.log = NULL};
  return log && stats && dump;
}
