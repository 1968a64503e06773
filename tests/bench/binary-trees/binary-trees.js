// SPDX-License-Identifier: Apache-2.0
// Full binary trees up to depth 18, most of them dropped at once.
class N {
  constructor(l, r) {
    this.l = l;
    this.r = r;
  }
}
function bt(d) {
  return d > 0 ? new N(bt(d - 1), bt(d - 1)) : new N(null, null);
}
function chk(n) {
  return n.l !== null ? 1 + chk(n.l) + chk(n.r) : 1;
}
const t = performance.now();
const D = 18;
console.log('stretch ' + chk(bt(D + 1)));
const ll = bt(D);
for (let d = 4; d <= D; d += 2) {
  const it = 1 << (D - d + 4);
  let c = 0;
  for (let i = 0; i < it; i++) c += chk(bt(d));
  console.log(it + ' ' + d + ' ' + c);
}
console.log('long ' + chk(ll));
console.log('T ' + (performance.now() - t));
