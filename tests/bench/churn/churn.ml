(* SPDX-License-Identifier: Apache-2.0 *)
(* Random replacement in 2^20 slots, timed in batches of 1000 steps. *)
type n = {mutable v:int; mutable a:n; mutable b:n}
let rec nil = {v=0; a=nil; b=nil}
let sz = 1 lsl 20 and steps = 20000000
let x = ref 12345 and sum = ref 0
let batch sl s0 =
  let y = ref !x and sm = ref !sum in
  for s = s0 to s0+999 do
    y := (!y * 69069 + 1) land 0xFFFFFFFF; let r = !y lsr 12 in
    y := (!y * 69069 + 1) land 0xFFFFFFFF; let q = !y lsr 12 in
    let old = Array.unsafe_get sl r and p = Array.unsafe_get sl q in
    sm := !sm + p.v;
    let n = {v = s land 1023; a = p; b = nil} in
    old.a <- nil; old.b <- nil; p.b <- n; Array.unsafe_set sl r n
  done;
  x := !y; sum := !sm
let () =
  let sl = Array.init sz (fun i -> {v = i land 1023; a = nil; b = nil}) in
  let lat = Array.make (steps/1000) 0.0 in
  let t0 = Unix.gettimeofday () in let tb = ref t0 in
  for k = 0 to steps/1000-1 do
    batch sl (k*1000);
    let t = Unix.gettimeofday () in lat.(k) <- (t -. !tb) *. 1e6; tb := t
  done;
  Printf.printf "%d\n" !sum; Printf.printf "T %.3f\n" ((!tb -. t0) *. 1e3);
  Array.sort compare lat; let nb = steps/1000 in
  let c1 = ref 0 and c10 = ref 0 in
  Array.iter (fun d -> if d > 1000. then incr c1; if d > 10000. then incr c10) lat;
  Printf.printf "LAT %.1f %.1f %.1f %.1f %d %d\n" lat.(nb/2) lat.(nb*99/100) lat.(nb/1000*999) lat.(nb-1) !c1 !c10
