/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF object that describes machine code which lies elsewhere already: its
 * section .text has an address and a size, but no bytes.
 *
 *   .symtab, .strtab            the names of the places
 *   .debug_abbrev, _info, _line DWARF 4: one compilation unit, its functions,
 *                               and which line of the source each address is of
 *   .debug_frame                how to find a frame's caller
 *
 * A frame of compiled code has one word on the machine stack, the address to
 * return to (code_internal.h), so that its caller's frame begins at rsp + 8
 * whatever it does.  Stubs are not described: they differ.
 */
#include "config.h"

#include "jit_stub/observe_internal.h"

#include "mm/native.h"
#include "vm/core/purposes.h"

#include <elf.h>
#include <string.h>

/* --- Bytes --- */

static bool grow(struct jit_bytes *b, size_t bytes)
{
  if (b->count + bytes <= b->capacity)
    return true;
  size_t capacity = 2 * b->capacity + bytes + 256;
  uint8_t *new = b->out_of_memory
                     ? NULL
                     : mm_native_resize(VM_PURPOSE_COMPILED, b->bytes,
                                        b->capacity, capacity);
  b->out_of_memory = !new;
  if (!new)
    return false;
  b->bytes = new;
  b->capacity = capacity;
  return true;
}

static void put(struct jit_bytes *b, const void *from, size_t bytes)
{
  if (!grow(b, bytes))
    return;
  memcpy(b->bytes + b->count, from, bytes);
  b->count += bytes;
}

static void put8(struct jit_bytes *b, uint8_t value)
{
  put(b, &value, sizeof value);
}

static void put16(struct jit_bytes *b, uint16_t value)
{
  put(b, &value, sizeof value);
}

static void put32(struct jit_bytes *b, uint32_t value)
{
  put(b, &value, sizeof value);
}

static void put64(struct jit_bytes *b, uint64_t value)
{
  put(b, &value, sizeof value);
}

static void put_text(struct jit_bytes *b, const char *text)
{
  put(b, text, strlen(text) + 1);
}

static void put_unsigned(struct jit_bytes *b, uint64_t value)
{
  for (; value >= 128; value >>= 7)
    put8(b, (uint8_t)(value | 128));
  put8(b, (uint8_t)value);
}

static void put_signed(struct jit_bytes *b, int64_t value)
{
  for (; value < -64 || value >= 64; value >>= 7)
    put8(b, (uint8_t)(value | 128));
  put8(b, (uint8_t)(value & 127));
}

/* A length of 4 bytes, of all from behind it to the present end. */
static void fill_length(struct jit_bytes *b, size_t at)
{
  uint32_t length = (uint32_t)(b->count - at - 4);
  if (!b->out_of_memory)
    memcpy(b->bytes + at, &length, sizeof length);
}

void jit_bytes_free(struct jit_bytes *b)
{
  if (b->bytes)
    mm_native_free(VM_PURPOSE_COMPILED, b->bytes, b->capacity);
  *b = (struct jit_bytes){0};
}

/* --- The parts of one object --- */

enum section {
  NULL_,
  TEXT,
  NAMES,
  SYMBOLS,
  STRINGS,
  ABBREVIATIONS,
  INFO,
  LINES,
  FRAMES,
  SECTION_COUNT
};

static const struct {
  const char *name;
  uint32_t type;
} kinds[SECTION_COUNT] = {
    [TEXT] = {".text", SHT_NOBITS},
    [NAMES] = {".shstrtab", SHT_STRTAB},
    [SYMBOLS] = {".symtab", SHT_SYMTAB},
    [STRINGS] = {".strtab", SHT_STRTAB},
    [ABBREVIATIONS] = {".debug_abbrev", SHT_PROGBITS},
    [INFO] = {".debug_info", SHT_PROGBITS},
    [LINES] = {".debug_line", SHT_PROGBITS},
    [FRAMES] = {".debug_frame", SHT_PROGBITS},
};

struct making {
  struct jit_bytes *b;
  const struct jit_place *places;
  uint32_t count;
  const struct jit_code *code; /* null: stubs, of which there are no lines */
  uint64_t begin, end;         /* addresses */
  Elf64_Shdr headers[SECTION_COUNT];
};

static void put_name(struct jit_bytes *b, const struct jit_place *place)
{
  const char *class_name = place->class_name ? place->class_name : "stub";
  put(b, class_name, strlen(class_name));
  put8(b, '.');
  put_text(b, place->name);
}

static size_t name_bytes(const struct jit_place *place)
{
  return strlen(place->class_name ? place->class_name : "stub") + 1 +
         strlen(place->name) + 1;
}

static void put_names(struct making *m)
{
  for (int i = 0; i < SECTION_COUNT; i++) {
    m->headers[i].sh_name =
        (uint32_t)(m->b->count - m->headers[NAMES].sh_offset);
    put_text(m->b, kinds[i].name ? kinds[i].name : "");
  }
}

static void put_symbols(struct making *m)
{
  Elf64_Sym symbol = {0};
  put(m->b, &symbol, sizeof symbol);
  symbol = (Elf64_Sym){.st_name = 1,
                       .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                       .st_shndx = TEXT};
  for (uint32_t i = 0; i < m->count; i++) {
    symbol.st_value = (uintptr_t)m->places[i].run - m->begin;
    symbol.st_size = m->places[i].bytes;
    put(m->b, &symbol, sizeof symbol);
    symbol.st_name += (uint32_t)name_bytes(&m->places[i]);
  }
  m->headers[SYMBOLS].sh_entsize = sizeof symbol;
  m->headers[SYMBOLS].sh_link = STRINGS;
  m->headers[SYMBOLS].sh_info = 1; /* the first that is not local */
}

static void put_strings(struct making *m)
{
  put8(m->b, 0);
  for (uint32_t i = 0; i < m->count; i++)
    put_name(m->b, &m->places[i]);
}

/* --- DWARF --- */

enum {
  DW_TAG_COMPILE_UNIT = 0x11,
  DW_TAG_SUBPROGRAM = 0x2e,
  DW_AT_NAME = 0x03,
  DW_AT_STMT_LIST = 0x10,
  DW_AT_LOW_PC = 0x11,
  DW_AT_HIGH_PC = 0x12,
  DW_AT_LANGUAGE = 0x13,
  DW_AT_DECL_FILE = 0x3a,
  DW_AT_DECL_LINE = 0x3b,
  DW_AT_EXTERNAL = 0x3f,
  DW_FORM_ADDR = 0x01,
  DW_FORM_DATA2 = 0x05,
  DW_FORM_DATA8 = 0x07,
  DW_FORM_STRING = 0x08,
  DW_FORM_UDATA = 0x0f,
  DW_FORM_SEC_OFFSET = 0x17,
  DW_FORM_FLAG_PRESENT = 0x19,
  DW_LANG_ASSEMBLER = 0x8001,
  DW_LNS_COPY = 1,
  DW_LNS_ADVANCE_PC = 2,
  DW_LNS_ADVANCE_LINE = 3,
  DW_LNE_END_SEQUENCE = 1,
  DW_LNE_SET_ADDRESS = 2,
  DW_CFA_DEF_CFA = 0x0c,
  DW_CFA_OFFSET = 0x80,
  RSP = 7,
  RETURN_ADDRESS = 16,
};

static void put_abbreviations(struct making *m)
{
  static const uint8_t all[] = {
      /* 1: the unit, which has children */
      1, DW_TAG_COMPILE_UNIT, 1, DW_AT_NAME, DW_FORM_STRING, DW_AT_LANGUAGE,
      DW_FORM_DATA2, DW_AT_LOW_PC, DW_FORM_ADDR, DW_AT_HIGH_PC, DW_FORM_DATA8,
      DW_AT_STMT_LIST, DW_FORM_SEC_OFFSET, 0, 0,
      /* 2: a function, which has none */
      2, DW_TAG_SUBPROGRAM, 0, DW_AT_NAME, DW_FORM_STRING, DW_AT_EXTERNAL,
      DW_FORM_FLAG_PRESENT, DW_AT_DECL_FILE, DW_FORM_UDATA, DW_AT_DECL_LINE,
      DW_FORM_UDATA, DW_AT_LOW_PC, DW_FORM_ADDR, DW_AT_HIGH_PC, DW_FORM_DATA8,
      0, 0,
      /* no more */
      0};
  if (m->code)
    put(m->b, all, sizeof all);
}

static void put_info(struct making *m)
{
  struct jit_bytes *b = m->b;
  size_t start = b->count;
  if (!m->code)
    return;
  put32(b, 0); /* length */
  put16(b, 4); /* version */
  put32(b, 0); /* of .debug_abbrev */
  put8(b, sizeof(void *));
  put_unsigned(b, 1);
  put_text(b, m->code->method->module->file);
  put16(b, DW_LANG_ASSEMBLER);
  put64(b, m->begin);
  put64(b, m->end - m->begin);
  put32(b, 0); /* of .debug_line */
  put_unsigned(b, 2);
  put_name(b, m->places);
  put_unsigned(b, 1);
  put_unsigned(b, m->code->method->function->line);
  put64(b, m->begin);
  put64(b, m->end - m->begin);
  put_unsigned(b, 0); /* no more children */
  fill_length(b, start);
}

static void put_line_header(struct making *m)
{
  static const uint8_t operands[] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
  struct jit_bytes *b = m->b;
  size_t start = b->count;
  put32(b, 0); /* length */
  put8(b, 1);  /* smallest instruction */
  put8(b, 1);  /* operations in one */
  put8(b, 1);  /* lines begin statements */
  put8(b, 0);  /* special opcodes: base, range, first; none are used */
  put8(b, 1);
  put8(b, sizeof operands + 1);
  put(b, operands, sizeof operands);
  put8(b, 0); /* no directories */
  put_text(b, m->code->method->module->file);
  put_unsigned(b, 0); /* directory, time, size: not known */
  put_unsigned(b, 0);
  put_unsigned(b, 0);
  put8(b, 0); /* no more files */
  fill_length(b, start);
}

/* The line where the instruction of an operation stands. */
static uint32_t source_line(const struct jit_code *code, uint32_t word)
{
  const struct interp_code *decoded = interp_code_of(code->method);
  const struct interp_origin *origin =
      interp_origin_of(decoded, decoded->words + word);
  return code->method->function->insns[origin->insn].line;
}

struct row {
  uint32_t offset, line;
};

static void put_row(struct jit_bytes *b, struct row *last, uint32_t offset,
                    uint32_t line)
{
  put8(b, DW_LNS_ADVANCE_PC);
  put_unsigned(b, offset - last->offset);
  put8(b, DW_LNS_ADVANCE_LINE);
  put_signed(b, (int64_t)line - last->line);
  put8(b, DW_LNS_COPY);
  *last = (struct row){offset, line};
}

static void put_rows(struct making *m)
{
  struct jit_bytes *b = m->b;
  struct row last = {0, 1};
  struct jit_line_reader reader = jit_lines_of(m->code);
  put8(b, 0);
  put_unsigned(b, 1 + sizeof m->begin);
  put8(b, DW_LNE_SET_ADDRESS);
  put64(b, m->begin);
  put_row(b, &last, 0, m->code->method->function->line);
  while (jit_line_next(&reader))
    put_row(b, &last, reader.line.offset,
            source_line(m->code, reader.line.word));
  put8(b, DW_LNS_ADVANCE_PC);
  put_unsigned(b, m->code->code_bytes - last.offset);
  put8(b, 0);
  put_unsigned(b, 1);
  put8(b, DW_LNE_END_SEQUENCE);
}

static void put_lines(struct making *m)
{
  size_t start = m->b->count;
  if (!m->code)
    return;
  put32(m->b, 0); /* length */
  put16(m->b, 4); /* version */
  put_line_header(m);
  put_rows(m);
  fill_length(m->b, start);
}

/* Up to the next multiple of 8 from `start' on, with instructions that do
   nothing. */
static void pad(struct jit_bytes *b, size_t start)
{
  while ((b->count - start) % 8 != 0 && !b->out_of_memory)
    put8(b, 0);
}

static void put_frames(struct making *m)
{
  struct jit_bytes *b = m->b;
  size_t start = b->count;
  if (!m->code)
    return;
  put32(b, 0);          /* length */
  put32(b, UINT32_MAX); /* common to all functions: */
  put8(b, 1);           /* version */
  put8(b, 0);           /* no augmentation */
  put_unsigned(b, 1);   /* factors of code and data */
  put_signed(b, -8);
  put8(b, RETURN_ADDRESS);
  put8(b, DW_CFA_DEF_CFA);
  put_unsigned(b, RSP);
  put_unsigned(b, 8);
  put8(b, DW_CFA_OFFSET + RETURN_ADDRESS);
  put_unsigned(b, 1);
  pad(b, start + 4);
  fill_length(b, start);
  size_t function = b->count;
  put32(b, 0); /* length */
  put32(b, 0); /* of what is common */
  put64(b, m->begin);
  put64(b, m->end - m->begin);
  pad(b, function + 4);
  fill_length(b, function);
}

/* --- All of it --- */

static void (*const makers[SECTION_COUNT])(struct making *m) = {
    [NAMES] = put_names,     [SYMBOLS] = put_symbols,
    [STRINGS] = put_strings, [ABBREVIATIONS] = put_abbreviations,
    [INFO] = put_info,       [LINES] = put_lines,
    [FRAMES] = put_frames,
};

static void put_section(struct making *m, int i)
{
  while (m->b->count % 8 != 0 && !m->b->out_of_memory)
    put8(m->b, 0);
  m->headers[i].sh_type = kinds[i].type;
  m->headers[i].sh_addralign = i == NULL_ ? 0 : i == SYMBOLS ? 8 : 1;
  m->headers[i].sh_offset = i == NULL_ ? 0 : m->b->count;
  if (!makers[i])
    return;
  makers[i](m);
  m->headers[i].sh_size = m->b->count - m->headers[i].sh_offset;
}

static void put_elf_header(struct jit_bytes *b, uint64_t sections)
{
  const Elf64_Ehdr header = {
      .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                  EV_CURRENT},
      .e_type = ET_REL,
      .e_machine = EM_X86_64,
      .e_version = EV_CURRENT,
      .e_shoff = sections,
      .e_ehsize = sizeof header,
      .e_shentsize = sizeof(Elf64_Shdr),
      .e_shnum = SECTION_COUNT,
      .e_shstrndx = NAMES,
  };
  put(b, &header, sizeof header);
}

bool jit_gdb_object_make(struct jit_bytes *object,
                         const struct jit_place *places, uint32_t count,
                         const struct jit_code *code)
{
  const struct jit_place *last = &places[count - 1];
  struct making m = {.b = object,
                     .places = places,
                     .count = count,
                     .code = code,
                     .begin = (uintptr_t)places[0].run,
                     .end = (uintptr_t)last->run + last->bytes};
  const uint64_t sections = sizeof(Elf64_Ehdr);
  *object = (struct jit_bytes){0};
  put_elf_header(object, sections);
  put(object, m.headers, sizeof m.headers);
  for (int i = 0; i < SECTION_COUNT; i++)
    put_section(&m, i);
  m.headers[TEXT].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  m.headers[TEXT].sh_addr = m.begin;
  m.headers[TEXT].sh_size = m.end - m.begin;
  m.headers[TEXT].sh_addralign = MM_CODE_ALIGN;
  if (!object->out_of_memory) {
    memcpy(object->bytes + sections, m.headers, sizeof m.headers);
    return true;
  }
  jit_bytes_free(object);
  return false;
}
