//===- Qwen2ConfigTest.cpp - config.json of Qwen 1.5 and 2 ---===//
//
// Biases without a key, and a window that has to be off.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Qwen2Config.h"
#include "test/Checkpoint/ConfigCases.h"

using namespace dsv2;

namespace {

Expected<Qwen2Config> read(std::initializer_list<std::string_view> removed,
                           std::string_view added) {
  return readChanged<Qwen2Config>(smallQwen2Config, removed, added);
}

TEST(Qwen2Config, ReadsWhatTransformersWrites) {
  Expected<Qwen2Config> config = read({}, "");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->queryKeyValueBias);
  EXPECT_FALSE(config->outputBias);
  EXPECT_TRUE(config->tiedEmbeddings);
  EXPECT_EQ(config->rope.theta, 1e6);
  EXPECT_EQ(config->headDim, 8u);
}

TEST(Qwen2Config, ReadsWhatShips) {
  Expected<Qwen2Config> config =
      read({"dtype", "rope_parameters", "layer_types", "sliding_window", "tie_word_embeddings"},
           R"("torch_dtype":"bfloat16","rope_theta":1000000.0,"sliding_window":32768)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->tiedEmbeddings);
  EXPECT_EQ(config->dtypeName, "bfloat16");
}

TEST(Qwen2Config, EveryRequiredKeyIsNamedWhenMissing) {
  expectRequired<Qwen2Config>(smallQwen2Config, {"vocab_size", "hidden_size", "num_hidden_layers",
                                                 "num_attention_heads", "intermediate_size",
                                                 "max_position_embeddings", "rms_norm_eps",
                                                 "num_key_value_heads", "hidden_act"});
}

TEST(Qwen2Config, RefusesByName) {
  expectRefused<Qwen2Config>(
      smallQwen2Config,
      {
          {"model_type", R"("model_type":"qwen2_moe")", "model_type' 'qwen2_moe' is not supported"},
          {"use_sliding_window", R"("use_sliding_window":true)", "use_sliding_window' is true"},
          {"layer_types", R"("layer_types":["full_attention","sliding_attention"])",
           "layer_types' must hold 'full_attention' only"},
          {"", R"("attention_bias":true)", "attention_bias' is true"},
          {"", R"("mlp_bias":true)", "mlp_bias' is true"},
          {"", R"("use_mrope":true)", "use_mrope' is true"},
      });
}

} // namespace
