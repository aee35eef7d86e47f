//===- Workload.h - What a step must read and compute -----------*- C++ -*-===//
//
// The other half of a measurement: bytes and operations that a program cannot
// do without, so that a time can be put beside the machine's limits. Counted
// from the program's own dispatches.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_WORKLOAD_H
#define DSV2_LIB_RUNTIME_WORKLOAD_H

#include "lib/Artifact/Program.h"

namespace dsv2 {

struct Workload {
  /// Prepared weights that a step of one row reads: of expert weights only the
  /// chosen ones, of the embedding one row.
  double weightBytes = 0;
  /// Operations (2 per multiply and add) of contractions with weights: for each
  /// row, and for each wanted row besides. Attention is not in it.
  double rowFlops = 0;
  double wantedFlops = 0;
  /// Cache of one token, all layers.
  double cacheBytesPerToken = 0;
};

/// Counts one entry.
Workload countWorkload(const ModelInfo &model, const Variant &variant, const Entry &entry);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_WORKLOAD_H
