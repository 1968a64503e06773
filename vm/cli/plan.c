/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans in words.  An option that does nothing in a plan is refused unless
 * nobody asked for it: the default, and the profile that holds when none was
 * named, may say more than a plan needs.
 */
#include "config.h"

#include "vm/cli/plan.h"

#include <string.h>

#include "vm/cli/show.h"
#include "vm/cli/special.h"

/* --- What does nothing --- */

static bool has_no_freelist(const struct vm_options *vm)
{
  return vm->mm.tenured != MM_TENURED_FREELIST;
}

static bool has_no_regions(const struct vm_options *vm)
{
  return vm->mm.tenured != MM_TENURED_REGIONS;
}

static bool has_no_young(const struct vm_options *vm)
{
  return !vm->mm.generational;
}

/* Portions of work that a pause does: young objects, or candidates. */
static bool has_no_goal(const struct vm_options *vm)
{
  bool evacuates = vm->mm.gc == MM_GC_CONCURRENT && !has_no_regions(vm);
  return has_no_young(vm) && !evacuates;
}

static bool never_collects(const struct vm_options *vm)
{
  return vm->mm.gc == MM_GC_EPSILON;
}

static bool has_no_cycles(const struct vm_options *vm)
{
  return vm->mm.gc != MM_GC_CONCURRENT;
}

static bool compiles_nothing(const struct vm_options *vm)
{
  return vm->jit.mode == VM_JIT_OFF;
}

static bool breaks_what_is_not_compiled(const struct vm_options *vm)
{
  bool breaks_code = false;
  for (int i = 0; i < MM_FAULT_COUNT; i++)
    breaks_code |= mm_fault_is_compilers((enum mm_fault)i) &&
                   mm_fault_has(&vm->mm.faults, (enum mm_fault)i);
  return breaks_code && compiles_nothing(vm);
}

/* Nothing, or each method before it first runs, by the thread that runs it. */
static bool compiles_at_once(const struct vm_options *vm)
{
  return vm->jit.mode != VM_JIT_ON;
}

#define CLI_NEEDS_YOUNG "--generational=on or auto"

static const struct {
  const char *option;
  bool (*is_idle)(const struct vm_options *vm);
  const char *cause; /* the option that makes it idle */
  const char *needs;
} idle_options[] = {
    {"object-fit", has_no_freelist, "tenured", "--tenured=freelist"},
    {"heap-min", never_collects, "gc", "--gc=stw"},
    {"heap-growth", never_collects, "gc", "--gc=stw"},
    {"soft-ms-per-mb", never_collects, "gc", "--gc=stw"},
    {"gc-workers", never_collects, "gc", "--gc=stw"},
    {"young", has_no_young, "generational", CLI_NEEDS_YOUNG},
    {"pause-goal", has_no_goal, "generational", CLI_NEEDS_YOUNG},
    {"gc-pacing", has_no_cycles, "gc", "--gc=concurrent"},
    {"class-unloading", never_collects, "gc", "--gc=stw"},
    {"jit-threshold", compiles_at_once, "jit", CLI_NEEDS_JIT},
    {"jit-sync", compiles_at_once, "jit", CLI_NEEDS_JIT},
    {"code-cache", compiles_nothing, "jit", CLI_NEEDS_JIT},
    {"code-gc", compiles_nothing, "jit", CLI_NEEDS_JIT},
    {"jit-dump", compiles_nothing, "jit", CLI_NEEDS_JIT},
    {"perf-map", compiles_nothing, "jit", CLI_NEEDS_JIT},
    {"gdb-jit", compiles_nothing, "jit", CLI_NEEDS_JIT},
    {"break", never_collects, "gc", "--gc=stw"},
    {"break", breaks_what_is_not_compiled, "jit", CLI_NEEDS_JIT},
};

enum { IDLE_COUNT = sizeof idle_options / sizeof idle_options[0] };

static size_t option_of(const char *name)
{
  return cli_option_find(name, strlen(name));
}

const char *cli_plan_lacks(const struct cli_settings *settings, size_t option)
{
  for (size_t i = 0; i < IDLE_COUNT; i++)
    if (option_of(idle_options[i].option) == option &&
        idle_options[i].is_idle(&settings->vm))
      return idle_options[i].needs;
  return NULL;
}

static bool was_asked_for(const struct cli_settings *settings, size_t option)
{
  enum cli_layer layer = settings->origins[option].layer;
  return layer > CLI_LAYER_PROFILE ||
         (layer == CLI_LAYER_PROFILE &&
          settings->origins[option_of("profile")].layer != CLI_LAYER_DEFAULT);
}

static bool refuse(const struct cli_settings *settings, size_t option,
                   size_t cause, const char *needs, struct cli_problem *problem)
{
  char value[CLI_VALUE_BYTES], other[CLI_VALUE_BYTES];
  char origin[CLI_ORIGIN_BYTES], other_origin[CLI_ORIGIN_BYTES];
  const char *remedy = settings->origins[option].layer == CLI_LAYER_PROFILE
                           ? "choose another profile, or"
                           : "leave it out, or choose";
  return cli_wrong(
      problem, "--%s=%.60s (%s) does nothing with --%s=%s (%s); %s %s",
      cli_option_name(option), cli_option_write(settings, option, value),
      cli_origin_write(&settings->origins[option], origin),
      cli_option_name(cause), cli_option_write(settings, cause, other),
      cli_origin_write(&settings->origins[cause], other_origin), remedy, needs);
}

static bool check_idle(const struct cli_settings *settings,
                       struct cli_problem *problem)
{
  for (size_t i = 0; i < IDLE_COUNT; i++) {
    size_t option = option_of(idle_options[i].option);
    if (idle_options[i].is_idle(&settings->vm) &&
        was_asked_for(settings, option))
      return refuse(settings, option, option_of(idle_options[i].cause),
                    idle_options[i].needs, problem);
  }
  return true;
}

/* The memory manager refuses it too, but does not know who said what. */
static bool check_bounds(const struct cli_settings *settings,
                         struct cli_problem *problem)
{
  uint64_t least = settings->vm.mm.heap_min_bytes;
  uint64_t most = settings->vm.mm.heap_max_bytes;
  size_t min = option_of("heap-min"), max = option_of("heap-max");
  char value[CLI_VALUE_BYTES], other[CLI_VALUE_BYTES];
  char origin[CLI_ORIGIN_BYTES], other_origin[CLI_ORIGIN_BYTES];
  if (most == 0 || least <= most)
    return true;
  return cli_wrong(problem,
                   "--heap-min=%s (%s) is larger than --heap-max=%s (%s)",
                   cli_option_write(settings, min, value),
                   cli_origin_write(&settings->origins[min], origin),
                   cli_option_write(settings, max, other),
                   cli_origin_write(&settings->origins[max], other_origin));
}

void cli_plan_settle(struct cli_settings *settings)
{
  size_t generational = option_of("generational");
  if (!never_collects(&settings->vm) || was_asked_for(settings, generational))
    return;
  settings->vm.mm.generational = MM_GENERATIONAL_OFF;
  settings->origins[generational] = (struct cli_origin){0};
}

bool cli_plan_check(const struct cli_settings *settings,
                    struct cli_problem *problem)
{
  return check_idle(settings, problem) && check_bounds(settings, problem);
}

/* --- What it is made of --- */

static const char *const fit_texts[] = {
    [MM_FIT_SLOTS] = "slots, and a freelist above 2K",
    [MM_FIT_FREELIST] = "freelist",
};

static const char *object_allocator(const struct cli_settings *settings)
{
  const struct mm_options *mm = &settings->vm.mm;
  return mm->tenured == MM_TENURED_REGIONS ? "TLABs of bump regions"
                                           : fit_texts[mm->object_fit];
}

static const char *nonmoving_allocator(const struct cli_settings *settings)
{
  return fit_texts[settings->vm.mm.nonmoving_fit];
}

static const char *internal_allocator(const struct cli_settings *settings)
{
  static const char *const texts[] = {
      [MM_NATIVE_SLOTS] = "slots, and a freelist above 2K",
      [MM_NATIVE_FREELIST] = "freelist",
      [MM_NATIVE_SYSTEM] = "the C library's",
  };
  return texts[settings->internal_allocator];
}

static const char *compiler_allocator(const struct cli_settings *settings)
{
  (void)settings;
  return "linked arenas";
}

static const char *code_allocator(const struct cli_settings *settings)
{
  (void)settings;
  return "code blocks, freelist with coalescing";
}

static const char *metadata_allocator(const struct cli_settings *settings)
{
  (void)settings;
  return "arenas, one per loader";
}

static const struct {
  const char *name, *holds;
  const char *(*allocator)(const struct cli_settings *settings);
  const char *choices; /* all that can serve it */
} spaces[] = {
    {"object", "what programs make", object_allocator,
     "TLAB and bump, or slots, or freelist (--tenured, --object-fit)"},
    {"non-moving", "class mirrors, pinned objects", nonmoving_allocator,
     "slots, freelist (--nonmoving-fit)"},
    {"internal", "structures of the runtime", internal_allocator,
     "slots, freelist, the C library's (--internal-allocator)"},
    {"compiler", "what a compilation needs", compiler_allocator, "arena"},
    {"code", "machine code", code_allocator, "code"},
    {"metadata", "classes and methods", metadata_allocator, "arena"},
};

enum { SPACE_COUNT = sizeof spaces / sizeof spaces[0] };

static void print_plan_line(const struct mm_options *mm, FILE *out)
{
  static const char *const gc_texts[] = {
      [MM_GC_EPSILON] = "never collects",
      [MM_GC_STW] = "collects with the world stopped",
      [MM_GC_CONCURRENT] = "collects beside the program",
  };
  static const char *const generational_texts[] = {
      [MM_GENERATIONAL_OFF] = "all objects at once",
      [MM_GENERATIONAL_ON] = "young objects apart",
      [MM_GENERATIONAL_AUTO] = "young objects apart while that pays",
  };
  fprintf(out, "  %-11s %s", "plan", gc_texts[mm->gc]);
  if (mm->gc != MM_GC_EPSILON)
    fprintf(out, ", %s, %s", generational_texts[mm->generational],
            mm->tenured == MM_TENURED_REGIONS ? "copies or compacts"
                                              : "moves nothing");
  putc('\n', out);
}

void cli_plan_print(const struct cli_settings *settings, FILE *out)
{
  print_plan_line(&settings->vm.mm, out);
  for (size_t i = 0; i < SPACE_COUNT; i++)
    fprintf(out, "  %-11s %s\n", spaces[i].name, spaces[i].allocator(settings));
}

/* --- What there is --- */

static const struct {
  const char *name, *does;
} allocators[] = {
    {"bump", "a pointer and a limit"},
    {"TLAB", "a thread's own piece of a region"},
    {"slots", "runs of equal slots by size class"},
    {"freelist", "segregated free lists with coalescing"},
    {"arena", "linked arenas, freed at once"},
    {"code", "blocks of machine code, found by address"},
};

static void print_choices(const char *name, const struct cli_choice *choices,
                          FILE *out)
{
  fprintf(out, "  --%s=", name);
  for (size_t i = 0, printed = 0; choices[i].name; i++)
    if (choices[i].available)
      fprintf(out, "%s%s", printed++ ? "|" : "", choices[i].name);
  putc('\n', out);
}

void cli_plan_print_all(FILE *out)
{
  fputs("plans, composed of\n", out);
  print_choices("gc", cli_gc_choices, out);
  print_choices("generational", cli_generational_choices, out);
  print_choices("tenured", cli_tenured_choices, out);
  print_choices("object-fit", cli_fit_choices, out);
  print_choices("nonmoving-fit", cli_fit_choices, out);
  print_choices("internal-allocator", cli_internal_choices, out);
  print_choices("jit", cli_jit_choices, out);
  fputs("allocators\n", out);
  for (size_t i = 0; i < sizeof allocators / sizeof allocators[0]; i++)
    fprintf(out, "  %-11s %s\n", allocators[i].name, allocators[i].does);
  fputs("spaces, and the allocators that serve them\n", out);
  for (size_t i = 0; i < SPACE_COUNT; i++)
    fprintf(out, "  %-11s %s\n  %-11s by %s\n", spaces[i].name, spaces[i].holds,
            "", spaces[i].choices);
}
