// SPDX-License-Identifier: Apache-2.0
// Eratosthenes over 5,000,000 flags, five times.

package main

import (
	"fmt"
	"time"
)

func main() {
	t := time.Now()
	const N = 5000000
	f := make([]bool, N)
	count := 0
	for r := 0; r < 5; r++ {
		count = 0
		for i := 0; i < N; i++ {
			f[i] = true
		}
		for i := 2; i < N; i++ {
			if f[i] {
				count++
				for j := i + i; j < N; j += i {
					f[j] = false
				}
			}
		}
	}
	fmt.Println(count)
	fmt.Println("T", float64(time.Since(t).Nanoseconds())/1e6)
}
