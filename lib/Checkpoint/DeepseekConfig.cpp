//===- DeepseekConfig.cpp - What configs of DeepSeek-V2 and V3 share ------===//
//
// The rules are those of transformers and of the original remote code, where the
// two agree on the shipped configs.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekConfig.h"

namespace dsv2 {
namespace {

/// A field that repeats what others say.
void checkRepeated(FieldReader &reader, std::string_view key, uint64_t expected,
                   std::string_view what) {
  uint64_t stated = reader.naturalOr(key, expected, 1, 2 * ConfigLimits::headWidth);
  if (stated != expected) {
    reader.fail(ErrorKind::Mismatch, key, "is ", stated, ", but ", what, " is ", expected);
  }
}

void readAttention(FieldReader &reader, const Json &config, DeepseekConfig &result) {
  result.qLoraRank = readNullable(reader, config, "q_lora_rank", 1, ConfigLimits::width);
  result.kvLoraRank = reader.natural("kv_lora_rank", 1, ConfigLimits::width);
  result.qkNopeHeadDim = reader.natural("qk_nope_head_dim", 1, ConfigLimits::headWidth);
  result.qkRopeHeadDim = reader.natural("qk_rope_head_dim", 2, ConfigLimits::headWidth);
  result.vHeadDim = reader.natural("v_head_dim", 1, ConfigLimits::headWidth);
  result.attentionBias = reader.booleanOr("attention_bias", false);
  result.rope = readRopeConfig(reader);
  result.ropeHalves = !reader.booleanOr("rope_interleave", true);
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
  // transformers 5 writes both.
  checkRepeated(reader, "head_dim", result.qkRopeHeadDim, "qk_rope_head_dim");
  checkRepeated(reader, "qk_head_dim", result.qkNopeHeadDim + result.qkRopeHeadDim,
                "qk_nope_head_dim + qk_rope_head_dim");
}

} // namespace

void readDeepseekConfig(FieldReader &reader, const Json &config, DeepseekConfig &result,
                        void (*readGate)(FieldReader &, DeepseekConfig &)) {
  refuseFeatures(reader);
  readModelFields(reader, result);
  result.mlpBias = reader.booleanOr("mlp_bias", false);
  readAttention(reader, config, result);
  readDeepseekExperts(reader, config, result);
  if (reader.failed() || result.numRoutedExperts == 0) {
    return;
  }
  // transformers 5 leaves it out, and its classes know no other value.
  result.moeLayerFrequency = reader.naturalOr("moe_layer_freq", 1, 1, ConfigLimits::layers);
  result.routedScalingFactor = reader.number("routed_scaling_factor", 1e-6, 1e6);
  readGate(reader, result);
}

} // namespace dsv2
