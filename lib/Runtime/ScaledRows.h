//===- ScaledRows.h - Rows of a block-scaled matrix as f32 ------*- C++ -*-===//
//
// An fp8 checkpoint means the products of its elements with the scale of their
// block. Rows are widened a piece at a time, so that a tensor of any size takes
// the memory of one piece; what reads them afterwards sees plain f32.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_SCALEDROWS_H
#define DSV2_LIB_RUNTIME_SCALEDROWS_H

#include "lib/Artifact/Program.h"
#include "lib/Checkpoint/Checkpoint.h"

#include <vector>

namespace dsv2 {

/// A matrix of fp8 elements and its scales; both tensors were compared with the artifact.
struct ScaledMatrix {
  const CheckpointTensor *elements = nullptr;
  const CheckpointTensor *scales = nullptr; ///< f32 [blocks of rows, blocks of columns]
  uint64_t blockRows = 1, blockColumns = 1; ///< of a block; those at the edges may be smaller

  uint64_t rows() const { return elements->shape()[0]; }
  uint64_t columns() const { return elements->shape()[1]; }
  uint64_t columnBlocks() const { return (columns() + blockColumns - 1) / blockColumns; }

  /// Reads rows [begin, end) into `into`, each element times its scale, the product in f32. A NaN
  /// of either stays one. `scratch` keeps memory between calls.
  std::optional<Error> read(const Checkpoint &checkpoint, uint64_t begin, uint64_t end,
                            std::vector<char> &scratch, float *into) const;
};

/// The shape of the scales of a source: [ceil(rows / blockRows), ceil(columns / blockColumns)].
std::vector<uint64_t> scalesShape(const WeightSource &source);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_SCALEDROWS_H
