/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer over the text of programs: the input is the program.
 *
 *   tests/fuzz/fuzz_text -max_len=20000 CORPUS
 */
#include "config.h"

#include "tests/fuzz/fuzz_inline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
  struct fuzz f = {.state = size_bytes};
  fuzz_case_unrun(&f, (const char *)data, size_bytes, false);
  int status =
      fuzz_case_in_child(&f, (const char *)data, size_bytes, false, 200000);
  if (status != 0 && status != FUZZ_REFUSED)
    abort();
  return 0;
}
