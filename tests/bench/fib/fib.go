// SPDX-License-Identifier: Apache-2.0
// Naive recursion: fib(38).

package main

import (
	"fmt"
	"time"
)

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}
func main() {
	t := time.Now()
	fmt.Println(fib(38))
	fmt.Println("T", float64(time.Since(t).Nanoseconds())/1e6)
}
