//===- Trace.h - All values of a run, to compare two runs -------*- C++ -*-===//
//
// Two runs of a module, before and after a pass, are compared value by value: ops
// at the same location, of the same name and in the same layer should compute the
// same. Where one side has an op the other has not, its neighbours tell.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_TRACE_H
#define DSV2_LIB_REFERENCE_TRACE_H

#include "lib/Reference/Ops/Tensor.h"

#include "mlir/IR/Operation.h"

#include <optional>
#include <string>

namespace dsv2 {

/// One value that an op computed. Holds nothing of the op: passes erase ops.
struct TracedValue {
  std::string op; ///< "dsv2.linear"
  mlir::Location location;
  unsigned result;
  int64_t layer; ///< -1 outside of layers
  int64_t step;
  /// A value that every form of the model has: the embedding, and what a layer
  /// hands on.
  bool isMilestone;
  Tensor value;
};

struct Trace {
  std::vector<TracedValue> values;
  void add(mlir::Operation *op, unsigned result, int64_t layer, int64_t step, const Tensor &value);
};

/// The element that differs most, relative to the largest expected magnitude.
struct Difference {
  double relative = 0;
  std::vector<int64_t> element;
  double expected = 0;
  double actual = 0;
};

/// Compares equal shapes; NaN on one side only is an infinite difference.
Difference compare(const Tensor &expected, const Tensor &actual);

/// "[3, 17]".
std::string elementText(const std::vector<int64_t> &element);

/// Where two runs part.
struct Divergence {
  /// Of the run after; null if every common value agrees.
  const TracedValue *value = nullptr;
  Difference difference;
  /// False: the op itself has no counterpart before the pass (it is the first new
  /// one where the runs part), so `difference` says nothing.
  bool hasCounterpart = true;
  /// The first value of the run before, in the same step and layer, that the run
  /// after has not; null if there is none.
  const TracedValue *vanished = nullptr;
  /// The first value of the run after, in the same step and layer, that has another
  /// shape than its counterpart, and that counterpart; null if there is none.
  const TracedValue *reshaped = nullptr;
  const TracedValue *original = nullptr;
};

/// The first value of `after` that moved by more than `tolerance`: within the
/// first stretch between milestones whose end moved.
Divergence findDivergence(const Trace &before, const Trace &after, double tolerance);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_TRACE_H
