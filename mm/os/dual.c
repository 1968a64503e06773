/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dual mappings from Linux: a memfd, mapped twice; see dual_internal.h.
 */
#include "config.h"

#include "mm/os/dual_internal.h"

#include "mm/assert_internal.h"
#include "mm/os/os_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Linux 6.3: the file itself is not to be run, which silences its warning. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
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

/* A file larger than the limit would cost the process its life (SIGXFSZ). */
static bool is_file_allowed(uint64_t bytes)
{
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
         limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes;
}

static int create_file(uint64_t bytes)
{
  unsigned flags = MFD_CLOEXEC;
  int file = memfd_create("code", flags | MFD_NOEXEC_SEAL);
  if (file < 0 && errno == EINVAL)
    file = memfd_create("code", flags);
  if (file >= 0 && ftruncate(file, (off_t)bytes) != 0) {
    close(file);
    return -1;
  }
  return file;
}

static bool map_at(uintptr_t at, uint64_t bytes, int protection, int file)
{
  int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
  return mmap((void *)at, bytes, protection, flags, file, 0) != MAP_FAILED;
}

static bool protect(uintptr_t at, uint64_t bytes, int protection)
{
  return mprotect((void *)at, bytes, protection) == 0;
}

/* The run view is mapped with the right to run first: a system that forbids
   it is to say so now, not when there is code. */
static const char *map_views(struct mm_dual *dual)
{
  if (!map_at(dual->run_base, dual->bytes, RUN, dual->file) ||
      !protect(dual->run_base, dual->bytes, PROT_NONE))
    return "executable memory (mmap)";
  if (!map_at(dual->write_base, dual->bytes, PROT_NONE, dual->file))
    return "a second view of memory (mmap)";
  if (madvise((void *)dual->write_base, dual->bytes, MADV_DONTFORK) != 0)
    return "memory that children lack (madvise)";
  return NULL;
}

static const char *reserve(struct mm_dual *dual)
{
  if (!is_file_allowed(dual->bytes)) {
    errno = EFBIG;
    return "a file of this size (ulimit -f)";
  }
  dual->file = create_file(dual->bytes);
  if (dual->file < 0)
    return "a file in memory (memfd_create)";
  void *at = mmap(NULL, 2 * dual->bytes, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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
  struct mm_dual made = {.file = -1, .process = getpid(), .bytes = bytes};
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

/* Adds (mode 0) or removes the pages of a part of the file. */
static bool allocate_pages(struct mm_dual *dual, int mode, uint64_t offset,
                           uint64_t bytes)
{
  int failed;
  do {
    failed = fallocate(dual->file, mode, (off_t)offset, (off_t)bytes);
  } while (failed && errno == EINTR);
  return !failed;
}

static bool remove_pages(struct mm_dual *dual, uint64_t offset, uint64_t bytes)
{
  return allocate_pages(dual, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        offset, bytes);
}

enum mm_status mm_dual_commit(struct mm_dual *dual, uint64_t offset,
                              uint64_t bytes)
{
  MM_ASSERT(offset < dual->bytes && bytes <= dual->bytes - offset);
  if (mm_dual_is_inherited(dual))
    return MM_NO_MEMORY;
  if (!allocate_pages(dual, 0, offset, bytes))
    return status_of_errno();
  if (!protect(dual->write_base + offset, bytes, WRITE))
    goto fail_write;
  if (!protect(dual->run_base + offset, bytes, RUN))
    goto fail_run;
  return MM_OK;

  enum mm_status status;
fail_run:
  status = status_of_errno();
  (void)protect(dual->write_base + offset, bytes, PROT_NONE);
  (void)remove_pages(dual, offset, bytes);
  return status;
fail_write:
  status = status_of_errno();
  (void)remove_pages(dual, offset, bytes);
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
      !protect(dual->write_base + offset, bytes, PROT_NONE) ||
      !remove_pages(dual, offset, bytes)) {
    status = status_of_errno();
    /* As it was: neighbours grow together again, which needs no memory. */
    (void)protect(dual->write_base + offset, bytes, WRITE);
    (void)protect(dual->run_base + offset, bytes, RUN);
  }
  return status;
}

void mm_dual_destroy(struct mm_dual *dual)
{
  if (dual->file >= 0)
    close(dual->file);
  if (!dual->write_base)
    return;
  /* A child has something else there by now, perhaps. */
  if (!mm_dual_is_inherited(dual))
    munmap((void *)dual->write_base, dual->bytes);
  munmap((void *)dual->run_base, dual->bytes);
}
