/* SPDX-License-Identifier: Apache-2.0 */
/* The same with the C interface of Lua 5.4, as far as it has the like. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int now(lua_State *lua)
{
  lua_pushinteger(lua, now_ns());
  return 1;
}

static int call(lua_State *lua)
{
  lua_pushinteger(lua, lua_tointeger(lua, 1) + 1);
  return 1;
}

static int object(lua_State *lua)
{
  lua_pushinteger(lua, lua_tointeger(lua, 2) + 1);
  return 1;
}

static int field(lua_State *lua)
{
  lua_getfield(lua, 1, "x");
  lua_pushinteger(lua, lua_tointeger(lua, -1) + 1);
  lua_setfield(lua, 1, "x");
  return 0;
}

static int text(lua_State *lua)
{
  lua_pushinteger(lua, lua_tostring(lua, 1)[0]);
  return 1;
}

static int back(lua_State *lua)
{
  lua_Integer n = lua_tointeger(lua, 2), x = 0;
  long long begin = now_ns();
  for (lua_Integer i = 0; i < n; i++) {
    lua_pushvalue(lua, 1);
    lua_pushinteger(lua, x);
    lua_call(lua, 1, 1);
    x = lua_tointeger(lua, -1);
    lua_pop(lua, 1);
  }
  lua_pushinteger(lua, now_ns() - begin);
  return 1;
}

static const char program[] =
    "local n = ...\n"
    "local function show(name, ns) print(name .. ' ' .. ns * 1000 // n) end\n"
    "local counter, x = {x = 0}, 0\n"
    "local begin = now()\n"
    "for i = 1, n do x = call(x) end show('call', now() - begin)\n"
    "begin = now()\n"
    "for i = 1, n do x = object(counter, x) end show('object', now() - begin)\n"
    "begin = now()\n"
    "for i = 1, n do field(counter) end show('field', now() - begin)\n"
    "begin = now()\n"
    "for i = 1, n do x = x + text('text') end show('text', now() - begin)\n"
    "show('back', back(function(x) return x + 1 end, n))\n";

int main(int argc, char **argv)
{
  lua_State *lua = luaL_newstate();
  if (argc != 2 || !lua)
    return 1;
  luaL_openlibs(lua);
  lua_register(lua, "now", now);
  lua_register(lua, "call", call);
  lua_register(lua, "object", object);
  lua_register(lua, "field", field);
  lua_register(lua, "text", text);
  lua_register(lua, "back", back);
  if (luaL_loadstring(lua, program) != LUA_OK)
    return 1;
  lua_pushinteger(lua, atoll(argv[1]));
  int status = lua_pcall(lua, 1, 0, 0);
  if (status != LUA_OK)
    fprintf(stderr, "%s\n", lua_tostring(lua, -1));
  lua_close(lua);
  return status != LUA_OK;
}
