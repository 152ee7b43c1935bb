# cmake -DFROM=signet.lua -DTO=signet_lua.cc -P embed_lua.cmake: the function library as a string in the binary. Its
# version is its own hash, so that a changed library is loaded anew and an unchanged one is not.
file(READ ${FROM} text)
file(SHA256 ${FROM} hash)
string(SUBSTRING "${hash}" 0 16 version)
string(REPLACE "@SIGNET_LUA_VERSION@" "${version}" text "${text}")
file(WRITE ${TO} "namespace signet {
extern const char* const kLuaVersion;
extern const char* const kLuaLibrary;
const char* const kLuaVersion = \"${version}\";
const char* const kLuaLibrary = R\"lua(${text})lua\";
}  // namespace signet
")
