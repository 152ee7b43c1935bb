# One way to declare a room, so that every CMakeLists.txt reads alike.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# Used by several rooms; what only one room uses is found in that room's CMakeLists.txt.
find_package(nlohmann_json REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)

# signet_library(queue SOURCES a.cc b.cc PUBLIC signet_message PRIVATE PkgConfig::HIREDIS)
# makes the static library signet_queue; includes are written from the root ("queue/queue.h").
function(signet_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(signet_${name} STATIC ${ARG_SOURCES})
  target_include_directories(signet_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(signet_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# signet_test(queue_test SOURCES a_test.cc LINK signet_queue [ENVIRONMENT ...]) builds one Catch2 program and
# registers it; tests that start real servers say RESOURCES servers so that they do not run side by side.
function(signet_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;RESOURCES" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE signet_test_main ${ARG_LINK})
  target_compile_definitions(${name} PRIVATE SIGNET_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             SIGNET_BINARY="$<TARGET_FILE:signetd>")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  if(ARG_RESOURCES)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK "${ARG_RESOURCES}")
  endif()
endfunction()
