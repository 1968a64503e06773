-- SPDX-License-Identifier: Apache-2.0
-- Ellis', Kovac's and Boehm's collector benchmark.
local t=os.clock()
local ST,LL,AS,MIN,MAX=18,16,500000,4,16
local floor=math.floor
local function ts(i) return 2^(i+1)-1 end
local function ni(i) return floor(2*ts(ST)/ts(i)) end
local function node() return {l=nil,r=nil,i=0,j=0} end
local function pop(d,n) if d<=0 then return end d=d-1 n.l=node() n.r=node() pop(d,n.l) pop(d,n.r) end
local function mt(d) if d<=0 then return node() end local l=mt(d-1) local r=mt(d-1) return {l=l,r=r,i=0,j=0} end
local function cnt(n) if n.l then return 1+cnt(n.l)+cnt(n.r) else return 1 end end
do local s=mt(ST) print("stretch "..cnt(s)) end
local ll=node() pop(LL,ll)
local ar={} for i=1,AS do ar[i]=0.0 end
for i=1,AS/2-1 do ar[i]=1.0/i end
for d=MIN,MAX,2 do
  local it=ni(d)
  for i=1,it do local x=node() pop(d,x) end
  for i=1,it do local x=mt(d) end
  print(string.format("d%d %d",d,it))
end
print(string.format("long %d %.6f",cnt(ll),ar[1000]))
print(string.format("T %.3f",(os.clock()-t)*1000))
