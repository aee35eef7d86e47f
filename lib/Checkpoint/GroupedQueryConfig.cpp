//===- GroupedQueryConfig.cpp - Configs with grouped-query attention ------===//
//
// The rules are those of transformers' LlamaForCausalLM, from which the others differ in
// biases and experts only.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/GroupedQueryConfig.h"

namespace dsv2 {

static uint64_t readHeadDim(FieldReader &reader, const GroupedQueryConfig &config) {
  if (reader.has("head_dim")) {
    uint64_t width = reader.natural("head_dim", 2, ConfigLimits::headWidth);
    if (width % 2 != 0) {
      reader.fail(ErrorKind::InvalidFile, "head_dim", "must be even, found ", width);
    }
    return width;
  }
  if (reader.failed()) {
    return 0;
  }
  uint64_t width = config.hiddenSize / config.numHeads;
  if (config.hiddenSize % config.numHeads != 0 || width % 2 != 0 ||
      width > ConfigLimits::headWidth) {
    reader.fail(ErrorKind::InvalidFile, "head_dim", "is missing, and hidden_size ",
                config.hiddenSize, " divided by num_attention_heads ", config.numHeads,
                " is no even width up to ", ConfigLimits::headWidth);
  }
  return width;
}

void readGroupedQueryConfig(FieldReader &reader, std::string_view modelType,
                            GroupedQueryConfig &result) {
  refuseFeatures(reader);
  refuseDraftLayers(reader, modelType);
  // Adjacent pairs: a checkpoint in the layout of DeepSeek-V2, which no code reads.
  refuseIfTrue(reader, "rope_interleave");
  readModelFields(reader, result);
  result.numKeyValueHeads = reader.natural("num_key_value_heads", 1, ConfigLimits::heads);
  if (!reader.failed() && result.numHeads % result.numKeyValueHeads != 0) {
    reader.fail(ErrorKind::InvalidFile, "num_key_value_heads", "must divide num_attention_heads ",
                result.numHeads, ", found ", result.numKeyValueHeads);
  }
  result.headDim = readHeadDim(reader, result);
  result.rope = readRopeConfig(reader);
}

} // namespace dsv2
