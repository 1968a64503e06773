/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program declares.  Record G has the program's statics: one for each
 * type of references, another that stays null, some numbers, fuel, and the
 * checksum.
 */
#include "random.h"

#include <stdio.h>
#include <string.h>

struct type types[MAX_TYPES];
int type_count;
struct function functions[MAX_FUNCTIONS];
int function_count;

static const char *const prim_names[] = {
    "u1", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64"};

/* Those the machine raises, and one that only programs throw. */
static const char *const exception_names[] = {
    "ArithmeticException",
    "NullPointerException",
    "ArrayIndexOutOfBoundsException",
    "NegativeArraySizeException",
    "ArrayStoreException",
    "ClassCastException",
    "AbstractMethodError",
    "NoClassDefFoundError",
    "ExceptionInInitializerError",
    "RuntimeException",
};

/* --- Types --- */

bool is_ref(int type)
{
  return type >= T_OBJECT;
}

int in_register(int type)
{
  if (type < T_I64 && type >= 0)
    return T_I32;
  return type == T_U64 ? T_I64 : type;
}

bool is_wide(int type)
{
  return type == T_I64 || type == T_U64 || type == T_F64;
}

bool is_array_of_refs(int type)
{
  return type >= 0 && types[type].element != T_NONE &&
         is_ref(types[type].element);
}

bool is_assignable(int from, int to)
{
  if (from == to)
    return true;
  if (from < 0 || !is_ref(from) || !is_ref(to))
    return false;
  if (to == T_OBJECT)
    return true;
  if (types[from].element != T_NONE && types[to].element != T_NONE)
    return is_assignable(types[from].element, types[to].element);
  return types[from].super != T_NONE && is_assignable(types[from].super, to);
}

int array_of(int element)
{
  for (int i = 0; i < type_count; i++)
    if (types[i].element == element)
      return i;
  return T_NONE;
}

int any_number(void)
{
  return (int)below(T_OBJECT);
}

int any_ref(void)
{
  return between(T_OBJECT, type_count - 1);
}

int any_own(void)
{
  for (;;) {
    int type = between(T_EXCEPTIONS, type_count - 1);
    if (types[type].is_own)
      return type;
  }
}

static int add_type(const char *prefix, const char *name, int element)
{
  struct type *type = &types[type_count];
  *type = (struct type){.element = element, .super = T_NONE};
  snprintf(type->name, sizeof type->name, "%s%s", prefix, name);
  return type_count++;
}

static void add_array(int element)
{
  char name[48];
  snprintf(name, sizeof name, "%.40s[]", types[element].name);
  add_type("", name, element);
}

static void add_known_types(void)
{
  for (int i = 0; i < COUNT(prim_names); i++)
    add_type("", prim_names[i], T_NONE);
  add_type("panda.", "Object", T_NONE);
  add_type("panda.", "String", T_NONE);
  add_type("panda.", "Class", T_NONE);
  for (int i = 0; i < COUNT(prim_names); i++)
    add_array(i);
  add_array(T_ARRAYS + T_I32);
  add_array(T_OBJECT);
  add_array(T_STRING);
  for (int i = 0; i < COUNT(exception_names); i++)
    types[add_type("panda.", exception_names[i], T_NONE)].is_exception = true;
}

/* --- Records --- */

static void add_field(struct type *record, int type, bool is_static)
{
  if (record->field_count == MAX_FIELDS)
    return;
  struct field *field = &record->fields[record->field_count];
  snprintf(field->name, sizeof field->name, "f%d", record->field_count++);
  field->type = type;
  field->is_static = is_static;
}

static void add_fields(struct type *record)
{
  int count = between(3, MAX_FIELDS);
  for (int i = 0; i < count; i++)
    add_field(record, chance(60) ? any_number() : any_ref(), chance(15));
}

static void add_records(int total)
{
  int first = type_count;
  for (int i = 0; i < total; i++) {
    char name[16];
    snprintf(name, sizeof name, "R%d", i);
    int type = add_type("", name, T_NONE);
    types[type].is_own = true;
    types[type].super =
        i > 0 && chance(65) ? between(first, type - 1) : T_OBJECT;
  }
  for (int i = first; i < first + total; i++)
    if (i < first + 2 || chance(50))
      add_array(i);
  for (int i = first; i < first + total; i++)
    add_fields(&types[i]);
}

/* --- Functions --- */

static struct function *add_function(int owner, const char *name)
{
  struct function *f = &functions[function_count++];
  *f = (struct function){.owner = owner, .result = T_NONE};
  if (owner == T_NONE)
    snprintf(f->name, sizeof f->name, "%s", name);
  else
    snprintf(f->name, sizeof f->name, "%s.%s", types[owner].name, name);
  return f;
}

static void add_params(struct function *f, int total)
{
  for (int i = 0; i < total; i++)
    f->params[f->param_count++] = chance(65) ? any_number() : any_ref();
}

static int any_result(void)
{
  return chance(15) ? T_NONE : chance(65) ? any_number() : any_ref();
}

enum { MAX_NATIVES = 32 }; /* which are added last */

static bool has_room(void)
{
  return function_count < MAX_FUNCTIONS - MAX_NATIVES - 1;
}

/* A new virtual method of `owner`, and methods of records below that override
   it. */
static void add_virtual(int owner, int number)
{
  char name[16];
  snprintf(name, sizeof name, "m%d", number);
  struct function *f = add_function(owner, name);
  f->is_instance = true;
  f->params[f->param_count++] = owner;
  add_params(f, between(0, chance(25) ? MAX_PARAMS - 1 : 3));
  f->result = any_result();
  f->is_abstract = chance(6);
  for (int i = 0; i < type_count && has_room(); i++) {
    if (i == owner || !types[i].is_own || !is_assignable(i, owner) ||
        chance(35))
      continue;
    struct function *other = add_function(i, name);
    char kept[sizeof other->name];
    memcpy(kept, other->name, sizeof kept);
    *other = *f;
    memcpy(other->name, kept, sizeof kept);
    other->owner = other->params[0] = i;
    other->is_abstract = false;
  }
}

static void add_methods(int record)
{
  struct function *f = add_function(record, "make");
  f->is_instance = f->is_ctor = true;
  f->params[f->param_count++] = record;
  add_params(f, between(0, chance(25) ? MAX_PARAMS - 1 : 3));
  if (chance(30))
    add_function(record, "begin")->is_cctor = true;
  for (int i = between(0, 2); i > 0 && has_room(); i--)
    add_virtual(record, record * 4 + i);
}

/* What of the library is called like any other function. */
static void add_native(const char *name, int result, int param, int total)
{
  struct function *f = add_function(T_NONE, name);
  f->is_external = true;
  f->result = result;
  f->param_count = total;
  for (int i = 0; i < total; i++)
    f->params[i] = param;
}

/* Numbers of each width in and out; nothing that is undefined for some. */
static void add_plain_c(void)
{
  static const struct {
    const char *name;
    int result, first, second;
  } plain[] = {
      {"abs", T_I32, T_I32, T_NONE},   {"labs", T_I64, T_I64, T_NONE},
      {"ffs", T_I32, T_I32, T_NONE},   {"ffsll", T_I32, T_I64, T_NONE},
      {"htons", T_U16, T_U16, T_NONE}, {"htonl", T_U32, T_U32, T_NONE},
      {"fabs", T_F64, T_F64, T_NONE},  {"fabsf", T_F32, T_F32, T_NONE},
      {"floor", T_F64, T_F64, T_NONE}, {"ceilf", T_F32, T_F32, T_NONE},
      {"fmod", T_F64, T_F64, T_F64},   {"copysignf", T_F32, T_F32, T_F32},
      {"ldexp", T_F64, T_F64, T_I32},  {"ldexpf", T_F32, T_F32, T_I32},
  };
  for (int i = 0; i < COUNT(plain); i++) {
    if (!chance(35))
      continue;
    bool has_second = plain[i].second != T_NONE;
    add_native(plain[i].name, plain[i].result, plain[i].first, 1 + has_second);
    struct function *f = &functions[function_count - 1];
    f->is_native = true;
    if (has_second)
      f->params[1] = plain[i].second;
  }
}

static void add_natives(void)
{
  add_native("Math.absI32", T_I32, T_I32, 1);
  add_native("Math.absI64", T_I64, T_I64, 1);
  add_native("Math.absF32", T_F32, T_F32, 1);
  add_native("Math.sqrt", T_F64, T_F64, 1);
  add_native("Math.minI32", T_I32, T_I32, 2);
  add_native("Math.maxI64", T_I64, T_I64, 2);
  add_native("Math.minF32", T_F32, T_F32, 2);
  add_native("Math.maxF64", T_F64, T_F64, 2);
  add_native("Double.isInfinite", T_U1, T_F64, 1);
  add_native("Object.createNonMovable", T_OBJECT, T_CLASS, 1);
  add_plain_c();
}

static void add_plain_functions(int total)
{
  for (int i = 0; i < total && has_room(); i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    int owner = chance(20) ? any_own() : T_NONE;
    struct function *f = add_function(owner, name);
    add_params(f, between(0, chance(35) ? MAX_PARAMS : 4));
    if (f->param_count > 0 && f->params[0] == owner)
      f->params[0] = T_I32; /* it would be an instance method */
    f->result = any_result();
  }
}

void make_world(int record_total, int function_total)
{
  add_known_types();
  add_records(record_total);
  add_plain_functions(function_total);
  for (int i = T_EXCEPTIONS; i < type_count && has_room(); i++)
    if (types[i].is_own)
      add_methods(i);
  add_natives();
}

/* --- Declarations --- */

static void declare_record(struct text *text, const struct type *record)
{
  put(text, ".record %s", record->name);
  if (record->super != T_OBJECT)
    put(text, " <extends=%s>", types[record->super].name);
  put(text, " {\n");
  for (int i = 0; i < record->field_count; i++) {
    const struct field *field = &record->fields[i];
    bool is_volatile = (field->type + i) % 7 == 0;
    put(text, "    %s %s", types[field->type].name, field->name);
    if (field->is_static || is_volatile)
      put(text, " <%s%s%s>", field->is_static ? "static" : "",
          field->is_static && is_volatile ? ", " : "",
          is_volatile ? "volatile" : "");
    put(text, "\n");
  }
  put(text, "}\n");
}

static void declare_statics(struct text *text)
{
  put(text, ".record G {\n    i32 fuel <static>\n    i64 sum <static>\n");
  for (int i = 0; i < type_count; i++)
    put(text, "    %s s%d <static>\n", types[i].name, i);
  for (int i = T_OBJECT; i < type_count; i++)
    put(text, "    %s n%d <static>\n", types[i].name, i);
  put(text, "}\n");
}

static void declare_literal(struct text *text, int type)
{
  int count = between(8, 11);
  put(text, ".array literal%d %s %d {", type, types[type].name, count);
  for (int i = 0; i < count; i++)
    if (type == T_STRING)
      put(text, " \"t%u\"", below(20));
    else if (type == T_F32 || type == T_F64)
      put(text, " %d.%u", between(-99, 99), below(1000));
    else
      put(text, " %lld", (long long)random_bits());
  put(text, " }\n");
}

static void declare_native(struct text *text, const struct function *f)
{
  put(text, ".function %s %s(",
      f->result == T_NONE ? "void" : types[f->result].name, f->name);
  for (int i = 0; i < f->param_count; i++)
    put(text, "%s%s a%d", i ? ", " : "", types[f->params[i]].name, i);
  put(text, ") <%s>\n", f->is_native ? "native" : "external");
}

void declare_world(struct text *text)
{
  for (int i = 0; i < type_count; i++)
    if (types[i].is_own)
      declare_record(text, &types[i]);
    else if (types[i].element == T_NONE && is_ref(i))
      put(text, ".record %s <external>\n", types[i].name);
  declare_statics(text);
  for (int i = 0; i < T_OBJECT; i++)
    declare_literal(text, i);
  declare_literal(text, T_STRING);
  for (int i = 0; i < function_count; i++)
    if (functions[i].is_external)
      declare_native(text, &functions[i]);
}
