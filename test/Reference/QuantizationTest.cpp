//===- QuantizationTest.cpp - Narrow numbers and their scales -------------===//
//
// Every byte of the float type, ties, saturation, ragged blocks, and the rounding
// of activations by hand.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Experts.h"
#include "lib/Reference/Ops/Linear.h"

using namespace dsv2;

namespace {

constexpr StoredType f8 = StoredType::F8E4M3FN;

TEST(Quantization, DecodesBytesOfF8) {
  EXPECT_EQ(decodeF8E4M3FN(0x00), 0.0);
  EXPECT_EQ(decodeF8E4M3FN(0x01), 0x1p-9); // the least subnormal
  EXPECT_EQ(decodeF8E4M3FN(0x07), 7 * 0x1p-9);
  EXPECT_EQ(decodeF8E4M3FN(0x08), 0x1p-6); // the least normal
  EXPECT_EQ(decodeF8E4M3FN(0x38), 1.0);
  EXPECT_EQ(decodeF8E4M3FN(0xb9), -1.125);
  EXPECT_EQ(decodeF8E4M3FN(0x7e), 448.0);
  EXPECT_TRUE(std::isnan(decodeF8E4M3FN(0x7f)) && std::isnan(decodeF8E4M3FN(0xff)));
}

TEST(Quantization, RoundsToTheNearestF8) {
  std::vector<double> all;
  for (int bits = 0; bits < 0x7f; ++bits) {
    all.push_back(decodeF8E4M3FN(uint8_t(bits)));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(roundToStored(all[i], f8), all[i]);
    EXPECT_EQ(roundToStored(-all[i], f8), -all[i]);
    if (i + 1 < all.size()) {
      double middle = (all[i] + all[i + 1]) / 2;
      double even = i % 2 == 0 ? all[i] : all[i + 1];
      EXPECT_EQ(roundToStored(middle, f8), even) << "a tie after " << all[i];
      EXPECT_EQ(roundToStored(std::nextafter(middle, 0.0), f8), all[i]);
      EXPECT_EQ(roundToStored(std::nextafter(middle, 1e9), f8), all[i + 1]);
    }
  }
}

TEST(Quantization, Saturates) {
  EXPECT_EQ(roundToStored(1e9, f8), 448);
  EXPECT_EQ(roundToStored(-460, f8), -448);
  EXPECT_EQ(roundToStored(-128, StoredType::I8), -127);
  EXPECT_EQ(roundToStored(7.4, StoredType::I4), 7);
  EXPECT_EQ(roundToStored(2.5, StoredType::I8), 2);
  EXPECT_TRUE(std::isnan(roundToStored(NAN, f8)));
}

TEST(Quantization, RoundsToHalf) {
  EXPECT_EQ(roundTo(1 + 0x1p-11, Rounding::F16), 1.0);
  EXPECT_EQ(roundTo(1 + 3 * 0x1p-11, Rounding::F16), 1 + 0x1p-9);
  EXPECT_EQ(roundTo(65519.0, Rounding::F16), 65504.0);
  EXPECT_TRUE(std::isinf(roundTo(65520.0, Rounding::F16)));
  EXPECT_EQ(roundTo(-0x1p-24, Rounding::F16), -0x1p-24);
  EXPECT_EQ(roundTo(0x1p-26, Rounding::F16), 0.0);
}

TEST(Quantization, EdgeBlocksArePartial) {
  ScaleBlocks blocks{2, 3};
  EXPECT_EQ(blocks.shapeOf({3, 4}), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ((ScaleBlocks{0, 3}.shapeOf({7, 3, 4})), (std::vector<int64_t>{7, 1, 2}));
  Tensor x({3, 4}, std::vector<double>(12, 1.0));
  multiplyByScales(x, Tensor({2, 2}, {1, 2, 3, 4}), blocks);
  EXPECT_EQ(x.values, (std::vector<double>{1, 1, 1, 2, 1, 1, 1, 2, 3, 3, 3, 4}));
}

TEST(Quantization, QuantizesEachBlockByItsLargest) {
  // Scales 2 (254 / 127) and, of zeros, 1; a row of its own for each matrix.
  Tensor x({2, 1, 4}, {254, 3, 0, 0, 1.27, -0.634, 0, 0.5});
  Tensor y = quantize(x, StoredType::I8, {0, 2}, Rounding::None);
  expectNear(y.values, {254, 4, 0, 0, 1.27, -0.63, 0, 0.5}, 1e-15);
  // The largest magnitude survives every type, up to the scale's rounding.
  for (StoredType type : {f8, StoredType::I8, StoredType::I4}) {
    Tensor w = randomTensor({5, 7}, 3);
    Tensor rounded = quantize(w, type, {2, 4}, Rounding::F32);
    double worst = 0;
    for (size_t i = 0; i < w.values.size(); ++i) {
      worst = std::max(worst, std::abs(w.values[i] - rounded.values[i]));
    }
    EXPECT_GT(worst, 0) << "nothing was rounded";
    EXPECT_LT(worst, type == StoredType::I4 ? 1.0 / 14 + 1e-6 : 1.0 / 16 + 1e-6);
  }
}

TEST(Quantization, RoundsActivationsByGroups) {
  // Largest magnitudes 448 and 2 * 448: scales 1 and 2; the last group is short.
  std::vector<double> x = {448, 17, -1.0625, 896, 33, 0x1p-9};
  ActivationRounding groups{f8, 3};
  roundActivation(x, 6, &groups);
  EXPECT_EQ(x, (std::vector<double>{448, 16, -1.0, 896, 32, 0}));
  std::vector<double> same = {1.0 / 3};
  roundActivation(same, 1, nullptr);
  EXPECT_EQ(same[0], 1.0 / 3);
}

TEST(Quantization, ActivationScaleIsAPowerOfTwoIfAsked) {
  // 450 / 448 becomes 2: 450 is 225 * 2, between 224 and 240.
  std::vector<double> x = {450, 2.25};
  ActivationRounding rounding{f8, 0, true};
  roundActivation(x, 2, &rounding);
  EXPECT_EQ(x, (std::vector<double>{448, 2.25}));
  // An exact power stays: 448 / 448 is 1.
  x = {448, 0x1p-9};
  roundActivation(x, 2, &rounding);
  EXPECT_EQ(x, (std::vector<double>{448, 0x1p-9}));
}

TEST(Quantization, TinyActivationsMeetTheFloorOfTheScale) {
  // amax below 1e-4 counts as 1e-4: the unit of i8 is 1e-4 / 127.
  std::vector<double> x = {1e-5, 1e-8};
  ActivationRounding rounding{StoredType::I8, 0};
  roundActivation(x, 2, &rounding);
  double unit = 1e-4f / 127.0f;
  EXPECT_EQ(x, (std::vector<double>{13 * unit, 0}));
}

TEST(Quantization, ContractionsRoundTheirFirstOperand) {
  Tensor x({2, 2}, {448, 17, 448, 1});
  Tensor w({1, 2}, {1, 1}), bias({1}, {0.5}), residual({2, 1}, {100, 200});
  ActivationRounding rounding{f8, 0};
  EXPECT_EQ(linear(x, w, {&bias, &residual, &rounding}).values,
            (std::vector<double>{464 + 100.5, 449 + 200.5}));
  EXPECT_EQ(linear(x, w).values, (std::vector<double>{465, 449}));
}

TEST(Quantization, AnMlpRoundsTwice) {
  Tensor x = randomTensor({3, 4}, 1), gate = randomTensor({5, 4}, 2), up = randomTensor({5, 4}, 3),
         down = randomTensor({4, 5}, 4);
  ActivationRounding rounding{f8, 2};
  Tensor rounded = x;
  roundActivation(rounded.values, 4, &rounding);
  Tensor g = linear(rounded, gate), u = linear(rounded, up);
  for (size_t i = 0; i < g.values.size(); ++i) {
    g.values[i] = g.values[i] / (1 + std::exp(-g.values[i])) * u.values[i];
  }
  Tensor expected = linear(g, down, {nullptr, nullptr, &rounding});
  MlpSpec spec;
  spec.activation = &rounding;
  expectNear(mlp(x, gate, up, down, spec).values, expected.values, 1e-15);
  // As the only expert of a routed layer it gives the same.
  Tensor one({3, 1}, {1, 1, 1});
  Tensor routed = routedExperts(x, one, IntTensor({3, 1}), Tensor({1, 5, 4}, gate.values),
                                Tensor({1, 5, 4}, up.values), Tensor({1, 4, 5}, down.values), spec);
  expectNear(routed.values, expected.values, 1e-15);
}

TEST(Quantization, BiasesOfAnMlp) {
  Tensor x({1, 1}, {1}), gate({1, 1}, {2}), up({1, 1}, {3}), down({1, 1}, {5});
  Tensor biasGate({1}, {1}), biasUp({1}, {-1}), biasDown({1}, {7});
  MlpSpec spec;
  spec.biasGate = &biasGate;
  spec.biasUp = &biasUp;
  spec.biasDown = &biasDown;
  EXPECT_NEAR(mlp(x, gate, up, down, spec).values[0], 30 / (1 + std::exp(-3.0)) + 7, 1e-14);
}

TEST(Quantization, ABiasOfTheCompressionComesBeforeTheNorm) {
  Tensor x({1, 1}, {10}), kvA({3, 1}, {3, 4, 7}), bias({3}, {-27, -36, 1});
  std::vector<Tensor> parts = mlaCompress(x, kvA, Tensor({2}, {1, 1}), 0.0, {&bias});
  expectNear(parts[0].values, {3 / std::sqrt(12.5), 4 / std::sqrt(12.5)}, 1e-15);
  EXPECT_EQ(parts[1].values, (std::vector<double>{71}));
}

} // namespace
