//===- DeepseekV2ConfigTest.cpp - config.json of DeepSeek-V2 --------------===//
//
// Both spellings, what null means, and one case for every refusal.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekV2Config.h"
#include "test/Checkpoint/CheckpointFiles.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace dsv2;

namespace {

std::string change(std::initializer_list<std::string_view> removed, std::string_view added) {
  return changeConfig(smallConfig, removed, added);
}

Expected<DeepseekV2Config> read(const std::string &text) {
  Expected<Json> json = Json::parse(text, "config.json");
  EXPECT_TRUE(json) << json.error().message() << text;
  return json ? DeepseekV2Config::read(*json, "config.json")
              : Expected<DeepseekV2Config>(json.takeError());
}

TEST(DeepseekV2Config, ReadsWhatTransformersWrites) {
  Expected<DeepseekV2Config> config = read(std::string(smallConfig));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->vocabSize, 512u);
  EXPECT_EQ(config->qLoraRank, 24u);
  EXPECT_EQ(config->vHeadDim, 12u);
  EXPECT_EQ(config->topkMethod, TopkMethod::GroupLimitedGreedy);
  EXPECT_EQ(config->numGroups, 4u);
  EXPECT_EQ(config->topkGroups, 2u);
  EXPECT_EQ(config->routedScalingFactor, 16.0);
  EXPECT_EQ(config->rope.theta, 10000.0);
  ASSERT_TRUE(config->rope.yarn);
  EXPECT_EQ(config->rope.yarn->factor, 40.0);
  EXPECT_EQ(config->rope.yarn->mscaleAllDim, 0.707);
  EXPECT_EQ(config->rope.yarn->originalMaxPositionEmbeddings, 4096u);
  EXPECT_EQ(config->dtypeName, "bfloat16");
  EXPECT_FALSE(config->isMoeLayer(0));
  EXPECT_TRUE(config->isMoeLayer(1));
}

TEST(DeepseekV2Config, ReadsTheOldSpelling) {
  Expected<DeepseekV2Config> config = read(change(
      {"rope_parameters", "dtype"},
      R"("rope_theta":10000,"torch_dtype":"torch.float32","rope_scaling":{"type":"yarn","factor":40,
         "beta_fast":32,"beta_slow":1,"mscale":1,"mscale_all_dim":1,
         "original_max_position_embeddings":4096},"scoring_func":"softmax","moe_layer_freq":1,
         "aux_loss_alpha":0.001,"ep_size":1,"seq_aux":true,"auto_map":{"x":"y"})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->rope.theta, 10000.0);
  EXPECT_EQ(config->rope.yarn->mscale, 1.0);
  EXPECT_EQ(config->dtypeName, "float32");
}

TEST(DeepseekV2Config, BothSpellingsMustAgree) {
  std::string_view same =
      R"("rope_theta":10000,"rope_scaling":{"type":"yarn","factor":40,"beta_fast":32,"beta_slow":1,
         "mscale":0.707,"mscale_all_dim":0.707,"original_max_position_embeddings":4096})";
  EXPECT_TRUE(read(change({}, same)));
  std::string other(same);
  other.replace(other.find("\"factor\":40"), 11, "\"factor\":20");
  Expected<DeepseekV2Config> config = read(change({}, other));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind(), ErrorKind::Mismatch);
  EXPECT_EQ(config.error().message(),
            "config.json: field 'rope_scaling' contradicts rope_parameters");
}

TEST(DeepseekV2Config, AnAttentionFactorMayRepeatWhatTheOthersImply) {
  std::string_view yarn = R"("rope_parameters":{"rope_theta":10000.0,"rope_type":"yarn","factor":40,
      "beta_fast":32,"beta_slow":1,"mscale":0.707,"mscale_all_dim":0.707,
      "original_max_position_embeddings":4096,"attention_factor":)";
  EXPECT_TRUE(read(change({"rope_parameters"}, concat(yarn, "1.0}"))));
  EXPECT_TRUE(read(change({"rope_parameters"}, concat(yarn, "null}"))));
  EXPECT_FALSE(read(change({"rope_parameters"}, concat(yarn, "1.26}"))));
}

TEST(DeepseekV2Config, NullHasItsMeaning) {
  Expected<DeepseekV2Config> config = read(
      change({"q_lora_rank", "n_shared_experts", "rope_parameters", "attention_bias", "topk_method",
              "n_group", "topk_group"},
             R"("q_lora_rank":null,"n_shared_experts":null,"rope_scaling":null,"rope_theta":1e4,
                "attention_bias":null,"quantization_config":null,"topk_method":"greedy",
                "n_group":null,"num_nextn_predict_layers":null)"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->qLoraRank, std::nullopt);
  EXPECT_EQ(config->numSharedExperts, 0u);
  EXPECT_FALSE(config->rope.yarn);
  EXPECT_EQ(config->topkMethod, TopkMethod::Greedy);
}

TEST(DeepseekV2Config, ReadsWhatShippedModelsDoNotUse) {
  Expected<DeepseekV2Config> config =
      read(change({"norm_topk_prob", "tie_word_embeddings", "attention_bias", "mlp_bias"},
                  R"("norm_topk_prob":true,"tie_word_embeddings":true,"attention_bias":true,
         "mlp_bias":true,"moe_layer_freq":2,"rope_interleave":false,"scoring_func":"softmax")"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->normalizeTopk);
  EXPECT_EQ(config->routedScalingFactor, 16.0);
  EXPECT_TRUE(config->tiedEmbeddings);
  EXPECT_TRUE(config->attentionBias);
  EXPECT_TRUE(config->mlpBias);
  EXPECT_TRUE(config->ropeHalves);
  EXPECT_FALSE(config->isMoeLayer(1));
  EXPECT_TRUE(config->isMoeLayer(2));
  EXPECT_FALSE(config->isMoeLayer(3));
}

TEST(DeepseekV2Config, WithoutExpertsTheirFieldsAreNotAsked) {
  Expected<DeepseekV2Config> config =
      read(change({"n_routed_experts", "moe_intermediate_size", "num_experts_per_tok",
                   "topk_method", "first_k_dense_replace"},
                  R"("n_routed_experts":null)"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->isMoeLayer(1));
}

TEST(DeepseekV2Config, EveryRequiredKeyIsNamedWhenMissing) {
  for (std::string_view key : {"vocab_size",
                               "hidden_size",
                               "num_hidden_layers",
                               "num_attention_heads",
                               "intermediate_size",
                               "max_position_embeddings",
                               "rms_norm_eps",
                               "q_lora_rank",
                               "kv_lora_rank",
                               "qk_nope_head_dim",
                               "qk_rope_head_dim",
                               "v_head_dim",
                               "n_routed_experts",
                               "n_shared_experts",
                               "moe_intermediate_size",
                               "num_experts_per_tok",
                               "topk_method",
                               "n_group",
                               "topk_group",
                               "routed_scaling_factor",
                               "norm_topk_prob",
                               "first_k_dense_replace",
                               "hidden_act"}) {
    Expected<DeepseekV2Config> config = read(change({key}, ""));
    ASSERT_FALSE(config) << key;
    EXPECT_EQ(config.error().message().find(concat("config.json: field '", key, "' is missing")),
              0u)
        << config.error().message();
  }
  for (std::string_view key : {"beta_fast", "beta_slow", "factor", "mscale", "mscale_all_dim",
                               "original_max_position_embeddings"}) {
    Expected<DeepseekV2Config> config = read(change({key}, ""));
    ASSERT_FALSE(config) << key;
    EXPECT_NE(config.error().message().find(concat("'rope_parameters.", key, "' is missing")),
              std::string::npos)
        << config.error().message();
  }
}

struct Refusal {
  const char *name;
  const char *removed;
  const char *added;
  const char *message; // after "config.json: field '"
};

class DeepseekV2ConfigRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(DeepseekV2ConfigRefuses, ByName) {
  Expected<DeepseekV2Config> config = read(change({GetParam().removed}, GetParam().added));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message().find(concat("config.json: field '", GetParam().message)), 0u)
      << config.error().message();
}

#define ROPE(members) R"("rope_parameters":{"rope_theta":10000.0,)" members "}"
#define YARN                                                                                       \
  R"("rope_type":"yarn","factor":40,"beta_fast":32,"beta_slow":1,"mscale":1,"mscale_all_dim":1,)"  \
  R"("original_max_position_embeddings":4096)"

const Refusal refusals[] = {
    {"ModelTypeAbsent", "model_type", R"("x":1)", "model_type' is missing"},
    {"ModelTypeV32", "model_type", R"("model_type":"deepseek_v32")",
     "model_type' 'deepseek_v32' is a different architecture"},
    {"ModelTypeV4", "model_type", R"("model_type":"deepseek_v4")",
     "model_type' 'deepseek_v4' is a different architecture"},
    {"ModelTypeOther", "model_type", R"("model_type":"gpt2")", "model_type' 'gpt2' is not"},
    {"LayerFrequency", "", R"("moe_layer_freq":0)", "moe_layer_freq' must be an integer from 1"},
    {"Quantization", "", R"("quantization_config":{"quant_method":"awq"})",
     "quantization_config.quant_method' must be 'fp8', found 'awq'"},
    {"HeadDim", "head_dim", R"("head_dim":16)", "head_dim' is 16, but qk_rope_head_dim is 8"},
    {"Activation", "hidden_act", R"("hidden_act":"gelu")", "hidden_act' must be 'silu', found"},
    {"Scoring", "", R"("scoring_func":"sigmoid")", "scoring_func' must be 'softmax', found"},
    {"TopkMethod", "topk_method", R"("topk_method":"noaux_tc")",
     "topk_method' must be 'greedy' or 'group_limited_greedy', found 'noaux_tc'"},
    {"NextTokenLayers", "", R"("num_nextn_predict_layers":1)", "num_nextn_predict_layers' must"},
    {"SlidingWindow", "", R"("use_sliding_window":true)", "use_sliding_window' is true"},
    {"SoftCapping", "", R"("final_logit_softcapping":30.0)", "final_logit_softcapping' is not"},
    {"Multiplier", "", R"("embedding_multiplier":12)", "embedding_multiplier' is not supported"},
    {"QkNorm", "", R"("use_qk_norm":true)", "use_qk_norm' is true"},
    {"RopeUnknownKey", "rope_parameters", ROPE(YARN R"(,"low_freq_factor":1)"),
     "rope_parameters.low_freq_factor' is not supported"},
    {"RopeOtherType", "rope_parameters", ROPE(R"("rope_type":"linear","factor":2)"),
     "rope_parameters.rope_type' must be 'default' or 'yarn', found 'linear'"},
    {"RopeNoType", "rope_parameters", ROPE(R"("factor":2)"),
     "rope_parameters.rope_type' is missing"},
    {"RopeTwoTypes", "rope_parameters", ROPE(YARN R"(,"type":"linear")"),
     "rope_parameters.type' is 'linear', but rope_type is 'yarn'"},
    {"RopeAttentionFactor", "rope_parameters", ROPE(YARN R"(,"attention_factor":1.5)"),
     "rope_parameters.attention_factor' is not supported unless 1, which the other keys imply, "
     "found "
     "1.5"},
    {"RopeTruncate", "rope_parameters", ROPE(YARN R"(,"truncate":false)"),
     "rope_parameters.truncate' is not supported"},
    {"RopePartial", "rope_parameters", ROPE(YARN R"(,"partial_rotary_factor":0.5)"),
     "rope_parameters.partial_rotary_factor' is not supported"},
    {"RopePartialOutside", "", R"("partial_rotary_factor":0.5)", "partial_rotary_factor' is not"},
    {"RopeNoTheta", "rope_parameters", R"("rope_parameters":{"rope_type":"default"})",
     "rope_theta' is missing"},
    {"RopeThetas", "", R"("rope_theta":500000)", "rope_theta' is 500000, but the rope parameters"},
    {"RopeThetaZero", "rope_parameters", R"("rope_theta":0)", "rope_theta' must be a number"},
    {"RopeNoObject", "rope_parameters", R"("rope_parameters":3)",
     "rope_parameters' must be an object"},
    {"RopeFactorBelowOne", "factor", R"("x":1)", "rope_parameters.factor' is missing"},
    {"HiddenZero", "hidden_size", R"("hidden_size":0)", "hidden_size' must be an integer from 1"},
    {"HiddenHuge", "hidden_size", R"("hidden_size":1048577)", "hidden_size' must be an integer"},
    {"HiddenText", "hidden_size", R"("hidden_size":"64")", "hidden_size' must be an integer"},
    {"HiddenFraction", "hidden_size", R"("hidden_size":64.0)", "hidden_size' must be an integer"},
    {"ExpertsHuge", "n_routed_experts", R"("n_routed_experts":4097)", "n_routed_experts' must be"},
    {"GroupsDoNotDivide", "n_group", R"("n_group":3)", "n_group' must divide n_routed_experts 8"},
    {"GroupsKept", "topk_group", R"("topk_group":5)", "topk_group' must be an integer from 1 to 4"},
    {"GroupsHoldTooFew", "num_experts_per_tok", R"("num_experts_per_tok":5)",
     "num_experts_per_tok' is 5, but 2 of 4 groups hold only 4 experts"},
    {"TopKTooLarge", "num_experts_per_tok", R"("num_experts_per_tok":9)",
     "num_experts_per_tok' must be an integer from 1 to 8"},
    {"RopeOdd", "qk_rope_head_dim", R"("qk_rope_head_dim":7)", "qk_rope_head_dim' must be even"},
    {"HeadDimsDisagree", "qk_head_dim", R"("qk_head_dim":25)", "qk_head_dim' is 25, but"},
    {"KeyHeads", "num_key_value_heads", R"("num_key_value_heads":2)",
     "num_key_value_heads' is 2, but num_attention_heads is 4"},
    {"EpsilonZero", "rms_norm_eps", R"("rms_norm_eps":0)", "rms_norm_eps' must be a number"},
    {"Dtypes", "", R"("torch_dtype":"float32")", "torch_dtype' is 'float32', but dtype is"},
};
INSTANTIATE_TEST_SUITE_P(Corpus, DeepseekV2ConfigRefuses, ::testing::ValuesIn(refusals),
                         [](const auto &info) { return info.param.name; });

} // namespace
