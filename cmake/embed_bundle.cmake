# Writes OUT, a C++ file that holds what travels with every bundle: the texts MD and PY. In pieces, since a compiler
# need not take a string longer than 64 KiB.
function(embed name file)
  file(READ ${file} text)
  string(LENGTH "${text}" size)
  set(at 0)
  set(pieces "")
  while(at LESS size)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND pieces "\n      R\"signet_text(${piece})signet_text\"")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${name} "${pieces}" PARENT_SCOPE)
endfunction()
embed(md ${MD})
embed(py ${PY})
file(WRITE ${OUT} "#include \"audit/bundle.h\"\n\nnamespace signet {\n\n"
  "std::string_view verify_md() {\n  return ${md};\n}\n\nstd::string_view signet_verify_py() {\n  return ${py};\n}\n\n"
  "}  // namespace signet\n")
