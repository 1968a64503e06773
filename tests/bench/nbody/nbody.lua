-- SPDX-License-Identifier: Apache-2.0
-- Five bodies, 2,000,000 steps.
local t=os.clock()
local sqrt=math.sqrt
local SM=4*3.141592653589793*3.141592653589793
local DP=365.24
local bs={
 {x=0.0,y=0.0,z=0.0,vx=0.0*DP,vy=0.0*DP,vz=0.0*DP,mass=1.0*SM},
 {x=4.84143144246472090e+00,y=-1.16032004402742839e+00,z=-1.03622044471123109e-01,vx=1.66007664274403694e-03*DP,vy=7.69901118419740425e-03*DP,vz=-6.90460016972063023e-05*DP,mass=9.54791938424326609e-04*SM},
 {x=8.34336671824457987e+00,y=4.12479856412430479e+00,z=-4.03523417114321381e-01,vx=-2.76742510726411899e-03*DP,vy=4.99852801234917238e-03*DP,vz=2.30417297573763929e-05*DP,mass=2.85885980666130812e-04*SM},
 {x=1.28943695621391310e+01,y=-1.51111514016986312e+01,z=-2.23307578892655734e-01,vx=2.96460137564761618e-03*DP,vy=2.37847173959480950e-03*DP,vz=-2.96589568540237556e-05*DP,mass=4.36624404335156298e-05*SM},
 {x=1.53796971148509165e+01,y=-2.59193146099879641e+01,z=1.79258772950371181e-01,vx=2.68067772490389322e-03*DP,vy=1.62824170038242295e-03*DP,vz=-9.51592254519715870e-05*DP,mass=5.15138902046611451e-05*SM},
}
local function advance(bodies,nb,dt)
  for i=1,nb do
    local p=bodies[i]
    local px,py,pz,pm=p.x,p.y,p.z,p.mass
    local vx,vy,vz=p.vx,p.vy,p.vz
    for j=i+1,nb do
      local q=bodies[j]
      local dx,dy,dz=px-q.x,py-q.y,pz-q.z
      local d2=dx*dx+dy*dy+dz*dz
      local mag=dt/(d2*sqrt(d2))
      local qm=q.mass*mag
      vx=vx-dx*qm vy=vy-dy*qm vz=vz-dz*qm
      local mm=pm*mag
      q.vx=q.vx+dx*mm q.vy=q.vy+dy*mm q.vz=q.vz+dz*mm
    end
    p.vx=vx p.vy=vy p.vz=vz
  end
  for i=1,nb do
    local p=bodies[i]
    p.x=p.x+dt*p.vx p.y=p.y+dt*p.vy p.z=p.z+dt*p.vz
  end
end
local function energy(bodies,nb)
  local e=0.0
  for i=1,nb do
    local p=bodies[i]
    e=e+0.5*p.mass*(p.vx*p.vx+p.vy*p.vy+p.vz*p.vz)
    for j=i+1,nb do
      local q=bodies[j]
      local dx,dy,dz=p.x-q.x,p.y-q.y,p.z-q.z
      e=e-p.mass*q.mass/sqrt(dx*dx+dy*dy+dz*dz)
    end
  end
  return e
end
local px,py,pz=0,0,0
for i=1,5 do local b=bs[i] px=px+b.vx*b.mass py=py+b.vy*b.mass pz=pz+b.vz*b.mass end
bs[1].vx=-px/SM bs[1].vy=-py/SM bs[1].vz=-pz/SM
print(string.format("%.9f",energy(bs,5)))
for i=1,2000000 do advance(bs,5,0.01) end
print(string.format("%.9f",energy(bs,5)))
print(string.format("T %.3f",(os.clock()-t)*1000))
