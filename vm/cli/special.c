/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of options that are neither numbers nor plain words: choices of
 * which some are not available yet, lists, and words with a file behind them.
 * options.def names these tables and functions.
 */
#include "config.h"

#include "vm/cli/special.h"

#include <inttypes.h>
#include <string.h>

#include "mm/stat/log.h"
#include "vm/asm/nearest.h"
#include "vm/cli/values.h"

const struct cli_choice cli_gc_choices[] = {
    {"stw", MM_GC_STW, true},
    {"epsilon", MM_GC_EPSILON, true},
    {"concurrent", MM_GC_CONCURRENT, true},
    {0},
};

const struct cli_choice cli_generational_choices[] = {
    {"on", MM_GENERATIONAL_ON, true},
    {"off", MM_GENERATIONAL_OFF, true},
    {"auto", MM_GENERATIONAL_AUTO, true},
    {0},
};

const struct cli_choice cli_tenured_choices[] = {
    {"regions", MM_TENURED_REGIONS, true},
    {"freelist", MM_TENURED_FREELIST, true},
    {0},
};

const struct cli_choice cli_fit_choices[] = {
    {"slots", MM_FIT_SLOTS, true},
    {"freelist", MM_FIT_FREELIST, true},
    {0},
};

const struct cli_choice cli_internal_choices[] = {
    {"slots", MM_NATIVE_SLOTS, true},
    {"freelist", MM_NATIVE_FREELIST, true},
    {"system", MM_NATIVE_SYSTEM, true},
    {0},
};

const struct cli_choice cli_jit_choices[] = {
    {"off", VM_JIT_OFF, true},
    {"on", VM_JIT_ON, CLI_HAS_JIT},
    {"always", VM_JIT_ALWAYS, CLI_HAS_JIT},
    {"random", VM_JIT_RANDOM, CLI_HAS_JIT},
    {0},
};

/* "stw or epsilon": what there is, for messages. */
static const char *list_choices(const struct cli_choice *choices, char *text,
                                size_t text_bytes)
{
  size_t used = 0;
  text[0] = 0;
  for (; choices->name; choices++)
    if (choices->available && used < text_bytes)
      used += (size_t)snprintf(text + used, text_bytes - used, "%s%s",
                               used ? " or " : "", choices->name);
  return text;
}

bool cli_read_choice(const struct cli_choice *choices, const char *value,
                     int *number, struct cli_problem *problem)
{
  char list[80];
  const struct cli_choice *choice = choices;
  while (choice->name && strcmp(choice->name, value) != 0)
    choice++;
  if (choice->name && choice->available) {
    *number = choice->value;
    return true;
  }
  list_choices(choices, list, sizeof list);
  return choice->name
             ? cli_wrong(problem,
                         "`%s' is not available in this build; choose %s",
                         value, list)
             : cli_wrong(problem, "there is no `%s'; choose %s", value, list);
}

const char *cli_choice_name(const struct cli_choice *choices, int number)
{
  while (choices->name && choices->value != number)
    choices++;
  return choices->name;
}

/* --- Sizes of the heap and of slots --- */

enum { GROWTH_LEAST = 110, GROWTH_MOST = 10000, PRICE_MOST = 1000000 };

/* "balance" or "balance:N".  False: it is something else. */
static bool read_balance(const char *value, uint64_t *price)
{
  static const char name[] = "balance";
  if (strncmp(value, name, sizeof name - 1) != 0)
    return false;
  value += sizeof name - 1;
  *price = MM_GROWTH_PRICE;
  return !*value || (*value == ':' && cli_read_number(value + 1, price) &&
                     *price > 0 && *price <= PRICE_MOST);
}

static bool read_growth(struct cli_settings *settings, const char *value,
                        struct cli_problem *problem)
{
  struct mm_options *mm = &settings->vm.mm;
  uint64_t percent = 0, price = 0;
  bool is_auto = strcmp(value, "auto") == 0;
  bool balances = read_balance(value, &price);
  if (!is_auto && !balances &&
      (!cli_read_number(value, &percent) || percent < GROWTH_LEAST ||
       percent > GROWTH_MOST))
    return cli_wrong(problem,
                     "`%.64s' is no number from %d to %d, nor balance or "
                     "balance:N with N from 1 to %d",
                     value, GROWTH_LEAST, GROWTH_MOST, PRICE_MOST);
  mm->growth = balances ? MM_GROWTH_BALANCE : MM_GROWTH_PERCENT;
  mm->growth_percent = (unsigned)percent;
  mm->growth_price = (unsigned)price;
  return true;
}

static void write_growth(const struct cli_settings *settings,
                         char text[CLI_VALUE_BYTES])
{
  const struct mm_options *mm = &settings->vm.mm;
  if (mm->growth == MM_GROWTH_BALANCE)
    snprintf(text, CLI_VALUE_BYTES, "balance:%u", mm->growth_price);
  else if (mm->growth_percent == 0)
    strcpy(text, "auto");
  else
    snprintf(text, CLI_VALUE_BYTES, "%u", mm->growth_percent);
}

const struct cli_special cli_growth = {read_growth, write_growth, NULL};

static bool read_pause_goal(struct cli_settings *settings, const char *value,
                            struct cli_problem *problem)
{
  uint64_t ns = 0;
  if (strcmp(value, "none") != 0 && !cli_read_time(value, &ns))
    return cli_wrong(problem, "`%.64s' is no time such as 500us, 2ms or 1s",
                     value);
  settings->vm.mm.pause_goal_ns = ns;
  return true;
}

static void write_pause_goal(const struct cli_settings *settings,
                             char text[CLI_VALUE_BYTES])
{
  uint64_t ns = settings->vm.mm.pause_goal_ns;
  if (ns == 0)
    strcpy(text, "none");
  else
    cli_write_time(ns, text);
}

const struct cli_special cli_pause_goal = {read_pause_goal, write_pause_goal,
                                           NULL};

enum { SLOT_LEAST = 8, SLOT_MOST = 2048 };

static bool read_slot_sizes(struct cli_settings *settings, const char *value,
                            struct cli_problem *problem)
{
  size_t length = 0, count = 0;
  const char *item;
  uint64_t bytes;
  if (strcmp(value, "none") == 0)
    value = NULL;
  while ((item = cli_next_item(&value, &length))) {
    if (count == CLI_SLOT_SIZES_MOST)
      return cli_wrong(problem, "more than %d sizes", CLI_SLOT_SIZES_MOST);
    if (!cli_read_item_number(item, length, &bytes) || bytes < SLOT_LEAST ||
        bytes > SLOT_MOST)
      return cli_wrong(problem, "`%.*s' is no size from %d to %d bytes",
                       length > 64 ? 64 : (int)length, item, SLOT_LEAST,
                       SLOT_MOST);
    settings->slot_bytes[count++] = (uint32_t)bytes;
  }
  settings->vm.mm.slot_count = count;
  return true;
}

static void write_slot_sizes(const struct cli_settings *settings,
                             char text[CLI_VALUE_BYTES])
{
  size_t used = 0;
  strcpy(text, "none");
  for (size_t i = 0; i < settings->vm.mm.slot_count; i++)
    used += (size_t)snprintf(text + used, CLI_VALUE_BYTES - used, "%s%u",
                             i ? "," : "", settings->slot_bytes[i]);
}

const struct cli_special cli_slot_sizes = {read_slot_sizes, write_slot_sizes,
                                           NULL};

/* --- Libraries: those of all words of a layer --- */

static size_t written_bytes(const struct cli_settings *settings)
{
  size_t bytes = 0;
  for (size_t i = 0; i < settings->native_lib_count; i++)
    bytes += settings->native_libs[i].length + 1;
  return bytes;
}

static bool read_native_lib(struct cli_settings *settings, const char *value,
                            struct cli_problem *problem)
{
  size_t length = 0;
  const char *item;
  if (strcmp(value, "none") == 0) {
    settings->native_lib_count = 0;
    return true;
  }
  while ((item = cli_next_item(&value, &length))) {
    if (length == 0)
      return cli_wrong(problem, "a name is missing beside a comma");
    if (settings->native_lib_count == CLI_NATIVE_LIBS_MOST ||
        written_bytes(settings) + length >= CLI_VALUE_BYTES)
      return cli_wrong(problem, "more than %d libraries, or than %d bytes",
                       CLI_NATIVE_LIBS_MOST, CLI_VALUE_BYTES - 1);
    settings->native_libs[settings->native_lib_count++] =
        (struct cli_span){item, length};
  }
  return true;
}

static void write_native_lib(const struct cli_settings *settings,
                             char text[CLI_VALUE_BYTES])
{
  size_t used = 0;
  strcpy(text, "none");
  for (size_t i = 0; i < settings->native_lib_count; i++)
    used += (size_t)snprintf(text + used, CLI_VALUE_BYTES - used, "%s%.*s",
                             i ? "," : "", (int)settings->native_libs[i].length,
                             settings->native_libs[i].text);
}

static void forget_native_libs(struct cli_settings *settings)
{
  settings->native_lib_count = 0;
}

const struct cli_special cli_native_lib = {read_native_lib, write_native_lib,
                                           forget_native_libs};

/* --- Output --- */

/* Takes "HEAD:FILE" apart: the head goes to `head`, the file is returned,
   null when there is none. */
static bool split_file(const char *value, char *head, size_t head_bytes,
                       const char **file, struct cli_problem *problem)
{
  const char *colon = strchr(value, ':');
  size_t length = colon ? (size_t)(colon - value) : strlen(value);
  if (length >= head_bytes)
    return cli_wrong(problem, "`%s' is not understood", value);
  if (colon && !colon[1])
    return cli_wrong(problem, "a file has to follow the colon");
  memcpy(head, value, length);
  head[length] = 0;
  *file = colon ? colon + 1 : NULL;
  return true;
}

static bool read_log(struct cli_settings *settings, const char *value,
                     struct cli_problem *problem)
{
  char level[16] = "info";
  const char *file = NULL;
  int number = 0;
  if (value && !split_file(value, level, sizeof level, &file, problem))
    return false;
  if (!mm_log_level_parse(level, &number))
    return cli_wrong(
        problem,
        "there is no level `%s'; choose off, error, warning, info, "
        "debug or trace",
        level);
  settings->vm.mm.log_level = number;
  settings->log_file = file;
  return true;
}

/* Puts "HEAD:FILE" together again; the file may be null. */
static void join_file(char text[CLI_VALUE_BYTES], const char *head,
                      const char *file)
{
  snprintf(text, CLI_VALUE_BYTES, "%s%s%s", head, file ? ":" : "",
           file ? file : "");
}

static void write_log(const struct cli_settings *settings,
                      char text[CLI_VALUE_BYTES])
{
  join_file(text, mm_log_level_name(settings->vm.mm.log_level),
            settings->log_file);
}

const struct cli_special cli_log = {read_log, write_log, NULL};

static bool read_jit_dump(struct cli_settings *settings, const char *value,
                          struct cli_problem *problem)
{
  struct vm_jit_options *jit = &settings->vm.jit;
  const char *methods = value ? value : "*";
  const char *colon = strchr(methods, ':');
  if (strcmp(methods, "off") == 0)
    methods = "";
  if (colon && (colon == methods || !colon[1]))
    return cli_wrong(problem, "a %s the colon; `*' means all methods",
                     colon[1] ? "method has to stand before"
                              : "file has to follow");
  jit->dump_methods = methods;
  jit->dump_methods_bytes = colon ? (size_t)(colon - methods) : strlen(methods);
  settings->dump_file = colon ? colon + 1 : NULL;
  return true;
}

static void write_jit_dump(const struct cli_settings *settings,
                           char text[CLI_VALUE_BYTES])
{
  const struct vm_jit_options *jit = &settings->vm.jit;
  const char *file = settings->dump_file;
  strcpy(text, "off");
  if (jit->dump_methods_bytes)
    snprintf(text, CLI_VALUE_BYTES, "%.*s%s%s", (int)jit->dump_methods_bytes,
             jit->dump_methods, file ? ":" : "", file ? file : "");
}

const struct cli_special cli_jit_dump = {read_jit_dump, write_jit_dump, NULL};

static const struct cli_choice stats_choices[] = {
    {"text", CLI_STATS_TEXT, true},
    {"json", CLI_STATS_JSON, true},
    {"off", CLI_STATS_NONE, true},
    {0},
};

static bool read_stats(struct cli_settings *settings, const char *value,
                       struct cli_problem *problem)
{
  char format[16] = "text";
  const char *file = NULL;
  if (value && !split_file(value, format, sizeof format, &file, problem))
    return false;
  int found = CLI_STATS_NONE;
  if (!cli_read_choice(stats_choices, format, &found, problem))
    return false;
  settings->stats = (enum cli_stats)found;
  settings->stats_file = file;
  return true;
}

static void write_stats(const struct cli_settings *settings,
                        char text[CLI_VALUE_BYTES])
{
  join_file(text, cli_choice_name(stats_choices, (int)settings->stats),
            settings->stats_file);
}

const struct cli_special cli_stats_format = {read_stats, write_stats, NULL};

/* --- Tests of the machine --- */

/* Null: there is no such kind. */
static uint64_t *stress_interval(struct mm_options *mm, const char *item,
                                 size_t length)
{
  if (cli_is_item(item, length, "alloc"))
    return &mm->stress_alloc;
  if (cli_is_item(item, length, "poll"))
    return &mm->stress_poll;
  return cli_is_item(item, length, "barrier") ? &mm->stress_barrier : NULL;
}

static bool read_stress_item(struct cli_settings *settings, const char *item,
                             size_t length, struct cli_problem *problem)
{
  const char *colon = memchr(item, ':', length);
  size_t name_length = colon ? (size_t)(colon - item) : length;
  size_t skipped = colon ? name_length + 1 : length;
  bool is_phase = cli_is_item(item, name_length, "phase");
  uint64_t *interval = stress_interval(&settings->vm.mm, item, name_length);
  if (is_phase && colon)
    return cli_wrong(problem, "phase takes no number");
  settings->vm.mm.stress_phase |= is_phase;
  if (is_phase)
    return true;
  if (!interval)
    return cli_wrong(problem,
                     "`%.*s' is not understood; choose alloc:N, poll:N, "
                     "barrier:N or phase",
                     length > 64 ? 64 : (int)length, item);
  return (cli_read_item_number(item + skipped, length - skipped, interval) &&
          *interval > 0) ||
         cli_wrong(problem, "%.*s wants a number above 0, as in %.*s:100",
                   (int)name_length, item, (int)name_length, item);
}

static void forget_stress(struct cli_settings *settings)
{
  struct mm_options *mm = &settings->vm.mm;
  mm->stress_alloc = mm->stress_poll = mm->stress_barrier = 0;
  mm->stress_phase = false;
}

static bool read_stress(struct cli_settings *settings, const char *value,
                        struct cli_problem *problem)
{
  size_t length = 0;
  const char *item;
  if (strcmp(value, "off") == 0) {
    forget_stress(settings);
    return true;
  }
  while ((item = cli_next_item(&value, &length)))
    if (!read_stress_item(settings, item, length, problem))
      return false;
  return true;
}

/* `used' bytes of the text are taken; 0: the text says "off". */
static size_t append_stress(char text[CLI_VALUE_BYTES], size_t used,
                            const char *kind, uint64_t every)
{
  if (every == 0)
    return used;
  int added = snprintf(text + used, CLI_VALUE_BYTES - used, "%s%s:%" PRIu64,
                       used ? "," : "", kind, every);
  return used + (size_t)added;
}

static void write_stress(const struct cli_settings *settings,
                         char text[CLI_VALUE_BYTES])
{
  const struct mm_options *mm = &settings->vm.mm;
  size_t used = 0;
  strcpy(text, "off");
  used = append_stress(text, used, "alloc", mm->stress_alloc);
  used = append_stress(text, used, "poll", mm->stress_poll);
  used = append_stress(text, used, "barrier", mm->stress_barrier);
  if (mm->stress_phase)
    strcpy(text + used, used ? ",phase" : "phase");
}

const struct cli_special cli_stress = {read_stress, write_stress,
                                       forget_stress};

static const struct {
  const char *name;
  unsigned bit;
} verify_items[] = {
    {"before", MM_VERIFY_BEFORE},
    {"after", MM_VERIFY_AFTER},
    {"mark", MM_VERIFY_MARK},
};

enum { VERIFY_ITEM_COUNT = sizeof verify_items / sizeof verify_items[0] };

/* 0: no such item. */
static unsigned verify_bit(const char *item, size_t length)
{
  for (size_t i = 0; i < VERIFY_ITEM_COUNT; i++)
    if (cli_is_item(item, length, verify_items[i].name))
      return verify_items[i].bit;
  return 0;
}

static bool read_verify(struct cli_settings *settings, const char *value,
                        struct cli_problem *problem)
{
  unsigned verify = 0;
  size_t length = 0;
  const char *item;
  if (!value)
    value = "before,after,mark";
  else if (strcmp(value, "off") == 0)
    value = NULL;
  while ((item = cli_next_item(&value, &length))) {
    unsigned bit = verify_bit(item, length);
    if (!bit)
      return cli_wrong(problem,
                       "there is no `%.*s'; choose before, after or mark",
                       length > 64 ? 64 : (int)length, item);
    verify |= bit;
  }
  settings->vm.mm.verify = verify;
  return true;
}

static void write_verify(const struct cli_settings *settings,
                         char text[CLI_VALUE_BYTES])
{
  size_t used = 0;
  strcpy(text, "off");
  for (size_t i = 0; i < VERIFY_ITEM_COUNT; i++)
    if (settings->vm.mm.verify & verify_items[i].bit)
      used += (size_t)snprintf(text + used, CLI_VALUE_BYTES - used, "%s%s",
                               used ? "," : "", verify_items[i].name);
}

const struct cli_special cli_verify = {read_verify, write_verify, NULL};

static bool read_fail_alloc(struct cli_settings *settings, const char *value,
                            struct cli_problem *problem)
{
  size_t length = strlen(value);
  bool and_after = value[length - 1] == '+';
  uint64_t count = 0;
  if (strcmp(value, "off") != 0 &&
      (!cli_read_item_number(value, length - and_after, &count) || count == 0))
    return cli_wrong(
        problem, "`%.64s' is no number above 0, with or without a +", value);
  settings->fail_alloc = (struct cli_fail_alloc){count, and_after};
  return true;
}

static void write_fail_alloc(const struct cli_settings *settings,
                             char text[CLI_VALUE_BYTES])
{
  const struct cli_fail_alloc *fail = &settings->fail_alloc;
  snprintf(text, CLI_VALUE_BYTES, "%" PRIu64 "%s", fail->count,
           fail->and_after ? "+" : "");
  if (fail->count == 0)
    strcpy(text, "off");
}

const struct cli_special cli_fail_alloc = {read_fail_alloc, write_fail_alloc,
                                           NULL};

/* --- Planted faults --- */

/* All names as one list: what --print-options may have to show. */
static const char all_faults[] =
#define MM_FAULT(NAME, key, every, text) #key ","
#include "mm/gc/faults.def"
    ;

_Static_assert(sizeof all_faults <= CLI_VALUE_BYTES, "a set of all faults");
_Static_assert(sizeof all_faults + 256 <= sizeof((struct cli_problem *)0)->text,
               "a message that lists all faults");

static bool wrong_fault(const char *item, size_t length,
                        struct cli_problem *problem)
{
  char list[sizeof all_faults], word[64], meant[64] = "";
  const char *names[MM_FAULT_COUNT];
  for (int i = 0; i < MM_FAULT_COUNT; i++)
    names[i] = mm_fault_name((enum mm_fault)i);
  snprintf(word, sizeof word, "%.*s", (int)length, item);
  const char *near = vm_nearest(word, names, MM_FAULT_COUNT);
  if (near)
    snprintf(meant, sizeof meant, "did you mean `%s'? or ", near);
  memcpy(list, all_faults, sizeof list);
  list[sizeof list - 2] = 0; /* the last comma */
  return cli_wrong(problem, "there is no fault `%s'; %schoose of %s", word,
                   meant, list);
}

static bool read_faults(struct cli_settings *settings, const char *value,
                        struct cli_problem *problem)
{
  struct mm_fault_set faults = {{0}};
  size_t length = 0;
  const char *item;
  settings->list_faults = strcmp(value, "help") == 0;
  if (settings->list_faults || strcmp(value, "off") == 0)
    value = NULL;
  while ((item = cli_next_item(&value, &length))) {
    int i = 0;
    while (i < MM_FAULT_COUNT &&
           !cli_is_item(item, length, mm_fault_name((enum mm_fault)i)))
      i++;
    if (i == MM_FAULT_COUNT)
      return wrong_fault(item, length, problem);
    mm_fault_add(&faults, (enum mm_fault)i);
  }
  settings->vm.mm.faults = faults;
  return true;
}

static void write_faults(const struct cli_settings *settings,
                         char text[CLI_VALUE_BYTES])
{
  size_t used = 0;
  strcpy(text, "off");
  for (int i = 0; i < MM_FAULT_COUNT; i++)
    if (mm_fault_has(&settings->vm.mm.faults, (enum mm_fault)i))
      used +=
          (size_t)snprintf(text + used, CLI_VALUE_BYTES - used, "%s%s",
                           used ? "," : "", mm_fault_name((enum mm_fault)i));
}

const struct cli_special cli_faults = {read_faults, write_faults, NULL};

void cli_faults_print(FILE *out)
{
  for (int i = 0; i < MM_FAULT_COUNT; i++)
    fprintf(out, "%-14s %s\n", mm_fault_name((enum mm_fault)i),
            mm_fault_text((enum mm_fault)i));
}
