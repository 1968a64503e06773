-- SPDX-License-Identifier: Apache-2.0
-- Eratosthenes over 5,000,000 flags, five times.
local t=os.clock()
local N=5000000
local f={}
local count=0
for r=1,5 do
  count=0
  for i=0,N-1 do f[i]=true end
  for i=2,N-1 do
    if f[i] then
      count=count+1
      for j=i+i,N-1,i do f[j]=false end
    end
  end
end
print(count)
print(string.format("T %.3f",(os.clock()-t)*1000))
