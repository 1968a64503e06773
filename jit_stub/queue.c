/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that compiles, and the queue of methods it is to compile: first
 * come, first served.  It is no thread of the machine: it touches no object,
 * and nobody waits for it but jit_stop.  It starts with the first method: a
 * short program is over before.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include "vm/core/purposes.h"

/* --- The queue; under its lock --- */

static bool grow_locked(struct jit_queue *queue)
{
  uint32_t capacity = queue->capacity ? 2 * queue->capacity : 64;
  struct vm_method **methods =
      mm_native_alloc_array(VM_PURPOSE_COMPILED, capacity, sizeof *methods);
  if (!methods)
    return false;
  for (uint32_t i = 0; i < queue->count; i++)
    methods[i] = queue->methods[(queue->first + i) % queue->capacity];
  mm_native_free(VM_PURPOSE_COMPILED, queue->methods,
                 queue->capacity * sizeof *methods);
  queue->methods = methods;
  queue->capacity = capacity;
  queue->first = 0;
  return true;
}

/* Null: the thread is to end. */
static struct vm_method *next_method(struct jit_queue *queue)
{
  struct vm_method *method = NULL;
  pthread_mutex_lock(&queue->lock);
  while (!queue->is_ending && queue->count == 0)
    pthread_cond_wait(&queue->more, &queue->lock);
  if (!queue->is_ending) {
    method = queue->methods[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    queue->compiling = method;
  }
  pthread_mutex_unlock(&queue->lock);
  return method;
}

static void finished(struct jit_queue *queue, struct vm_method *method)
{
  pthread_mutex_lock(&queue->lock);
  method->is_queued = false;
  queue->compiling = NULL;
  pthread_mutex_unlock(&queue->lock);
}

/* What waits keeps no loader: a program that forgets modules faster than their
   methods are compiled is not to keep them all. */
static void drop_locked(struct jit_queue *queue, const struct vm_loader *loader)
{
  uint32_t kept = 0;
  for (uint32_t i = 0; i < queue->count; i++) {
    struct vm_method *method =
        queue->methods[(queue->first + i) % queue->capacity];
    if (method->owner->loader == loader)
      method->is_queued = false;
    else
      queue->methods[(queue->first + kept++) % queue->capacity] = method;
  }
  queue->count = kept;
}

bool jit_queue_let_go(struct vm *vm, const struct vm_loader *loader)
{
  struct jit_queue *queue = &jit_compiler_of(vm)->queue;
  if (jit_compiler_of(vm)->is_sync)
    return true;
  pthread_mutex_lock(&queue->lock);
  drop_locked(queue, loader);
  bool is_idle = !queue->compiling || queue->compiling->owner->loader != loader;
  pthread_mutex_unlock(&queue->lock);
  return is_idle;
}

/* --- The thread --- */

static void *thread_main(void *context)
{
  struct jit_compiler *compiler = context;
  struct vm_method *method;
  while ((method = next_method(&compiler->queue)) != NULL) {
    jit_compile_method(compiler, method, NULL);
    finished(&compiler->queue, method);
  }
  return NULL;
}

/* Tried once: those who compile instead take turns with each other, and would
   not with a thread that starts after all. */
static bool start_locked(struct jit_compiler *compiler)
{
  struct jit_queue *queue = &compiler->queue;
  queue->is_running =
      !queue->is_refused && !mm_native_fails_now() &&
      pthread_create(&queue->thread, NULL, thread_main, compiler) == 0;
  queue->is_refused = !queue->is_running;
  return queue->is_running;
}

bool jit_queue_add(struct jit_compiler *compiler, struct vm_method *method)
{
  struct jit_queue *queue = &compiler->queue;
  bool has_thread = true;
  pthread_mutex_lock(&queue->lock);
  if (!queue->is_ending && !queue->is_running)
    has_thread = start_locked(compiler);
  if (has_thread && !queue->is_ending && !method->is_queued &&
      (queue->count < queue->capacity || grow_locked(queue))) {
    method->is_queued = true;
    queue->methods[(queue->first + queue->count++) % queue->capacity] = method;
    pthread_cond_signal(&queue->more);
  }
  pthread_mutex_unlock(&queue->lock);
  return has_thread;
}

void jit_queue_init(struct jit_compiler *compiler)
{
  struct jit_queue *queue = &compiler->queue;
  pthread_mutex_init(&queue->lock, NULL);
  pthread_cond_init(&queue->more, NULL);
}

/* Other threads may still ask for something, in vain. */
bool jit_queue_end(struct jit_compiler *compiler)
{
  struct jit_queue *queue = &compiler->queue;
  pthread_mutex_lock(&queue->lock);
  bool has_thread = queue->is_running;
  queue->is_ending = true;
  pthread_cond_signal(&queue->more);
  pthread_mutex_unlock(&queue->lock);
  return has_thread;
}

void jit_queue_join(struct jit_compiler *compiler)
{
  struct jit_queue *queue = &compiler->queue;
  pthread_join(queue->thread, NULL);
  pthread_mutex_lock(&queue->lock);
  queue->is_running = false;
  pthread_mutex_unlock(&queue->lock);
}

void jit_queue_destroy(struct jit_compiler *compiler)
{
  struct jit_queue *queue = &compiler->queue;
  if (compiler->is_sync)
    return;
  pthread_cond_destroy(&queue->more);
  pthread_mutex_destroy(&queue->lock);
  mm_native_free(VM_PURPOSE_COMPILED, queue->methods,
                 queue->capacity * sizeof(struct vm_method *));
}
