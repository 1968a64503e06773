// SPDX-License-Identifier: Apache-2.0
// Start-up.

package main

import "fmt"

func main() { fmt.Println("hello") }
