/* SPDX-License-Identifier: Apache-2.0 */
/* Native code within a test.  See native_fixture.h. */
#include "config.h"

#include "tests/unit/native_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm/native/native_internal.h"

void native_run(void (*body)(struct bamboo_env *env))
{
  struct vm_thread *thread = machine.thread;
  struct native_thread *native = native_thread_get(thread);
  struct mm_frame frame;
  ck_assert_ptr_nonnull(native);
  /* Loaded by hand, and nothing may have run before. */
  machine.vm->natives->is_unverified = true;
  ck_assert(native_verify(thread));
  mm_frame_open(&thread->mutator, &frame);
  mm_enter_native(&thread->mutator);
  native_here = thread;
  body(&native->env);
  native_here = NULL;
  mm_leave_native(&thread->mutator);
  mm_frame_close(&thread->mutator, &frame);
}

/* The child's standard error. */
static char *read_all(int from)
{
  size_t used = 0, room = 64 * 1024;
  char *text = malloc(room);
  ssize_t got;
  ck_assert_ptr_nonnull(text);
  while (used + 1 < room &&
         (got = read(from, text + used, room - used - 1)) > 0)
    used += (size_t)got;
  text[used] = '\0';
  return text;
}

void native_dies(void (*body)(struct bamboo_env *env), const char *part)
{
  int ends[2], status;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(ends[1], STDERR_FILENO);
    native_run(body);
    _exit(0);
  }
  close(ends[1]);
  char *text = read_all(ends[0]);
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                "it did not abort: %s", text);
  ck_assert_msg(strstr(text, part) != NULL, "`%s' is not in\n%s", part, text);
  ck_assert_msg(strstr(text, "remedy: ") != NULL, "no remedy in\n%s", text);
  free(text);
}

void native_bind_to(const char *class, const char *name,
                    bamboo_function function)
{
  struct vm_method *method = NULL;
  bool many;
  struct vm_class *owner = core_class(class);
  for (int i = 0; !method && i < 2; i++)
    method = native_find_method(owner, name, NULL, i == 0, &many);
  ck_assert_msg(method != NULL, "no method %s.%s", class, name);
  ck_assert(native_register(machine.thread, method, function));
}

void native_expect(struct bamboo_env *env, const char *class)
{
  ck_assert(env->exception_check(env));
  bamboo_throwable exception = env->exception_occurred(env);
  ck_assert_ptr_nonnull(exception);
  env->exception_clear(env);
  bamboo_class of = env->get_object_class(env, exception);
  ck_assert_str_eq(env->get_class_name(env, of), class);
  env->delete_local(env, of);
  env->delete_local(env, exception);
}

void native_collect(struct bamboo_env *env)
{
  (void)env;
  struct vm_thread *thread = machine.thread;
  mm_leave_native(&thread->mutator);
  mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  mm_enter_native(&thread->mutator);
}
