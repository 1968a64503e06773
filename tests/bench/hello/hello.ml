(* SPDX-License-Identifier: Apache-2.0 *)
(* Start-up. *)
let () = print_endline "hello"
