(* SPDX-License-Identifier: Apache-2.0 *)
(* Ellis', Kovac's and Boehm's collector benchmark. *)
type n = Nil | N of {mutable l: n; mutable r: n; mutable i: int; mutable j: int}
let st=18 and ll=16 and asz=500000 and mind=4 and maxd=16
let ts i = (1 lsl (i+1)) - 1
let ni i = 2 * ts st / ts i
let node () = N {l=Nil; r=Nil; i=0; j=0}
let rec pop d n = if d > 0 then match n with Nil -> () | N x ->
  x.l <- node (); x.r <- node (); pop (d-1) x.l; pop (d-1) x.r
let rec mt d = if d <= 0 then node () else let l = mt (d-1) in let r = mt (d-1) in N {l; r; i=0; j=0}
let rec cnt = function Nil -> 0 | N {l=Nil; _} -> 1 | N {l; r; _} -> 1 + cnt l + cnt r
let () = let t = Unix.gettimeofday () in
  Printf.printf "stretch %d\n" (cnt (mt st));
  let l = node () in pop ll l;
  let ar = Array.make asz 0.0 in
  for i = 1 to asz/2-1 do ar.(i) <- 1.0 /. float i done;
  let d = ref mind in
  while !d <= maxd do
    let it = ni !d in
    for _i = 1 to it do let x = node () in pop !d x done;
    for _i = 1 to it do ignore (Sys.opaque_identity (mt !d)) done;
    Printf.printf "d%d %d\n" !d it; d := !d + 2
  done;
  Printf.printf "long %d %.6f\n" (cnt l) ar.(1000); Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
