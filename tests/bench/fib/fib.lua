-- SPDX-License-Identifier: Apache-2.0
-- Naive recursion: fib(38).
local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end
local t=os.clock()
print(fib(38))
print(string.format("T %.3f",(os.clock()-t)*1000))
