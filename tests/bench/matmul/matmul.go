// SPDX-License-Identifier: Apache-2.0
// 400 x 400 doubles as an array of rows, i-j-k, three times.

package main

import (
	"fmt"
	"time"
)

func mk(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}
func gen(n int) [][]float64 {
	m := mk(n)
	tmp := 1.0 / float64(n) / float64(n)
	for i := 0; i < n; i++ {
		for j := 0; j < n; j++ {
			m[i][j] = tmp * float64(i-j) * float64(i+j)
		}
	}
	return m
}
func mul(a, b [][]float64, n int) [][]float64 {
	c := mk(n)
	for i := 0; i < n; i++ {
		ai := a[i]
		ci := c[i]
		for j := 0; j < n; j++ {
			s := 0.0
			for k := 0; k < n; k++ {
				s += ai[k] * b[k][j]
			}
			ci[j] = s
		}
	}
	return c
}
func main() {
	t := time.Now()
	n := 400
	a := gen(n)
	b := gen(n)
	var c [][]float64
	for r := 0; r < 3; r++ {
		c = mul(a, b, n)
	}
	fmt.Printf("%.9f\n", c[n/2][n/2])
	fmt.Println("T", float64(time.Since(t).Nanoseconds())/1e6)
}
