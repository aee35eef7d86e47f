//===- Rope.cpp - Decoupled rotary embedding ------------------------------===//
//
// One rotation for both layouts; only the partner's index differs.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Rope.h"

#include "lib/Support/RopeTable.h"

namespace dsv2 {

Tensor rope(const Tensor &x, const RopeSpec &spec, const Step &step) {
  int64_t pairs = int64_t(spec.inverseFrequencies.size());
  int64_t width = x.shape.back();
  assert(width == 2 * pairs && "a frequency for each pair");
  assert(x.rows() == step.rowCount() && "a row of x for each row of the step");
  bool adjacent = spec.layout == RopeLayout::AdjacentPairs;
  int64_t stride = adjacent ? 2 : 1, partner = adjacent ? 1 : pairs;
  Tensor y(x.shape);
  std::vector<double> cosines(pairs), sines(pairs);
  for (int64_t t = 0; t < x.rows(); ++t) {
    for (int64_t i = 0; i < pairs; ++i) {
      RopeRotation rotation =
          ropeRotation(step.rows[t].position, spec.inverseFrequencies[i], spec.magnitude);
      cosines[i] = rotation.cosine;
      sines[i] = rotation.sine;
    }
    for (int64_t begin = 0; begin < x.rowWidth(); begin += width) {
      const double *from = x.row(t) + begin;
      double *to = y.row(t) + begin;
      for (int64_t i = 0; i < pairs; ++i) {
        int64_t first = i * stride, second = first + partner;
        to[first] = from[first] * cosines[i] - from[second] * sines[i];
        to[second] = from[first] * sines[i] + from[second] * cosines[i];
      }
    }
  }
  return y;
}

} // namespace dsv2
