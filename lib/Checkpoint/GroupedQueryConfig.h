//===- GroupedQueryConfig.h - Configs with grouped-query attention -*- C++ -*-===//
//
// The checked struct of the relatives of DeepSeek-V2 (llama, deepseek, qwen2, mixtral) and
// the reader of the fields that they share.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_GROUPEDQUERYCONFIG_H
#define DSV2_LIB_CHECKPOINT_GROUPEDQUERYCONFIG_H

#include "lib/Checkpoint/ModelConfig.h"

namespace dsv2 {

/// A model whose query heads share key and value heads in groups of equal size (MHA: groups
/// of one, MQA: one group). Rope is in halves, over the whole head.
struct GroupedQueryConfig : ModelConfig {
  uint64_t numKeyValueHeads = 0; // divides numHeads
  uint64_t headDim = 0;          // even
  bool queryKeyValueBias = false;
  bool outputBias = false;
};

/// Refuses features, then reads every field except those of experts and biases. `head_dim`
/// may be absent where hidden_size is a multiple of num_attention_heads. Failures stay in
/// `reader`.
void readGroupedQueryConfig(FieldReader &reader, std::string_view modelType,
                            GroupedQueryConfig &result);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_GROUPEDQUERYCONFIG_H
