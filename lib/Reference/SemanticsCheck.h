//===- SemanticsCheck.h - Did a pass keep what the module means? -*- C++ -*-===//
//
// `--dsv2-check-semantics`: runs the module before and after every pass of a
// pipeline, on the same tokens, far positions and (seeded or real) weights, and
// names the first pass whose result moved, with op and element. A pass author gets
// this for nothing.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_SEMANTICSCHECK_H
#define DSV2_LIB_REFERENCE_SEMANTICSCHECK_H

#include "mlir/Pass/PassManager.h"

#include <cstdint>
#include <string>

namespace dsv2 {

struct SemanticsCheckOptions {
  /// Of tokens and, without `weights`, of weights.
  uint64_t seed = 1;
  /// Largest |actual - expected| over largest |expected|, for logits and hidden.
  double tolerance = 1e-9;
  /// Fed in all, as two sequences in three steps.
  int64_t tokens = 48;
  /// Position of the first token; later ones are spread out from there.
  int64_t position = 4352;
  /// A model directory; empty: weights are made up from the seed.
  std::string weights;
};

/// Reads "seed=3 tokens=32,tolerance=1e-8" (blanks or commas between). Prints an
/// error and fails on an unknown name or a bad value.
mlir::FailureOr<SemanticsCheckOptions> parseSemanticsCheckOptions(llvm::StringRef text);

/// One line for each sub-option, for help texts.
extern const char *const semanticsCheckHelp;

/// Adds the check of `@step` and, beside it, `@mtp` to `manager`, whose passes must all be there
/// already. A pass that moved a result gives an error at the op, and the pipeline fails at its end.
/// Modules past the `model` stage are not checked.
void checkSemantics(mlir::PassManager &manager, const SemanticsCheckOptions &options);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_SEMANTICSCHECK_H
