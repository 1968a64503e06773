/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of compiled code: null references become exceptions, and what is none
 * of the compiler's business goes to who was there before.
 *
 * The first machine with a compiler takes the signal, for good.  So tests of
 * who was there before have a process of their own, and come first: where Check
 * makes no processes, nobody has taken it by then.
 */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/jit_vm_fixture.h"
#include "tests/unit/suite.h"

/* --- Programs --- */

#define NULL_PRELUDE                                                           \
  CORE_PRELUDE ".record panda.NullPointerException <external>\n"               \
               ".record Cell {\n i32 value\n Cell next\n i32[] data\n}\n"

/* What stands in for an access throws: 77. */
#define CAUGHT                                                                 \
  " return\nend:\ncaught:\n ldai 77\n return\n"                                \
  ".catch panda.NullPointerException, begin, end, caught\n}\n"

#define READING ".function i32 f(Cell a0) {\nbegin:\n ldobj a0, Cell.value\n"

/* Calls the hook, in compiled code; then reads through null. */
static const char hooked[] = NULL_PRELUDE READING CAUGHT
    ".function i32 main() {\n mov.null v0\n call Test.hook\n call f, v0\n"
    " sta v1\n call Test.hook\n lda v1\n return\n}\n";

static void start(const char *text)
{
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  core_load("t.pa", text);
}

/* --- Null references --- */

static const char *const accesses[] = {
    " ldobj a0, Cell.value\n",
    " ldobj.obj a0, Cell.next\n ldai 0\n",
    " ldai 1\n stobj a0, Cell.value\n ldai 0\n",
    " lda.null\n stobj.obj a0, Cell.next\n ldai 0\n",
    " ldobj.v v0, a0, Cell.value\n lda v0\n",
    " movi v0, 4\n stobj.v v0, a0, Cell.value\n ldai 0\n",
    " lenarr a1\n",
    " ldai 0\n ldarr a1\n",
    " movi v0, 0\n lda v0\n starr a1, v0\n ldai 0\n",
    " ldobj a2, Wide.last\n",
    " call.virt.short Cell.get, a0\n",
};
enum { ACCESSES = sizeof accesses / sizeof accesses[0] };

static char *write_access(const char *access)
{
  enum { FIELDS = 600 };
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fputs(NULL_PRELUDE ".record Wide {\n", out);
  for (int i = 0; i < FIELDS; i++)
    fprintf(out, " i64 f%d\n", i);
  fputs(" i32 last\n}\n"
        ".function i32 Cell.get(Cell a0) {\n ldai 5\n return\n}\n",
        out);
  fprintf(out,
          ".function i32 f(Cell a0, i32[] a1, Wide a2) {\nbegin:\n%s" CAUGHT,
          access);
  fputs(".function i32 main() {\n mov.null v0\n newobj v1, Cell\n"
        " movi v2, 3\n newarr v2, v2, i32[]\n newobj v3, Wide\n"
        " call f, v1, v2, v3\n sta v4\n call f, v0, v0, v0\n"
        " muli 100\n add2 v4\n return\n}\n",
        out);
  fclose(out);
  return text;
}

START_TEST(an_access_through_null_throws_and_one_through_an_object_does_not)
{
  char *text = write_access(accesses[_i]);
  start(text);
  free(text);
  ck_assert_int_eq(core_run() / 100, 77);
  jit_vm_code("f");
  jit_vm_close();
}
END_TEST

/* --- Other faults: who gets them --- */

static sigjmp_buf after_fault;
static volatile sig_atomic_t told;
static void *volatile told_address;

static void hear(int signal, siginfo_t *info, void *context)
{
  (void)context;
  told = signal;
  told_address = info->si_addr;
  siglongjmp(after_fault, 1);
}

static void hear_number(int signal)
{
  told = signal;
  siglongjmp(after_fault, 1);
}

static void read_at(uintptr_t address)
{
  __asm__ volatile("movl (%0), %%eax" : : "r"(address) : "eax", "memory");
}

/* Faults, and goes on when that was told. */
static void fault_at(uintptr_t address)
{
  told = 0;
  if (sigsetjmp(after_fault, 1) == 0)
    read_at(address);
  ck_assert_int_eq(told, SIGSEGV);
}

static void be_there_before(void (*handler)(int))
{
  struct sigaction action = {.sa_handler = handler};
  if (!handler)
    action = (struct sigaction){.sa_sigaction = hear, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
}

/* Of a process that runs that; 0: all was well. */
static int status_of(void (*run)(void))
{
  int status = -1;
  fflush(NULL);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm(60); /* for a handler that waits for ever */
    run();
    _exit(0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

static bool is_killed(int status)
{
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void run_hooked(bool (*hook)(struct vm_thread *thread))
{
  start(hooked);
  core_hook(hook);
  ck_assert_int_eq(core_run(), 77);
  jit_vm_close();
}

enum { FAR_AWAY = 0x7000, IN_PAGE_0 = 8 };

static bool fault_in_c(struct vm_thread *thread)
{
  ck_assert(jit_vm_is_compiled(thread->top->caller));
  fault_at(FAR_AWAY);
  ck_assert_ptr_eq(told_address, (void *)FAR_AWAY);
  fault_at(IN_PAGE_0);
  ck_assert_ptr_eq(told_address, (void *)IN_PAGE_0);
  return true;
}

static void hear_of_c(void)
{
  be_there_before(NULL);
  run_hooked(fault_in_c);
  fault_at(IN_PAGE_0); /* and without a machine */
}

START_TEST(a_fault_of_c_code_goes_to_the_handler_that_was_there_before)
{
  ck_assert_int_eq(status_of(hear_of_c), 0);
}
END_TEST

static bool fault_in_c_by_number(struct vm_thread *thread)
{
  (void)thread;
  fault_at(FAR_AWAY);
  fault_at(IN_PAGE_0);
  return true;
}

static void hear_number_of_c(void)
{
  be_there_before(hear_number);
  run_hooked(fault_in_c_by_number);
}

START_TEST(a_handler_of_the_old_kind_gets_it_too)
{
  ck_assert_int_eq(status_of(hear_number_of_c), 0);
}
END_TEST

/* Machine code in the code space that is no compiled method's. */
static bool fault_in_other_code(struct vm_thread *thread)
{
  static const unsigned char load[] = {0x8b, 0x07, 0xc3}; /* eax = [rdi]; ret */
  struct mm_code code;
  void (*run)(void *);
  ck_assert(mm_code_alloc(thread->vm->heap, sizeof load, 0, NULL, &code) ==
            MM_OK);
  memcpy(code.write, load, sizeof load);
  mm_code_seal(thread->vm->heap, &code, sizeof load);
  memcpy(&run, &code.run, sizeof run);
  told = 0;
  if (sigsetjmp(after_fault, 1) == 0)
    run(NULL);
  ck_assert_int_eq(told, SIGSEGV);
  mm_code_free(thread->vm->heap, code.run);
  return true;
}

static void hear_of_other_code(void)
{
  be_there_before(NULL);
  run_hooked(fault_in_other_code);
}

START_TEST(a_fault_of_machine_code_that_is_no_method_goes_there_too)
{
  ck_assert_int_eq(status_of(hear_of_other_code), 0);
}
END_TEST

static bool fault_with_lock(struct vm_thread *thread)
{
  pthread_mutex_lock(&thread->vm->heap->code.lock);
  fault_at(IN_PAGE_0);
  pthread_mutex_unlock(&thread->vm->heap->code.lock);
  return true;
}

static void hear_with_lock(void)
{
  be_there_before(NULL);
  run_hooked(fault_with_lock);
}

START_TEST(a_fault_while_the_code_space_is_locked_does_not_wait_for_it)
{
  ck_assert_int_eq(status_of(hear_with_lock), 0);
}
END_TEST

/* --- The system's own ways --- */

static bool die(struct vm_thread *thread)
{
  (void)thread;
  read_at(IN_PAGE_0);
  return true;
}

static void die_by_default(void)
{
  signal(SIGSEGV, SIG_DFL);
  run_hooked(die);
}

static void die_although_ignored(void)
{
  signal(SIGSEGV, SIG_IGN);
  run_hooked(die);
}

START_TEST(a_fault_that_nobody_handles_ends_the_process)
{
  ck_assert(is_killed(status_of(die_by_default)));
  ck_assert(is_killed(status_of(die_although_ignored)));
}
END_TEST

static bool send(struct vm_thread *thread)
{
  (void)thread;
  raise(SIGSEGV);
  return true;
}

static bool send_and_leave(struct vm_thread *thread)
{
  (void)thread;
  raise(SIGSEGV);
  _exit(0);
}

static void be_sent_it(void)
{
  signal(SIGSEGV, SIG_DFL);
  run_hooked(send_and_leave);
}

static void ignore_what_is_sent(void)
{
  signal(SIGSEGV, SIG_IGN);
  run_hooked(send);
}

START_TEST(a_signal_that_is_sent_ends_the_process_or_is_ignored)
{
  ck_assert(is_killed(status_of(be_sent_it)));
  ck_assert_int_eq(status_of(ignore_what_is_sent), 0);
}
END_TEST

/* --- Several machines and threads --- */

static void hear_after_machines(void)
{
  be_there_before(NULL);
  for (int i = 0; i < 3; i++)
    run_hooked(fault_in_c);
  fault_at(IN_PAGE_0);
}

START_TEST(machines_one_after_the_other_leave_the_handler_as_it_is)
{
  ck_assert_int_eq(status_of(hear_after_machines), 0);
}
END_TEST

/* A machine on top of the other's compiled frames. */
static bool run_another(struct vm_thread *thread)
{
  (void)thread;
  struct machine outer = machine;
  run_hooked(NULL);
  machine = outer;
  core_hook(run_another);
  return true;
}

START_TEST(two_machines_at_once_have_their_own_faults)
{
  run_hooked(run_another);
}
END_TEST

static bool lock_or_unlock(struct vm_thread *thread)
{
  static bool is_locked;
  if (is_locked)
    pthread_mutex_unlock(&thread->vm->heap->code.lock);
  else
    pthread_mutex_lock(&thread->vm->heap->code.lock);
  is_locked = !is_locked;
  return true;
}

START_TEST(a_null_reference_is_found_while_the_code_space_is_locked)
{
  start(hooked);
  ck_assert_int_eq(core_run(), 77); /* all is compiled */
  core_hook(lock_or_unlock);
  ck_assert_int_eq(core_run(), 77);
  jit_vm_close();
}
END_TEST

static void *attach_and_fault(void *argument)
{
  struct mm_error error = {{0}};
  struct vm_thread *thread;
  union vm_slot null = {.u64 = 0}, result = {.u64 = 0};
  (void)argument;
  ck_assert_msg(vm_thread_create(machine.vm, 1 << 20, &thread, &error) == MM_OK,
                "%s", error.text);
  ck_assert(
      machine.vm->engine.invoke(thread, jit_vm_method("f"), &null, &result));
  ck_assert_int_eq(result.i32, 77);
  vm_thread_destroy(thread);
  return NULL;
}

START_TEST(a_thread_that_was_attached_later_faults_likewise)
{
  pthread_t thread;
  start(hooked);
  ck_assert_int_eq(core_run(), 77);
  ck_assert_int_eq(pthread_create(&thread, NULL, attach_and_fault, NULL), 0);
  mm_enter_native(&machine.thread->mutator);
  pthread_join(thread, NULL);
  mm_leave_native(&machine.thread->mutator);
  jit_vm_close();
}
END_TEST

int main(void)
{
  TCase *others = tcase_create("others");
  tcase_add_test(others,
                 a_fault_of_c_code_goes_to_the_handler_that_was_there_before);
  tcase_add_test(others, a_handler_of_the_old_kind_gets_it_too);
  tcase_add_test(others,
                 a_fault_of_machine_code_that_is_no_method_goes_there_too);
  tcase_add_test(others,
                 a_fault_while_the_code_space_is_locked_does_not_wait_for_it);
  tcase_add_test(others, a_fault_that_nobody_handles_ends_the_process);
  tcase_add_test(others, a_signal_that_is_sent_ends_the_process_or_is_ignored);
  tcase_add_test(others,
                 machines_one_after_the_other_leave_the_handler_as_it_is);
  TCase *nulls = tcase_create("nulls");
  tcase_add_loop_test(
      nulls, an_access_through_null_throws_and_one_through_an_object_does_not,
      0, ACCESSES);
  tcase_add_test(nulls, two_machines_at_once_have_their_own_faults);
  tcase_add_test(nulls,
                 a_null_reference_is_found_while_the_code_space_is_locked);
  tcase_add_test(nulls, a_thread_that_was_attached_later_faults_likewise);
  return suite_main("jit_fault", (TCase *[]){others, nulls, NULL});
}
