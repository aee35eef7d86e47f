//===- Cache.h - The latent cache in f64 ------------------------*- C++ -*-===//
//
// For each layer and sequence the latent and the rotated key of every cached
// token. Pages are the runtime's business: the oracle keeps plain rows.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_CACHE_H
#define DSV2_LIB_REFERENCE_OPS_CACHE_H

#include "lib/Reference/Ops/Rounding.h"
#include "lib/Reference/Ops/Step.h"
#include "lib/Reference/Ops/Tensor.h"

namespace dsv2 {

class LatentCache {
public:
  LatentCache() = default;
  /// `element` is the rounding of a stored value.
  LatentCache(int64_t layers, int64_t sequences, int64_t latentWidth, int64_t ropeWidth,
              Rounding element);

  int64_t layers() const { return layerCount; }
  int64_t latentWidth() const { return latent; }
  int64_t ropeWidth() const { return rope; }
  /// Cached tokens of a sequence in a layer.
  int64_t length(int64_t layer, int64_t sequence) const;

  /// Stores row t of `latentRows` [T, latentWidth] and `ropeRows` [T, ropeWidth]
  /// at the place that `step` gives row t. Places past the current end by more
  /// than one are a caller's mistake.
  void append(int64_t layer, const Tensor &latentRows, const Tensor &ropeRows, const Step &step);

  const double *latentRow(int64_t layer, int64_t sequence, int64_t index) const {
    return slot(layer, sequence).latent.data() + index * latent;
  }
  const double *ropeRow(int64_t layer, int64_t sequence, int64_t index) const {
    return slot(layer, sequence).rope.data() + index * rope;
  }

private:
  struct Slot {
    std::vector<double> latent;
    std::vector<double> rope;
  };
  const Slot &slot(int64_t layer, int64_t sequence) const {
    return slots[layer * sequenceCount + sequence];
  }

  int64_t layerCount = 0;
  int64_t sequenceCount = 0;
  int64_t latent = 0;
  int64_t rope = 0;
  Rounding element = Rounding::None;
  std::vector<Slot> slots;
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_CACHE_H
