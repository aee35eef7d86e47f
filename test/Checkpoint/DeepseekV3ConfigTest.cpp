//===- DeepseekV3ConfigTest.cpp - config.json of DeepSeek-V3 --------------===//
//
// What V3 has beyond V2: the one gate method, said or not, and draft layers.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekV3Config.h"
#include "test/Checkpoint/CheckpointFiles.h"

#include <gtest/gtest.h>

using namespace dsv2;

namespace {

Expected<DeepseekV3Config> read(std::initializer_list<std::string_view> removed,
                                std::string_view added) {
  std::string text = changeConfig(smallV3Config, removed, added);
  Expected<Json> json = Json::parse(text, "config.json");
  EXPECT_TRUE(json) << json.error().message() << text;
  return json ? DeepseekV3Config::read(*json, "config.json")
              : Expected<DeepseekV3Config>(json.takeError());
}

TEST(DeepseekV3Config, ReadsWhatTransformersWrites) {
  Expected<DeepseekV3Config> config = read({}, "");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->topkMethod, TopkMethod::NoauxTc);
  EXPECT_EQ(config->numGroups, 4u);
  EXPECT_EQ(config->topkGroups, 2u);
  EXPECT_EQ(config->topK, 3u);
  EXPECT_TRUE(config->normalizeTopk);
  EXPECT_EQ(config->routedScalingFactor, 2.5);
  EXPECT_EQ(config->numDraftLayers, 1u);
  ASSERT_TRUE(config->rope.yarn);
  EXPECT_EQ(config->rope.yarn->mscaleAllDim, 1.0);
}

TEST(DeepseekV3Config, ReadsWhatDeepSeekShips) {
  Expected<DeepseekV3Config> config =
      read({"rope_parameters", "dtype", "head_dim", "qk_head_dim", "rope_interleave"},
           R"("rope_theta":10000,"torch_dtype":"bfloat16","rope_scaling":{"type":"yarn","factor":40,
         "beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0,
         "original_max_position_embeddings":4096},"scoring_func":"sigmoid","moe_layer_freq":1,
         "topk_method":"noaux_tc","aux_loss_alpha":0.001,"ep_size":1,"seq_aux":true)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->topkMethod, TopkMethod::NoauxTc);
  EXPECT_EQ(config->rope.theta, 10000.0);
}

TEST(DeepseekV3Config, WeightsNeedNotBeNormalized) {
  Expected<DeepseekV3Config> config = read({"norm_topk_prob"}, R"("norm_topk_prob":false)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->normalizeTopk);
}

TEST(DeepseekV3Config, DraftLayersMayBeAbsent) {
  for (std::string_view added : {"", R"("num_nextn_predict_layers":null)"}) {
    Expected<DeepseekV3Config> config = read({"num_nextn_predict_layers"}, added);
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->numDraftLayers, 0u);
  }
}

TEST(DeepseekV3Config, EveryRequiredKeyOfTheGateIsNamedWhenMissing) {
  for (std::string_view key : {"n_group", "topk_group", "num_experts_per_tok", "norm_topk_prob",
                               "routed_scaling_factor"}) {
    Expected<DeepseekV3Config> config = read({key}, "");
    ASSERT_FALSE(config) << key;
    EXPECT_EQ(config.error().message().find(concat("config.json: field '", key, "' is missing")),
              0u)
        << config.error().message();
  }
}

TEST(DeepseekV3Config, AGroupHasTwoExperts) {
  Expected<DeepseekV3Config> config =
      read({"n_group", "topk_group"}, R"("n_group":8,"topk_group":4)");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message(),
            "config.json: field 'n_group' is 8, but 8 experts do not give "
            "each group two");
}

struct Refusal {
  const char *name;
  const char *removed;
  const char *added;
  const char *message;
};

class DeepseekV3ConfigRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(DeepseekV3ConfigRefuses, ByName) {
  Expected<DeepseekV3Config> config = read({GetParam().removed}, GetParam().added);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message().find(concat("config.json: field '", GetParam().message)), 0u)
      << config.error().message();
}

const Refusal refusals[] = {
    {"ModelType", "model_type", R"("model_type":"deepseek_v2")", "model_type' 'deepseek_v2' is"},
    {"TopkMethod", "", R"("topk_method":"group_limited_greedy")",
     "topk_method' must be 'noaux_tc', found 'group_limited_greedy'"},
    {"Scoring", "", R"("scoring_func":"softmax")",
     "scoring_func' must be 'sigmoid', found 'softmax'"},
    {"LayerFrequency", "", R"("moe_layer_freq":2)", "moe_layer_freq' must be 1, found 2"},
    {"Quantization", "", R"("quantization_config":{"quant_method":"fp8"})",
     "quantization_config' is not supported"},
    {"AttentionBias", "attention_bias", R"("attention_bias":true)", "attention_bias' is true"},
    {"RopeHalves", "rope_interleave", R"("rope_interleave":false)", "rope_interleave' is false"},
    {"GroupsDoNotDivide", "n_group", R"("n_group":3)", "n_group' must divide n_routed_experts 8"},
    {"GroupsHoldTooFew", "num_experts_per_tok", R"("num_experts_per_tok":5)",
     "num_experts_per_tok' is 5, but 2 of 4 groups hold only 4 experts"},
};
INSTANTIATE_TEST_SUITE_P(Corpus, DeepseekV3ConfigRefuses, ::testing::ValuesIn(refusals),
                         [](const auto &info) { return info.param.name; });

} // namespace
