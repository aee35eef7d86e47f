//===- dsv2-lsp-server.cpp - IR in an editor ------------------------------------===//
//
// Upstream's language server with our dialects: definitions, uses, diagnostics as one types.
//
//===----------------------------------------------------------------------===//

#include "lib/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::dsv2::registerAllDialects(registry);
  return mlir::succeeded(mlir::MlirLspServerMain(argc, argv, registry)) ? 0 : 1;
}
