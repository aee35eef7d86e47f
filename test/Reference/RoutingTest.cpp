//===- RoutingTest.cpp - The gates by hand --------------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Routing.h"

using namespace dsv2;

namespace {

/// Logits ln(p) for one token, so that the scores are p when they sum to 1.
GateResult gateOf(const std::vector<double> &scores, const GateSpec &spec,
                  const IntTensor *replay = nullptr) {
  Tensor w({int64_t(scores.size()), 1});
  for (size_t i = 0; i < scores.size(); ++i) {
    w.values[i] = std::log(scores[i]);
  }
  return gate(Tensor({1, 1}, {1}), w, spec, replay);
}

TEST(Gate, TakesTheBestAndScales) {
  GateResult r = gateOf({0.1, 0.4, 0.2, 0.3}, {2, 1, 1, false, 16.0});
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{1, 3}));
  expectNear(r.weights.values, {6.4, 4.8}, 1e-13);
}

TEST(Gate, NormalizesInsteadOfScaling) {
  GateResult r = gateOf({0.1, 0.4, 0.2, 0.3}, {2, 1, 1, true, 16.0});
  expectNear(r.weights.values, {4.0 / 7, 3.0 / 7}, 1e-14);
}

TEST(Gate, OneExpertIsScaledEvenWhenNormalizing) {
  GateResult r = gateOf({0.1, 0.6, 0.3}, {1, 1, 1, true, 2.0});
  expectNear(r.weights.values, {1.2}, 1e-14);
}

TEST(Gate, KeepsTheGroupsWithTheBestExpert) {
  // Groups {.02 .40} {.30 .20} {.05 .03}: two stay, so .05 can never be chosen.
  GateSpec spec{3, 3, 2, false, 1.0};
  GateResult r = gateOf({0.02, 0.40, 0.30, 0.20, 0.05, 0.03}, spec);
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{1, 2, 3}));
  spec.topK = 4;
  r = gateOf({0.02, 0.40, 0.30, 0.20, 0.05, 0.03}, spec);
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{1, 2, 3, 0})) << "0.02 is unmasked, 0.05 is not";
}

TEST(Gate, TiesGoToTheLowestIndex) {
  GateResult r = gateOf({0.25, 0.25, 0.25, 0.25}, {2, 2, 1, false, 1.0});
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{0, 1}));
}

TEST(Gate, ReplayTakesOthersWithTheirOwnScores) {
  IntTensor replay({1, 2}, {0, 2});
  GateResult r = gateOf({0.1, 0.4, 0.2, 0.3}, {2, 1, 1, false, 1.0}, &replay);
  EXPECT_EQ(r.ids.values, replay.values);
  expectNear(r.weights.values, {0.1, 0.2}, 1e-15);
}

/// Logits whose sigmoids are `scores`.
GateResult biasedGateOf(const std::vector<double> &scores, const std::vector<double> &bias,
                        GateSpec spec, const IntTensor *replay = nullptr) {
  int64_t experts = scores.size();
  Tensor w({experts, 1});
  for (int64_t i = 0; i < experts; ++i) {
    w.values[i] = std::log(scores[i] / (1 - scores[i]));
  }
  Tensor correction({experts}, bias);
  spec.bias = &correction;
  return gate(Tensor({1, 1}, {1}), w, spec, replay);
}

TEST(BiasedGate, ChoosesWithTheBiasAndWeighsWithoutIt) {
  GateResult r = biasedGateOf({0.9, 0.5, 0.3, 0.2}, {-0.7, 0, 0, 0.5}, {2, 1, 1, false, 2.5});
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{3, 1}));
  expectNear(r.weights.values, {0.5, 1.25}, 1e-14);
}

TEST(BiasedGate, NormalizesAndScales) {
  GateResult r = biasedGateOf({0.9, 0.5, 0.3, 0.2}, {-0.7, 0, 0, 0.5}, {2, 1, 1, true, 2.5});
  expectNear(r.weights.values, {2.5 * 2 / 7, 2.5 * 5 / 7}, 1e-14);
  r = biasedGateOf({0.9, 0.5}, {0, 0}, {1, 1, 1, true, 2.5});
  expectNear(r.weights.values, {2.5}, 1e-14);
}

TEST(BiasedGate, GroupsCountTheirTwoBest) {
  // By their best alone the first group would stay: .9 is above .6.
  GateSpec spec{2, 2, 1, false, 1.0};
  GateResult r = biasedGateOf({0.9, 0.1, 0.05, 0.5, 0.6, 0.55}, {0, 0, 0, 0, 0, 0}, spec);
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{4, 5}));
  // And only two: a third good expert does not count.
  r = biasedGateOf({0.6, 0.5, 0.1, 0.4, 0.4, 0.4}, {0, 0, 0, 0, 0, 0}, spec);
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{0, 1}));
}

TEST(BiasedGate, MaskedExpertsLoseToNegativeChoices) {
  // All choices are negative: with 0 for a mask, experts 0 and 1 would be chosen.
  GateSpec spec{2, 2, 1, false, 1.0};
  GateResult r = biasedGateOf({0.1, 0.1, 0.5, 0.4}, {-1, -1, -1, -1}, spec);
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{2, 3}));
  expectNear(r.weights.values, {0.5, 0.4}, 1e-14);
}

TEST(BiasedGate, TiesGoToTheLowestIndexAmongGroupsToo) {
  GateResult r = biasedGateOf({0.5, 0.5, 0.5, 0.5}, {-1, -1, -1, -1}, {1, 2, 1, true, 1.0});
  EXPECT_EQ(r.ids.values, (std::vector<int64_t>{0}));
}

TEST(BiasedGate, ReplayTakesOthersWithTheirOwnScores) {
  IntTensor replay({1, 2}, {0, 2});
  GateResult r = biasedGateOf({0.9, 0.5, 0.3}, {-5, 0, 0}, {2, 1, 1, true, 2.0}, &replay);
  EXPECT_EQ(r.ids.values, replay.values);
  expectNear(r.weights.values, {1.5, 0.5}, 1e-14);
}

} // namespace
