/* SPDX-License-Identifier: Apache-2.0 */
/* What programs may call; primitives.def has the list. */
#include "lisp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The arguments of a call: on the stack, so that they may be used after an
   allocation. */
struct call {
  struct lisp *lisp;
  const char *name;
  size_t first, count;
};

static value argument(const struct call *call, size_t i)
{
  return call->lisp->stack[call->first + i];
}

static double number(const struct call *call, size_t i)
{
  return to_number(argument(call, i));
}

static value truth(bool holds)
{
  return holds ? TRUE : FALSE;
}

static value wrong(const struct call *call)
{
  return lisp_fail(call->lisp, "%s: wrong argument", call->name);
}

static bool are_numbers(const struct call *call, size_t from, size_t to)
{
  for (size_t i = from; i < to; i++)
    if (!is_number(argument(call, i)))
      return false;
  return true;
}

static bool has_type(const struct call *call, size_t i, enum type type)
{
  return is_type(call->lisp, argument(call, i), type);
}

/* An index below `limit'. */
static bool to_index(const struct call *call, size_t i, double limit,
                     uint32_t *index)
{
  if (!is_number(argument(call, i)) || !(number(call, i) >= 0) ||
      !(number(call, i) < limit))
    return false;
  *index = (uint32_t)number(call, i);
  return true;
}

/* Numbers -------------------------------------------------------------------
 */

static value add(const struct call *call)
{
  double sum = 0;
  if (!are_numbers(call, 0, call->count))
    return wrong(call);
  for (size_t i = 0; i < call->count; i++)
    sum += number(call, i);
  return of_number(sum);
}

static value multiply(const struct call *call)
{
  double product = 1;
  if (!are_numbers(call, 0, call->count))
    return wrong(call);
  for (size_t i = 0; i < call->count; i++)
    product *= number(call, i);
  return of_number(product);
}

#define OF_TWO_NUMBERS(function, result)                                       \
  static value function(const struct call *call)                               \
  {                                                                            \
    return are_numbers(call, 0, 2) ? (result) : wrong(call);                   \
  }
OF_TWO_NUMBERS(subtract, of_number(number(call, 0) - number(call, 1)))
OF_TWO_NUMBERS(divide, of_number(number(call, 0) / number(call, 1)))
OF_TWO_NUMBERS(remainder_of, of_number(fmod(number(call, 0), number(call, 1))))
OF_TWO_NUMBERS(less, truth(number(call, 0) < number(call, 1)))
OF_TWO_NUMBERS(equal_numbers, truth(number(call, 0) == number(call, 1)))

static value floor_of(const struct call *call)
{
  return are_numbers(call, 0, 1) ? of_number(floor(number(call, 0)))
                                 : wrong(call);
}

/* Predicates ----------------------------------------------------------------
 */

static value same(const struct call *call)
{
  return truth(argument(call, 0) == argument(call, 1));
}

static value negate(const struct call *call)
{
  return truth(argument(call, 0) == FALSE);
}

static value is_null(const struct call *call)
{
  return truth(argument(call, 0) == NIL);
}

static value is_pair(const struct call *call)
{
  return truth(has_type(call, 0, CONS));
}

static value is_a_number(const struct call *call)
{
  return truth(is_number(argument(call, 0)));
}

static value is_symbol(const struct call *call)
{
  return truth(has_type(call, 0, SYMBOL));
}

static value is_string(const struct call *call)
{
  return truth(has_type(call, 0, STRING));
}

/* Pairs ---------------------------------------------------------------------
 */

static value cons(const struct call *call)
{
  push(call->lisp, argument(call, 0));
  push(call->lisp, argument(call, 1));
  return cons_top(call->lisp);
}

static value part(const struct call *call, size_t offset)
{
  return has_type(call, 0, CONS) ? load(argument(call, 0), offset)
                                 : wrong(call);
}

static value car(const struct call *call)
{
  return part(call, CAR);
}

static value cdr(const struct call *call)
{
  return part(call, CDR);
}

static value set_part(const struct call *call, size_t offset)
{
  if (!has_type(call, 0, CONS))
    return wrong(call);
  store(call->lisp, argument(call, 0), offset, argument(call, 1));
  return NIL;
}

static value set_car(const struct call *call)
{
  return set_part(call, CAR);
}

static value set_cdr(const struct call *call)
{
  return set_part(call, CDR);
}

static value list(const struct call *call)
{
  value rest = NIL;
  for (size_t i = call->count; i-- > 0 && rest != ERROR;) {
    push(call->lisp, argument(call, i));
    push(call->lisp, rest);
    rest = cons_top(call->lisp);
  }
  return rest;
}

/* Vectors -------------------------------------------------------------------
 */

static value make_vector(const struct call *call)
{
  uint32_t length;
  if (!to_index(call, 0, MM_ARRAY_LENGTH_MAX, &length))
    return wrong(call);
  value vector = new_vector(call->lisp, length);
  if (vector != ERROR)
    mm_fill_tagged(&call->lisp->mutator, TAGGING,
                   (char *)mm_address(mm_tagged_ref(TAGGING, vector)) +
                       MM_ARRAY_BASE_WIDE,
                   length, argument(call, 1));
  return vector;
}

static value vector_ref(const struct call *call)
{
  uint32_t index;
  if (!has_type(call, 0, VECTOR) ||
      !to_index(call, 1, length_of(argument(call, 0)), &index))
    return wrong(call);
  return load(argument(call, 0), slot_offset(index));
}

static value vector_set(const struct call *call)
{
  uint32_t index;
  if (!has_type(call, 0, VECTOR) ||
      !to_index(call, 1, length_of(argument(call, 0)), &index))
    return wrong(call);
  store(call->lisp, argument(call, 0), slot_offset(index), argument(call, 2));
  return NIL;
}

static value vector_length(const struct call *call)
{
  return has_type(call, 0, VECTOR) ? of_number(length_of(argument(call, 0)))
                                   : wrong(call);
}

/* (vector-copy! to at from at count) */
static value vector_copy(const struct call *call)
{
  uint32_t to, from, count;
  if (!has_type(call, 0, VECTOR) || !has_type(call, 2, VECTOR) ||
      !to_index(call, 1, length_of(argument(call, 0)) + 1.0, &to) ||
      !to_index(call, 3, length_of(argument(call, 2)) + 1.0, &from) ||
      !to_index(call, 4, MM_ARRAY_LENGTH_MAX, &count) ||
      count > length_of(argument(call, 0)) - to ||
      count > length_of(argument(call, 2)) - from)
    return wrong(call);
  char *target = mm_address(mm_tagged_ref(TAGGING, argument(call, 0)));
  const char *source = mm_address(mm_tagged_ref(TAGGING, argument(call, 2)));
  mm_copy_tagged(&call->lisp->mutator, TAGGING, target + slot_offset(to),
                 source + slot_offset(from), count);
  return NIL;
}

/* Strings and symbols -------------------------------------------------------
 */

static value string_append(const struct call *call)
{
  if (!has_type(call, 0, STRING) || !has_type(call, 1, STRING))
    return wrong(call);
  uint32_t first = length_of(argument(call, 0));
  uint32_t second = length_of(argument(call, 1));
  if (first > MM_STRING_LENGTH_MAX - second)
    return lisp_fail(call->lisp, "a string is too long");
  value string = new_string(call->lisp, first + second);
  if (string == ERROR)
    return ERROR;
  memcpy(characters(string), characters(argument(call, 0)), first);
  memcpy(characters(string) + first, characters(argument(call, 1)), second);
  return string;
}

static value string_length(const struct call *call)
{
  return has_type(call, 0, STRING) ? of_number(length_of(argument(call, 0)))
                                   : wrong(call);
}

static value number_to_string(const struct call *call)
{
  char text[32];
  if (!are_numbers(call, 0, 1))
    return wrong(call);
  int length = snprintf(text, sizeof text, "%.15g", number(call, 0));
  value string = new_string(call->lisp, (uint32_t)length);
  if (string != ERROR)
    memcpy(characters(string), text, (size_t)length);
  return string;
}

/* The characters are copied first: they move. */
static value string_to_symbol(const struct call *call)
{
  char name[256];
  if (!has_type(call, 0, STRING) || length_of(argument(call, 0)) > sizeof name)
    return wrong(call);
  uint32_t length = length_of(argument(call, 0));
  memcpy(name, characters(argument(call, 0)), length);
  return intern(call->lisp, name, length);
}

static value symbol_to_string(const struct call *call)
{
  return has_type(call, 0, SYMBOL) ? load(argument(call, 0), SYMBOL_STRING)
                                   : wrong(call);
}

/* Weak tables ---------------------------------------------------------------
 */

static value make_table(const struct call *call)
{
  return new_table(call->lisp);
}

static bool has_key(const struct call *call)
{
  return has_type(call, 0, TABLE) && is_ref(argument(call, 1));
}

static value table_put(const struct call *call)
{
  if (!has_key(call))
    return wrong(call);
  return weak_put(call->lisp, argument(call, 0), argument(call, 1),
                  argument(call, 2))
             ? NIL
             : lisp_fail(call->lisp, "no memory for a table");
}

static value table_get(const struct call *call)
{
  return has_key(call)
             ? weak_get(call->lisp, argument(call, 0), argument(call, 1))
             : wrong(call);
}

static value table_count(const struct call *call)
{
  return has_type(call, 0, TABLE)
             ? of_number((double)weak_count(call->lisp, argument(call, 0)))
             : wrong(call);
}

/* Maps of ephemerons --------------------------------------------------------
 */

static value make_map(const struct call *call)
{
  return new_map(call->lisp);
}

static value put_in_map(const struct call *call)
{
  return has_type(call, 0, MAP) && is_ref(argument(call, 1))
             ? map_put(call->lisp, call->first, call->first + 1,
                       call->first + 2)
             : wrong(call);
}

static value get_from_map(const struct call *call)
{
  return has_type(call, 0, MAP) && is_ref(argument(call, 1))
             ? map_get(call->lisp, argument(call, 0), argument(call, 1))
             : wrong(call);
}

static value entries(const struct call *call)
{
  return has_type(call, 0, MAP)
             ? of_number((double)map_count(call->lisp, argument(call, 0)))
             : wrong(call);
}

/* Ports ---------------------------------------------------------------------
 */

static value open_file(const struct call *call)
{
  char name[256];
  if (!has_type(call, 0, STRING) || length_of(argument(call, 0)) >= sizeof name)
    return wrong(call);
  uint32_t length = length_of(argument(call, 0));
  memcpy(name, characters(argument(call, 0)), length);
  name[length] = 0;
  return open_port(call->lisp, name);
}

static value open_scratch(const struct call *call)
{
  return open_port(call->lisp, NULL);
}

static value close(const struct call *call)
{
  return has_type(call, 0, PORT)
             ? truth(close_port(call->lisp, argument(call, 0)))
             : wrong(call);
}

/* (write port value...) */
static value write_to(const struct call *call)
{
  FILE *file = call->count > 0 && has_type(call, 0, PORT)
                   ? port_file(argument(call, 0))
                   : NULL;
  if (!file)
    return wrong(call);
  for (size_t i = 1; i < call->count; i++)
    print(call->lisp, file, argument(call, i));
  return NIL;
}

static value ports(const struct call *call)
{
  struct world *world = call->lisp->world;
  pthread_mutex_lock(&world->lock);
  unsigned count = world->ports;
  pthread_mutex_unlock(&world->lock);
  return of_number(count);
}

/* Threads -------------------------------------------------------------------
 */

static value spawn_thread(const struct call *call)
{
  return has_type(call, 0, CLOSURE) ? spawn(call->lisp, call->first)
                                    : wrong(call);
}

static value join_thread(const struct call *call)
{
  return has_type(call, 0, THREAD) ? join(call->lisp, call->first)
                                   : wrong(call);
}

/* The machine ---------------------------------------------------------------
 */

static value collect(const struct call *call)
{
  mm_collect(&call->lisp->mutator, MM_CAUSE_EXPLICIT);
  mm_language_tell_deaths(&call->lisp->mutator);
  return NIL;
}

/* With --gc=epsilon nothing dies. */
static value collects(const struct call *call)
{
  return truth(mm_collections(call->lisp->world->heap) > 0);
}

static value symbols(const struct call *call)
{
  return of_number((double)count_symbols(call->lisp));
}

static value display(const struct call *call)
{
  for (size_t i = 0; i < call->count; i++)
    print(call->lisp, stdout, argument(call, i));
  return NIL;
}

static value newline(const struct call *call)
{
  (void)call;
  putchar('\n');
  return NIL;
}

/* The table -----------------------------------------------------------------
 */

static const struct {
  value (*run)(const struct call *call);
  const char *name;
  int count;
} primitives[] = {
#define PRIMITIVE(function, name, count) {function, name, count},
#include "primitives.def"
};

enum { PRIMITIVES = sizeof primitives / sizeof *primitives };

value call_primitive(struct lisp *lisp, value primitive, size_t first,
                     size_t count)
{
  size_t which = (uint32_t)primitive;
  struct call call = {lisp, primitives[which].name, first, count};
  if (primitives[which].count >= 0 && count != (size_t)primitives[which].count)
    return lisp_fail(lisp, "%s: wrong number of arguments", call.name);
  return primitives[which].run(&call);
}

static bool define(struct lisp *lisp, size_t which)
{
  const char *name = primitives[which].name;
  size_t symbol = push(lisp, intern(lisp, name, strlen(name)));
  size_t v = push(lisp, TAG_PRIMITIVE | which);
  bool is_defined =
      lisp->stack[symbol] != ERROR && set_global(lisp, symbol, v) != ERROR;
  lisp->top = symbol;
  return is_defined;
}

bool define_primitives(struct lisp *lisp)
{
  for (size_t i = 0; i < PRIMITIVES; i++)
    if (!define(lisp, i))
      return false;
  return true;
}
