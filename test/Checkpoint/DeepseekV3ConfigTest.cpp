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

TEST(DeepseekV3Config, ReadsBlocksOfFp8) {
  for (std::string_view more : {R"("fmt":"e4m3",)", R"("fmt":"e4m3","scale_fmt":"ue8m0",)",
                                R"("modules_to_not_convert":["lm_head"],"dequantize":false,)"}) {
    Expected<DeepseekV3Config> config =
        read({}, concat(R"("quantization_config":{"activation_scheme":"dynamic",)", more,
                        R"("quant_method":"fp8","weight_block_size":[128,64]})"));
    ASSERT_TRUE(config) << config.error().message();
    ASSERT_TRUE(config->quantization);
    EXPECT_EQ(config->quantization->blockRows, 128u);
    EXPECT_EQ(config->quantization->blockColumns, 64u);
  }
  Expected<DeepseekV3Config> config = read({}, R"("quantization_config":null)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->quantization);
}

TEST(DeepseekV3Config, HalvesAndBiases) {
  Expected<DeepseekV3Config> config = read({"rope_interleave", "attention_bias"},
                                           R"("rope_interleave":false,"attention_bias":true)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->ropeHalves);
  EXPECT_TRUE(config->attentionBias);
  EXPECT_FALSE(config->mlpBias);
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

#define FP8(members) R"("quantization_config":{"quant_method":"fp8",)" members "}"

const Refusal refusals[] = {
    {"ModelType", "model_type", R"("model_type":"deepseek_v2")", "model_type' 'deepseek_v2' is"},
    {"TopkMethod", "", R"("topk_method":"group_limited_greedy")",
     "topk_method' must be 'noaux_tc', found 'group_limited_greedy'"},
    {"Scoring", "", R"("scoring_func":"softmax")",
     "scoring_func' must be 'sigmoid', found 'softmax'"},
    {"DraftLayers", "num_nextn_predict_layers", R"("num_nextn_predict_layers":2)",
     "num_nextn_predict_layers' must be 0 or 1, found 2"},
    {"Fp8Method", "", R"("quantization_config":{"quant_method":"compressed-tensors"})",
     "quantization_config.quant_method' must be 'fp8', found 'compressed-tensors'"},
    {"Fp8NoMethod", "", R"("quantization_config":{"fmt":"e4m3"})",
     "quantization_config.quant_method' is missing"},
    {"Fp8Format", "", FP8(R"("fmt":"e5m2","weight_block_size":[128,128])"),
     "quantization_config.fmt' must be 'e4m3', found 'e5m2'"},
    {"Fp8Static", "", FP8(R"("activation_scheme":"static","weight_block_size":[128,128])"),
     "quantization_config.activation_scheme' must be 'dynamic', found 'static'"},
    {"Fp8ScaleFormat", "", FP8(R"("scale_fmt":"e5m3","weight_block_size":[128,128])"),
     "quantization_config.scale_fmt' must be 'float' or 'ue8m0', found 'e5m3'"},
    {"Fp8NoBlock", "", FP8(R"("fmt":"e4m3")"), "quantization_config.weight_block_size' is missing"},
    {"Fp8BlockOfOne", "", FP8(R"("weight_block_size":[128])"),
     "quantization_config.weight_block_size' must be two integers"},
    {"Fp8BlockZero", "", FP8(R"("weight_block_size":[128,0])"),
     "quantization_config.weight_block_size' must be two integers"},
    {"Fp8BlockText", "", FP8(R"("weight_block_size":"128x128")"),
     "quantization_config.weight_block_size' must be two integers"},
    {"Fp8UnknownKey", "", FP8(R"("weight_block_size":[128,128],"kv_cache_scheme":{"a":1})"),
     "quantization_config.kv_cache_scheme' is not supported"},
    {"Fp8NoObject", "", R"("quantization_config":"fp8")", "quantization_config' must be an object"},
    {"GroupsDoNotDivide", "n_group", R"("n_group":3)", "n_group' must divide n_routed_experts 8"},
    {"GroupsHoldTooFew", "num_experts_per_tok", R"("num_experts_per_tok":5)",
     "num_experts_per_tok' is 5, but 2 of 4 groups hold only 4 experts"},
};
INSTANTIATE_TEST_SUITE_P(Corpus, DeepseekV3ConfigRefuses, ::testing::ValuesIn(refusals),
                         [](const auto &info) { return info.param.name; });

} // namespace
