//===- WeightLayout.h - Where each prepared weight lies ---------*- C++ -*-===//
//
// All prepared weights of a variant are one range of memory, in the order of
// the tables: each weight's layers follow each other, 64-byte aligned.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_WEIGHTLAYOUT_H
#define DSV2_LIB_RUNTIME_WEIGHTLAYOUT_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <vector>

namespace dsv2 {

/// Offsets of every weight in the range.
struct WeightLayout {
  struct Place {
    uint64_t offset = 0;      ///< of the first layer
    uint64_t layerBytes = 0;  ///< as used by one layer
    uint64_t layerStride = 0; ///< from one layer to the next
    int64_t layers = 0;
  };
  std::vector<Place> places; ///< of each weight of the variant
  uint64_t bytes = 0;
};

/// The layers that a family covers, as numbers of the checkpoint.
int64_t layerCount(const LayerRange &range);
/// The place of layer `number` among them, or -1.
int64_t layerIndex(const LayerRange &range, int64_t number);

/// Lays out the weights; Limit past 16 TiB.
Expected<WeightLayout> layOutWeights(const std::vector<Weight> &weights);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_WEIGHTLAYOUT_H
