// SPDX-License-Identifier: Apache-2.0
// Random replacement in 2^20 slots, timed in batches of 1000 steps.
class N {
  constructor(v, a) {
    this.val = v;
    this.a = a;
    this.b = null;
  }
}
const SZ = 1 << 20, STEPS = 20000000;
let x = 12345, sum = 0;
function batch(sl, s) {
  const e = s + 1000;
  let y = x, sm = sum;
  for (; s < e; s++) {
    y = Math.imul(y, 69069) + 1 | 0;
    const r = y >>> 12;
    y = Math.imul(y, 69069) + 1 | 0;
    const q = y >>> 12;
    const old = sl[r], p = sl[q];
    sm += p.val;
    const n = new N(s & 1023, p);
    old.a = null;
    old.b = null;
    p.b = n;
    sl[r] = n;
  }
  x = y;
  sum = sm;
}
function main() {
  const sl = new Array(SZ).fill(null);
  for (let i = 0; i < SZ; i++) sl[i] = new N(i & 1023, null);
  const lat = new Float64Array(STEPS / 1000);
  let nb = 0;
  const t0 = performance.now();
  let tb = t0;
  for (let s = 0; s < STEPS; s += 1000) {
    batch(sl, s);
    const t = performance.now();
    lat[nb++] = (t - tb) * 1e3;
    tb = t;
  }
  console.log(sum);
  console.log('T ' + (tb - t0));
  lat.sort();
  let c1 = 0, c10 = 0;
  for (const d of lat) {
    if (d > 1000) c1++;
    if (d > 10000) c10++;
  }
  console.log(
      'LAT', lat[nb / 2].toFixed(1), lat[nb * 99 / 100].toFixed(1),
      lat[nb / 1000 * 999].toFixed(1), lat[nb - 1].toFixed(1), c1, c10);
}
main();
