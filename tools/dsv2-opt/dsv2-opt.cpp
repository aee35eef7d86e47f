//===- dsv2-opt.cpp - runs passes and pipelines on IR --------------------------===//
//
// A thin main: dialects and passes come from lib/Pipelines.
//
//===----------------------------------------------------------------------===//

#include "lib/Pipelines/OptMain.h"
#include "lib/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  mlir::dsv2::registerAllPasses();
  return mlir::dsv2::optMain(
      argc, argv,
      "dsv2-opt: passes and pipelines on dsv2 IR\n"
      "example: dsv2-opt --dsv2-compile=\"targets=host\" model.mlir -o model.exec.mlir",
      registry);
}
