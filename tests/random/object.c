/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction on references: objects and their fields, arrays, statics,
 * casts, moves.  Now and then an index is out of bounds, a size negative, a
 * cast wrong, a reference null.
 */
#include "random.h"

#include <stdio.h>

/* Puts a reference where its type has a place; the accumulator is lost. */
static void store_scratch(int scratch, int type)
{
  emit("lda.obj %s", reg(scratch));
  body.acc = type;
  store_acc();
}

/* --- Moves --- */

static void move_ref(void)
{
  int target = find_target(any_ref(), MAX_REGS);
  if (target == T_NONE)
    return;
  int type = body.types[target];
  for (int i = 0; i < body.regs; i++)
    if (body.types[i] == type && i != target && chance(50)) {
      emit("mov.obj %s, %s", reg(target), reg(i));
      return;
    }
}

/* A register that is null gets back what it had, mostly. */
static void mend(int target, int from)
{
  if (chance(15))
    return;
  int label = new_label();
  emit("lda.obj %s", reg(target));
  emit("jnez.obj L%d", label);
  emit("mov.obj %s, %s", reg(target), reg(from));
  put_label(label);
}

/* Null or what another register holds, as it comes. */
static void move_null(void)
{
  int type = any_ref();
  int target = find_target(type, MAX_REGS);
  int from = find_reg(type, MAX_REGS);
  if (target == T_NONE || from == T_NONE || body.types[from] != type)
    return;
  int label = new_label();
  int number = need_reg(T_I32, MAX_REGS, 1);
  if (from == target) {
    emit("mov.obj v0, %s", reg(from));
    from = 0;
  }
  emit("mov.null %s", reg(target));
  emit("lda %s", reg(number));
  emit("%s L%d", chance(50) ? "jgtz" : "jltz", label);
  emit("lda.obj %s", reg(from));
  emit("sta.obj %s", reg(target));
  put_label(label);
  mend(target, from);
  body.acc = T_NONE;
}

static void store_null(void)
{
  emit("lda.null");
  if (chance(50))
    emit("ststatic.obj G.s%d", any_ref());
  else {
    emit("isinstance %s", types[any_ref()].name);
    body.acc = T_I32;
    store_acc();
  }
  body.acc = T_NONE;
}

static void load_string(void)
{
  emit("lda.str \"t%u\"", below(20));
  body.acc = T_STRING;
  store_acc();
}

static void load_type(void)
{
  emit("lda.type %s", types[any_ref()].name);
  body.acc = T_CLASS;
  store_acc();
}

/* A new exception with a message, or any object. */
void write_exception(void)
{
  if (chance(40)) {
    emit("newobj v0, %s", types[any_own()].name);
    return;
  }
  if (chance(25)) {
    load_acc(any_ref());
    emit("sta.obj v0");
    body.acc = T_NONE;
    return;
  }
  emit("lda.str \"m%u\"", below(20));
  emit("sta.obj v0");
  emit("mov.null v1");
  emit("initobj panda.RuntimeException.ctor, v0, v1");
  emit("sta.obj v0");
  body.acc = T_NONE;
}

/* --- Casts --- */

/* A type that the cast may well succeed for. */
static int likely_type(int type)
{
  if (chance(15))
    return any_ref();
  for (int i = 0; i < 20; i++) {
    int other = any_ref();
    if (is_assignable(other, type) || is_assignable(type, other))
      return other;
  }
  return type;
}

static void cast(void)
{
  int number = find_reg(T_OBJECT, MAX_REGS);
  if (number == T_NONE)
    return;
  emit("lda.obj %s", reg(number));
  int from = body.types[number];
  int to = likely_type(from);
  if (chance(40)) {
    emit("isinstance %s", types[to].name);
    body.acc = T_I32;
    store_acc();
    return;
  }
  if (!is_assignable(from, to) && !is_assignable(to, from) && chance(90))
    to = from;
  emit("checkcast%s %s", chance(30) ? ".nonnull" : "", types[to].name);
  body.acc = is_assignable(from, to) ? from : to;
  if (is_array_of_refs(to) && body.acc != from) {
    emit("ststatic.obj G.s%d", to);
    body.acc = T_NONE;
  } else
    store_acc();
}

/* --- Fields --- */

static const struct field *any_field(int record, bool is_static)
{
  const struct type *type = &types[record];
  int start = (int)below((unsigned)type->field_count);
  for (int i = 0; i < type->field_count; i++) {
    const struct field *field = &type->fields[(start + i) % type->field_count];
    if (field->is_static == is_static)
      return field;
  }
  return NULL;
}

/* The record itself or one it extends. */
static int any_base(int record)
{
  while (types[record].super != T_OBJECT && chance(50))
    record = types[record].super;
  return record;
}

static void load_field_v(const char *object, const char *owner,
                         const struct field *field)
{
  bool is_guarded = is_ref(field->type) && chance(85);
  int target = is_guarded ? 2 : find_target(field->type, 16);
  if (target == T_NONE)
    return;
  emit("ldobj.v%s %s, %s, %s.%s", width(field->type), reg(target), object,
       owner, field->name);
  if (is_guarded)
    store_scratch(target, field->type);
}

static void use_field(int number, const char *owner, const struct field *field)
{
  const char *w = width(field->type);
  switch (below(4)) {
  case 0:
    emit("ldobj%s %s, %s.%s", w, reg(number), owner, field->name);
    body.acc = in_register(field->type);
    store_acc();
    break;
  case 1:
    load_field_v(reg(number), owner, field);
    break;
  case 2:
    load_acc(field->type);
    emit("stobj%s %s, %s.%s", w, reg(number), owner, field->name);
    break;
  default:
    emit("stobj.v%s %s, %s, %s.%s", w, reg(need_reg(field->type, 16, 1)),
         reg(number), owner, field->name);
  }
}

void use_any_field(int record, int number)
{
  int owner = any_base(record);
  const struct field *field = any_field(owner, false);
  if (field)
    use_field(number, types[owner].name, field);
}

static void field_step(void)
{
  int record = any_own();
  int number = need_reg(record, 16, 0);
  if (number >= SCRATCH)
    record = body.types[number];
  use_any_field(record, number);
}

static void use_static(const char *name, int type)
{
  if (chance(50)) {
    emit("ldstatic%s %s", width(type), name);
    body.acc = in_register(type);
    store_acc();
  } else {
    load_acc(type);
    emit("ststatic%s %s", width(type), name);
  }
}

static void static_step(void)
{
  char name[80];
  int owner = any_own();
  const struct field *field = any_field(owner, true);
  int type = chance(50) ? any_number() : any_ref();
  if (field && chance(50)) {
    snprintf(name, sizeof name, "%s.%s", types[owner].name, field->name);
    type = field->type;
  } else
    snprintf(name, sizeof name, "G.s%d", type);
  use_static(name, type);
}

/* --- Arrays --- */

int any_array(void)
{
  for (;;) {
    int type = any_ref();
    if (types[type].element != T_NONE)
      return type;
  }
}

static void write_size(void)
{
  unsigned draw = below(100);
  if (draw < 70)
    emit("movi v1, %d", between(8, 12));
  else if (draw < 97)
    small_number(1, 15);
  else
    emit("movi v1, %d", -between(1, 9));
}

static void new_array(void)
{
  int type = any_array();
  write_size();
  int target = find_target(type, 16);
  if (target != T_NONE) {
    emit("newarr %s, v1, %s", reg(target), types[type].name);
    return;
  }
  emit("newarr v0, v1, %s", types[type].name);
  store_scratch(0, type);
}

static void new_grid(void)
{
  small_number(0, 7);
  small_number(1, 7);
  if (chance(4))
    emit("movi v1, -2");
  emit("initobj%s i32[][].ctor, v0, v1", chance(50) ? ".short" : "");
  body.acc = T_GRID;
  store_acc();
}

static void new_literal(void)
{
  int element = chance(15) ? T_STRING : any_number();
  int type = array_of(element);
  int target = find_target(type, MAX_REGS);
  emit("lda.const %s, literal%d", reg(target == T_NONE ? 0 : target), element);
  if (target == T_NONE)
    store_scratch(0, type);
}

static void length_step(void)
{
  emit("lenarr %s", reg(need_reg(any_array(), MAX_REGS, 0)));
  body.acc = T_I32;
  store_acc();
}

/* The end of the mnemonic, and where it begins with an f. */
static const char *array_suffix(int element)
{
  static const char *const suffixes[] = {".8", ".8",  ".8",  ".16", ".16", "",
                                         "",   ".64", ".64", ".32", ".64"};
  return is_ref(element) ? ".obj" : suffixes[element];
}

static const char *array_prefix(int element)
{
  return element == T_F32 || element == T_F64 ? "f" : "";
}

static void write_index(void)
{
  if (chance(93))
    small_number(1, 7);
  else
    emit("mov v1, %s", reg(need_reg(T_I32, MAX_REGS, 1)));
}

void load_element(int type, int number)
{
  int element = types[type].element;
  bool is_narrow = element < T_I32;
  emit("lda v1");
  emit("%sldarr%s%s %s", array_prefix(element),
       is_narrow && chance(50) ? "u" : "", array_suffix(element), reg(number));
  body.acc = in_register(element);
  store_acc();
}

/* An array of exactly that type, as far as is known: what is stored must fit
   what is known of it. */
int need_exact(int type)
{
  int number = find_reg(type, 16);
  if (number != T_NONE && body.types[number] == type)
    return number;
  emit("ldstatic.obj G.s%d", type);
  emit("sta.obj v0");
  return 0;
}

void store_element(int type, int number)
{
  int element = types[type].element;
  load_acc(element);
  emit("%sstarr%s %s, v1", array_prefix(element), array_suffix(element),
       reg(number));
}

static void array_step(void)
{
  int type = any_array();
  write_index();
  if (chance(50))
    load_element(type, need_reg(type, MAX_REGS, 0));
  else
    store_element(type, is_array_of_refs(type) ? need_exact(type)
                                               : need_reg(type, 16, 0));
}

/* --- Objects --- */

static void new_object(void)
{
  int type = chance(70) ? any_own() : chance(50) ? T_OBJECT : T_STRING;
  int target = find_target(type, MAX_REGS);
  emit("newobj %s, %s", reg(target == T_NONE ? 0 : target), types[type].name);
  if (target == T_NONE)
    store_scratch(0, type);
}

/* Left at once: what the end of a thread says of monitors that it had not left
   depends on whether their objects are still there. */
static void monitor_step(void)
{
  int number = need_reg(any_ref(), MAX_REGS, 0);
  if (number != 0)
    emit("mov.obj v0, %s", reg(number));
  emit("call.short Object.monitorEnter, v0");
  emit("call.short Object.monitorExit, v0");
}

void object_step(void)
{
  static void (*const kinds[])(void) = {
      move_ref,     move_null,  store_null,  load_string, load_type,
      cast,         cast,       field_step,  field_step,  field_step,
      field_step,   field_step, static_step, static_step, new_array,
      new_array,    new_grid,   new_literal, length_step, array_step,
      array_step,   array_step, array_step,  array_step,  new_object,
      monitor_step, new_object,
  };
  body.acc = T_NONE;
  kinds[below(COUNT(kinds))]();
}
