//===- dsv2-opt-test.cpp - dsv2-opt with passes that are wrong ------------===//
//
// Never installed: the tests of `--dsv2-check-semantics` run it.
//
//===----------------------------------------------------------------------===//
#include "WrongPasses.h"

#include "lib/Pipelines/OptMain.h"
#include "lib/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  mlir::dsv2::registerAllPasses();
  dsv2::registerWrongPasses();
  return mlir::dsv2::optMain(argc, argv, "dsv2-opt-test: dsv2-opt with passes that are wrong",
                             registry);
}
