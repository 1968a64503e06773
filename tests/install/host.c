/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is not this machine, built from what `make install` put in
 * place: the headers and libbamboo-mm, as pkg-config tells where they are.
 * It asks only that the library is found, links and answers; a host that
 * really uses the collector is another test's subject.
 */
#include <mm/mm.h>

#include <stdio.h>

int
main(void)
{
  struct mm_options options;
  mm_options_init(&options);
  if (options.heap_max_bytes == 0) {
    puts("the library chose no size of the heap");
    return 1;
  }
  return 0;
}
