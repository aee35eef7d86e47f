//===- WrongEdits.h - The library of wrong edits ----------------*- C++ -*-===//
//
// Mistakes that rewrites of these models make, each as a function that makes it in
// a module and leaves IR that verifies. An edit that legal ops can say is made of
// them; what no op can say is a gate method of a test dialect (TestGates.h).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_LIB_WRONGEDITS_H
#define DSV2_TEST_LIB_WRONGEDITS_H

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/IR/BuiltinOps.h"

namespace dsv2 {

struct WrongEdit {
  /// Name of the pass: "test-...".
  const char *name;
  /// What went wrong, for the help text.
  const char *mistake;
  /// Makes the mistake wherever the module has something for it; elsewhere
  /// nothing changes.
  void (*apply)(mlir::ModuleOp);
};

/// Softmax scale, rope, cache, mask, heads.
llvm::ArrayRef<WrongEdit> wrongAttentionEdits();
/// Gates: how experts are chosen and weighted.
llvm::ArrayRef<WrongEdit> wrongGateEdits();
/// Routed and shared experts and MLPs.
llvm::ArrayRef<WrongEdit> wrongExpertEdits();
/// Norms, residuals, families of weights and what is prepared from them.
llvm::ArrayRef<WrongEdit> wrongWeightEdits();
/// Grouped queries, biases, parts of a context, multi-token prediction.
llvm::ArrayRef<WrongEdit> wrongFormEdits();

/// Calls `change` for every op of one of these types in the step functions, those
/// that it makes excluded.
template <typename... Ops, typename Change> void forEach(mlir::ModuleOp module, Change change) {
  llvm::SmallVector<mlir::Operation *> ops;
  module.walk([&](mlir::Operation *op) {
    if (mlir::isa<Ops...>(op) && !op->getParentOfType<mlir::dsv2::PrepareOp>()) {
      ops.push_back(op);
    }
  });
  for (mlir::Operation *op : ops) {
    if constexpr (sizeof...(Ops) == 1) {
      change((mlir::cast<Ops>(op), ...));
    } else {
      change(op);
    }
  }
}

/// A weight inside a prepare body as floats: quantized values do not move.
mlir::Value floatWeight(mlir::OpBuilder &builder, mlir::Value weight);

/// Rows [begin, begin + size) of values of the step, `step` apart in dimension `dim`.
mlir::Value sliceRows(mlir::OpBuilder &builder, mlir::Value rows, unsigned dim,
                      mlir::OpFoldResult begin, mlir::OpFoldResult size, int64_t step = 1);

/// Row i of the result is row i + 1 of `rows`, the last one twice; or, backwards,
/// row i - 1, the first one twice.
mlir::Value shiftRows(mlir::OpBuilder &builder, mlir::Value rows, bool backwards = false);

} // namespace dsv2

#endif // DSV2_TEST_LIB_WRONGEDITS_H
