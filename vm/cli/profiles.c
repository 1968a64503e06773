/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding, checking and applying profiles.
 *
 *   built-in text --\
 *                    cli_ini_read --> items --check--> apply --> settings
 *   file -----------/
 *
 * A file is checked as a whole before any of it is used: each of its profiles,
 * also those that are not asked for.  So applying one cannot fail.
 *
 * The texts are the process's: they are read before the runtime's own memory
 * is configured, and settings point into them.
 */
#include "config.h"

#include "vm/cli/profiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "vm/asm/nearest.h"
#include "vm/cli/ini.h"
#include "vm/core/assert.h"

enum { TEXT_BYTES = 64 * 1024, ITEMS_MOST = 1024, PATH_BYTES = 4096 };

struct cli_profile_text {
  char path[PATH_BYTES]; /* "": built in */
  size_t length, count;
  struct cli_ini_item items[ITEMS_MOST];
  char bytes[TEXT_BYTES + 1];
};

static struct cli_profile_text builtin, loaded;

static const char builtin_profiles[] =
    "[balanced]\n"
    "summary = short pauses and good throughput, for programs of most kinds\n"
    "gc = concurrent\n"
    "generational = auto\n"
    "tenured = regions\n"
    "pause-goal = 2ms\n"
    "heap-growth = balance\n"
    "[low-latency]\n"
    "summary = the shortest pauses, for some of the throughput\n"
    "gc = concurrent\n"
    "generational = auto\n"
    "tenured = regions\n"
    "pause-goal = 1ms\n"
    "heap-growth = balance\n"
    "[throughput]\n"
    "summary = collects with all workers, and leaves the heap room to grow\n"
    "gc = stw\n"
    "generational = auto\n"
    "tenured = regions\n"
    "heap-growth = 400\n"
    "[small]\n"
    "summary = the least memory: collects early, moves nothing, grows little\n"
    "gc = stw\n"
    "generational = off\n"
    "tenured = freelist\n"
    "heap-min = 2M\n"
    "heap-growth = 120\n"
    "[steady]\n"
    "summary = short pauses, and what has become old is never moved\n"
    "gc = concurrent\n"
    "generational = auto\n"
    "tenured = freelist\n"
    "pause-goal = 2ms\n"
    "heap-growth = balance\n"
    "[none]\n"
    "summary = never collects; for programs that end before the heap does\n"
    "gc = epsilon\n";

/* --- What is wrong, and where --- */

static bool wrong_at(struct cli_problem *problem,
                     const struct cli_profile_text *text, unsigned line,
                     unsigned column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static bool wrong_at(struct cli_problem *problem,
                     const struct cli_profile_text *text, unsigned line,
                     unsigned column, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  problem->file = text->path[0] ? text->path : "built-in profiles";
  problem->line = line;
  problem->column = column;
  return false;
}

/* What is wrong with a value is known; adds the name and the place. */
static bool wrong_value(struct cli_problem *problem,
                        const struct cli_profile_text *text,
                        const struct cli_ini_item *item)
{
  struct cli_problem about = *problem;
  return wrong_at(problem, text, item->line, item->value_column, "%s: %s",
                  item->name, about.text);
}

/* --- Sections and their items --- */

static bool is_section(const struct cli_profile_text *text, size_t index)
{
  return !text->items[index].value;
}

/* The index behind the last item of a section. */
static size_t section_end(const struct cli_profile_text *text, size_t section)
{
  size_t end = section + 1;
  while (end < text->count && !is_section(text, end))
    end++;
  return end;
}

/* text->count when there is none of that name. */
static size_t find_section(const struct cli_profile_text *text,
                           const char *name)
{
  for (size_t i = 0; i < text->count; i++)
    if (is_section(text, i) && strcmp(text->items[i].name, name) == 0)
      return i;
  return text->count;
}

/* The item of that name in a section, before index `end`; null: none. */
static const struct cli_ini_item *find_item(const struct cli_profile_text *text,
                                            size_t section, size_t end,
                                            const char *name)
{
  for (size_t i = section + 1; i < end; i++)
    if (strcmp(text->items[i].name, name) == 0)
      return &text->items[i];
  return NULL;
}

static const struct cli_ini_item *
inherits_of(const struct cli_profile_text *text, size_t section)
{
  return find_item(text, section, section_end(text, section), "inherits");
}

/* The near name among the profiles of a text, or null. */
static const char *near_name(const struct cli_profile_text *text,
                             const char *name)
{
  const char *names[ITEMS_MOST];
  size_t count = 0;
  for (size_t i = 0; i < text->count; i++)
    if (is_section(text, i))
      names[count++] = text->items[i].name;
  return vm_nearest(name, names, count);
}

/* "; did you mean `x'?", or nothing. */
static const char *suggest(const struct cli_profile_text *text,
                           const char *name, char *words, size_t words_bytes)
{
  const char *near = near_name(text, name);
  if (!near && text != &builtin)
    near = near_name(&builtin, name);
  snprintf(words, words_bytes, near ? "; did you mean `%.60s'?" : "%s",
           near ? near : "");
  return words;
}

static struct cli_profile profile_at(const struct cli_profile_text *text,
                                     size_t section)
{
  const struct cli_ini_item *summary =
      find_item(text, section, section_end(text, section), "summary");
  return (struct cli_profile){.name = text->items[section].name,
                              .summary = summary ? summary->value : "",
                              .text = text,
                              .section = section};
}

/* What a profile inherits from: of its own text before the built-in ones.
   False: nothing, or nothing that there is. */
static bool find_base(const struct cli_profile_text *text, size_t section,
                      struct cli_profile *base)
{
  const struct cli_ini_item *inherits = inherits_of(text, section);
  if (!inherits)
    return false;
  size_t found = find_section(text, inherits->value);
  if (found == text->count) {
    text = &builtin;
    found = find_section(text, inherits->value);
  }
  if (found == text->count)
    return false;
  *base = profile_at(text, found);
  return true;
}

/* --- Checking --- */

static bool is_about_profile(const char *name)
{
  return strcmp(name, "summary") == 0 || strcmp(name, "inherits") == 0;
}

static bool read_item(struct cli_settings *settings,
                      const struct cli_profile_text *text, size_t section,
                      const struct cli_ini_item *item,
                      struct cli_problem *problem)
{
  size_t option = cli_option_find(item->name, strlen(item->name));
  struct cli_origin origin = {.layer = CLI_LAYER_PROFILE,
                              .profile = text->items[section].name,
                              .file = text->path[0] ? text->path : NULL,
                              .line = item->line};
  return cli_option_read(settings, option, item->value, &origin, problem) ||
         wrong_value(problem, text, item);
}

static bool check_name(const struct cli_profile_text *text, size_t section,
                       const struct cli_ini_item *item,
                       struct cli_problem *problem)
{
  const struct cli_ini_item *before =
      find_item(text, section, (size_t)(item - text->items), item->name);
  if (before)
    return wrong_at(problem, text, item->line, item->column,
                    "`%.60s' stands in line %u already", item->name,
                    before->line);
  if (is_about_profile(item->name))
    return true;
  size_t option = cli_option_find(item->name, strlen(item->name));
  if (option == CLI_OPTION_COUNT) {
    struct cli_problem about;
    cli_option_unknown(item->name, strlen(item->name), "", &about);
    return wrong_at(problem, text, item->line, item->column, "%s", about.text);
  }
  if (!cli_option_is_for_profiles(option))
    return wrong_at(problem, text, item->line, item->column,
                    "`%s' concerns one run and cannot stand in a profile; "
                    "give it on the command line: `bamboo %s --%s'",
                    item->name, cli_commands[cli_option_command(option)].name,
                    item->name);
  return true;
}

static bool check_settings(const struct cli_profile_text *text, size_t section,
                           struct cli_problem *problem)
{
  struct cli_settings scratch;
  cli_settings_init(&scratch);
  for (size_t i = section + 1, end = section_end(text, section); i < end; i++) {
    const struct cli_ini_item *item = &text->items[i];
    if (!check_name(text, section, item, problem))
      return false;
    if (!is_about_profile(item->name) &&
        !read_item(&scratch, text, section, item, problem))
      return false;
  }
  return true;
}

static bool check_inherits(const struct cli_profile_text *text, size_t section,
                           struct cli_problem *problem)
{
  const struct cli_ini_item *inherits = inherits_of(text, section);
  struct cli_profile base;
  char words[100];
  if (!inherits)
    return true;
  if (!find_base(text, section, &base))
    return wrong_at(problem, text, inherits->line, inherits->value_column,
                    "there is no profile `%.60s'%s", inherits->value,
                    suggest(text, inherits->value, words, sizeof words));
  /* A ring that does not lead back here is found at one of its own. */
  for (size_t i = 0; i < text->count && base.text == text; i++) {
    if (base.section == section)
      return wrong_at(problem, text, inherits->line, inherits->value_column,
                      "`%.60s' inherits from itself",
                      text->items[section].name);
    if (!find_base(text, base.section, &base))
      break;
  }
  return true;
}

static bool check_section(const struct cli_profile_text *text, size_t section,
                          struct cli_problem *problem)
{
  const struct cli_ini_item *head = &text->items[section];
  size_t first = find_section(text, head->name);
  if (first != section)
    return wrong_at(problem, text, head->line, head->column,
                    "the profile `%.60s' stands in line %u already", head->name,
                    text->items[first].line);
  return check_settings(text, section, problem) &&
         check_inherits(text, section, problem);
}

static bool check(const struct cli_profile_text *text,
                  struct cli_problem *problem)
{
  if (text->count == 0)
    return wrong_at(problem, text, 1, 1,
                    "no profile in this file; one begins with a line `[name]'");
  if (!is_section(text, 0))
    return wrong_at(problem, text, text->items[0].line, text->items[0].column,
                    "a line `[name]' has to stand before the first option");
  for (size_t i = 0; i < text->count; i++)
    if (is_section(text, i) && !check_section(text, i, problem))
      return false;
  return true;
}

/* --- Reading --- */

static bool take_apart(struct cli_profile_text *text,
                       struct cli_problem *problem)
{
  struct cli_ini_error error;
  if (!cli_ini_read(text->bytes, text->length, text->items, ITEMS_MOST,
                    &text->count, &error))
    return wrong_at(problem, text, error.line, error.column, "%s", error.text);
  return check(text, problem);
}

/* Fills the text's bytes; -1 and errno when that fails.  One byte more than
   there may be tells that there are too many. */
static ssize_t read_all(int file, struct cli_profile_text *text)
{
  ssize_t bytes = 1;
  text->length = 0;
  while (bytes > 0 && text->length < sizeof text->bytes) {
    bytes = read(file, text->bytes + text->length,
                 sizeof text->bytes - text->length);
    if (bytes > 0)
      text->length += (size_t)bytes;
    else if (bytes < 0 && errno == EINTR)
      bytes = 1;
  }
  return bytes;
}

static bool read_file(struct cli_profile_text *text,
                      struct cli_problem *problem)
{
  int file = open(text->path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return cli_wrong(problem, "cannot read `%.300s': %s", text->path,
                     strerror(errno));
  ssize_t last = read_all(file, text);
  int error = errno;
  close(file);
  if (last < 0)
    return cli_wrong(problem, "cannot read `%.300s': %s", text->path,
                     strerror(error));
  if (text->length > TEXT_BYTES)
    return cli_wrong(problem, "`%.300s' has more than %d bytes", text->path,
                     TEXT_BYTES);
  return take_apart(text, problem);
}

static void read_builtin(void)
{
  struct cli_problem problem;
  if (builtin.count)
    return;
  builtin.length = sizeof builtin_profiles - 1;
  memcpy(builtin.bytes, builtin_profiles, builtin.length);
  bool done = take_apart(&builtin, &problem);
  VM_ASSERT(done);
  (void)done;
}

/* --- Finding --- */

bool cli_profile_builtin(size_t index, struct cli_profile *profile)
{
  read_builtin();
  for (size_t i = 0; i < builtin.count; i++)
    if (is_section(&builtin, i) && index-- == 0) {
      *profile = profile_at(&builtin, i);
      return true;
    }
  return false;
}

static bool is_there(const char *path)
{
  return access(path, F_OK) == 0;
}

static bool is_file_name(const char *which)
{
  return strpbrk(which, "/.#") != NULL || is_there(which);
}

/* `name` null: the first of the file. */
static bool find_in_file(const char *name, struct cli_profile *profile,
                         struct cli_problem *problem)
{
  char words[100];
  if (!read_file(&loaded, problem))
    return false;
  size_t section = name ? find_section(&loaded, name) : 0;
  if (section == loaded.count)
    return cli_wrong(problem, "there is no profile `%.60s' in `%.300s'%s", name,
                     loaded.path, suggest(&loaded, name, words, sizeof words));
  *profile = profile_at(&loaded, section);
  return true;
}

/* FILE or FILE#NAME; a file may have a # in its own name. */
static bool find_by_file(const char *which, struct cli_profile *profile,
                         struct cli_problem *problem)
{
  const char *mark = is_there(which) ? NULL : strrchr(which, '#');
  size_t length = mark ? (size_t)(mark - which) : strlen(which);
  if (length >= sizeof loaded.path)
    return cli_wrong(problem, "the name of the file is too long");
  if (mark && (length == 0 || !mark[1]))
    return cli_wrong(problem, "`%.300s' is not of the form FILE#NAME", which);
  memcpy(loaded.path, which, length);
  loaded.path[length] = 0;
  return find_in_file(mark ? mark + 1 : NULL, profile, problem);
}

bool cli_profile_find(const char *which, struct cli_profile *profile,
                      struct cli_problem *problem)
{
  char words[100];
  read_builtin();
  size_t section = find_section(&builtin, which);
  if (section < builtin.count) {
    *profile = profile_at(&builtin, section);
    return true;
  }
  if (is_file_name(which))
    return find_by_file(which, profile, problem);
  suggest(&builtin, which, words, sizeof words);
  return cli_wrong(problem, "there is no profile `%.60s' in this version%s",
                   which, words[0] ? words : "; `bamboo profiles' lists them");
}

/* --- Applying --- */

void cli_profile_apply(const struct cli_profile *profile,
                       struct cli_settings *settings)
{
  const struct cli_profile_text *text = profile->text;
  struct cli_problem problem;
  struct cli_profile base;
  if (find_base(text, profile->section, &base))
    cli_profile_apply(&base, settings);
  for (size_t i = profile->section + 1, end = section_end(text, i - 1); i < end;
       i++)
    if (!is_about_profile(text->items[i].name)) {
      bool done = read_item(settings, text, profile->section, &text->items[i],
                            &problem);
      VM_ASSERT(done);
      (void)done;
    }
}

bool cli_profile_read(struct cli_settings *settings, const char *which,
                      struct cli_problem *problem)
{
  struct cli_profile profile;
  if (!cli_profile_find(which, &profile, problem))
    return false;
  cli_profile_apply(&profile, settings);
  return true;
}
