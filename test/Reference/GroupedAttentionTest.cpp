//===- GroupedAttentionTest.cpp - Fewer key heads, parts, their merge -----===//
//
// Grouped queries are plain attention over repeated key heads; attention over parts
// of the context, merged, is attention over all of it.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"

using namespace dsv2;

namespace {

constexpr int64_t heads = 4, width = 3, value = 2;
constexpr double nothing = -std::numeric_limits<double>::infinity();

/// One key head at `head` of [S, G, w], for each of `times` query heads.
Tensor repeatHeads(const Tensor &x, int64_t times) {
  Tensor y({x.rows(), x.dim(1) * times, x.dim(2)});
  for (int64_t t = 0; t < x.rows(); ++t) {
    for (int64_t a = 0; a < y.dim(1); ++a) {
      std::copy_n(x.row(t) + a / times * x.dim(2), x.dim(2), y.row(t) + a * x.dim(2));
    }
  }
  return y;
}

TEST(GroupedAttention, IsAttentionOverRepeatedKeyHeads) {
  Step step = makeStep({2, 3}, {4, 0});
  Tensor q = randomTensor({5, heads, width}, 1);
  for (int64_t groups : {1, 2, 4}) {
    Tensor k = randomTensor({9, groups, width}, 2), v = randomTensor({9, groups, value}, 3);
    AttentionResult grouped = attention(q, nullptr, k, nullptr, v, {0.7}, step);
    AttentionResult repeated = attention(q, nullptr, repeatHeads(k, heads / groups), nullptr,
                                         repeatHeads(v, heads / groups), {0.7}, step);
    EXPECT_EQ(grouped.values.values, repeated.values.values) << groups << " key heads";
    EXPECT_EQ(grouped.logSumExp.values, repeated.logSumExp.values) << groups << " key heads";
  }
}

TEST(GroupedAttention, NeighbouringQueryHeadsShareAKeyHead) {
  // Head 1 of 4 reads key head 0 of 2, head 2 reads key head 1.
  Step step = makeStep({1});
  Tensor q({1, heads, 1}), k({1, 2, 1}), v({1, 2, 1}, {10, 20});
  Tensor y = attention(q, nullptr, k, nullptr, v, {1.0}, step).values;
  EXPECT_EQ(y.values, (std::vector<double>{10, 10, 20, 20}));
}

TEST(GroupedAttention, TheRopePartAddsToTheScores) {
  Step step = makeStep({3});
  Tensor q = randomTensor({3, heads, width}, 1), qRope = randomTensor({3, heads, 2}, 2);
  Tensor k = randomTensor({3, heads, width}, 3), kRope = randomTensor({3, 2}, 4);
  Tensor v = randomTensor({3, heads, value}, 5);
  // The same with both parts in one, the rope part alike for every head.
  Tensor qBoth({3, heads, width + 2}), kBoth({3, heads, width + 2});
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t a = 0; a < heads; ++a) {
      double *q0 = qBoth.row(t) + a * (width + 2), *k0 = kBoth.row(t) + a * (width + 2);
      std::copy_n(q.row(t) + a * width, width, q0);
      std::copy_n(qRope.row(t) + a * 2, 2, q0 + width);
      std::copy_n(k.row(t) + a * width, width, k0);
      std::copy_n(kRope.row(t), 2, k0 + width);
    }
  }
  expectNear(attention(q, &qRope, k, &kRope, v, {0.7}, step).values.values,
             attention(qBoth, nullptr, kBoth, nullptr, v, {0.7}, step).values.values, 1e-15);
}

TEST(GroupedAttention, LogSumExpByHand) {
  Step step = makeStep({2});
  Tensor q({2, 1, 1}, {1, 2}), k({2, 1, 1}, {0, std::log(3.0)}), v({2, 1, 1}, {1, 2});
  AttentionResult y = attention(q, nullptr, k, nullptr, v, {0.5}, step);
  EXPECT_EQ(y.logSumExp.shape, (std::vector<int64_t>{2, 1}));
  expectNear(y.logSumExp.values, {0, std::log(4.0)}, 1e-15);
}

TEST(GroupedAttention, APartSeesItsTokensOnly) {
  Step step = makeStep({4});
  Tensor q({4, 1, 1}), k({4, 1, 1}), v({4, 1, 1}, {1, 2, 4, 8});
  AttentionSpec spec{1.0, Rounding::None, {1, 3}};
  AttentionResult y = attention(q, nullptr, k, nullptr, v, spec, step);
  // Row 0 sees nothing of it, row 1 the token 1, rows 2 and 3 the tokens 1 and 2.
  EXPECT_EQ(y.values.values, (std::vector<double>{0, 2, 3, 3}));
  expectNear({y.logSumExp.values.begin() + 1, y.logSumExp.values.end()},
             {0, std::log(2.0), std::log(2.0)}, 1e-15);
  EXPECT_EQ(y.logSumExp.values[0], nothing);
}

TEST(GroupedAttention, MergedPartsAreTheWhole) {
  Step step = makeStep({3, 2}, {6, 1});
  Tensor q = randomTensor({5, heads, width}, 1);
  Tensor k = randomTensor({12, 2, width}, 2), v = randomTensor({12, 2, value}, 3);
  AttentionResult whole = attention(q, nullptr, k, nullptr, v, {3.0}, step);
  auto part = [&](ContextRange range) {
    return attention(q, nullptr, k, nullptr, v, {3.0, Rounding::None, range}, step);
  };
  // The last part is empty for every row, the middle one for the second sequence.
  AttentionResult a = part({0, 4}), b = part({4, 7}), c = part({7}), d = part({50});
  AttentionResult merged = mergeAttention({&a.values, &b.values, &c.values, &d.values},
                                          {&a.logSumExp, &b.logSumExp, &c.logSumExp, &d.logSumExp});
  expectNear(merged.values.values, whole.values.values, 1e-14);
  expectNear(merged.logSumExp.values, whole.logSumExp.values, 1e-14);
  EXPECT_EQ(b.logSumExp.row(4)[0], nothing);
}

TEST(GroupedAttention, MergeOfNothingIsNothing) {
  Tensor zero({1, 1, 2}), lse({1, 1}, {nothing});
  AttentionResult merged = mergeAttention({&zero, &zero}, {&lse, &lse});
  EXPECT_EQ(merged.values.values, (std::vector<double>{0, 0}));
  EXPECT_EQ(merged.logSumExp.values[0], nothing);
}

TEST(GroupedAttention, LatentPartsMergeToo) {
  Step step = makeStep({4});
  Cache cache(1, 1, {width, 2}, Rounding::None);
  Tensor c = randomTensor({4, width}, 1), key = randomTensor({4, 2}, 2);
  cache.append(0, {&c, &key}, step);
  Tensor q = randomTensor({4, heads, width}, 3), qRope = randomTensor({4, heads, 2}, 4);
  auto part = [&](ContextRange range) {
    return latentAttention(q, qRope, cache, 0, {1.3, Rounding::None, range}, step);
  };
  AttentionResult whole = part({}), a = part({0, 1}), b = part({1});
  AttentionResult merged = mergeAttention({&a.values, &b.values}, {&a.logSumExp, &b.logSumExp});
  expectNear(merged.values.values, whole.values.values, 1e-14);
}

} // namespace
