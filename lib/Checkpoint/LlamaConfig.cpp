//===- LlamaConfig.cpp - config.json of LLaMA -----------------------------===//
//
// Dense layers; one key gives biases to all four projections of the attention, one to
// the three of the MLP.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/LlamaConfig.h"

namespace dsv2 {

Expected<LlamaConfig> LlamaConfig::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (std::optional<Error> error = checkModelType(reader, path, "llama")) {
    return *error;
  }
  LlamaConfig result;
  readGroupedQueryConfig(reader, "llama", result);
  result.queryKeyValueBias = result.outputBias = reader.booleanOr("attention_bias", false);
  result.mlpBias = reader.booleanOr("mlp_bias", false);
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
