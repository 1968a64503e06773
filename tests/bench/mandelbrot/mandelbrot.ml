(* SPDX-License-Identifier: Apache-2.0 *)
(* 1000 x 1000 points, at most 50 iterations. *)
let () = let t = Unix.gettimeofday () in
  let n = 1000 in let fn = float n in let sum = ref 0 in
  for y = 0 to n-1 do
    let ci = 2.0 *. float y /. fn -. 1.0 in
    for x = 0 to n-1 do
      let cr = 2.0 *. float x /. fn -. 1.5 in
      let zr = ref 0.0 and zi = ref 0.0 and i = ref 0 and go = ref true in
      while !go && !i < 50 do
        let r2 = !zr *. !zr and i2 = !zi *. !zi in
        if r2 +. i2 > 4.0 then go := false
        else begin
          zi := 2.0 *. !zr *. !zi +. ci;
          zr := r2 -. i2 +. cr;
          incr i
        end
      done;
      sum := !sum + !i
    done
  done;
  Printf.printf "%d\n" !sum; Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
