-- SPDX-License-Identifier: Apache-2.0
-- 400 x 400 doubles as an array of rows, i-j-k, three times.
local t=os.clock()
local function gen(n)
  local m={}
  local tmp=1.0/n/n
  for i=0,n-1 do local r={} for j=0,n-1 do r[j+1]=tmp*(i-j)*(i+j) end m[i+1]=r end
  return m
end
local function mul(a,b,n)
  local c={}
  for i=1,n do
    local ai,ci=a[i],{}
    for j=1,n do
      local s=0.0
      for k=1,n do s=s+ai[k]*b[k][j] end
      ci[j]=s
    end
    c[i]=ci
  end
  return c
end
local n=400
local a,b,c=gen(n),gen(n)
for r=1,3 do c=mul(a,b,n) end
print(string.format("%.9f",c[n/2+1][n/2+1]))
print(string.format("T %.3f",(os.clock()-t)*1000))
