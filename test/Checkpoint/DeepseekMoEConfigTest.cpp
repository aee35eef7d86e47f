//===- DeepseekMoEConfigTest.cpp - config.json of DeepSeekMoE ---===//
//
// Experts as the shipped config spells them, each key required.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekMoEConfig.h"
#include "test/Checkpoint/ConfigCases.h"

using namespace dsv2;

namespace {

Expected<DeepseekMoEConfig> read(std::initializer_list<std::string_view> removed,
                                 std::string_view added) {
  return readChanged<DeepseekMoEConfig>(smallDeepseekMoEConfig, removed, added);
}

TEST(DeepseekMoEConfig, ReadsWhatDeepSeekShips) {
  Expected<DeepseekMoEConfig> config = read({}, "");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->numKeyValueHeads, 8u);
  EXPECT_EQ(config->headDim, 8u);
  EXPECT_EQ(config->topkMethod, TopkMethod::Greedy);
  EXPECT_EQ(config->numRoutedExperts, 8u);
  EXPECT_EQ(config->numSharedExperts, 2u);
  EXPECT_EQ(config->moeIntermediateSize, 32u);
  EXPECT_EQ(config->topK, 3u);
  EXPECT_FALSE(config->normalizeTopk);
  EXPECT_EQ(config->routedScalingFactor, 1.0);
  EXPECT_FALSE(config->isMoeLayer(0));
  EXPECT_TRUE(config->isMoeLayer(1));
}

TEST(DeepseekMoEConfig, LayersWithAPeriod) {
  Expected<DeepseekMoEConfig> config =
      read({"moe_layer_freq", "norm_topk_prob", "attention_bias"},
           R"("moe_layer_freq":2,"norm_topk_prob":true,"attention_bias":true)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->isMoeLayer(1));
  EXPECT_TRUE(config->isMoeLayer(2));
  EXPECT_TRUE(config->normalizeTopk);
  EXPECT_TRUE(config->queryKeyValueBias);
  EXPECT_TRUE(config->outputBias);
}

TEST(DeepseekMoEConfig, WithoutExpertsTheirFieldsAreNotAsked) {
  Expected<DeepseekMoEConfig> config =
      read({"n_routed_experts", "scoring_func", "moe_layer_freq"}, R"("n_routed_experts":null)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->isMoeLayer(1));
}

TEST(DeepseekMoEConfig, EveryRequiredKeyIsNamedWhenMissing) {
  expectRequired<DeepseekMoEConfig>(
      smallDeepseekMoEConfig,
      {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
       "max_position_embeddings", "rms_norm_eps", "num_key_value_heads", "hidden_act", "rope_theta",
       "n_routed_experts", "n_shared_experts", "moe_intermediate_size", "moe_layer_freq",
       "first_k_dense_replace", "num_experts_per_tok", "norm_topk_prob", "scoring_func"});
}

TEST(DeepseekMoEConfig, RefusesByName) {
  expectRefused<DeepseekMoEConfig>(
      smallDeepseekMoEConfig,
      {
          {"scoring_func", R"("scoring_func":"sigmoid")",
           "scoring_func' must be 'softmax', found 'sigmoid'"},
          {"", R"("topk_method":"group_limited_greedy")",
           "topk_method' must be 'greedy', found 'group_limited_greedy'"},
          {"", R"("routed_scaling_factor":16.0)",
           "routed_scaling_factor' must be 1 for deepseek, found 16"},
          {"", R"("mlp_bias":true)", "mlp_bias' is true"},
          {"moe_layer_freq", R"("moe_layer_freq":0)", "moe_layer_freq' must be an integer from 1"},
          {"num_experts_per_tok", R"("num_experts_per_tok":9)",
           "num_experts_per_tok' must be an integer from 1 to 8"},
          {"rope_scaling", R"("rope_scaling":{"type":"dynamic","factor":2})",
           "rope_scaling.type' must be 'default' or 'yarn', found 'dynamic'"},
      });
}

} // namespace
