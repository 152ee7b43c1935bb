# Writes OUT, a C++ file that holds the document IN.
file(READ ${IN} json)
file(WRITE ${OUT} "#include \"daemon/api/openapi.h\"\n\nnamespace signet::api {\n\n"
  "std::string_view openapi_json() { return R\"signet_json(${json})signet_json\"; }\n\n}  // namespace signet::api\n")
