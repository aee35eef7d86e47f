//===- FragmentLayoutsTest.cpp - the tables of matrix fragments -----------===//
//
// Every element of a fragment's matrix has one lane and one value, and a few places are compared
// with the formulas of the instruction's manual.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/FragmentLayouts.h"

#include <gtest/gtest.h>
#include <set>

namespace dsv2 {
namespace {

TEST(FragmentLayoutsTest, EveryElementHasOnePlace) {
  for (const FragmentLayout &layout : allFragmentLayouts()) {
    std::set<std::pair<int64_t, int64_t>> seen;
    for (int64_t lane = 0; lane < layout.lanes(); ++lane) {
      for (int64_t value = 0; value < layout.values(); ++value) {
        FragmentPlace place = layout.at(lane, value);
        EXPECT_TRUE(place.row >= 0 && place.row < layout.rows && place.column >= 0 &&
                    place.column < layout.columns)
            << layout.name.str() << " lane " << lane << " value " << value;
        EXPECT_TRUE(seen.insert({place.row, place.column}).second)
            << layout.name.str() << " lane " << lane << " value " << value;
      }
    }
    EXPECT_EQ(int64_t(seen.size()), layout.rows * layout.columns) << layout.name.str();
  }
}

/// PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type": the formulas as printed.
TEST(FragmentLayoutsTest, AgreesWithTheManual) {
  const FragmentLayout &a = fragmentLayout("m16n8k16.a"), &b = fragmentLayout("m16n8k16.b"),
                       &d = fragmentLayout("m16n8.d");
  for (int64_t lane = 0; lane < 32; ++lane) {
    int64_t group = lane >> 2, inGroup = lane % 4;
    for (int64_t i = 0; i < 8; ++i) {
      int64_t row = (i < 2 || (i >= 4 && i < 6)) ? group : group + 8;
      int64_t column = inGroup * 2 + (i & 1) + (i >= 4 ? 8 : 0);
      EXPECT_EQ(a.at(lane, i).row, row);
      EXPECT_EQ(a.at(lane, i).column, column);
    }
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(b.at(lane, i).row, inGroup * 2 + (i & 1) + (i >= 2 ? 8 : 0));
      EXPECT_EQ(b.at(lane, i).column, group);
      EXPECT_EQ(d.at(lane, i).row, i < 2 ? group : group + 8);
      EXPECT_EQ(d.at(lane, i).column, inGroup * 2 + (i & 1));
    }
  }
}

} // namespace
} // namespace dsv2
