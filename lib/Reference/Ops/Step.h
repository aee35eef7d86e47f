//===- Step.h - What one step holds: !dsv2.batch ----------------*- C++ -*-===//
//
// A step feeds new tokens of several sequences at once. Each is a row; rows of a
// sequence are consecutive and in order.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_STEP_H
#define DSV2_LIB_REFERENCE_OPS_STEP_H

#include <cstdint>
#include <vector>

namespace dsv2 {

/// One new token.
struct StepRow {
  /// Which sequence of the session.
  int64_t sequence = 0;
  /// The rope's position: any number, not tied to the order.
  int64_t position = 0;
  /// Its place in the sequence's cache. The row sees tokens 0 to `index`.
  int64_t index = 0;
};

struct Step {
  std::vector<StepRow> rows;
  /// Cached tokens of each sequence once this step's are appended; a sequence
  /// without rows in this step has its old count.
  std::vector<int64_t> contexts;
  /// Rows whose logits are wanted, ascending.
  std::vector<int64_t> wanted;

  int64_t rowCount() const { return int64_t(rows.size()); }
  /// Cached tokens of all sequences, the rows of decompressed K and V.
  int64_t contextRows() const {
    int64_t total = 0;
    for (int64_t context : contexts) {
      total += context;
    }
    return total;
  }
  /// Where a sequence's tokens begin among those rows.
  int64_t contextBegin(int64_t sequence) const {
    int64_t begin = 0;
    for (int64_t i = 0; i < sequence; ++i) {
      begin += contexts[i];
    }
    return begin;
  }
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_STEP_H
