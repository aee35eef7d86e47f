# Helpers for the rooms that know no MLIR, and settings shared by all.

find_program(DSV2_CCACHE ccache)
if(DSV2_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DSV2_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${DSV2_CCACHE})
endif()
find_program(DSV2_LLD ld.lld-22)
if(DSV2_LLD AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_link_options(-fuse-ld=lld-22)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # Lets ccache reuse objects that were compiled against a precompiled header.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()
if(DSV2_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
endif()

# dsv2_add_rooms(DIR...): adds each folder that has something in it, in this order.
function(dsv2_add_rooms)
  foreach(room IN LISTS ARGN)
    if(EXISTS ${CMAKE_SOURCE_DIR}/${room}/CMakeLists.txt)
      add_subdirectory(${CMAKE_SOURCE_DIR}/${room} ${CMAKE_BINARY_DIR}/${room})
    endif()
  endforeach()
endfunction()

# dsv2_library(NAME SOURCES ... LINK ...): a static library of plain C++.
function(dsv2_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-unused-parameter)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# dsv2_unit_test(NAME SOURCES ... LINK ...): a GoogleTest binary in bin/, run by scripts/check.
function(dsv2_unit_test name)
  if(NOT DSV2_ENABLE_TESTS)
    return()
  endif()
  find_package(GTest REQUIRED)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE DSV2_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
endfunction()
