//===- FuzzTest.cpp - Mutated headers, configs and tokenizers -------------===//
//
// A bounded share of fuzzing on every run: seeded byte and token mutations of good
// inputs must be refused or accepted, never crash, hang or break a rule that an
// accepted header promises. The sanitizer build of this test is the one that counts.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekMoEConfig.h"
#include "lib/Checkpoint/DeepseekV2Config.h"
#include "lib/Checkpoint/DeepseekV3Config.h"
#include "lib/Checkpoint/LlamaConfig.h"
#include "lib/Checkpoint/MixtralConfig.h"
#include "lib/Checkpoint/Qwen2Config.h"
#include "lib/Checkpoint/Safetensors.h"
#include "lib/Checkpoint/Tokenizer.h"
#include "test/Checkpoint/CheckpointFiles.h"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <random>

using namespace dsv2;

namespace {

constexpr unsigned seed = 20240507;
constexpr auto budget = std::chrono::milliseconds(700);

/// Pieces that matter to these formats.
constexpr std::string_view pieces[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "0",
    "-1",
    "1e999",
    "null",
    "true",
    "4",
    "4294967296",
    "0.5",
    "\"a\"",
    "\\u0000",
    "\xff",
    "\"BF16\"",
    "18446744073709551615",
    "9223372036854775808",
    "[[",
    "{\"a\":",
    "data_offsets",
    "shape",
    "dtype",
    "__metadata__",
    "yarn",
    "rope_type",
};

std::string mutate(std::string text, std::mt19937 &random) {
  unsigned edits = 1 + random() % 4;
  for (unsigned i = 0; i < edits && !text.empty(); ++i) {
    size_t at = random() % text.size();
    size_t length = std::min<size_t>(1 + random() % 12, text.size() - at);
    switch (random() % 6) {
    case 0:
      text[at] = static_cast<char>(random());
      break;
    case 1:
      text.erase(at, length);
      break;
    case 2:
      text.insert(at, text.substr(random() % text.size(), length));
      break;
    case 3:
      text.resize(at);
      break;
    case 4: {
      // A number or a word for another one.
      size_t digit = text.find_first_of("0123456789", at);
      if (digit != std::string::npos) {
        size_t end = text.find_first_not_of("0123456789", digit);
        text.replace(digit, std::min(end, text.size()) - digit,
                     pieces[random() % std::size(pieces)]);
      }
      break;
    }
    default:
      text.insert(at, pieces[random() % std::size(pieces)]);
      break;
    }
  }
  return text;
}

/// Runs `check` on mutants of `good` until the budget is spent.
template <typename Check> void fuzz(const std::string &good, Check check) {
  std::mt19937 random(seed);
  auto end = std::chrono::steady_clock::now() + budget;
  size_t count = 0;
  while (std::chrono::steady_clock::now() < end) {
    std::string text = mutate(good, random);
    check(text);
    if (::testing::Test::HasFailure()) {
      FAIL() << "seed " << seed << ", mutant " << count << ": " << quote(text, 2000);
    }
    ++count;
  }
  std::printf("%zu mutants, seed %u\n", count, seed);
}

TEST(Fuzz, SafetensorsHeaders) {
  std::string good =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"F32","shape":[4],"data_offsets":[12,28]},)"
      R"("c":{"dtype":"U8","shape":[],"data_offsets":[28,29]}})";
  fuzz(good, [&](const std::string &header) {
    for (uint64_t data : {uint64_t(29), uint64_t(0)}) {
      uint64_t fileSize = 8 + header.size() + data;
      Expected<std::vector<TensorInfo>> tensors =
          parseSafetensorsHeader(header, "f", fileSize, false, nullptr);
      if (!tensors) {
        EXPECT_EQ(tensors.error().message().find("f: "), 0u);
        continue;
      }
      // What an accepted header promises, in other words than the checker's.
      uint64_t next = 8 + header.size();
      for (const TensorInfo &tensor : *tensors) {
        EXPECT_EQ(tensor.offset, next);
        EXPECT_EQ(tensor.bytes * 8, tensor.elements() * dtypeBits(tensor.dtype));
        EXPECT_LE(tensor.shape.size(), SafetensorsLimits::rank);
        next += tensor.bytes;
      }
      EXPECT_EQ(next, fileSize);
    }
  });
}

TEST(Fuzz, Configs) {
  fuzz(std::string(smallConfig), [](const std::string &text) {
    Expected<Json> json = Json::parse(text, "f");
    if (!json) {
      EXPECT_EQ(json.error().message().find("f: "), 0u);
      return;
    }
    Expected<DeepseekV2Config> config = DeepseekV2Config::read(*json, "f");
    if (!config) {
      EXPECT_EQ(config.error().message().find("f: "), 0u);
      return;
    }
    EXPECT_GT(config->hiddenSize, 0u);
    EXPECT_LE(config->hiddenSize, ConfigLimits::width);
    EXPECT_EQ(config->qkRopeHeadDim % 2, 0u);
    EXPECT_GT(config->rope.theta, 1.0);
    if (config->numRoutedExperts != 0) {
      EXPECT_EQ(config->numRoutedExperts % config->numGroups, 0u);
      EXPECT_LE(config->topK, config->numRoutedExperts / config->numGroups * config->topkGroups);
    }
  });
}

TEST(Fuzz, V3Configs) {
  std::string good = changeConfig(
      smallV3Config, {},
      R"("quantization_config":{"activation_scheme":"dynamic","fmt":"e4m3","quant_method":"fp8",
         "weight_block_size":[128,128]})");
  fuzz(good, [](const std::string &text) {
    Expected<Json> json = Json::parse(text, "f");
    if (!json) {
      return;
    }
    Expected<DeepseekV3Config> config = DeepseekV3Config::read(*json, "f");
    if (!config) {
      EXPECT_EQ(config.error().message().find("f: "), 0u);
      return;
    }
    if (config->numRoutedExperts != 0) {
      EXPECT_EQ(config->numRoutedExperts % config->numGroups, 0u);
      EXPECT_GE(config->numRoutedExperts / config->numGroups, 2u);
      EXPECT_LE(config->topK, config->numRoutedExperts / config->numGroups * config->topkGroups);
    }
  });
}

/// What every accepted config with grouped queries promises.
template <typename Config> void fuzzGroupedQueries(std::string_view good) {
  fuzz(std::string(good), [](const std::string &text) {
    Expected<Json> json = Json::parse(text, "f");
    if (!json) {
      return;
    }
    Expected<Config> config = Config::read(*json, "f");
    if (!config) {
      EXPECT_EQ(config.error().message().find("f: "), 0u);
      return;
    }
    EXPECT_EQ(config->numHeads % config->numKeyValueHeads, 0u);
    EXPECT_GT(config->headDim, 0u);
    EXPECT_EQ(config->headDim % 2, 0u);
    EXPECT_LE(config->headDim, ConfigLimits::headWidth);
    EXPECT_GT(config->rope.theta, 1.0);
    EXPECT_GE(config->moeLayerFrequency, 1u);
    EXPECT_LE(config->topK, config->numRoutedExperts);
  });
}

TEST(Fuzz, LlamaConfigs) { fuzzGroupedQueries<LlamaConfig>(smallLlamaConfig); }
TEST(Fuzz, DeepseekMoEConfigs) { fuzzGroupedQueries<DeepseekMoEConfig>(smallDeepseekMoEConfig); }
TEST(Fuzz, Qwen2Configs) { fuzzGroupedQueries<Qwen2Config>(smallQwen2Config); }
TEST(Fuzz, MixtralConfigs) { fuzzGroupedQueries<MixtralConfig>(smallMixtralConfig); }

TEST(Fuzz, Tokenizers) {
  std::string good =
      R"({"added_tokens":[{"id":9,"content":"<s>","special":true,"lstrip":true,"rstrip":false}],)"
      R"("normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split",)"
      R"("pattern":{"Regex":"\\s?[a-c\\p{L}]+(?=x|$)|(?i:'s)|\\p{N}{1,3}"},"behavior":"Isolated",)"
      R"("invert":false},{"type":"Digits","individual_digits":true},{"type":"ByteLevel",)"
      R"("add_prefix_space":true,"use_regex":true}]},"post_processor":{"type":"TemplateProcessing",)"
      R"("single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
      R"("special_tokens":{"<s>":{"id":"<s>","ids":[9],"tokens":["<s>"]}}},"decoder":{"type":)"
      R"("ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4,"\u0120":5},)"
      R"("merges":["a b",["ab","c"]]}})";
  ASSERT_TRUE(Tokenizer::parse(good, "f", "", ""));
  fuzz(good, [](const std::string &text) {
    Expected<Tokenizer> tokenizer = Tokenizer::parse(text, "f", "", "");
    if (!tokenizer) {
      EXPECT_EQ(tokenizer.error().message().find("f: "), 0u) << tokenizer.error().message();
      return;
    }
    Expected<std::vector<int32_t>> ids =
        tokenizer->encode("ab abc <s>cab", true, std::chrono::milliseconds(500));
    if (ids) {
      EXPECT_TRUE(tokenizer->decode(*ids));
    }
  });
}

} // namespace
