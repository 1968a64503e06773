/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records the allocations of a program as a trace (traces/README.md): a
 * library to be preloaded by record-trace, which tells by RECORD_TRACE where
 * to write.  A process that it starts in turn records nothing.
 *
 *   address of a block --hash table--> its number while it is in use
 *
 * Numbers that become free are used again, last freed first.  All memory here
 * is mapped, so that what records does not record itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TABLE_LOG2 = 24, TABLE = 1 << TABLE_LOG2, BUFFER = 1 << 16 };

struct entry {
  uintptr_t address; /* 0: unused; 1: was used */
  uint32_t number;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *table;
static uint32_t *unused; /* numbers to be used again */
static uint32_t unused_count, number_count;
static char buffer[BUFFER];
static size_t filled;
static int out = -1;

static void *(*real_malloc)(size_t);
static void (*real_free)(void *);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned)(size_t, size_t);

/* What dlsym itself asks for before the real functions are known. */
static char early[4096];
static size_t early_used;
static int is_finding;

static void *map(size_t bytes)
{
  void *got = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return got == MAP_FAILED ? NULL : got;
}

static void flush(void)
{
  size_t done = 0;
  while (done < filled) {
    ssize_t wrote = write(out, buffer + done, filled - done);
    if (wrote <= 0)
      break;
    done += (size_t)wrote;
  }
  filled = 0;
}

static void finish(void)
{
  pthread_mutex_lock(&lock);
  flush();
  out = -1;
  pthread_mutex_unlock(&lock);
}

/* At the first call, which may come before any constructor. */
static void find_real(void)
{
  if (is_finding)
    return;
  is_finding = 1;
  *(void **)&real_free = dlsym(RTLD_NEXT, "free");
  *(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
  *(void **)&real_aligned = dlsym(RTLD_NEXT, "aligned_alloc");
  *(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
}

__attribute__((constructor)) static void begin(void)
{
  const char *path = getenv("RECORD_TRACE");
  find_real();
  if (!path)
    return;
  table = map(TABLE * sizeof *table);
  unused = map(TABLE * sizeof *unused);
  if (table && unused)
    out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  unsetenv("RECORD_TRACE");
  unsetenv("LD_PRELOAD");
  atexit(finish);
}

/* The entry of an address, or where it would go. */
static struct entry *find(uintptr_t address, int for_new)
{
  uint64_t hash = address * UINT64_C(0x9e3779b97f4a7c15);
  for (uint32_t i = (uint32_t)(hash >> (64 - TABLE_LOG2));; i++) {
    struct entry *entry = &table[i % TABLE];
    if (entry->address == address || entry->address == 0 ||
        (for_new && entry->address == 1))
      return entry;
  }
}

static void line(const char *format, uint32_t number, size_t bytes)
{
  if (filled > BUFFER - 64)
    flush();
  filled += (size_t)snprintf(buffer + filled, 64, format, number, bytes);
}

static void note_alloc(const void *block, size_t bytes)
{
  if (!block)
    return;
  pthread_mutex_lock(&lock);
  if (out >= 0) {
    struct entry *entry = find((uintptr_t)block, 1);
    entry->address = (uintptr_t)block;
    entry->number = unused_count ? unused[--unused_count] : number_count++;
    line("a %u %zu\n", entry->number, bytes ? bytes : 1);
  }
  pthread_mutex_unlock(&lock);
}

static void note_free(const void *block)
{
  if (!block)
    return;
  pthread_mutex_lock(&lock);
  if (out >= 0) {
    struct entry *entry = find((uintptr_t)block, 0);
    if (entry->address != 0) {
      line("f %u\n", entry->number, 0);
      unused[unused_count++] = entry->number;
      entry->address = 1;
    }
  }
  pthread_mutex_unlock(&lock);
}

void *malloc(size_t bytes)
{
  if (!real_malloc)
    find_real();
  if (!real_malloc) {
    size_t at = early_used;
    early_used += (bytes + 15) & ~(size_t)15;
    return early_used <= sizeof early ? early + at : NULL;
  }
  void *block = real_malloc(bytes);
  note_alloc(block, bytes);
  return block;
}

static int is_early(const void *block)
{
  return (const char *)block >= early &&
         (const char *)block < early + sizeof early;
}

void free(void *block)
{
  if (!block || is_early(block))
    return;
  note_free(block);
  real_free(block);
}

void *calloc(size_t count, size_t size)
{
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes))
    return NULL;
  void *block = malloc(bytes);
  return block ? memset(block, 0, bytes) : NULL;
}

void *realloc(void *block, size_t bytes)
{
  if (!block)
    return malloc(bytes);
  if (is_early(block)) {
    size_t left = (size_t)(early + sizeof early - (char *)block);
    void *copy = malloc(bytes);
    return copy ? memcpy(copy, block, bytes < left ? bytes : left) : NULL;
  }
  note_free(block);
  void *grown = real_realloc(block, bytes);
  note_alloc(grown, bytes);
  return grown;
}

void *aligned_alloc(size_t align, size_t bytes)
{
  if (!real_aligned)
    find_real();
  void *block = real_aligned(align, bytes);
  note_alloc(block, bytes);
  return block;
}

void *memalign(size_t align, size_t bytes)
{
  return aligned_alloc(align, bytes);
}

int posix_memalign(void **block, size_t align, size_t bytes)
{
  *block = aligned_alloc(align, bytes);
  return *block ? 0 : ENOMEM;
}
