//===- dsv2-opt-test.cpp - dsv2-opt with passes for tests -----------------===//
//
// Never installed: passes that are wrong, for the tests of `--dsv2-check-semantics`, passes that
// make random modules, and passes that show what the dialect offers.
//
//===----------------------------------------------------------------------===//
#include "DialectPasses.h"
#include "RandomModule.h"
#include "WrongPasses.h"

#include "lib/Pipelines/OptMain.h"
#include "lib/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  mlir::dsv2::registerAllPasses();
  dsv2::registerDialectPasses();
  dsv2::registerRandomModulePasses();
  dsv2::registerWrongPasses();
  return mlir::dsv2::optMain(argc, argv, "dsv2-opt-test: dsv2-opt with passes for tests", registry);
}
