//===- OptMain.h - the main of tools like dsv2-opt -----------------------------===//
//
// MLIR's opt driver with two differences: `--dsv2-check-semantics` watches any list of passes, and
// an output file appears whole or not at all.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_PIPELINES_OPTMAIN_H
#define DSV2_LIB_PIPELINES_OPTMAIN_H

namespace llvm {
class StringRef;
} // namespace llvm

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace mlir::dsv2 {

/// Parses the command line and runs its passes over its input; returns the exit status. `overview`
/// is the first text of `--help`. Dialects and passes must be registered already.
int optMain(int argc, char **argv, llvm::StringRef overview, DialectRegistry &registry);

} // namespace mlir::dsv2

#endif // DSV2_LIB_PIPELINES_OPTMAIN_H
