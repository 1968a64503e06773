(* SPDX-License-Identifier: Apache-2.0 *)
(* 400 x 400 doubles as an array of rows, i-j-k, three times. *)
let gen n = let tmp = 1.0 /. float n /. float n in
  Array.init n (fun i -> Array.init n (fun j -> tmp *. float (i-j) *. float (i+j)))
let mul (a : float array array) (b : float array array) n =
  let c = Array.make_matrix n n 0.0 in
  for i = 0 to n-1 do
    let ai = a.(i) and ci = c.(i) in
    for j = 0 to n-1 do
      let s = ref 0.0 in
      for k = 0 to n-1 do s := !s +. ai.(k) *. b.(k).(j) done;
      ci.(j) <- !s
    done
  done; c
let () = let t = Unix.gettimeofday () in
  let n = 400 in let a = gen n and b = gen n in let c = ref a in
  for _r = 1 to 3 do c := mul a b n done;
  Printf.printf "%.9f\n" (!c).(n/2).(n/2); Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
