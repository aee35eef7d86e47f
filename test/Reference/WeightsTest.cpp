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

TEST(Weights, ComeFromAModelDirectory) {
  std::string directory = testing::TempDir();
  ASSERT_FALSE(
      writeFileAtomically(directory + "/config.json", "{\"model_type\": \"deepseek_v2\"}"));
  std::vector<float> floats = {1.5f, -2.0f};
  std::vector<uint16_t> brains = {floatToBFloat16(0.1f)}, halves = {0x3555, 0x0001};
  ASSERT_FALSE(
      writeSafetensors(directory + "/model.safetensors", {{"a", DType::F32, {2}, floats.data()},
                                                          {"b", DType::BF16, {1, 1}, brains.data()},
                                                          {"c", DType::F16, {2}, halves.data()}}));
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
  EXPECT_NE(weights.load("d", {3}, DType::F32).error().message().find("no tensor 'd'"),
            std::string::npos);
}

} // namespace
