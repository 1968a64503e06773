/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine for a C program: bamboo_create of <bamboo/native.h>.
 *
 *   words -> settings -> machine, with its engine and its compiler -> libraries
 *
 * The options are those of `bamboo run' but for what is about a command line:
 * where to start, which files, what to print instead.  BAMBOO_OPTIONS is the
 * command line's too.  Output that options ask for goes where they say, the
 * summary when the machine ends.
 *
 * Options of profiles and the choice of how the runtime itself finds memory are
 * the process's, hence the lock.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "interp/interp.h"
#include "jit_stub/jit.h"
#include "mm/handle.h"
#include "mm/native.h"
#include "vm/cli/outputs.h"
#include "vm/cli/profiles.h"
#include "vm/cli/settings.h"
#include "vm/core/natives.h"
#include "vm/core/purposes.h"
#include "vm/core/threads.h"
#include "vm/lib/output.h"
#include "vm/native/native.h"

/* What lasts as long as the machine. */
struct embedded {
  struct cli_settings settings;
  struct vm *vm;
  struct cli_outputs outputs;
};

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

static bool fail(struct bamboo_error *error, const char *text)
{
  if (error)
    snprintf(error->text, sizeof error->text, "%s", text);
  return false;
}

/* --- Options --- */

/* What a machine by itself cannot do. */
static const char *const refused[] = {"entry", "print-options", "warnings",
                                      "fail-alloc"};

static bool is_refused(const struct cli_settings *settings, const char **name)
{
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    size_t option = cli_option_find(refused[i], strlen(refused[i]));
    *name = refused[i];
    if (settings->origins[option].layer == CLI_LAYER_WORDS)
      return true;
  }
  *name = "break=help";
  return settings->list_faults;
}

static bool read_words(struct cli_settings *settings,
                       const char *const *options, size_t count,
                       struct cli_problem *problem)
{
  const char *profile = CLI_PROFILE_DEFAULT, *name;
  for (size_t i = 0; i < count; i++)
    profile = cli_word_profile(options[i], profile);
  if (!cli_profile_read(settings, profile, problem))
    return false;
  for (size_t i = 0; i < count; i++) {
    if (!cli_word_read(settings, CLI_RUN, options[i], CLI_LAYER_WORDS, problem))
      return false;
    if (settings->help)
      return cli_wrong(problem, "%s is an option of the command line",
                       options[i]);
  }
  if (is_refused(settings, &name))
    return cli_wrong(problem, "--%s is an option of the command line", name);
  return cli_settings_finish(settings, problem);
}

static bool tell_problem(const struct cli_problem *problem,
                         struct bamboo_error *error)
{
  if (error && problem->file)
    snprintf(error->text, sizeof error->text, "%s:%u:%u: %.400s", problem->file,
             problem->line, problem->column, problem->text);
  else if (error)
    snprintf(error->text, sizeof error->text, "%.500s", problem->text);
  return false;
}

/* --- The machine --- */

static void free_embedded(struct embedded *e)
{
  cli_outputs_close(&e->outputs, "bamboo");
  mm_native_free(VM_PURPOSE_COMMAND, e, sizeof *e);
}

static void destroy(struct bamboo_vm *face)
{
  struct embedded *e = vm_natives_leave(face, "destroy");
  vm_threads_stop_others(e->vm);
  vm_natives_unload(e->vm->main_thread);
  vm_output_flush(e->vm);
  cli_outputs_write_stats(&e->outputs, &e->settings, e->vm);
  if (e->settings.vm.mm.handle_origins)
    (void)mm_handles_report_leaks(e->vm->heap, stderr);
  jit_stop(e->vm);
  vm_destroy(e->vm);
  free_embedded(e);
}

static bool open_libraries(struct embedded *e, struct bamboo_error *error)
{
  struct mm_error why = {{0}};
  for (size_t i = 0; i < e->settings.native_lib_count; i++) {
    const struct cli_span *lib = &e->settings.native_libs[i];
    if (vm_natives_open(e->vm->main_thread, NULL, lib->text, lib->length,
                        &why) != MM_OK)
      return fail(error, why.text);
  }
  return true;
}

static bool start(struct embedded *e, struct bamboo_env **env,
                  struct bamboo_vm **face, struct bamboo_error *error)
{
  struct mm_error why = {{0}};
  if (jit_start(e->vm, &why) != MM_OK)
    return fail(error, why.text);
  if (!open_libraries(e, error))
    return false;
  *face = vm_natives_face(e->vm);
  if (!*face)
    return fail(error, "no memory for a machine");
  *env = vm_natives_enter(*face, e, destroy);
  return *env || fail(error, "no memory for a machine");
}

static bool create(struct embedded *e, struct bamboo_env **env,
                   struct bamboo_vm **face, struct bamboo_error *error)
{
  struct mm_error why = {{0}};
  struct cli_problem problem;
  if (!cli_outputs_open(&e->outputs, &e->settings, &problem))
    return tell_problem(&problem, error);
  if (vm_create(&e->settings.vm, interp_engine(), &e->vm, &why) != MM_OK)
    return fail(error, why.text);
  if (start(e, env, face, error))
    return true;
  jit_stop(e->vm);
  vm_destroy(e->vm);
  return false;
}

static bool read_options(struct cli_settings *settings,
                         const char *const *options, size_t count,
                         struct bamboo_error *error)
{
  struct cli_problem problem;
  pthread_mutex_lock(&reading);
  bool ok = read_words(settings, options, count, &problem) ||
            tell_problem(&problem, error);
  if (ok && mm_native_configure(settings->internal_allocator,
                                settings->vm.mm.internal_max_bytes) != MM_OK)
    ok = fail(error, "the system refuses address space");
  pthread_mutex_unlock(&reading);
  return ok;
}

struct bamboo_vm *bamboo_create(const char *const *options, size_t count,
                                struct bamboo_env **env,
                                struct bamboo_error *error)
{
  struct bamboo_vm *face = NULL;
  struct cli_settings settings;
  cli_settings_init(&settings);
  if (!read_options(&settings, options, count, error))
    return NULL;
  vm_name_purposes();
  struct embedded *e = mm_native_alloc(VM_PURPOSE_COMMAND, sizeof *e);
  if (!e) {
    fail(error, "no memory for a machine");
    return NULL;
  }
  e->settings = settings;
  e->settings.vm.mm.slot_bytes = e->settings.slot_bytes;
  if (create(e, env, &face, error))
    return face;
  free_embedded(e);
  return NULL;
}
