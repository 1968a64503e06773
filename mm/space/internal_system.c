/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of the C library for the internal space.
 *
 *   | bytes, sign | block ...
 *
 * The library does not tell the size of a block, nor whether an address is
 * one; the head does.
 */
#include "config.h"

#include "mm/space/internal_space_internal.h"

#include "mm/assert_internal.h"

#include <stdlib.h>

#define SIGN UINT64_C(0x6320626c6f636b73)

struct head {
  uint64_t bytes;
  uint64_t sign;
};

_Static_assert(sizeof(struct head) % MM_BLOCK_ALIGN == 0,
               "a block stays aligned");

static struct head *head_of(const void *block)
{
  return (struct head *)block - 1;
}

static uint64_t sign_of(const struct head *head)
{
  return SIGN ^ head->bytes ^ (uint64_t)(uintptr_t)head;
}

size_t mm_internal_system_whole(size_t bytes)
{
  return bytes > SIZE_MAX - sizeof(struct head) ? SIZE_MAX
                                                : bytes + sizeof(struct head);
}

void *mm_internal_system_alloc(size_t bytes, bool zeroed)
{
  size_t whole = mm_internal_system_whole(bytes);
  if (whole > PTRDIFF_MAX)
    return NULL;
  struct head *head = zeroed ? calloc(1, whole) : malloc(whole);
  if (!head)
    return NULL;
  head->bytes = bytes;
  head->sign = sign_of(head);
  return head + 1;
}

size_t mm_internal_system_bytes(const void *block)
{
  MM_ASSERT(mm_internal_system_is_block(block));
  return head_of(block)->bytes;
}

bool mm_internal_system_is_block(const void *block)
{
  return head_of(block)->sign == sign_of(head_of(block));
}

size_t mm_internal_system_free(void *block)
{
  size_t whole = mm_internal_system_whole(mm_internal_system_bytes(block));
  head_of(block)->sign = 0;
  free(head_of(block));
  return whole;
}
