// SPDX-License-Identifier: Apache-2.0
// 400 x 400 doubles as an array of rows, i-j-k, three times.
function mk(n) {
  const m = new Array(n);
  for (let i = 0; i < n; i++) m[i] = new Float64Array(n);
  return m;
}
function gen(n) {
  const m = mk(n);
  const tmp = 1.0 / n / n;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) m[i][j] = tmp * (i - j) * (i + j);
  return m;
}
function mul(a, b, n) {
  const c = mk(n);
  for (let i = 0; i < n; i++) {
    const ai = a[i], ci = c[i];
    for (let j = 0; j < n; j++) {
      let s = 0.0;
      for (let k = 0; k < n; k++) s += ai[k] * b[k][j];
      ci[j] = s;
    }
  }
  return c;
}
const t = performance.now();
const n = 400;
const a = gen(n), b = gen(n);
let c;
for (let r = 0; r < 3; r++) c = mul(a, b, n);
console.log(c[n / 2][n / 2].toFixed(9));
console.log('T ' + (performance.now() - t));
