-- SPDX-License-Identifier: Apache-2.0
-- Full binary trees up to depth 18, most of them dropped at once.
local t=os.clock()
local function bt(d) if d>0 then local l=bt(d-1) return {l,(bt(d-1))} else return {nil,nil} end end
local function chk(n) local l=n[1] if l then return 1+chk(l)+chk(n[2]) else return 1 end end
local D=18
do local s=bt(D+1) print("stretch "..chk(s)) end
local ll=bt(D)
for d=4,D,2 do
  local it=2^(D-d+4)
  local c=0
  for i=1,it do c=c+chk(bt(d)) end
  print(string.format("%d %d %d",it,d,c))
end
print("long "..chk(ll))
print(string.format("T %.3f",(os.clock()-t)*1000))
