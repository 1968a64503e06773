/* SPDX-License-Identifier: Apache-2.0 */
/* Start-up. */
#include <stdio.h>

int main(void)
{
  puts("hello");
}
