// SPDX-License-Identifier: Apache-2.0
// 1000 x 1000 points, at most 50 iterations.

package main

import (
	"fmt"
	"time"
)

func main() {
	t := time.Now()
	const n = 1000
	sum := 0
	for y := 0; y < n; y++ {
		ci := 2.0*float64(y)/n - 1.0
		for x := 0; x < n; x++ {
			cr := 2.0*float64(x)/n - 1.5
			zr := 0.0
			zi := 0.0
			i := 0
			for i < 50 {
				r2 := zr * zr
				i2 := zi * zi
				if r2+i2 > 4.0 {
					break
				}
				zi = 2.0*zr*zi + ci
				zr = r2 - i2 + cr
				i++
			}
			sum += i
		}
	}
	fmt.Println(sum)
	fmt.Println("T", float64(time.Since(t).Nanoseconds())/1e6)
}
