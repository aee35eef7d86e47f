//===- DeepseekMoEConfig.cpp - config.json of DeepSeekMoE -----------------===//
//
// The rules are those of the remote code that ships with the model; transformers has no
// class for it. So every key that the shipped config holds has to be there.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekMoEConfig.h"

namespace dsv2 {

Expected<DeepseekMoEConfig> DeepseekMoEConfig::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (std::optional<Error> error = checkModelType(reader, path, "deepseek")) {
    return *error;
  }
  DeepseekMoEConfig result;
  readGroupedQueryConfig(reader, "deepseek", result);
  result.queryKeyValueBias = result.outputBias = reader.booleanOr("attention_bias", false);
  refuseIfTrue(reader, "mlp_bias");
  readDeepseekExperts(reader, config, result);
  if (!reader.failed() && result.numRoutedExperts != 0) {
    result.moeLayerFrequency = reader.natural("moe_layer_freq", 1, ConfigLimits::layers);
    requireOnly(reader, "scoring_func", "softmax", reader.string("scoring_func"));
    // The choice is greedy and weights keep their scale, whatever keys of V2 say.
    requireOnly(reader, "topk_method", "greedy", reader.stringOr("topk_method", "greedy"));
    if (reader.numberOr("routed_scaling_factor", 1, 1e-6, 1e6) != 1) {
      reader.fail(ErrorKind::Unsupported, "routed_scaling_factor", "must be 1 for deepseek, found ",
                  reader.value("routed_scaling_factor")->describe());
    }
  }
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
