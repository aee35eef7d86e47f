//===- DeepseekV2Config.h - config.json of DeepSeek-V2 ----------*- C++ -*-===//
//
// What a `deepseek_v2` config means (V2, V2.5, V2-Lite), checked: every number in
// range and consistent with the others, every feature that is not implemented
// refused by name. Keys have no defaults: the class defaults of transformers are
// those of no shipped model.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DEEPSEEKV2CONFIG_H
#define DSV2_LIB_CHECKPOINT_DEEPSEEKV2CONFIG_H

#include "lib/Checkpoint/Config.h"
#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <cstdint>
#include <optional>
#include <string>

namespace dsv2 {

/// How the gate chooses experts.
enum class TopkMethod {
  Greedy,             ///< the top_k largest scores
  GroupLimitedGreedy, ///< the same within the topk_group best groups
};

struct DeepseekV2Config {
  uint64_t vocabSize = 0;
  uint64_t hiddenSize = 0;
  uint64_t numLayers = 0;
  uint64_t numHeads = 0;
  uint64_t intermediateSize = 0; // of a dense layer's MLP
  uint64_t maxPositionEmbeddings = 0;
  double rmsNormEps = 0; // of the layer and final norms; q_a and kv_a norms use 1e-6

  /// Absent: one q_proj instead of q_a_proj, q_a_layernorm, q_b_proj.
  std::optional<uint64_t> qLoraRank;
  uint64_t kvLoraRank = 0;
  uint64_t qkNopeHeadDim = 0;
  uint64_t qkRopeHeadDim = 0; // even
  uint64_t vHeadDim = 0;
  RopeConfig rope; // adjacent pairs

  /// The fields of MoE layers; numRoutedExperts 0 means that there are none.
  uint64_t numRoutedExperts = 0;
  uint64_t numSharedExperts = 0;
  uint64_t moeIntermediateSize = 0;
  uint64_t topK = 0;
  TopkMethod topkMethod = TopkMethod::Greedy;
  uint64_t numGroups = 1;  // divides numRoutedExperts
  uint64_t topkGroups = 1; // at most numGroups
  double routedScalingFactor = 1;
  uint64_t firstDenseLayers = 0;

  /// "bfloat16", "float32", ... as the config says it; "" if it does not. What the
  /// tensors are is for the shards to say.
  std::string dtypeName;

  bool isMoeLayer(uint64_t layer) const {
    return numRoutedExperts != 0 && layer >= firstDenseLayers;
  }

  /// Reads and checks `config`, the object in the file `path`.
  static Expected<DeepseekV2Config> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DEEPSEEKV2CONFIG_H
