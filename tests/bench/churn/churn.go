// SPDX-License-Identifier: Apache-2.0
// Random replacement in 2^20 slots, timed in batches of 1000 steps.

package main

import (
	"fmt"
	"sort"
	"time"
)

type N struct {
	val  int
	a, b *N
}

const SZ = 1 << 20
const STEPS = 20000000

var x uint32 = 12345
var sum int

func batch(sl []*N, s int) {
	e := s + 1000
	y := x
	sm := sum
	for ; s < e; s++ {
		y = y*69069 + 1
		r := y >> 12
		y = y*69069 + 1
		q := y >> 12
		old := sl[r]
		p := sl[q]
		sm += p.val
		n := &N{s & 1023, p, nil}
		old.a = nil
		old.b = nil
		p.b = n
		sl[r] = n
	}
	x = y
	sum = sm
}
func main() {
	sl := make([]*N, SZ)
	for i := range sl {
		sl[i] = &N{i & 1023, nil, nil}
	}
	lat := make([]float64, STEPS/1000)
	nb := 0
	t0 := time.Now()
	tb := t0
	for s := 0; s < STEPS; s += 1000 {
		batch(sl, s)
		t := time.Now()
		lat[nb] = float64(t.Sub(tb).Nanoseconds()) / 1e3
		nb++
		tb = t
	}
	T := tb.Sub(t0)
	fmt.Println(sum)
	fmt.Println("T", float64(T.Nanoseconds())/1e6)
	sort.Float64s(lat)
	c1, c10 := 0, 0
	for _, d := range lat {
		if d > 1000 {
			c1++
		}
		if d > 10000 {
			c10++
		}
	}
	fmt.Printf("LAT %.1f %.1f %.1f %.1f %d %d\n", lat[nb/2], lat[nb*99/100], lat[nb/1000*999], lat[nb-1], c1, c10)
}
