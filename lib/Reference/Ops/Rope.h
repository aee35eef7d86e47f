//===- Rope.h - Decoupled rotary embedding ----------------------*- C++ -*-===//
//
// The angle is part of the meaning: f32(position) times an f32 frequency, rounded
// to f32. Its cosine and sine, and the rotation, are f64.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_ROPE_H
#define DSV2_LIB_REFERENCE_OPS_ROPE_H

#include "lib/Reference/Ops/Step.h"
#include "lib/Reference/Ops/Tensor.h"

namespace dsv2 {

enum class RopeLayout {
  AdjacentPairs, ///< element 2i turns with 2i + 1
  Halves,        ///< element i turns with i + width/2
};

struct RopeSpec {
  std::vector<float> inverseFrequencies;
  RopeLayout layout = RopeLayout::AdjacentPairs;
  /// Multiplies cosine and sine.
  double magnitude = 1.0;
};

/// Turns the last dimension of `x`, [T, r] or [T, A, r], by each row's position.
Tensor rope(const Tensor &x, const RopeSpec &spec, const Step &step);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_ROPE_H
