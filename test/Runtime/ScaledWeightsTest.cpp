//===- ScaledWeightsTest.cpp - fp8 matrices with scales -------------------===//
//
// Widened weights against the definition, element by element, for blocks that
// do and do not divide the matrix and for matrices of more than one piece; and
// scales that the checkpoint lacks or holds in another form.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/WeightPreparation.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Support/BFloat16.h"
#include "lib/Support/Float8.h"
#include "test/Runtime/ToyModel.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace dsv2;
using namespace dsv2::test;

namespace {

TEST(Float8, ValuesAreThoseOfTheFormat) {
  EXPECT_EQ(float8E4M3ToFloat(0x00), 0.0f);
  EXPECT_TRUE(std::signbit(float8E4M3ToFloat(0x80)));
  EXPECT_EQ(float8E4M3ToFloat(0x01), 0.001953125f);
  EXPECT_EQ(float8E4M3ToFloat(0x07), 0.013671875f);
  EXPECT_EQ(float8E4M3ToFloat(0x08), 0.015625f);
  EXPECT_EQ(float8E4M3ToFloat(0x38), 1.0f);
  EXPECT_EQ(float8E4M3ToFloat(0xc1), -2.25f);
  EXPECT_EQ(float8E4M3ToFloat(0x7e), 448.0f);
  EXPECT_EQ(float8E4M3ToFloat(0xfe), -448.0f);
  EXPECT_TRUE(std::isnan(float8E4M3ToFloat(0x7f)) && std::isnan(float8E4M3ToFloat(0xff)));
  for (int bits = 1; bits < 0x7f; ++bits) {
    EXPECT_GT(float8E4M3ToFloat(static_cast<uint8_t>(bits)),
              float8E4M3ToFloat(static_cast<uint8_t>(bits - 1)));
  }
}

/// A matrix in blocks, and the weight that is its transpose.
struct Scaled {
  Scaled(int64_t rows, int64_t columns, int64_t blockRows, int64_t blockColumns)
      : rows(rows), columns(columns), blockRows(blockRows), blockColumns(blockColumns),
        across((columns + blockColumns - 1) / blockColumns),
        down((rows + blockRows - 1) / blockRows) {
    std::mt19937 random(11);
    for (int64_t i = 0; i < rows * columns; ++i) {
      elements.push_back(static_cast<uint8_t>(random() % 256));
    }
    for (int64_t i = 0; i < across * down; ++i) {
      scales.push_back(0.001f + static_cast<float>(random() % 1000) * 0.00037f);
    }
  }

  std::vector<TensorToWrite> tensors() const {
    auto u = [](int64_t n) { return static_cast<uint64_t>(n); };
    return {{"a", DType::F8E4M3, {u(rows), u(columns)}, elements.data()},
            {"a_scale", DType::F32, {u(down), u(across)}, scales.data()}};
  }

  Weight weight(ElementType type) const {
    Weight out;
    out.name = "a";
    out.type = type;
    out.elements = rows * columns;
    out.sources = {{"a", ElementType::F8E4M3, {rows, columns}, "a_scale", blockRows, blockColumns}};
    out.copies.resize(1);
    out.copies[0].dims = {{rows, columns, 1}, {columns, 1, rows}};
    return out;
  }

  float at(int64_t row, int64_t column) const {
    return float8E4M3ToFloat(elements[row * columns + column]) *
           scales[row / blockRows * across + column / blockColumns];
  }

  int64_t rows, columns, blockRows, blockColumns, across, down;
  std::vector<uint8_t> elements;
  std::vector<float> scales;
};

class ScaledWeightsTest : public testing::Test {
protected:
  /// Prepares the weight; the message of what went wrong, "" for nothing.
  std::string prepare(const std::vector<TensorToWrite> &tensors, const Weight &weight,
                      unsigned threads = 2) {
    EXPECT_FALSE(writeFileAtomically(directory.path + "/config.json", R"({"model_type": "toy"})"));
    std::optional<Error> failure = writeSafetensors(directory.path + "/model.safetensors", tensors);
    EXPECT_FALSE(failure) << failure->message();
    Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
    Expected<WeightLayout> layout = layOutWeights({weight});
    if (!checkpoint || !layout) {
      return "the checkpoint cannot be opened";
    }
    std::vector<Weight> weights = {weight};
    Expected<std::unique_ptr<WeightPreparation>> plan =
        WeightPreparation::plan(weights, *layout, *checkpoint);
    if (!plan) {
      return plan.error().message();
    }
    prepared.assign(layout->bytes, 0);
    failure = (*plan)->run(prepared.data(), threads);
    return failure ? failure->message() : "";
  }

  TemporaryDirectory directory;
  std::vector<char> prepared;
};

TEST_F(ScaledWeightsTest, AreTheProductsWhateverTheBlocks) {
  const int64_t cases[][4] = {{4, 6, 2, 3}, {5, 7, 2, 3},           {5, 7, 5, 7},
                              {5, 7, 1, 1}, {1, 9, 1, 4},           {576, 129, 128, 128},
                              {3, 1, 2, 1}, {1900, 1500, 128, 128}, {2100, 1100, 2100, 1}};
  for (const auto &each : cases) {
    Scaled scaled(each[0], each[1], each[2], each[3]);
    for (ElementType type : {ElementType::F32, ElementType::BF16}) {
      ASSERT_EQ(prepare(scaled.tensors(), scaled.weight(type)), "");
      int64_t wrong = 0;
      for (int64_t row = 0; row < scaled.rows; ++row) {
        for (int64_t column = 0; column < scaled.columns; ++column) {
          int64_t at = column * scaled.rows + row;
          float expected = scaled.at(row, column), got = 0;
          if (type == ElementType::F32) {
            std::memcpy(&got, prepared.data() + at * 4, 4);
          } else {
            uint16_t bits = 0;
            std::memcpy(&bits, prepared.data() + at * 2, 2);
            got = bfloat16ToFloat(bits);
            expected = bfloat16ToFloat(floatToBFloat16(expected));
          }
          wrong += !(got == expected || (std::isnan(got) && std::isnan(expected)));
        }
      }
      EXPECT_EQ(wrong, 0) << each[0] << " x " << each[1] << " in blocks of " << each[2] << " x "
                          << each[3] << " as " << elementTypeName(type);
    }
  }
}

TEST_F(ScaledWeightsTest, ScalesThatDifferAreNamed) {
  Scaled scaled(5, 7, 2, 3);
  auto message = [&](const std::function<void(std::vector<TensorToWrite> &, Weight &)> &change) {
    std::vector<TensorToWrite> tensors = scaled.tensors();
    Weight weight = scaled.weight(ElementType::F32);
    change(tensors, weight);
    return prepare(tensors, weight);
  };
  auto expect = [&](const std::string &text, std::initializer_list<const char *> parts) {
    for (const char *part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
    }
  };
  using Tensors = std::vector<TensorToWrite>;
  expect(message([](Tensors &t, Weight &) { t.pop_back(); }), {"no tensor 'a_scale'", "'a'"});
  expect(message([](Tensors &t, Weight &) { t[1].shape = {4, 2}; }),
         {"'a_scale'", "F32 [4, 2]", "expects F32 [3, 3]"});
  expect(message([](Tensors &t, Weight &) { t[1].dtype = DType::BF16; }),
         {"'a_scale'", "BF16 [3, 3]", "expects F32 [3, 3]"});
  expect(message([](Tensors &t, Weight &) { t[0].dtype = DType::F8E5M2; }),
         {"'a'", "F8_E5M2 [5, 7]", "expects F8_E4M3 [5, 7]"});
  for (int64_t block : {int64_t(0), int64_t(-1), int64_t(8), INT64_MAX}) {
    expect(message([&](Tensors &, Weight &w) { w.sources[0].blockRows = block; }),
           {"weight 'a'", "blocks of scales do not fit"});
    expect(message([&](Tensors &, Weight &w) { w.sources[0].blockColumns = block; }),
           {"weight 'a'", "blocks of scales do not fit"});
  }
  expect(message([](Tensors &, Weight &w) { w.sources[0].shape = {35}; }),
         {"blocks of scales do not fit"});
}

TEST_F(ScaledWeightsTest, OneTensorMayHaveTwoScales) {
  // Nothing makes such a table today; a mix-up of the two would be silent.
  Scaled scaled(2, 2, 2, 2);
  std::vector<TensorToWrite> tensors = scaled.tensors();
  float other[] = {3.0f};
  tensors.push_back({"b_scale", DType::F32, {1, 1}, other});
  Weight weight = scaled.weight(ElementType::F32);
  weight.elements = 8;
  weight.sources.push_back(weight.sources[0]);
  weight.sources[1].scales = "b_scale";
  weight.copies.push_back(weight.copies[0]);
  weight.copies[1].source = 1;
  weight.copies[1].dstOffset = 4;
  ASSERT_EQ(prepare(tensors, weight), "");
  float got[8];
  std::memcpy(got, prepared.data(), sizeof(got));
  for (int i = 0; i < 4; ++i) {
    float element = float8E4M3ToFloat(scaled.elements[i % 2 * 2 + i / 2]);
    EXPECT_EQ(got[i], element * scaled.scales[0]);
    EXPECT_EQ(got[4 + i], element * 3.0f);
  }
}

} // namespace
