//===- RoutingLog.h - Which experts were chosen, by layer -------*- C++ -*-===//
//
// Recorded by a gate, or replayed into it. Experts go by the checkpoint's numbers.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_ROUTINGLOG_H
#define DSV2_LIB_REFERENCE_ROUTINGLOG_H

#include "lib/Reference/Ops/Step.h"
#include "lib/Reference/Ops/Tensor.h"
#include "lib/Support/Error.h"

#include <map>
#include <string>

namespace dsv2 {

class RoutingLog {
public:
  /// Stores row t of `ids` [T, k] under the token that `step` gives row t.
  void record(int64_t layer, const IntTensor &ids, const Step &step);

  /// The choices [T, k] for the rows of `step`; the error names layer, sequence
  /// and what is there. Numbers must lie below `experts`.
  Expected<IntTensor> replay(int64_t layer, int64_t topK, int64_t experts, const Step &step) const;

  /// A safetensors file with "layers.L.experts[.S]" I32 [T, k] for each.
  std::optional<Error> write(const std::string &path) const;
  static Expected<RoutingLog> read(const std::string &path);

private:
  /// By layer and sequence: [T, k].
  std::map<std::pair<int64_t, int64_t>, IntTensor> choices;
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_ROUTINGLOG_H
