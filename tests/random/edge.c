/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements about what compilers treat specially: indexes at the bounds of
 * arrays, references that are null, one call with receivers of several classes,
 * chains of jumps on one value, many registers used at once, objects that are
 * made and linked in a loop.
 */
#include "random.h"

#include <stdio.h>

/* --- Bounds --- */

/* v1: an index of the array, near its end, or far out; now and then computed so
   that the upper half of a register may hold something else. */
static void edge_index(int array)
{
  static const char *const far[] = {
      "-1",         "-2147483648", "-2147483647", "2147483647", "2147483646",
      "0x10000000", "0x20000000",  "0x40000000",  "0xe0000000", "0xc0000000",
      "0x1fffffff", "0x3fffffff",  "65536",       "0x0ffffffe", "256"};
  switch (below(4)) {
  case 0:
    emit("movi v1, %s", far[below(COUNT(far))]);
    break;
  case 1:
    emit("ldai.64 %lld",
         (long long)((uint64_t)between(-3, 3) << 32 | below(12)));
    emit("i64toi32");
    emit("sta v1");
    break;
  case 2:
    emit("movi v1, %d", between(0, 8));
    break;
  default:
    emit("lenarr %s", reg(array));
    if (chance(75))
      emit("addi %d", -between(0, 2));
    emit("sta v1");
  }
  body.acc = T_NONE;
}

/* In v0 where it is null. */
static int edge_array(int type)
{
  if (chance(20)) {
    emit("ldstatic.obj G.n%d", type);
    emit("sta.obj v0");
    body.acc = T_NONE;
    return 0;
  }
  return is_array_of_refs(type) ? need_exact(type) : need_reg(type, 16, 0);
}

static void inside_bounds(void)
{
  for (int i = between(1, 3); i > 0; i--) {
    int type = any_array();
    int array = edge_array(type);
    edge_index(array);
    if (chance(50))
      load_element(type, array);
    else
      store_element(type, array);
  }
}

/* --- Nulls --- */

static void load_null(int type)
{
  emit("ldstatic.obj G.n%d", type);
  emit("sta.obj v0");
  body.acc = T_NONE;
}

static const struct function *any_method(void)
{
  for (;;) {
    const struct function *f = &functions[below((unsigned)function_count)];
    if (f->is_instance && !f->is_ctor)
      return f;
    if (chance(2))
      return NULL;
  }
}

static void call_on_null(void)
{
  const struct function *f = any_method();
  if (!f)
    return;
  load_null(f->owner);
  write_call_on_v0(f);
}

static void cast_null(void)
{
  int type = any_ref();
  emit("ldstatic.obj G.n%d", type);
  emit("checkcast%s %s", chance(50) ? ".nonnull" : "", types[type].name);
  body.acc = T_NONE;
}

static void inside_nulls(void)
{
  int record = any_own(), array = any_array();
  switch (below(8)) {
  case 0:
    call_on_null();
    break;
  case 1:
    cast_null();
    break;
  case 2:
    load_null(array);
    emit("lenarr v0");
    break;
  case 3:
    load_null(any_ref());
    emit("throw v0");
    break;
  case 4:
    load_null(any_ref());
    emit("call.short Object.monitorEnter, v0");
    break;
  default:
    load_null(record);
    use_any_field(record, 0);
  }
  body.acc = T_NONE;
}

/* What is thrown is caught close by, unless this is a handler already. */
static void guarded(void (*inside)(void))
{
  if (body.out == &body.code)
    write_try(inside);
  else if (chance(10))
    inside();
}

void write_bounds(void)
{
  guarded(inside_bounds);
}

void write_nulls(void)
{
  guarded(inside_nulls);
}

/* --- Receivers --- */

enum { MAX_RECEIVERS = 5 };

static int find_receivers(int owner, int found[MAX_RECEIVERS])
{
  int count = 0;
  int start = (int)below((unsigned)type_count);
  for (int i = 0; i < type_count && count < MAX_RECEIVERS; i++) {
    int type = (start + i) % type_count;
    if (types[type].is_own && is_assignable(type, owner))
      found[count++] = type;
  }
  return count;
}

/* v0: an object whose class the counter chooses. */
static void choose_receiver(int counter, const int *found, int count)
{
  int call = new_label(), first = body.labels;
  body.labels += count;
  emit("lda %s", reg(counter));
  emit("modi %d", count);
  for (int i = 0; i < count - 1; i++) {
    emit("jeqz L%d", first + i);
    emit("addi -1");
  }
  for (int i = count - 1; i >= 0; i--) {
    if (i < count - 1)
      put_label(first + i);
    emit("newobj v0, %s", types[found[i]].name);
    if (i > 0)
      emit("jmp L%d", call);
  }
  put_label(call);
  body.acc = T_NONE;
}

/* The same call in a loop, with receivers that take turns. */
void write_receivers(void)
{
  const struct function *f = any_method();
  int counter = find_target(T_I32, 16);
  if (body.loops == 3 || !f || counter == T_NONE)
    return;
  int found[MAX_RECEIVERS];
  int count = find_receivers(f->owner, found);
  body.loops++;
  body.locked[counter] = true;
  int head = new_label();
  emit("movi %s, %d", reg(counter), between(2, 12));
  put_label(head);
  choose_receiver(counter, found, count);
  write_call_on_v0(f);
  write_turn(counter, head);
  body.locked[counter] = false;
  body.loops--;
}

/* --- Chains of jumps --- */

static void jump_of_chain(int kind, int number, int label)
{
  static const char *const jumps[] = {"jeq", "jlt", "jge", "jgt", "jle"};
  if (kind == 0) {
    emit("jeqz L%d", label);
    emit("addi -1");
    return;
  }
  emit("movi v1, %d", number);
  emit("%s v1, L%d", kind == 1 ? "jeq" : jumps[below(COUNT(jumps))], label);
}

static void write_case(int label, int end)
{
  put_label(label);
  body.acc = T_NONE;
  for (int i = between(1, 3); i > 0; i--)
    plain_step();
  emit("jmp L%d", end);
}

/* As a compiler writes the switch of a language. */
void write_switch(void)
{
  int value = need_reg(T_I32, MAX_REGS, 0);
  int count = between(3, 9), kind = (int)below(3);
  int first = body.labels, end = first + count;
  body.labels += count + 1;
  emit("lda %s", reg(value));
  if (chance(70))
    emit("andi %d", chance(50) ? 7 : 15);
  for (int i = 0; i < count; i++)
    jump_of_chain(kind, chance(80) ? i : (int)(int32_t)random_bits(),
                  first + i);
  body.acc = T_NONE;
  plain_step();
  emit("jmp L%d", end);
  for (int i = 0; i < count; i++)
    write_case(first + i, end);
  put_label(end);
  body.acc = T_NONE;
}

/* --- Many registers --- */

/* All registers of one type, one after the other. */
void write_sum(void)
{
  static const int numbers[] = {T_I32, T_I64, T_F32, T_F64};
  static const char *const sums[] = {"add2", "xor2.64", "fadd2", "fmul2.64"};
  unsigned which = below(COUNT(numbers));
  load_acc(numbers[which]);
  for (int i = SCRATCH; i < body.regs; i++)
    if (body.types[i] == numbers[which])
      emit("%s %s", sums[which], reg(i));
  store_acc();
}

/* --- Objects in a row --- */

static const struct field *number_field(int record)
{
  const struct type *type = &types[record];
  for (int i = 0; i < type->field_count; i++)
    if (!type->fields[i].is_static &&
        in_register(type->fields[i].type) == T_I32)
      return &type->fields[i];
  return NULL;
}

/* v0: the array, v1: how many are left, v2: the object. */
static void fill_row(int record, const struct field *field, int size)
{
  int head = new_label();
  emit("movi v1, %d", size);
  emit("newarr v0, v1, %s", types[array_of(record)].name);
  put_label(head);
  emit("inci v1, -1");
  emit("newobj v2, %s", types[record].name);
  if (field)
    emit("stobj.v v1, v2, %s.%s", types[record].name, field->name);
  emit("lda.obj v2");
  emit("starr.obj v0, v1");
  emit("lda v1");
  emit("jgtz L%d", head);
}

/* Each is found as it was made, and overwritten by its neighbour. */
static void read_row(int record, const struct field *field, int size)
{
  int head = new_label();
  emit("movi v1, %d", size - 1);
  put_label(head);
  emit("lda v1");
  emit("ldarr.obj v0");
  emit("sta.obj v2");
  if (field) {
    emit("ldobj v2, %s.%s", types[record].name, field->name);
    emit("sta v3");
    emit("call.short note, v3");
  }
  emit("inci v1, -1");
  emit("lda.obj v2");
  emit("starr.obj v0, v1");
  emit("lda v1");
  emit("jgtz L%d", head);
}

/* New objects go into an array over the polls of a loop, and come out. */
void write_row(void)
{
  int record = any_own();
  if (array_of(record) == T_NONE)
    return;
  const struct field *field = number_field(record);
  int size = between(2, 40);
  fill_row(record, field, size);
  read_row(record, field, size);
  emit("lda.obj v0");
  emit("ststatic.obj G.s%d", array_of(record));
  body.acc = T_NONE;
}
