/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of arrays, objects, fields, constants from the heap and casts; a
 * fragment of interp_run (run.c), whose macros it uses.  No include guard: it
 * is code, included once.
 */

/* --- Constants --- */

OP(lda_str)
{
  acc = vm_string_const_ref(pc[1].ptr).bits;
  NEXT(2);
}
OP(lda_const)
{
  SAVE();
  struct mm_ref array = vm_new_literal_array(
      thread, frame_of(fp)->method->module, (uint32_t)pc[2].u64);
  if (mm_is_null(array))
    goto unwind;
  RELOAD();
  RI(a).u64 = array.bits;
  NEXT(3);
}
OP(lda_type)
{
  SAVE();
  struct mm_ref mirror = vm_class_mirror(thread, pc[1].ptr);
  if (mm_is_null(mirror))
    goto unwind;
  acc = mirror.bits;
  NEXT(2);
}

/* --- Arrays: null, then index, then class --- */

#define ARRAY_AT(array, base) ((char *)mm_address(array) + (base))

OP(newarr)
{
  struct vm_class *class = pc[2].ptr;
  int32_t length = R(b).i32;
  if (LIKELY((uint32_t)length <= MM_TLAB_OBJECT_MAX_BYTES)) {
    uint64_t bytes = mm_array_bytes(&class->layout, (uint32_t)length);
    uintptr_t at = thread->mutator.tlab_cursor;
    if (LIKELY(bytes <= MM_TLAB_OBJECT_MAX_BYTES &&
               at + bytes <= thread->mutator.tlab_limit)) {
      thread->mutator.tlab_cursor = at + bytes;
      mm_write_header(at, &class->layout);
      *(uint32_t *)(at + MM_ARRAY_LENGTH_OFFSET) = (uint32_t)length;
      vm_object_made();
      R(a).u64 = mm_ref_at((void *)at).bits;
      NEXT(3);
    }
  }
  SAVE();
  struct mm_ref array = vm_new_array(thread, class, length);
  if (mm_is_null(array))
    goto unwind;
  RELOAD();
  R(a).u64 = array.bits;
  NEXT(3);
}

OP(lenarr_a)
{
  struct mm_ref array = R(b).ref;
  if (UNLIKELY(mm_is_null(array)))
    goto throw_null;
  acc = mm_length_word(array);
  NEXT(2);
}
OP(lenarr_r)
{
  struct mm_ref array = R(b).ref;
  if (UNLIKELY(mm_is_null(array)))
    goto throw_null;
  R(a).u64 = mm_length_word(array);
  NEXT(2);
}

/* Checks an array and an index into it; both are then usable. */
#define ELEMENT_OF(array_value, index_value)                                   \
  struct mm_ref array = (array_value);                                         \
  uint32_t index = (index_value);                                              \
  if (UNLIKELY(mm_is_null(array)))                                             \
    goto throw_null;                                                           \
  if (UNLIKELY(index >= mm_length_word(array))) {                              \
    SAVE();                                                                    \
    vm_throw_index(thread, (int32_t)index, mm_length_word(array));             \
    goto unwind;                                                               \
  }
/* The array in register b. */
#define ELEMENT(index_value) ELEMENT_OF(R(b).ref, index_value)

#define ELEMENT_LOAD(name, type, base, E)                                      \
  OP(name##_aa)                                                                \
  {                                                                            \
    ELEMENT((uint32_t)acc)                                                     \
    acc = E(((type *)ARRAY_AT(array, base))[index]);                           \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_ar)                                                                \
  {                                                                            \
    ELEMENT(R(c).u32)                                                          \
    acc = E(((type *)ARRAY_AT(array, base))[index]);                           \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_ra)                                                                \
  {                                                                            \
    ELEMENT((uint32_t)acc)                                                     \
    R(a).u64 = E(((type *)ARRAY_AT(array, base))[index]);                      \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rr)                                                                \
  {                                                                            \
    ELEMENT(R(c).u32)                                                          \
    R(a).u64 = E(((type *)ARRAY_AT(array, base))[index]);                      \
    NEXT(2);                                                                   \
  }

#define SIGNED(v) ((uint64_t)(int64_t)(v))
#define UNSIGNED(v) ((uint64_t)(v))

ELEMENT_LOAD(ldarr_i8, int8_t, MM_ARRAY_BASE, SIGNED)
ELEMENT_LOAD(ldarr_u8, uint8_t, MM_ARRAY_BASE, UNSIGNED)
ELEMENT_LOAD(ldarr_i16, int16_t, MM_ARRAY_BASE, SIGNED)
ELEMENT_LOAD(ldarr_u16, uint16_t, MM_ARRAY_BASE, UNSIGNED)
ELEMENT_LOAD(ldarr_i32, int32_t, MM_ARRAY_BASE, SIGNED)
ELEMENT_LOAD(ldarr_64, uint64_t, MM_ARRAY_BASE_WIDE, UNSIGNED)
ELEMENT_LOAD(ldarr_ref, uint32_t, MM_ARRAY_BASE, UNSIGNED)

/* `lda i; ldarru.8 array; j**z label`: array in a, index in b. */
#define ELEMENT_JUMP(name, condition)                                          \
  OP(name)                                                                     \
  {                                                                            \
    ELEMENT_OF(RI(a).ref, RI(b).u32)                                           \
    acc = ((uint8_t *)ARRAY_AT(array, MM_ARRAY_BASE))[index];                  \
    if (acc condition 0)                                                       \
      JUMP();                                                                  \
    NEXT(2);                                                                   \
  }

ELEMENT_JUMP(j_ldarr_u8_eqz, ==)
ELEMENT_JUMP(j_ldarr_u8_nez, !=)

/* The value is the accumulator or register a; array in b, index in c. */
#define ELEMENT_STORE(name, type, base, VALUE)                                 \
  OP(name##_a)                                                                 \
  {                                                                            \
    ELEMENT(R(c).u32)                                                          \
    ((type *)ARRAY_AT(array, base))[index] = (type)acc;                        \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_r)                                                                 \
  {                                                                            \
    ELEMENT(R(c).u32)                                                          \
    acc = VALUE;                                                               \
    ((type *)ARRAY_AT(array, base))[index] = (type)acc;                        \
    NEXT(2);                                                                   \
  }

ELEMENT_STORE(starr_8, uint8_t, MM_ARRAY_BASE, sext32(R(a).u32))
ELEMENT_STORE(starr_16, uint16_t, MM_ARRAY_BASE, sext32(R(a).u32))
ELEMENT_STORE(starr_32, uint32_t, MM_ARRAY_BASE, sext32(R(a).u32))
ELEMENT_STORE(starr_64, uint64_t, MM_ARRAY_BASE_WIDE, R(a).u64)

/* A constant: array in a, index in b. */
#define ELEMENT_STORE_CONSTANT(name, type)                                     \
  OP(name)                                                                     \
  {                                                                            \
    ELEMENT_OF(R(a).ref, R(b).u32)                                             \
    acc = pc[2].u64;                                                           \
    ((type *)ARRAY_AT(array, MM_ARRAY_BASE))[index] = (type)acc;               \
    NEXT(3);                                                                   \
  }

ELEMENT_STORE_CONSTANT(starr_8_i, uint8_t)
ELEMENT_STORE_CONSTANT(starr_32_i, uint32_t)

#define REF_ELEMENT_STORE                                                      \
  struct mm_ref value = {(uint32_t)acc};                                       \
  if (!mm_is_null(value)) {                                                    \
    const struct vm_class *element = vm_class_of(array)->element;              \
    const struct vm_class *class = vm_class_of(value);                         \
    if (UNLIKELY(class != element &&                                           \
                 !vm_class_is_assignable(class, element))) {                   \
      SAVE();                                                                  \
      vm_throw_store(thread, value, array);                                    \
      goto unwind;                                                             \
    }                                                                          \
  }                                                                            \
  STORE_REF(array, MM_ARRAY_BASE + 4 * (size_t)index, value);

OP(starr_ref_a)
{
  ELEMENT(R(c).u32)
  REF_ELEMENT_STORE
  NEXT(2);
}
OP(starr_ref_r)
{
  ELEMENT(R(c).u32)
  acc = R(a).u64;
  REF_ELEMENT_STORE
  NEXT(2);
}

/* --- Objects --- */

OP(newobj_init)
{
  INITIALISE(pc[2].ptr, INTERP_newobj);
}
OP(newobj)
{
  struct vm_class *class = pc[2].ptr;
  uintptr_t at = thread->mutator.tlab_cursor;
  uintptr_t end = at + class->layout.base_bytes;
  if (LIKELY(end <= thread->mutator.tlab_limit)) {
    thread->mutator.tlab_cursor = end;
    mm_write_header(at, &class->layout);
    vm_object_made();
    RI(a).u64 = mm_ref_at((void *)at).bits;
    NEXT(3);
  }
  goto *handlers[INTERP_newobj_slow];
}
OP(newobj_slow)
{
  SAVE();
  struct mm_ref object = vm_new_object(thread, pc[2].ptr);
  if (mm_is_null(object))
    goto unwind;
  RELOAD();
  RI(a).u64 = object.bits;
  NEXT(3);
}

/* --- Fields: destination or value in a, object in b, offset --- */

#define FIELD(object) ((char *)mm_address(object) + IMM)
#define OBJECT                                                                 \
  struct mm_ref object = RI(b).ref;                                            \
  if (UNLIKELY(mm_is_null(object)))                                            \
    goto throw_null;

/* Volatile accesses are sequentially consistent, as in Java.  Others are
   plain, also for ThreadSanitizer: when a program races it says so. */
#define PLAIN_LOAD(at) (*(at))
#define VOLATILE_LOAD(at) __atomic_load_n(at, __ATOMIC_SEQ_CST)
#define PLAIN_STORE(at, value) (*(at) = (value))
#define VOLATILE_STORE(at, value) __atomic_store_n(at, value, __ATOMIC_SEQ_CST)

#define FIELD_LOAD_AS(name, type, E, LOAD)                                     \
  OP(name##_a)                                                                 \
  {                                                                            \
    OBJECT                                                                     \
    acc = E(LOAD((type *)FIELD(object)));                                      \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_r)                                                                 \
  {                                                                            \
    OBJECT                                                                     \
    RI(a).u64 = E(LOAD((type *)FIELD(object)));                                \
    NEXT(2);                                                                   \
  }
#define FIELD_LOAD(name, type, E)                                              \
  FIELD_LOAD_AS(name, type, E, PLAIN_LOAD)                                     \
  FIELD_LOAD_AS(v##name, type, E, VOLATILE_LOAD)

FIELD_LOAD(ldobj_i8, int8_t, SIGNED)
FIELD_LOAD(ldobj_u8, uint8_t, UNSIGNED)
FIELD_LOAD(ldobj_i16, int16_t, SIGNED)
FIELD_LOAD(ldobj_u16, uint16_t, UNSIGNED)
FIELD_LOAD(ldobj_i32, int32_t, SIGNED)
FIELD_LOAD(ldobj_64, uint64_t, UNSIGNED)
FIELD_LOAD(ldobj_ref, uint32_t, UNSIGNED)

#define FIELD_STORE_AS(name, type, STORE)                                      \
  OP(name##_a)                                                                 \
  {                                                                            \
    OBJECT                                                                     \
    STORE((type *)FIELD(object), (type)acc);                                   \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_r)                                                                 \
  {                                                                            \
    OBJECT                                                                     \
    STORE((type *)FIELD(object), (type)RI(a).u64);                             \
    NEXT(2);                                                                   \
  }
#define FIELD_STORE(name, type)                                                \
  FIELD_STORE_AS(name, type, PLAIN_STORE)                                      \
  FIELD_STORE_AS(v##name, type, VOLATILE_STORE)

FIELD_STORE(stobj_8, uint8_t)
FIELD_STORE(stobj_16, uint16_t)
FIELD_STORE(stobj_32, uint32_t)
FIELD_STORE(stobj_64, uint64_t)

OP(stobj_ref_a)
{
  OBJECT
  STORE_REF(object, IMM, ((struct mm_ref){(uint32_t)acc}));
  NEXT(2);
}
OP(stobj_ref_r)
{
  OBJECT
  STORE_REF(object, IMM, RI(a).ref);
  NEXT(2);
}
OP(vstobj_ref_a)
{
  OBJECT
  vm_object_set_volatile_ref(thread, object, (uint32_t)IMM,
                             (struct mm_ref){(uint32_t)acc});
  NEXT(2);
}
OP(vstobj_ref_r)
{
  OBJECT
  vm_object_set_volatile_ref(thread, object, (uint32_t)IMM, RI(a).ref);
  NEXT(2);
}

/* --- Static fields: the slot, then its class --- */

#define STATIC_SLOT ((union vm_slot *)pc[1].ptr)

OP(ldstatic_init)
{
  INITIALISE(pc[2].ptr, INTERP_ldstatic);
}
OP(ldstatic)
{
  acc = STATIC_SLOT->u64;
  NEXT(3);
}
OP(vldstatic_init)
{
  INITIALISE(pc[2].ptr, INTERP_vldstatic);
}
OP(vldstatic)
{
  acc = VOLATILE_LOAD(&STATIC_SLOT->u64);
  NEXT(3);
}

/* A slot holds its value as a load would leave it in the accumulator. */
#define STATIC_STORE_AS(name, E, STORE)                                        \
  OP(name##_init)                                                              \
  {                                                                            \
    INITIALISE(pc[2].ptr, INTERP_##name);                                      \
  }                                                                            \
  OP(name)                                                                     \
  {                                                                            \
    STORE(&STATIC_SLOT->u64, (uint64_t)(E));                                   \
    NEXT(3);                                                                   \
  }
#define STATIC_STORE(name, E)                                                  \
  STATIC_STORE_AS(name, E, PLAIN_STORE)                                        \
  STATIC_STORE_AS(v##name, E, VOLATILE_STORE)

STATIC_STORE(ststatic_i8, SIGNED((int8_t)acc))
STATIC_STORE(ststatic_u8, (uint8_t)acc)
STATIC_STORE(ststatic_i16, SIGNED((int16_t)acc))
STATIC_STORE(ststatic_u16, (uint16_t)acc)
STATIC_STORE(ststatic_i32, SIGNED((int32_t)acc))
STATIC_STORE(ststatic_64, acc)
STATIC_STORE(ststatic_ref, (uint32_t)acc)

/*
 * Note [Statics that are logged]
 *
 * Static references of the boot loader are roots, and stores to them have no
 * barrier.  Those of other loaders are reached from the loader's object, which
 * a cycle may come to late: so what is overwritten while a cycle marks is
 * logged like a field's.  Which of the two it is, is known when the operation
 * is made.  A cycle reads such a slot beside the program, so it is stored as an
 * atomic.
 */
#define LOGGED_STORE(at, value)                                                \
  mm_barrier_before(&thread->mutator, at);                                     \
  __atomic_store_n(at, value, __ATOMIC_RELAXED)
#define VOLATILE_LOGGED_STORE(at, value)                                       \
  mm_barrier_before(&thread->mutator, at);                                     \
  __atomic_store_n(at, value, __ATOMIC_SEQ_CST)

STATIC_STORE_AS(ststatic_logged, (uint32_t)acc, LOGGED_STORE)
STATIC_STORE_AS(vststatic_logged, (uint32_t)acc, VOLATILE_LOGGED_STORE)

/* --- Casts: the class --- */

OP(checkcast)
{
  struct mm_ref value = {(uint32_t)acc};
  if (!mm_is_null(value) &&
      UNLIKELY(!vm_class_is_assignable(vm_class_of(value), pc[1].ptr)))
    goto throw_cast;
  NEXT(2);
}
OP(checkcast_nonnull)
{
  struct mm_ref value = {(uint32_t)acc};
  if (mm_is_null(value) ||
      UNLIKELY(!vm_class_is_assignable(vm_class_of(value), pc[1].ptr)))
    goto throw_cast;
  NEXT(2);
}
OP(isinstance)
{
  struct mm_ref value = {(uint32_t)acc};
  acc = !mm_is_null(value) &&
        vm_class_is_assignable(vm_class_of(value), pc[1].ptr);
  NEXT(2);
}

#undef ARRAY_AT
#undef ELEMENT_OF
#undef ELEMENT
#undef ELEMENT_LOAD
#undef ELEMENT_JUMP
#undef ELEMENT_STORE
#undef ELEMENT_STORE_CONSTANT
#undef REF_ELEMENT_STORE
#undef SIGNED
#undef UNSIGNED
#undef FIELD
#undef OBJECT
#undef PLAIN_LOAD
#undef VOLATILE_LOAD
#undef PLAIN_STORE
#undef VOLATILE_STORE
#undef FIELD_LOAD_AS
#undef FIELD_LOAD
#undef FIELD_STORE_AS
#undef FIELD_STORE
#undef STATIC_SLOT
#undef STATIC_STORE_AS
#undef LOGGED_STORE
#undef VOLATILE_LOGGED_STORE
#undef STATIC_STORE
