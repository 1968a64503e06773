/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where fields lie.
 *
 *   instance   header | fields of the base | own fields: 8, 4, 2, 1 bytes wide
 *
 * Own fields begin right behind the last field of the base.  If 8-byte fields
 * are to come and that place is not a multiple of 8, narrower fields fill the
 * gap.  References are 4 bytes wide.  The instance's size is rounded up to a
 * multiple of 8.  Fields of one width keep the order in which they were
 * declared.
 *
 *   static     one vm_slot each, a bit per reference in static_refs
 *
 * Invariant: bit i of the reference map is set iff a reference field stands at
 * offset 4 * i (the heap verifier reads objects through it).
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

uint32_t vm_prim_field_bytes(uint8_t prim)
{
  return prim == VM_PRIM_REF ? sizeof(struct mm_ref)
                             : vm_prim_table[prim].bytes;
}

/* The end of the last own field; 0: it has none. */
static uint32_t own_fields_end(const struct vm_class *class)
{
  uint32_t end = 0;
  for (uint32_t i = 0; i < class->field_count; i++) {
    const struct vm_field *field = &class->fields[i];
    if (!field->is_static &&
        field->offset + vm_prim_field_bytes(field->prim) > end)
      end = field->offset + vm_prim_field_bytes(field->prim);
  }
  return end;
}

/* The end of the last field of a class or its bases: fields of a class lie
   behind all of its base's. */
static uint32_t fields_end(const struct vm_class *class)
{
  uint32_t end = 0;
  for (; class && end == 0; class = class->base) {
    if (class->layout.base_bytes == MM_HEADER_BYTES)
      return MM_HEADER_BYTES;
    end = own_fields_end(class);
  }
  return end ? end : MM_HEADER_BYTES;
}

/* Places up to `limit` fields of one width from `end` on; offset 0 means not
   placed yet.  Returns the new end. */
static uint32_t place_width(struct vm_class *class, uint32_t width,
                            uint32_t end, uint32_t limit)
{
  for (uint32_t i = 0; i < class->field_count && limit > 0; i++) {
    struct vm_field *field = &class->fields[i];
    if (field->is_static || field->offset != 0 ||
        vm_prim_field_bytes(field->prim) != width)
      continue;
    field->offset = end;
    end += width;
    limit--;
  }
  return end;
}

static bool has_wide_fields(const struct vm_class *class)
{
  for (uint32_t i = 0; i < class->field_count; i++)
    if (!class->fields[i].is_static &&
        vm_prim_field_bytes(class->fields[i].prim) == 8)
      return true;
  return false;
}

/* Brings `end` to a multiple of 8, with narrow fields where there are some. */
static uint32_t fill_gap(struct vm_class *class, uint32_t end)
{
  for (uint32_t width = 1; width < 8; width *= 2) {
    if ((end & width) == 0)
      continue;
    uint32_t gap_end = end + width;
    for (uint32_t narrow = width; narrow >= 1 && end < gap_end; narrow /= 2)
      end = place_width(class, narrow, end, (gap_end - end) / narrow);
    end = gap_end;
  }
  return end;
}

static uint32_t align_to(uint32_t end, uint32_t width)
{
  return (end + width - 1) & ~(width - 1);
}

static uint32_t place_fields(struct vm_class *class)
{
  uint32_t end = fields_end(class->base);
  if (has_wide_fields(class))
    end = fill_gap(class, end);
  else /* 4-byte fields come first */
    for (uint32_t width = 1; width < 4; width *= 2)
      if (end & width)
        end = place_width(class, width, end, 1), end = align_to(end, width * 2);
  for (uint32_t width = 8; width >= 1; width /= 2)
    end = place_width(class, width, end, UINT32_MAX);
  return end;
}

static void set_bit(uint64_t *map, uint32_t bit)
{
  map[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static size_t map_words(const struct mm_layout *layout)
{
  return ((size_t)layout->base_bytes / 4 + 63) / 64;
}

/* The base's map and the class's own fields. */
static void map_references(const struct vm_class *class, uint64_t *map)
{
  const struct mm_layout *base = class->base ? &class->base->layout : NULL;
  if (base &&
      (base->kind == MM_KIND_PLAIN || base->kind == MM_KIND_REFERENCE)) {
    bool wide = (base->flags & MM_LAYOUT_WIDE_MAP) != 0;
    const uint64_t *from = wide ? base->wide_ref_map : &base->ref_map;
    memcpy(map, from, map_words(base) * sizeof *map);
  }
  for (uint32_t i = 0; i < class->field_count; i++)
    if (!class->fields[i].is_static && class->fields[i].prim == VM_PRIM_REF)
      set_bit(map, class->fields[i].offset / 4);
}

/* Instances beyond 256 bytes need a map of their own. */
static bool make_map(struct vm_class *class)
{
  struct mm_layout *layout = &class->layout;
  size_t words = map_words(layout);
  if (words <= 1) {
    map_references(class, &layout->ref_map);
    return true;
  }
  uint64_t *map = vm_loader_metadata(class->loader, words * sizeof *map);
  if (!map)
    return false;
  map_references(class, map);
  layout->wide_ref_map = map;
  layout->flags |= MM_LAYOUT_WIDE_MAP;
  return true;
}

static bool lay_out_statics(struct vm_class *class)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < class->field_count; i++)
    if (class->fields[i].is_static)
      class->fields[i].offset = count++;
  class->static_count = count;
  if (count == 0)
    return true;
  class->statics =
      vm_loader_metadata(class->loader, (size_t)count * sizeof *class->statics);
  class->static_refs =
      vm_loader_metadata(class->loader, ((size_t)count + 63) / 64 * 8);
  if (!class->statics || !class->static_refs)
    return false;
  for (uint32_t i = 0; i < class->field_count; i++)
    if (class->fields[i].is_static && class->fields[i].prim == VM_PRIM_REF)
      set_bit(class->static_refs, class->fields[i].offset);
  return true;
}

bool vm_class_lay_out(struct vm_class *class)
{
  if (!lay_out_statics(class))
    return false;
  uint32_t end = place_fields(class);
  class->layout.base_bytes = (uint32_t)mm_align_object(end);
  return make_map(class);
}
