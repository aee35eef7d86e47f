//===- dsv2-opt.cpp - runs passes and pipelines on IR --------------------------===//
//
// A thin main: dialects and passes come from lib/Pipelines.
//
//===----------------------------------------------------------------------===//

#include "lib/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  mlir::dsv2::registerAllPasses();
  mlir::LogicalResult result = mlir::MlirOptMain(
      argc, argv,
      "dsv2-opt: passes and pipelines on dsv2 IR\n"
      "example: dsv2-opt --dsv2-compile=\"targets=host\" model.mlir -o model.exec.mlir",
      registry);
  return mlir::asMainReturnCode(result);
}
