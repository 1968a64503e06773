/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emitter's buffer, labels and fixups: what no machine makes different.
 *
 *   bytes  [ instruction | instruction | ...           | free ]
 *                ^ uses[i].offset: four bytes, filled in   count   capacity
 *                  at the end, when all labels are bound
 *
 * The arrays double in the arena; what they leave behind goes with it.  Once
 * memory has run out nothing is written any more, wherever the counts stand.
 */
#include "config.h"

#include "jit_stub/emit_internal.h"

#include "mm/alloc/arena.h"
#include "vm/core/assert.h"

#include <string.h>

enum {
  FIRST_BYTES = 1024,
  FIRST_ELEMENTS = 32,
  /* Of each array, in elements: all distances fit in 31 bits. */
  CAPACITY_MAX = 1 << 30,
  NOT_BOUND = -1,
};

void jit_emit_init(struct jit_emitter *e, struct mm_arena *arena)
{
  *e = (struct jit_emitter){.arena = arena};
}

/* A larger array with the same content; null: out of memory, now known. */
static void *grown(struct jit_emitter *e, const void *old, size_t element_bytes,
                   uint32_t first, uint32_t *capacity)
{
  uint32_t more = *capacity ? *capacity * 2 : first;
  void *larger = more <= CAPACITY_MAX
                     ? mm_arena_alloc(e->arena, more * element_bytes)
                     : NULL;
  if (!larger) {
    e->out_of_memory = true;
    return NULL;
  }
  if (old)
    memcpy(larger, old, *capacity * element_bytes);
  *capacity = more;
  return larger;
}

static bool grow_bytes(struct jit_emitter *e)
{
  uint8_t *larger = grown(e, e->bytes, 1, FIRST_BYTES, &e->capacity);
  if (larger)
    e->bytes = larger;
  return larger;
}

void jit_emit_bytes(struct jit_emitter *e, const uint8_t *bytes, uint32_t count)
{
  VM_ASSERT(count <= FIRST_BYTES);
  if (e->out_of_memory)
    return;
  if (count > e->capacity - e->count && !grow_bytes(e))
    return;
  memcpy(e->bytes + e->count, bytes, count);
  e->count += count;
}

/* --- Labels --- */

static bool grow_labels(struct jit_emitter *e)
{
  uint32_t *larger = grown(e, e->labels, sizeof *e->labels, FIRST_ELEMENTS,
                           &e->label_capacity);
  if (larger)
    e->labels = larger;
  return larger;
}

jit_label jit_label_new(struct jit_emitter *e)
{
  if (e->out_of_memory)
    return 0;
  if (e->label_count == e->label_capacity && !grow_labels(e))
    return 0;
  e->labels[e->label_count] = (uint32_t)NOT_BOUND;
  return e->label_count++;
}

void jit_label_bind(struct jit_emitter *e, jit_label label)
{
  if (e->out_of_memory)
    return;
  VM_ASSERT(label < e->label_count);
  VM_ASSERT(e->labels[label] == (uint32_t)NOT_BOUND);
  e->labels[label] = e->count;
}

bool jit_label_distance(const struct jit_emitter *e, jit_label label,
                        int32_t *distance)
{
  if (e->out_of_memory || e->labels[label] == (uint32_t)NOT_BOUND)
    return false;
  VM_ASSERT(e->labels[label] <= e->count);
  *distance = (int32_t)(e->labels[label] - e->count);
  return true;
}

static bool grow_uses(struct jit_emitter *e)
{
  struct jit_label_use *larger =
      grown(e, e->uses, sizeof *e->uses, FIRST_ELEMENTS, &e->use_capacity);
  if (larger)
    e->uses = larger;
  return larger;
}

void jit_emit_label_use(struct jit_emitter *e, jit_label label)
{
  if (e->out_of_memory)
    return;
  VM_ASSERT(label < e->label_count && e->count >= 4);
  if (e->use_count == e->use_capacity && !grow_uses(e))
    return;
  e->uses[e->use_count++] = (struct jit_label_use){e->count - 4, label};
}

/* --- What is outside --- */

static bool grow_fixups(struct jit_emitter *e)
{
  struct jit_fixup *larger = grown(e, e->fixups, sizeof *e->fixups,
                                   FIRST_ELEMENTS, &e->fixup_capacity);
  if (larger)
    e->fixups = larger;
  return larger;
}

void jit_emit_fixup(struct jit_emitter *e, const void *target)
{
  if (e->out_of_memory)
    return;
  VM_ASSERT(e->count >= 4);
  if (e->fixup_count == e->fixup_capacity && !grow_fixups(e))
    return;
  e->fixups[e->fixup_count++] = (struct jit_fixup){e->count - 4, target};
}

/* --- The end --- */

static void fill_in(struct jit_emitter *e, const struct jit_label_use *use)
{
  uint32_t target = e->labels[use->label];
  VM_ASSERT(target != (uint32_t)NOT_BOUND);
  jit_emit_put32(e->bytes + use->offset, target - (use->offset + 4));
}

bool jit_emit_finish(struct jit_emitter *e)
{
  if (e->out_of_memory)
    return false;
  for (uint32_t i = 0; i < e->use_count; i++)
    fill_in(e, &e->uses[i]);
  return true;
}
