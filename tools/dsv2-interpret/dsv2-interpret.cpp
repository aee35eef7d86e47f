//===- dsv2-interpret.cpp - the oracle as a tool --------------------------===//
//
// A thin main: everything is in lib/Reference.
//
//===----------------------------------------------------------------------===//
#include "lib/Pipelines/Registration.h"
#include "lib/Reference/Interpret.h"

#include "mlir/IR/DialectRegistry.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  return dsv2::interpretMain(argc, argv, registry);
}
