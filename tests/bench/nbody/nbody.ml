(* SPDX-License-Identifier: Apache-2.0 *)
(* Five bodies, 2,000,000 steps. *)
type b={mutable x:float;mutable y:float;mutable z:float;mutable vx:float;mutable vy:float;mutable vz:float;m:float}
let sm=4.0*.3.141592653589793*.3.141592653589793
let dp=365.24
let adv b n dt =
  for i = 0 to n-1 do
    let p = b.(i) in
    let vx = ref p.vx and vy = ref p.vy and vz = ref p.vz in
    let px = p.x and py = p.y and pz = p.z and pm = p.m in
    for j = i+1 to n-1 do
      let q = b.(j) in
      let dx = px -. q.x and dy = py -. q.y and dz = pz -. q.z in
      let d2 = dx*.dx +. dy*.dy +. dz*.dz in
      let mag = dt /. (d2 *. sqrt d2) in
      let qm = q.m *. mag and mm = pm *. mag in
      vx := !vx -. dx*.qm; vy := !vy -. dy*.qm; vz := !vz -. dz*.qm;
      q.vx <- q.vx +. dx*.mm; q.vy <- q.vy +. dy*.mm; q.vz <- q.vz +. dz*.mm
    done;
    p.vx <- !vx; p.vy <- !vy; p.vz <- !vz
  done;
  for i = 0 to n-1 do
    let p = b.(i) in
    p.x <- p.x +. dt*.p.vx; p.y <- p.y +. dt*.p.vy; p.z <- p.z +. dt*.p.vz
  done
let en b n =
  let e = ref 0.0 in
  for i = 0 to n-1 do
    let p = b.(i) in
    e := !e +. 0.5*.p.m*.(p.vx*.p.vx+.p.vy*.p.vy+.p.vz*.p.vz);
    for j = i+1 to n-1 do
      let q = b.(j) in
      let dx = p.x -. q.x and dy = p.y -. q.y and dz = p.z -. q.z in
      e := !e -. p.m*.q.m /. sqrt (dx*.dx+.dy*.dy+.dz*.dz)
    done
  done; !e
let () =
  let t = Unix.gettimeofday () in
  let bs = [|
  {x=(0.0);y=(0.0);z=(0.0);vx=(0.0)*.dp;vy=(0.0)*.dp;vz=(0.0)*.dp;m=(1.0)*.sm};
  {x=(4.84143144246472090e+00);y=(-1.16032004402742839e+00);z=(-1.03622044471123109e-01);vx=(1.66007664274403694e-03)*.dp;vy=(7.69901118419740425e-03)*.dp;vz=(-6.90460016972063023e-05)*.dp;m=(9.54791938424326609e-04)*.sm};
  {x=(8.34336671824457987e+00);y=(4.12479856412430479e+00);z=(-4.03523417114321381e-01);vx=(-2.76742510726411899e-03)*.dp;vy=(4.99852801234917238e-03)*.dp;vz=(2.30417297573763929e-05)*.dp;m=(2.85885980666130812e-04)*.sm};
  {x=(1.28943695621391310e+01);y=(-1.51111514016986312e+01);z=(-2.23307578892655734e-01);vx=(2.96460137564761618e-03)*.dp;vy=(2.37847173959480950e-03)*.dp;vz=(-2.96589568540237556e-05)*.dp;m=(4.36624404335156298e-05)*.sm};
  {x=(1.53796971148509165e+01);y=(-2.59193146099879641e+01);z=(1.79258772950371181e-01);vx=(2.68067772490389322e-03)*.dp;vy=(1.62824170038242295e-03)*.dp;vz=(-9.51592254519715870e-05)*.dp;m=(5.15138902046611451e-05)*.sm};
  |] in
  let px = ref 0.0 and py = ref 0.0 and pz = ref 0.0 in
  Array.iter (fun b -> px := !px +. b.vx*.b.m; py := !py +. b.vy*.b.m; pz := !pz +. b.vz*.b.m) bs;
  bs.(0).vx <- -. !px/.sm; bs.(0).vy <- -. !py/.sm; bs.(0).vz <- -. !pz/.sm;
  Printf.printf "%.9f\n" (en bs 5);
  for _i = 1 to 2000000 do adv bs 5 0.01 done;
  Printf.printf "%.9f\n" (en bs 5);
  Printf.printf "T %.3f\n" ((Unix.gettimeofday () -. t) *. 1e3)
