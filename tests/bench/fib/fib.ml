(* SPDX-License-Identifier: Apache-2.0 *)
(* Naive recursion: fib(38). *)
let rec fib n = if n < 2 then n else fib (n-1) + fib (n-2)
let () = let t = Unix.gettimeofday () in
  Printf.printf "%d\n" (fib 38); Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
