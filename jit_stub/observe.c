/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is told of compiled code, and what it is called.
 *
 *   --jit-dump   a listing, once a method is compiled (dump.c)
 *   --perf-map   a line in /tmp/perf-PID.map, which Linux perf reads
 *   --gdb-jit    an object for gdb, until the code is freed (gdb.c)
 *
 * Lines of the map stay when code is freed, as perf expects: it reads the map
 * when the process has ended, and takes the last line for an address.
 */
#include "config.h"

#include "jit_stub/observe_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* --- Names --- */

void jit_place_print(const struct jit_place *place, FILE *out)
{
  fprintf(out, "%s.%s", place->class_name ? place->class_name : "stub",
          place->name);
}

static struct jit_place place_of(const struct jit_code *code)
{
  return (struct jit_place){code->method->owner->name, code->method->name,
                            code->block.run, code->code_bytes};
}

static void sort(struct jit_place *places, uint32_t count)
{
  for (uint32_t i = 1; i < count; i++)
    for (uint32_t j = i;
         j > 0 && (uintptr_t)places[j].run < (uintptr_t)places[j - 1].run;
         j--) {
      struct jit_place place = places[j];
      places[j] = places[j - 1];
      places[j - 1] = place;
    }
}

uint32_t jit_stub_places(const struct jit_compiler *compiler,
                         struct jit_place places[JIT_PLACES_MAX])
{
  const struct jit_stubs *stubs = &compiler->stubs;
  const struct jit_place all[] = {
      {NULL, "enter", stubs->block.run, 0},
      {NULL, "threw", stubs->threw, 0},
      {NULL, "interpret", stubs->interpret, 0},
      {NULL, "touch", stubs->touch, 0},
      {NULL, "call_native", stubs->call_native, 0},
      {NULL, "enter_slow", stubs->enter_slow, 0},
      {NULL, "leave", stubs->leave, 0},
      {NULL, "call_runtime", stubs->call_runtime, 0},
      {NULL, "call_leaf", stubs->call_leaf, 0},
      {NULL, "throw_null", stubs->throw_null, 0},
      {NULL, "throw_division", stubs->throw_division, 0},
      {NULL, "throw_index", stubs->throw_index, 0},
      {NULL, "throw_runtime", stubs->throw_runtime, 0},
  };
  enum { COUNT = sizeof all / sizeof all[0] };
  _Static_assert((int)COUNT <= (int)JIT_PLACES_MAX, "fits");
  memcpy(places, all, sizeof all);
  sort(places, COUNT);
  const char *end = (const char *)stubs->block.run + stubs->block.bytes;
  for (uint32_t i = COUNT; i-- > 0; end = places[i].run)
    places[i].bytes = (size_t)(end - (const char *)places[i].run);
  return COUNT;
}

/* Is it the pattern, or does it begin like it if that ends with a star?  It is
   class_name.name, or name alone if class_bytes is 0. */
static bool name_matches(const char *class_name, size_t class_bytes,
                         const char *name, const char *pattern, size_t bytes)
{
  size_t before = class_bytes ? class_bytes + 1 : 0;
  size_t whole = before + strlen(name);
  bool has_star = bytes > 0 && pattern[bytes - 1] == '*';
  bytes -= has_star;
  if (has_star ? bytes > whole : bytes != whole)
    return false;
  for (size_t i = 0; i < bytes; i++) {
    char wanted = i >= before       ? name[i - before]
                  : i < class_bytes ? class_name[i]
                                    : '.';
    if (pattern[i] != wanted)
      return false;
  }
  return true;
}

bool jit_method_matches(const struct vm_method *method, const char *pattern,
                        size_t bytes)
{
  const char *class_name = method->owner->name;
  return name_matches("", 0, method->name, pattern, bytes) ||
         name_matches(class_name, strlen(class_name), method->name, pattern,
                      bytes);
}

/* --- The map --- */

static void map(struct jit_compiler *compiler, const struct jit_place *place)
{
  FILE *out = compiler->perf_map;
  if (!out)
    return;
  flockfile(out); /* a thread that binds a native may be writing too */
  fprintf(out, "%" PRIxPTR " %zx ", (uintptr_t)place->run, place->bytes);
  jit_place_print(place, out);
  fputc('\n', out);
  fflush(out);
  funlockfile(out);
}

static void warn(const struct jit_compiler *compiler)
{
  fprintf(compiler->vm->options.err,
          "bamboo: warning: cannot write /tmp/perf-%ld.map: %s\n",
          (long)getpid(), strerror(errno));
}

/* What an earlier process of that number left is cut off, once; machines of
   one process share the file.  Links are not followed: anybody may put one
   there. */
static FILE *open_map(void)
{
  static bool is_ours; /* atomic */
  char name[64];
  snprintf(name, sizeof name, "/tmp/perf-%ld.map", (long)getpid());
  bool again = __atomic_exchange_n(&is_ours, true, __ATOMIC_RELAXED);
  int fd = open(name,
                O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC |
                    (again ? 0 : O_TRUNC),
                0600);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
  if (!file && fd >= 0)
    close(fd);
  return file;
}

static void close_map(struct jit_compiler *compiler)
{
  if (!compiler->perf_map)
    return;
  bool failed = ferror(compiler->perf_map) != 0;
  if (fclose(compiler->perf_map) != 0 || failed)
    warn(compiler);
  compiler->perf_map = NULL;
}

/* --- gdb --- */

/* Null if not wanted, or for want of memory, which is said once. */
static void *tell_gdb(struct jit_compiler *compiler,
                      const struct jit_place *places, uint32_t count,
                      const struct jit_code *code)
{
  if (!compiler->vm->options.jit.gdb)
    return NULL;
  void *registered = jit_gdb_register(places, count, code);
  FILE *err = compiler->vm->options.err;
  if (registered ||
      __atomic_exchange_n(&compiler->is_gdb_warned, true, __ATOMIC_RELAXED))
    return registered;
  flockfile(err);
  fputs("bamboo: warning: no memory to tell gdb of ", err);
  jit_place_print(places, err);
  fputs(", and maybe of more\n", err);
  funlockfile(err);
  return NULL;
}

/* --- Who is told --- */

void jit_observe_started(struct jit_compiler *compiler)
{
  const struct vm_jit_options *options = &compiler->vm->options.jit;
  struct jit_place places[JIT_PLACES_MAX];
  uint32_t count = jit_stub_places(compiler, places);
  if (options->perf_map) {
    compiler->perf_map = open_map();
    if (!compiler->perf_map)
      warn(compiler);
  }
  for (uint32_t i = 0; i < count; i++)
    map(compiler, &places[i]);
  compiler->debug = tell_gdb(compiler, places, count, NULL);
}

void jit_observe_compiled(struct jit_compiler *compiler, struct jit_code *code)
{
  const struct vm_jit_options *options = &compiler->vm->options.jit;
  struct jit_place place = place_of(code);
  map(compiler, &place);
  code->debug = tell_gdb(compiler, &place, 1, code);
  if (options->dump && jit_method_matches(code->method, options->dump_methods,
                                          options->dump_methods_bytes))
    jit_dump(compiler, code, options->dump);
}

void jit_observe_native(struct jit_compiler *compiler,
                        struct jit_native *native)
{
  const struct vm_method *method = native->method;
  struct jit_place place = {method->owner->name, method->name,
                            native->block.run, native->block.bytes};
  map(compiler, &place);
  native->debug = tell_gdb(compiler, &place, 1, NULL);
}

void jit_observe_native_freed(struct jit_native *native)
{
  jit_gdb_unregister(native->debug);
  native->debug = NULL;
}

void jit_observe_freed(struct jit_compiler *compiler, struct jit_code *code)
{
  (void)compiler;
  jit_gdb_unregister(code->debug);
  code->debug = NULL;
}

void jit_observe_ended(struct jit_compiler *compiler)
{
  jit_gdb_unregister(compiler->debug);
  compiler->debug = NULL;
  close_map(compiler);
}
