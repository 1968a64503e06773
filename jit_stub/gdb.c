/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gdb's interface for code that is made while a program runs ("JIT Compilation
 * Interface" of its manual): a list of objects that it finds by its name, and
 * a function where it has a breakpoint and looks what has changed.
 *
 * Names and shapes are gdb's, and the list belongs to the whole process; a
 * lock guards it.
 */
#include "config.h"

#include "jit_stub/observe_internal.h"

#include "mm/native.h"
#include "vm/core/purposes.h"

#include <pthread.h>

enum { ACTION_NONE, ACTION_REGISTER, ACTION_UNREGISTER };

struct jit_code_entry {
  struct jit_code_entry *next, *previous;
  const void *object;
  uint64_t object_bytes;
};

struct jit_descriptor {
  uint32_t version, action;
  struct jit_code_entry *relevant, *first;
};

/* What is registered, and what it needs to be freed. */
struct registered {
  struct jit_code_entry entry;
  struct jit_bytes object;
};

void __jit_debug_register_code(void);
extern struct jit_descriptor __jit_debug_descriptor;

struct jit_descriptor __jit_debug_descriptor = {.version = 1,
                                                .action = ACTION_NONE};

/* gdb has a breakpoint here.  It does something, so that it stays. */
void __attribute__((noinline)) __jit_debug_register_code(void)
{
  __asm__ volatile("" ::: "memory");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void tell_locked(struct jit_code_entry *entry, uint32_t action)
{
  __jit_debug_descriptor.relevant = entry;
  __jit_debug_descriptor.action = action;
  __jit_debug_register_code();
  __jit_debug_descriptor.action = ACTION_NONE;
  __jit_debug_descriptor.relevant = NULL;
}

static void add(struct jit_code_entry *entry)
{
  pthread_mutex_lock(&lock);
  entry->next = __jit_debug_descriptor.first;
  if (entry->next)
    entry->next->previous = entry;
  __jit_debug_descriptor.first = entry;
  tell_locked(entry, ACTION_REGISTER);
  pthread_mutex_unlock(&lock);
}

static void remove_(struct jit_code_entry *entry)
{
  pthread_mutex_lock(&lock);
  if (entry->previous)
    entry->previous->next = entry->next;
  else
    __jit_debug_descriptor.first = entry->next;
  if (entry->next)
    entry->next->previous = entry->previous;
  tell_locked(entry, ACTION_UNREGISTER);
  pthread_mutex_unlock(&lock);
}

void *jit_gdb_register(const struct jit_place *places, uint32_t count,
                       const struct jit_code *code)
{
  struct registered *new = mm_native_alloc(VM_PURPOSE_COMPILED, sizeof *new);
  if (!new)
    return NULL;
  if (!jit_gdb_object_make(&new->object, places, count, code)) {
    mm_native_free(VM_PURPOSE_COMPILED, new, sizeof *new);
    return NULL;
  }
  new->entry.object = new->object.bytes;
  new->entry.object_bytes = new->object.count;
  add(&new->entry);
  return new;
}

void jit_gdb_unregister(void *registered)
{
  struct registered *old = registered;
  if (!old)
    return;
  remove_(&old->entry);
  jit_bytes_free(&old->object);
  mm_native_free(VM_PURPOSE_COMPILED, old, sizeof *old);
}
