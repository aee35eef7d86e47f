//===- WeightPreparation.h - From a checkpoint to packed weights *- C++ -*-===//
//
// Runs the artifact's weight tables with the runtime's own loops: no code of
// the artifact is involved. Every checkpoint tensor is read once, in pieces of
// some megabytes, in the order of the files; fp8 elements are multiplied by
// their scales (ScaledRows.h) before anything copies them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_WEIGHTPREPARATION_H
#define DSV2_LIB_RUNTIME_WEIGHTPREPARATION_H

#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Runtime/WeightLayout.h"

#include <memory>

namespace dsv2 {

/// The copies of all weights, by the checkpoint tensor that they read.
class WeightPreparation {
public:
  /// Resolves every source name; Mismatch when the checkpoint lacks a tensor or
  /// holds it with another type or shape, InvalidFile for a copy out of bounds.
  /// `weights`, `layout` and `checkpoint` must outlive the object.
  static Expected<std::unique_ptr<WeightPreparation>> plan(const std::vector<Weight> &weights,
                                                           const WeightLayout &layout,
                                                           const Checkpoint &checkpoint);
  ~WeightPreparation();

  /// Fills `destination`, which holds layout.bytes zero bytes.
  std::optional<Error> run(void *destination, unsigned threads) const;

private:
  WeightPreparation();
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// The name of a source tensor: {l} and {e} of `pattern` replaced.
std::string expandSourceName(const std::string &pattern, int64_t layer, int64_t expert);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_WEIGHTPREPARATION_H
