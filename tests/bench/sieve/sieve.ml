(* SPDX-License-Identifier: Apache-2.0 *)
(* Eratosthenes over 5,000,000 flags, five times. *)
let () = let t = Unix.gettimeofday () in
  let n = 5000000 in let f = Bytes.create n in let count = ref 0 in
  for _r = 1 to 5 do
    count := 0;
    for i = 0 to n-1 do Bytes.set f i '\001' done;
    for i = 2 to n-1 do
      if Bytes.get f i = '\001' then begin
        incr count;
        let j = ref (i+i) in
        while !j < n do Bytes.set f !j '\000'; j := !j + i done
      end
    done
  done;
  Printf.printf "%d\n" !count; Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
