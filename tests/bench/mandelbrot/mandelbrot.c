/* SPDX-License-Identifier: Apache-2.0 */
/* 1000 x 1000 points, at most 50 iterations. */
#include "../common.h"

int main(void)
{
  double t = now_ms();
  const int n = 1000;
  long sum = 0;
  for (int y = 0; y < n; y++) {
    double ci = 2.0 * y / n - 1.0;
    for (int x = 0; x < n; x++) {
      double cr = 2.0 * x / n - 1.5, zr = 0, zi = 0;
      int i = 0;
      while (i < 50) {
        double r2 = zr * zr, i2 = zi * zi;
        if (r2 + i2 > 4.0)
          break;
        zi = 2.0 * zr * zi + ci;
        zr = r2 - i2 + cr;
        i++;
      }
      sum += i;
    }
  }
  printf("%ld\n", sum);
  printf("T %.3f\n", now_ms() - t);
}
