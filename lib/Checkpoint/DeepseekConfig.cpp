//===- DeepseekConfig.cpp - What configs of DeepSeek-V2 and V3 share ------===//
//
// The rules are those of transformers and of the original remote code, where the
// two agree on the shipped configs.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekConfig.h"

namespace dsv2 {
namespace {

/// A size for which null has a meaning: the key must be there, so that an absent
/// key is not mistaken for one. Null gives nothing.
std::optional<uint64_t> readNullable(FieldReader &reader, const Json &config, std::string_view key,
                                     uint64_t min, uint64_t max) {
  const Json *value = config.find(key);
  if (value && value->isNull()) {
    return std::nullopt;
  }
  return reader.natural(key, min, max);
}

void readAttention(FieldReader &reader, const Json &config, DeepseekConfig &result) {
  result.numHeads = reader.natural("num_attention_heads", 1, ConfigLimits::heads);
  result.qLoraRank = readNullable(reader, config, "q_lora_rank", 1, ConfigLimits::width);
  result.kvLoraRank = reader.natural("kv_lora_rank", 1, ConfigLimits::width);
  result.qkNopeHeadDim = reader.natural("qk_nope_head_dim", 1, ConfigLimits::headWidth);
  result.qkRopeHeadDim = reader.natural("qk_rope_head_dim", 2, ConfigLimits::headWidth);
  result.vHeadDim = reader.natural("v_head_dim", 1, ConfigLimits::headWidth);
  result.rope = readRopeConfig(reader);
  if (result.qkRopeHeadDim % 2 != 0) {
    reader.fail(ErrorKind::InvalidFile, "qk_rope_head_dim", "must be even, found ",
                result.qkRopeHeadDim);
  }
  uint64_t keyHeads =
      reader.naturalOr("num_key_value_heads", result.numHeads, 1, ConfigLimits::heads);
  if (keyHeads != result.numHeads) {
    reader.fail(ErrorKind::Mismatch, "num_key_value_heads", "is ", keyHeads,
                ", but num_attention_heads is ", result.numHeads);
  }
  uint64_t width = result.qkNopeHeadDim + result.qkRopeHeadDim;
  uint64_t stated = reader.naturalOr("qk_head_dim", width, 1, 2 * ConfigLimits::headWidth);
  if (stated != width) {
    reader.fail(ErrorKind::Mismatch, "qk_head_dim", "is ", stated,
                ", but qk_nope_head_dim + qk_rope_head_dim is ", width);
  }
}

void readExperts(FieldReader &reader, const Json &config, DeepseekConfig &result,
                 void (*readGate)(FieldReader &, DeepseekConfig &)) {
  result.numRoutedExperts =
      readNullable(reader, config, "n_routed_experts", 1, ConfigLimits::experts).value_or(0);
  if (reader.failed() || result.numRoutedExperts == 0) {
    return;
  }
  result.numSharedExperts =
      readNullable(reader, config, "n_shared_experts", 0, ConfigLimits::experts).value_or(0);
  result.moeIntermediateSize = reader.natural("moe_intermediate_size", 1, ConfigLimits::width);
  result.firstDenseLayers = reader.natural("first_k_dense_replace", 0, ConfigLimits::layers);
  uint64_t frequency = reader.naturalOr("moe_layer_freq", 1, 1, ConfigLimits::layers);
  if (frequency != 1) {
    reader.fail(ErrorKind::Unsupported, "moe_layer_freq", "must be 1, found ", frequency);
  }
  result.topK = reader.natural("num_experts_per_tok", 1, result.numRoutedExperts);
  result.routedScalingFactor = reader.number("routed_scaling_factor", 1e-6, 1e6);
  result.normalizeTopk = reader.boolean("norm_topk_prob");
  readGate(reader, result);
}

void refuseFeatures(FieldReader &reader) {
  std::string activation = reader.string("hidden_act");
  if (activation != "silu") {
    reader.fail(ErrorKind::Unsupported, "hidden_act", "must be 'silu', found ", quote(activation));
  }
  for (std::string_view key : {"attention_bias", "mlp_bias", "tie_word_embeddings"}) {
    refuseIfTrue(reader, key);
  }
  if (!reader.booleanOr("rope_interleave", true)) {
    reader.fail(ErrorKind::Unsupported, "rope_interleave", "is false, which is not supported");
  }
  if (reader.has("quantization_config")) {
    reader.fail(ErrorKind::Unsupported, "quantization_config", "is not supported");
  }
  refuseUnknownMathematics(reader);
}

} // namespace

std::string readModelType(FieldReader &reader) {
  const Json *type = reader.value("model_type");
  return type && type->string() ? *type->string() : std::string();
}

void readDeepseekGroups(FieldReader &reader, DeepseekConfig &result) {
  result.numGroups = reader.natural("n_group", 1, result.numRoutedExperts);
  result.topkGroups = reader.natural("topk_group", 1, result.numGroups);
  if (result.numRoutedExperts % result.numGroups != 0) {
    reader.fail(ErrorKind::InvalidFile, "n_group", "must divide n_routed_experts ",
                result.numRoutedExperts, ", found ", result.numGroups);
    return;
  }
  uint64_t available = result.topkGroups * (result.numRoutedExperts / result.numGroups);
  if (result.topK > available) {
    reader.fail(ErrorKind::InvalidFile, "num_experts_per_tok", "is ", result.topK, ", but ",
                result.topkGroups, " of ", result.numGroups, " groups hold only ", available,
                " experts");
  }
}

void readDeepseekConfig(FieldReader &reader, const Json &config, DeepseekConfig &result,
                        void (*readGate)(FieldReader &, DeepseekConfig &)) {
  // Refusals first: a config of a foreign form should hear of that form, not of
  // some key that it lacks.
  refuseFeatures(reader);
  result.vocabSize = reader.natural("vocab_size", 1, ConfigLimits::vocabulary);
  result.hiddenSize = reader.natural("hidden_size", 1, ConfigLimits::width);
  result.numLayers = reader.natural("num_hidden_layers", 1, ConfigLimits::layers);
  result.intermediateSize = reader.natural("intermediate_size", 1, ConfigLimits::width);
  result.maxPositionEmbeddings =
      reader.natural("max_position_embeddings", 1, ConfigLimits::positions);
  result.rmsNormEps = reader.number("rms_norm_eps", 1e-30, 1);
  readAttention(reader, config, result);
  readExperts(reader, config, result, readGate);
  result.dtypeName = readDtypeName(reader);
}

} // namespace dsv2
