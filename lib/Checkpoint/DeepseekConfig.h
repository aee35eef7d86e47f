//===- DeepseekConfig.h - What configs of DeepSeek-V2 and V3 share ----------*- C++ -*-===//
//
// The checked struct of models with latent attention (MLA), and the reader of the fields
// that both model types have.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DEEPSEEKCONFIG_H
#define DSV2_LIB_CHECKPOINT_DEEPSEEKCONFIG_H

#include "lib/Checkpoint/ModelConfig.h"

namespace dsv2 {

/// A model of DeepSeek-V2's architecture, which V3 shares.
struct DeepseekConfig : ModelConfig {
  /// Absent: one q_proj instead of q_a_proj, q_a_layernorm, q_b_proj.
  std::optional<uint64_t> qLoraRank;
  uint64_t kvLoraRank = 0;
  uint64_t qkNopeHeadDim = 0;
  uint64_t qkRopeHeadDim = 0; // even
  uint64_t vHeadDim = 0;
  /// Elements i and i + qkRopeHeadDim / 2 rotate together, not 2 i and 2 i + 1.
  bool ropeHalves = false;
  /// Biases of q_a_proj, kv_a_proj_with_mqa and o_proj.
  bool attentionBias = false;
  /// Layers of multi-token prediction, numbered from numLayers on: 0 or 1. transformers 5
  /// writes 1 even where the checkpoint holds none.
  uint64_t numDraftLayers = 0;
};

/// Reads all fields except numDraftLayers into `result`, those of the gate by `readGate`,
/// which is called if there are routed experts. Failures stay in `reader`.
void readDeepseekConfig(FieldReader &reader, const Json &config, DeepseekConfig &result,
                        void (*readGate)(FieldReader &, DeepseekConfig &));

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DEEPSEEKCONFIG_H
