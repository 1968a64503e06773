/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer over the verified form: the first bytes of the input decide how
 * the module is changed that the rest, a program, assembles to.
 *
 *   tests/fuzz/fuzz_module -max_len=20000 CORPUS
 */
#include "config.h"

#include "tests/fuzz/fuzz_inline.h"

enum { DECISION_BYTES = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
  struct fuzz f = {.bytes = data, .count = DECISION_BYTES};
  if (size_bytes <= DECISION_BYTES)
    return 0;
  fuzz_case_unrun(&f, (const char *)data + DECISION_BYTES,
                  size_bytes - DECISION_BYTES, true);
  int status = fuzz_case_in_child(&f, (const char *)data + DECISION_BYTES,
                                  size_bytes - DECISION_BYTES, true, 200000);
  if (status != 0 && status != FUZZ_REFUSED)
    abort();
  return 0;
}
