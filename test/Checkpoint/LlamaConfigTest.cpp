//===- LlamaConfigTest.cpp - config.json of LLaMA ---===//
//
// Heads, biases, rope types, and what other architectures write under this name.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/LlamaConfig.h"
#include "test/Checkpoint/ConfigCases.h"

using namespace dsv2;

namespace {

Expected<LlamaConfig> read(std::initializer_list<std::string_view> removed,
                           std::string_view added) {
  return readChanged<LlamaConfig>(smallLlamaConfig, removed, added);
}

TEST(LlamaConfig, ReadsWhatTransformersWrites) {
  Expected<LlamaConfig> config = read({}, "");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->numHeads, 8u);
  EXPECT_EQ(config->numKeyValueHeads, 2u);
  EXPECT_EQ(config->headDim, 8u);
  EXPECT_EQ(config->rmsNormEps, 1e-5);
  EXPECT_EQ(config->rope.theta, 500000.0);
  EXPECT_FALSE(config->rope.yarn);
  EXPECT_FALSE(config->queryKeyValueBias);
  EXPECT_FALSE(config->outputBias);
  EXPECT_FALSE(config->mlpBias);
  EXPECT_FALSE(config->tiedEmbeddings);
  EXPECT_FALSE(config->isMoeLayer(1));
}

TEST(LlamaConfig, ReadsTheSpellingOfTransformers5) {
  Expected<LlamaConfig> config = read(
      {"rope_scaling", "rope_theta", "torch_dtype", "tie_word_embeddings"},
      R"("rope_parameters":{"rope_theta":10000,"rope_type":"default"},"dtype":"float32","head_dim":16)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->headDim, 16u);
  EXPECT_EQ(config->rope.theta, 10000.0);
  EXPECT_EQ(config->dtypeName, "float32");
}

TEST(LlamaConfig, BiasesAndTiedEmbeddings) {
  Expected<LlamaConfig> config =
      read({"attention_bias", "mlp_bias", "tie_word_embeddings"},
           R"("attention_bias":true,"mlp_bias":true,"tie_word_embeddings":true)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->queryKeyValueBias);
  EXPECT_TRUE(config->outputBias);
  EXPECT_TRUE(config->mlpBias);
  EXPECT_TRUE(config->tiedEmbeddings);
}

TEST(LlamaConfig, AWindowThatIsOffCountsForNothing) {
  EXPECT_TRUE(read({}, R"("sliding_window":4096)"));
  EXPECT_TRUE(read({}, R"("sliding_window":4096,"use_sliding_window":false)"));
}

TEST(LlamaConfig, EveryRequiredKeyIsNamedWhenMissing) {
  expectRequired<LlamaConfig>(
      smallLlamaConfig, {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                         "intermediate_size", "max_position_embeddings", "rms_norm_eps",
                         "num_key_value_heads", "hidden_act", "rope_theta"});
}

TEST(LlamaConfig, RefusesByName) {
  expectRefused<LlamaConfig>(
      smallLlamaConfig,
      {
          {"model_type", R"("model_type":"mistral")", "model_type' 'mistral' is not supported"},
          {"num_key_value_heads", R"("num_key_value_heads":3)",
           "num_key_value_heads' must divide num_attention_heads 8, found 3"},
          {"num_key_value_heads", R"("num_key_value_heads":16)",
           "num_key_value_heads' must divide num_attention_heads 8, found 16"},
          {"", R"("head_dim":7)", "head_dim' must be even, found 7"},
          {"num_attention_heads", R"("num_attention_heads":6)",
           "head_dim' is missing, and hidden_size 64 divided by num_attention_heads 6"},
          {"num_attention_heads", R"("num_attention_heads":64)",
           "head_dim' is missing, and hidden_size 64 divided by num_attention_heads 64"},
          {"", R"("rope_interleave":true)", "rope_interleave' is true"},
          {"rope_scaling",
           R"("rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,
              "high_freq_factor":4.0,"original_max_position_embeddings":8192})",
           "rope_scaling.rope_type' must be 'default' or 'yarn', found 'llama3'"},
          {"rope_scaling", R"("rope_scaling":{"type":"linear","factor":4.0})",
           "rope_scaling.type' must be 'default' or 'yarn', found 'linear'"},
          {"rope_scaling", R"("rope_scaling":{"type":"dynamic","factor":4.0})",
           "rope_scaling.type' must be 'default' or 'yarn', found 'dynamic'"},
          {"", R"("partial_rotary_factor":0.5)", "partial_rotary_factor' is not supported"},
          {"", R"("num_nextn_predict_layers":1)",
           "num_nextn_predict_layers' must be 0 for llama, found 1"},
          {"", R"("use_sliding_window":true)", "use_sliding_window' is true"},
          {"", R"("layer_types":["full_attention","sliding_attention"])",
           "layer_types' must hold 'full_attention' only, found 'sliding_attention'"},
          {"", R"("layer_types":7)", "layer_types' must be an array, found 7"},
          {"", R"("no_rope_layers":[1,1,1,0])", "no_rope_layers' is not supported"},
          {"", R"("clip_qkv":8.0)", "clip_qkv' is not supported, found 8"},
          {"hidden_act", R"("hidden_act":"gelu")", "hidden_act' must be 'silu', found 'gelu'"},
          {"", R"("quantization_config":{"quant_method":"gptq","bits":4})",
           "quantization_config.quant_method' must be 'fp8', found 'gptq'"},
      });
}

} // namespace
