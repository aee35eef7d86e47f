//===- Cost.h - what an op costs in a step of a given size ---------*- C++ -*-===//
//
// Arithmetic and traffic that follow from the shapes alone: no target, no schedule, no cache of the
// machine. A cost model of a target divides them by its rates.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_IR_COST_H
#define DIALECTS_DSV2_IR_COST_H

#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace mlir {
namespace dsv2 {

/// The size of one step.
struct StepShape {
  /// Tokens of the step: rows of its values.
  int64_t rows = 1;
  /// Cached tokens that the rows see, summed over the rows (each row sees itself). Decoding one
  /// token after n others: n + 1; a prompt of n tokens: n (n + 1) / 2.
  int64_t seen = 1;
  /// Cached tokens of all sequences, those of this step included.
  int64_t cached = 1;
  /// Rows whose logits are wanted.
  int64_t wanted = 1;
};

/// What one execution of an op takes. Bytes are those of the types: nothing is kept between ops.
struct Cost {
  /// Two for each multiplication with its addition in a contraction; one for each element of the
  /// results of other arithmetic; none for moving and rounding.
  int64_t flops = 0;
  /// Bytes read of each operand, in the order of the operands; 0 for what is no tensor or cache.
  /// Of experts, only the matrices of as many experts as the rows may have chosen; of an
  /// embedding, only the rows looked up; of a cache, all cached tokens of one layer.
  llvm::SmallVector<int64_t> operandBytes;
  /// Bytes written of each result; of a cache, the rows of this step.
  llvm::SmallVector<int64_t> resultBytes;

  int64_t totalBytes() const {
    int64_t sum = 0;
    for (int64_t bytes : operandBytes) {
      sum += bytes;
    }
    for (int64_t bytes : resultBytes) {
      sum += bytes;
    }
    return sum;
  }
};

} // namespace dsv2
} // namespace mlir

#endif // DIALECTS_DSV2_IR_COST_H
