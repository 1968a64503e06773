// SPDX-License-Identifier: Apache-2.0
// 1000 x 1000 points, at most 50 iterations.
function main() {
  const n = 1000;
  let sum = 0;
  for (let y = 0; y < n; y++) {
    const ci = 2.0 * y / n - 1.0;
    for (let x = 0; x < n; x++) {
      const cr = 2.0 * x / n - 1.5;
      let zr = 0.0, zi = 0.0, i = 0;
      while (i < 50) {
        const r2 = zr * zr, i2 = zi * zi;
        if (r2 + i2 > 4.0) break;
        zi = 2.0 * zr * zi + ci;
        zr = r2 - i2 + cr;
        i++;
      }
      sum += i;
    }
  }
  console.log(sum);
}
const t = performance.now();
main();
console.log('T ' + (performance.now() - t));
