//===- MixtralConfigTest.cpp - config.json of Mixtral ---===//
//
// Experts under their own names, and no window.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/MixtralConfig.h"
#include "test/Checkpoint/ConfigCases.h"

using namespace dsv2;

namespace {

Expected<MixtralConfig> read(std::initializer_list<std::string_view> removed,
                             std::string_view added) {
  return readChanged<MixtralConfig>(smallMixtralConfig, removed, added);
}

TEST(MixtralConfig, ReadsWhatShips) {
  Expected<MixtralConfig> config = read({}, "");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->numRoutedExperts, 8u);
  EXPECT_EQ(config->numSharedExperts, 0u);
  EXPECT_EQ(config->moeIntermediateSize, 96u);
  EXPECT_EQ(config->topK, 2u);
  EXPECT_TRUE(config->normalizeTopk);
  EXPECT_EQ(config->topkMethod, TopkMethod::Greedy);
  EXPECT_FALSE(config->queryKeyValueBias);
  EXPECT_TRUE(config->isMoeLayer(0));
  EXPECT_TRUE(config->isMoeLayer(1));
}

TEST(MixtralConfig, EveryRequiredKeyIsNamedWhenMissing) {
  expectRequired<MixtralConfig>(
      smallMixtralConfig,
      {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
       "max_position_embeddings", "rms_norm_eps", "num_key_value_heads", "hidden_act", "rope_theta",
       "num_local_experts", "num_experts_per_tok"});
}

TEST(MixtralConfig, RefusesByName) {
  expectRefused<MixtralConfig>(smallMixtralConfig,
                               {
                                   {"sliding_window", R"("sliding_window":4096)",
                                    "sliding_window' is not supported unless null, found 4096"},
                                   {"num_experts_per_tok", R"("num_experts_per_tok":1)",
                                    "num_experts_per_tok' must be at least 2 for mixtral, found 1"},
                                   {"num_experts_per_tok", R"("num_experts_per_tok":9)",
                                    "num_experts_per_tok' must be an integer from 1 to 8"},
                                   {"num_local_experts", R"("num_local_experts":0)",
                                    "num_local_experts' must be an integer from 1"},
                                   {"", R"("attention_bias":true)", "attention_bias' is true"},
                                   {"", R"("mlp_bias":true)", "mlp_bias' is true"},
                               });
}

} // namespace
