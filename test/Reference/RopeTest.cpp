//===- RopeTest.cpp - Rotation by hand and its properties -----------------===//
#include "Values.h"

#include "lib/Reference/Ops/Rope.h"

using namespace dsv2;

namespace {

Step at(std::vector<int64_t> positions) {
  Step step;
  for (size_t i = 0; i < positions.size(); ++i) {
    step.rows.push_back({0, positions[i], int64_t(i)});
  }
  return step;
}

TEST(Rope, TurnsAdjacentPairsOrHalves) {
  double c = std::cos(1.0), s = std::sin(1.0);
  Tensor x({1, 4}, {1, 0, 0, 2});
  RopeSpec spec{{1.0f, 0.0f}, RopeLayout::AdjacentPairs, 1.0};
  expectNear(rope(x, spec, at({1})).values, {c, s, 0, 2}, 1e-15);
  spec.layout = RopeLayout::Halves;
  expectNear(rope(x, spec, at({1})).values, {c, 0, s, 2}, 1e-15);
  spec.magnitude = 3.0;
  expectNear(rope(x, spec, at({1})).values, {3 * c, 0, 3 * s, 6}, 1e-15);
}

TEST(Rope, RoundsTheAngleToF32) {
  float frequency = 0.31622776f;
  int64_t position = 163800;
  Tensor y =
      rope(Tensor({1, 2}, {1, 0}), {{frequency}, RopeLayout::AdjacentPairs, 1.0}, at({position}));
  float angle = float(position) * frequency;
  EXPECT_EQ(y.values[0], std::cos(double(angle)));
  EXPECT_NE(y.values[0], std::cos(double(position) * double(frequency)));
}

TEST(Rope, DotProductsDependOnTheDistanceOnly) {
  // Powers of two keep the angles exact in f32.
  RopeSpec spec{{0.5f, 0.125f}, RopeLayout::AdjacentPairs, 1.0};
  Tensor q = randomTensor({1, 4}, 1), k = randomTensor({1, 4}, 2);
  auto score = [&](int64_t i, int64_t j) {
    Tensor a = rope(q, spec, at({i})), b = rope(k, spec, at({j}));
    double sum = 0;
    for (int64_t d = 0; d < 4; ++d) {
      sum += a.values[d] * b.values[d];
    }
    return sum;
  };
  EXPECT_NEAR(score(9, 4), score(4105, 4100), 1e-13);
  EXPECT_GT(std::abs(score(9, 4) - score(9, 5)), 1e-3);
}

TEST(Rope, TurnsEveryHeadAlike) {
  RopeSpec spec{{0.7f}, RopeLayout::Halves, 1.0};
  Tensor x({1, 2, 2}, {1, 2, 1, 2});
  Tensor y = rope(x, spec, at({5}));
  EXPECT_EQ(y.values[0], y.values[2]);
  EXPECT_EQ(y.values[1], y.values[3]);
}

} // namespace
