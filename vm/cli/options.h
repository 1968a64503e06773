/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: what they say, and where each was said.  There are four layers,
 * and a later one overrides those before it:
 *
 *   built-in default < profile < BAMBOO_OPTIONS < command line
 *
 * The profile is the one that --profile named last.  Within a layer the last
 * word counts; but the kinds of --gc-stress add up.
 *
 * Nothing here takes memory: options decide where the runtime takes its own.
 */
#ifndef VM_CLI_OPTIONS_H
#define VM_CLI_OPTIONS_H

#include "mm/native.h"
#include "vm/cli/cli.h"
#include "vm/core/vm.h"

enum {
  CLI_OPTION_COUNT = 0
#define CLI_OPTION(command, where, name, argument, kind, field, how, fallback, \
                   help)                                                       \
  +1
#define CLI_LATER(name, needs)
#include "vm/cli/options.def"
  ,
  CLI_SLOT_SIZES_MOST = 32,
  CLI_NATIVE_LIBS_MOST = 64,
  CLI_VALUE_BYTES = 1056, /* room for any option's value as text */
};

enum cli_layer {
  CLI_LAYER_DEFAULT,
  CLI_LAYER_PROFILE,
  CLI_LAYER_ENVIRONMENT,
  CLI_LAYER_WORDS,
};

/* Where the value of an option was said. */
struct cli_origin {
  enum cli_layer layer;
  const char *profile; /* the layer PROFILE: its name */
  const char *file;    /* and its file; null: built in */
  unsigned line;       /* and the line of the file */
};

enum cli_stats { CLI_STATS_NONE, CLI_STATS_TEXT, CLI_STATS_JSON };

/* Which requests for memory the runtime is refused; see mm/native.h. */
struct cli_fail_alloc {
  uint64_t count; /* 0: none */
  bool and_after;
};

/* A part of a word. */
struct cli_span {
  const char *text;
  size_t length;
};

/* What the options and operands say. */
struct cli_settings {
  struct vm_options vm; /* its log is opened by the command */
  const char *profile;
  bool warnings, maps, print_options;
  enum mm_native_allocator internal_allocator;
  enum cli_stats stats;
  const char *stats_file, *log_file, *dump_file; /* null: standard error */
  struct cli_fail_alloc fail_alloc;
  bool list_faults; /* --break=help */
  uint32_t slot_bytes[CLI_SLOT_SIZES_MOST]; /* vm.mm.slot_count of them */
  size_t native_lib_count;
  struct cli_span native_libs[CLI_NATIVE_LIBS_MOST];
  const char *entry;
  char *const *files; /* operands before `--' */
  int file_count;
  char *const *program_args; /* words behind `--' */
  int program_arg_count;
  bool help; /* --help was given */
  struct cli_origin origins[CLI_OPTION_COUNT];
};

/* What is wrong, in one line, and where if it stands in a file. */
struct cli_problem {
  const char *file; /* null: none */
  unsigned line, column;
  char text[1536];
};

/* Sets the text; returns false. */
bool cli_wrong(struct cli_problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- The table; options are known by their index --- */

/* CLI_OPTION_COUNT when there is none of that name. */
size_t cli_option_find(const char *name, size_t length);

const char *cli_option_name(size_t option);
enum cli_command cli_option_command(size_t option);
bool cli_option_is_for_profiles(size_t option);

/* Says that there is no such option (yet), with what was probably meant;
   `dashes` is how options are written where it stands.  Returns false. */
bool cli_option_unknown(const char *name, size_t length, const char *dashes,
                        struct cli_problem *problem);

/* Puts a value into the settings and notes where it was said.  `value` is null
   when there is none. */
bool cli_option_read(struct cli_settings *settings, size_t option,
                     const char *value, const struct cli_origin *origin,
                     struct cli_problem *problem);

/* The value as cli_option_read takes it. */
const char *cli_option_write(const struct cli_settings *settings, size_t option,
                             char text[CLI_VALUE_BYTES]);

/* Prints the options of a command, for its help. */
void cli_options_print(enum cli_command command, FILE *out);

/* Prints the help of an option as comments of a profile. */
void cli_option_print_comment(size_t option, FILE *out);

/* --- Reading all of them --- */

/* The defaults of all options. */
void cli_settings_init(struct cli_settings *settings);

/*
 * Reads the layers that hold for a command.  The operands are moved to the
 * front of argv, where the settings point.  Returns CLI_OK, or another exit
 * status after having said what is wrong.
 */
int cli_settings_read(struct cli_settings *settings, enum cli_command command,
                      int argc, char **argv);

/* Reads the words of a command and calls `body` with what they say, or shows
   help.  Returns the exit status. */
int cli_perform(enum cli_command command, int argc, char **argv,
                int (*body)(const struct cli_settings *settings));

/* Says what is wrong, `source` (or null) in front; returns CLI_USAGE. */
int cli_problem_report(enum cli_command command, const char *source,
                       const struct cli_problem *problem);

#endif
