//===- ExpertsTest.cpp - MLPs of all four kinds ---------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Experts.h"
#include "lib/Reference/Ops/Linear.h"
#include "lib/Reference/Ops/Shape.h"

using namespace dsv2;

namespace {

constexpr int64_t hidden = 5, width = 4, experts = 3;

TEST(Experts, MlpByHand) {
  // silu(2) * 3 * 5 with silu(2) = 2 / (1 + e^-2).
  Tensor y =
      mlp(Tensor({1, 1}, {1}), Tensor({1, 1}, {2}), Tensor({1, 1}, {3}), Tensor({1, 1}, {5}));
  EXPECT_NEAR(y.values[0], 30 / (1 + std::exp(-2.0)), 1e-14);
}

TEST(Experts, InnerRoundingIsBeforeDown) {
  Tensor x({1, 1}, {1}), gate({1, 1}, {2}), up({1, 1}, {3}), down({1, 1}, {0.7});
  double act = 6 / (1 + std::exp(-2.0));
  EXPECT_EQ(mlp(x, gate, up, down, {Rounding::BF16}).values[0], roundTo(act, Rounding::BF16) * 0.7);
}

struct Weights {
  Tensor gate = randomTensor({experts, width, hidden}, 1);
  Tensor up = randomTensor({experts, width, hidden}, 2);
  Tensor down = randomTensor({experts, hidden, width}, 3);
  Tensor one(const Tensor &all, int64_t e) const {
    return Tensor({all.dim(1), all.dim(2)}, {all.row(e), all.row(e) + all.rowWidth()});
  }
  Tensor run(const Tensor &x, int64_t e) const {
    return mlp(x, one(gate, e), one(up, e), one(down, e));
  }
};

TEST(Experts, RoutedIsAWeightedSum) {
  Weights w;
  Tensor x = randomTensor({4, hidden}, 9);
  IntTensor ids({4, 2}, {0, 2, 1, 0, 2, 1, 2, 0});
  Tensor weights = randomTensor({4, 2}, 10);
  Tensor y = routedExperts(x, weights, ids, w.gate, w.up, w.down);
  for (int64_t t = 0; t < 4; ++t) {
    Tensor row = selectRows(x, {t});
    Tensor a = w.run(row, ids.row(t)[0]), b = w.run(row, ids.row(t)[1]);
    for (int64_t i = 0; i < hidden; ++i) {
      EXPECT_NEAR(y.row(t)[i], weights.row(t)[0] * a.values[i] + weights.row(t)[1] * b.values[i],
                  1e-15);
    }
  }
}

TEST(Experts, FusedIsRoutedPlusShared) {
  // The last expert is shared; gate and up stand one above the other.
  Weights w;
  Tensor x = randomTensor({4, hidden}, 9);
  IntTensor ids({4, 1}, {0, 1, 1, 0});
  Tensor weights = randomTensor({4, 1}, 10);
  Tensor gateUp = concatenate({&w.gate, &w.up}, 1);
  Tensor fused = fusedExperts(x, weights, ids, gateUp, w.down, 1);
  Tensor expected = add(routedExperts(x, weights, ids, w.gate, w.up, w.down), w.run(x, 2));
  expectNear(fused.values, expected.values, 1e-15);
}

} // namespace
