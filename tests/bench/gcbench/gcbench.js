// SPDX-License-Identifier: Apache-2.0
// Ellis', Kovac's and Boehm's collector benchmark.
class N {
  constructor(l, r) {
    this.l = l;
    this.r = r;
    this.i = 0;
    this.j = 0;
  }
}
const ST = 18, LL = 16, AS = 500000, MIN = 4, MAX = 16;
function ts(i) {
  return (1 << (i + 1)) - 1;
}
function ni(i) {
  return Math.floor(2 * ts(ST) / ts(i));
}
function pop(d, n) {
  if (d <= 0) return;
  d--;
  n.l = new N(null, null);
  n.r = new N(null, null);
  pop(d, n.l);
  pop(d, n.r);
}
function mt(d) {
  return d <= 0 ? new N(null, null) : new N(mt(d - 1), mt(d - 1));
}
function cnt(n) {
  return n.l !== null ? 1 + cnt(n.l) + cnt(n.r) : 1;
}
const t = performance.now();
console.log('stretch ' + cnt(mt(ST)));
const ll = new N(null, null);
pop(LL, ll);
const ar = new Float64Array(AS);
for (let i = 1; i < AS / 2; i++) ar[i] = 1.0 / i;
for (let d = MIN; d <= MAX; d += 2) {
  const it = ni(d);
  for (let i = 0; i < it; i++) {
    let x = new N(null, null);
    pop(d, x);
    x = null;
  }
  for (let i = 0; i < it; i++) {
    let x = mt(d);
    x = null;
  }
  console.log('d' + d + ' ' + it);
}
console.log('long ' + cnt(ll) + ' ' + ar[1000].toFixed(6));
console.log('T ' + (performance.now() - t));
