/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of a crash.
 *
 * It runs in a signal handler, on a stack of its own because the usual one
 * may be what overflowed.  Only async-signal-safe functions are called: text
 * goes out by write(2), numbers are made here.  What it looks at may be
 * broken: a second fault inside the handler ends the process at once, with
 * what was printed so far.
 *
 * State of the process, not of a machine, hence the statics.
 */
#include "config.h"

#include "vm/cli/crash.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/cli/cli.h"
#include "vm/core/vm.h"

#if defined BAMBOO_ASAN || defined BAMBOO_TSAN
void cli_crash_install(int argc, char **argv)
{
  (void)argc;
  (void)argv;
}

void cli_crash_watch(struct vm *vm)
{
  (void)vm;
}
#else

enum { STACK_BYTES = 64 * 1024, NUMBER_BYTES = 24 };

static int word_count;
static char **words;
static const char *environment_options;
static struct vm *volatile watched;
static volatile sig_atomic_t reporting;
static char handler_stack[STACK_BYTES];

static void put(const char *text)
{
  ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
  (void)ignored;
}

static void put_number(uint64_t number, unsigned base)
{
  char text[NUMBER_BYTES];
  char *at = text + sizeof text;
  *--at = 0;
  do
    *--at = "0123456789abcdef"[number % base];
  while (number /= base);
  put(at);
}

static const char *signal_text(int signal)
{
  switch (signal) {
  case SIGSEGV:
    return "SIGSEGV";
  case SIGBUS:
    return "SIGBUS";
  case SIGILL:
    return "SIGILL";
  default:
    return "SIGFPE";
  }
}

static void put_command(void)
{
  put("\n  command:     bamboo run");
  for (int i = 0; i < word_count; i++) {
    put(" ");
    put(words[i]);
  }
  if (environment_options) {
    put("\n  environment: BAMBOO_OPTIONS=");
    put(environment_options);
  }
}

static void put_method(const struct vm *vm)
{
  const struct vm_thread *thread = vm_thread_here(vm);
  const struct vm_frame *frame = thread ? thread->top : NULL;
  while (frame && !frame->method)
    frame = frame->caller;
  if (!frame)
    return;
  put("\n  method:      ");
  put(frame->method->owner->name);
  put(".");
  put(frame->method->name);
}

static void put_collections(const struct vm *vm)
{
  const char *cause = mm_last_cause(vm->heap);
  put("\n  collections: ");
  put_number(mm_collections(vm->heap), 10);
  if (cause) {
    put(", the last because of: ");
    put(cause);
  }
}

/* A signal that somebody sent has no address. */
static void put_signal(const siginfo_t *info)
{
  put(signal_text(info->si_signo));
  if (info->si_code <= 0) {
    put(" sent by process ");
    put_number((uint64_t)info->si_pid, 10);
    return;
  }
  put(" at address 0x");
  put_number((uintptr_t)info->si_addr, 16);
}

static void put_report(const siginfo_t *info)
{
  put("\nbamboo: internal failure: ");
  put_signal(info);
  put("\nThis is a bug in Bamboo, not in the program that it ran. Please "
      "report it\nwith the program and these lines:\n"
      "  version:     " PACKAGE_VERSION);
#ifdef BAMBOO_DEBUG
  put(" (debug)");
#endif
  put_command();
  if (watched) {
    put_collections(watched);
    put_method(watched);
  }
  put("\n");
}

static void handle(int signal, siginfo_t *info, void *context)
{
  (void)signal;
  (void)context;
  if (!reporting) {
    reporting = 1;
    put_report(info);
  } else {
    put("\n(the report itself failed)\n");
  }
  _exit(CLI_INTERNAL);
}

void cli_crash_install(int argc, char **argv)
{
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
  struct sigaction action = {.sa_sigaction = handle,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  word_count = argc;
  words = argv;
  environment_options = getenv("BAMBOO_OPTIONS");
  sigemptyset(&action.sa_mask);
  sigaltstack(&stack, NULL);
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    sigaction(signals[i], &action, NULL);
}

void cli_crash_watch(struct vm *vm)
{
  watched = vm;
}
#endif
