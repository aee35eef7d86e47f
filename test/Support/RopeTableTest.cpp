//===- RopeTableTest.cpp - frequencies of rotary position embedding ------------===//
//
// Against SEMANTICS' shipped values: where YaRN leaves a frequency, where it divides it, and the
// softmax scales that losing a square would change.
//
//===----------------------------------------------------------------------===//

#include "lib/Support/RopeTable.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace dsv2;

namespace {

YarnParameters shipped(double mscale, double mscaleAllDim) {
  YarnParameters yarn;
  yarn.factor = 40.0;
  yarn.original = 4096;
  yarn.mscale = mscale;
  yarn.mscaleAllDim = mscaleAllDim;
  return yarn;
}

} // namespace

TEST(RopeTable, PlainFrequenciesAreInversePowers) {
  std::vector<float> frequencies = ropeInverseFrequencies(64, 10000.0, std::nullopt);
  ASSERT_EQ(frequencies.size(), 32u);
  for (int i = 0; i < 32; ++i) {
    float power = static_cast<float>(std::pow(10000.0, static_cast<double>(2.0f * i / 64.0f)));
    EXPECT_EQ(frequencies[i], 1.0f / power) << i;
  }
}

TEST(RopeTable, YarnKeepsFastPairsAndStretchesSlowOnes) {
  std::vector<float> plain = ropeInverseFrequencies(64, 10000.0, std::nullopt);
  std::vector<float> yarn = ropeInverseFrequencies(64, 10000.0, shipped(0.707, 0.707));
  ASSERT_EQ(yarn.size(), 32u);
  // The ramp of the shipped models runs from pair 10 to pair 23.
  for (int i = 0; i <= 10; ++i) {
    EXPECT_EQ(yarn[i], plain[i]) << i;
  }
  for (int i = 11; i < 23; ++i) {
    EXPECT_LT(yarn[i], plain[i]) << i;
    EXPECT_GT(yarn[i], plain[i] / 40.0f) << i;
  }
  for (int i = 23; i < 32; ++i) {
    float power = static_cast<float>(std::pow(10000.0, static_cast<double>(2.0f * i / 64.0f)));
    EXPECT_EQ(yarn[i], 1.0f / (40.0f * power)) << i;
  }
}

TEST(RopeTable, RampOfNoLengthIsAStep) {
  // A context so short that both corrections fall below pair 0.
  YarnParameters yarn = shipped(1.0, 1.0);
  yarn.original = 2;
  std::vector<float> frequencies = ropeInverseFrequencies(8, 10000.0, yarn);
  EXPECT_EQ(frequencies[0], 1.0f);
  for (int i = 1; i < 4; ++i) {
    EXPECT_NEAR(frequencies[i], std::pow(10000.0, -2.0 * i / 8) / 40, 1e-8) << i;
  }
}

TEST(RopeTable, WidthZeroHasNoFrequencies) {
  EXPECT_TRUE(ropeInverseFrequencies(0, 10000.0, std::nullopt).empty());
}

TEST(RopeTable, MagnitudeIsOneWhereBothFactorsAgree) {
  EXPECT_EQ(ropeMagnitude(std::nullopt), 1.0f);
  EXPECT_EQ(ropeMagnitude(shipped(0.707, 0.707)), 1.0f);
  EXPECT_EQ(ropeMagnitude(shipped(1.0, 0.0)), static_cast<float>(0.1 * std::log(40.0) + 1.0));
}

TEST(RopeTable, AttentionScalesOfTheShippedModels) {
  EXPECT_NEAR(attentionScale(192, 40.0, 0.707), 0.1147214, 5e-8);
  EXPECT_NEAR(attentionScale(192, 40.0, 1.0), 0.1352338, 5e-8);
  EXPECT_NEAR(attentionScale(192, 1.0, 0.0), 0.0721688, 5e-8);
  // No square where mscale_all_dim is 0, whatever the factor.
  EXPECT_EQ(attentionScale(192, 40.0, 0.0), attentionScale(192, 1.0, 0.0));
}

TEST(RopeTable, AnglesAreRoundedToF32AndTheirCosinesAreNot) {
  // 163,839 times this is no f32: the product is rounded, then the cosine is taken in f64.
  float frequency = 0.0390069261f;
  RopeRotation rotation = ropeRotation(163839, frequency, 0.5);
  float angle = 163839.0f * frequency;
  EXPECT_EQ(rotation.cosine, std::cos(static_cast<double>(angle)) * 0.5);
  EXPECT_EQ(rotation.sine, std::sin(static_cast<double>(angle)) * 0.5);
  EXPECT_NE(rotation.cosine, std::cos(163839.0 * static_cast<double>(frequency)) * 0.5);
}
