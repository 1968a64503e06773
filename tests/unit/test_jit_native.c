/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges: machine code that calls C functions.  What a function gets, by
 * libffi's account of the machine's calls, is what its method was given, and
 * the other way round: for lists of types that have each type in each place, in
 * registers and on the stack, and for many lists made at random.
 */
#include "config.h"

#include <check.h>
#include <ffi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit_stub/native_internal.h"
#include "mm/handle_inline.h"
#include "tests/unit/jit_vm_fixture.h"
#include "tests/unit/mm_fixture.h"
#include "tests/unit/native_fixture.h"
#include "tests/unit/suite.h"
#include "vm/core/natives.h"
#include "vm/core/object.h"
#include "vm/native/native_internal.h"

enum {
  PARAMS_MOST = 24,
  REGULAR = VM_PRIM_REF, /* as many types as can be parameters */
  FUNCTIONS = REGULAR + 40,
};

static const struct {
  const char *name;
  ffi_type *type;
} types[VM_PRIM_COUNT] = {
    [VM_PRIM_VOID] = {"void", &ffi_type_void},
    [VM_PRIM_U1] = {"u1", &ffi_type_uint8},
    [VM_PRIM_I8] = {"i8", &ffi_type_sint8},
    [VM_PRIM_U8] = {"u8", &ffi_type_uint8},
    [VM_PRIM_I16] = {"i16", &ffi_type_sint16},
    [VM_PRIM_U16] = {"u16", &ffi_type_uint16},
    [VM_PRIM_I32] = {"i32", &ffi_type_sint32},
    [VM_PRIM_U32] = {"u32", &ffi_type_uint32},
    [VM_PRIM_I64] = {"i64", &ffi_type_sint64},
    [VM_PRIM_U64] = {"u64", &ffi_type_uint64},
    [VM_PRIM_F32] = {"f32", &ffi_type_float},
    [VM_PRIM_F64] = {"f64", &ffi_type_double},
    [VM_PRIM_REF] = {"panda.Object", &ffi_type_pointer},
};

/* --- A function: its types, what it is to get, what it gives --- */

struct function {
  uint32_t number, count;
  uint8_t prims[1 + PARAMS_MOST]; /* what is returned, then the parameters */
  union vm_slot given[PARAMS_MOST], returned;
  uint32_t extra; /* arguments that C gets before them */
  bool collects;
  unsigned calls;
  ffi_cif cif;
  ffi_type *types[2 + PARAMS_MOST];
  ffi_closure *closure;
  bamboo_function code;
};

static struct function functions[FUNCTIONS];
static uint64_t seed;

static struct vm_field *value_field;

static int32_t value_of(struct mm_ref cell)
{
  return *(const int32_t *)vm_object_at(cell, value_field->offset);
}

static struct mm_ref object_of(const void *handle)
{
  struct mm_ref ref = MM_NULL;
  enum mm_handle_status status = mm_handle_get(
      &machine.thread->mutator, mm_handle_of_pointer((void *)handle), &ref);
  ck_assert_msg(status == MM_HANDLE_OK || status == MM_HANDLE_NULL, "%s",
                mm_handle_status_text(status));
  return ref;
}

/* Cells are told apart by what they hold, which stands in `given'. */
static void check_cell(const void *handle, union vm_slot given)
{
  struct mm_ref cell = object_of(handle);
  if (given.i32 == 0)
    ck_assert(mm_is_null(cell));
  else
    ck_assert_int_eq(value_of(cell), given.i32);
}

/* libffi has put it in memory of its own width. */
static void check_one(const struct function *f, uint32_t i, const void *at)
{
  union vm_slot given = f->given[i];
  switch ((enum vm_prim)f->prims[1 + i]) {
  case VM_PRIM_U1:
    ck_assert_uint_eq(*(const uint8_t *)at, given.u32 != 0);
    break;
  case VM_PRIM_I8:
  case VM_PRIM_U8:
    ck_assert_mem_eq(at, &given, 1);
    break;
  case VM_PRIM_I16:
  case VM_PRIM_U16:
    ck_assert_mem_eq(at, &given, 2);
    break;
  case VM_PRIM_I32:
  case VM_PRIM_U32:
  case VM_PRIM_F32:
    ck_assert_mem_eq(at, &given, 4);
    break;
  case VM_PRIM_REF:
    check_cell(*(const void *const *)at, given);
    break;
  default:
    ck_assert_mem_eq(at, &given, 8);
  }
}

/* Something narrow lies in a register whose rest is anything. */
static void give(const struct function *f, void *result, void **values)
{
  switch ((enum vm_prim)f->prims[0]) {
  case VM_PRIM_VOID:
    break;
  case VM_PRIM_F32:
    memcpy(result, &f->returned, 4);
    break;
  case VM_PRIM_REF:
    /* The last one of the objects, or null. */
    memset(result, 0, 8);
    for (uint32_t i = 0; i < f->count; i++)
      if (f->prims[1 + i] == VM_PRIM_REF)
        memcpy(result, values[f->extra + i], 8);
    break;
  default:
    memcpy(result, &f->returned, 8);
  }
}

static void receive(ffi_cif *cif, void *result, void **values, void *context)
{
  struct function *f = context;
  (void)cif;
  f->calls++;
  if (f->collects)
    native_collect(NULL);
  for (uint32_t i = 0; i < f->count; i++)
    check_one(f, i, values[f->extra + i]);
  if (f->extra) {
    struct native_thread *native = machine.thread->native;
    ck_assert_ptr_eq(*(void **)values[0], &native->env);
    ck_assert(vm_class_of(object_of(*(void **)values[1])) ==
              machine.vm->known.class_);
  }
  give(f, result, values);
}

static void make_closure(struct function *f, uint32_t extra)
{
  void *code = NULL;
  f->extra = extra;
  for (uint32_t i = 0; i < extra; i++)
    f->types[i] = &ffi_type_pointer;
  for (uint32_t i = 0; i < f->count; i++)
    f->types[extra + i] = types[f->prims[1 + i]].type;
  ck_assert_int_eq(ffi_prep_cif(&f->cif, FFI_DEFAULT_ABI, extra + f->count,
                                types[f->prims[0]].type, f->types),
                   FFI_OK);
  f->closure = ffi_closure_alloc(sizeof *f->closure, &code);
  ck_assert_ptr_nonnull(f->closure);
  memcpy(&f->code, &code, sizeof code);
  ck_assert_int_eq(ffi_prep_closure_loc(f->closure, &f->cif, receive, f, code),
                   FFI_OK);
}

/* --- Choosing types --- */

static uint32_t below(uint32_t limit)
{
  return (uint32_t)(fixture_random(&seed) >> 33) % limit;
}

static uint8_t some_prim(bool with_references)
{
  return (uint8_t)(1 + below(with_references ? VM_PRIM_REF : VM_PRIM_F64));
}

/* The first ones have one type in all places; what they return is another. */
static void choose(struct function *f, uint32_t number, bool with_references)
{
  memset(f, 0, sizeof *f);
  f->number = number;
  bool is_regular = number < REGULAR;
  uint32_t type = 1 + number % VM_PRIM_REF;
  if (type == VM_PRIM_REF && !with_references)
    type = VM_PRIM_F64;
  f->count = is_regular ? 12 : below(PARAMS_MOST + 1);
  f->prims[0] = (uint8_t)(is_regular ? type : below(VM_PRIM_REF + 1));
  if (f->prims[0] == VM_PRIM_REF && !with_references)
    f->prims[0] = VM_PRIM_VOID;
  for (uint32_t i = 0; i < f->count; i++)
    f->prims[1 + i] = is_regular ? (uint8_t)type : some_prim(with_references);
}

static void write_parameters(FILE *out, const struct function *f)
{
  fputc('(', out);
  for (uint32_t i = 0; i < f->count; i++)
    fprintf(out, "%s%s a%u", i ? ", " : "", types[f->prims[1 + i]].name,
            (unsigned)i);
  fputc(')', out);
}

static const char *return_of(enum vm_prim prim)
{
  switch (prim) {
  case VM_PRIM_VOID:
    return "return.void";
  case VM_PRIM_REF:
    return "return.obj";
  case VM_PRIM_I64:
  case VM_PRIM_U64:
  case VM_PRIM_F64:
    return "return.64";
  default:
    return "return";
  }
}

/* f is the native, g calls it. */
static void write_function(FILE *out, const struct function *f)
{
  const char *result = types[f->prims[0]].name;
  fprintf(out, ".function %s f%u", result, (unsigned)f->number);
  write_parameters(out, f);
  fprintf(out, " <native>\n.function %s g%u", result, (unsigned)f->number);
  write_parameters(out, f);
  fprintf(out, " {\n call%s f%u%s\n %s\n}\n", f->count ? ".range" : "",
          (unsigned)f->number, f->count ? ", a0" : "",
          return_of((enum vm_prim)f->prims[0]));
}

static void load(bool with_references)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fputs(CORE_PRELUDE ".record Cell {\n i32 value\n}\n", out);
  for (uint32_t i = 0; i < FUNCTIONS; i++) {
    choose(&functions[i], i, with_references);
    write_function(out, &functions[i]);
  }
  fclose(out);
  core_load("t.pa", text);
  free(text);
  value_field = core_field("Cell", "value");
}

static struct vm_method *method_of(char letter, const struct function *f)
{
  char name[16];
  snprintf(name, sizeof name, "%c%u", letter, (unsigned)f->number);
  return jit_vm_method(name);
}

/* --- Calling --- */

static struct mm_ref held[PARAMS_MOST];

static struct mm_ref new_cell(int32_t value)
{
  struct mm_ref cell = vm_new_object(machine.thread, core_class("Cell"));
  ck_assert(!mm_is_null(cell));
  *(int32_t *)vm_object_at(cell, value_field->offset) = value;
  return cell;
}

/* A null, or a new object, whose number is what `given' says. */
static void choose_values(struct function *f)
{
  for (uint32_t i = 0; i < f->count; i++) {
    f->given[i].u64 = fixture_random(&seed);
    if (f->prims[1 + i] == VM_PRIM_U1 && below(2))
      f->given[i].u64 <<= 32;
    if (f->prims[1 + i] != VM_PRIM_REF)
      continue;
    f->given[i].u64 = below(4);
    held[i] = f->given[i].u64 ? new_cell(f->given[i].i32) : MM_NULL;
  }
  f->returned.u64 = fixture_random(&seed);
}

static void fill(const struct function *f, union vm_slot *slots)
{
  for (uint32_t i = 0; i < f->count; i++)
    if (f->prims[1 + i] == VM_PRIM_REF)
      slots[i].u64 = held[i].bits;
    else
      slots[i] = f->given[i];
}

static void check_returned_object(const struct function *f,
                                  union vm_slot result)
{
  int32_t wanted = 0;
  for (uint32_t i = 0; i < f->count; i++)
    if (f->prims[1 + i] == VM_PRIM_REF)
      wanted = f->given[i].i32;
  ck_assert_uint_eq(result.u64 >> 32, 0);
  if (wanted)
    ck_assert_int_eq(value_of(result.ref), wanted);
  else
    ck_assert(mm_is_null(result.ref));
}

static void check_result(const struct function *f, union vm_slot result)
{
  union native_cell cell;
  memcpy(&cell, &f->returned, sizeof cell);
  if (f->prims[0] == VM_PRIM_REF)
    check_returned_object(f, result);
  else if (f->prims[0] != VM_PRIM_VOID)
    ck_assert_uint_eq(result.u64,
                      native_from_c((enum vm_prim)f->prims[0], cell).u64);
}

static void call(struct function *f, const struct vm_method *method)
{
  union vm_slot slots[PARAMS_MOST], result = {0};
  struct vm_thread *thread = machine.thread;
  struct mm_locals before = thread->mutator.locals;
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, PARAMS_MOST);
  choose_values(f);
  f->collects = below(4) == 0;
  f->calls = 0;
  fill(f, slots);
  ck_assert(machine.vm->engine.invoke(thread, method, slots, &result));
  ck_assert_uint_eq(f->calls, 1);
  check_result(f, result);
  mm_scope_close(&thread->mutator, &scope);
  ck_assert_ptr_eq(thread->mutator.locals.next, before.next);
  ck_assert_ptr_eq(thread->mutator.locals.frame, before.frame);
  ck_assert_uint_eq(thread->mutator.state, MM_MUTATOR_RUNNING);
}

/* From code of C, from the interpreter, and from compiled code. */
static void call_all_ways(struct function *f)
{
  struct vm_method *caller = method_of('g', f);
  for (int i = 0; i < 3; i++) {
    call(f, method_of('f', f));
    call(f, caller);
  }
  ck_assert_msg(caller->compiled, "g%u is not compiled", (unsigned)f->number);
}

static void start(bool with_references)
{
  seed = 20250101;
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  load(with_references);
  ck_assert_ptr_nonnull(native_thread_get(machine.thread));
  machine.vm->natives->is_unverified = true;
  ck_assert(native_verify(machine.thread));
}

static void stop(void)
{
  jit_vm_close();
  for (uint32_t i = 0; i < FUNCTIONS; i++) {
    if (functions[i].closure)
      ffi_closure_free(functions[i].closure);
    functions[i].closure = NULL;
  }
}

START_TEST(a_function_with_the_table_gets_what_the_method_was_given)
{
  start(true);
  for (uint32_t i = 0; i < FUNCTIONS; i++) {
    struct function *f = &functions[i];
    struct vm_method *method = method_of('f', f);
    make_closure(f, 2);
    ck_assert(native_register(machine.thread, method, f->code));
    ck_assert_ptr_nonnull(method->bridges);
    ck_assert_ptr_ne(method->machine_entry,
                     jit_vm_compiler()->stubs.call_native);
    call_all_ways(f);
  }
  stop();
}
END_TEST

/* As native_bind does it with what it finds in a library. */
START_TEST(a_plain_function_gets_the_numbers_that_the_method_was_given)
{
  start(false);
  for (uint32_t i = 0; i < FUNCTIONS; i++) {
    struct function *f = &functions[i];
    struct vm_method *method = method_of('f', f);
    struct native_binding binding = {.name = "f", .is_plain = true};
    make_closure(f, 0);
    struct vm_native_wanted wanted = {
        .function = f->code, .name = "f", .is_direct = true};
    ck_assert(jit_bridge(machine.thread, method, &wanted, &binding.code));
    method->binding = &binding;
    method->machine_entry = binding.code.entry;
    call_all_ways(f);
    method->binding = NULL;
  }
  stop();
}
END_TEST

START_TEST(values_of_c_are_spread_as_the_machine_has_them)
{
  start(false);
  for (uint32_t i = 0; i < FUNCTIONS; i++) {
    struct function *f = &functions[i];
    struct vm_native_code code;
    union native_cell cells[PARAMS_MOST], result = {0};
    make_closure(f, 0);
    struct vm_native_wanted wanted = {
        .function = f->code, .name = "f", .prims = f->prims, .count = f->count};
    ck_assert(jit_bridge(machine.thread, method_of('f', f), &wanted, &code));
    choose_values(f);
    for (uint32_t k = 0; k < f->count; k++)
      native_to_c((enum vm_prim)f->prims[1 + k], f->given[k], &cells[k]);
    code.spread(f->code, cells, &result);
    ck_assert_uint_eq(f->calls, 1);
    if (f->prims[0] != VM_PRIM_VOID)
      check_result(f, native_from_c((enum vm_prim)f->prims[0], result));
  }
  stop();
}
END_TEST

/* --- What is rare --- */

static const char rare[] = CORE_PRELUDE
    ".record Cell {\n i32 value\n}\n"
    ".function i32 f(Cell a0, i32 a1) <native>\n"
    ".function i32 g(Cell a0, i32 a1) {\nstart:\n call f, a0, a1\nend:\n"
    " return\ncaught:\n ldobj a0, Cell.value\n return\n"
    ".catch panda.RuntimeException, start, end, caught\n}\n"
    ".function i32 main() {\n newobj v0, Cell\n ldai 5\n"
    " stobj v0, Cell.value\n movi v1, 3\n call g, v0, v1\n return\n}\n";

static void begin_rare(int32_t (*function)(struct bamboo_env *, bamboo_class,
                                           bamboo_object, int32_t))
{
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  core_load("t.pa", rare);
  ck_assert(native_register(machine.thread, jit_vm_method("f"),
                            (bamboo_function)function));
}

static int32_t throws(struct bamboo_env *env, bamboo_class self,
                      bamboo_object cell, int32_t n)
{
  (void)self, (void)cell, (void)n;
  native_collect(env);
  bamboo_class class = env->find_class(env, "panda.RuntimeException");
  env->throw_new(env, class, "no");
  return 77;
}

START_TEST(an_exception_of_the_function_goes_to_the_caller)
{
  begin_rare(throws);
  struct mm_locals before = machine.thread->mutator.locals;
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(core_run(), 5);
  jit_vm_code("g");
  ck_assert_ptr_eq(machine.thread->mutator.locals.frame, before.frame);
  ck_assert(mm_is_null(machine.thread->exception));
  jit_vm_close();
}
END_TEST

/* More handles than fit where those of the call are. */
static int32_t makes_many(struct bamboo_env *env, bamboo_class self,
                          bamboo_object cell, int32_t n)
{
  (void)self;
  for (int i = 0; i < 600; i++)
    ck_assert_ptr_nonnull(env->new_local(env, cell));
  env->push_frame(env, 3);
  return n;
}

START_TEST(handles_and_frames_that_the_function_leaves_are_gone)
{
  begin_rare(makes_many);
  ck_assert_int_eq(core_run(), 3);
  struct mm_locals before = machine.thread->mutator.locals;
  for (int i = 0; i < 20; i++)
    ck_assert_int_eq(core_run(), 3);
  ck_assert_ptr_eq(machine.thread->mutator.locals.next, before.next);
  ck_assert_ptr_eq(machine.thread->mutator.locals.frame, before.frame);
  jit_vm_close();
}
END_TEST

/* Each call has an outer frame with a hole, or hardly any room. */
static int32_t calls_with_a_hole(struct bamboo_env *env, bamboo_class self,
                                 bamboo_object cell, int32_t n)
{
  if (n == 0)
    return 40;
  bamboo_object first = env->new_local(env, cell);
  bamboo_object second = env->new_local(env, cell);
  env->delete_local(env, first);
  bamboo_method g = env->static_method_id(env, self, "g", NULL);
  int32_t result = env->call_static_i32(env, self, g, cell, n - 1) + 1;
  ck_assert(env->is_same(env, second, cell));
  return result;
}

START_TEST(a_call_out_of_a_frame_with_holes_keeps_them)
{
  begin_rare(calls_with_a_hole);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(core_run(), 43);
  jit_vm_close();
}
END_TEST

static int32_t goes_on_for_ever(struct bamboo_env *env, bamboo_class self,
                                bamboo_object cell, int32_t n)
{
  bamboo_method g = env->static_method_id(env, self, "g", NULL);
  return env->call_static_i32(env, self, g, cell, n);
}

START_TEST(calls_there_and_back_without_end_overflow_the_stack)
{
  begin_rare(goes_on_for_ever);
  for (int i = 0; i < 3; i++)
    core_run_uncaught("panda.StackOverflowException");
  jit_vm_close();
}
END_TEST

static int32_t adds_one(struct bamboo_env *env, bamboo_class self,
                        bamboo_object cell, int32_t n)
{
  (void)env, (void)self, (void)cell;
  return n + 1;
}

START_TEST(another_function_takes_the_place_of_the_first)
{
  begin_rare(adds_one);
  ck_assert_int_eq(core_run(), 4);
  ck_assert_int_eq(core_run(), 4);
  ck_assert(native_register(machine.thread, jit_vm_method("f"),
                            (bamboo_function)throws));
  ck_assert_int_eq(core_run(), 5);
  native_unbind(machine.vm, jit_vm_method("f"));
  core_run_uncaught("panda.NoSuchMethodError");
  jit_vm_close();
}
END_TEST

/* When it returns, the method is bound to nothing. */
static bamboo_object forgets_itself(struct bamboo_env *env, bamboo_class self,
                                    bamboo_object cell)
{
  ck_assert(env->unregister_natives(env, self));
  return cell;
}

START_TEST(a_function_may_take_its_own_method_back_and_return_an_object)
{
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  core_load("t.pa", ".record Cell { i32 v }\n"
                    ".function Cell same(Cell a0) <native>\n"
                    ".function i32 main() {\n"
                    "  newobj v0, Cell\n"
                    "  movi v1, 7\n"
                    "  lda v1\n"
                    "  stobj v0, Cell.v\n"
                    "  call.short same, v0\n"
                    "  sta.obj v2\n"
                    "  ldobj v2, Cell.v\n"
                    "  return\n"
                    "}\n");
  for (int i = 0; i < 3; i++) {
    ck_assert(native_register(machine.thread, jit_vm_method("same"),
                              (bamboo_function)forgets_itself));
    ck_assert_int_eq(core_run(), 7);
    ck_assert_ptr_null(jit_vm_method("same")->binding);
  }
  jit_vm_close();
}
END_TEST

/* A poll that is due, and one that comes while the function runs. */
static int32_t polls(struct bamboo_env *env, bamboo_class self,
                     bamboo_object cell, int32_t n)
{
  (void)env, (void)self, (void)cell;
  mm_poll_always(machine.vm->heap, n == 3);
  return n;
}

START_TEST(calls_go_on_while_each_poll_is_looked_at)
{
  begin_rare(polls);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(core_run(), 3);
  mm_poll_always(machine.vm->heap, false);
  ck_assert_int_eq(core_run(), 3);
  jit_vm_close();
}
END_TEST

/* As if the system had none; see Note [Fences around native code]. */
START_TEST(a_mutator_that_must_fence_goes_out_and_comes_back)
{
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  machine.thread->mutator.must_fence = true;
  core_load("t.pa", rare);
  ck_assert(native_register(machine.thread, jit_vm_method("f"),
                            (bamboo_function)adds_one));
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(core_run(), 4);
  ck_assert_uint_eq(machine.thread->mutator.state, MM_MUTATOR_RUNNING);
  jit_vm_close();
}
END_TEST

/* By a bridge that spreads C values. */
START_TEST(a_variadic_function_is_told_how_many_vectors_it_gets)
{
  struct mm_error error = {{0}};
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  core_load("t.pa", VARIADIC_PROGRAM);
  ck_assert(vm_natives_open(machine.thread, NULL, "libc.so.6", 9, &error) ==
            MM_OK);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(core_run(), 0);
  jit_vm_code("test");
  ck_assert_ptr_nonnull(jit_vm_method("snprintf")->bridges);
  jit_vm_close();
}
END_TEST

int main(void)
{
  TCase *types_case = tcase_create("types");
  tcase_add_test(types_case,
                 a_function_with_the_table_gets_what_the_method_was_given);
  tcase_add_test(types_case,
                 a_plain_function_gets_the_numbers_that_the_method_was_given);
  tcase_add_test(types_case, values_of_c_are_spread_as_the_machine_has_them);
  tcase_add_test(types_case,
                 a_variadic_function_is_told_how_many_vectors_it_gets);
  TCase *rare_case = tcase_create("rare");
  tcase_add_test(rare_case, an_exception_of_the_function_goes_to_the_caller);
  tcase_add_test(rare_case,
                 handles_and_frames_that_the_function_leaves_are_gone);
  tcase_add_test(rare_case, a_call_out_of_a_frame_with_holes_keeps_them);
  tcase_add_test(rare_case,
                 calls_there_and_back_without_end_overflow_the_stack);
  tcase_add_test(rare_case, another_function_takes_the_place_of_the_first);
  tcase_add_test(rare_case,
                 a_function_may_take_its_own_method_back_and_return_an_object);
  tcase_add_test(rare_case, a_mutator_that_must_fence_goes_out_and_comes_back);
  tcase_add_test(rare_case, calls_go_on_while_each_poll_is_looked_at);
  TCase *cases[] = {types_case, rare_case, NULL};
  return suite_main("jit native", cases);
}
