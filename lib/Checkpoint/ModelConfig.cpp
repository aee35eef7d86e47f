//===- ModelConfig.cpp - What configs of every model type share -----------===//
//
// The rules are those of transformers and of the original remote code, where the
// two agree on the shipped configs.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/ModelConfig.h"

namespace dsv2 {

std::optional<Error> checkModelType(FieldReader &reader, const std::string &path,
                                    std::string_view modelType) {
  if (reader.failed()) {
    return reader.error();
  }
  const Json *type = reader.value("model_type");
  std::string found = type && type->string() ? *type->string() : std::string();
  if (found != modelType) {
    return unsupportedModelType(path, found, {std::string(modelType)});
  }
  return std::nullopt;
}

void requireOnly(FieldReader &reader, std::string_view key, std::string_view expected,
                 const std::string &found) {
  if (found != expected) {
    reader.fail(ErrorKind::Unsupported, key, "must be ", quote(expected), ", found ", quote(found));
  }
}

void refuseFeatures(FieldReader &reader) {
  requireOnly(reader, "hidden_act", "silu", reader.string("hidden_act"));
  refuseUnknownMathematics(reader);
}

void readModelFields(FieldReader &reader, ModelConfig &result) {
  result.vocabSize = reader.natural("vocab_size", 1, ConfigLimits::vocabulary);
  result.hiddenSize = reader.natural("hidden_size", 1, ConfigLimits::width);
  result.numLayers = reader.natural("num_hidden_layers", 1, ConfigLimits::layers);
  result.numHeads = reader.natural("num_attention_heads", 1, ConfigLimits::heads);
  result.intermediateSize = reader.natural("intermediate_size", 1, ConfigLimits::width);
  result.maxPositionEmbeddings =
      reader.natural("max_position_embeddings", 1, ConfigLimits::positions);
  result.rmsNormEps = reader.number("rms_norm_eps", 1e-30, 1);
  result.tiedEmbeddings = reader.booleanOr("tie_word_embeddings", false);
  result.quantization = readQuantizationConfig(reader);
  result.dtypeName = readDtypeName(reader);
}

std::optional<uint64_t> readNullable(FieldReader &reader, const Json &config, std::string_view key,
                                     uint64_t min, uint64_t max) {
  const Json *value = config.find(key);
  if (value && value->isNull()) {
    return std::nullopt;
  }
  return reader.natural(key, min, max);
}

void readDeepseekExperts(FieldReader &reader, const Json &config, ModelConfig &result) {
  result.numRoutedExperts =
      readNullable(reader, config, "n_routed_experts", 1, ConfigLimits::experts).value_or(0);
  if (reader.failed() || result.numRoutedExperts == 0) {
    result.numRoutedExperts = 0;
    return;
  }
  result.numSharedExperts =
      readNullable(reader, config, "n_shared_experts", 0, ConfigLimits::experts).value_or(0);
  result.moeIntermediateSize = reader.natural("moe_intermediate_size", 1, ConfigLimits::width);
  result.firstDenseLayers = reader.natural("first_k_dense_replace", 0, ConfigLimits::layers);
  result.topK = reader.natural("num_experts_per_tok", 1, result.numRoutedExperts);
  result.normalizeTopk = reader.boolean("norm_topk_prob");
}

void readExpertGroups(FieldReader &reader, ModelConfig &result) {
  result.numGroups = reader.natural("n_group", 1, result.numRoutedExperts);
  result.topkGroups = reader.natural("topk_group", 1, result.numGroups);
  if (reader.failed()) {
    return;
  }
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

void refuseDraftLayers(FieldReader &reader, std::string_view modelType) {
  uint64_t drafts = reader.naturalOr("num_nextn_predict_layers", 0, 0, ConfigLimits::layers);
  if (drafts != 0) {
    reader.fail(ErrorKind::Unsupported, "num_nextn_predict_layers", "must be 0 for ", modelType,
                ", found ", drafts);
  }
}

} // namespace dsv2
