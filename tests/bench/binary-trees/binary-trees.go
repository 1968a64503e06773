// SPDX-License-Identifier: Apache-2.0
// Full binary trees up to depth 18, most of them dropped at once.

package main

import (
	"fmt"
	"time"
)

type N struct{ l, r *N }

func bt(d int) *N {
	if d > 0 {
		l := bt(d - 1)
		r := bt(d - 1)
		return &N{l, r}
	}
	return &N{}
}
func chk(n *N) int {
	if n.l != nil {
		return 1 + chk(n.l) + chk(n.r)
	}
	return 1
}
func main() {
	t := time.Now()
	D := 18
	fmt.Println("stretch", chk(bt(D+1)))
	ll := bt(D)
	for d := 4; d <= D; d += 2 {
		it := 1 << uint(D-d+4)
		c := 0
		for i := 0; i < it; i++ {
			c += chk(bt(d))
		}
		fmt.Println(it, d, c)
	}
	fmt.Println("long", chk(ll))
	fmt.Println("T", float64(time.Since(t).Nanoseconds())/1e6)
}
