//===- LinearTest.cpp - Norms, contractions, heads by hand ----------------===//
//
// Small cases worked out on paper, and the property that a row's result does not
// depend on how many rows are beside it.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Linear.h"

using namespace dsv2;

namespace {

TEST(Linear, MultipliesByRowsOfTheWeight) {
  Tensor x({2, 3}, {1, 2, 3, -1, 0, 1});
  Tensor w({2, 3}, {1, 0, 0, 1, 1, 1});
  EXPECT_EQ(linear(x, w).values, (std::vector<double>{1, 6, -1, 0}));
}

TEST(Linear, ARowDoesNotDependOnItsNeighbours) {
  Tensor x = randomTensor({19, 37}, 1), w = randomTensor({11, 37}, 2);
  Tensor all = linear(x, w);
  for (int64_t t = 0; t < x.rows(); ++t) {
    Tensor one = linear(selectRows(x, {t}), w);
    EXPECT_TRUE(std::equal(one.values.begin(), one.values.end(), all.row(t))) << "row " << t;
    double sum = 0;
    for (int64_t k = 0; k < 37; ++k) {
      sum += x.row(t)[k] * w.row(10)[k];
    }
    EXPECT_EQ(sum, all.row(t)[10]) << "not in ascending order, row " << t;
  }
}

TEST(Linear, EmbedTakesRows) {
  Tensor table({3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(embed(IntTensor({2}, {2, 0}), table).values, (std::vector<double>{5, 6, 1, 2}));
}

TEST(Linear, RmsNormDividesByTheRootMeanSquare) {
  // mean square of (3, 4) is 12.5; with eps 3.5 the root is 4.
  Tensor y = rmsNorm(Tensor({1, 2}, {3, 4}), Tensor({2}, {2, 1}), 3.5);
  expectNear(y.values, {1.5, 1.0}, 1e-15);
}

TEST(Linear, HeadLinearIsALinearForEachHead) {
  Tensor x = randomTensor({5, 3, 4}, 3), w = randomTensor({3, 2, 4}, 4);
  Tensor y = headLinear(x, w);
  for (int64_t a = 0; a < 3; ++a) {
    Tensor head({5, 4});
    for (int64_t t = 0; t < 5; ++t) {
      std::copy_n(x.row(t) + a * 4, 4, head.row(t));
    }
    Tensor expected = linear(head, Tensor({2, 4}, {w.row(a), w.row(a) + 8}));
    for (int64_t t = 0; t < 5; ++t) {
      for (int64_t n = 0; n < 2; ++n) {
        EXPECT_EQ(y.row(t)[a * 2 + n], expected.row(t)[n]);
      }
    }
  }
}

TEST(Linear, HeadsSplitAndMerge) {
  Tensor x({1, 6}, {1, 2, 3, 4, 5, 6});
  std::vector<Tensor> parts = splitHeads(x, 2, {2, 1});
  EXPECT_EQ(parts[0].values, (std::vector<double>{1, 2, 4, 5}));
  EXPECT_EQ(parts[1].values, (std::vector<double>{3, 6}));
  EXPECT_EQ(parts[1].shape, (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(mergeHeads(parts[0]).shape, (std::vector<int64_t>{1, 4}));
}

TEST(Linear, CompressNormsTheLatentPartOnly) {
  Tensor x({1, 1}, {10});
  Tensor kvA({3, 1}, {3, 4, 7});
  std::vector<Tensor> parts = mlaCompress(x, kvA, Tensor({2}, {1, 1}), 0.0);
  expectNear(parts[0].values, {3 / std::sqrt(12.5), 4 / std::sqrt(12.5)}, 1e-15);
  EXPECT_EQ(parts[1].values, (std::vector<double>{70}));
}

} // namespace
