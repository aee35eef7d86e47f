//===- FragmentLayoutsTest.cpp - the tables of matrix fragments -----------===//
//
// Every element of a fragment's matrix has one lane and one value (two lanes where the instruction
// wants it twice), and places are compared with the formulas of the instruction's manual.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/FragmentLayouts.h"

#include "llvm/ADT/STLExtras.h"
#include <gtest/gtest.h>
#include <set>

namespace dsv2 {
namespace {

TEST(FragmentLayoutsTest, EveryElementHasOnePlace) {
  for (const FragmentLayout &layout : allFragmentLayouts()) {
    std::set<std::pair<int64_t, int64_t>> seen;
    int64_t twice = 0;
    for (auto [bit, base] : llvm::enumerate(layout.laneBits)) {
      twice |= base.row == 0 && base.column == 0 ? int64_t(1) << bit : 0;
    }
    for (int64_t lane = 0; lane < layout.lanes(); ++lane) {
      if (lane & twice) {
        continue;
      }
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

/// PTX ISA, "Register fragments for wgmma.mma_async.m64nNk16". CuTe's SM90_64x256x16 says the same
/// of every thread and value (docs/rationale/simt.md).
TEST(FragmentLayoutsTest, WarpgroupsAgreeWithTheManual) {
  const FragmentLayout &d = fragmentLayout("wgmma64.d");
  ASSERT_EQ(d.lanes(), 128);
  ASSERT_EQ(d.values(), 128);
  for (int64_t thread = 0; thread < 128; ++thread) {
    int64_t lane = thread % 32;
    for (int64_t i = 0; i < 128; ++i) {
      EXPECT_EQ(d.at(thread, i).row, thread / 32 * 16 + lane / 4 + 8 * (i / 2 % 2));
      EXPECT_EQ(d.at(thread, i).column, i / 4 * 8 + lane % 4 * 2 + i % 2);
    }
  }
}

/// CDNA3 ISA, dense matrix layouts of V_MFMA_F32_16X16X16_BF16.
TEST(FragmentLayoutsTest, WavesOf64AgreeWithTheManual) {
  const FragmentLayout &a = fragmentLayout("mfma16x16x16.a"), &b = fragmentLayout("mfma16x16x16.b"),
                       &d = fragmentLayout("mfma16x16.d"), &tile = fragmentLayout("mfma16x16.tile");
  for (int64_t lane = 0; lane < 64; ++lane) {
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(a.at(lane, i).row, lane % 16);
      EXPECT_EQ(a.at(lane, i).column, 4 * (lane / 16) + i);
      EXPECT_EQ(b.at(lane, i).row, 4 * (lane / 16) + i);
      EXPECT_EQ(b.at(lane, i).column, lane % 16);
      EXPECT_EQ(d.at(lane, i).row, 4 * (lane / 16) + i);
      EXPECT_EQ(d.at(lane, i).column, lane % 16);
      EXPECT_EQ(tile.at(lane, i).row, d.at(lane, i).column);
      EXPECT_EQ(tile.at(lane, i).column, d.at(lane, i).row);
    }
  }
}

/// RDNA3 ISA, 7.9 "WMMA": lanes 0-15 and 16-31 hold the same of A and B, and alternate in rows of
/// D.
TEST(FragmentLayoutsTest, WavesOf32AgreeWithTheManual) {
  const FragmentLayout &a = fragmentLayout("wmma16x16x16.a"), &b = fragmentLayout("wmma16x16x16.b"),
                       &d = fragmentLayout("wmma16x16.d"), &tile = fragmentLayout("wmma16x16.tile");
  for (int64_t lane = 0; lane < 32; ++lane) {
    for (int64_t i = 0; i < 16; ++i) {
      EXPECT_EQ(a.at(lane, i).row, lane % 16);
      EXPECT_EQ(a.at(lane, i).column, i);
      EXPECT_EQ(b.at(lane, i).row, i);
      EXPECT_EQ(b.at(lane, i).column, lane % 16);
    }
    for (int64_t i = 0; i < 8; ++i) {
      int64_t row = 2 * i + lane / 16;
      EXPECT_EQ(d.at(lane, i).row, row);
      EXPECT_EQ(d.at(lane, i).column, lane % 16);
      // Row i of the instruction is column i / 2 + 8 (i % 2) of the tile.
      EXPECT_EQ(tile.at(lane, i).row, lane % 16);
      EXPECT_EQ(tile.at(lane, i).column, row / 2 + 8 * (row % 2));
    }
  }
}

} // namespace
} // namespace dsv2
