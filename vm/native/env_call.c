/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: methods and calls.
 *
 *   call_TYPE(...)     --collect-->  slots, one for each parameter
 *   call_TYPE_v(...)   --checks-->   the method is what the function is for
 *   call_TYPE_a(...)   --chooses-->  which one runs (virtual)
 *                      --invokes-->  and hands out what it returns
 *
 * Arguments are taken from C before anything is a safepoint but behind the
 * initialisation of the class, so that references among them are good when the
 * engine copies them into the frame.
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <string.h>

/* --- Signatures: "i32(i64, panda.String)" --- */

/* Is the next word of the text this one?  Moves *at behind it, and blanks. */
static bool takes_word(const char **at, const char *word)
{
  size_t length = strlen(word);
  while (**at == ' ')
    ++*at;
  if (strncmp(*at, word, length) != 0)
    return false;
  *at += length;
  while (**at == ' ')
    ++*at;
  return true;
}

static uint32_t first_param(const struct vm_method *method)
{
  return method->flags & VM_FLAG_STATIC ? 0 : 1;
}

static bool has_signature(const struct vm_method *method, const char *text)
{
  uint32_t first = first_param(method);
  if (!takes_word(&text, method->return_type) || !takes_word(&text, "("))
    return false;
  for (uint32_t i = first; i < method->param_count; i++)
    if ((i > first && !takes_word(&text, ",")) ||
        !takes_word(&text, method->param_types[i]))
      return false;
  return takes_word(&text, ")") && *text == '\0';
}

/* --- Finding --- */

static bool is_wanted(const struct vm_method *method, const char *name,
                      const char *signature, bool is_static)
{
  return ((method->flags & VM_FLAG_STATIC) != 0) == is_static &&
         strcmp(method->name, name) == 0 &&
         (!signature || has_signature(method, signature));
}

static struct vm_method *find_own(struct vm_class *class, const char *name,
                                  const char *signature, bool is_static,
                                  bool *many)
{
  struct vm_method *found = NULL;
  for (uint32_t i = 0; i < class->method_count; i++)
    if (is_wanted(&class->methods[i], name, signature, is_static)) {
      *many |= found != NULL;
      found = &class->methods[i];
    }
  return found;
}

/* Functions without a record are in a class of their own for each file. */
static struct vm_method *find_global(const struct vm_loader *loader,
                                     const char *name, const char *signature,
                                     bool *many)
{
  struct vm_method *found = NULL;
  struct vm *vm = loader->vm;
  vm_lock(vm, VM_LOCK_LINK);
  for (struct vm_class *c = loader->classes; c && !found; c = c->next)
    if (!c->has_instances)
      found = find_own(c, name, signature, true, many);
  vm_unlock(vm, VM_LOCK_LINK);
  return *many ? NULL : found;
}

struct vm_method *native_find_method(struct vm_class *class, const char *name,
                                     const char *signature, bool is_static,
                                     bool *many)
{
  *many = false;
  if (!class->has_instances)
    return is_static ? find_global(class->loader, name, signature, many) : NULL;
  struct vm_method *found = NULL;
  for (; class && !found; class = class->base) {
    found = find_own(class, name, signature, is_static, many);
    if (strcmp(name, ".ctor") == 0)
      break; /* constructors are not inherited */
  }
  return *many ? NULL : found;
}

static void throw_not_found(struct vm_thread *thread,
                            const struct vm_class *class, const char *name,
                            const char *signature, bool is_static, bool many)
{
  vm_throw(thread, VM_ERROR_NO_SUCH_METHOD, "%s%s.%s%s%s%s",
           is_static ? "static " : "", class->name, name, signature ? ": " : "",
           signature ? signature : "",
           many ? ": there are several; say which by its signature" : "");
}

static bamboo_method id_of(struct bamboo_env *env, const char *function,
                           bamboo_class class_, const char *name,
                           const char *signature, bool is_static)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  struct vm_class *class = native_class(thread, function, class_);
  struct vm_method *method = NULL;
  bool many = false;
  if (class) {
    method = native_find_method(class, name, signature, is_static, &many);
    if (!method)
      throw_not_found(thread, class, name, signature, is_static, many);
  }
  if (method && is_static &&
      !(native_verify(thread) && vm_class_initialise(thread, method->owner)))
    method = NULL;
  native_leave(thread);
  return (bamboo_method)method;
}

static bamboo_method method_id(struct bamboo_env *env, bamboo_class class_,
                               const char *name, const char *signature)
{
  return id_of(env, "method_id", class_, name, signature, false);
}

static bamboo_method static_method_id(struct bamboo_env *env,
                                      bamboo_class class_, const char *name,
                                      const char *signature)
{
  return id_of(env, "static_method_id", class_, name, signature, true);
}

/* --- Calls --- */

enum call_kind { VIRTUAL, NONVIRTUAL, STATIC, CONSTRUCTOR };

/* A call from C, as all the forms of the table put it. */
struct call {
  const char *function;
  enum call_kind kind;
  enum vm_prim returns;
  bamboo_object self;  /* receiver, or class */
  bamboo_class class_; /* NONVIRTUAL */
  const struct vm_method *method;
  va_list *list; /* null: `values' has the arguments */
  const union bamboo_value *values;
};

static const char *prim_name(enum vm_prim prim)
{
  return prim == VM_PRIM_REF ? "a reference" : vm_prim_table[prim].name;
}

static void check_method(struct vm_thread *thread, const struct call *call)
{
  const struct vm_method *method = call->method;
  if (!method)
    native_mistake(thread, call->function,
                   "ask whether method_id returned NULL", "the method is NULL");
  bool is_static = (method->flags & VM_FLAG_STATIC) != 0;
  if (is_static != (call->kind == STATIC))
    native_mistake(thread, call->function,
                   is_static ? "call it by call_static_TYPE"
                             : "call it by call_TYPE, with an object",
                   "method %s.%s is %sstatic", method->owner->name,
                   method->name, is_static ? "" : "not ");
  if ((enum vm_prim)method->return_prim != call->returns)
    native_mistake(thread, call->function,
                   "call it by the function of the type that it returns",
                   "method %s.%s returns %s", method->owner->name, method->name,
                   prim_name((enum vm_prim)method->return_prim));
  if (call->kind == CONSTRUCTOR && !(method->flags & VM_FLAG_CTOR))
    native_mistake(thread, call->function, "ask method_id for `.ctor'",
                   "method %s.%s is no constructor", method->owner->name,
                   method->name);
}

static void check_receiver(struct vm_thread *thread, const struct call *call,
                           struct mm_ref ref)
{
  const struct vm_method *method = call->method;
  if (!vm_class_is_assignable(vm_class_of(ref), method->owner))
    native_mistake(thread, call->function, "use a method of the object's class",
                   "an object of %s has no method %s.%s",
                   vm_class_of(ref)->name, method->owner->name, method->name);
}

/* The method that runs. */
static const struct vm_method *choose(const struct call *call,
                                      struct mm_ref ref)
{
  const struct vm_method *method = call->method;
  if (call->kind != VIRTUAL || method->vtable_index == UINT32_MAX)
    return method;
  return vm_class_of(ref)->vtable[method->vtable_index];
}

/* --- Arguments --- */

static union vm_slot take_listed(enum vm_prim prim, va_list *list)
{
  union vm_slot slot = {0};
  switch (prim) {
  case VM_PRIM_U1:
    slot.i64 = va_arg(*list, int) != 0;
    break;
  case VM_PRIM_I8:
    slot.i64 = (int8_t)va_arg(*list, int);
    break;
  case VM_PRIM_U8:
    slot.i64 = (uint8_t)va_arg(*list, int);
    break;
  case VM_PRIM_I16:
    slot.i64 = (int16_t)va_arg(*list, int);
    break;
  case VM_PRIM_U16:
    slot.i64 = (uint16_t)va_arg(*list, int);
    break;
  case VM_PRIM_I32:
  case VM_PRIM_U32:
    slot.i64 = va_arg(*list, int32_t);
    break;
  case VM_PRIM_F32:
    slot.f32 = (float)va_arg(*list, double);
    slot.i64 = slot.i32;
    break;
  case VM_PRIM_F64:
    slot.f64 = va_arg(*list, double);
    break;
  default:
    slot.i64 = va_arg(*list, int64_t);
  }
  return slot;
}

static union vm_slot take_value(enum vm_prim prim,
                                const union bamboo_value *value)
{
  union native_cell cell = {0};
  memcpy(&cell, value, vm_prim_table[prim].bytes);
  return native_from_c(prim, cell);
}

static struct mm_ref take_object(struct vm_thread *thread,
                                 const struct call *call, uint32_t param,
                                 bamboo_object object)
{
  const struct vm_method *method = call->method;
  struct mm_ref ref = native_ref(thread, call->function, object);
  if (!vm_param_takes(method, param, ref))
    native_mistake(thread, call->function,
                   "ask is_instance before passing what may be something else",
                   "a %s cannot be passed as parameter %u of %s.%s, which is a "
                   "%s",
                   vm_class_of(ref)->name, (unsigned)param, method->owner->name,
                   method->name, method->param_types[param]);
  return ref;
}

static void collect(struct vm_thread *thread, const struct call *call,
                    union vm_slot *slots)
{
  const struct vm_method *method = call->method;
  uint32_t first = first_param(method);
  for (uint32_t i = first; i < method->param_count; i++) {
    enum vm_prim prim = (enum vm_prim)method->param_prims[i];
    const union bamboo_value *value = &call->values[i - first];
    if (prim == VM_PRIM_REF) {
      bamboo_object object =
          call->list ? va_arg(*call->list, bamboo_object) : value->object;
      slots[i].u64 = take_object(thread, call, i, object).bits;
    } else {
      slots[i] =
          call->list ? take_listed(prim, call->list) : take_value(prim, value);
    }
  }
}

/* --- Running --- */

/* Slots of the arguments are filled; the receiver is not. */
static bool run(struct vm_thread *thread, const struct call *call,
                union vm_slot *slots, union vm_slot *result)
{
  const struct vm_method *method = call->method;
  struct mm_ref ref = MM_NULL;
  collect(thread, call, slots);
  if (call->kind != STATIC) {
    ref = native_ref(thread, call->function, call->self);
    slots[0].u64 = ref.bits;
    method = choose(call, ref);
  }
  return thread->vm->engine.invoke(thread, method, slots, result);
}

static bool check_self(struct vm_thread *thread, const struct call *call)
{
  if (call->kind == STATIC)
    return native_class(thread, call->function, call->self) != NULL;
  struct mm_ref ref = native_ref_not_null(thread, call->function, call->self);
  if (mm_is_null(ref) || (call->kind == NONVIRTUAL &&
                          !native_class(thread, call->function, call->class_)))
    return false;
  check_receiver(thread, call, ref);
  return true;
}

static bool perform(struct vm_thread *thread, const struct call *call,
                    union vm_slot *result)
{
  union vm_slot few[NATIVE_FEW], *slots = few;
  check_method(thread, call);
  uint32_t count = call->method->param_count;
  if (!check_self(thread, call) || vm_is_exiting(thread->vm) ||
      !native_verify(thread) ||
      !vm_class_initialise(thread, call->method->owner))
    return false;
  if (count > NATIVE_FEW)
    slots = mm_native_alloc_array(VM_PURPOSE_COPIES, count, sizeof *slots);
  bool ok =
      slots ? run(thread, call, slots, result) : vm_throw_out_of_memory(thread);
  if (slots != few)
    mm_native_free(VM_PURPOSE_COPIES, slots, count * sizeof *slots);
  return ok;
}

static union vm_slot call_number(struct bamboo_env *env, struct call *call)
{
  union vm_slot result = {0};
  struct vm_thread *thread = native_enter(env, call->function, 0);
  if (!perform(thread, call, &result))
    result.u64 = 0;
  native_leave(thread);
  return result;
}

static bamboo_object call_for_object(struct bamboo_env *env, struct call *call)
{
  union vm_slot result = {0};
  struct vm_thread *thread = native_enter(env, call->function, 0);
  bool ok = perform(thread, call, &result);
  bamboo_object object = native_local(thread, ok ? result.ref : MM_NULL);
  native_leave(thread);
  return object;
}

/* What a register holds as C has it. */
static void call_for_number(struct bamboo_env *env, struct call *call,
                            void *result, size_t bytes)
{
  union native_cell cell = {0};
  union vm_slot slot = call_number(env, call);
  native_to_c(call->returns, slot, &cell);
  memcpy(result, &cell, bytes);
}

#define RESULT_NUMBER(type)                                                    \
  type result;                                                                 \
  call_for_number(env, &call, &result, sizeof result);
#define RESULT_OBJECT(type) type result = call_for_object(env, &call);
#define RESULT_VOID(type) call_number(env, &call);
#define GIVE_NUMBER return result;
#define GIVE_OBJECT return result;
#define GIVE_VOID return;

/* The three forms of a call; HEAD and SELF: the parameters in front of the
   method, and how they fill the struct. */
#define CALL(call_name, kind_, type, prim, RETURN, HEAD, SELF)                 \
  static type call_name##_v(struct bamboo_env *env, HEAD,                      \
                            bamboo_method method, va_list arguments)           \
  {                                                                            \
    va_list list;                                                              \
    va_copy(list, arguments);                                                  \
    struct call call = {.function = #call_name,                                \
                        .kind = kind_,                                         \
                        .returns = prim,                                       \
                        .method = (const struct vm_method *)method,            \
                        .list = &list,                                         \
                        SELF};                                                 \
    RESULT_##RETURN(type) va_end(list);                                        \
    GIVE_##RETURN                                                              \
  }                                                                            \
  static type call_name##_a(struct bamboo_env *env, HEAD,                      \
                            bamboo_method method,                              \
                            const union bamboo_value *arguments)               \
  {                                                                            \
    struct call call = {.function = #call_name,                                \
                        .kind = kind_,                                         \
                        .returns = prim,                                       \
                        .method = (const struct vm_method *)method,            \
                        .values = arguments,                                   \
                        SELF};                                                 \
    RESULT_##RETURN(type) GIVE_##RETURN                                        \
  }                                                                            \
  static type call_name(struct bamboo_env *env, HEAD, bamboo_method method,    \
                        ...)                                                   \
  {                                                                            \
    va_list list;                                                              \
    va_start(list, method);                                                    \
    struct call call = {.function = #call_name,                                \
                        .kind = kind_,                                         \
                        .returns = prim,                                       \
                        .method = (const struct vm_method *)method,            \
                        .list = &list,                                         \
                        SELF};                                                 \
    RESULT_##RETURN(type) va_end(list);                                        \
    GIVE_##RETURN                                                              \
  }

#define OBJECT_HEAD bamboo_object object
#define BOTH_HEAD bamboo_object object, bamboo_class class_
#define CLASS_HEAD bamboo_class class_
#define BY_OBJECT .self = object
#define BY_BOTH .self = object, .class_ = class_
#define BY_CLASS .self = class_

#define CALLS(name, type, prim, RETURN)                                        \
  CALL(call_##name, VIRTUAL, type, prim, RETURN, OBJECT_HEAD, BY_OBJECT)       \
  CALL(call_nonvirtual_##name, NONVIRTUAL, type, prim, RETURN, BOTH_HEAD,      \
       BY_BOTH)                                                                \
  CALL(call_static_##name, STATIC, type, prim, RETURN, CLASS_HEAD, BY_CLASS)

#define NUMBER_CALLS(name, type, prim) CALLS(name, type, prim, NUMBER)
NATIVE_PRIMITIVES(NUMBER_CALLS)
CALLS(object, bamboo_object, VM_PRIM_REF, OBJECT)
CALLS(void, void, VM_PRIM_VOID, VOID)

/* --- New objects --- */

static bool construct(struct vm_thread *thread, struct call *call)
{
  union vm_slot result = {0};
  return perform(thread, call, &result);
}

static bamboo_object make_object(struct bamboo_env *env, bamboo_class class_,
                                 struct call *call)
{
  struct vm_thread *thread = native_enter(env, call->function, 0);
  struct vm_class *class = native_class(thread, call->function, class_);
  struct mm_ref ref = MM_NULL;
  if (class && native_verify(thread) && vm_class_initialise(thread, class))
    ref = vm_new_object(thread, class);
  bamboo_object object = native_local(thread, ref);
  call->self = object;
  if (object && !construct(thread, call)) {
    mm_local_delete(&thread->mutator, mm_handle_of_pointer(object));
    object = NULL;
  }
  native_leave(thread);
  return object;
}

static bamboo_object new_object_v(struct bamboo_env *env, bamboo_class class_,
                                  bamboo_method constructor, va_list arguments)
{
  va_list list;
  va_copy(list, arguments);
  struct call call = {.function = "new_object",
                      .kind = CONSTRUCTOR,
                      .returns = VM_PRIM_VOID,
                      .method = (const struct vm_method *)constructor,
                      .list = &list};
  bamboo_object object = make_object(env, class_, &call);
  va_end(list);
  return object;
}

static bamboo_object new_object(struct bamboo_env *env, bamboo_class class_,
                                bamboo_method constructor, ...)
{
  va_list list;
  va_start(list, constructor);
  bamboo_object object = new_object_v(env, class_, constructor, list);
  va_end(list);
  return object;
}

static bamboo_object new_object_a(struct bamboo_env *env, bamboo_class class_,
                                  bamboo_method constructor,
                                  const union bamboo_value *arguments)
{
  struct call call = {.function = "new_object",
                      .kind = CONSTRUCTOR,
                      .returns = VM_PRIM_VOID,
                      .method = (const struct vm_method *)constructor,
                      .values = arguments};
  return make_object(env, class_, &call);
}

#define FILL_FORMS(call_name)                                                  \
  env->call_name = call_name;                                                  \
  env->call_name##_v = call_name##_v;                                          \
  env->call_name##_a = call_name##_a;
#define FILL(name, type, prim)                                                 \
  FILL_FORMS(call_##name)                                                      \
  FILL_FORMS(call_nonvirtual_##name)                                           \
  FILL_FORMS(call_static_##name)

void native_fill_calls(struct bamboo_env *env)
{
  env->method_id = method_id;
  env->static_method_id = static_method_id;
  NATIVE_PRIMITIVES(FILL)
  FILL(object, bamboo_object, VM_PRIM_REF)
  FILL(void, void, VM_PRIM_VOID)
  FILL_FORMS(new_object)
}
