/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at compiled code: which methods a pattern means, packed lines, and
 * the objects for gdb, read with readelf where there is one.
 */
#include "config.h"

#include <check.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit_stub/observe_internal.h"
#include "mm/native.h"
#include "tests/unit/jit_ops_fixture.h"
#include "tests/unit/suite.h"
#include "vm/core/purposes.h"

/* --- Names --- */

static bool matches(const char *class_name, const char *name,
                    const char *pattern)
{
  struct vm_class class = {.name = class_name};
  struct vm_method method = {.owner = &class, .name = name};
  return jit_method_matches(&method, pattern, strlen(pattern));
}

START_TEST(patterns_mean_methods_by_name_or_by_class_and_name)
{
  ck_assert(matches("a.B", "f", "f"));
  ck_assert(matches("a.B", "f", "a.B.f"));
  ck_assert(matches("a.B", "f", "*"));
  ck_assert(matches("a.B", "fun", "f*"));
  ck_assert(matches("a.B", "f", "f*"));
  ck_assert(matches("a.B", "f", "a.B.*"));
  ck_assert(matches("a.B", "f", "a.*"));
  ck_assert(matches("a.B", "f", "a.B*"));
  ck_assert(matches("a.B", ".ctor", ".ctor"));
  ck_assert(!matches("a.B", "f", ""));
  ck_assert(!matches("a.B", "f", "a.B"));
  ck_assert(!matches("a.B", "f", "a.B."));
  ck_assert(!matches("a.B", "f", "a.Bf"));
  ck_assert(!matches("a.B", "f", "B.f"));
  ck_assert(!matches("a.B", "fun", "f"));
  ck_assert(!matches("a.B", "f", "fun"));
  ck_assert(!matches("a.B", "f", "a.C.*"));
  ck_assert(!matches("a.B", "f", "g*"));
}
END_TEST

/* --- Lines --- */

static const struct jit_line lines[] = {
    {0, 0},     {17, 3},      {17, 1},          {200, 64},        {300, 2},
    {70000, 0}, {70001, 300}, {1u << 31, 1000}, {UINT32_MAX, 17},
};
enum { LINE_COUNT = sizeof lines / sizeof lines[0] };

START_TEST(lines_are_read_as_they_were_packed)
{
  uint8_t bytes[LINE_COUNT * 10];
  size_t wanted = jit_lines_pack(lines, LINE_COUNT, NULL);
  ck_assert_uint_le(wanted, sizeof bytes);
  ck_assert_uint_eq(jit_lines_pack(lines, LINE_COUNT, bytes), wanted);
  struct jit_code code = {.lines = bytes, .line_bytes = (uint32_t)wanted};
  struct jit_line_reader reader = jit_lines_of(&code);
  for (int i = 0; i < LINE_COUNT; i++) {
    ck_assert(jit_line_next(&reader));
    ck_assert_uint_eq(reader.line.offset, lines[i].offset);
    ck_assert_uint_eq(reader.line.word, lines[i].word);
  }
  ck_assert(!jit_line_next(&reader));
}
END_TEST

START_TEST(a_line_near_the_one_before_takes_two_bytes)
{
  const struct jit_line near[] = {{5, 2}, {20, 4}, {147, 3}};
  ck_assert_uint_eq(jit_lines_pack(near, 3, NULL), 6);
  ck_assert_uint_eq(jit_lines_pack(near, 0, NULL), 0);
}
END_TEST

/* --- Objects for gdb --- */

/* A method, and code that is told to have been made of it. */
struct made {
  struct jit_reading reading;
  struct jit_code code;
  struct jit_place place;
  uint8_t packed[64];
};

enum { RUN = 0x10000, CODE_BYTES = 100 };

static void make(struct made *made)
{
  jit_reading_open(&made->reading,
                   ".function i32 f(i32 a0) {\n lda a0\n neg\n"
                   " return\n}\n",
                   false);
  const struct interp_code *decoded = made->reading.code;
  const struct jit_line two[] = {
      {20, decoded->insn_words[0]},
      {40, decoded->insn_words[1]},
      {60, decoded->insn_words[2]},
      {80, decoded->insn_words[1]},
  };
  size_t bytes = jit_lines_pack(two, 4, made->packed);
  made->code = (struct jit_code){.method = made->reading.method,
                                 .code_bytes = CODE_BYTES,
                                 .lines = made->packed,
                                 .line_bytes = (uint32_t)bytes};
  made->place =
      (struct jit_place){"_GLOBAL", "f", (const void *)RUN, CODE_BYTES};
}

static const Elf64_Shdr *section(const struct jit_bytes *object,
                                 const char *name)
{
  const Elf64_Ehdr *elf = (const void *)object->bytes;
  const Elf64_Shdr *all = (const void *)(object->bytes + elf->e_shoff);
  const char *names =
      (const char *)object->bytes + all[elf->e_shstrndx].sh_offset;
  for (unsigned i = 0; i < elf->e_shnum; i++)
    if (strcmp(names + all[i].sh_name, name) == 0)
      return &all[i];
  ck_abort_msg("no section %s", name);
  return NULL;
}

/* Everything that it says lies within it. */
static void check_bounds(const struct jit_bytes *object)
{
  const Elf64_Ehdr *elf = (const void *)object->bytes;
  const Elf64_Shdr *all = (const void *)(object->bytes + elf->e_shoff);
  ck_assert_mem_eq(elf->e_ident, ELFMAG, SELFMAG);
  ck_assert_uint_le(elf->e_shoff + elf->e_shnum * sizeof *all, object->count);
  for (unsigned i = 0; i < elf->e_shnum; i++)
    if (all[i].sh_type != SHT_NOBITS)
      ck_assert_uint_le(all[i].sh_offset + all[i].sh_size, object->count);
}

START_TEST(an_object_has_the_code_its_address_and_its_name)
{
  struct made made;
  struct jit_bytes object;
  make(&made);
  ck_assert(jit_gdb_object_make(&object, &made.place, 1, &made.code));
  check_bounds(&object);
  const Elf64_Shdr *text = section(&object, ".text");
  ck_assert_uint_eq(text->sh_type, SHT_NOBITS);
  ck_assert_uint_eq(text->sh_addr, RUN);
  ck_assert_uint_eq(text->sh_size, CODE_BYTES);
  const Elf64_Shdr *table = section(&object, ".symtab");
  ck_assert_uint_eq(table->sh_size, 2 * sizeof(Elf64_Sym));
  const Elf64_Sym *symbol =
      (const Elf64_Sym *)(const void *)(object.bytes + table->sh_offset) + 1;
  const char *strings =
      (const char *)object.bytes + section(&object, ".strtab")->sh_offset;
  ck_assert_str_eq(strings + symbol->st_name, "_GLOBAL.f");
  ck_assert_uint_eq(symbol->st_value, 0);
  ck_assert_uint_eq(symbol->st_size, CODE_BYTES);
  jit_bytes_free(&object);
  jit_reading_close(&made.reading);
}
END_TEST

START_TEST(an_object_of_several_places_names_each)
{
  const struct jit_place places[] = {{NULL, "a", (const void *)RUN, 16},
                                     {NULL, "bc", (const void *)(RUN + 16), 8}};
  struct jit_bytes object;
  ck_assert(jit_gdb_object_make(&object, places, 2, NULL));
  check_bounds(&object);
  ck_assert_uint_eq(section(&object, ".text")->sh_size, 24);
  ck_assert_uint_eq(section(&object, ".debug_line")->sh_size, 0);
  const Elf64_Sym *symbols =
      (const void *)(object.bytes + section(&object, ".symtab")->sh_offset);
  const char *strings =
      (const char *)object.bytes + section(&object, ".strtab")->sh_offset;
  ck_assert_str_eq(strings + symbols[1].st_name, "stub.a");
  ck_assert_str_eq(strings + symbols[2].st_name, "stub.bc");
  ck_assert_uint_eq(symbols[2].st_value, 16);
  jit_bytes_free(&object);
}
END_TEST

/* What readelf prints of the object; its complaints too. */
static void read_with(const char *options, const char *file, char *text,
                      size_t room)
{
  char command[256];
  snprintf(command, sizeof command, "readelf %s %s 2>&1", options, file);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  text[fread(text, 1, room - 1, pipe)] = 0;
  pclose(pipe);
}

static void check_with_readelf(const char *file)
{
  char text[16384];
  read_with("--debug-dump=decodedline,info,frames -hSs", file, text,
            sizeof text);
  ck_assert_ptr_null(strstr(text, "arning"));
  ck_assert_ptr_null(strstr(text, "rror"));
  ck_assert_ptr_nonnull(strstr(text, "_GLOBAL.f"));
  ck_assert_ptr_nonnull(strstr(text, "DW_TAG_subprogram"));
  ck_assert_ptr_nonnull(strstr(text, "pc=0000000000010000..0000000000010064"));
  /* Each line, with its address. */
  const char *at = strstr(text, "test.pa  ");
  static const char *const wanted[] = {"0x10000", "0x10014", "0x10028",
                                       "0x1003c", "0x10050", "0x10064"};
  for (int i = 0; i < 6; i++) {
    ck_assert_ptr_nonnull(at);
    at = strstr(at, wanted[i]);
    ck_assert_msg(at != NULL, "no %s in %s", wanted[i], text);
  }
}

START_TEST(an_object_is_what_readelf_takes)
{
  struct made made;
  struct jit_bytes object;
  char file[] = "/tmp/jit-object.XXXXXX";
  if (system("readelf --version > /dev/null 2>&1") != 0)
    return;
  make(&made);
  ck_assert(jit_gdb_object_make(&object, &made.place, 1, &made.code));
  int fd = mkstemp(file);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, object.bytes, object.count),
                   (ssize_t)object.count);
  close(fd);
  check_with_readelf(file);
  unlink(file);
  jit_bytes_free(&object);
  jit_reading_close(&made.reading);
}
END_TEST

START_TEST(without_memory_nothing_is_registered_and_nothing_stays)
{
  struct made made;
  make(&made);
  void *registered = NULL;
  unsigned failures = 0;
  uint64_t before = mm_native_bytes(VM_PURPOSE_COMPILED);
  while (!registered) {
    ck_assert_uint_lt(failures, 100);
    mm_native_fail_at(++failures, false);
    registered = jit_gdb_register(&made.place, 1, &made.code);
    mm_native_fail_at(0, false);
    if (!registered)
      ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_COMPILED), before);
  }
  ck_assert_uint_gt(failures, 2);
  jit_gdb_unregister(registered);
  jit_gdb_unregister(NULL);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_COMPILED), before);
  jit_reading_close(&made.reading);
}
END_TEST

/* gdb's, as it reads them. */
struct entry {
  struct entry *next, *previous;
  const void *object;
  uint64_t bytes;
};
extern struct {
  uint32_t version, action;
  struct entry *relevant, *first;
} __jit_debug_descriptor;

START_TEST(the_list_holds_what_is_registered_in_both_directions)
{
  const struct jit_place place = {NULL, "a", (const void *)RUN, 16};
  void *all[3];
  for (int i = 0; i < 3; i++)
    all[i] = jit_gdb_register(&place, 1, NULL);
  ck_assert_uint_eq(__jit_debug_descriptor.version, 1);
  ck_assert_uint_eq(__jit_debug_descriptor.action, 0);
  struct entry *first = __jit_debug_descriptor.first;
  ck_assert_ptr_eq(first, all[2]);
  ck_assert_ptr_eq(first->next, all[1]);
  ck_assert_ptr_eq(first->next->previous, first);
  ck_assert_mem_eq(first->object, ELFMAG, SELFMAG);
  jit_gdb_unregister(all[1]);
  ck_assert_ptr_eq(first->next, all[0]);
  ck_assert_ptr_eq(first->next->previous, first);
  jit_gdb_unregister(all[2]);
  ck_assert_ptr_eq(__jit_debug_descriptor.first, all[0]);
  ck_assert_ptr_null(__jit_debug_descriptor.first->previous);
  jit_gdb_unregister(all[0]);
  ck_assert_ptr_null(__jit_debug_descriptor.first);
}
END_TEST

int main(void)
{
  TCase *names = tcase_create("names"), *packed = tcase_create("lines"),
        *objects = tcase_create("objects");
  tcase_add_test(names, patterns_mean_methods_by_name_or_by_class_and_name);
  tcase_add_test(packed, lines_are_read_as_they_were_packed);
  tcase_add_test(packed, a_line_near_the_one_before_takes_two_bytes);
  tcase_add_test(objects, an_object_has_the_code_its_address_and_its_name);
  tcase_add_test(objects, an_object_of_several_places_names_each);
  tcase_add_test(objects, an_object_is_what_readelf_takes);
  tcase_add_test(objects,
                 without_memory_nothing_is_registered_and_nothing_stays);
  tcase_add_test(objects, the_list_holds_what_is_registered_in_both_directions);
  TCase *all[] = {names, packed, objects, NULL};
  return suite_main("looking at compiled code", all);
}
