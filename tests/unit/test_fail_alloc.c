/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running out of native memory, everywhere: whole lives of a machine (read,
 * assemble, load, verify, run or print, destroy), with the K-th allocation
 * failing, alone or with all that follow, for every K until a life goes by in
 * which nothing was left to fail.
 *
 * Each life has to end as it does with memory enough, or to say that memory
 * ran out: by a status with a text, by a diagnostic, by an OutOfMemoryError
 * that nothing caught.  Whatever it is, no purpose may have a byte more after
 * it than before.
 *
 * A program with a handler for everything may catch OutOfMemoryError and go
 * on: how it ends then is right, but not the same, so that it is enough that
 * one was thrown.
 *
 *   BAMBOO_TEST_STEP=N     each N-th K, where a life takes long
 *                          (ThreadSanitizer) or was lived before (the
 *                          tarball); but no fewer than each seventh of lives
 *                          with several threads, or with ThreadSanitizer
 *                          each 21st
 *   BAMBOO_FAIL_FROM=K     begins at K, for a debugger
 *   BAMBOO_FAIL_ONLY=NAME  lives only those with NAME in their name
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interp/interp.h"
#include "jit_stub/jit.h"
#include "tests/unit/suite.h"
#include "vm/asm/asm.h"
#include "vm/core/object.h"
#include "vm/core/purposes.h"
#include "vm/core/runtime.h"
#include "vm/verify/verify.h"

enum { FILES_MAX = 4, COMPLAINTS_MAX = 5, MIB = 1 << 20 };
#ifdef BAMBOO_TSAN
enum { STEP_MAX = 21 };
#else
enum { STEP_MAX = 7 };
#endif

enum what { RUN, VERIFY, DISASSEMBLE };

/* Whose structures have to be there, and who makes do without. */
struct plan {
  enum mm_gc gc;
  enum mm_generational generational;
  enum mm_tenured tenured;
};

struct life {
  enum what what;
  enum vm_outcome outcome;      /* in peace */
  const char *files[FILES_MAX]; /* below top_srcdir, or from the root */
  bool from_birth;         /* failures begin before the machine is created */
  bool has_argument;       /* the program gets one */
  bool catches_errors;     /* it catches whatever is thrown */
  bool is_unverified;      /* for heaps that take long to verify */
  bool has_threads;        /* the program starts some */
  unsigned workers;        /* 0: one */
  uint64_t stress;         /* collections forced, with the heap verified */
  uint64_t turns, turn;    /* of so many lives, this one has each such K */
  const struct plan *plan; /* NULL: the default */
  enum compiler {
    WITHOUT,
    AT_ONCE, /* --jit=always */
    HERE,    /* the second time, by the thread that runs it */
    BESIDE,  /* by another */
    WATCHED, /* at once, and told to gdb and listed */
  } compiler;
};

/* How one ended. */
struct ending {
  enum mm_status created;
  enum vm_outcome outcome;
  bool assembled, loaded, complete;
  bool out_of_memory; /* and that was told */
  int status;
  char *out, *err;
};

/* One under way. */
struct stage {
  const struct life *life;
  struct ending *ending;
  uint64_t fail_at;
  bool and_after;
  struct vm_module *modules[FILES_MAX];
  struct vm_diags diags;
  struct vm *vm;
  FILE *out, *err, *dump;
};

/* --- Acts --- */

static void assemble(struct stage *s)
{
  const char *top = getenv("top_srcdir");
  s->ending->assembled = true;
  for (unsigned i = 0; i < FILES_MAX && s->life->files[i]; i++) {
    const char *file = s->life->files[i];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", top ? top : ".", file);
    s->modules[i] = vm_assemble_file(file[0] == '/' ? file : path, &s->diags);
    s->ending->assembled &= s->modules[i] != NULL;
  }
}

static struct vm_options options_of(const struct stage *s)
{
  struct vm_options options;
  vm_options_init(&options);
  options.mm.heap_max_bytes = 8 * MIB;
  options.mm.heap_min_bytes = MIB;
  options.mm.workers = s->life->workers ? s->life->workers : 1;
  if (s->life->plan) {
    options.mm.gc = s->life->plan->gc;
    options.mm.generational = s->life->plan->generational;
    options.mm.tenured = s->life->plan->tenured;
  }
  options.mm.stress_alloc = s->life->stress;
  if (s->life->is_unverified)
    options.mm.verify = 0;
  else if (s->life->stress)
    options.mm.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
  options.stack_bytes = MIB;
  options.out = s->out;
  options.err = s->err;
  return options;
}

static void choose_compiler(struct stage *s, struct vm_jit_options *jit)
{
  enum compiler compiler = s->life->compiler;
  bool at_once = compiler == AT_ONCE || compiler == WATCHED;
  jit->mode = at_once ? VM_JIT_ALWAYS : compiler ? VM_JIT_ON : VM_JIT_OFF;
  jit->threshold = 2;
  jit->sync = compiler == HERE;
  if (compiler != WATCHED)
    return;
  s->dump = fopen("/dev/null", "w");
  jit->gdb = true;
  jit->dump = s->dump;
  jit->dump_methods = "*";
  jit->dump_methods_bytes = 1;
}

static bool create(struct stage *s)
{
  struct vm_options options = options_of(s);
  struct mm_error error = {{0}};
  choose_compiler(s, &options.jit);
  s->ending->created = vm_create(&options, interp_engine(), &s->vm, &error);
  if (s->ending->created == MM_OK)
    s->ending->created = jit_start(s->vm, &error);
  if (s->ending->created == MM_OK)
    return true;
  fprintf(s->err, "%s\n", error.text);
  s->ending->out_of_memory =
      (s->ending->created == MM_NO_MEMORY && strstr(error.text, "memory")) ||
      (s->ending->created == MM_OS_FAILED &&
       strstr(error.text, "cannot start"));
  return false;
}

static bool load(struct stage *s)
{
  s->ending->loaded = true;
  for (unsigned i = 0; i < FILES_MAX && s->modules[i]; i++) {
    s->ending->loaded &= vm_load_module(s->vm, s->modules[i], &s->diags);
    s->modules[i] = NULL;
  }
  return s->ending->loaded;
}

/* An error made beforehand gets its message when it is thrown. */
static bool was_thrown(struct mm_ref error)
{
  return !mm_is_null(vm_object_ref(error, VM_EXCEPTION_MESSAGE_OFFSET));
}

static void run(struct stage *s)
{
  static char word[] = "10000";
  char *const words[] = {word};
  struct mm_error error = {{0}};
  struct ending *ending = s->ending;
  ending->outcome = vm_run(s->vm, "_GLOBAL::main", s->life->has_argument, words,
                           &ending->status, &error);
  if (ending->outcome == VM_RUN_OUT_OF_MEMORY)
    ending->out_of_memory = strstr(error.text, "memory") != NULL;
  if (s->life->catches_errors)
    ending->out_of_memory |= was_thrown(s->vm->out_of_memory);
}

static void verify(struct stage *s)
{
  for (struct vm_module *m = s->vm->boot->modules; m; m = m->next)
    s->ending->status += (int)vm_verify_module_strict(s->vm, m, &s->diags);
}

static void disassemble(struct stage *s)
{
  s->ending->complete = vm_disassemble(s->modules[0], s->out, NULL, NULL);
  s->ending->out_of_memory = !s->ending->complete;
}

static void act(struct stage *s)
{
  bool is_made = s->life->what == DISASSEMBLE;
  if (!s->life->from_birth && !is_made)
    is_made = create(s);
  mm_native_fail_at(s->fail_at, s->and_after);
  assemble(s);
  if (!s->ending->assembled || (!is_made && !create(s)))
    return;
  if (s->life->what == DISASSEMBLE)
    disassemble(s);
  else if (!load(s))
    return;
  else if (s->life->what == RUN)
    run(s);
  else
    verify(s);
}

static void clean_up(struct stage *s)
{
  if (s->vm) {
    jit_stop(s->vm);
    vm_destroy(s->vm);
  }
  if (s->dump)
    fclose(s->dump);
  for (unsigned i = 0; i < FILES_MAX; i++)
    vm_module_destroy(s->modules[i]);
  s->ending->out_of_memory |= s->diags.out_of_memory;
  vm_diags_print(&s->diags, s->err, false);
  vm_diags_destroy(&s->diags);
}

/* True when the failure came to pass. */
static bool live(const struct life *life, uint64_t fail_at, bool and_after,
                 struct ending *ending)
{
  struct stage s = {.life = life,
                    .ending = ending,
                    .fail_at = fail_at,
                    .and_after = and_after};
  size_t out_bytes, err_bytes;
  *ending = (struct ending){.status = 0};
  s.out = open_memstream(&ending->out, &out_bytes);
  s.err = open_memstream(&ending->err, &err_bytes);
  ck_assert(s.out && s.err);
  vm_diags_init(&s.diags);
  act(&s);
  clean_up(&s);
  bool failed = mm_native_has_failed();
  mm_native_fail_at(0, false);
  fclose(s.out);
  fclose(s.err);
  if (strstr(ending->err, "Unhandled exception") && /* of whatever thread */
      strstr(ending->err, ": panda.OutOfMemoryError"))
    ending->out_of_memory = true;
  if (strstr(ending->err, "bamboo: warning: no memory to tell gdb of "))
    ending->out_of_memory = true;
  return failed;
}

static void forget(struct ending *ending)
{
  free(ending->out);
  free(ending->err);
}

/* --- Whole lives, each cut short everywhere --- */

static bool same_ending(const struct ending *a, const struct ending *b)
{
  return a->created == b->created && a->outcome == b->outcome &&
         a->assembled == b->assembled && a->loaded == b->loaded &&
         a->complete == b->complete && a->status == b->status &&
         strcmp(a->out, b->out) == 0 && strcmp(a->err, b->err) == 0;
}

static void take_stock(uint64_t bytes[MM_PURPOSE_COUNT])
{
  for (unsigned p = 0; p < MM_PURPOSE_COUNT; p++)
    bytes[p] = mm_native_bytes(p);
}

static void print_ending(const struct ending *e)
{
  printf("created %d, assembled %d, loaded %d, outcome %d, status %d\n"
         "--- out\n%s--- err\n%s---\n",
         e->created, e->assembled, e->loaded, e->outcome, e->status, e->out,
         e->err);
}

/* The tables of the allocators stay, and grow with threads. */
static unsigned find_leaks(const uint64_t before[MM_PURPOSE_COUNT])
{
  unsigned leaks = 0;
  for (unsigned p = 0; p < MM_PURPOSE_COUNT; p++)
    if (p != MM_PURPOSE_ALLOCATORS && mm_native_bytes(p) != before[p]) {
      printf("%s: %lld bytes more than before\n", mm_purpose_text(p),
             (long long)(mm_native_bytes(p) - before[p]));
      leaks++;
    }
  return leaks;
}

/* Lives once; 1 when it went wrong.  `failed`: something did fail. */
static unsigned live_and_judge(const struct life *life,
                               const struct ending *wanted, uint64_t k,
                               bool and_after, bool *failed)
{
  uint64_t before[MM_PURPOSE_COUNT];
  struct ending ending;
  take_stock(before);
  *failed = live(life, k, and_after, &ending);
  bool fine = same_ending(&ending, wanted) || (*failed && ending.out_of_memory);
  if (!fine)
    print_ending(&ending);
  fine &= find_leaks(before) == 0;
  if (!fine)
    printf("^^^ %s, allocation %llu%s\n", life->files[0], (unsigned long long)k,
           and_after ? " and all that follow" : "");
  forget(&ending);
  return !fine;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
  const char *text = getenv(name);
  return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

static bool is_of_one_thread(const struct life *life)
{
  return !life->has_threads && life->workers <= 1 && !life->plan;
}

static uint64_t step_of(const struct life *life)
{
  uint64_t step = number_of("BAMBOO_TEST_STEP", 1);
  if (step < 1)
    step = 1;
  if (step > STEP_MAX && !is_of_one_thread(life))
    step = STEP_MAX;
  return life->turns > step ? life->turns : step;
}

/* How many failures went wrong. */
static unsigned fail_each(const struct life *life, const struct ending *wanted,
                          bool and_after)
{
  unsigned wrong = 0;
  uint64_t step = step_of(life);
  uint64_t k = number_of("BAMBOO_FAIL_FROM", 1 + life->turn);
  for (bool failed = true; failed && wrong < COMPLAINTS_MAX; k += step)
    wrong += live_and_judge(life, wanted, k, and_after, &failed);
  ck_assert_msg(k > 10, "%s: hardly anything was allocated", life->files[0]);
  return wrong;
}

/* The first life is lived in peace, to know how it ends. */
static void fail_everywhere(const struct life *life)
{
  const char *only = getenv("BAMBOO_FAIL_ONLY");
  struct ending wanted;
  if (only && !strstr(life->files[0], only))
    return;
  live(life, 0, false, &wanted);
  if (wanted.outcome != life->outcome || wanted.out_of_memory) {
    print_ending(&wanted);
    fflush(stdout);
    ck_abort_msg("%s does not even end well in peace", life->files[0]);
  }
  unsigned wrong = fail_each(life, &wanted, false);
  wrong += fail_each(life, &wanted, true);
  forget(&wanted);
  fflush(stdout);
  ck_assert_msg(wrong == 0, "%s: %u endings are wrong", life->files[0], wrong);
}

/* --- Programs of the source tree --- */

#define PROGRAM "programs/"
#define CONFORMANCE "tests/conformance/"
#define SUPPORT CONFORMANCE "support/"
#define PRINT SUPPORT "print.pa"

START_TEST(a_machine_is_made_or_says_that_memory_ran_out)
{
  static const struct life life = {
      .files = {PROGRAM "hello.pa"}, .from_birth = true, .workers = 3};
  fail_everywhere(&life);
}
END_TEST

static const struct life programs[] = {
    {.files = {PROGRAM "exceptions.pa"}},
    {.files = {PROGRAM "strings.pa"}},
    {.files = {PROGRAM "class-init.pa"}, .catches_errors = true},
    {.files = {PROGRAM "literal-arrays.pa"}},
    {.files = {PROGRAM "multi-dim.pa"}},
    {.files = {PROGRAM "deep-recursion.pa"}},
    {.files = {PROGRAM "two-files/main.pa", PROGRAM "two-files/lib.pa"}},
    {.files = {PROGRAM "uncaught.pa"}, .outcome = VM_UNCAUGHT},
    {.files = {PROGRAM "threads.pa"}, .has_threads = true},
    {.files = {PROGRAM "thread-uncaught.pa"}, .has_threads = true},
    {.files = {PROGRAM "deadlock.pa"},
     .outcome = VM_DEADLOCKED,
     .has_threads = true},
    {.files = {CONFORMANCE "uncaught-own.pa"}, .outcome = VM_UNCAUGHT},
    {.files = {CONFORMANCE "exit-call.pa"},
     .outcome = VM_EXITED,
     .catches_errors = true},
    {.files = {CONFORMANCE "casts.pa", PRINT}},
    {.files = {CONFORMANCE "handlers.pa", PRINT}},
    {.files = {CONFORMANCE "library.pa", PRINT}},
    {.files = {CONFORMANCE "linking.pa", PRINT, SUPPORT "linked.pa"}},
    {.files = {CONFORMANCE "messages.pa", PRINT}},
    {.files = {CONFORMANCE "monitors.pa", PRINT},
     .catches_errors = true,
     .has_threads = true},
    {.files = {CONFORMANCE "objects.pa", PRINT}, .has_argument = true},
    {.files = {CONFORMANCE "oddities.pa", PRINT}},
    {.files = {CONFORMANCE "overflow.pa", PRINT}, .has_argument = true},
    {.files = {CONFORMANCE "verify-late.pa", PRINT}},
};

START_TEST(programs_end_as_ever_or_by_an_error_of_memory)
{
  fail_everywhere(&programs[_i]);
}
END_TEST

#ifdef BAMBOO_JIT
static const char *const compiled_programs[] = {
    PROGRAM "exceptions.pa",     PROGRAM "class-init.pa", PROGRAM "shapes.pa",
    PROGRAM "multi-dim.pa",      PROGRAM "strings.pa",    PROGRAM "threads.pa",
    PROGRAM "literal-arrays.pa",
};
enum {
  COMPILED_PROGRAMS = sizeof compiled_programs / sizeof compiled_programs[0]
};

START_TEST(what_cannot_be_compiled_for_want_of_memory_is_interpreted)
{
  const char *file = compiled_programs[_i / WATCHED];
  enum compiler compiler = (enum compiler)(1 + _i % WATCHED);
  bool has_threads = strstr(file, "threads") || compiler == BESIDE;
  fail_everywhere(&(struct life){.files = {file},
                                 .compiler = compiler,
                                 .catches_errors = strstr(file, "class-init"),
                                 .has_threads = has_threads,

                                 .turns = WATCHED,
                                 .turn = (uint64_t)_i % WATCHED});
}
END_TEST
#endif

START_TEST(strict_findings_are_complete_or_memory_ran_out)
{
  static const struct life lives[] = {
      {VERIFY, .files = {"tests/verify/access.pa"}},
      {VERIFY, .files = {"tests/verify/calls.pa"}},
      {VERIFY, .files = {"tests/verify/flow.pa"}},
  };
  for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++)
    fail_everywhere(&lives[i]);
}
END_TEST

START_TEST(a_disassembly_is_complete_or_says_that_it_is_not)
{
  static const struct life lives[] = {
      {DISASSEMBLE, .files = {CONFORMANCE "handlers.pa"}},
      {DISASSEMBLE, .files = {CONFORMANCE "lexical.pa"}},
  };
  for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++)
    fail_everywhere(&lives[i]);
}
END_TEST

/* --- Programs made here --- */

static char made_file[64];

/* Fails everywhere with what `write` writes as the only file of the life. */
static void fail_made(struct life life, void (*write)(FILE *file))
{
  strcpy(made_file, "/tmp/bamboo-fail-alloc.XXXXXX");
  int fd = mkstemp(made_file);
  FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
  ck_assert_ptr_nonnull(file);
  write(file);
  fclose(file);
  life.files[0] = made_file;
  fail_everywhere(&life);
  unlink(made_file);
}

static const char prelude[] =
    ".record panda.String <external>\n.record panda.Object <external>\n"
    ".record panda.StackOverflowException <external>\n"
    ".record panda.NoSuchMethodError <external>\n"
    ".record IO <external>\n.record Object <external>\n"
    ".record System <external>\n"
    ".function void IO.printString(panda.String a0) <external>\n"
    ".function void IO.printI32(i32 a0) <external>\n"
    ".function void Object.monitorEnter(panda.Object a0) <external>\n"
    ".function u8 System.compileMethod(panda.String a0) <external>\n";

/* More records, strings and letters than the first tables and buffers hold. */
static void write_large(FILE *file)
{
  fputs(prelude, file);
  for (int i = 0; i < 700; i++)
    fprintf(file, "# %99d\n", i);
  for (int i = 0; i < 90; i++)
    fprintf(file, ".record R%d {\ni32 f%d\n}\n", i, i);
  fputs(".function i32 main() {\n", file);
  for (int i = 0; i < 270; i++)
    fprintf(file, "lda.str \"s%d\"\n", i);
  fputs("sta.obj v0\ncall IO.printString, v0\nldai 0\nreturn\n}\n", file);
}

START_TEST(tables_and_buffers_grow_or_memory_ran_out)
{
  fail_made((struct life){.from_birth = false}, write_large);
}
END_TEST

/* What is rare: a monitor that outgrows its object, a class of arrays that
   only a handler or a name in a string asks for, five sizes at once, a
   message that fits no buffer. */
static void write_rare(FILE *file)
{
  char name[400];
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = 0;
  fputs(prelude, file);
  fprintf(file,
          ".record R {}\n.record S <extends=R> {}\n"
          ".record i32[][][][][] <external>\n"
          ".function void i32[][][][][].ctor(i32[][][][][] a0, i32 a1, "
          "i32 a2, i32 a3, i32 a4, i32 a5) <ctor, external>\n"
          ".function void R.%s(R a0) <external>\n"
          ".function i32 thrown() {\nmovi v0, 1\nnewarr v1, v0, S[][]\n"
          "b:\nthrow v1\ne:\nc:\nlenarr v1\nreturn\n"
          ".catch R[][], b, e, c\n}\n"
          ".function i32 locked() {\nmovi v1, 66000\nnewobj v0, R\n"
          "b:\ncall Object.monitorEnter, v0\ninci v1, -1\nlda v1\n"
          "jnez b\nldai 1\nreturn\n}\n",
          name);
  fprintf(file,
          ".function i32 compiled() {\nlda.str \"S[][][]::x\"\nsta.obj v0\n"
          "call System.compileMethod, v0\nreturn\n}\n"
          ".function i32 long() {\nnewobj v0, R\nb:\ncall R.%s, v0\ne:\n"
          "ldai 0\nreturn\nc:\nldai 1\nreturn\n"
          ".catch panda.NoSuchMethodError, b, e, c\n}\n"
          ".function i32 main(panda.String[] a0) {\ncall thrown\nsta v0\ncall "
          "locked\n"
          "add2 v0\nsta v0\ncall compiled\nadd2 v0\nsta v0\ncall long\n"
          "add2 v0\nsta v0\ncall IO.printI32, v0\nmovi v1, 1\nmovi v2, 1\n"
          "movi v3, 1\nmovi v4, 1\nmovi v5, 1\n"
          "initobj.range i32[][][][][].ctor, v1\nsta.obj v6\nlenarr v6\n"
          "return\n}\n",
          name);
}

START_TEST(rare_needs_are_met_or_memory_ran_out)
{
  fail_made((struct life){.has_argument = true}, write_rare);
}
END_TEST

/* Lists that live and lists that die, with new strings between them. */
static void write_garbage(FILE *file)
{
  fputs(prelude, file);
  fputs(".record N {\nN next\npanda.Object[] o\n}\n"
        ".function N list(i32 a0) {\nmov.null v0\nb:\nmov.obj v1, v0\n"
        "newobj v0, N\nlda.obj v1\nstobj.obj v0, N.next\n"
        "movi v2, 5\nnewarr v2, v2, panda.Object[]\nlda.obj v2\n"
        "stobj.obj v0, N.o\ninci a0, -1\nlda a0\njnez b\nlda.obj v0\n"
        "return.obj\n}\n"
        ".function i32 main() {\nmovi v0, 20\ncall list, v0\nsta.obj v1\n"
        "movi v2, 3\nb:\ncall list, v0\ninci v2, -1\nlda v2\njnez b\n"
        "n:\ninci v2, 1\nlda.obj v1\nldobj.obj v1, N.next\nsta.obj v1\n"
        "jnez.obj n\nlda v2\nreturn\n}\n",
        file);
}

START_TEST(collections_make_do_with_what_there_is)
{
  fail_made((struct life){.workers = 2, .stress = 9}, write_garbage);
}
END_TEST

#ifdef BAMBOO_JIT
/* Arrays of kinds that nothing else asks for, and of new strings.  What is null
   where memory ran out changes the status. */
static void write_constants(FILE *file)
{
  enum { STRINGS = 300 };
  static const char *const kinds[] = {"i8", "u16", "f32", "f64"};
  fputs(prelude, file);
  for (int i = 0; i < 4; i++)
    fprintf(file, ".array a%d %s 2 { 1 2 }\n", i, kinds[i]);
  fprintf(file, ".array a4 panda.String %d {", STRINGS);
  for (int i = 0; i < STRINGS; i++)
    fprintf(file, " \"s%d\"", i);
  fputs(" }\n.function i32 main() {\n", file);
  for (int i = 0; i <= 4; i++)
    fprintf(file, "lda.const v0, a%d\nlda.obj v0\njeqz.obj null\n", i);
  fputs("ldai 7\nreturn\nnull:\nldai 8\nreturn\n}\n", file);
}

START_TEST(constants_of_compiled_code_are_made_or_memory_ran_out)
{
  fail_made((struct life){.compiler = AT_ONCE}, write_constants);
}
END_TEST
#endif

/* One that is fit, with what a class can have, one whose base is nowhere, and
   one that does not assemble, each twice. */
static void write_modules(FILE *file)
{
  fputs(".record panda.LoadException <external>\n"
        ".record panda.Loader <external>\n.record Plugin {}\n"
        ".function i32 Plugin.use(Plugin a0) {\nldai 1\nreturn\n}\n"
        ".function panda.Loader panda.Loader.loadText(panda.String a0, "
        "panda.String a1) <external>\n"
        ".function panda.Object panda.Loader.create(panda.Loader a0, "
        "panda.String a1) <external>\n"
        ".function i32 panda.Loader.invoke(panda.Loader a0, "
        "panda.String a1) <external>\n",
        file);
  fputs(prelude, file);
  fputs(
      ".function panda.Loader load(panda.String a0) {\n"
      "lda.str \"module.pa\"\nsta.obj v0\n"
      "call panda.Loader.loadText, a0, v0\nreturn.obj\n}\n"
      ".function i32 refused(panda.String a0) {\nb:\ncall load, a0\n"
      "ldai 100\nreturn\ne:\nh:\nldai 2\nreturn\n"
      ".catch panda.LoadException, b, e, h\n}\n"
      ".function i32 fit() {\nlda.str \".record Plugin <external>\\n"
      ".record Impl <extends=Plugin> {\\ni32 n <static>\\nImpl[] all <static>"
      "\\n}\\n.function i32 Impl.use(Impl a0) {\\nldstatic Impl.n\\naddi 20"
      "\\nreturn\\n}\\n.function void Impl.ctor(Impl a0) <ctor> {\\nmovi v0, 3"
      "\\nnewarr v0, v0, Impl[]\\nlda.obj v0\\nststatic.obj Impl.all\\n"
      "return.void\\n}\\n.function i32 n() {\\nldai 30\\nreturn\\n}\"\n"
      "sta.obj v0\ncall load, v0\nsta.obj v0\nlda.str \"Impl\"\n"
      "sta.obj v1\ncall panda.Loader.create, v0, v1\ncheckcast Plugin\n"
      "sta.obj v1\ncall.virt Plugin.use, v1\nsta v2\n"
      "lda.str \"_GLOBAL::n\"\nsta.obj v1\n"
      "call panda.Loader.invoke, v0, v1\nadd2 v2\nreturn\n}\n",
      file);
  fputs(".function i32 main() {\nmovi v0, 0\nmovi v1, 2\nnext:\n"
        "call fit\nadd2 v0\nsta v0\n"
        "lda.str \".record A <extends=B> {}\\n.record B <external>\"\n"
        "sta.obj v2\ncall refused, v2\nadd2 v0\nsta v0\n"
        "lda.str \".record A {\\nX x\\n}\"\n"
        "sta.obj v2\ncall refused, v2\nadd2 v0\nsta v0\n"
        "inci v1, -1\nlda v1\njnez next\nlda v0\nreturn\n}\n",
        file);
}

START_TEST(modules_are_loaded_or_memory_ran_out)
{
  fail_made((struct life){.stress = 3}, write_modules);
#ifdef BAMBOO_JIT
  fail_made((struct life){.compiler = AT_ONCE}, write_modules);
#endif
}
END_TEST

/* --- Every plan --- */

static const struct plan plans[] = {
    {MM_GC_STW, MM_GENERATIONAL_ON, MM_TENURED_REGIONS},
    {MM_GC_STW, MM_GENERATIONAL_ON, MM_TENURED_FREELIST},
    {MM_GC_STW, MM_GENERATIONAL_OFF, MM_TENURED_FREELIST},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_OFF, MM_TENURED_FREELIST},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_OFF, MM_TENURED_REGIONS},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_ON, MM_TENURED_REGIONS},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_ON, MM_TENURED_FREELIST},
    {MM_GC_STW, MM_GENERATIONAL_AUTO, MM_TENURED_REGIONS},
    {MM_GC_STW, MM_GENERATIONAL_AUTO, MM_TENURED_FREELIST},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_AUTO, MM_TENURED_REGIONS},
    {MM_GC_CONCURRENT, MM_GENERATIONAL_AUTO, MM_TENURED_FREELIST},
};

enum { PLANS = sizeof plans / sizeof plans[0] };

/* Threads that collect or mark, their stacks, their places in slots. */
START_TEST(a_heap_of_each_plan_is_made_or_says_that_memory_ran_out)
{
  struct life life = {.files = {PROGRAM "hello.pa"},
                      .from_birth = true,
                      .workers = 3,
                      .plan = &plans[_i]};
  fail_everywhere(&life);
}
END_TEST

/* Logs of barriers, and what a thread has of the heap.  Which request is the
   K-th differs from run to run, since threads race for it: plans take turns,
   so that each K is met by three or four of them.  What is a plan's own is met
   at every K by the tests before and after this one. */
START_TEST(threads_of_each_plan_end_as_ever_or_by_an_error_of_memory)
{
  static const char *const files[] = {PROGRAM "threads.pa",
                                      PROGRAM "thread-uncaught.pa",
                                      CONFORMANCE "monitors.pa"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    struct life life = {.files = {files[i], i == 2 ? PRINT : NULL},
                        .catches_errors = i == 2,
                        .workers = 2,
                        .stress = 5,
                        .turns = 3,
                        .turn = (uint64_t)_i % 3,
                        .plan = &plans[_i]};
    fail_everywhere(&life);
  }
}
END_TEST

START_TEST(collections_of_each_plan_make_do_with_what_there_is)
{
  fail_made((struct life){.workers = 2, .stress = 9, .plan = &plans[_i]},
            write_garbage);
}
END_TEST

/*
 * An old array with a young chain on each card, which are more than one log
 * holds, three times over; then all chains are walked.
 */
static void write_remembered(FILE *file)
{
  fputs(prelude, file);
  fputs(".record N {\nN next\nN other\n}\n"
        ".function N chain() {\nmovi v0, 3\nmov.null v1\n"
        "next:\nnewobj v2, N\nstobj.v.obj v1, v2, N.next\n"
        "stobj.v.obj v1, v2, N.other\nmov.obj v1, v2\n"
        "inci v0, -1\nlda v0\njnez next\nlda.obj v1\nreturn.obj\n}\n",
        file);
  fputs(".function i32 length(N a0) {\nmovi v0, 0\n"
        "next:\nlda.obj a0\njeqz.obj end\ninci v0, 1\n"
        "ldobj.v.obj a0, a0, N.next\njmp next\nend:\nlda v0\nreturn\n}\n",
        file);
  fputs(".function void fill(N[] a0) {\nmovi v0, 0\n"
        "next:\ncall chain\nstarr.obj a0, v0\naddiv v0, v0, 120\n"
        "lenarr a0\njgt v0, next\nreturn.void\n}\n"
        ".function i32 lengths(N[] a0) {\nmovi v0, 0\nmovi v1, 0\n"
        "next:\nlda v0\nldarr.obj a0\nsta.obj v2\ncall length, v2\n"
        "add2v v1, v1\naddiv v0, v0, 120\nlenarr a0\njgt v0, next\n"
        "lda v1\nreturn\n}\n",
        file);
  fputs(".function i32 main() {\nmovi v0, 150000\nnewarr v1, v0, N[]\n"
        "movi v0, 3\nround:\ncall fill, v1\ninci v0, -1\nlda v0\n"
        "jnez round\ncall lengths, v1\nreturn\n}\n",
        file);
}

START_TEST(logs_of_each_plan_are_many_or_what_they_lost_is_found)
{
  fail_made((struct life){.workers = 2,
                          .stress = 2500,
                          .is_unverified = true,
                          .plan = &plans[_i]},
            write_remembered);
}
END_TEST

/*
 * Arrays whose first and last elements are the next array: who traces them
 * deeply has what is in all of them before it, more than a stack first has
 * room for.  Then elements of each are counted.
 */
static void write_wide(FILE *file)
{
  fputs(prelude, file);
  fputs(".record N {\nN next\n}\n"
        ".function panda.Object[] array(panda.Object[] a0) {\n"
        "movi v0, 1000\nnewarr v1, v0, panda.Object[]\n"
        "next:\ninci v0, -1\nnewobj v2, N\nlda.obj v2\nstarr.obj v1, v0\n"
        "lda v0\njnez next\nlda.obj a0\nstarr.obj v1, v0\n"
        "movi v0, 999\nstarr.obj v1, v0\nlda.obj v1\nreturn.obj\n}\n",
        file);
  fputs(".function i32 count(panda.Object[] a0) {\nmovi v0, 0\nmovi v1, 0\n"
        "next:\nlda v0\nldarr.obj a0\nisinstance N\nadd2v v1, v1\n"
        "inci v0, 1\nlenarr a0\njgt v0, next\nlda v1\nreturn\n}\n"
        ".function i32 main() {\nmovi v0, 6\nmovi v1, 0\nmov.null v2\n"
        "make:\ncall array, v2\nsta.obj v2\ninci v0, -1\nlda v0\n"
        "jnez make\n"
        "next:\ncall count, v2\nadd2v v1, v1\nldai 0\nldarr.obj v2\n"
        "checkcast panda.Object[]\nsta.obj v2\njnez.obj next\n"
        "lda v1\nreturn\n}\n",
        file);
}

START_TEST(stacks_of_each_plan_grow_or_what_they_dropped_is_found)
{
  fail_made((struct life){.workers = 2, .stress = 1300, .plan = &plans[_i]},
            write_wide);
}
END_TEST

static void write_broken(FILE *file)
{
  fputs(".record R <extends=Nowhere> {\nX x\ni32 x\n}\n"
        ".function void f(i32 a0) {\njmp L\nldaa v0\nadd2 v0, v1, v2\n"
        "lda.str \"open\ncall g\nldobj a0, R.y\n.catch Y, a, b, c\n}\n"
        ".array a u8 2 { 1 2 3 }\n.functoin void h() {}\n"
        ".function void f(i32 a0) {}\n",
        file);
}

START_TEST(a_broken_file_is_refused_in_full_or_memory_ran_out)
{
  fail_made((struct life){.files = {NULL, "no/such/file.pa"}}, write_broken);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("fail_alloc");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, a_machine_is_made_or_says_that_memory_ran_out);
  tcase_add_loop_test(tests, programs_end_as_ever_or_by_an_error_of_memory, 0,
                      sizeof programs / sizeof programs[0]);
  tcase_add_test(tests, strict_findings_are_complete_or_memory_ran_out);
  tcase_add_test(tests, a_disassembly_is_complete_or_says_that_it_is_not);
  tcase_add_test(tests, tables_and_buffers_grow_or_memory_ran_out);
  tcase_add_test(tests, rare_needs_are_met_or_memory_ran_out);
  tcase_add_test(tests, collections_make_do_with_what_there_is);
  tcase_add_test(tests, modules_are_loaded_or_memory_ran_out);
  tcase_add_test(tests, a_broken_file_is_refused_in_full_or_memory_ran_out);
  TCase *compiled = tcase_create("compiled");
  tcase_set_timeout(compiled, 120);
#ifdef BAMBOO_JIT
  tcase_add_loop_test(compiled,
                      what_cannot_be_compiled_for_want_of_memory_is_interpreted,
                      0, COMPILED_PROGRAMS * WATCHED);
  tcase_add_test(compiled,
                 constants_of_compiled_code_are_made_or_memory_ran_out);
#endif
  TCase *each = tcase_create("plans");
  tcase_set_timeout(each, 240);
  tcase_add_loop_test(
      each, a_heap_of_each_plan_is_made_or_says_that_memory_ran_out, 0, PLANS);
  tcase_add_loop_test(each,
                      threads_of_each_plan_end_as_ever_or_by_an_error_of_memory,
                      0, PLANS);
  tcase_add_loop_test(each, collections_of_each_plan_make_do_with_what_there_is,
                      0, PLANS);
  tcase_add_loop_test(
      each, logs_of_each_plan_are_many_or_what_they_lost_is_found, 0, PLANS);
  tcase_add_loop_test(
      each, stacks_of_each_plan_grow_or_what_they_dropped_is_found, 0, PLANS);
  return suite_main("fail_alloc", (TCase *[]){tests, compiled, each, NULL});
}
