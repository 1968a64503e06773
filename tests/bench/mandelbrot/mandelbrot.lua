-- SPDX-License-Identifier: Apache-2.0
-- 1000 x 1000 points, at most 50 iterations.
local t=os.clock()
local n=1000
local sum=0
for y=0,n-1 do
  local ci=2.0*y/n-1.0
  for x=0,n-1 do
    local cr=2.0*x/n-1.5
    local zr,zi,i=0.0,0.0,0
    while i<50 do
      local r2,i2=zr*zr,zi*zi
      if r2+i2>4.0 then break end
      zi=2.0*zr*zi+ci
      zr=r2-i2+cr
      i=i+1
    end
    sum=sum+i
  end
end
print(sum)
print(string.format("T %.3f",(os.clock()-t)*1000))
