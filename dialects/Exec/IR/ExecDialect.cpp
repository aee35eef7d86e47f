//===- ExecDialect.cpp - the dsv2_exec dialect ----------------------------===//
//
// Registration, and the ops' generated code.
//
//===----------------------------------------------------------------------===//
#include "dialects/Exec/IR/Exec.h"
#include "dialects/Exec/IR/ExecAssembly.h"

#include "dialects/Exec/IR/ExecDialect.cpp.inc"

namespace mlir::dsv2_exec {

void ExecDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "dialects/Exec/IR/ExecOps.cpp.inc"
      >();
}

} // namespace mlir::dsv2_exec

using mlir::dsv2_exec::parseArgs;
using mlir::dsv2_exec::parseCopies;
using mlir::dsv2_exec::parseGuard;
using mlir::dsv2_exec::parseKernelBody;
using mlir::dsv2_exec::parseLaunchMap;
using mlir::dsv2_exec::parseLayers;
using mlir::dsv2_exec::parseSources;
using mlir::dsv2_exec::printArgs;
using mlir::dsv2_exec::printCopies;
using mlir::dsv2_exec::printGuard;
using mlir::dsv2_exec::printKernelBody;
using mlir::dsv2_exec::printLaunchMap;
using mlir::dsv2_exec::printLayers;
using mlir::dsv2_exec::printSources;

#define GET_OP_CLASSES
#include "dialects/Exec/IR/ExecOps.cpp.inc"
