//===- ShapeTest.cpp - Slices, transposes, concatenations -----------------===//
#include "Values.h"

#include "lib/Reference/Ops/Shape.h"

using namespace dsv2;

namespace {

Tensor counting(std::vector<int64_t> shape) {
  Tensor x(std::move(shape));
  for (size_t i = 0; i < x.values.size(); ++i) {
    x.values[i] = double(i);
  }
  return x;
}

TEST(Shape, SliceWithStrides) {
  Tensor y = extractSlice(counting({3, 5}), {1, 0}, {2, 3}, {1, 2});
  EXPECT_EQ(y.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(y.values, (std::vector<double>{5, 7, 9, 10, 12, 14}));
}

TEST(Shape, TransposePermutesDimensions) {
  Tensor y = transpose(counting({2, 1, 3}), {2, 0, 1});
  EXPECT_EQ(y.shape, (std::vector<int64_t>{3, 2, 1}));
  EXPECT_EQ(y.values, (std::vector<double>{0, 3, 1, 4, 2, 5}));
}

TEST(Shape, ConcatenateAlongAnyDimension) {
  Tensor a = counting({2, 2}), b = counting({2, 1});
  Tensor y = concatenate({&a, &b}, 1);
  EXPECT_EQ(y.values, (std::vector<double>{0, 1, 0, 2, 3, 1}));
  Tensor z = concatenate({&a, &a}, 0);
  EXPECT_EQ(z.shape, (std::vector<int64_t>{4, 2}));
}

TEST(Shape, SlicesOfAConcatenationAreItsParts) {
  Tensor a = randomTensor({2, 3, 4}, 1), b = randomTensor({2, 5, 4}, 2);
  Tensor joined = concatenate({&a, &b}, 1);
  EXPECT_EQ(extractSlice(joined, {0, 0, 0}, {2, 3, 4}, {1, 1, 1}).values, a.values);
  EXPECT_EQ(extractSlice(joined, {0, 3, 0}, {2, 5, 4}, {1, 1, 1}).values, b.values);
}

} // namespace
