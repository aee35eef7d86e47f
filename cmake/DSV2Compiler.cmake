# Helpers for the rooms that need MLIR. They are object libraries that all end up in one shared
# libDSV2Compiler.so (one copy of every TypeID, quick links), used by the tools and by plug-ins.

find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
set(DSV2_TABLEGEN_INCLUDES -I${CMAKE_SOURCE_DIR} -I${CMAKE_BINARY_DIR})

# One precompiled header for every MLIR room: a trivial pass then compiles in a fraction of the time.
file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cpp.in "// The translation unit that owns the precompiled MLIR header.\n")
configure_file(${CMAKE_BINARY_DIR}/pch/empty.cpp.in ${CMAKE_BINARY_DIR}/pch/empty.cpp COPYONLY)
add_library(DSV2Pch OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cpp)
target_compile_options(DSV2Pch PRIVATE -Wall -Wno-unused-parameter)
target_precompile_headers(DSV2Pch PRIVATE
  <mlir/IR/Builders.h> <mlir/IR/BuiltinOps.h> <mlir/IR/BuiltinTypes.h> <mlir/IR/BuiltinAttributes.h>
  <mlir/IR/Dialect.h> <mlir/IR/OpImplementation.h> <mlir/IR/OpDefinition.h> <mlir/IR/PatternMatch.h>
  <mlir/IR/SymbolTable.h> <mlir/IR/IRMapping.h> <mlir/IR/TypeUtilities.h>
  <mlir/Bytecode/BytecodeOpInterface.h> <mlir/Pass/Pass.h> <mlir/Pass/PassManager.h>
  <mlir/Interfaces/SideEffectInterfaces.h> <mlir/Interfaces/InferTypeOpInterface.h>
  <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/Arith/IR/Arith.h> <mlir/Dialect/Tensor/IR/Tensor.h>
  <mlir/Dialect/SCF/IR/SCF.h> <mlir/Dialect/MemRef/IR/MemRef.h> <mlir/Dialect/Vector/IR/VectorOps.h>
  <llvm/ADT/TypeSwitch.h> <llvm/ADT/StringMap.h> <llvm/ADT/DenseMap.h> <llvm/Support/FormatVariadic.h>
  <optional> <string> <vector> <map> <memory> <functional>)

# dsv2_compiler_library(NAME SOURCES ... DEPENDS ... LINK ...)
# LINK names plain libraries (DSV2Checkpoint, ...) that libDSV2Compiler.so must link.
function(dsv2_compiler_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} OBJECT ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -Wall -Wno-unused-parameter)
  target_precompile_headers(${name} REUSE_FROM DSV2Pch)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  # Headers that TableGen writes are shared by all rooms: wait for all of them.
  if(TARGET DSV2TableGen)
    add_dependencies(${name} DSV2TableGen)
  endif()
  set_property(GLOBAL APPEND PROPERTY DSV2_COMPILER_OBJECTS ${name})
  if(ARG_LINK)
    set_property(GLOBAL APPEND PROPERTY DSV2_COMPILER_LINK ${ARG_LINK})
  endif()
endfunction()

# dsv2_tablegen(TARGET FILE.td OUTPUT FLAG... [OUTPUT FLAG... separated by ;]) is a thin name for mlir_tablegen:
#   dsv2_tablegen(DSV2OpsIncGen DSV2Ops.td "DSV2Ops.h.inc:-gen-op-decls" "DSV2Ops.cpp.inc:-gen-op-defs")
# A flag list inside one entry is separated by '|'.
add_custom_target(DSV2TableGen)
function(dsv2_tablegen target file)
  set(LLVM_TARGET_DEFINITIONS ${file})
  foreach(entry IN LISTS ARGN)
    string(REPLACE ":" ";" parts ${entry})
    list(GET parts 0 output)
    list(GET parts 1 flags)
    string(REPLACE "|" ";" flags ${flags})
    mlir_tablegen(${output} ${flags} ${DSV2_TABLEGEN_INCLUDES})
  endforeach()
  add_public_tablegen_target(${target})
  add_dependencies(DSV2TableGen ${target})
endfunction()
