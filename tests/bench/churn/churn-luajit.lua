-- SPDX-License-Identifier: Apache-2.0
-- Random replacement in 2^20 slots, timed in batches of 1000 steps.
local bit=require'bit' local band,rshift,tobit=bit.band,bit.rshift,bit.tobit
local SZ,STEPS=1048576,20000000
local clock=os.clock
local function run()
local sl={}
for i=0,SZ-1 do sl[i]={val=band(i,1023),a=false,b=false} end
local lat={} for i=1,STEPS/1000 do lat[i]=0.0 end
local x,sum,nb,s=12345,0,0,0
local t0=clock() local tb=t0
while s<STEPS do
  for k=s,s+999 do
    x=tobit(x*69069+1) local r=rshift(x,12)
    x=tobit(x*69069+1) local q=rshift(x,12)
    local old,p=sl[r],sl[q]
    sum=sum+p.val
    local n={val=band(k,1023),a=p,b=false}
    old.a=false old.b=false
    p.b=n
    sl[r]=n
  end
  s=s+1000
  local t=clock() nb=nb+1 lat[nb]=(t-tb)*1e6 tb=t
end
local T=tb-t0
print(string.format("%d",sum))
print(string.format("T %.3f",T*1000))
table.sort(lat)
local c1,c10=0,0 for i=1,nb do if lat[i]>1000 then c1=c1+1 end if lat[i]>10000 then c10=c10+1 end end
print(string.format("LAT %.1f %.1f %.1f %.1f %d %d",lat[nb/2+1],lat[nb*99/100+1],lat[nb/1000*999+1],lat[nb],c1,c10))
end
run()
