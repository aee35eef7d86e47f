//===- OpRunner.h - One op of the interpreter -------------------*- C++ -*-===//
//
// Translates an op of the IR into a call of the plain semantics in Ops/: operands
// out of the frame, attributes into a spec, results into the frame.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPRUNNER_H
#define DSV2_LIB_REFERENCE_OPRUNNER_H

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace dsv2 {

class OpRunner {
public:
  OpRunner(Interpreter &interpreter, mlir::Operation &op, Interpreter::Frame &frame)
      : interpreter(interpreter), op(op), frame(frame) {}

  /// Runs the op; emits an error for one that the oracle does not know.
  mlir::LogicalResult run();

private:
  mlir::LogicalResult runRows();
  mlir::LogicalResult runCache();
  mlir::LogicalResult runAttention();
  mlir::LogicalResult runExperts();
  mlir::LogicalResult runGate(mlir::dsv2::GateOp gate);
  mlir::LogicalResult runWeight(mlir::dsv2::WeightOp weight);
  mlir::LogicalResult runShape();
  mlir::LogicalResult runSlice(mlir::tensor::ExtractSliceOp slice);

  const InterpreterValue &value(mlir::Value of) const;
  const Tensor &tensor(mlir::Value of) const { return **std::get_if<TensorRef>(&value(of)); }
  /// Null for an operand that is not there.
  const Tensor *optional(mlir::Value of) const { return of ? &tensor(of) : nullptr; }
  std::vector<const Tensor *> tensors(mlir::ValueRange of) const;
  const IntTensor &ids(mlir::Value of) const { return **std::get_if<IntTensorRef>(&value(of)); }
  int64_t index(mlir::Value of) const { return *std::get_if<int64_t>(&value(of)); }
  const Step &step(mlir::Value of) const { return **std::get_if<const Step *>(&value(of)); }
  Cache &cache(mlir::Value of) const { return **std::get_if<Cache *>(&value(of)); }

  /// The rounding that a stated type means under the options.
  Rounding rounding(mlir::Type type) const;
  Rounding rounding(std::optional<mlir::Type> type) const {
    return type ? rounding(*type) : Rounding::None;
  }

  /// The rounding of activations that the op states, null without, or without
  /// `--round`. Lives as long as the runner.
  const ActivationRounding *rounding(std::optional<mlir::dsv2::ActivationAttr> activation);
  /// What forms of attention state alike.
  template <typename AttentionOp> AttentionSpec attentionSpec(AttentionOp attend) const;

  mlir::LogicalResult set(unsigned result, InterpreterValue value);
  mlir::LogicalResult set(Tensor result) {
    return set(0, std::make_shared<const Tensor>(std::move(result)));
  }
  mlir::LogicalResult set(std::vector<Tensor> results);
  /// The values, and the log-sum-exp where the op has a result for it.
  mlir::LogicalResult set(AttentionResult result);

  Interpreter &interpreter;
  mlir::Operation &op;
  Interpreter::Frame &frame;
  ActivationRounding activation;
};

/// The stored type of a `!dsv2.scaled` or an activation.
StoredType storedType(mlir::Type type);
ScaleBlocks scaleBlocks(mlir::dsv2::ScaledType type);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPRUNNER_H
