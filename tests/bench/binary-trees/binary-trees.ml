(* SPDX-License-Identifier: Apache-2.0 *)
(* Full binary trees up to depth 18, most of them dropped at once. *)
type tree = Empty | Node of {mutable l: tree; mutable r: tree}
let rec bt d = if d > 0 then let l = bt (d-1) in let r = bt (d-1) in Node {l; r} else Node {l=Empty; r=Empty}
let rec chk = function Empty -> 0 | Node {l=Empty; _} -> 1 | Node {l; r} -> 1 + chk l + chk r
let () = let t = Unix.gettimeofday () in
  let dd = 18 in Printf.printf "stretch %d\n" (chk (bt (dd+1)));
  let ll = bt dd in
  let d = ref 4 in
  while !d <= dd do
    let it = 1 lsl (dd - !d + 4) in let c = ref 0 in
    for _i = 1 to it do c := !c + chk (bt !d) done;
    Printf.printf "%d %d %d\n" it !d !c; d := !d + 2
  done;
  Printf.printf "long %d\n" (chk ll); Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
