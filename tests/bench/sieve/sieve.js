// SPDX-License-Identifier: Apache-2.0
// Eratosthenes over 5,000,000 flags, five times.
function main() {
  const N = 5000000;
  const f = new Uint8Array(N);
  let count = 0;
  for (let r = 0; r < 5; r++) {
    count = 0;
    for (let i = 0; i < N; i++) f[i] = 1;
    for (let i = 2; i < N; i++)
      if (f[i]) {
        count++;
        for (let j = i + i; j < N; j += i) f[j] = 0;
      }
  }
  console.log(count);
}
const t = performance.now();
main();
console.log('T ' + (performance.now() - t));
