/* SPDX-License-Identifier: Apache-2.0 */
/* Five bodies, 2,000,000 steps. */
#include "../common.h"

typedef struct {
  double x, y, z, vx, vy, vz, m;
} B;

#define PI 3.141592653589793
#define SM (4 * PI * PI)
#define DP 365.24

static B bs[5] = {
    {0, 0, 0, 0, 0, 0, SM},
    {4.84143144246472090e+00, -1.16032004402742839e+00,
     -1.03622044471123109e-01, 1.66007664274403694e-03 * DP,
     7.69901118419740425e-03 * DP, -6.90460016972063023e-05 * DP,
     9.54791938424326609e-04 * SM},
    {8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01,
     -2.76742510726411899e-03 * DP, 4.99852801234917238e-03 * DP,
     2.30417297573763929e-05 * DP, 2.85885980666130812e-04 * SM},
    {1.28943695621391310e+01, -1.51111514016986312e+01,
     -2.23307578892655734e-01, 2.96460137564761618e-03 * DP,
     2.37847173959480950e-03 * DP, -2.96589568540237556e-05 * DP,
     4.36624404335156298e-05 * SM},
    {1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01,
     2.68067772490389322e-03 * DP, 1.62824170038242295e-03 * DP,
     -9.51592254519715870e-05 * DP, 5.15138902046611451e-05 * SM}};
static void adv(int n, B *b, double dt)
{
  for (int i = 0; i < n; i++) {
    B *p = &b[i];
    double vx = p->vx, vy = p->vy, vz = p->vz, px = p->x, py = p->y, pz = p->z,
           pm = p->m;
    for (int j = i + 1; j < n; j++) {
      B *q = &b[j];
      double dx = px - q->x, dy = py - q->y, dz = pz - q->z;
      double d2 = dx * dx + dy * dy + dz * dz;
      double mag = dt / (d2 * sqrt(d2));
      double qm = q->m * mag, mm = pm * mag;
      vx -= dx * qm;
      vy -= dy * qm;
      vz -= dz * qm;
      q->vx += dx * mm;
      q->vy += dy * mm;
      q->vz += dz * mm;
    }
    p->vx = vx;
    p->vy = vy;
    p->vz = vz;
  }
  for (int i = 0; i < n; i++) {
    B *p = &b[i];
    p->x += dt * p->vx;
    p->y += dt * p->vy;
    p->z += dt * p->vz;
  }
}

static double en(int n, B *b)
{
  double e = 0;
  for (int i = 0; i < n; i++) {
    B *p = &b[i];
    e += 0.5 * p->m * (p->vx * p->vx + p->vy * p->vy + p->vz * p->vz);
    for (int j = i + 1; j < n; j++) {
      B *q = &b[j];
      double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
      e -= p->m * q->m / sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return e;
}

int main(void)
{
  double t = now_ms();
  double px = 0, py = 0, pz = 0;
  for (int i = 0; i < 5; i++) {
    px += bs[i].vx * bs[i].m;
    py += bs[i].vy * bs[i].m;
    pz += bs[i].vz * bs[i].m;
  }
  bs[0].vx = -px / SM;
  bs[0].vy = -py / SM;
  bs[0].vz = -pz / SM;
  printf("%.9f\n", en(5, bs));
  for (int i = 0; i < 2000000; i++)
    adv(5, bs, 0.01);
  printf("%.9f\n", en(5, bs));
  printf("T %.3f\n", now_ms() - t);
}
