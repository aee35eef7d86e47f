//===- ModelConfig.h - What configs of every model type share ---*- C++ -*-===//
//
// The checked struct and the readers of the fields that all model types have: sizes,
// norms, rope, experts, quantization. Every number is in range and consistent with
// the others, every feature that is not implemented is refused by name. Keys have no
// defaults, except where a comment says so: the class defaults of transformers are
// those of no shipped model.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_MODELCONFIG_H
#define DSV2_LIB_CHECKPOINT_MODELCONFIG_H

#include "lib/Checkpoint/Config.h"
#include "lib/Checkpoint/QuantizationConfig.h"
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

/// A decoder with RMSNorm, rope and SwiGLU, dense or with routed experts.
struct ModelConfig {
  uint64_t vocabSize = 0;
  uint64_t hiddenSize = 0;
  uint64_t numLayers = 0;
  uint64_t numHeads = 0;         // of queries
  uint64_t intermediateSize = 0; // of a dense layer's MLP
  uint64_t maxPositionEmbeddings = 0;
  double rmsNormEps = 0; // of the layer and final norms
  RopeConfig rope;
  /// The head multiplies by the embedding.
  bool tiedEmbeddings = false;
  /// Biases of dense and shared MLPs; routed experts have none.
  bool mlpBias = false;

  /// The fields of MoE layers; numRoutedExperts 0 means that there are none.
  uint64_t numRoutedExperts = 0;
  uint64_t numSharedExperts = 0;
  uint64_t moeIntermediateSize = 0;
  uint64_t topK = 0;
  TopkMethod topkMethod = TopkMethod::Greedy;
  uint64_t numGroups = 1;  // divides numRoutedExperts
  uint64_t topkGroups = 1; // at most numGroups
  /// Multiplies the weights of softmax gates that are not normalized (so the
  /// original code of V2), and those of sigmoid gates always.
  double routedScalingFactor = 1;
  /// Weights are divided by their sum; of softmax gates only if topK > 1.
  bool normalizeTopk = false;
  uint64_t firstDenseLayers = 0;
  uint64_t moeLayerFrequency = 1; // at least 1

  /// What FP8 tensors of the checkpoint mean. Which tensors are FP8 is for the
  /// shards to say.
  std::optional<QuantizationConfig> quantization;

  /// "bfloat16", "float32", ... as the config says it; "" if it does not. What the
  /// tensors are is for the shards to say.
  std::string dtypeName;

  bool isMoeLayer(uint64_t layer) const {
    return numRoutedExperts != 0 && layer >= firstDenseLayers && layer % moeLayerFrequency == 0;
  }
};

/// The error if the config is no object of type `modelType`.
std::optional<Error> checkModelType(FieldReader &reader, const std::string &path,
                                    std::string_view modelType);

/// Refuses what no reader implements: activations other than silu, and the features of
/// refuseUnknownMathematics. First of all, so that a config of a foreign form hears of
/// that form, not of some key that it lacks.
void refuseFeatures(FieldReader &reader);

/// Every field above the experts (rope's excepted), and the quantization. Failures stay
/// in `reader`.
void readModelFields(FieldReader &reader, ModelConfig &result);

/// A size for which null has a meaning: the key must be there, so that an absent key is
/// not mistaken for one. Null gives nothing.
std::optional<uint64_t> readNullable(FieldReader &reader, const Json &config, std::string_view key,
                                     uint64_t min, uint64_t max);

/// The number of routed experts, 0 where n_routed_experts is null; if there are some, also
/// shared experts, widths, top_k, norm_topk_prob and first_k_dense_replace, as the
/// DeepSeek models spell them.
void readDeepseekExperts(FieldReader &reader, const Json &config, ModelConfig &result);

/// n_group and topk_group, which must hold num_experts_per_tok experts.
void readExpertGroups(FieldReader &reader, ModelConfig &result);

/// A string field that knows one value.
void requireOnly(FieldReader &reader, std::string_view key, std::string_view expected,
                 const std::string &found);

/// Refuses multi-token prediction in a model type that has none.
void refuseDraftLayers(FieldReader &reader, std::string_view modelType);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_MODELCONFIG_H
