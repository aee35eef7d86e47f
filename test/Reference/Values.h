//===- Values.h - Made-up tensors for the oracle's tests --------*- C++ -*-===//
#ifndef DSV2_TEST_REFERENCE_VALUES_H
#define DSV2_TEST_REFERENCE_VALUES_H

#include "lib/Reference/Ops/Step.h"
#include "lib/Reference/WeightProvider.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace dsv2 {

/// Values in [-1, 1) that depend on the seed only.
inline Tensor randomTensor(std::vector<int64_t> shape, uint64_t seed) {
  Tensor x(std::move(shape));
  RandomBits bits(seed);
  for (double &value : x.values) {
    value = 2 * bits.uniform() - 1;
  }
  return x;
}

inline void expectNear(const std::vector<double> &actual, const std::vector<double> &expected,
                       double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
  }
}

/// One step of `lengths[s]` new tokens of each sequence s that has `cached[s]`
/// tokens already.
inline Step makeStep(const std::vector<int64_t> &lengths, std::vector<int64_t> cached = {}) {
  cached.resize(lengths.size());
  Step step;
  for (size_t s = 0; s < lengths.size(); ++s) {
    for (int64_t i = 0; i < lengths[s]; ++i) {
      int64_t index = cached[s] + i;
      step.rows.push_back({int64_t(s), 4352 + 3 * index, index});
    }
    step.contexts.push_back(cached[s] + lengths[s]);
  }
  return step;
}

} // namespace dsv2

#endif // DSV2_TEST_REFERENCE_VALUES_H
