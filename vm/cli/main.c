/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program `bamboo': finds the command, and what all commands share.
 * Start reading here, then vm/cli/run.c.
 */
#include "config.h"

#include "vm/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/asm/nearest.h"
#include "vm/cli/options.h"
#include "vm/core/purposes.h"

static int (*const runners[CLI_COMMAND_COUNT])(int argc, char **argv) = {
#define CLI_COMMAND(id, name, operands, summary)                               \
  [CLI_##id] = cli_command_##name,
    CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND
};

static const char *const command_names[CLI_COMMAND_COUNT] = {
#define CLI_COMMAND(id, name, operands, summary) [CLI_##id] = #name,
    CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND
};

static void print_usage(FILE *out)
{
  fputs("Bamboo runs Panda Assembly on a managed heap.\n\n", out);
  for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
    const struct cli_command_info *info = &cli_commands[i];
    fprintf(out, "%s bamboo %-8s %s\n", i ? "      " : "usage:", info->name,
            info->operands);
  }
  fputs("       bamboo --help | --version [--verbose]\n\n", out);
  for (size_t i = 0; i < CLI_COMMAND_COUNT; i++)
    fprintf(out, "  %-9s %s\n", cli_commands[i].name, cli_commands[i].summary);
  fputs("\n`bamboo COMMAND --help' lists the options of a command.\n", out);
}

static const char run_notes[] =
    "\nSizes are bytes, or end in K, M, G or T; `auto' is as without the\n"
    "option. The profile named last overrides the defaults, options in the\n"
    "environment variable BAMBOO_OPTIONS override the profile, and options\n"
    "given here override both, wherever they stand.\n\n"
    "Exit status: the program's own (modulo 256), or\n"
    "  1   an exception that nothing caught, output that cannot be written\n"
    "  2   a wrong command line\n"
    "  3   a file that cannot be read, does not assemble or does not verify;\n"
    "      no entry point; a library that cannot be loaded\n"
    "  70  an internal failure, or a system that gives no memory for the "
    "heap\n";

int cli_help(enum cli_command command)
{
  const struct cli_command_info *info = &cli_commands[command];
  printf("usage: bamboo %s %s\n", info->name, info->operands);
  printf("%c%s.\n", info->summary[0] - 'a' + 'A', info->summary + 1);
  puts("\nOptions:");
  cli_options_print(command, stdout);
  puts("  --help                      show this text");
  if (command == CLI_RUN)
    fputs(run_notes, stdout);
  return CLI_OK;
}

int cli_usage_error(enum cli_command command, const char *format, ...)
{
  const char *name = cli_commands[command].name;
  va_list arguments;
  fprintf(stderr, "bamboo %s: ", name);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\nTry `bamboo %s --help'.\n", name);
  return CLI_USAGE;
}

static void say_limit(void)
{
  struct mm_native_stats stats;
  mm_native_stats(&stats);
  if (stats.limit_bytes != UINT64_MAX)
    fprintf(stderr,
            "bamboo: the runtime's own memory is limited to %" PRIu64
            "K; raise --internal-max\n",
            stats.limit_bytes / 1024);
}

void cli_no_memory(const char *text)
{
  fprintf(stderr, "bamboo: out of memory%s%s\n", text ? "; " : "",
          text ? text : "");
  say_limit();
}

int cli_create_error(enum cli_command command, enum mm_status status,
                     const struct mm_error *error)
{
  if (status == MM_UNSUPPORTED || status == MM_BAD_OPTION)
    return cli_usage_error(command, "%s", error->text);
  fprintf(stderr, "bamboo %s: %s\n", cli_commands[command].name, error->text);
  if (status == MM_NO_MEMORY)
    say_limit();
  return CLI_INTERNAL;
}

bool cli_use_color(void)
{
  const char *term = getenv("TERM");
  return isatty(STDERR_FILENO) && !getenv("NO_COLOR") && term &&
         strcmp(term, "dumb") != 0;
}

static bool ends_in(const char *word, const char *end)
{
  size_t length = strlen(word), end_length = strlen(end);
  return length >= end_length && strcmp(word + length - end_length, end) == 0;
}

static int unknown_command(const char *word)
{
  const char *near = vm_nearest(word, command_names, CLI_COMMAND_COUNT);
  fprintf(stderr, "bamboo: there is no command `%s'", word);
  if (ends_in(word, ".pa"))
    fprintf(stderr, "; did you mean `bamboo run %s'?", word);
  else if (near)
    fprintf(stderr, "; did you mean `%s'?", near);
  fputs("\nTry `bamboo --help'.\n", stderr);
  return CLI_USAGE;
}

int cli_finish(int status)
{
  if (fflush(stdout) == 0 && !ferror(stdout))
    return status;
  fprintf(stderr, "bamboo: cannot write standard output: %s\n",
          strerror(errno));
  return status ? status : CLI_FAILED;
}

static int run_command(const char *name, int argc, char **argv)
{
  for (size_t i = 0; i < CLI_COMMAND_COUNT; i++)
    if (strcmp(cli_commands[i].name, name) == 0)
      return runners[i](argc, argv);
  return unknown_command(name);
}

static int perform(int argc, char **argv)
{
  const char *word = argc > 1 ? argv[1] : NULL;
  if (!word) {
    print_usage(stderr);
    return CLI_USAGE;
  }
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
    print_usage(stdout);
    return cli_finish(CLI_OK);
  }
  if (strcmp(word, "--version") == 0)
    return cli_finish(cli_version(argc - 2, argv + 2));
  if (strcmp(word, cli_commands[CLI_RUN].name) == 0)
    return cli_command_run(argc - 2, argv + 2); /* sees to its output itself */
  return cli_finish(run_command(word, argc - 2, argv + 2));
}

/* All that was made is destroyed by now, however the command ended: what is
   still charged to a purpose leaked, but for the tables of the allocators,
   which live as long as the process.  Ends of the process that do not come this
   way (a crash, an abort, a failed assertion) destroy nothing.  It costs users
   nothing, so that it keeps the status of their program; that of a debug build
   tells the tests. */
static int check_leaks(int status)
{
  vm_name_purposes();
  unsigned leaks = mm_native_print_leaks(stderr);
#ifdef BAMBOO_DEBUG
  if (leaks > 0)
    status = CLI_INTERNAL;
#endif
  (void)leaks;
  return status;
}

/* A standard descriptor that is closed would be that of the next file which is
   opened, and what is written to it go there.  It is occupied by a file that
   refuses what it is for, as a closed one does. */
static void occupy_standard_files(void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 &&
        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return; /* nor will others be opened */
}

int main(int argc, char **argv)
{
  occupy_standard_files();
  return check_leaks(perform(argc, argv));
}
