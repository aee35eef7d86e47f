//===- dsv2-reduce.cpp - cuts IR down to what still shows a failure --------------===//
//
// Upstream's reducer with our dialects and passes.
//   dsv2-reduce model.mlir --reduction-tree='traversal-mode=0 test=./still-fails.sh'
//
//===----------------------------------------------------------------------===//

#include "lib/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Reducer/Passes.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  mlir::dsv2::registerAllPasses();
  mlir::registerReducerPasses();
  mlir::MLIRContext context(registry);
  return mlir::succeeded(mlir::mlirReduceMain(argc, argv, context)) ? 0 : 1;
}
