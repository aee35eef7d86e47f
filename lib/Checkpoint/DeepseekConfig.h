//===- DeepseekConfig.h - What configs of DeepSeek-V2 and V3 share ----------*- C++ -*-===//
//
// The checked struct and the readers of the fields that both model types have:
// every number in range and consistent with the others, every feature that is not
// implemented refused by name. Keys have no defaults: the class defaults of
// transformers are those of no shipped model.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DEEPSEEKCONFIG_H
#define DSV2_LIB_CHECKPOINT_DEEPSEEKCONFIG_H

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
  NoauxTc,            ///< sigmoid scores, choices and groups corrected by a bias
};

/// A model of DeepSeek-V2's architecture, which V3 shares.
struct DeepseekConfig {
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
  bool normalizeTopk = false;
  uint64_t firstDenseLayers = 0;

  /// "bfloat16", "float32", ... as the config says it; "" if it does not. What the
  /// tensors are is for the shards to say.
  std::string dtypeName;

  bool isMoeLayer(uint64_t layer) const {
    return numRoutedExperts != 0 && layer >= firstDenseLayers;
  }
};

/// Reads all fields into `result`, those of the gate by `readGate`, which is called
/// if there are routed experts. Failures stay in `reader`.
void readDeepseekConfig(FieldReader &reader, const Json &config, DeepseekConfig &result,
                        void (*readGate)(FieldReader &, DeepseekConfig &));

/// n_group and topk_group, which must hold num_experts_per_tok experts.
void readDeepseekGroups(FieldReader &reader, DeepseekConfig &result);

/// The model_type of `config`, "" if it has none.
std::string readModelType(FieldReader &reader);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DEEPSEEKCONFIG_H
