//===- Routing.h - The softmax gates ----------------------------*- C++ -*-===//
//
// Greedy and group-limited greedy routing of DeepSeek-V2.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_ROUTING_H
#define DSV2_LIB_REFERENCE_OPS_ROUTING_H

#include "lib/Reference/Ops/Tensor.h"

namespace dsv2 {

struct GateSpec {
  int64_t topK = 1;
  /// Experts stand in `groups` equal groups, of which the `keep` with the best
  /// expert stay; 1 and 1: greedy.
  int64_t groups = 1;
  int64_t keep = 1;
  /// The rule of DeepSeek's own code: with top_k > 1 and `normalize` the weights
  /// are divided by their sum + 1e-20, otherwise multiplied by `scale`.
  bool normalize = false;
  double scale = 1.0;
};

struct GateResult {
  Tensor weights; ///< [T, k]
  IntTensor ids;  ///< [T, k], best first
};

/// softmax(x w^T), group limit, top-k. Ties go to the lowest index. With
/// `replay` [T, k] those experts are taken, and weighted, as if chosen.
GateResult gate(const Tensor &x, const Tensor &w, const GateSpec &spec,
                const IntTensor *replay = nullptr);

/// The indices of the `count` largest of `values`, best first, ties to the
/// lowest index.
std::vector<int64_t> topIndices(const double *values, int64_t size, int64_t count);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_ROUTING_H
