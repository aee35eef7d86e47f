//===- WeightsTest.cpp - Where weights come from --------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Rounding.h"
#include "lib/Support/AtomicFile.h"

using namespace dsv2;

namespace {

TEST(Weights, DependOnSeedAndNameOnly) {
  RandomWeights a(1), b(1), c(2);
  Tensor x = *a.load("model.layers.3.mlp.gate.weight", {8, 64}, DType::BF16);
  EXPECT_EQ(x.values, b.load("model.layers.3.mlp.gate.weight", {8, 64}, DType::F32)->values);
  EXPECT_NE(x.values, a.load("model.layers.4.mlp.gate.weight", {8, 64}, DType::BF16)->values);
  EXPECT_NE(x.values, c.load("model.layers.3.mlp.gate.weight", {8, 64}, DType::BF16)->values);
  double sum = 0;
  for (double value : x.values) {
    sum += value * value;
    EXPECT_EQ(value, roundTo(value, Rounding::BF16));
  }
  EXPECT_NEAR(std::sqrt(sum / double(x.values.size())), 1.5 / 8, 0.02);
}

TEST(Weights, NormsAreNearOne) {
  Tensor x = *RandomWeights(1).load("model.norm.weight", {256}, DType::F32);
  EXPECT_GT(*std::min_element(x.values.begin(), x.values.end()), 0.69);
  EXPECT_LT(*std::max_element(x.values.begin(), x.values.end()), 1.31);
}

TEST(Weights, MadeUpScaledWeightsAreOfTheirType) {
  RandomWeights weights(1);
  Tensor exact = *weights.load("a.weight", {5, 7}, DType::F32);
  ScaledSource source{StoredType::I8, {2, 0}, "a.weight_scale_inv", DType::F32};
  Tensor expected = quantize(exact, StoredType::I8, {2, 0}, Rounding::F32);
  Tensor made = *weights.loadScaled("a.weight", {5, 7}, source);
  double factor = made.values[0] / expected.values[0];
  for (size_t i = 0; i < made.values.size(); ++i) {
    EXPECT_EQ(made.values[i], expected.values[i] * factor);
  }
  // The factor is a power of two and depends on the name of the scales.
  std::set<double> factors;
  for (std::string name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    source.scales = name;
    factors.insert(weights.loadScaled("a.weight", {5, 7}, source)->values[0] / expected.values[0]);
  }
  EXPECT_GT(factors.size(), 1u);
  for (double f : factors) {
    EXPECT_TRUE(f == 0.5 || f == 1 || f == 2 || f == 4) << f;
  }
}

TEST(Weights, OfGatesTieAndCorrectionsAreNegative) {
  WeightRoles roles{{"gate"}, {"correction"}};
  Tensor gate = *RandomWeights(1, roles).load("gate", {8, 16}, DType::F32);
  Tensor correction = *RandomWeights(1, roles).load("correction", {8}, DType::F32);
  auto row = [&](int64_t e) { return std::vector<double>(gate.row(e), gate.row(e + 1)); };
  EXPECT_EQ(tiedExperts(8), (std::vector<int64_t>{0, 4, 7}));
  for (int64_t expert : {4, 7}) {
    EXPECT_EQ(row(expert), row(0));
    EXPECT_EQ(correction.values[expert], correction.values[0]);
  }
  for (int64_t expert : {1, 2, 3, 5, 6}) {
    EXPECT_NE(row(expert), row(0));
    EXPECT_NE(correction.values[expert], correction.values[0]);
  }
  EXPECT_LT(*std::max_element(correction.values.begin(), correction.values.end()), -0.99);
  // Without the role a tensor of that name is like any other.
  Tensor plain = *RandomWeights(1).load("gate", {8, 16}, DType::F32);
  EXPECT_FALSE(std::equal(plain.row(0), plain.row(1), plain.row(7)));
  EXPECT_TRUE(tiedExperts(2).empty());
  EXPECT_EQ(tiedExperts(4), (std::vector<int64_t>{0, 3}));
}

TEST(Weights, ComeFromAModelDirectory) {
  std::string directory = testing::TempDir();
  ASSERT_FALSE(
      writeFileAtomically(directory + "/config.json", "{\"model_type\": \"deepseek_v2\"}"));
  std::vector<float> floats = {1.5f, -2.0f};
  std::vector<uint16_t> brains = {floatToBFloat16(0.1f)}, halves = {0x3555, 0x0001};
  std::vector<uint8_t> bytes = {0x38, 0x39, 0xb8, 0x01, 0x7e, 0x00};
  std::vector<int8_t> integers = {-127, 3};
  std::vector<float> scales = {0.5f, 3.0f};
  ASSERT_FALSE(writeSafetensors(directory + "/model.safetensors",
                                {{"a", DType::F32, {2}, floats.data()},
                                 {"b", DType::BF16, {1, 1}, brains.data()},
                                 {"c", DType::F16, {2}, halves.data()},
                                 {"d", DType::F8E4M3, {2, 3}, bytes.data()},
                                 {"d_scale_inv", DType::F32, {1, 2}, scales.data()},
                                 {"e", DType::I8, {2, 1}, integers.data()},
                                 {"e_scale", DType::F32, {2, 1}, scales.data()}}));
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  CheckpointWeights weights(std::move(*checkpoint));
  EXPECT_EQ(weights.load("a", {2}, DType::F32)->values, (std::vector<double>{1.5, -2.0}));
  EXPECT_EQ(weights.load("b", {1, 1}, DType::BF16)->values[0], 0.10009765625);
  EXPECT_EQ(weights.load("c", {2}, DType::F16)->values,
            (std::vector<double>{0.333251953125, 0x1p-24}));
  std::string wrongShape = weights.load("a", {3}, DType::F32).error().message();
  EXPECT_NE(wrongShape.find("tensor 'a' is F32 [2], but the module expects F32 [3]"),
            std::string::npos)
      << wrongShape;
  EXPECT_NE(weights.load("z", {3}, DType::F32).error().message().find("no tensor 'z'"),
            std::string::npos);

  // Blocks of two columns, the last one narrow; then a scale for each row.
  ScaledSource blocks{StoredType::F8E4M3FN, {128, 2}, "d_scale_inv", DType::F32};
  EXPECT_EQ(weights.loadScaled("d", {2, 3}, blocks)->values,
            (std::vector<double>{0.5, 0.5625, -3, 0x1p-10, 224, 0}));
  ScaledSource rows{StoredType::I8, {1, 0}, "e_scale", DType::F32};
  EXPECT_EQ(weights.loadScaled("e", {2, 1}, rows)->values, (std::vector<double>{-63.5, 9}));
  rows.scales = "no_scale";
  EXPECT_NE(weights.loadScaled("e", {2, 1}, rows).error().message().find("no tensor 'no_scale'"),
            std::string::npos);
  blocks.blocks.columns = 3;
  std::string ragged = weights.loadScaled("d", {2, 3}, blocks).error().message();
  EXPECT_NE(ragged.find("tensor 'd_scale_inv' is F32 [1, 2], but the module expects F32 [1, 1]"),
            std::string::npos)
      << ragged;
}

} // namespace
