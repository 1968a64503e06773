/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dual mappings from Linux: shared memory without a name, mapped twice; see
 * dual_internal.h.
 *
 * The second mapping is made of the first by mremap with an old size of 0.  A
 * memfd would do as well, but perf(1) takes mappings of a file for a file's
 * code, and looks methods up (--perf-map) in nameless memory only.
 */
#include "config.h"

#include "mm/os/dual_internal.h"

#include "mm/assert_internal.h"
#include "mm/os/os_internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* Linux 5.14. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
  WRITE = PROT_READ | PROT_WRITE,
  RUN = PROT_READ | PROT_EXEC,
};

static enum mm_status status_of_errno(void)
{
  switch (errno) {
  case ENOMEM:
  case EAGAIN:
  case ENOSPC:
    return MM_NO_MEMORY;
  default:
    return MM_OS_FAILED;
  }
}

static bool protect(uintptr_t at, uint64_t bytes, int protection)
{
  return mprotect((void *)at, bytes, protection) == 0;
}

static void *reserve_addresses(uint64_t bytes)
{
  return mmap(NULL, bytes, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static bool map_first(uintptr_t at, uint64_t bytes)
{
  int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  return mmap((void *)at, bytes, PROT_NONE, flags, -1, 0) != MAP_FAILED;
}

static bool map_again(uintptr_t first, uint64_t bytes, uintptr_t at)
{
  int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  return mremap((void *)first, 0, bytes, flags, (void *)at) != MAP_FAILED;
}

/* The run view gets the right to run for a moment: a system that forbids it is
   to say so now, not when there is code. */
static const char *map_views(struct mm_dual *dual)
{
  if (!map_first(dual->write_base, dual->bytes))
    return "shared memory (mmap)";
  if (!map_again(dual->write_base, dual->bytes, dual->run_base))
    return "a second view of memory (mremap)";
  if (!protect(dual->run_base, dual->bytes, RUN) ||
      !protect(dual->run_base, dual->bytes, PROT_NONE))
    return "executable memory (mprotect)";
  if (madvise((void *)dual->write_base, dual->bytes, MADV_DONTFORK) != 0)
    return "memory that children lack (madvise)";
  return NULL;
}

static const char *reserve(struct mm_dual *dual)
{
  void *at = reserve_addresses(2 * dual->bytes);
  if (at == MAP_FAILED)
    return "address space (ulimit -v)";
  dual->write_base = (uintptr_t)at;
  dual->run_base = dual->write_base + dual->bytes;
  return map_views(dual);
}

enum mm_status mm_dual_create(uint64_t bytes, struct mm_dual *dual,
                              const char **refused)
{
  MM_ASSERT(bytes > 0 && bytes % mm_os_page_bytes() == 0);
  struct mm_dual made = {.process = getpid(), .bytes = bytes};
  const char *wrong = reserve(&made);
  if (!wrong) {
    *dual = made;
    return MM_OK;
  }
  int reason = errno; /* the caller's to tell */
  *refused = wrong;
  mm_dual_destroy(&made);
  errno = reason;
  return status_of_errno();
}

bool mm_dual_is_inherited(const struct mm_dual *dual)
{
  return getpid() != dual->process;
}

/* Where Linux is older than the advice, pages come as they are touched. */
static bool add_pages(struct mm_dual *dual, uint64_t offset, uint64_t bytes)
{
  void *at = (void *)(dual->write_base + offset);
  int failed;
  do {
    failed = madvise(at, bytes, MADV_POPULATE_WRITE);
  } while (failed && errno == EINTR);
  return !failed || errno == EINVAL;
}

/* Of the memory that both views show; the write view is still writable. */
static bool remove_pages(struct mm_dual *dual, uint64_t offset, uint64_t bytes)
{
  return madvise((void *)(dual->write_base + offset), bytes, MADV_REMOVE) == 0;
}

enum mm_status mm_dual_commit(struct mm_dual *dual, uint64_t offset,
                              uint64_t bytes)
{
  MM_ASSERT(offset < dual->bytes && bytes <= dual->bytes - offset);
  if (mm_dual_is_inherited(dual))
    return MM_NO_MEMORY;
  if (!protect(dual->write_base + offset, bytes, WRITE))
    return status_of_errno();
  if (add_pages(dual, offset, bytes) &&
      protect(dual->run_base + offset, bytes, RUN))
    return MM_OK;
  enum mm_status status = status_of_errno();
  (void)remove_pages(dual, offset, bytes);
  (void)protect(dual->write_base + offset, bytes, PROT_NONE);
  return status;
}

enum mm_status mm_dual_uncommit(struct mm_dual *dual, uint64_t offset,
                                uint64_t bytes)
{
  MM_ASSERT(offset < dual->bytes && bytes <= dual->bytes - offset);
  if (mm_dual_is_inherited(dual))
    return MM_NO_MEMORY;
  enum mm_status status = MM_OK;
  if (!protect(dual->run_base + offset, bytes, PROT_NONE) ||
      !remove_pages(dual, offset, bytes) ||
      !protect(dual->write_base + offset, bytes, PROT_NONE)) {
    status = status_of_errno();
    /* As it was: neighbours grow together again, which needs no memory. */
    (void)protect(dual->run_base + offset, bytes, RUN);
  }
  return status;
}

void mm_dual_destroy(struct mm_dual *dual)
{
  if (!dual->write_base)
    return;
  /* A child has something else there by now, perhaps. */
  if (!mm_dual_is_inherited(dual))
    munmap((void *)dual->write_base, dual->bytes);
  munmap((void *)dual->run_base, dual->bytes);
}
