//===- Routing.h - Choice of experts ----------------------------*- C++ -*-===//
//
// Greedy and group-limited greedy routing of DeepSeek-V2; DeepSeek-V3's, which
// corrects choices by a bias.
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
  /// [experts] (noaux_tc): scores are sigmoids, and choices compare score + bias;
  /// a group counts the sum of its two best, so it has two. Weights are scores
  /// without the bias, divided if `normalize`, and always multiplied by `scale`.
  const Tensor *bias = nullptr;
};

struct GateResult {
  Tensor weights; ///< [T, k]
  IntTensor ids;  ///< [T, k], best first
};

/// softmax or sigmoid of x w^T, group limit, top-k. Ties go to the lowest index. With
/// `replay` [T, k] those experts are taken, and weighted, as if chosen.
GateResult gate(const Tensor &x, const Tensor &w, const GateSpec &spec,
                const IntTensor *replay = nullptr);

/// The indices of the `count` largest of `values`, best first, ties to the
/// lowest index.
std::vector<int64_t> topIndices(const double *values, int64_t size, int64_t count);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_ROUTING_H
