//===- TraceTest.cpp - Where two runs part --------------------------------===//
//
// Traces made by hand: which value is blamed when ops stay, come and go.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Trace.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace dsv2;

namespace {

TEST(Compare, FindsTheWorstElement) {
  Difference d =
      compare(Tensor({2, 3}, {1, 2, 3, 4, 5, -10}), Tensor({2, 3}, {1, 2, 3.5, 4, 4, -10}));
  EXPECT_EQ(d.element, (std::vector<int64_t>{1, 1}));
  EXPECT_DOUBLE_EQ(d.relative, 0.1);
  EXPECT_EQ(d.expected, 5);
  EXPECT_EQ(d.actual, 4);
  EXPECT_EQ(elementText(d.element), "[1, 1]");
}

TEST(Compare, NotANumberOnOneSideIsTheWorst) {
  Difference d = compare(Tensor({3}, {1, 2, 3}), Tensor({3}, {9, NAN, 3}));
  EXPECT_EQ(d.element, (std::vector<int64_t>{1}));
  EXPECT_TRUE(std::isinf(d.relative));
  EXPECT_EQ(compare(Tensor({1}, {NAN}), Tensor({1}, {NAN})).relative, 0);
  EXPECT_EQ(compare(Tensor({0}), Tensor({0})).relative, 0);
}

class TraceTest : public testing::Test {
protected:
  /// A value of width 1 at line `line` of an imagined file.
  void add(Trace &trace, const char *op, int line, int64_t layer, double value) {
    mlir::Location location = mlir::FileLineColLoc::get(&context, "m.mlir", line, 1);
    bool milestone = std::string(op) == "dsv2.layers";
    trace.values.push_back({op, location, 0, layer, 0, milestone, Tensor({1}, {value})});
  }
  mlir::MLIRContext context;
};

TEST_F(TraceTest, EqualRunsDoNotPart) {
  Trace a;
  add(a, "dsv2.linear", 1, 0, 1.0);
  add(a, "dsv2.layers", 9, 0, 1.0);
  EXPECT_FALSE(findDivergence(a, a, 1e-9).value);
}

TEST_F(TraceTest, NotesAValueOfAnotherShape) {
  Trace before, after;
  add(before, "dsv2.split_heads", 1, 0, 1.0);
  add(before, "dsv2.rope", 2, 0, 1.0);
  add(after, "dsv2.split_heads", 1, 0, 1.0);
  after.values.back().value = Tensor({2}, {1.0, 1.0});
  add(after, "dsv2.rope", 2, 0, 5.0);
  Divergence d = findDivergence(before, after, 1e-9);
  EXPECT_EQ(d.value, &after.values[1]);
  EXPECT_EQ(d.reshaped, &after.values[0]);
  EXPECT_EQ(d.original, &before.values[0]);
  EXPECT_FALSE(d.vanished);
}

TEST_F(TraceTest, BlamesTheFirstMovedValueOfTheFirstMovedLayer) {
  Trace before, after;
  for (int64_t layer : {0, 1, 2}) {
    double moved = layer >= 1 ? 2.0 : 1.0;
    add(before, "dsv2.linear", 1, layer, 1.0);
    add(before, "dsv2.attention", 2, layer, 1.0);
    add(before, "dsv2.layers", 9, layer, 1.0);
    // What differs within layer 0 evens out again before its end.
    add(after, "dsv2.linear", 1, layer, layer == 0 ? 7.0 : 1.0);
    add(after, "dsv2.attention", 2, layer, moved);
    add(after, "dsv2.layers", 8, layer, moved);
  }
  Divergence d = findDivergence(before, after, 1e-9);
  ASSERT_TRUE(d.value);
  EXPECT_EQ(d.value->op, "dsv2.attention");
  EXPECT_EQ(d.value->layer, 1);
  EXPECT_TRUE(d.hasCounterpart);
  EXPECT_FALSE(d.vanished);
  EXPECT_EQ(d.difference.actual, 2.0);
}

TEST_F(TraceTest, BlamesANewOpWhereNothingElseMoved) {
  Trace before, after;
  add(before, "dsv2.attention", 2, 0, 1.0);
  add(before, "dsv2.layers", 9, 0, 1.0);
  add(after, "dsv2.latent_attention", 2, 0, 5.0);
  add(after, "dsv2.layers", 9, 0, 5.0);
  Divergence d = findDivergence(before, after, 1e-9);
  ASSERT_TRUE(d.value);
  EXPECT_EQ(d.value->op, "dsv2.latent_attention");
  EXPECT_FALSE(d.hasCounterpart);
  ASSERT_TRUE(d.vanished);
  EXPECT_EQ(d.vanished->op, "dsv2.attention");
}

TEST_F(TraceTest, ValuesOfUnequalNumberAreNotCompared) {
  // Two sums at one location became one: neither is the other's counterpart.
  Trace before, after;
  add(before, "dsv2.add", 1, 0, 1.0);
  add(before, "dsv2.add", 1, 0, 2.0);
  add(before, "dsv2.layers", 9, 0, 2.0);
  add(after, "dsv2.add", 1, 0, 2.0);
  add(after, "dsv2.layers", 9, 0, 2.0);
  EXPECT_FALSE(findDivergence(before, after, 1e-9).value);
}

} // namespace
