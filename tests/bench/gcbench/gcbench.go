// SPDX-License-Identifier: Apache-2.0
// Ellis', Kovac's and Boehm's collector benchmark.

package main

import (
	"fmt"
	"time"
)

type N struct {
	l, r *N
	i, j int32
}

const (
	ST  = 18
	LL  = 16
	AS  = 500000
	MIN = 4
	MAX = 16
)

func ts(i int) int { return (1 << uint(i+1)) - 1 }
func ni(i int) int { return 2 * ts(ST) / ts(i) }
func pop(d int, n *N) {
	if d <= 0 {
		return
	}
	d--
	n.l = &N{}
	n.r = &N{}
	pop(d, n.l)
	pop(d, n.r)
}
func mt(d int) *N {
	if d <= 0 {
		return &N{}
	}
	l := mt(d - 1)
	r := mt(d - 1)
	return &N{l: l, r: r}
}
func cnt(n *N) int {
	if n.l != nil {
		return 1 + cnt(n.l) + cnt(n.r)
	}
	return 1
}

var sink *N

func main() {
	t := time.Now()
	fmt.Println("stretch", cnt(mt(ST)))
	ll := &N{}
	pop(LL, ll)
	ar := make([]float64, AS)
	for i := 1; i < AS/2; i++ {
		ar[i] = 1.0 / float64(i)
	}
	for d := MIN; d <= MAX; d += 2 {
		it := ni(d)
		for i := 0; i < it; i++ {
			x := &N{}
			pop(d, x)
			sink = x
			sink = nil
		}
		for i := 0; i < it; i++ {
			x := mt(d)
			sink = x
			sink = nil
		}
		fmt.Printf("d%d %d\n", d, it)
	}
	fmt.Printf("long %d %.6f\n", cnt(ll), ar[1000])
	fmt.Println("T", float64(time.Since(t).Nanoseconds())/1e6)
}
