// SPDX-License-Identifier: Apache-2.0
// Naive recursion: fib(38).
function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
const t = performance.now();
console.log(fib(38));
console.log('T ' + (performance.now() - t));
