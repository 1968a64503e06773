/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes programs that run every numeric instruction on its edge values.
 *
 *   generate DIRECTORY
 *
 * makes one .pa file for each family, and beside it a .head with what is
 * expected of it.  What must come out is computed here, in C that is defined
 * for every operand (unsigned arithmetic, shift counts that are masked,
 * conversions that are guarded), and stands in the program as a constant; a
 * program prints what differs and then "N checks, 0 wrong".  Nothing here
 * knows how the machine computes.
 */
#include "emit.h"

int main(int argc, char **argv)
{
  if (argc != 2) {
    fputs("usage: generate DIRECTORY\n", stderr);
    return 2;
  }
  integers(argv[1]);
  floats(argv[1]);
  conversions(argv[1]);
  comparisons(argv[1]);
  moves(argv[1]);
  storage(argv[1]);
  return 0;
}
