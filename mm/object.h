/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References, object headers and layouts: the shape of everything in the
 * heap, as the collector, the interpreter and compiled code see it.
 *
 *   reference  32 bits: address / 8; null is 0
 *
 *   object     +0  class word   address of its mm_layout (below 4 GiB)
 *              +4  mark word    state in the low 3 bits, see MM_MARK_*
 *              +8  fields, or the 32-bit length of an array and then its
 *                  elements at +12 (+16 when they are 8 bytes wide)
 *
 * Every object starts at a multiple of 8 and takes a multiple of 8 bytes, at
 * least 8.  A forwarded object's class word holds the new reference and its
 * mark word MM_MARK_FORWARDED; both are written by one 8-byte store.
 */
#ifndef MM_OBJECT_H
#define MM_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

/* A typed reference.  A struct, so that it never mixes with integers. */
struct mm_ref {
  uint32_t bits;
};

#define MM_NULL ((struct mm_ref){0})

enum {
  MM_REF_SHIFT = 3,
  MM_OBJECT_ALIGN = 8,
  MM_HEADER_BYTES = 8,
  MM_CLASS_WORD_OFFSET = 0,
  MM_MARK_WORD_OFFSET = 4,
  MM_ARRAY_LENGTH_OFFSET = 8,
  MM_ARRAY_BASE = 12,      /* offset of elements up to 4 bytes wide */
  MM_ARRAY_BASE_WIDE = 16, /* offset of 8-byte elements */
  MM_STRING_HASH_OFFSET = 12,
  MM_STRING_BASE = 16, /* offset of a string's units */
};

/* A custom object has a header and a length word. */
enum { MM_CUSTOM_LEAST_BYTES = 16 };

/* Longest array and string, in elements. */
#define MM_ARRAY_LENGTH_MAX INT32_MAX
#define MM_STRING_LENGTH_MAX (INT32_MAX / 2)

static inline bool mm_is_null(struct mm_ref ref)
{
  return ref.bits == 0;
}

static inline bool mm_same(struct mm_ref a, struct mm_ref b)
{
  return a.bits == b.bits;
}

static inline void *mm_address(struct mm_ref ref)
{
  return (void *)((uintptr_t)ref.bits << MM_REF_SHIFT);
}

static inline struct mm_ref mm_ref_at(const void *address)
{
  return (struct mm_ref){(uint32_t)((uintptr_t)address >> MM_REF_SHIFT)};
}

/* How an object's references are found and its size computed. */
enum mm_kind {
  MM_KIND_PLAIN,      /* base_bytes bytes, references as in ref_map */
  MM_KIND_REF_ARRAY,  /* length word, then 4-byte references */
  MM_KIND_DATA_ARRAY, /* length word, then elements of 1 << elem_log2 bytes */
  MM_KIND_STRING,     /* length word is (units << 1) | wide; Latin-1 bytes or
                         16-bit units from MM_STRING_BASE on */
  MM_KIND_FILLER,     /* a gap: base_bytes 8, or a length word in bytes */
  MM_KIND_REFERENCE,  /* plain, its first field a referent (weak, soft, ...) */
  MM_KIND_CUSTOM,     /* sized and scanned by its language (mm/language.h) */
  MM_KIND_TAGGED_ARRAY, /* length word, then 64-bit tagged slots */
};

/*
 * What the collector knows of a class.  Stands first in the host's class
 * structure, in metadata memory below 4 GiB (mm_metadata_*), and does not
 * change while an instance exists.
 */
struct mm_layout {
  uint32_t base_bytes; /* plain: size of an instance, a multiple of 8;
                          arrays and strings: offset of the first element */
  uint8_t kind;        /* enum mm_kind */
  uint8_t elem_log2;   /* arrays: log2 of the element width in bytes */
  uint8_t language;    /* index of the language that owns the class */
  uint8_t flags;       /* MM_LAYOUT_* */
  uint64_t ref_map;    /* plain: bit i: a reference stands at offset 4 * i */
  const uint64_t *wide_ref_map; /* the same for MM_LAYOUT_WIDE_MAP */
  struct mm_ref owner;          /* MM_LAYOUT_OWNED: see there */
};

enum {
  MM_LAYOUT_WIDE_MAP = 1 << 0, /* more than 256 bytes: use wide_ref_map, of
                                  (base_bytes / 4 + 63) / 64 words */
  MM_LAYOUT_TAGGED = 1 << 1,   /* plain: bit i of the map, i even: a tagged
                                  slot stands at offset 4 * i */
  MM_LAYOUT_OWNED = 1 << 2,    /* an instance keeps `owner' alive, which is an
                                  object that never moves (mm_alloc_nonmoving):
                                  see Note [Owners of classes] in
                                  mm/language.h */
};

/*
 * Tagged slots are 64 bits wide: a number, or whatever the language packs in
 * there, or a reference.  It is a reference if the bits of the mask are those
 * of the pattern; the low 32 bits, which the mask leaves out, are then the
 * reference (NaN-boxing: Gudeman, "Representing type information in
 * dynamically typed languages", 1993).
 */
struct mm_tagging {
  uint64_t mask, pattern;
};

/* The reference that a tagged value is, or null. */
static inline struct mm_ref mm_tagged_ref(struct mm_tagging tagging,
                                          uint64_t value)
{
  bool is_ref = (value & tagging.mask) == tagging.pattern;
  return (struct mm_ref){is_ref ? (uint32_t)value : 0};
}

static inline uint64_t mm_tagged_value(struct mm_tagging tagging,
                                       struct mm_ref ref)
{
  return tagging.pattern | ref.bits;
}

/* Where the reference of a tagged slot stands. */
static inline struct mm_ref *mm_tagged_slot(void *slot)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return (struct mm_ref *)slot;
#else
  return (struct mm_ref *)slot + 1;
#endif
}

/*
 * The mark word.  Its states are Panda's:
 *
 *   unlocked --lock--> light (owner, count) --contention, hash--> inflated
 *   unlocked --hash--> hashed --lock--> inflated (the monitor keeps the hash)
 *   any      --collector--> forwarded (the copy keeps the word)
 */
enum {
  MM_MARK_STATE_MASK = 7,
  MM_MARK_UNLOCKED = 0,
  MM_MARK_LIGHT = 1,     /* count in bits 3..15, owner in bits 16..31 */
  MM_MARK_INFLATED = 2,  /* index of a monitor from bit 3 on */
  MM_MARK_HASHED = 3,    /* 29 bits of identity hash from bit 3 on */
  MM_MARK_FORWARDED = 4, /* the class word is the new reference */
  MM_MARK_PAYLOAD_SHIFT = 3,
  MM_MARK_LIGHT_COUNT_BITS = 13,
  MM_MARK_LIGHT_OWNER_SHIFT = 16,
};

static inline uint32_t *mm_mark_word(struct mm_ref ref)
{
  return (uint32_t *)((char *)mm_address(ref) + MM_MARK_WORD_OFFSET);
}

/* The layout of an object that is not forwarded. */
static inline struct mm_layout *mm_layout_of(struct mm_ref ref)
{
  uint32_t *word = (uint32_t *)mm_address(ref);
  return (struct mm_layout *)(uintptr_t)__atomic_load_n(word, __ATOMIC_RELAXED);
}

/* The raw length word of an array or string. */
static inline uint32_t mm_length_word(struct mm_ref ref)
{
  return *(uint32_t *)((char *)mm_address(ref) + MM_ARRAY_LENGTH_OFFSET);
}

static inline uint64_t mm_align_object(uint64_t bytes)
{
  return (bytes + MM_OBJECT_ALIGN - 1) & ~(uint64_t)(MM_OBJECT_ALIGN - 1);
}

/* Bytes that an array of this layout takes; never wraps for 32-bit lengths. */
static inline uint64_t mm_array_bytes(const struct mm_layout *layout,
                                      uint32_t length)
{
  return mm_align_object(layout->base_bytes +
                         ((uint64_t)length << layout->elem_log2));
}

/* Bytes that a string with this length word takes. */
static inline uint64_t mm_string_bytes(uint32_t length_word)
{
  uint64_t units = length_word >> 1;
  return mm_align_object(MM_STRING_BASE + (units << (length_word & 1)));
}

_Static_assert(sizeof(struct mm_ref) == 4, "references are 32 bits wide");
_Static_assert(MM_OBJECT_ALIGN == 1 << MM_REF_SHIFT, "granule");

#endif
