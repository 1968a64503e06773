/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory from Linux.  Reservations are private anonymous mappings without
 * access and without a claim on swap (MAP_NORESERVE); a chosen address is
 * asked for with MAP_FIXED_NOREPLACE, which kernels before 4.17 take for a
 * hint, so the answer is compared with the question.
 */
#include "config.h"

#include "mm/os/os_internal.h"

#include "mm/assert_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers that the system's interface fixes; headers older than Linux 4.14 lack
   them. */
enum {
  FENCE_GLOBAL = 1,
  FENCE_PRIVATE = 1 << 3,
  FENCE_REGISTER_PRIVATE = 1 << 4,
};

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

size_t mm_os_page_bytes(void)
{
  return (size_t)sysconf(_SC_PAGESIZE);
}

/* The limit in a file of the control group; UINT64_MAX when it has none. */
static uint64_t read_limit(const char *path)
{
  uint64_t limit = UINT64_MAX;
  FILE *file = fopen(path, "re");
  if (!file)
    return limit;
  if (fscanf(file, "%" SCNu64, &limit) != 1)
    limit = UINT64_MAX;
  fclose(file);
  return limit;
}

uint64_t mm_os_physical_bytes(void)
{
  uint64_t bytes =
      (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)mm_os_page_bytes();
  uint64_t version_2 = read_limit("/sys/fs/cgroup/memory.max");
  uint64_t version_1 =
      read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  if (version_2 < bytes)
    bytes = version_2;
  return version_1 < bytes ? version_1 : bytes;
}

/* Linux counts in KiB. */
/* Where the scheduler puts a thread that wakes up on the processor that the
   program runs on, it would run at once, and for milliseconds, though another
   processor were idle.  A batch thread does not (sched(7)); not to get that
   costs time and nothing else. */
void mm_os_work_beside(void)
{
  struct sched_param parameters = {0};
  (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters);
}

uint64_t mm_os_peak_resident_bytes(void)
{
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024
                                             : 0;
}

uint64_t mm_os_address_space_bytes(void)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  return limit.rlim_cur;
}

unsigned mm_os_processors(void)
{
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return (unsigned)CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (unsigned)online : 1;
}

static enum mm_status status_of_errno(void)
{
  switch (errno) {
  case ENOMEM:
  case EAGAIN:
    return MM_NO_MEMORY;
  default:
    return MM_OS_FAILED;
  }
}

/* Maps at exactly `at`; false when something else is there. */
static bool reserve_at(uintptr_t at, uint64_t bytes, bool *refused)
{
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void *got = mmap((void *)at, bytes, PROT_NONE, flags, -1, 0);
  if (got == (void *)at)
    return true;
  if (got != MAP_FAILED)
    munmap(got, bytes);
  else
    *refused = errno == ENOMEM;
  return false;
}

enum mm_status mm_os_reserve_between(uint64_t bytes, uint64_t align,
                                     uint64_t step, uintptr_t low,
                                     uintptr_t high, uintptr_t *base)
{
  MM_ASSERT(step % align == 0 && bytes % mm_os_page_bytes() == 0);
  bool refused = false;
  uintptr_t at = (low + align - 1) & ~(align - 1);
  for (; at <= high && bytes <= high - at && !refused; at += step) {
    if (reserve_at(at, bytes, &refused)) {
      *base = at;
      return MM_OK;
    }
  }
  return MM_NO_MEMORY;
}

/* More is mapped than asked for, and what sticks out is given back. */
enum mm_status mm_os_reserve(uint64_t bytes, uint64_t align, uintptr_t *base)
{
  uint64_t page = mm_os_page_bytes();
  MM_ASSERT((align & (align - 1)) == 0 && bytes % page == 0);
  uint64_t more = align > page ? align - page : 0;
  if (bytes > UINT64_MAX - more)
    return MM_NO_MEMORY;
  void *got = mmap(NULL, bytes + more, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED)
    return status_of_errno();
  uintptr_t at = ((uintptr_t)got + align - 1) & ~(align - 1);
  uint64_t before = at - (uintptr_t)got;
  MM_ASSERT(before <= more);
  if (before > 0)
    munmap(got, before);
  if (more > before)
    munmap((char *)at + bytes, more - before);
  *base = at;
  return MM_OK;
}

enum mm_status mm_os_commit(uintptr_t at, uint64_t bytes)
{
  if (mprotect((void *)at, bytes, PROT_READ | PROT_WRITE) != 0)
    return status_of_errno();
  return MM_OK;
}

enum mm_status mm_os_discard(uintptr_t at, uint64_t bytes)
{
  if (madvise((void *)at, bytes, MADV_DONTNEED) != 0)
    return status_of_errno();
  return MM_OK;
}

enum mm_status mm_os_uncommit(uintptr_t at, uint64_t bytes)
{
  enum mm_status status = mm_os_discard(at, bytes);
  return status == MM_OK ? mm_os_protect(at, bytes) : status;
}

enum mm_status mm_os_protect(uintptr_t at, uint64_t bytes)
{
  if (mprotect((void *)at, bytes, PROT_NONE) != 0)
    return status_of_errno();
  return MM_OK;
}

void mm_os_prefer_huge(uintptr_t at, uint64_t bytes)
{
  /* A wish: a machine without huge pages works as well. */
  (void)madvise((void *)at, bytes, MADV_HUGEPAGE);
}

void mm_os_avoid_huge(uintptr_t at, uint64_t bytes)
{
  (void)madvise((void *)at, bytes, MADV_NOHUGEPAGE);
}

void mm_os_forget(uintptr_t at, uint64_t bytes)
{
  mm_os_avoid_huge(at, bytes);
  (void)madvise((void *)at, bytes, MADV_DONTNEED);
}

/* A byte that is zero is replaced by zero: a store, for the system, and none
   for others.  Not by madvise (MADV_POPULATE_WRITE), which keeps out who maps
   or protects memory elsewhere for as long as it takes; a fault concerns its
   mapping alone (since Linux 6.4). */
__attribute__((no_sanitize("thread"))) void mm_os_touch(uintptr_t at,
                                                        uint64_t bytes)
{
  uint64_t page = mm_os_page_bytes();
  for (uintptr_t end = at + bytes; at < end; at += page) {
    uint8_t zero = 0;
    __atomic_compare_exchange_n((uint8_t *)at, &zero, 0, false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  }
}

enum mm_status mm_os_map(uint64_t bytes, void **base)
{
  void *got = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED)
    return status_of_errno();
  *base = got;
  return MM_OK;
}

void mm_os_release(void *base, uint64_t bytes)
{
  if (base)
    munmap(base, bytes);
}

/* --- Fences --- */

#ifdef SYS_membarrier
static long membarrier(int command)
{
  return syscall(SYS_membarrier, command, 0, 0);
}

bool mm_os_fences_start(void)
{
  enum { WANTED = FENCE_GLOBAL | FENCE_PRIVATE | FENCE_REGISTER_PRIVATE };
  long known = membarrier(0);
  return known >= 0 && (known & WANTED) == WANTED &&
         membarrier(FENCE_REGISTER_PRIVATE) == 0;
}

/* The fast way may lack memory; the slow one takes milliseconds and none. */
void mm_os_fence_all(void)
{
  while (membarrier(FENCE_PRIVATE) != 0 && membarrier(FENCE_GLOBAL) != 0)
    sched_yield();
}
#else
bool mm_os_fences_start(void)
{
  return false;
}

void mm_os_fence_all(void)
{
}
#endif
