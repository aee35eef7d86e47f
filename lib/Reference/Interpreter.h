//===- Interpreter.h - Runs a dsv2 module in f64 ----------------*- C++ -*-===//
//
// The oracle: walks the step function op by op and computes each in f64. Knows the
// dsv2 ops and the few upstream ones that move data. Speed is no aim beyond small
// models; being read is.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_INTERPRETER_H
#define DSV2_LIB_REFERENCE_INTERPRETER_H

#include "lib/Reference/Ops/Cache.h"
#include "lib/Reference/Ops/Tensor.h"
#include "lib/Reference/RoutingLog.h"
#include "lib/Reference/WeightProvider.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <list>
#include <memory>
#include <variant>

namespace dsv2 {

/// A value of the IR while it runs. Caches and batches are the caller's.
using TensorRef = std::shared_ptr<const Tensor>;
using IntTensorRef = std::shared_ptr<const IntTensor>;
using InterpreterValue =
    std::variant<std::monostate, TensorRef, IntTensorRef, int64_t, Cache *, const Step *>;

struct InterpreterOptions {
  /// Apply the roundings that the IR states (`dsv2.cast`, `inner`, the cache's
  /// element type); otherwise all of them are the identity.
  bool round = false;
  /// Bytes of weights kept between uses; the least recently used go first.
  uint64_t weightBytes = uint64_t(3) << 30;
};

/// What a step returns, of the model or of its multi-token-prediction block.
struct StepResult {
  TensorRef logits; ///< [wanted rows, vocab]
  TensorRef hidden; ///< [T, H], after the final norm
};

/// The step function of a module: `@step`, else its only function with a body, in
/// the module itself or in the nested module called `tier` (by default the first).
/// Emits an error if there is none.
mlir::FailureOr<mlir::func::FuncOp> findStepFunction(mlir::ModuleOp module,
                                                     llvm::StringRef tier = "");

/// `@mtp` beside `step`, the multi-token-prediction block; null if there is none.
/// Emits an error if its type is not that of such a block.
mlir::FailureOr<mlir::func::FuncOp> findMtpFunction(mlir::func::FuncOp step);

class Interpreter {
public:
  /// `function`, `@step` or `@mtp`, must stay alive and unchanged while the
  /// interpreter is used.
  Interpreter(mlir::func::FuncOp function, WeightProvider &weights,
              InterpreterOptions options = {});

  /// An empty cache of the type that the function takes.
  Cache makeCache(int64_t sequences) const;

  /// Runs one step: `tokens` [T] for the rows of `step`. Appends to `cache`. Emits
  /// an error at the op that could not be run.
  mlir::FailureOr<StepResult> run(const IntTensor &tokens, const Step &step, Cache &cache);
  /// The same of `@mtp`: row t of `step` is that of a token, `hidden` [T, H] holds
  /// the model's state after it, and `tokens` the token that follows it.
  mlir::FailureOr<StepResult> runMtp(const IntTensor &tokens, const Tensor &hidden,
                                     const Step &step, Cache &cache);

  /// Called with every value that an op of the step function computes, and with
  /// the values that each layer hands on (the op is then `dsv2.layers`). `layer` is
  /// -1 outside of layers. Ids come as f64.
  using Observer =
      std::function<void(mlir::Operation *op, unsigned result, int64_t layer, const Tensor &value)>;
  Observer observer;
  /// Gates store their choices here, or take them from there, if set.
  RoutingLog *recordRouting = nullptr;
  const RoutingLog *replayRouting = nullptr;

private:
  /// Values of one block; those of enclosing blocks are found through `outer`.
  struct Frame {
    Frame *outer = nullptr;
    llvm::DenseMap<mlir::Value, InterpreterValue> values;
  };

  /// Runs the function: values for its arguments, in order.
  mlir::FailureOr<StepResult> runFunction(std::vector<InterpreterValue> arguments,
                                          const Step &step);
  mlir::LogicalResult runBlock(mlir::Block &block, Frame &frame);
  mlir::LogicalResult runOp(mlir::Operation &op, Frame &frame);
  mlir::LogicalResult runLayers(mlir::Operation &op, Frame &frame);
  void observe(mlir::Operation *op, unsigned result, int64_t layer, const InterpreterValue &value);

  mlir::FailureOr<TensorRef> weightValue(mlir::Operation &user, llvm::StringRef family,
                                         int64_t layer);
  mlir::FailureOr<TensorRef> loadFamily(mlir::Operation *family, int64_t layer);

  friend class OpRunner;

  mlir::func::FuncOp function;
  WeightProvider &provider;
  InterpreterOptions options;
  int64_t currentLayer = -1;
  const Step *currentStep = nullptr;

  /// Weights by family and layer, most recently used first.
  struct Kept {
    std::pair<std::string, int64_t> key;
    TensorRef tensor;
  };
  std::list<Kept> kept;
  std::map<std::pair<std::string, int64_t>, std::list<Kept>::iterator> keptByKey;
  uint64_t keptBytes = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_INTERPRETER_H
